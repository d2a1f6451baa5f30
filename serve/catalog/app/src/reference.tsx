// The documentation of a block: tables of its parameters, its output and its errors.
import type { ComponentChildren } from "preact";
import { get } from "./api";
import { bytes, Code } from "./code";
import { show } from "./json";
import { useLoaded } from "./loaded";
import { blockLink } from "./route";
import { Row, Table, typeName } from "./table";
import type { Block, ErrorDoc, Field, Schema } from "./types";
import { Chip, Failure } from "./ui";

export function Reference({ block }: { block: Block }) {
  const { limits, maxRequestBytes, templates = [], skills = [] } = block;
  return (
    <div class="prose">
      <p>{block.description}</p>
      <p>{block.whenToUse}</p>
      {block.rules.length > 0 && <h2>Rules</h2>}
      <List of={block.rules} />
      <h2>Input</h2>
      <Parameters fields={block.input} schema={block.inputSchema} />
      <h2>Output</h2>
      <Table label="Output table" columns={["Member", "Type", "Description"]}>
        {block.output.map((f) => (
          <Row key={f.name} of={f.name} cells={[typeName(f), <About field={f} schema={block.outputSchema} />]} />
        ))}
      </Table>
      {(limits.length > 0 || maxRequestBytes) && <h2>Limits</h2>}
      <List of={limits.length || !maxRequestBytes ? limits : [`A request may have ${bytes(maxRequestBytes)}.`]} />
      <h2>Examples</h2>
      {block.examples.map((example, i) => (
        <Fold key={example.title} title={example.title} text={show(example.input)}>
          <a href={blockLink(block.id, `example=${i}`)}>Load into the form</a>
        </Fold>
      ))}
      {block.refused.length > 0 && <h2>Invalid inputs</h2>}
      {block.refused.map((refusal) => (
        <Fold key={refusal.title} title={refusal.title} text={show(refusal.input)}>
          <ul>
            {refusal.violations.map((v) => (
              <li key={v.path + v.code}>
                <code>{v.path || "/"}</code> <code>{v.code}</code>
              </li>
            ))}
          </ul>
        </Fold>
      ))}
      {templates.length > 0 && <h2>Workflows to start from</h2>}
      {templates.map((t) => (
        <Fold key={t.title} title={t.title} text={t.prompt} />
      ))}
      {skills.length > 0 && <h2>Skills for agents</h2>}
      {skills.map((s) => (
        <Fold key={s.name} title={s.description} text={s.content} />
      ))}
      <h2>Errors</h2>
      <Errors />
      <Versions block={block} />
    </div>
  );
}

function List({ of }: { of: string[] }) {
  return (
    <ul>
      {of.map((text) => (
        <li key={text}>{text}</li>
      ))}
    </ul>
  );
}

// Fold shows a title, and a longer text when it is opened.
function Fold({ title, text, children }: { title: string; text: string; children?: ComponentChildren }) {
  return (
    <details>
      <summary>{title}</summary>
      <Code label={title} text={text.trim()} />
      {children}
    </details>
  );
}

const filler: Record<string, string> = { "user-only": "user", "user-or-llm": "user or model", "llm-only": "model" };

function Parameters({ fields, schema }: { fields: Field[]; schema: Schema }) {
  return (
    <Table label="Input table" columns={["Parameter", "Type", "Required", "Filled by", "Description"]}>
      {fields.map((f) => (
        <Row
          key={f.name}
          of={f.name}
          cells={[
            typeName(f),
            schema.required?.includes(f.name) ? "Yes" : "No",
            filler[f.filledBy ?? ""] ?? f.filledBy,
            <About field={f} schema={schema} />,
          ]}
        />
      ))}
    </Table>
  );
}

// The keywords of JSON Schema that restrict a value, in words.
const words: Record<string, string> = {
  default: "default",
  format: "format",
  minLength: "min length",
  maxLength: "max length",
  minItems: "min items",
  maxItems: "max items",
  minimum: "min",
  maximum: "max",
  multipleOf: "multiple of",
  pattern: "pattern",
};

// About shows what the documentation and the schema say about a field.
function About({ field, schema }: { field: Field; schema: Schema }) {
  const own = schema.properties?.[field.name] ?? {};
  const chips = Object.entries(words).flatMap(([keyword, word]) =>
    own[keyword] === undefined ? [] : [`${word} ${String(own[keyword])}`],
  );
  if (own.enum) chips.unshift(`one of ${own.enum.map((v) => JSON.stringify(v)).join(", ")}`);
  if (field.secret) chips.unshift("secret");
  return (
    <>
      {field.description}{" "}
      {chips.map((chip) => (
        <Chip key={chip}>{chip}</Chip>
      ))}
    </>
  );
}

const sentWords: Record<string, string> = { no: "No", maybe: "Possibly", yes: "Yes" };

// Errors lists the codes with which a run can fail. They are the same for every block.
function Errors() {
  const list = useLoaded("", (signal) => get<{ errors: ErrorDoc[] }>("v1/errors", signal));
  if (list.error) return <Failure error={list.error} />;
  return (
    <Table label="Errors table" columns={["Code", "HTTP", "Meaning", "What to do", "Sent"]}>
      {list.value?.errors.map((e) => (
        <Row key={e.code} of={e.code} cells={[e.status, e.meaning, e.remedy, sentWords[e.sent] ?? e.sent]} />
      ))}
    </Table>
  );
}

export function Deprecation({ block }: { block: Block }) {
  return (
    <p class="note bad">
      <strong>Deprecated.</strong> {block.deprecated}
      {block.replacedBy && (
        <>
          {" "}
          Use <a href={blockLink(block.replacedBy)}>{block.replacedBy}</a> instead.
        </>
      )}
      {block.sunset && ` It may be gone from ${block.sunset}.`}
    </p>
  );
}

function Versions({ block }: { block: Block }) {
  const [name = "", pinned] = block.id.split("@");
  const major = block.version.split(".")[0];
  const others = (block.majors ?? []).filter((m) => String(m) !== major);
  return (
    <>
      <h2>Version</h2>
      <p>
        This is version {block.version}. {!pinned && "Without a number, a call uses the newest major version. "}
        <code>{`${name}@${major}`}</code> accepts this major version only.
      </p>
      {others.length > 0 && (
        <p>
          Also here:{" "}
          {others.map((m) => (
            <a key={m} href={blockLink(`${name}@${m}`, "tab=reference")}>{`version ${m}`}</a>
          ))}
        </p>
      )}
      <ul>
        {(block.changes ?? []).map((c) => (
          <li key={c.version + c.text}>
            <strong>{c.version}</strong> {c.text}
          </li>
        ))}
      </ul>
    </>
  );
}
