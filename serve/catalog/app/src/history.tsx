// The runs that were made in this browser, to view, repeat, compare and export.
import { useEffect, useState } from "preact/hooks";
import { blockLink } from "./route";
import { allRuns, clearRuns, pin, type Run } from "./runs";
import { duration } from "./show";
import { Table } from "./table";
import { join, split } from "./text";
import type { ScreenProps } from "./types";
import { Button, Chip, count, Empty, Head, Loading } from "./ui";

const columns = ["Compare", "When", "Block", "Outcome", "Source", "Took", <span class="hidden">Actions</span>];

const dateOf = (run: Run) => new Date(run.at).toLocaleString();

export function HistoryPage({ blocks }: ScreenProps) {
  const [runs, setRuns] = useState<Run[]>();
  const [picked, setPicked] = useState<number[]>([]);
  const load = () => void allRuns().then(setRuns);
  useEffect(load, []);
  if (!runs) return <Loading />;
  const chosen = runs.filter((r) => picked.includes(r.id!));
  const out = chosen.length ? chosen : runs;
  const toggle = (id: number) =>
    setPicked((old) => (old.includes(id) ? old.filter((o) => o !== id) : [...old, id].slice(-2)));
  const actions = (
    <div class="buttons" role="group" aria-label={chosen.length ? "Export the selected runs" : "Export all runs"}>
      {(["curl", "testscript", "HAR", "NDJSON"] as const).map((format) => (
        <Button key={format} onClick={() => void import("./exports").then(({ save }) => save(format, out))}>
          {format}
        </Button>
      ))}
      <Button onClick={() => void clearRuns().then(load)}>Clear all</Button>
    </div>
  );
  return (
    <>
      <Head title="History" actions={runs.length > 0 && actions}>
        <p role="status">{count(runs.length, "run")} in this browser, stored without secrets.</p>
      </Head>
      {runs.length === 0 && (
        <Empty title="No runs yet">
          <p>
            Runs in this browser are kept here. <a href="#/">Choose a block</a>
          </p>
        </Empty>
      )}
      {chosen.length === 2 && <Compare one={chosen[1]!} two={chosen[0]!} />}
      {runs.length > 0 && (
        <Table label="Runs" columns={columns}>
          {runs.map((r) => (
            <tr key={r.id}>
              <td>
                <input
                  type="checkbox"
                  checked={picked.includes(r.id!)}
                  onChange={() => toggle(r.id!)}
                  aria-label={`Select the run of ${dateOf(r)}`}
                />
              </td>
              <td>{dateOf(r)}</td>
              <td>{blocks.find((b) => b.id === r.block)?.name ?? r.block}</td>
              <td>
                <Chip kind={r.outcome.ok ? "good" : "bad"}>{r.outcome.ok ? "accepted" : r.outcome.problem.code}</Chip>
              </td>
              <td>
                {r.source} {r.emulated ? "(emulated)" : "(real)"}
              </td>
              <td>{duration(r.ms)}</td>
              <td>
                <div class="buttons">
                  <a class="small" href={blockLink(r.block, `run=${r.id}`)}>
                    Replay
                  </a>
                  <Button aria-pressed={!!r.pinned} onClick={() => void pin(r).then(load)}>
                    Pin
                  </Button>
                </div>
              </td>
            </tr>
          ))}
        </Table>
      )}
    </>
  );
}

// Compare shows two inputs line by line, and marks the lines that only one of them has.
function Compare({ one, two }: { one: Run; two: Run }) {
  const linesOf = (run: Run) => join(split(run.input)).split("\n");
  const side = (run: Run, other: string[]) => (
    <pre tabIndex={0} role="region" aria-label={`Input of the run of ${dateOf(run)}`}>
      {linesOf(run).map((line, i) => (other.includes(line) ? `${line}\n` : <mark key={i}>{line + "\n"}</mark>))}
    </pre>
  );
  return (
    <section class="halves" aria-label="Compare two runs">
      {side(one, linesOf(two))}
      {side(two, linesOf(one))}
    </section>
  );
}
