// What a block takes, what it gives, and what it refuses: the tables of its documentation.
import { get } from "./api";
import { show } from "./json";
import { blockLink } from "./route";
import type { Block, ErrorDoc, Field, Schema } from "./types";
import { bytes, Chip, Failure, useLoaded } from "./ui";

const filler: Record<string, string> = { "user-only": "the user", "user-or-llm": "the user or a model" };

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
        <details key={example.title}>
          <summary>{example.title}</summary>
          <pre tabIndex={0} role="region" aria-label={`Example: ${example.title}`}>
            {show(example.input)}
          </pre>
          <a href={blockLink(block.id, `example=${i}`)}>Load into the form</a>
        </details>
      ))}
      {block.refused.length > 0 && <h2>Invalid inputs</h2>}
      {block.refused.map((refusal) => (
        <details key={refusal.title}>
          <summary>{refusal.title}</summary>
          <pre tabIndex={0} role="region" aria-label={`Refused: ${refusal.title}`}>
            {show(refusal.input)}
          </pre>
          <ul>
            {refusal.violations.map((v) => (
              <li key={v.path + v.code}>
                <code>{v.path || "/"}</code> <code>{v.code}</code>
              </li>
            ))}
          </ul>
        </details>
      ))}
      <h2>Errors</h2>
      <Errors />
      <h2>Version</h2>
      <p>
        This is version {block.version}. In a workflow, <code>{`${block.id}@${block.version.split(".")[0]}`}</code>{" "}
        accepts this major version only.
      </p>
    </div>
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
              <td>{f.kinds?.includes("null") ? `${f.type} or null` : f.type}</td>
              {props.input && <td>{filler[f.filledBy ?? ""] ?? f.filledBy}</td>}
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
