// A form generated from a block's schema. It has no code for any vendor.
import { useState } from "preact/hooks";
import { type Input, pointer } from "./input";
import { faultOf, show, textOf } from "./json";
import { JSONField } from "./jsonfield";
import { forgetSecret, isRemembered, rememberSecret } from "./remembered";
import type { Block, Field, Schema, Violation } from "./types";
import { Button } from "./ui";

interface FormProps {
  block: Block;
  input: Input;
  change: (name: string, value: string | undefined) => void;
  violations: Violation[];
  touched: ReadonlySet<string>;
  strict: boolean;
}

export function Form(props: FormProps) {
  const { block, input } = props;
  const firstJSON = block.input.findIndex((f) => f.type === "json");
  // Manifests list the important parameters first. So the form folds away those after the first JSON
  // parameter. It also folds away secrets, which a host supplies.
  const basic = block.input.filter((f, i) => !f.secret && (firstJSON < 0 || i <= firstJSON));
  const advanced = block.input.filter((f) => !basic.includes(f));
  const unknown = [...input.keys()].filter((name) => !block.input.some((f) => f.name === name));
  const open = advanced.some((f) => input.has(f.name));
  return (
    <>
      {block.rules.length > 0 && (
        <ul class="rules" aria-label="Rules">
          {block.rules.map((rule) => (
            <li key={rule}>{rule}</li>
          ))}
        </ul>
      )}
      {basic.map((f) => (
        <Entry key={f.name} field={f} {...props} />
      ))}
      {advanced.length > 0 && (
        <details class="more" open={open}>
          <summary>
            More fields <span class="hint">{advanced.map((f) => f.name).join(", ")}</span>
          </summary>
          {advanced.map((f) => (
            <Entry key={f.name} field={f} {...props} />
          ))}
        </details>
      )}
      {unknown.map((name) => (
        <div class="field" key={name}>
          <span class="label">{name}</span>
          <p class="fault" id={`field-${name}`} tabIndex={-1}>
            {violationsOf(name, props.violations).map((v) => v.message)[0] ?? "is not a parameter of this block"}{" "}
            <Button onClick={() => props.change(name, undefined)}>Remove {name}</Button>
          </p>
        </div>
      ))}
    </>
  );
}

function violationsOf(name: string, all: Violation[]): Violation[] {
  const path = pointer(name);
  return all.filter((v) => v.path === path || v.path.startsWith(`${path}/`));
}

function Entry({ field, block, input, change, violations, touched, strict }: FormProps & { field: Field }) {
  const { name } = field;
  const id = `field-${name}`;
  const value = input.get(name);
  const shown = strict || touched.has(name) ? violationsOf(name, violations) : [];
  const faults = shown.map((v) => `${v.path.slice(name.length + 2)} ${v.message}`.trim());
  const schema = block.inputSchema.properties?.[name] ?? {};
  const set = (text: string | undefined) => change(name, text);
  const described = `${id}-hint${faults.length ? ` ${id}-fault` : ""}`;
  const attrs = { id, "aria-describedby": described, "aria-invalid": faults.length > 0 };
  return (
    <div class="field">
      <div class="above">
        <label for={id} id={`${id}-label`}>
          {name}
        </label>
        <span class="hint">
          {field.format === "date-time" ? "date and time" : field.secret ? "secret" : field.type}
        </span>
        {field.format === "date-time" && (
          <Button onClick={() => set(JSON.stringify(new Date().toISOString()))}>Now</Button>
        )}
        {field.example !== undefined && value === undefined && !field.secret && (
          <Button
            class="small quiet"
            onClick={() => set(show(field.example))}
            aria-label={`Use the example for ${name}`}
          >
            Example
          </Button>
        )}
      </div>
      <Control block={block} field={field} schema={schema} value={value} set={set} attrs={attrs} fault={faults[0]} />
      {field.secret && <Remember key={value === undefined ? "" : "set"} block={block} name={name} value={value} />}
      <p class="hint" id={`${id}-hint`}>
        {field.description}
      </p>
      {faults.length > 0 && (
        <p class="fault" id={`${id}-fault`}>
          {faults.join("; ")}
        </p>
      )}
    </div>
  );
}

// Remember offers to fill a secret into the forms that are opened later.
function Remember({ block, name, value }: { block: Block; name: string; value: string | undefined }) {
  const [on, setOn] = useState(isRemembered(block, name));
  const change = (e: { currentTarget: HTMLInputElement }) => {
    if (e.currentTarget.checked) rememberSecret(block, name, value);
    else forgetSecret(block, name);
    setOn(e.currentTarget.checked);
  };
  return (
    <label class="check">
      <input type="checkbox" checked={on} onChange={change} />
      Remember until this page is reloaded or closed
    </label>
  );
}

interface ControlProps {
  block: Block;
  field: Field;
  schema: Schema;
  value: string | undefined;
  set: (text: string | undefined) => void;
  attrs: { id: string; "aria-describedby": string; "aria-invalid": boolean };
  fault: string | undefined;
}

function Control({ block, field, schema, value, set, attrs, fault }: ControlProps) {
  const choices = schema.enum ?? (field.type === "boolean" ? [true, false] : undefined);
  if (choices) {
    return (
      <select {...attrs} value={value ?? ""} onChange={(e) => set(e.currentTarget.value || undefined)}>
        <option value="">Not set</option>
        {choices.map((c) => {
          const text = JSON.stringify(c);
          return (
            <option key={text} value={text}>
              {typeof c === "string" ? c : text}
            </option>
          );
        })}
      </select>
    );
  }
  const held = textOf(value);
  const isNumber = field.type === "number";
  if (isNumber || (field.type === "string" && (value === undefined || held !== undefined))) {
    const type = (text: string) => {
      if (text === "") set(undefined);
      else set(isNumber && !faultOf(text) ? text.trim() : JSON.stringify(text));
    };
    return (
      <input
        {...attrs}
        {...(field.secret ? { type: "password", autocomplete: "new-password" } : { autocomplete: "off" })}
        inputMode={isNumber ? "decimal" : undefined}
        spellcheck={false}
        value={held ?? value ?? ""}
        onInput={(e) => type(e.currentTarget.value)}
      />
    );
  }
  return (
    <JSONField
      id={attrs.id}
      value={value ?? ""}
      onChange={(t) => set(t.trim() === "" ? undefined : t)}
      fault={fault}
      like={[
        field.fields?.map((f) => ({ [f.name]: "" })),
        field.example,
        ...block.examples.map((e) => e.input[field.name]),
      ]}
      describedBy={attrs["aria-describedby"]}
    />
  );
}
