// A field that holds JSON. It is a text area until the editor has loaded, or if that fails.
import type { JSONFieldProps } from "./codefield";
import { lazy } from "./ui";

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
