// The input of a block as one JSON document. Its secrets stay in the form.
import { useState } from "preact/hooks";
import type { Input } from "./input";
import { JSONField } from "./jsonfield";
import { withoutSecrets } from "./secrets";
import { join, split } from "./text";
import type { Block } from "./types";

interface DocumentProps {
  block: Block;
  input: Input;
  edit: (input: Input) => void;
  fault?: string;
  setFault: (fault: string | undefined) => void;
}

export function InputDocument({ block, input, edit, fault, setFault }: DocumentProps) {
  const [text, setText] = useState(() => join(withoutSecrets(block, input)));
  const change = (next: string) => {
    setText(next);
    try {
      const secrets = block.input.flatMap(({ name, secret }) =>
        secret && input.has(name) ? [[name, input.get(name)!] as const] : [],
      );
      edit(new Map([...secrets, ...split(next || "{}")]));
      setFault(undefined);
    } catch (e) {
      setFault(`is not valid JSON: ${(e as Error).message}`);
    }
  };
  return (
    <div class="field">
      <label id="document-label">Input as JSON</label>
      <JSONField
        id="document"
        value={text}
        onChange={change}
        fault={fault}
        like={Object.fromEntries(block.input.map((f) => [f.name, ""]))}
        describedBy="document-hint"
        tall
      />
      <p class="hint" id="document-hint">
        Secrets are not shown here. They stay in the form.
      </p>
      {fault && <p class="fault">{fault}</p>}
    </div>
  );
}
