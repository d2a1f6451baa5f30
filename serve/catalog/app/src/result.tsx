// The result of a run: the outcome in words, the output, and each attempt.
import { useState } from "preact/hooks";
import { bytes, Code, headerLines } from "./code";
import { isObject, parse, pretty, show } from "./json";
import { duration, timeOf } from "./show";
import { Row, typeName, Values } from "./table";
import type { Attempt, Block, Outcome, Part, Problem, Receipt } from "./types";
import { Chip, count, Empty, Tabs } from "./ui";

const tabs = [
  ["output", "Output"],
  ["attempts", "Attempts"],
  ["json", "JSON"],
  ["schema", "Schema"],
] as const;

type Tab = (typeof tabs)[number][0];

// Result shows an outcome or, while the block runs, the attempts so far.
export function Result({ block, outcome, running }: { block: Block; outcome?: Outcome; running?: Attempt[] }) {
  const [tab, setTab] = useState<Tab>("output");
  if (running) {
    return (
      <>
        <p class="note">
          <strong>Running.</strong> Each attempt appears here when it ends.
        </p>
        {running.length > 0 && <Attempts attempts={running} />}
      </>
    );
  }
  if (!outcome) {
    return (
      <Empty title="Not run yet">
        <p>Fill in the form and run the block. The result and each attempt appear here.</p>
      </Empty>
    );
  }
  const receipt = outcome.ok ? outcome.receipt : outcome.problem.receipt;
  return (
    <>
      <Banner outcome={outcome} />
      <Tabs<Tab> label="The outcome" id="outcome" all={tabs} chosen={tab} choose={setTab}>
        {tab === "output" &&
          (outcome.ok ? <Output block={block} text={outcome.output} /> : <Violations problem={outcome.problem} />)}
        {tab === "attempts" && <Attempts attempts={outcome.attempts ?? []} receipt={receipt} />}
        {tab === "json" && (
          <Code label="Answer" text={outcome.ok ? outcome.output : JSON.stringify(outcome.problem, null, 2)} />
        )}
        {tab === "schema" && <Code label="Output schema" text={show(block.outputSchema)} />}
      </Tabs>
      {receipt && <ReceiptFacts receipt={receipt} />}
    </>
  );
}

function Banner({ outcome }: { outcome: Outcome }) {
  if (!outcome.ok) {
    const { code, detail, retryable } = outcome.problem;
    return (
      <div class="note bad" role="status">
        <strong>{code.replaceAll("_", " ")}</strong> {detail}
        {retryable && <p class="hint">Try again later. The same run may succeed then.</p>}
      </div>
    );
  }
  const { receipt: r } = outcome;
  const by = r.emulated ? "the emulator" : r.endpoint || "the receiver";
  const what = r.stored
    ? `${count(r.stored, "message")} stored, waiting to be sent`
    : `${count(r.accepted, "message")} accepted`;
  return (
    <div class={`note ${r.emulated ? "good" : "real"}`} role="status">
      {r.requests + r.accepted + (r.stored ?? 0) > 0 ? (
        <>
          <strong>{what}</strong> by {by}, in {count(r.requests, "request")} and {count(r.attempts, "attempt")},{" "}
          {bytes(r.bytes)}, {duration(r.durationMs)}.
        </>
      ) : (
        <>
          <strong>Done</strong> in {duration(r.durationMs)}. The block does not say what it sent.
        </>
      )}
      {r.emulated
        ? " No real event was sent."
        : " Accepted means received. It does not confirm delivery to destinations."}
    </div>
  );
}

// Output shows each member beside its description in the schema. The server has validated the output:
// one that breaks its schema is an error, and is never shown here.
function Output({ block, text }: { block: Block; text: string }) {
  const output = parse<unknown>(text);
  if (!isObject(output)) return <Code label="Output" text={text} />;
  return (
    <>
      <Values>
        {Object.entries(output).map(([name, value]) => {
          const field = block.output.find((f) => f.name === name);
          const shown = typeof value === "string" ? value : JSON.stringify(value);
          const type = field && <span class="hint">{typeName(field)}</span>;
          return <Row key={name} title={field?.description} of={name} cells={[shown, type]} />;
        })}
      </Values>
      <p class="checked">The output matches its schema.</p>
    </>
  );
}

