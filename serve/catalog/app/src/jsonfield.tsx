// A field that holds JSON. It is a text area until the editor has loaded, or if that fails.
import { lazy } from "./ui";

export interface JSONFieldProps {
  id: string;
  value: string;
  onChange: (text: string) => void;
  fault?: string;
  like: unknown; // a value whose member names are offered
  describedBy?: string;
  tall?: boolean;
}

export const JSONField = lazy(async () => (await import("./codefield")).CodeField, TextArea);

function TextArea({ id, value, onChange, describedBy, tall }: JSONFieldProps) {
  return (
    <div class={`editor ${tall ? "tall" : ""}`}>
      <textarea
        id={id}
        aria-labelledby={`${id}-label`}
        aria-describedby={describedBy}
        spellcheck={false}
        value={value}
        onInput={(e) => onChange(e.currentTarget.value)}
      />
    </div>
  );
}
