// The form of a block beside what it sends: fill, check, preview, run.
import { useEffect, useRef, useState } from "preact/hooks";
import { CodeField } from "./codefield";
import { useCheck } from "./check";
import { Form } from "./form";
import { type Input, inputOf, join, split } from "./json";
import { Preview } from "./preview";
import { Result, type Outcome } from "./result";
import { blockLink, setQuery } from "./route";
import { useRun } from "./run";
import { recent, type Run, runById } from "./runs";
import { fromLink, toLink, withoutSecrets } from "./secrets";
import { Snippets } from "./snippets";
import type { Sources } from "./sources";
import type { Block } from "./types";
import { Copy, Dialog, Tabs } from "./ui";

const panels = [
  ["preview", "Preview"],
  ["result", "Result"],
  ["code", "Code"],
] as const;

type Panel = (typeof panels)[number][0];

export function Try({ block, query, sources }: { block: Block; query: URLSearchParams; sources: Sources }) {
  const [input, setInput] = useState<Input>(new Map());
  const [touched, setTouched] = useState<ReadonlySet<string>>(new Set());
  const [strict, setStrict] = useState(false); // every violation is shown, not only those of touched fields
  const [panel, setPanel] = useState<Panel>("preview");
  const [starting, setStarting] = useState(false); // the input is being checked before a run
  const [refusals, setRefusals] = useState(0); // how often running was refused
  const [text, setText] = useState<string>(); // of the document, while it is edited as JSON
  const [kept, setKept] = useState<Outcome>(); // of an earlier run that is being looked at
  const summary = useRef<HTMLDivElement>(null);
  const source = sources.chosen;
  const check = useCheck(block, input, source?.name ?? "");
  const run = useRun(block, input, sources, (outcome) => {
    setKept(outcome);
    setPanel("result");
    document.getElementById("sends-result")?.scrollIntoView({ block: "nearest" }); // it may be below the form
    if (!outcome.ok) setStrict(true);
  });
  const fault = text === undefined ? undefined : faultOfDocument(text);

  const fill = (next: Input, show = true) => {
    setInput(next);
    setTouched(new Set(next.keys()));
    setStrict(show);
    if (text !== undefined) setText(join(next));
  };
  const change = (name: string, value: string | undefined) => {
    setInput((old) => {
      const next = new Map(old);
      if (value === undefined) next.delete(name);
      else next.set(name, value);
      return next;
    });
    setTouched((old) => new Set(old).add(name));
  };

  useEffect(() => summary.current?.focus(), [refusals]);

  // The address may hold an input: an example, an earlier run, or one that somebody shared.
  useEffect(() => {
    void filledBy(block, query).then(({ input, run }) => {
      if (input) fill(input);
      if (run) {
        setKept(run.outcome);
        setPanel("result");
      }
      if (input) setQuery({ example: "", run: "", input: "" });
    });
  }, [query.get("example"), query.get("run"), query.get("input")]);

  const submit = async (e: Event) => {
    e.preventDefault();
    if (fault || starting || run.busy) return; // a second click must not send a second event
    setStrict(true);
    setStarting(true);
    const found = await check.now();
    setStarting(false);
    if (found.length > 0) setRefusals((n) => n + 1);
    else run.start();
  };
  const asForm = () => setText(undefined);
  const asJSON = () => setText(join(withoutSecrets(block, input)));
  const edit = (next: string) => {
    setText(next);
    if (faultOfDocument(next)) return;
    const secrets = new Map([...input].filter(([name]) => block.input.find((f) => f.name === name)?.secret));
    setInput(new Map([...split(next), ...secrets]));
    setStrict(true);
  };

  return (
    <div class="halves try">
      <form class="panel" onSubmit={submit} noValidate aria-label={`Input of ${block.name}`}>
        <div class="tools">
          <div class="buttons" role="group" aria-label="Edit as">
            <button type="button" class="small" aria-pressed={text === undefined} disabled={!!fault} onClick={asForm}>
              Form
            </button>
            <button type="button" class="small" aria-pressed={text !== undefined} onClick={asJSON}>
              JSON
            </button>
          </div>
          <Fill block={block} fill={fill} />
          <Copy label="Share link" text={() => shareLink(block, input)} />
          <button type="button" class="small" disabled={input.size === 0} onClick={() => fill(new Map(), false)}>
            Clear
          </button>
        </div>
        {strict && check.violations.length > 0 && (
          <div class="note bad" ref={summary} tabIndex={-1} role="alert" aria-label="What is wrong with the input">
            <strong>Nothing was sent.</strong> Fix these problems:
            <ul>
              {check.violations.map((v) => (
                <li key={v.path + v.code + v.message}>
                  <Jump path={v.path} /> {v.message}
                </li>
              ))}
            </ul>
          </div>
        )}
        {text === undefined ? (
          <Form
            block={block}
            input={input}
            change={change}
            violations={check.violations}
            touched={touched}
            strict={strict}
          />
        ) : (
          <div class="field">
            <label id="document-label">Input as JSON</label>
            <CodeField
              id="document"
              value={text}
              onChange={edit}
              fault={fault}
              keys={block.input.map((f) => f.name)}
              tall
            />
            <p class="hint">Secrets are not shown here. They stay in the form.</p>
          </div>
        )}
        <div class="runbar">
          <button class="primary" disabled={!!fault} aria-disabled={starting || run.busy}>
            {source && !source.emulated ? "Run for real" : "Run"}
          </button>
          {run.busy && (
            <button type="button" onClick={run.cancel}>
              Cancel
            </button>
          )}
          <span class={`says ${check.state}`} role="status">
            {run.busy ? `Running, ${(run.elapsed / 1000).toFixed(1)} s` : check.says}
          </span>
        </div>
      </form>
      <div class="panel">
        <Tabs<Panel> label="What it sends" id="sends" all={panels} chosen={panel} choose={setPanel}>
          {panel === "preview" && <Preview block={block} check={check} />}
          {panel === "result" && <Result block={block} outcome={kept} busy={run.busy} />}
          {panel === "code" && (
            <Snippets block={block} input={withoutSecrets(block, input)} check={check} source={source} />
          )}
        </Tabs>
      </div>
      {run.confirming && (
        <Dialog title="Send a real event?" close={run.deny}>
          <p>
            <strong>{source?.name || "The source"}</strong> is a real source. The event goes to{" "}
            <code>{source?.endpoint ?? "the real receiver"}</code>, and you cannot undo it.
          </p>
          <p class="hint">The page asks once for each source, until you close this tab.</p>
          <p class="actions">
            <button type="button" onClick={run.deny}>
              Do not send
            </button>
            <button type="button" class="danger" onClick={run.confirm}>
              Send it
            </button>
          </p>
        </Dialog>
      )}
    </div>
  );
}

