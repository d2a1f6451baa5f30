// The delivery of a source's messages: how many were sent, wait, or were given up.
import { useEffect, useState } from "preact/hooks";
import { get, post } from "./api";
import { confirmed } from "./dialogs";
import { Counts, Fold, timeOf, usePolled } from "./show";
import { Row, Values } from "./table";
import { Button, count, Failure } from "./ui";

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
  const path = `v1/sources/${encodeURIComponent(source)}`;
  const state = usePolled(() => get<State>(`${path}/delivery`), 2000);
  if (!state) return null; // not loaded yet, or not reported by the API
  const { invocations, failed, sent, retried, queue } = state;
  const waiting: [string, number, string?][] = queue
    ? [
        ["Waiting", queue.waiting],
        ["In flight", queue.inFlight],
        ["Dead letters", queue.dead, queue.dead ? "bad" : ""],
      ]
    : [];
  return (
    <>
      <Counts
        cells={[
          ["Invocations", invocations],
          ["Failed", failed, failed ? "bad" : ""],
          ["Messages sent", sent, "good"],
          ["Retried", retried],
          ...waiting,
        ]}
      />
      {queue?.lastError && (
        <p class="note bad">
          Sending is paused: {queue.lastError}
          {queue.waitsUntil && `. Next attempt at ${timeOf(queue.waitsUntil)}.`}
        </p>
      )}
      {queue && queue.dead > 0 && (
        <Fold title={count(queue.dead, "dead letter")} hint="rejected by the receiver, or too old">
          {() => <DeadLetters path={path} dead={queue.dead} />}
        </Fold>
      )}
    </>
  );
}

function DeadLetters({ path, dead }: { path: string; dead: number }) {
  const [letters, setLetters] = useState<DeadLetter[]>([]);
  const [error, setError] = useState<unknown>();
  useEffect(() => {
    get<{ deadLetters: DeadLetter[] }>(`${path}/dead-letters?limit=100`).then(
      (a) => setLetters(a.deadLetters),
      setError,
    );
  }, [dead]);
  const change = (what: "retry" | "drop", some: DeadLetter[]) =>
    post(`${path}/dead-letters/${what}`, JSON.stringify({ ids: some.map((l) => l.id) })).then(
      () => setLetters((old) => old.filter((l) => !some.includes(l))),
      setError,
    );
  const retry = (some: DeadLetter[]) => void change("retry", some);
  const drop = async (some: DeadLetter[]) => {
    const title = `Drop ${count(some.length, "dead letter")}?`;
    const text = <p>This deletes them from the store. You cannot undo it.</p>;
    if (await confirmed({ title, text, no: "Cancel", yes: "Drop them" })) await change("drop", some);
  };
  const sound = letters.filter((l) => !l.damaged);
  return (
    <>
      {!!error && <Failure error={error} />}
      <div class="buttons">
        <Button onClick={() => retry(sound)}>Retry these</Button>
        <Button onClick={() => void drop(letters)}>Drop these</Button>
      </div>
      <Values>
        {letters.map((l) => {
          const buttons = (
            <div class="buttons">
              <Button disabled={l.damaged} onClick={() => retry([l])}>
                Retry
              </Button>
              <Button onClick={() => void drop([l])}>Drop</Button>
            </div>
          );
          return <Row key={l.id} of={l.messageId} cells={[l.reason, timeOf(l.diedAt), buttons]} />;
        })}
      </Values>
    </>
  );
}
