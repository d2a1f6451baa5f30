// A run of a block: confirmed where it is real, timed, cancelled on demand, kept in the history.
import { useEffect, useRef, useState } from "preact/hooks";
import { post, Refused } from "./api";
import { bodyOf } from "./check";
import { type Input, join, show } from "./json";
import type { Answer, Outcome } from "./result";
import { keep } from "./runs";
import { withoutSecrets } from "./secrets";
import type { Sources } from "./sources";
import type { Block } from "./types";

const confirmedKey = "segment-blocks.confirmed";

function confirmed(): string[] {
  return JSON.parse(sessionStorage.getItem(confirmedKey) ?? "[]") as string[];
}

export function useRun(block: Block, input: Input, sources: Sources, done: (outcome: Outcome) => void) {
  const [busy, setBusy] = useState(false);
  const [elapsed, setElapsed] = useState(0);
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
    const mine = (controller.current = new AbortController());
    const at = Date.now();
    const outcome = await invoke(block, input, source?.name ?? "", mine.signal);
    setBusy(false);
    done(outcome);
    const kept = join(withoutSecrets(block, input));
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
    sessionStorage.setItem(confirmedKey, JSON.stringify([...confirmed(), source!.name]));
    setConfirming(false);
    void send();
  };
  return {
    busy,
    elapsed,
    confirming,
    start,
    confirm,
    deny: () => setConfirming(false),
    cancel: () => controller.current?.abort(),
  };
}

async function invoke(block: Block, input: Input, source: string, signal: AbortSignal): Promise<Outcome> {
  try {
    const body = bodyOf(input, source, { attempts: true });
    const { value, header } = await post<Answer>(`v1/blocks/${block.id}/invoke`, body, signal);
    return { ok: true, ...value, output: show(value.output), key: header.get("Idempotency-Key") ?? "" };
  } catch (e) {
    if (e instanceof Refused) return { ok: false, problem: e.problem };
    const detail = "you cancelled the run; the receiver may have accepted the event";
    return { ok: false, problem: { type: "about:blank", title: "", status: 0, code: "canceled", detail } };
  }
}
