// The live list of what arrives, with its detail beside it.
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { del, get, hasEmulator } from "./api";
import { type Item, most, useFeed, words } from "./feed";
import { setQuery } from "./route";
import { type Clock, clocks, Counts, download, Fold, timeOf, usePolled } from "./show";
import type { ScreenProps } from "./types";
import { Button, count, Empty, Head, lazy } from "./ui";

const Faults = lazy(
  async () => (await import("./emulator")).Faults,
  () => null,
);
const Delivery = lazy(
  async () => (await import("./delivery")).Delivery,
  () => null,
);
const Detail = lazy(
  async () => (await import("./detail")).Detail,
  () => null,
);
const Commands = lazy(
  async () => (await import("./commands")).Commands,
  () => null,
);

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
  const live = query.get("live") !== "off";
  const { items, fresh, missed, connection, clear } = useFeed(live);
  const [open, setOpen] = useState<Item>();
  const time = query.get("time") ?? "";
  const clock = time in clocks ? (time as Clock) : "";
  const found = items.filter((item) => matches(item, query));
  // If the server refuses or is gone, the list stays.
  const forget = async () => {
    if (hasEmulator) await del("emulator/events");
    clear();
    setOpen(undefined);
  };
  const save = () => {
    const lines = found.map((i) => `${JSON.stringify(i.of)}\n`);
    download("events.ndjson", lines.join(""), "application/x-ndjson");
  };
  const actions = (
    <div class="buttons">
      <Button aria-pressed={live} onClick={() => setQuery({ live: "" })}>
        Live
      </Button>
      <Button aria-pressed={!live} onClick={() => setQuery({ live: "off" })}>
        Pause{!live && fresh > 0 && `, ${fresh} new`}
      </Button>
      <Button onClick={save}>NDJSON</Button>
      <Button onClick={() => void forget().catch(() => {})}>Clear</Button>
    </div>
  );
  return (
    <>
      <Head title="Watch" actions={actions}>
        <p>
          {hasEmulator
            ? "Events that the emulator receives."
            : "Recent runs on this server, without the properties of events."}{" "}
          {connection === "lost" && <strong class="fault">Connection lost. Reconnecting…</strong>}
        </p>
      </Head>
      {!hasEmulator && sources.chosen && <Delivery key={sources.chosen.name} source={sources.chosen.name} />}
      {hasEmulator && <Strip />}
      {hasEmulator && (
        <Fold title="Simulate failures" hint="to test how a workflow handles them">
          {() => <Faults />}
        </Fold>
      )}
      <Reasons query={query} items={items} />
      <Filters query={query} items={items} found={found.length} missed={missed} />
      {connection === "absent" ? (
        <Empty title="This server keeps no history">
          <p>Its API does not list past invocations.</p>
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
          <div class="panel">
            {open ? (
              <Detail item={open} blocks={blocks} items={items} choose={setOpen} word={words[open.status]} />
            ) : (
              <Empty title="No event selected">
                <p>Select an event to see its details.</p>
              </Empty>
            )}
          </div>
        </div>
      )}
      <Fold title="Outside this page" hint="with curl, on the command line and over MCP">
        {() => <Commands source={sources.chosen} />}
      </Fold>
    </>
  );
}

interface Stats {
  requests: number;
  refused: number;
  stored: number;
  duplicates: number;
  discarded: number;
  faults: number;
}

// Strip shows the counts of the emulator.
function Strip() {
  const stats = usePolled(() => get<Stats>("emulator/stats"), 1000);
  return (
    <Counts
      cells={[
        ["Requests", stats?.requests],
        ["Rejected requests", stats?.refused, stats?.refused ? "bad" : ""],
        ["Stored", stats?.stored, "good"],
        ["Duplicates", stats?.duplicates],
        ["Discarded", stats?.discarded, stats?.discarded ? "bad" : ""],
        ["Faults queued", stats?.faults],
      ]}
    />
  );
}

// Reasons counts the items refused for each reason. Each reason is a filter.
function Reasons({ query, items }: { query: URLSearchParams; items: Item[] }) {
  const chosen = query.get("reason");
  const counts = new Map<string, number>(chosen ? [[chosen, 0]] : []);
  for (const { reason } of items) if (reason) counts.set(reason, (counts.get(reason) ?? 0) + 1);
  if (counts.size === 0) return null;
  return (
    <div class="buttons reasons" role="group" aria-label="Reasons">
      <span class="hint">Discarded because</span>
      {[...counts].sort().map(([reason, n]) => (
        <Button
          key={reason}
          aria-pressed={reason === chosen}
          onClick={() => setQuery({ reason: reason === chosen ? "" : reason })}
        >
          {reason} <strong>{n}</strong>
        </Button>
      ))}
    </div>
  );
}

interface FiltersProps {
  query: URLSearchParams;
  items: Item[];
  found: number;
  missed: number;
}

function Filters({ query, items, found, missed }: FiltersProps) {
  const says = useSettled(
    `${found === items.length ? "" : `${found} of `}${count(items.length, "item")}${items.length === most ? `, the newest ${most}` : ""}${missed ? `; ${missed} missed` : ""}`,
  );
  // A choice is kept in the address. It stays in its menu even if no item has it any more.
  const menu = (name: string, label: string, titles: Record<string, string>) => (
    <select
      aria-label={label}
      value={query.get(name) ?? ""}
      onChange={(e) => setQuery({ [name]: e.currentTarget.value })}
    >
      {Object.entries(titles).map(([value, title]) => (
        <option key={value} value={value}>
          {title}
        </option>
      ))}
    </select>
  );
  const all = (name: "type" | "status", titles: Record<string, string>) => {
    const values = new Set([...items.map((i): string => i[name]), query.get(name) ?? ""]);
    return Object.fromEntries([...values].sort().flatMap((v) => (v ? [[v, titles[v] ?? v]] : [])));
  };
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
      {menu("in", "Search in", { "": "in values", payload: "in the full payload" })}
      {menu("type", "Type", { "": "All types", ...all("type", {}) })}
      {menu("status", "Status", { "": "All statuses", ...all("status", words) })}
      {menu("time", "Time", clocks)}
      <span class="hint" role="status">
        {says}
      </span>
    </div>
  );
}

// useSettled changes its text at most once a second, so that screen readers do not announce each change.
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

interface LineProps {
  item: Item;
  on: boolean;
  choose: (item: Item) => void;
  clock: Clock;
  tick: number;
}

// Line is rendered again only if it looks different, because items do not change after they arrive.
function Line({ item, on, choose, clock, tick }: LineProps) {
  return useMemo(
    () => (
      <li>
        <button type="button" aria-pressed={on} onClick={() => choose(item)}>
          <span class={`dot ${item.status}`} aria-hidden="true" />
          <span class="type">{item.type}</span>
          <span class="name">{item.name || item.who}</span>
          <span class="hint">{item.status === "stored" ? item.name && item.who : words[item.status]}</span>
          <time dateTime={item.at}>{timeOf(item.at, clock)}</time>
        </button>
      </li>
    ),
    [item, on, clock, tick],
  );
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
          <Line key={item.key} item={item} on={item.key === open?.key} choose={choose} clock={clock} tick={tick} />
        ))}
      </ul>
    </div>
  );
}
