// Buttons that make the emulator fail, to show how a run handles failures.
import { useEffect, useState } from "preact/hooks";
import { del, get, post } from "./api";
import type { Fault } from "./types";
import { Button, count, Failure } from "./ui";

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
    <>
      <div class="buttons">
        {faults.map(([title, list]) => (
          <Button key={title} onClick={() => script(list)}>
            {title}
          </Button>
        ))}
        <Button disabled={!waiting.length} onClick={() => void del("emulator/faults").then(load, setError)}>
          Remove all
        </Button>
      </div>
      <p class="hint" role="status">
        {waiting.length ? `${count(waiting.length, "fault")} queued for the next requests.` : "No faults queued."}
      </p>
      {!!error && <Failure error={error} />}
    </>
  );
}
