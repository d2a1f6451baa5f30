// A form made of a block's schema. It knows nothing of any vendor.
import { CodeField } from "./codefield";
import { faultOf, type Input, isObject, show, textOf } from "./json";
import type { Block, Field, Schema, Violation } from "./types";

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
  // Manifests list what matters first: what comes after the first JSON parameter is folded away, and
  // so are secrets, which a host has.
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
            <button type="button" class="small" onClick={() => props.change(name, undefined)}>
              Remove {name}
            </button>
          </p>
        </div>
      ))}
    </>
  );
}

function violationsOf(name: string, all: Violation[]): Violation[] {
  const path = `/${name.replaceAll("~", "~0").replaceAll("/", "~1")}`;
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
          <button type="button" class="small" onClick={() => set(JSON.stringify(new Date().toISOString()))}>
            Now
          </button>
        )}
        {field.example !== undefined && value === undefined && !field.secret && (
          <button
            type="button"
            class="small quiet"
            onClick={() => set(show(field.example))}
            aria-label={`Use the example for ${name}`}
          >
            Example
          </button>
        )}
      </div>
      <Control block={block} field={field} schema={schema} value={value} set={set} attrs={attrs} fault={faults[0]} />
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

interface ControlProps {
  block: Block;
  field: Field;
  schema: Schema;
  value: string | undefined;
  set: (text: string | undefined) => void;
  attrs: { id: string; "aria-describedby": string; "aria-invalid": boolean };
  fault: string | undefined;
}

// keysOf lists the names of members, at any depth.
function keysOf(value: unknown): string[] {
  if (Array.isArray(value)) return value.flatMap(keysOf);
  return isObject(value) ? Object.entries(value).flatMap(([name, member]) => [name, ...keysOf(member)]) : [];
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
  if (field.type === "number") {
    const typed = (text: string) =>
      set(text.trim() === "" ? undefined : faultOf(text) ? JSON.stringify(text) : text.trim());
    return (
      <input
        {...attrs}
        inputMode="decimal"
        autocomplete="off"
        value={textOf(value) ?? value ?? ""}
        onInput={(e) => typed(e.currentTarget.value)}
      />
    );
  }
  const held = textOf(value);
  if (field.type === "string" && (value === undefined || held !== undefined)) {
    const common = {
      ...attrs,
      spellcheck: false,
      value: held ?? "",
      onInput: (e: { currentTarget: HTMLInputElement }) =>
        set(e.currentTarget.value === "" ? undefined : JSON.stringify(e.currentTarget.value)),
    };
    return field.secret ? (
      <input type="password" autocomplete="new-password" {...common} />
    ) : (
      <input autocomplete="off" {...common} />
    );
  }
  const keys = [
    ...(field.fields ?? []).map((f) => f.name),
    ...[field.example, ...block.examples.map((e) => e.input[field.name])].flatMap(keysOf),
  ];
  return (
    <CodeField
      id={attrs.id}
      value={value ?? ""}
      onChange={(t) => set(t.trim() === "" ? undefined : t)}
      fault={fault}
      keys={keys}
      describedBy={attrs["aria-describedby"]}
    />
  );
}
