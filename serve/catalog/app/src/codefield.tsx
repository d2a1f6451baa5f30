// A field that holds JSON, in the editor. It comes with the editor, which is large: see JSONField.
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { nonce } from "./api";
import { type Editor, mount } from "./editor";
import { isObject, pretty } from "./json";
import { Button } from "./ui";

export interface JSONFieldProps {
  id: string;
  value: string;
  onChange: (text: string) => void;
  fault?: string;
  like: unknown; // a value whose member names are offered
  describedBy?: string;
  tall?: boolean;
}

// keysOf lists the names of members, at any depth.
function keysOf(value: unknown): string[] {
  if (Array.isArray(value)) return value.flatMap(keysOf);
  return isObject(value) ? Object.entries(value).flatMap(([name, member]) => [name, ...keysOf(member)]) : [];
}

export function CodeField(props: JSONFieldProps) {
  const { id, value, fault } = props;
  const place = useRef<HTMLDivElement>(null);
  const editor = useRef<Editor | undefined>(undefined);
  const [hadFocus] = useState(() => document.activeElement?.id === id); // of the text area that is replaced
  const latest = useRef(props);
  latest.current = props;
  useEffect(() => {
    const { like, describedBy } = latest.current;
    const onChange = (text: string) => latest.current.onChange(text);
    editor.current = mount(place.current!, {
      id,
      nonce,
      text: value,
      keys: keysOf(like),
      labelledBy: `${id}-label`,
      describedBy,
      onChange,
    });
    if (hadFocus) editor.current.focus();
    return () => editor.current?.destroy();
  }, [id]);
  // This runs before the next key. A later effect could overwrite what the user has typed since.
  useLayoutEffect(() => editor.current?.set(value), [value]);
  useEffect(() => editor.current?.mark(fault), [fault]);
  return (
    <div class={`editor ${props.tall ? "tall" : ""} ${fault ? "faulty" : ""}`}>
      <div ref={place} />
      <Button
        class="small quiet"
        onClick={() => props.onChange(pretty(value))}
        aria-label={`Format ${id.replace("field-", "")}`}
      >
        Format
      </Button>
    </div>
  );
}
