// A live feed: the messages that the emulator accepts and drops or, if the target is real, the
// invocations of the server.
import { useEffect, useRef, useState } from "preact/hooks";
import { get, hasEmulator, Refused } from "./api";
import { parse } from "./json";
import { stream } from "./stream";
import type { Dropped, Invocation, Stored } from "./types";
import { count } from "./ui";

export type Item = {
  key: string;
  at: string;
  type: string;
  name: string;
  who: string;
  reason?: string; // the code of the refusal
} & (
  | { status: "stored"; of: Stored }
  | { status: "duplicate" | "dropped"; of: Dropped }
  | { status: "ok" | "failed"; of: Invocation }
);

export const words: Record<Item["status"], string> = {
  stored: "Stored",
  duplicate: "Duplicate",
  dropped: "Discarded",
  ok: "Accepted",
  failed: "Failed",
};

export const most = 500; // the most items to keep

export type Connection = "connecting" | "live" | "lost" | "absent";

const text = (value: unknown) => (typeof value === "string" ? value : "");

function ofStored(e: Stored, connection: number): Item {
  return {
    key: `${connection} e${e.seq}`,
    at: e.receivedAt,
    type: e.type,
    name: e.name ?? "",
    who: e.userId ?? e.anonymousId ?? "",
    status: "stored",
    of: e,
  };
}

function ofDropped(d: Dropped, connection: number): Item {
  const m = d.message ?? {};
  const status = d.problems.some((p) => p.code === "duplicate") ? "duplicate" : "dropped";
  const name = text(m.event) || text(m.name) || (d.message ? "" : d.path);
  return {
    key: `${connection} d${d.seq}`,
    at: d.receivedAt,
    type: text(m.type) || d.path.split("/").pop()!,
    name,
    who: text(m.userId) || text(m.anonymousId),
    status,
    reason: d.problems[0]?.code,
    of: d,
  };
}

function ofInvocation(i: Invocation, connection: number): Item {
  const name = i.code ?? `${count(i.messages, "message")}, ${i.durationMs.toFixed(0)} ms`;
  return {
    key: `${connection} i${i.seq}`,
    at: i.startedAt,
    type: i.block,
    name,
    who: i.source,
    status: i.status === "failed" ? "failed" : "ok",
    reason: i.code,
    of: i,
  };
}

// useFeed keeps the newest items. It changes its state at most ten times a second, because a page that
// renders for each event freezes under load.
export function useFeed(live: boolean) {
  const [items, setItems] = useState<Item[]>([]);
  const [fresh, setFresh] = useState(0); // how many arrived while the list was paused
  const [missed, setMissed] = useState(0);
  const [connection, setConnection] = useState<Connection>("connecting");
  const arrived = useRef<Item[]>([]);
  const isLive = useRef(live);
  isLive.current = live;

  useEffect(() => {
    const flush = () => {
      if (arrived.current.length > most) arrived.current = arrived.current.slice(-most);
      if (!isLive.current) {
        setFresh(arrived.current.length);
        return;
      }
      setFresh(0);
      if (arrived.current.length === 0) return;
      const batch = arrived.current.reverse();
      arrived.current = [];
      setItems((old) => [...batch, ...old].slice(0, most));
    };
    const timer = setInterval(flush, 100);
    return () => clearInterval(timer);
  }, []);

  useEffect(() => {
    const controller = new AbortController();
    const to: Follower = {
      signal: controller.signal,
      add: (item) => void arrived.current.push(item),
      miss: (n) => setMissed((old) => old + n),
      say: setConnection,
    };
    void follow(to, hasEmulator ? emulatorFollower() : invocationsFollower());
    return () => controller.abort();
  }, []);

  const clear = () => {
    arrived.current = [];
    setItems([]);
    setMissed(0);
  };
  return { items, fresh, missed, connection, clear };
}

interface Follower {
  signal: AbortSignal;
  add: (item: Item) => void;
  miss: (n: number) => void;
  say: (state: Connection) => void;
}

// follow connects again whenever the connection is lost, which is when the given function returns.
async function follow(to: Follower, once: (to: Follower, connection: number) => Promise<void>): Promise<void> {
  for (let connection = 0; !to.signal.aborted; connection++) {
    try {
      await once(to, connection);
    } catch (e) {
      if (e instanceof Refused && e.problem.status === 404) return to.say("absent");
    }
    if (to.signal.aborted) return;
    to.say("lost");
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
}

// messages reads a stream, and reports the messages that the server no longer had.
async function* messages<T>(to: Follower, path: string): AsyncGenerator<T> {
  for await (const { event, data } of stream(path, { signal: to.signal })) {
    if (event === "gap") to.miss(parse<{ missed: number }>(data).missed);
    else yield parse<T>(data);
  }
}

// A restarted server counts from 1 again, so the keys of items include the connection.
function emulatorFollower() {
  let lastEvent = 0;
  let lastDrop = 0;
  return async (to: Follower, connection: number) => {
    const { signal, add, say } = to;
    const newest = <T>(what: string, limit: number) => get<T>(`emulator/${what}?order=desc&limit=${limit}`, signal);
    const [{ events }, { discards }] = await Promise.all([
      newest<{ events: Stored[] }>("events", connection ? 1 : most),
      newest<{ discards: Dropped[] }>("discards", connection ? 1 : most),
    ]);
    const [event = 0, drop = 0] = [events[0]?.seq, discards[0]?.seq];
    if (connection === 0) {
      const all = [...events.map((e) => ofStored(e, 0)), ...discards.map((d) => ofDropped(d, 0))];
      all.sort((a, b) => a.at.localeCompare(b.at)).forEach(add);
      [lastEvent, lastDrop] = [event, drop];
    } else if (event < lastEvent || drop < lastDrop) {
      [lastEvent, lastDrop] = [0, 0];
    }
    say("live");
    const poll = setInterval(async () => {
      const path = `emulator/discards?since=${lastDrop}&limit=${most}`;
      const { discards } = await get<{ discards: Dropped[] }>(path, signal).catch(() => ({ discards: [] }));
      for (const d of discards) {
        if (d.seq <= lastDrop) continue; // an earlier, slow answer had it already
        lastDrop = d.seq;
        add(ofDropped(d, connection));
      }
    }, 1000);
    try {
      for await (const e of messages<Stored>(to, `emulator/stream?since=${lastEvent}`)) {
        lastEvent = e.seq;
        add(ofStored(e, connection));
      }
    } finally {
      clearInterval(poll);
    }
  };
}

function invocationsFollower() {
  let last = 0;
  return async (to: Follower, connection: number) => {
    const path = `v1/invocations?after=${last}&limit=${most}`;
    const { invocations } = await get<{ invocations: Invocation[] }>(path, to.signal);
    const add = (i: Invocation) => {
      last = i.seq;
      to.add(ofInvocation(i, connection));
    };
    invocations.forEach(add);
    to.say("live");
    for await (const i of messages<Invocation>(to, `v1/invocations/stream?after=${last}`)) add(i);
  };
}
