// One item that arrived, in full: its content, the request as it was sent, and any reason for refusal.
import { useState } from "preact/hooks";
import { get, hasEmulator } from "./api";
import { bytes, Code, headerLines } from "./code";
import type { Item } from "./feed";
import { isObject, show } from "./json";
import { useLoaded } from "./loaded";
import { callOf, inputOfMessage, typeOf } from "./messages";
import { blockLink } from "./route";
import { useInSight } from "./insight";
import { timeOf } from "./show";
import { Row, Values } from "./table";
import { toLink } from "./text";
import type { Block, Received } from "./types";
import { Chip, Failure, Tabs } from "./ui";

type Tab = "pretty" | "raw" | "request" | "why";

interface DetailProps {
  item: Item;
  blocks: Block[];
  items: Item[];
  choose: (item: Item) => void;
  word: string; // describes its status
}

export function Detail({ item, blocks, items, choose, word }: DetailProps) {
  const [tab, setTab] = useState<Tab>("pretty");
  const place = useInSight(item.key);
  const dropped = item.status === "dropped" || item.status === "duplicate";
  const tabs: [Tab, string][] = [
    ["pretty", "Pretty"],
    ["raw", "Raw"],
  ];
  if (hasEmulator) tabs.push(["request", "Request"]);
  if (dropped) tabs.push(["why", item.status === "duplicate" ? "Duplicate of" : "Discarded because"]);
  const chosen = tabs.some(([t]) => t === tab) ? tab : dropped ? "why" : "pretty";
  const link = hasEmulator ? formLink(item, blocks) : undefined;
  return (
    <>
      <div class="above" ref={place}>
        <h2 class="grow">{item.name || item.type}</h2>
        {link && <a href={link}>Use in a form</a>}
      </div>
      <p class="meta">
        <Chip kind={item.status === "stored" || item.status === "ok" ? "good" : "bad"}>{word}</Chip>
        <Chip>{item.type}</Chip> <time dateTime={item.at}>{timeOf(item.at)}</time>{" "}
        <span class="hint">
          {timeOf(item.at, "UTC")} UTC, {timeOf(item.at, "relative")}
        </span>
      </p>
      <Tabs<Tab> label="Views" id="view" all={tabs} chosen={chosen} choose={setTab}>
        {chosen === "pretty" && <Pretty item={item} />}
        {chosen === "raw" && <Code label="As JSON" text={show(item.of)} />}
        {chosen === "request" && "request" in item.of && <RequestOf number={item.of.request} />}
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
      <Values>
        {lines(top).map(([path, value]) => (
          <Row key={path} of={path} cells={[value]} />
        ))}
      </Values>
    </>
  );
}

// RequestOf shows the request that brought a message. The emulator forgets old ones.
function RequestOf({ number }: { number: number }) {
  const found = useLoaded(String(number), async (signal) => {
    const path = `emulator/requests?since=${number - 1}&limit=1`;
    return (await get<{ requests: (Received & { seq: number })[] }>(path, signal)).requests.find(
      (r) => r.seq === number,
    );
  });
  const r = found.value;
  if (found.error) return <Failure error={found.error} />;
  if (!("value" in found)) return <div class="waiting" aria-busy="true" />;
  if (!r) return <p class="hint">The emulator has forgotten this request.</p>;
  const body = r.bodyText ?? (r.body === undefined ? "" : show(r.body));
  return (
    <>
      <p class="meta">
        <Chip kind={r.status >= 200 && r.status < 300 ? "good" : "bad"}>{r.status || "connection cut"}</Chip>
        <span>
          {timeOf(r.at)}, {bytes(r.size)}
          {r.faulted && ", with a simulated failure"}
        </span>
      </p>
      <Code label="Request as received" text={`${r.method} ${r.path}\n${headerLines(r.header)}\n\n${body}`} />
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

interface WhyProps {
  item: Item & { status: "dropped" | "duplicate" };
  items: Item[];
  choose: (item: Item) => void;
}

function Why({ item, items, choose }: WhyProps) {
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
  const block = blocks.find((b) => typeOf(b) === item.type);
  return message && block && blockLink(block.id, `input=${toLink(inputOfMessage(block, message))}`);
}
