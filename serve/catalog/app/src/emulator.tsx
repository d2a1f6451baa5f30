// The emulator's counts, and buttons that make it fail, so that a flow can be seen coping.
import { useEffect, useState } from "preact/hooks";
import { del, get, post } from "./api";
import { Counts } from "./show";
import type { Fault } from "./types";
import { count, Failure } from "./ui";

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
        ["Rejected requests", stats?.refused, stats?.refused ? "bad" : ""],
        ["Stored", stats?.stored, "good"],
        ["Duplicates", stats?.duplicates],
        ["Discarded", stats?.discarded, stats?.discarded ? "bad" : ""],
        ["Faults queued", stats?.faults],
      ]}
    />
  );
}

const faults: [string, Fault[]][] = [
  ["429, Retry-After 1 s", [{ status: 429, retryAfter: "1" }]],
  ["503 twice", [{ status: 503, times: 2 }]],
  ["Delay of 3 s", [{ delay: "3s" }]],
  ["Connection reset", [{ reset: true }]],
  ["Store, then reset", [{ reset: true, store: true }]],
  ["400 once", [{ status: 400, body: '{"success":false,"error":{"code":"bad_request","message":"scripted"}}' }]],
];

export function Faults() {
  const [waiting, setWaiting] = useState<Fault[]>([]);
  const [error, setError] = useState<unknown>();
  const load = () => get<{ faults: Fault[] }>("emulator/faults").then((a) => setWaiting(a.faults), setError);
  useEffect(() => void load(), []);
  const script = (list: Fault[]) => {
    post<{ faults: Fault[] }>("emulator/faults", JSON.stringify(list)).then((a) => setWaiting(a.faults), setError);
  };
  return (
    <details class="more">
      <summary>
        Simulate failures <span class="hint">to test how a workflow handles them</span>
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
          Remove all
        </button>
      </div>
      <p class="hint" role="status">
        {waiting.length ? `${count(waiting.length, "fault")} queued for the next requests.` : "No faults queued."}
      </p>
      {!!error && <Failure error={error} />}
    </details>
  );
}
