// Inputs that are at hand for a form: examples, what is refused, what was run here lately, and what
// the emulator has received.
import { useEffect, useState } from "preact/hooks";
import { get, hasEmulator } from "./api";
import { type Input, inputOf, split } from "./json";
import { inputOfMessage, typeOf } from "./messages";
import { recent } from "./runs";
import { timeOf } from "./show";
import type { Block, Stored } from "./types";

type Choice = [title: string, input: () => Input];

async function received(block: Block): Promise<Choice[]> {
  const type = typeOf(block);
  if (!hasEmulator || !type) return [];
  const { events } = await get<{ events: Stored[] }>(`emulator/events?type=${type}&order=desc&limit=10`);
  return events.map((e) => [
    `${e.name || e.userId || e.anonymousId || e.messageId}, ${timeOf(e.receivedAt)}`,
    () => inputOfMessage(block, e.message),
  ]);
}

async function ran(block: Block): Promise<Choice[]> {
  return (await recent(block.id)).map((r) => [
    `${new Date(r.at).toLocaleString()}, ${r.outcome.ok ? "accepted" : r.outcome.problem.code}`,
    () => split(r.input),
  ]);
}

// Fill lists them anew after each run.
export function Fill({ block, fill, ran: last }: { block: Block; fill: (input: Input) => void; ran: unknown }) {
  const [events, setEvents] = useState<Choice[]>([]);
  const [runs, setRuns] = useState<Choice[]>([]);
  useEffect(() => {
    received(block).then(setEvents, () => {});
    void ran(block).then(setRuns);
  }, [block.id, last]);
  const groups: [string, Choice[]][] = [
    ["Examples", block.examples.map((e) => [e.title, () => inputOf(e.input)])],
    ["Received by the emulator", events],
    ["Recent runs", runs],
    ["Invalid inputs", block.refused.map((r) => [r.title, () => inputOf(r.input)])],
  ];
  const pick = (e: Event) => {
    const select = e.currentTarget as HTMLSelectElement;
    const [group, at] = select.value.split(" ").map(Number);
    select.value = "";
    fill(groups[group!]![1][at!]![1]());
  };
  return (
    <select class="small grow" aria-label="Fill the form with" onChange={pick} value="">
      <option value="">Fill with…</option>
      {groups.map(
        ([title, choices], group) =>
          choices.length > 0 && (
            <optgroup key={title} label={title}>
              {choices.map(([text], at) => (
                <option key={at} value={`${group} ${at}`}>
                  {text}
                </option>
              ))}
            </optgroup>
          ),
      )}
    </select>
  );
}