function faultOfDocument(text: string): string | undefined {
  try {
    split(text || "{}");
  } catch (e) {
    return `is not valid JSON: ${(e as Error).message}`;
  }
}

// Jump leads from a violation to its field.
function Jump({ path }: { path: string }) {
  const name = path.split("/")[1];
  if (!name) return null;
  const jump = (e: Event) => {
    e.preventDefault();
    document.getElementById(`field-${name}`)?.focus();
  };
  return (
    <a href={`#field-${name}`} onClick={jump}>
      {path}
    </a>
  );
}

async function filledBy(block: Block, query: URLSearchParams): Promise<{ input?: Input; run?: Run }> {
  const example = block.examples[Number(query.get("example") ?? NaN)];
  if (example) return { input: inputOf(example.input) };
  const run = query.has("run") ? await runById(Number(query.get("run"))) : undefined;
  if (run) return { input: split(run.input), run };
  const shared = query.get("input");
  return shared ? { input: fromLink(shared) } : {};
}

function shareLink(block: Block, input: Input): string {
  return location.href.replace(/#.*/, "") + blockLink(block.id, `input=${toLink(withoutSecrets(block, input))}`);
}

// Fill offers inputs that are at hand: examples, what is refused, and what was run here lately.
function Fill({ block, fill }: { block: Block; fill: (input: Input) => void }) {
  const [runs, setRuns] = useState<Run[]>([]);
  useEffect(() => void recent(block.id).then(setRuns), [block.id]);
  const pick = (e: Event) => {
    const select = e.currentTarget as HTMLSelectElement;
    const [kind, at] = select.value.split(" ");
    select.value = "";
    if (kind === "example") fill(inputOf(block.examples[Number(at)]!.input));
    if (kind === "refused") fill(inputOf(block.refused[Number(at)]!.input));
    if (kind === "run") fill(split(runs[Number(at)]!.input));
  };
  const group = (title: string, kind: string, titles: string[]) =>
    titles.length > 0 && (
      <optgroup label={title}>
        {titles.map((t, i) => (
          <option key={t + i} value={`${kind} ${i}`}>
            {t}
          </option>
        ))}
      </optgroup>
    );
  return (
    <select class="small grow" aria-label="Fill the form with" onChange={pick} value="">
      <option value="">Fill with…</option>
      {group(
        "Examples",
        "example",
        block.examples.map((e) => e.title),
      )}
      {group(
        "Invalid inputs",
        "refused",
        block.refused.map((r) => r.title),
      )}
      {group(
        "Recent runs",
        "run",
        runs.map((r) => `${new Date(r.at).toLocaleString()}, ${r.outcome.ok ? "accepted" : r.outcome.problem.code}`),
      )}
    </select>
  );
}
