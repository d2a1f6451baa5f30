// The form of a block beside what it sends: fill, check, preview, run.
import { useEffect, useRef, useState } from "preact/hooks";
import { CodeField } from "./codefield";
import { useCheck } from "./check";
import { remember, remembered } from "./draft";
import { Form } from "./form";
import { type Input, inputOf, join, split } from "./json";
import type { Outcome } from "./result";
import { blockLink, setQuery } from "./route";
import { useRun } from "./run";
import type { Run } from "./runs";
import { fromLink, toLink, withoutSecrets } from "./secrets";
import type { Sources } from "./sources";
import type { Attempt, Block } from "./types";
import { Copy, count, Tabs } from "./ui";

const panels = [
  ["preview", "Preview"],
  ["result", "Result"],
  ["code", "Code"],
] as const;

type Panel = (typeof panels)[number][0];

interface TryProps {
  block: Block;
  query: URLSearchParams;
  sources: Sources;
  later?: typeof import("./later");
}

export function Try({ block, query, sources, later }: TryProps) {
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

  // The address may hold an input: an example, an earlier run, or one that somebody shared. Else the
  // form has what was in it last.
  const given = [query.get("example"), query.get("run"), query.get("input")];
  useEffect(() => {
    if (given.every((g) => g === null)) {
      const draft = input.size === 0 && remembered(block);
      if (draft) fill(draft, false);
      return;
    }
    void filledBy(block, query).then(({ input, run }) => {
      if (input) fill(input);
      if (run) {
        setKept(run.outcome);
        setPanel("result");
      }
      setQuery({ example: "", run: "", input: "" });
    });
  }, given);
  useEffect(() => {
    const timer = setTimeout(() => remember(block, input), 300);
    return () => clearTimeout(timer);
  }, [input]);

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
          {later ? (
            <later.Fill block={block} fill={fill} ran={kept} />
          ) : (
            <select class="small grow" aria-label="Fill the form with" disabled />
          )}
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
            {run.busy ? progress(run.elapsed, run.attempts, check.requests?.length) : check.says}
          </span>
        </div>
      </form>
      <div class="panel">
        <Tabs<Panel> label="What it sends" id="sends" all={panels} chosen={panel} choose={setPanel}>
          {later && panel === "preview" && <later.Preview block={block} check={check} />}
          {later && panel === "result" && (
            <later.Result block={block} outcome={kept} running={run.busy ? run.attempts : undefined} />
          )}
          {later && panel === "code" && (
            <later.Snippets block={block} input={withoutSecrets(block, input)} check={check} source={source} />
          )}
        </Tabs>
      </div>
      {later && run.confirming && <later.Confirm source={source} send={run.confirm} close={run.deny} />}
    </div>
  );
}

// progress says how far a run has come.
function progress(elapsed: number, attempts: Attempt[], requests = 0): string {
  const answered = attempts.filter((a) => (a.response?.status ?? 500) < 300).length;
  const of = requests > 1 ? `, ${answered} of ${count(requests, "request")} accepted` : "";
  return `Running, ${(elapsed / 1000).toFixed(1)} s${of || (attempts.length ? `, ${count(attempts.length, "attempt")}` : "")}`;
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
  const run = query.has("run") ? await (await import("./later")).runById(Number(query.get("run"))) : undefined;
  if (run) return { input: split(run.input), run };
  const shared = query.get("input");
  return shared ? { input: fromLink(shared) } : {};
}

function shareLink(block: Block, input: Input): string {
  return location.href.replace(/#.*/, "") + blockLink(block.id, `input=${toLink(withoutSecrets(block, input))}`);
}
