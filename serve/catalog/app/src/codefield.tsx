// A field that holds JSON. It is a plain text area until the editor, which is large, has come.
import { useEffect, useRef, useState } from "preact/hooks";
import { nonce } from "./api";
import type { Editor } from "./editor";
import { pretty } from "./json";

interface Props {
  id: string;
  value: string;
  onChange: (text: string) => void;
  fault?: string;
  keys: string[];
  describedBy?: string;
  tall?: boolean;
}

export function CodeField(props: Props) {
  const { id, value, tall } = props;
  const [loaded, setLoaded] = useState(false);
  const place = useRef<HTMLDivElement>(null);
  const editor = useRef<Editor | undefined>(undefined);
  const latest = useRef(props);
  latest.current = props;

  useEffect(() => {
    let gone = false;
    void import("./editor").then(
      ({ mount }) => {
        if (gone || !place.current) return;
        const hadFocus = document.activeElement?.id === id;
        setLoaded(true);
        editor.current = mount(place.current, {
          id,
          nonce,
          text: latest.current.value,
          keys: latest.current.keys,
          labelledBy: `${id}-label`,
          describedBy: latest.current.describedBy,
          onChange: (text) => latest.current.onChange(text),
        });
        if (hadFocus) editor.current.focus();
      },
      () => {},
    ); // without it the text area does
    return () => {
      gone = true;
      editor.current?.destroy();
    };
  }, [id]);
  useEffect(() => editor.current?.set(value), [value, loaded]);
  useEffect(() => editor.current?.mark(props.fault), [props.fault, loaded]);

  return (
    <div class={`editor ${tall ? "tall" : ""} ${props.fault ? "faulty" : ""}`}>
      <div ref={place} hidden={!loaded} />
      {!loaded && (
        <textarea
          id={id}
          aria-labelledby={`${id}-label`}
          aria-describedby={props.describedBy}
          spellcheck={false}
          value={value}
          onInput={(e) => props.onChange(e.currentTarget.value)}
        />
      )}
      <button
        type="button"
        class="small quiet"
        onClick={() => props.onChange(pretty(value))}
        aria-label={`Format ${id.replace("field-", "")}`}
      >
        Format
      </button>
    </div>
  );
}
