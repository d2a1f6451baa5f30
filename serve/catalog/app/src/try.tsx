// The form of a block beside what it sends: fill, check, preview, run.
import { useEffect, useRef, useState } from "preact/hooks";
import { type Check, check, useCheck } from "./check";
import { Fill } from "./fill";
import { Form } from "./form";
import { draftKey, type Input } from "./input";
import { setQuery } from "./route";
import { forgetSecret, isRemembered, rememberedSecrets, rememberSecret } from "./remembered";
import type { Running } from "./run";
import type { Block, Outcome, Sources } from "./types";
import { Button, Copy, Empty, lazy, Tabs } from "./ui";

// These parts are loaded only when the form is filled.
const parts = () => import("./parts");
const InputDocument = lazy(async () => (await parts()).InputDocument);
const Preview = lazy(async () => (await parts()).Preview);
const Problems = lazy(
  async () => (await parts()).Problems,
  () => null,
);
const Result = lazy(async () => (await parts()).Result);
const Snippets = lazy(async () => (await parts()).Snippets);

const panels = [
  ["preview", "Preview"],
  ["result", "Result"],
  ["code", "Code"],
] as const;

type Panel = (typeof panels)[number][0];

// draftOf returns the last content of the form, without its secrets. It survives a reload while the tab is open.
function draftOf(block: Block): Input {
  const kept = sessionStorage.getItem(draftKey(block)) ?? "[]";
  return new Map(JSON.parse(kept) as [string, string][]);
}

export function Try({ block, query, sources }: { block: Block; query: URLSearchParams; sources: Sources }) {
  const [input, setInput] = useState<Input>(() => new Map([...draftOf(block), ...rememberedSecrets(block)]));
  const first = useRef(input);
  const [touched, setTouched] = useState<ReadonlySet<string>>(() => new Set(input.keys()));
  const [strict, setStrict] = useState(false); // show every violation, not only those of touched fields
  const [panel, setPanel] = useState<Panel>("preview");
  const [running, setRunning] = useState<Running>();
  const [refused, setRefused] = useState(false); // a run was refused, so the problems take the focus
  const [asJSON, setAsJSON] = useState(false);
  const [fault, setFault] = useState<string>(); // in the input as JSON, while the user edits it
  const [fills, setFills] = useState(0); // how often something other than typing has changed the input
  const [outcome, setOutcome] = useState<Outcome>();
  const source = sources.chosen;
  const real = source && !source.emulated;
  const busy = useRef(false); // true while a check before a run, or a run, is in progress
  const latest = useRef(running);
  latest.current = running;
  useEffect(() => () => latest.current?.cancel(), []);
  const [checked, setChecked] = useCheck(block, input, source?.name ?? "");
  const fill = (next: Input, show = true) => {
    setInput(new Map([...next, ...rememberedSecrets(block)]));
    setTouched(new Set(next.keys()));
    setStrict(show);
    setFault(undefined);
    setFills((n) => n + 1);
  };
  const change = (name: string, value: string | undefined) => {
    if (isRemembered(block, name)) rememberSecret(block, name, value);
    setInput((old) => {
      const next = new Map(old);
      if (value === undefined) next.delete(name);
      else next.set(name, value);
      return next;
    });
    setTouched((old) => new Set(old).add(name));
  };
  const clear = () => {
    for (const { name } of block.input) forgetSecret(block, name);
    fill(new Map(), false);
  };

  // The address may hold an input: an example, an earlier run, or a shared input.
  const given = ["example", "run", "input"].map((name) => query.get(name));
  useEffect(() => {
    if (given.every((g) => g === null)) return;
    void parts().then(async ({ givenBy }) => {
      const { input, outcome } = await givenBy(block, query);
      if (input) fill(input);
      if (outcome) {
        setOutcome(outcome);
        setPanel("result");
      }
      setQuery({ example: "", run: "", input: "" });
    });
  }, given);
  useEffect(() => {
    if (input === first.current) return; // the user has not changed it
    const timer = setTimeout(() => void parts().then(({ keepDraft }) => keepDraft(block, input)), 300);
    return () => clearTimeout(timer);
  }, [input]);

  const start = async () => {
    const now = await check(block, input, source?.name ?? "");
    setChecked(now);
    if (now.violations.length > 0) {
      setRefused(true);
      return;
    }
    const { runBlock } = await parts();
    const requests = now.requests?.length ?? 0;
    const outcome = await runBlock({ block, input, source, requests, show: setRunning });
    setRunning(undefined);
    if (!outcome) return;
    setOutcome(outcome);
    setPanel("result");
    document.getElementById("sends-result")?.scrollIntoView({ block: "nearest" }); // it may be below the form
    if (!outcome.ok) setStrict(true);
  };
  const submit = async (e: Event) => {
    e.preventDefault();
    if (fault || busy.current) return; // a second click must not send a second event
    busy.current = true;
    setStrict(true);
    await start().finally(() => (busy.current = false));
  };
  const shareLink = async () => (await parts()).linkTo(block, input);
  const edit = (next: Input) => {
    setInput(next);
    setStrict(true);
  };

  return (
    <div class="halves try">
      <form class="panel" onSubmit={submit} noValidate aria-label={`Input of ${block.name}`}>
        <div class="tools">
          <div class="buttons" role="group" aria-label="Edit as">
            <Button aria-pressed={!asJSON} disabled={!!fault} onClick={() => setAsJSON(false)}>
              Form
            </Button>
            <Button aria-pressed={asJSON} onClick={() => setAsJSON(true)}>
              JSON
            </Button>
          </div>
          <Fill block={block} fill={fill} />
          <Copy label="Share link" text={shareLink} />
          <Button disabled={input.size === 0} onClick={clear}>
            Clear
          </Button>
        </div>
        {strict && checked.violations.length > 0 && (
          <Problems of={checked.violations} focus={refused} focused={() => setRefused(false)} />
        )}
        {asJSON ? (
          <InputDocument key={fills} block={block} input={input} edit={edit} fault={fault} setFault={setFault} />
        ) : (
          <Form
            block={block}
            input={input}
            change={change}
            violations={checked.violations}
            touched={touched}
            strict={strict}
          />
        )}
        <div class="runbar">
          <button class={real ? "danger" : "primary"} disabled={!!fault} aria-disabled={!!running}>
            {real ? "Run for real" : "Run"}
          </button>
          {running && (
            <button type="button" onClick={running.cancel}>
              Cancel
            </button>
          )}
          <span class={`says ${checked.state}`} role="status">
            {running?.says ?? checked.says}
          </span>
        </div>
      </form>
      <div class="panel">
        <Tabs label="What it sends" id="sends" all={panels} chosen={panel} choose={setPanel}>
          {panel === "preview" &&
            (checked.requests ? (
              <Preview block={block} check={checked} requests={checked.requests} />
            ) : (
              <NoPreview check={checked} />
            ))}
          {panel === "result" && <Result block={block} outcome={outcome} running={running?.attempts} />}
          {panel === "code" && (
            <Snippets block={block} input={input} requests={checked.requests ?? []} source={source} />
          )}
        </Tabs>
      </div>
    </div>
  );
}

function NoPreview({ check }: { check: Check }) {
  return (
    <Empty title="No request yet">
      <p>
        {check.state === "failed" ? check.says : "Fill in the form to see the exact request. A preview sends nothing."}
      </p>
    </Empty>
  );
}
