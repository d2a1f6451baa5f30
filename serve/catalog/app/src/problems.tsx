// The problems that keep an input from being sent, each with a link to its field.
import { useEffect, useRef } from "preact/hooks";
import type { Violation } from "./types";

// Problems takes the focus when running is refused, and never from a user who types a fault.
export function Problems({ of, focus, focused }: { of: Violation[]; focus: boolean; focused: () => void }) {
  const ref = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (!focus) return;
    ref.current!.focus();
    focused();
  }, [focus]);
  return (
    <div class="note bad" ref={ref} tabIndex={-1} role="alert" aria-label="What is wrong with the input">
      <strong>Nothing was sent.</strong> Fix these problems:
      <ul>
        {of.map((v) => (
          <li key={v.path + v.code + v.message}>
            <Jump path={v.path} /> {v.message}
          </li>
        ))}
      </ul>
    </div>
  );
}

// Jump leads from a violation to its field.
function Jump({ path }: { path: string }) {
  const name = path.split("/")[1];
  if (!name) return null;
  const jump = (e: Event) => {
    e.preventDefault();
    document.getElementById(`field-${name}`)?.focus();
  };
  return (
    <a href={`#field-${name}`} onClick={jump}>
      {path}
    </a>
  );
}
