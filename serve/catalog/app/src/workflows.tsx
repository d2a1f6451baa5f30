// The workflow files of the server, and the runs that it remembers.
import { useRef, useState } from "preact/hooks";
import { get, post, type Refused } from "./api";
import { Graph, type Node, type Status, statusChip } from "./graph";
import { faultOf, show } from "./json";
import { JSONField } from "./jsonfield";
import { useLoaded } from "./loaded";
import { go } from "./route";
import { between, Fold, timeOf } from "./show";
import { Row, Table } from "./table";
import type { ScreenProps, Source } from "./types";
import { Chip, count, Empty, Failure, Head, lazy, Loading } from "./ui";

const WorkflowCommands = lazy(
  async () => (await import("./commands")).WorkflowCommands,
  () => null,
);

interface Entry {
  file: string;
  name: string;
  valid: boolean;
  nodes: number;
  faults: number;
}

export interface RunHead {
  run: string;
  file: string;
  name: string;
  source: string;
  dryRun: boolean;
  status: Status;
  startedAt: string;
  endedAt?: string;
  error?: string;
}

interface Fault {
  line?: number;
  column?: number;
  message: string;
}

interface File {
  file: string;
  name: string;
  valid: boolean;
  start: Record<string, unknown>;
  faults: Fault[];
  unlistedFaults?: number;
  nodes: Node[];
}

export function WorkflowsPage(props: ScreenProps) {
  return props.id ? <FilePage {...props} /> : <ListPage />;
}

function ListPage() {
  const { value, error } = useLoaded("", (signal) =>
    Promise.all([get<{ workflows: Entry[] }>("v1/workflows", signal), get<{ runs: RunHead[] }>("v1/runs", signal)]),
  );
  if (error) return <Failure error={error} />;
  if (!value) return <Loading />;
  const [{ workflows }, { runs }] = value;
  return (
    <>
      <Head title="Workflows">
        <p>Files that this server can run. Edits apply at once.</p>
      </Head>
      {workflows.length === 0 && (
        <Empty title="No workflow files">
          <p>The folder has no *.workflow.yaml or AACFlow export.</p>
        </Empty>
      )}
      <ul class="cards">
        {workflows.map((f) => (
          <li key={f.file}>
            <div>
              <h2>
                <a href={`#/workflows/${encodeURIComponent(f.file)}`}>{f.name}</a>
              </h2>
              <p class="meta">
                <code>{f.file}</code>
                {f.valid ? <Chip>{count(f.nodes, "node")}</Chip> : <Chip kind="bad">{count(f.faults, "fault")}</Chip>}
              </p>
            </div>
          </li>
        ))}
      </ul>
      <h2 class="category">
        Runs <span>{runs.length}</span>
      </h2>
      {runs.length === 0 ? (
        <p class="hint">No runs yet.</p>
      ) : (
        <Table label="Runs" columns={["Run", "Workflow", "Status", "Source", "Started", "Took"]}>
          {runs.map((r) => (
            <Row
              key={r.run}
              of={<a href={`#/runs/${encodeURIComponent(r.run)}`}>{r.run}</a>}
              cells={[
                r.name,
                <>
                  {statusChip(r.status)} {r.dryRun && <Chip>Dry run</Chip>}
                </>,
                r.source,
                timeOf(r.startedAt),
                r.endedAt && between(r.startedAt, r.endedAt),
              ]}
            />
          ))}
        </Table>
      )}
    </>
  );
}

function FilePage({ id, sources }: ScreenProps) {
  const path = `v1/workflows/${encodeURIComponent(id)}`;
  const file = useLoaded(id, (signal) => get<File>(path, signal));
  if (file.error) return <Failure error={file.error} />;
  if (!file.value) return <Loading />;
  const { name, faults, unlistedFaults, valid, nodes } = file.value;
  return (
    <>
      <Head title={name}>
        <p class="meta">
          <a href="#/workflows">Workflows</a> <code>{id}</code>
          {valid && <Chip>{count(nodes.length, "node")}</Chip>}
        </p>
      </Head>
      {!valid && <Faults faults={faults} unlisted={unlistedFaults} />}
      <Graph nodes={nodes} />
      {valid && <RunForm path={path} file={file.value} source={sources.chosen} />}
    </>
  );
}

