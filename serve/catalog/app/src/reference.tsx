// What a block takes, what it gives, and what it refuses: the tables of its documentation.
import type { ComponentChildren } from "preact";
import { get } from "./api";
import { show } from "./json";
import { blockLink } from "./route";
import type { Block, ErrorDoc, Field, Schema } from "./types";
import { bytes, Code, typeName } from "./show";
import { Chip, Failure, useLoaded } from "./ui";

const filler: Record<string, string> = { "user-only": "user", "user-or-llm": "user or model", "llm-only": "model" };

export function Reference({ block }: { block: Block }) {
  return (
    <div class="prose">
      <p>{block.description}</p>
      <p>{block.whenToUse}</p>
      {block.rules.length > 0 && (
        <>
          <h2>Rules</h2>
          <ul>
            {block.rules.map((rule) => (
              <li key={rule}>{rule}</li>
            ))}
          </ul>
        </>
      )}
      <h2>Input</h2>
      <FieldTable fields={block.input} schema={block.inputSchema} label="Input" input />
      <h2>Output</h2>
      <FieldTable fields={block.output} schema={block.outputSchema} label="Output" />
      {(block.limits.length > 0 || block.maxRequestBytes) && <h2>Limits</h2>}
      <ul>
        {block.limits.map((limit) => (
          <li key={limit}>{limit}</li>
        ))}
        {!block.limits.length && block.maxRequestBytes && <li>A request may have {bytes(block.maxRequestBytes)}.</li>}
      </ul>
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
      <Starters block={block} />
      <h2>Errors</h2>
      <Errors />
      <Versions block={block} />
    </div>
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

// Starters are what people and agents begin with: workflows in words, and skills.
function Starters({ block }: { block: Block }) {
  const { templates = [], skills = [] } = block;
  return (
    <>
      {templates.length > 0 && <h2>Workflows to start from</h2>}
      {templates.map((t) => (
        <Fold key={t.title} title={t.title} text={t.prompt} />
      ))}
      {skills.length > 0 && <h2>Skills for agents</h2>}
      {skills.map((s) => (
        <Fold key={s.name} title={s.description} text={s.content} />
      ))}
    </>
  );
}

// Fold is a text of some length behind its title.
function Fold({ title, text, children }: { title: string; text: string; children?: ComponentChildren }) {
  return (
    <details>
      <summary>{title}</summary>
      <Code label={title} text={text.trim()} />
      {children}
    </details>
  );
}

const sentWords: Record<string, string> = { no: "No", maybe: "Possibly", yes: "Yes" };

// Errors lists the codes with which a run can fail. They are the same for every block.
function Errors() {
  const list = useLoaded("errors", (signal) => get<{ errors: ErrorDoc[] }>("v1/errors", signal));
  if (list.error) return <Failure error={list.error} />;
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label="Errors table">
      <table>
        <thead>
          <tr>
            <th scope="col">Code</th>
            <th scope="col">HTTP</th>
            <th scope="col">Meaning</th>
            <th scope="col">What to do</th>
            <th scope="col">Sent</th>
          </tr>
        </thead>
        <tbody>
          {(list.value?.errors ?? []).map((e) => (
            <tr key={e.code}>
              <th scope="row">
                <code>{e.code}</code>
              </th>
              <td>{e.status}</td>
              <td>{e.meaning}</td>
              <td>{e.remedy}</td>
              <td>{sentWords[e.sent] ?? e.sent}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function FieldTable(props: { fields: Field[]; schema: Schema; label: string; input?: boolean }) {
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label={`${props.label} table`}>
      <table>
        <thead>
          <tr>
            <th scope="col">{props.input ? "Parameter" : "Member"}</th>
            <th scope="col">Type</th>
            {props.input && <th scope="col">Required</th>}
            {props.input && <th scope="col">Filled by</th>}
            <th scope="col">Description</th>
          </tr>
        </thead>
        <tbody>
          {props.fields.map((f) => (
            <tr key={f.name}>
              <th scope="row">
                <code>{f.name}</code>
              </th>
              <td>{typeName(f)}</td>
              {props.input && <td>{props.schema.required?.includes(f.name) ? "Yes" : "No"}</td>}
              {props.input && <td class="whole">{filler[f.filledBy ?? ""] ?? f.filledBy}</td>}
              <td>
                {f.description} {f.secret && <Chip>secret</Chip>} <Limits schema={props.schema.properties?.[f.name]} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

// The keywords of JSON Schema that say what a value may be, in words.
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

function Limits({ schema = {} }: { schema?: Schema }) {
  const limits = Object.entries(words).filter(([keyword]) => schema[keyword] !== undefined);
  return (
    <>
      {schema.enum && <Chip>one of {schema.enum.map((v) => JSON.stringify(v)).join(", ")}</Chip>}
      {limits.map(([keyword, word]) => (
        <Chip key={keyword}>
          {word} {String(schema[keyword])}
        </Chip>
      ))}
    </>
  );
}