function Violations({ problem }: { problem: Problem }) {
  const { items = [], violations = [] } = problem;
  return (
    <>
      {violations.length > 0 && (
        <Values>
          {violations.map((v) => (
            <Row key={v.path + v.code} of={v.path || "/"} cells={[v.message, <code>{v.code}</code>]} />
          ))}
        </Values>
      )}
      {items.length > 0 && (
        <Code label={`Outcome of ${count(items.length, "message")}`} text={JSON.stringify(items, null, 2)} />
      )}
      {!items.length && !violations.length && <p class="hint">There is no output.</p>}
    </>
  );
}

function ReceiptFacts({ receipt: r }: { receipt: Receipt }) {
  const warnings = r.warnings.filter((w) => w.code !== "emulated"); // the outcome says that already
  return (
    <>
      {warnings.length > 0 && (
        <ul class="warnings" aria-label="Warnings">
          {warnings.map((w) => (
            <li key={w.path + w.code}>
              {w.path && <code>{w.path}</code>} {w.message}
            </li>
          ))}
        </ul>
      )}
      <dl class="facts">
        <dt>Source</dt>
        <dd>
          {r.source} {r.credential && <Chip>{r.credential}</Chip>}
        </dd>
        {r.messageIds.length > 0 && (
          <>
            <dt>{r.messageIds.length > 1 ? "Message ids" : "Message id"}</dt>
            <dd>
              {r.messageIds.slice(0, 5).map((id) => (
                <a key={id} href={`#/watch?search=${encodeURIComponent(id)}`}>
                  {id}
                </a>
              ))}
              {r.messageIds.length > 5 && <> and {r.messageIds.length - 5} more</>}
            </dd>
          </>
        )}
        <dt>Invocation</dt>
        <dd>
          <code>{r.invocationId}</code>
        </dd>
      </dl>
    </>
  );
}

// Attempts draws each attempt, preceded by its wait, on the time axis of the run.
function Attempts({ attempts, receipt }: { attempts: Attempt[]; receipt?: Receipt }) {
  if (attempts.length === 0) {
    const n = receipt?.attempts ?? 0;
    return (
      <p class="hint">
        {n
          ? `${count(n, "attempt")}, ${count(receipt!.requests, "request")}. This server keeps no details.`
          : "No attempts. Nothing was sent."}
      </p>
    );
  }
  const begin = Math.min(...attempts.map((a) => Date.parse(a.startedAt) - a.waitedMs));
  const total = Math.max(...attempts.map((a) => Date.parse(a.startedAt) + a.durationMs)) - begin || 1;
  const percent = (ms: number) => `${Math.max(0, (100 * ms) / total)}%`;
  return (
    <ol class="attempts">
      {attempts.map((a, i) => {
        const began = Date.parse(a.startedAt);
        const status = a.response?.status;
        const good = status !== undefined && status < 300;
        return (
          <li key={i}>
            <details>
              <summary>
                <span class="grow">
                  <Chip kind={good ? "good" : "bad"}>{status ?? "no answer"}</Chip> {a.request.method} attempt {i + 1}
                </span>
                <span class="hint">
                  {a.waitedMs > 0 && `waited ${duration(a.waitedMs)}, `}
                  {duration(a.durationMs)}
                </span>
                <span class="bar" aria-hidden="true">
                  <i
                    class="wait"
                    style={{ marginLeft: percent(began - a.waitedMs - begin), width: percent(a.waitedMs) }}
                  />
                  <i class={good ? "good" : "bad"} style={{ width: `max(3px, ${percent(a.durationMs)})` }} />
                </span>
              </summary>
              {a.error && <p class="fault">{a.error}</p>}
              <p class="hint">
                at {timeOf(a.startedAt)} to <code>{a.request.url}</code>
              </p>
              <Exchange label="Request" part={a.request} />
              {a.response && <Exchange label="Response" part={a.response} />}
            </details>
          </li>
        );
      })}
    </ol>
  );
}

function Exchange({ label, part }: { label: string; part: Part }) {
  const end = part.truncated ? "\n… (truncated)" : "";
  return <Code label={label} text={`${headerLines(part.headers)}\n\n${pretty(part.body)}${end}`} />;
}
