import { useEffect, useRef } from "preact/hooks";

// useInSight scrolls a part of a narrow screen into view when its content is chosen elsewhere. On a
// narrow screen, the part lies below the place of the choice and not beside it.
export function useInSight(what: string) {
  const ref = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (what && ref.current!.getBoundingClientRect().top > innerHeight - 100) ref.current!.scrollIntoView();
  }, [what]);
  return ref;
}