function RunForm({ path, file, source }: { path: string; file: File; source?: Source }) {
  const [input, setInput] = useState(show(file.start));
  const [run, setRun] = useState("");
  const [allowDuplicates, setAllowDuplicates] = useState(false);
  const [refused, setRefused] = useState<Refused>();
  const real = source && !source.emulated;
  const given = input.trim() || "{}";
  const fault = faultOf(given);
  const order = (dryRun: boolean) => {
    const resumed = run && !dryRun && { run, ...(allowDuplicates && { allowDuplicates }) };
    const options = JSON.stringify({ dryRun, source: source?.name || undefined, ...resumed });
    return `{"input":${given},${options.slice(1)}`;
  };
  const busy = useRef(false); // a second click must not start a second run
  const start = async (e: Event, dryRun = false) => {
    e.preventDefault();
    if (busy.current) return;
    busy.current = true;
    const { confirmedSource } = await import("./dialogs");
    if (dryRun || (await confirmedSource(source)))
      await post<RunHead>(`${path}/runs`, order(dryRun)).then((begun) => go(`#/runs/${begun.run}`), setRefused);
    busy.current = false;
  };
  const told = (refused?.problem as { faults?: Fault[] } | undefined)?.faults ?? [];
  return (
    <>
      <form class="panel" onSubmit={start} aria-label={`Input of ${file.name}`}>
        {refused && <Failure error={refused} />}
        {told.length > 0 && <Faults faults={told} />}
        <div class="field">
          <label id="start-label" for="start">
            Input
          </label>
          <JSONField
            id="start"
            value={input}
            onChange={setInput}
            fault={fault}
            like={file.start}
            describedBy="start-hint"
          />
          <p class="hint" id="start-hint">
            As in <code>start</code>, in JSON.
          </p>
        </div>
        <div class="field">
          <label for="run-id">Run id</label>
          <input
            id="run-id"
            autocomplete="off"
            value={run}
            onInput={(e) => setRun(e.currentTarget.value.trim())}
            aria-describedby="run-id-hint"
          />
          <p class="hint" id="run-id-hint">
            Optional. A run with an id has a journal: the same id and input go on where it ended.
          </p>
          {run && (
            <label class="check">
              <input
                type="checkbox"
                checked={allowDuplicates}
                onChange={(e) => setAllowDuplicates(e.currentTarget.checked)}
              />
              Resume an old run, even if events may count twice
            </label>
          )}
        </div>
        <div class="runbar">
          <button class={real ? "danger" : "primary"} disabled={!!fault}>
            {real ? "Run for real" : "Run"}
          </button>
          <button type="button" disabled={!!fault} onClick={(e) => void start(e, true)}>
            Dry run
          </button>
          {fault && <span class="says invalid">The input {fault}</span>}
        </div>
      </form>
      <Fold title="Outside this page" hint="with curl and on the command line">
        {() => (
          <WorkflowCommands
            file={file.file}
            input={given}
            run={run}
            allowDuplicates={allowDuplicates}
            source={source}
            path={`${path}/runs`}
            order={order}
          />
        )}
      </Fold>
    </>
  );
}

function Faults({ faults, unlisted = 0 }: { faults: Fault[]; unlisted?: number }) {
  return (
    <div class="note bad">
      <strong>This file cannot run.</strong>
      <ul>
        {faults.map((f, i) => (
          <li key={i}>
            {f.line && (
              <code>
                {f.line}:{f.column}
              </code>
            )}{" "}
            {f.message}
          </li>
        ))}
      </ul>
      {unlisted > 0 && <p>and {unlisted} more</p>}
    </div>
  );
}
