// What arrives, as it arrives: the messages that the emulator takes and drops, or the invocations of
// the server where the target is real.
import { useEffect, useRef, useState } from "preact/hooks";
import { get, hasEmulator, Refused, stream } from "./api";
import { parse } from "./json";
import type { Dropped, Invocation, Stored } from "./types";
import { count } from "./ui";

export type Item = {
  key: string;
  at: string;
  type: string;
  name: string;
  who: string;
  reason?: string; // the code of what was not taken
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

export const most = 500; // items that are kept

export type Connection = "connecting" | "live" | "lost" | "absent";

const text = (value: unknown) => (typeof value === "string" ? value : "");

function ofStored(e: Stored): Item {
  return {
    key: `e${e.seq}`,
    at: e.receivedAt,
    type: e.type,
    name: e.name ?? "",
    who: e.userId ?? e.anonymousId ?? "",
    status: "stored",
    of: e,
  };
}

function ofDropped(d: Dropped): Item {
  const m = d.message ?? {};
  const status = d.problems.some((p) => p.code === "duplicate") ? "duplicate" : "dropped";
  const name = text(m.event) || text(m.name) || (d.message ? "" : d.path);
  return {
    key: `d${d.seq}`,
    at: d.receivedAt,
    type: text(m.type) || d.path.split("/").pop()!,
    name,
    who: text(m.userId) || text(m.anonymousId),
    status,
    reason: d.problems[0]?.code,
    of: d,
  };
}

function ofInvocation(i: Invocation): Item {
  const name = i.code ?? `${count(i.messages, "message")}, ${i.durationMs.toFixed(0)} ms`;
  return {
    key: `i${i.seq}`,
    at: i.startedAt,
    type: i.block,
    name,
    who: i.source,
    status: i.status === "failed" ? "failed" : "ok",
    reason: i.code,
    of: i,
  };
}

// useFeed keeps the newest items. It changes its state ten times a second at most, however many
// arrive: a page that renders for each event freezes under load.
export function useFeed(live: boolean) {
  const [items, setItems] = useState<Item[]>([]);
  const [fresh, setFresh] = useState(0); // that arrived while the list was paused
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
    const add = (item: Item) => arrived.current.push(item);
    const miss = (n: number) => setMissed((old) => old + n);
    const follow = hasEmulator ? followEmulator : followInvocations;
    void follow(controller.signal, add, miss, setConnection);
    return () => controller.abort();
  }, []);

  const clear = () => {
    arrived.current = [];
    setItems([]);
    setMissed(0);
  };
  return { items, fresh, missed, connection, clear };
}

type Follow = (
  signal: AbortSignal,
  add: (item: Item) => void,
  miss: (n: number) => void,
  say: (state: Connection) => void,
) => Promise<void>;

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

const followEmulator: Follow = async (signal, add, miss, say) => {
  let lastEvent = 0;
  let lastDrop = 0;
  const drops = async () => {
    const { discards } = await get<{ discards: Dropped[] }>(
      `emulator/discards?since=${lastDrop}&limit=${most}`,
      signal,
    );
    for (const d of discards) {
      if (d.seq <= lastDrop) continue; // another answer, which was slow, had it
      lastDrop = d.seq;
      add(ofDropped(d));
    }
  };
  while (!signal.aborted) {
    try {
      if (lastEvent === 0) {
        const { events } = await get<{ events: Stored[] }>(`emulator/events?order=desc&limit=${most}`, signal);
        const { discards } = await get<{ discards: Dropped[] }>(`emulator/discards?order=desc&limit=${most}`, signal);
        const all = [...events.map(ofStored), ...discards.map(ofDropped)].sort((a, b) => a.at.localeCompare(b.at));
        all.forEach(add);
        lastEvent = events[0]?.seq ?? 0;
        lastDrop = discards[0]?.seq ?? 0;
      }
      say("live");
      const poll = setInterval(() => void drops().catch(() => {}), 1000);
      try {
        for await (const message of stream(`emulator/stream?since=${lastEvent}`, { signal })) {
          if (message.event === "gap") miss((JSON.parse(message.data) as { missed: number }).missed);
          else {
            const event = parse<Stored>(message.data);
            lastEvent = event.seq;
            add(ofStored(event));
          }
        }
      } finally {
        clearInterval(poll);
      }
    } catch {
      if (signal.aborted) return;
    }
    say("lost");
    await pause(1000);
  }
};

const followInvocations: Follow = async (signal, add, miss, say) => {
  let last = 0;
  while (!signal.aborted) {
    try {
      const { invocations } = await get<{ invocations: Invocation[] }>(
        `v1/invocations?after=${last}&limit=${most}`,
        signal,
      );
      for (const i of invocations) {
        last = i.seq;
        add(ofInvocation(i));
      }
      say("live");
      for await (const message of stream(`v1/invocations/stream?after=${last}`, { signal })) {
        if (message.event === "gap") {
          miss((JSON.parse(message.data) as { missed: number }).missed);
          continue;
        }
        const i = parse<Invocation>(message.data);
        last = i.seq;
        add(ofInvocation(i));
      }
    } catch (e) {
      if (signal.aborted) return;
      if (e instanceof Refused && e.problem.status === 404) {
        say("absent");
        return;
      }
    }
    say("lost");
    await pause(1000);
  }
};
