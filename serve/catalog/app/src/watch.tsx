// The live list of what arrives, with its detail beside it.
import { Component } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { del, hasEmulator } from "./api";
import { Detail } from "./detail";
import { Delivery } from "./delivery";
import { Faults, Strip } from "./emulator";
import { type Item, most, useFeed, words } from "./feed";
import { setQuery } from "./route";
import { Elsewhere } from "./elsewhere";
import type { ScreenProps } from "./types";
import { Aside, type Clock, clocks, download, timeOf } from "./show";
import { count, Empty, usePage } from "./ui";

// values lists what an event holds, without the names of its members.
function values(value: unknown): string {
  if (typeof value !== "object" || value === null) return String(value);
  return Object.values(value).map(values).join(" ");
}

function matches(item: Item, query: URLSearchParams): boolean {
  const status = query.get("status");
  const type = query.get("type");
  const reason = query.get("reason");
  const text = query.get("search")?.toLowerCase();
  if ((status && item.status !== status) || (type && item.type !== type)) return false;
  if (reason && item.reason !== reason) return false;
  if (!text) return true;
  const place = query.get("in") === "payload" ? JSON.stringify(item.of) : values(item.of);
  return place.toLowerCase().includes(text);
}

export function WatchPage({ blocks, query, sources }: ScreenProps) {
  usePage("Watch");
  const live = query.get("live") !== "off";
  const { items, fresh, missed, connection, clear } = useFeed(live);
  const [open, setOpen] = useState<Item>();
  const clock = clocks.find(([name]) => name === query.get("time"))?.[0] ?? "local";
  const found = items.filter((item) => matches(item, query));
  const forget = async () => {
    if (hasEmulator) await del("emulator/events");
    clear();
    setOpen(undefined);
  };
  return (
    <>
      <div class="head">
        <div class="grow">
          <h1 tabIndex={-1}>Watch</h1>
          <p>
            {hasEmulator
              ? "Events that the emulator in this server receives."
              : "Recent runs on this server. It does not keep the properties of events."}{" "}
            <Connected state={connection} />
          </p>
        </div>
        <div class="buttons">
          <button type="button" class="small" aria-pressed={live} onClick={() => setQuery({ live: "" })}>
            Live
          </button>
          <button type="button" class="small" aria-pressed={!live} onClick={() => setQuery({ live: "off" })}>
            Pause{!live && fresh > 0 && `, ${fresh} new`}
          </button>
          <button
            type="button"
            class="small"
            onClick={() =>
              download("events.ndjson", found.map((i) => `${JSON.stringify(i.of)}\n`).join(""), "application/x-ndjson")
            }
          >
            NDJSON
          </button>
          <button type="button" class="small" onClick={() => void forget()}>
            Clear
          </button>
        </div>
      </div>
      {hasEmulator && <Strip />}
      {!hasEmulator && sources.chosen && <Delivery key={sources.chosen.name} source={sources.chosen.name} />}
      {hasEmulator && <Faults />}
      <Reasons query={query} items={items} />
      <Filters query={query} items={items} found={found.length} missed={missed} />
      {connection === "absent" ? (
        <Empty title="This server keeps no list">
          <p>Its target is real, and its API tells nothing of past invocations.</p>
        </Empty>
      ) : items.length === 0 ? (
        <Empty title={live ? "No events yet" : "Paused"}>
          <p>
            Run a block or send an event. It appears here immediately. <a href="#/">Choose a block</a>
          </p>
        </Empty>
      ) : (
        <div class="halves watch">
          <List items={found} open={open} choose={setOpen} clock={clock} />
          <Aside of={open?.key}>
            <Detail item={open} blocks={blocks} items={items} choose={setOpen} />
          </Aside>
        </div>
      )}
      <Elsewhere source={sources.chosen} />
    </>
  );
}

// Reasons counts why items were not taken. Each is a filter.
function Reasons({ query, items }: { query: URLSearchParams; items: Item[] }) {
  const chosen = query.get("reason");
  const counts = new Map<string, number>(chosen ? [[chosen, 0]] : []);
  for (const { reason } of items) if (reason) counts.set(reason, (counts.get(reason) ?? 0) + 1);
  if (counts.size === 0) return null;
  return (
    <div class="buttons reasons" role="group" aria-label="Reasons">
      <span class="hint">Not taken because</span>
      {[...counts].sort().map(([reason, n]) => (
        <button
          key={reason}
          type="button"
          class="small"
          aria-pressed={reason === chosen}
          onClick={() => setQuery({ reason: reason === chosen ? "" : reason })}
        >
          {reason} <strong>{n}</strong>
        </button>
      ))}
    </div>
  );
}

