// Inputs from elsewhere: from the address, from earlier runs, from the emulator. And the address of an input.
import { get, hasEmulator } from "./api";
import { type Input, inputOf } from "./input";
import { inputOfMessage, typeOf } from "./messages";
import { blockLink } from "./route";
import { runById, runsOf } from "./runs";
import { withoutSecrets } from "./secrets";
import { timeOf } from "./show";
import { fromLink, split, toLink } from "./text";
import type { Block, Outcome, Stored } from "./types";

export type Choice = [title: string, input: () => Input];
export type Group = [title: string, choices: Choice[]];

// givenBy reads the input in the address of a form: an example, a run of the history, or a shared input.
export async function givenBy(block: Block, query: URLSearchParams): Promise<{ input?: Input; outcome?: Outcome }> {
  const example = block.examples[Number(query.get("example") ?? NaN)];
  if (example) return { input: inputOf(example.input) };
  const run = query.has("run") ? await runById(Number(query.get("run"))) : undefined;
  if (run) return { input: split(run.input), outcome: run.outcome };
  const input = fromLink(query.get("input") ?? "");
  if (input) return { input };
  const detail = "this link fills in nothing: it was cut off, or its run is not in this browser";
  return { outcome: { ok: false, problem: { status: 0, code: "no_input", detail } } };
}

// linkTo returns an address that fills the form of a block, without secrets.
export function linkTo(block: Block, input: Input): string {
  return new URL(blockLink(block.id, `input=${toLink(withoutSecrets(block, input))}`), location.href).href;
}

// recent lists the messages received and the runs made recently.
export async function recent(block: Block): Promise<Group[]> {
  const [received, runs] = await Promise.all([receivedFor(block).catch(() => []), runsOf(block.id)]);
  const ran = runs.map((r): Choice => {
    const what = r.outcome.ok ? "accepted" : r.outcome.problem.code;
    return [`${new Date(r.at).toLocaleString()}, ${what}`, () => split(r.input)];
  });
  return [
    ["Received by the emulator", received],
    ["Recent runs", ran],
  ];
}

async function receivedFor(block: Block): Promise<Choice[]> {
  const type = typeOf(block);
  if (!hasEmulator || !type) return [];
  const { events } = await get<{ events: Stored[] }>(`emulator/events?type=${type}&order=desc&limit=10`);
  return events.map((e) => [
    `${e.name || e.userId || e.anonymousId || e.messageId}, ${timeOf(e.receivedAt)}`,
    () => inputOfMessage(block, e.message),
  ]);
}
