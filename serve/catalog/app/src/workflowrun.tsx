// A live view of a workflow run: the graph with the state of each node, and the chosen node.
import { useEffect, useState } from "preact/hooks";
import { get, post } from "./api";
import { Code } from "./code";
import { Graph, type Node, type Status, statusChip } from "./graph";
import { useInSight } from "./insight";
import { show } from "./json";
import { useLoaded } from "./loaded";
import { between, timeOf } from "./show";
import { stream } from "./stream";
import type { ScreenProps } from "./types";
import { Chip, count, Empty, Failure, Head, Loading } from "./ui";
import type { RunHead } from "./workflows";

interface State {
  status: Status;
  startedAt?: string;
  endedAt?: string;
  resumed?: boolean;
  attempts?: { startedAt: string; error?: unknown }[];
  iterations?: { started: number; ended: number; failed: number };
  output?: unknown;
  error?: unknown;
  receipt?: unknown;
  omitted?: boolean;
}

type Run = RunHead & { nodes: Record<string, State> };

// useRun loads the run whenever it changes, at most four times a second.
function useRun(id: string): { run?: Run; error?: unknown } {
  const [state, setState] = useState<{ run?: Run; error?: unknown }>({});
  useEffect(() => {
    const controller = new AbortController();
    const { signal } = controller;
    const path = `v1/runs/${encodeURIComponent(id)}`;
    let changed = true;
    let streams = true; // without a stream, such as after a cut connection, the page asks each time
    const follow = async () => {
      for await (const _ of stream(`${path}/stream`, { signal })) changed = true;
    };
    const load = async () => {
      while (!signal.aborted) {
        if (changed || !streams) {
          changed = false;
          const run = await get<Run>(path, signal);
          setState({ run });
          if (run.endedAt) return;
        }
        await new Promise((resolve) => setTimeout(resolve, 250));
      }
    };
    void follow()
      .catch(() => {})
      .then(() => (streams = false));
    load().catch((error: unknown) => signal.aborted || setState({ error }));
    return () => controller.abort();
  }, [id]);
  return state;
}

export function RunPage({ id }: ScreenProps) {
  const { run, error } = useRun(id);
  const file = useLoaded(run?.file ?? "", async (signal) =>
    run ? get<{ nodes: Node[] }>(`v1/workflows/${encodeURIComponent(run.file)}`, signal) : undefined,
  );
  const [chosen, setChosen] = useState("");
  const place = useInSight(chosen);
  if (error) return <Failure error={error} />;
  if (!run) return <Loading />;
  const cancel = () => void post(`v1/runs/${encodeURIComponent(id)}/cancel`, "{}").catch(() => {});
  const states = Object.entries(run.nodes);
  const ended = states.filter(([, s]) => s.endedAt || s.status === "skipped").length;
  return (
    <>
      <Head
        title={run.name}
        actions={
          !run.endedAt && (
            <button type="button" onClick={cancel}>
              Cancel
            </button>
          )
        }
      >
        <p class="meta">
          <a href={`#/workflows/${encodeURIComponent(run.file)}`}>{run.file}</a>
          <code>{run.run}</code>
          {statusChip(run.status)}
          {run.dryRun && <Chip>Dry run</Chip>}
          <span role="status">
            {ended} of {count(states.length, "node")} ended
          </span>
          <span>
            {timeOf(run.startedAt)}
            {run.endedAt && `, took ${between(run.startedAt, run.endedAt)}`}
          </span>
        </p>
      </Head>
      {run.error && <p class="note bad">{run.error}</p>}
      {file.value && (
        <Graph nodes={file.value.nodes} statusOf={(n) => run.nodes[n]?.status} chosen={chosen} choose={setChosen} />
      )}
      <div class="panel" ref={place}>
        <NodeDetail id={chosen} state={run.nodes[chosen]} />
      </div>
    </>
  );
}

function NodeDetail({ id, state: s }: { id: string; state?: State }) {
  if (!s) {
    return (
      <Empty title="No node selected">
        <p>Select a node to see its attempts, its output and its receipt.</p>
      </Empty>
    );
  }
  const parts: [string, unknown][] = [
    ["Error", s.error],
    ["Output", s.output],
    ["Receipt", s.receipt],
  ];
  return (
    <>
      <h2>{id}</h2>
      <p class="meta">
        {statusChip(s.status)}
        {s.resumed && <Chip>from an earlier process</Chip>}
        {s.startedAt && s.endedAt && <span>took {between(s.startedAt, s.endedAt)}</span>}
        {s.iterations && (
          <span>
            {s.iterations.ended} of {count(s.iterations.started, "iteration")} ended, {s.iterations.failed} failed
          </span>
        )}
      </p>
      {(s.attempts ?? []).length > 1 && (
        <ol class="attempts">
          {s.attempts!.map((a, i) => (
            <li key={i}>
              Attempt {i + 1} at {timeOf(a.startedAt)}{" "}
              <Chip kind={a.error ? "bad" : "good"}>{a.error ? "failed" : s.status}</Chip>
            </li>
          ))}
        </ol>
      )}
      {parts.map(([label, value]) => value !== undefined && <Code key={label} label={label} text={show(value)} />)}
      {s.omitted && <p class="hint">Output and receipt are too large to be kept here.</p>}
    </>
  );
}
