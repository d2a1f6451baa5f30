// A run of a block. Its result is kept in the history.
import { Refused } from "./api";
import { confirmedSource } from "./dialogs";
import { bodyOf, type Input } from "./input";
import { parse, show } from "./json";
import { keepRun } from "./runs";
import { withoutSecrets } from "./secrets";
import { postStream } from "./stream";
import { join } from "./text";
import type { Attempt, Block, Outcome, Problem, Receipt, Source } from "./types";
import { count } from "./ui";

// Running is a run in progress.
export interface Running {
  says: string;
  attempts: Attempt[];
  cancel: () => void;
}

interface Order {
  block: Block;
  input: Input;
  source?: Source;
  requests: number; // the number of requests in a preview
  show: (running: Running) => void;
}

// runBlock runs a block and shows its progress. If the source is real, the user must confirm first.
// Without a confirmation, it returns nothing.
export async function runBlock({ block, input, source, requests, show }: Order): Promise<Outcome | undefined> {
  if (!(await confirmedSource(source))) return undefined;
  const at = Date.now();
  const begin = performance.now();
  const controller = new AbortController();
  const attempts: Attempt[] = [];
  const tell = () =>
    show({
      says: `Running, ${((performance.now() - begin) / 1000).toFixed(1)} s${progress(attempts, requests)}`,
      attempts: [...attempts],
      cancel: () => controller.abort(),
    });
  tell();
  const timer = setInterval(tell, 100);
  const name = source?.name ?? "";
  const saw = (attempt: Attempt) => void attempts.push(attempt);
  const outcome = { ...(await invoke(block, input, name, controller.signal, saw)), attempts };
  clearInterval(timer);
  const ms = Date.now() - at;
  const kept = join(withoutSecrets(block, input));
  void keepRun({ at, block: block.id, source: name, emulated: !!source?.emulated, ms, input: kept, outcome });
  return outcome;
}

function progress(attempts: Attempt[], requests: number): string {
  const accepted = attempts.filter((a) => (a.response?.status ?? 500) < 300).length;
  if (requests > 1) return `, ${accepted} of ${count(requests, "request")} accepted`;
  return attempts.length ? `, ${count(attempts.length, "attempt")}` : "";
}

type Saw = (attempt: Attempt) => void;

// invoke asks the server to report each attempt when it ends, and finally the outcome.
async function invoke(block: Block, input: Input, source: string, signal: AbortSignal, saw: Saw): Promise<Outcome> {
  try {
    for await (const { event, data } of postStream(`v1/blocks/${block.id}/invoke`, bodyOf(input, source), signal)) {
      if (event === "attempt") saw(parse<Attempt>(data));
      if (event === "problem") return { ok: false, problem: parse<Problem>(data) };
      if (event === "result") {
        const { output, receipt } = parse<{ output: unknown; receipt: Receipt }>(data);
        return { ok: true, receipt, output: show(output) };
      }
    }
    throw new Error("the answer was cut off");
  } catch (e) {
    if (e instanceof Refused && e.problem.status) return { ok: false, problem: e.problem };
    const [code, why] = signal.aborted ? ["canceled", "you cancelled the run"] : ["unreachable", "no answer came"];
    const detail = `${why}; the receiver may have accepted the event`;
    return { ok: false, problem: { status: 0, code, detail } };
  }
}
