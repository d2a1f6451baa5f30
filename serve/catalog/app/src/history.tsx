// The runs that were made in this browser: look again, run again, compare, take along.
import { useEffect, useState } from "preact/hooks";
import { asCurl, asHAR, asNDJSON } from "./exports";
import { join, split } from "./json";
import { blockLink } from "./route";
import { allRuns, clear, pin, type Run } from "./runs";
import type { ScreenProps } from "./types";
import { download, duration } from "./show";
import { Chip, count, Empty, usePage } from "./ui";

export function HistoryPage({ blocks }: ScreenProps) {
  usePage("History");
  const [runs, setRuns] = useState<Run[]>();
  const [picked, setPicked] = useState<number[]>([]);
  const load = () => void allRuns().then(setRuns);
  useEffect(load, []);
  if (!runs) return <div class="loading" aria-busy="true" />;
  const chosen = runs.filter((r) => picked.includes(r.id!));
  const out = chosen.length ? chosen : runs;
  const toggle = (id: number) =>
    setPicked((old) => (old.includes(id) ? old.filter((o) => o !== id) : [...old, id].slice(-2)));
  return (
    <>
      <div class="head">
        <div class="grow">
          <h1 tabIndex={-1}>History</h1>
          <p role="status">{count(runs.length, "run")} in this browser, stored without secrets.</p>
        </div>
        {runs.length > 0 && (
          <div class="buttons" role="group" aria-label={chosen.length ? "Export the selected runs" : "Export all runs"}>
            <button type="button" class="small" onClick={() => download("runs.sh", asCurl(out), "text/x-shellscript")}>
              curl
            </button>
            <button type="button" class="small" onClick={() => download("runs.har", asHAR(out))}>
              HAR
            </button>
            <button
              type="button"
              class="small"
              onClick={() => download("runs.ndjson", asNDJSON(out), "application/x-ndjson")}
            >
              NDJSON
            </button>
            <button type="button" class="small" onClick={() => void clear().then(load)}>
              Clear all
            </button>
          </div>
        )}
      </div>
      {runs.length === 0 && (
        <Empty title="No runs yet">
          <p>
            What you run in this browser is kept here. <a href="#/">Choose a block</a>
          </p>
        </Empty>
      )}
      {chosen.length === 2 && <Compare one={chosen[1]!} two={chosen[0]!} />}
      {runs.length > 0 && (
        <div class="scroll" tabIndex={0} role="region" aria-label="Runs">
          <table>
            <thead>
              <tr>
                <th scope="col">Compare</th>
                <th scope="col">When</th>
                <th scope="col">Block</th>
                <th scope="col">Outcome</th>
                <th scope="col">Source</th>
                <th scope="col">Took</th>
                <th scope="col">
                  <span class="hidden">Actions</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {runs.map((r) => (
                <tr key={r.id}>
                  <td>
                    <input
                      type="checkbox"
                      checked={picked.includes(r.id!)}
                      onChange={() => toggle(r.id!)}
                      aria-label={`Select the run of ${new Date(r.at).toLocaleString()}`}
                    />
                  </td>
                  <td>{new Date(r.at).toLocaleString()}</td>
                  <td>{blocks.find((b) => b.id === r.block)?.name ?? r.block}</td>
                  <td>
                    {r.outcome.ok ? (
                      <Chip kind="good">accepted</Chip>
                    ) : (
                      <Chip kind="bad">{r.outcome.problem.code}</Chip>
                    )}
                  </td>
                  <td>
                    {r.source} {r.emulated ? "(emulated)" : "(real)"}
                  </td>
                  <td>{duration(r.ms)}</td>
                  <td class="buttons">
                    <a class="small" href={blockLink(r.block, `run=${r.id}`)}>
                      Replay
                    </a>
                    <button
                      type="button"
                      class="small"
                      aria-pressed={!!r.pinned}
                      onClick={() => void pin(r).then(load)}
                    >
                      Pin
                    </button>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </>
  );
}

// Compare shows two inputs line by line, and marks the lines that only one of them has.
function Compare({ one, two }: { one: Run; two: Run }) {
  const side = (run: Run, other: Run) => {
    const theirs = join(split(other.input)).split("\n");
    return (
      <pre tabIndex={0} role="region" aria-label={`Input of the run of ${new Date(run.at).toLocaleString()}`}>
        {join(split(run.input))
          .split("\n")
          .map((line, i) => (theirs.includes(line) ? `${line}\n` : <mark key={i}>{line + "\n"}</mark>))}
      </pre>
    );
  };
  return (
    <section class="halves" aria-label="Compare two runs">
      {side(one, two)}
      {side(two, one)}
    </section>
  );
}