function Connected({ state }: { state: string }) {
  return state === "lost" ? <strong class="fault">Connection lost. Reconnecting…</strong> : null;
}

function Filters({
  query,
  items,
  found,
  missed,
}: {
  query: URLSearchParams;
  items: Item[];
  found: number;
  missed: number;
}) {
  const types = [...new Set(items.map((i) => i.type))].sort();
  const statuses = [...new Set(items.map((i) => i.status))].sort();
  const says = useSettled(
    `${found === items.length ? "" : `${found} of `}${count(items.length, "item")}${items.length === most ? `, the newest ${most}` : ""}${missed ? `; ${missed} missed` : ""}`,
  );
  return (
    <div class="filters" role="group" aria-label="Filters">
      <input
        type="search"
        class="grow"
        aria-label="Search events"
        placeholder="Search"
        value={query.get("search") ?? ""}
        onInput={(e) => setQuery({ search: e.currentTarget.value })}
      />
      <select
        aria-label="Search in"
        value={query.get("in") ?? ""}
        onChange={(e) => setQuery({ in: e.currentTarget.value })}
      >
        <option value="">in values</option>
        <option value="payload">in the full payload</option>
      </select>
      <select
        aria-label="Type"
        value={query.get("type") ?? ""}
        onChange={(e) => setQuery({ type: e.currentTarget.value })}
      >
        <option value="">All types</option>
        {[...new Set([...types, query.get("type") ?? ""])].filter(Boolean).map((t) => (
          <option key={t}>{t}</option>
        ))}
      </select>
      <select
        aria-label="Status"
        value={query.get("status") ?? ""}
        onChange={(e) => setQuery({ status: e.currentTarget.value })}
      >
        <option value="">All statuses</option>
        {[...new Set([...statuses, (query.get("status") ?? "") as Item["status"]])].filter(Boolean).map((s) => (
          <option key={s} value={s}>
            {words[s] ?? s}
          </option>
        ))}
      </select>
      <select
        aria-label="Time"
        value={query.get("time") ?? "local"}
        onChange={(e) => setQuery({ time: e.currentTarget.value === "local" ? "" : e.currentTarget.value })}
      >
        {clocks.map(([name, title]) => (
          <option key={name} value={name}>
            {title}
          </option>
        ))}
      </select>
      <span class="hint" role="status">
        {says}
      </span>
    </div>
  );
}

// useSettled keeps screen readers from being told of each change: the text changes once a second.
function useSettled(text: string): string {
  const [said, setSaid] = useState(text);
  const latest = useRef(text);
  latest.current = text;
  useEffect(() => {
    const timer = setInterval(() => setSaid(latest.current), 1000);
    return () => clearInterval(timer);
  }, []);
  return said;
}

interface RowProps {
  item: Item;
  on: boolean;
  choose: (item: Item) => void;
  clock: Clock;
  tick: number;
}

// Row is drawn again only if it looks different: what has arrived does not change.
class Row extends Component<RowProps> {
  override shouldComponentUpdate(next: RowProps) {
    return (
      next.item !== this.props.item ||
      next.on !== this.props.on ||
      next.clock !== this.props.clock ||
      next.tick !== this.props.tick
    );
  }
  override render({ item, on, choose, clock }: RowProps) {
    return (
      <li>
        <button type="button" aria-pressed={on} onClick={() => choose(item)}>
          <span class={`dot ${item.status}`} aria-hidden="true" />
          <span class="type">{item.type}</span>
          <span class="name">{item.name || item.who}</span>
          <span class="hint">{item.status === "stored" ? item.name && item.who : words[item.status]}</span>
          <time dateTime={item.at}>{timeOf(item.at, clock)}</time>
        </button>
      </li>
    );
  }
}

interface ListProps {
  items: Item[];
  open?: Item;
  choose: (item: Item) => void;
  clock: Clock;
}

function List({ items, open, choose, clock }: ListProps) {
  const [tick, setTick] = useState(0);
  useEffect(() => {
    if (clock !== "relative") return;
    const timer = setInterval(() => setTick((n) => n + 1), 1000);
    return () => clearInterval(timer);
  }, [clock]);
  return (
    <div class="feed panel" role="region" aria-label="Events, newest first">
      {items.length === 0 && <p class="hint">No events match the filters.</p>}
      <ul>
        {items.map((item) => (
          <Row key={item.key} item={item} on={item.key === open?.key} choose={choose} clock={clock} tick={tick} />
        ))}
      </ul>
    </div>
  );
}
