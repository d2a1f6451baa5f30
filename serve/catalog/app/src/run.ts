// A run of a block: confirmed where it is real, timed, cancelled on demand, kept in the history.
import { useEffect, useRef, useState } from "preact/hooks";
import { postStream, Refused } from "./api";
import { bodyOf } from "./check";
import { type Input, join, parse, show } from "./json";
import type { Answer, Outcome } from "./result";
import { withoutSecrets } from "./secrets";
import type { Sources } from "./sources";
import type { Attempt, Block, Problem } from "./types";

const confirmedKey = "segment-blocks.confirmed";

export function confirmed(): string[] {
  return JSON.parse(sessionStorage.getItem(confirmedKey) ?? "[]") as string[];
}

export function confirmSource(name: string): void {
  sessionStorage.setItem(confirmedKey, JSON.stringify([...confirmed(), name]));
}

export function useRun(block: Block, input: Input, sources: Sources, done: (outcome: Outcome) => void) {
  const [busy, setBusy] = useState(false);
  const [elapsed, setElapsed] = useState(0);
  const [attempts, setAttempts] = useState<Attempt[]>([]); // of the run that goes on
  const [confirming, setConfirming] = useState(false);
  const controller = useRef<AbortController | undefined>(undefined);
  const source = sources.chosen;

  useEffect(() => {
    if (!busy) return;
    const begin = performance.now();
    setElapsed(0);
    const timer = setInterval(() => setElapsed(performance.now() - begin), 100);
    return () => clearInterval(timer);
  }, [busy]);
  useEffect(() => () => controller.current?.abort(), []);

  const send = async () => {
    setBusy(true);
    setAttempts([]);
    const mine = (controller.current = new AbortController());
    const at = Date.now();
    const seen: Attempt[] = [];
    const saw = (attempt: Attempt) => {
      seen.push(attempt);
      setAttempts([...seen]);
    };
    const outcome = { ...(await invoke(block, input, source?.name ?? "", mine.signal, saw)), attempts: seen };
    setBusy(false);
    done(outcome);
    const kept = join(withoutSecrets(block, input));
    const { keep } = await import("./later");
    void keep({
      at,
      block: block.id,
      source: source?.name ?? "",
      emulated: !!source?.emulated,
      ms: Date.now() - at,
      input: kept,
      outcome,
    });
  };
  const start = () => {
    if (source && !source.emulated && !confirmed().includes(source.name)) setConfirming(true);
    else void send();
  };
  const confirm = () => {
    confirmSource(source!.name);
    setConfirming(false);
    void send();
  };
  return {
    busy,
    elapsed,
    attempts,
    confirming,
    start,
    confirm,
    deny: () => setConfirming(false),
    cancel: () => controller.current?.abort(),
  };
}

type Saw = (attempt: Attempt) => void;

// invoke has the server tell of each attempt when it ends, and then of the outcome.
async function invoke(block: Block, input: Input, source: string, signal: AbortSignal, saw: Saw): Promise<Outcome> {
  try {
    for await (const { event, data } of postStream(`v1/blocks/${block.id}/invoke`, bodyOf(input, source), signal)) {
      if (event === "attempt") saw(parse<Attempt>(data));
      if (event === "problem") return { ok: false, problem: parse<Problem>(data) };
      if (event === "result") {
        const answer = parse<Answer>(data);
        return { ok: true, ...answer, output: show(answer.output) };
      }
    }
    throw new Error("the answer was cut off");
  } catch (e) {
    if (e instanceof Refused) return { ok: false, problem: e.problem };
    const [code, why] = signal.aborted
      ? ["canceled", "you cancelled the run"]
      : ["unreachable", "the answer was cut off"];
    const detail = `${why}; the receiver may have accepted the event`;
    return { ok: false, problem: { type: "about:blank", title: "", status: 0, code, detail } };
  }
}
