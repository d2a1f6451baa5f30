// The emulator's counts, and buttons that make it fail, so that a flow can be seen coping.
import { useEffect, useState } from "preact/hooks";
import { del, get, post } from "./api";
import type { Fault } from "./types";
import { count, Counts, Failure } from "./ui";

interface Stats {
  requests: number;
  refused: number;
  stored: number;
  duplicates: number;
  discarded: number;
  faults: number;
}

export function Strip() {
  const [stats, setStats] = useState<Stats>();
  useEffect(() => {
    const load = () => void get<Stats>("emulator/stats").then(setStats, () => {});
    load();
    const timer = setInterval(load, 1000);
    return () => clearInterval(timer);
  }, []);
  return (
    <Counts
      cells={[
        ["Requests", stats?.requests],
        ["Refused requests", stats?.refused, stats?.refused ? "bad" : ""],
        ["Stored", stats?.stored, "good"],
        ["Duplicates", stats?.duplicates],
        ["Discarded", stats?.discarded, stats?.discarded ? "bad" : ""],
        ["Faults waiting", stats?.faults],
      ]}
    />
  );
}

const faults: [string, Fault[]][] = [
  ["429, again in 1 s", [{ status: 429, retryAfter: "1" }]],
  ["503, twice", [{ status: 503, times: 2 }]],
  ["Slow, 3 s", [{ delay: "3s" }]],
  ["Cut the connection", [{ reset: true }]],
  ["Store, then cut", [{ reset: true, store: true }]],
  ["Refuse the next", [{ status: 400, body: '{"success":false,"error":{"code":"bad_request","message":"scripted"}}' }]],
];

export function Faults() {
  const [waiting, setWaiting] = useState<Fault[]>([]);
  const [error, setError] = useState<unknown>();
  const load = () => get<{ faults: Fault[] }>("emulator/faults").then((a) => setWaiting(a.faults), setError);
  useEffect(() => void load(), []);
  const script = (list: Fault[]) => {
    post<{ faults: Fault[] }>("emulator/faults", JSON.stringify(list)).then(
      (a) => setWaiting(a.value.faults),
      setError,
    );
  };
  return (
    <details class="more">
      <summary>
        Make the emulator fail <span class="hint">to see how a flow copes</span>
      </summary>
      <div class="buttons">
        {faults.map(([title, list]) => (
          <button key={title} type="button" class="small" onClick={() => script(list)}>
            {title}
          </button>
        ))}
        <button
          type="button"
          class="small"
          disabled={!waiting.length}
          onClick={() => void del("emulator/faults").then(load, setError)}
        >
          Forget all
        </button>
      </div>
      <p class="hint" role="status">
        {waiting.length ? `The next requests meet ${count(waiting.length, "fault")}.` : "No fault is waiting."}
      </p>
      {!!error && <Failure error={error} />}
    </details>
  );
}
