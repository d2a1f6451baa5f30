// How the messages of a source fare: what was sent, what waits, and what was given up.
import { useEffect, useState } from "preact/hooks";
import { get, post, Refused } from "./api";
import { Counts, Dialog, timeOf } from "./show";
import { count, Failure } from "./ui";

interface State {
  delivery: string;
  invocations: number;
  failed: number;
  sent: number;
  stored: number;
  retried: number;
  queue?: { waiting: number; inFlight: number; dead: number; lastError?: string; waitsUntil?: string };
}

interface DeadLetter {
  id: number;
  messageId: string;
  diedAt: string;
  reason: string;
  damaged?: boolean;
}

export function Delivery({ source }: { source: string }) {
  const [state, setState] = useState<State>();
  const [absent, setAbsent] = useState(false); // an API without it
  const path = `v1/sources/${encodeURIComponent(source)}`;
  useEffect(() => {
    if (absent) return;
    const load = () =>
      get<State>(`${path}/delivery`).then(setState, (e) => setAbsent(e instanceof Refused && e.problem.status === 404));
    void load();
    const timer = setInterval(load, 2000);
    return () => clearInterval(timer);
  }, [absent]);
  if (absent) return null;
  const queue = state?.queue;
  return (
    <>
      <Counts
        cells={[
          ["Invocations", state?.invocations],
          ["Failed", state?.failed, state?.failed ? "bad" : ""],
          ["Messages sent", state?.sent, "good"],
          ["Retried", state?.retried],
          ...(queue
            ? ([
                ["Waiting", queue.waiting],
                ["In flight", queue.inFlight],
                ["Dead letters", queue.dead, queue.dead ? "bad" : ""],
              ] as [string, number, string?][])
            : []),
        ]}
      />
      {queue?.lastError && (
        <p class="note bad">
          Sending is paused: {queue.lastError}
          {queue.waitsUntil && `. Next attempt at ${timeOf(queue.waitsUntil)}.`}
        </p>
      )}
      {queue && queue.dead > 0 && <DeadLetters path={path} dead={queue.dead} />}
    </>
  );
}

function DeadLetters({ path, dead }: { path: string; dead: number }) {
  const [letters, setLetters] = useState<DeadLetter[]>([]);
  const [dropping, setDropping] = useState<number[]>();
  const [error, setError] = useState<unknown>();
  useEffect(() => {
    get<{ deadLetters: DeadLetter[] }>(`${path}/dead-letters?limit=100`).then(
      (a) => setLetters(a.deadLetters),
      setError,
    );
  }, [dead]);
  const change = (what: "retry" | "drop", ids: number[]) => {
    setDropping(undefined);
    post(`${path}/dead-letters/${what}`, JSON.stringify({ ids })).then(
      () => setLetters((old) => old.filter((l) => !ids.includes(l.id))),
      setError,
    );
  };
  const all = letters.map((l) => l.id);
  return (
    <details class="more">
      <summary>
        {count(dead, "dead letter")} <span class="hint">rejected by the receiver, or too old</span>
      </summary>
      {!!error && <Failure error={error} />}
      <div class="buttons">
        <button
          type="button"
          class="small"
          onClick={() =>
            change(
              "retry",
              letters.filter((l) => !l.damaged).map((l) => l.id),
            )
          }
        >
          Retry these
        </button>
        <button type="button" class="small" onClick={() => setDropping(all)}>
          Drop these
        </button>
      </div>
      <table>
        <tbody>
          {letters.map((l) => (
            <tr key={l.id}>
              <th scope="row">
                <code>{l.messageId}</code>
              </th>
              <td>{l.reason}</td>
              <td>{timeOf(l.diedAt)}</td>
              <td class="buttons">
                <button type="button" class="small" disabled={l.damaged} onClick={() => change("retry", [l.id])}>
                  Retry
                </button>
                <button type="button" class="small" onClick={() => setDropping([l.id])}>
                  Drop
                </button>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      {dropping && (
        <Dialog title={`Drop ${count(dropping.length, "dead letter")}?`} close={() => setDropping(undefined)}>
          <p>This deletes them from the store. You cannot undo it.</p>
          <p class="actions">
            <button type="button" onClick={() => setDropping(undefined)}>
              Cancel
            </button>
            <button type="button" class="danger" onClick={() => change("drop", dropping)}>
              Drop them
            </button>
          </p>
        </Dialog>
      )}
    </details>
  );
}
