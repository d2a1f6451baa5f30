import { useEffect, useRef } from "preact/hooks";

// useInSight brings a part of the screen into view when what it shows has been chosen elsewhere, where
// there is no room beside that: then it is below.
export function useInSight(what: string) {
  const ref = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (what && ref.current!.getBoundingClientRect().top > innerHeight - 100) ref.current!.scrollIntoView();
  }, [what]);
  return ref;
}
