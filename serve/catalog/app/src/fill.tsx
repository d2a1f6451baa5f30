// The menu of available inputs: examples, messages that the emulator has received, recent runs, and
// inputs that are refused.
import { useState } from "preact/hooks";
import type { Group } from "./given";
import { type Input, inputOf } from "./input";
import type { Block } from "./types";

export function Fill({ block, fill }: { block: Block; fill: (input: Input) => void }) {
  const [recent, setRecent] = useState<Group[]>([]);
  const groups: Group[] = [
    ["Examples", block.examples.map((e) => [e.title, () => inputOf(e.input)])],
    ...recent,
    ["Invalid inputs", block.refused.map((r) => [r.title, () => inputOf(r.input)])],
  ];
  // A user who reaches the menu is about to open it.
  const refresh = () => void import("./parts").then((p) => p.recent(block)).then(setRecent);
  const pick = (e: Event) => {
    const select = e.currentTarget as HTMLSelectElement;
    const [group, at] = select.value.split(" ").map(Number);
    select.value = "";
    fill(groups[group!]![1][at!]![1]());
  };
  return (
    <select
      class="small grow"
      aria-label="Fill the form with"
      value=""
      onChange={pick}
      onPointerEnter={refresh}
      onFocus={refresh}
    >
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
