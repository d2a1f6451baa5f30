// One thing that arrived, in full: what it says, as it was sent, and why it was not taken.
import { useState } from "preact/hooks";
import { hasEmulator } from "./api";
import { type Item, words } from "./feed";
import { isObject, show } from "./json";
import { blockLink } from "./route";
import { toLink } from "./secrets";
import { callOf } from "./snippets";
import type { Block } from "./types";
import { Chip, Code, Empty, Tabs, timeOf } from "./ui";

type Tab = "pretty" | "raw" | "why";

export function Detail(props: { item?: Item; blocks: Block[]; items: Item[]; choose: (item: Item) => void }) {
  const { item, blocks, items, choose } = props;
  const [tab, setTab] = useState<Tab>("pretty");
  if (!item) {
    return (
      <Empty title="No event selected">
        <p>Select an event to see its details.</p>
      </Empty>
    );
  }
  const dropped = item.status === "dropped" || item.status === "duplicate";
  const tabs: [Tab, string][] = [
    ["pretty", "Pretty"],
    ["raw", "Raw"],
  ];
  if (dropped) tabs.push(["why", item.status === "duplicate" ? "Duplicate of" : "Discarded because"]);
  const chosen = tabs.some(([t]) => t === tab) ? tab : dropped ? "why" : "pretty";
  const link = hasEmulator ? formLink(item, blocks) : undefined;
  return (
    <>
      <div class="above">
        <h2 class="grow">{item.name || item.type}</h2>
        {link && <a href={link}>Use in a form</a>}
      </div>
      <p class="meta">
        <Chip kind={item.status === "stored" || item.status === "ok" ? "good" : "bad"}>{words[item.status]}</Chip>
        <Chip>{item.type}</Chip> <time dateTime={item.at}>{timeOf(item.at)}</time>{" "}
        <span class="hint">
          {timeOf(item.at, "UTC")} UTC, {timeOf(item.at, "relative")}
        </span>
      </p>
      <Tabs<Tab> label="Views" id="view" all={tabs} chosen={chosen} choose={setTab}>
        {chosen === "pretty" && <Pretty item={item} />}
        {chosen === "raw" && <Code label="As JSON" text={show(item.of)} />}
        {chosen === "why" && (item.status === "dropped" || item.status === "duplicate") && (
          <Why item={item} items={items} choose={choose} />
        )}
      </Tabs>
    </>
  );
}

// Pretty is the call that makes the message, and a table with a line for each of its values.
function Pretty({ item }: { item: Item }) {
  const top =
    "message" in item.of && item.of.message ? item.of.message : (item.of as unknown as Record<string, unknown>);
  const call = "message" in item.of && item.of.message && callOf(item.type, item.of.message);
  const notes = item.status === "stored" ? (item.of.notes ?? []) : [];
  return (
    <>
      {notes.map((note) => (
        <p class="note" key={note}>
          {note}
        </p>
      ))}
      {call && <Code label="Call in analytics-node" text={call} />}
      <table>
        <tbody>
          {lines(top).map(([path, value]) => (
            <tr key={path}>
              <th scope="row">
                <code>{path}</code>
              </th>
              <td>{value}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </>
  );
}

const mostLines = 200;

function lines(value: unknown, path = ""): [string, string][] {
  if (!isObject(value) && !Array.isArray(value))
    return [[path, typeof value === "string" ? value : JSON.stringify(value)]];
  const entries = Object.entries(value);
  if (entries.length === 0) return path ? [[path, JSON.stringify(value)]] : [];
  return entries.flatMap(([name, member]) => lines(member, path ? `${path}.${name}` : name)).slice(0, mostLines);
}

function Why({
  item,
  items,
  choose,
}: {
  item: Item & { status: "dropped" | "duplicate" };
  items: Item[];
  choose: (item: Item) => void;
}) {
  const first = items.find((i) => i.status === "stored" && i.of.messageId === item.of.messageId);
  return (
    <>
      <ul class="warnings">
        {item.of.problems.map((p, i) => (
          <li key={i}>
            <code>{p.code}</code> {p.pointer && <code>{p.pointer}</code>} {p.text}
          </li>
        ))}
      </ul>
      {item.status === "duplicate" && first && (
        <p>
          <button type="button" onClick={() => choose(first)}>
            Show the first event, received at {timeOf(first.at)}
          </button>
        </p>
      )}
    </>
  );
}

// formLink leads to the form of the block that sends this type of message, filled with it.
function formLink(item: Item, blocks: Block[]): string | undefined {
  const message = "message" in item.of ? item.of.message : undefined;
  const block = blocks.find((b) => b.id.endsWith(`_${item.type}`));
  if (!message || !block) return undefined;
  const known = block.input.filter((f) => !f.secret && f.name in message && f.name !== "timestamp");
  return blockLink(block.id, `input=${toLink(new Map(known.map((f) => [f.name, show(message[f.name])])))}`);
}
