// The workflow files of the server, and the runs that it remembers.
import { useState } from "preact/hooks";
import { get, post, Refused } from "./api";
import { CodeField } from "./codefield";
import { Confirm } from "./dialogs";
import { Graph, type Node, type Status, statusChip } from "./graph";
import { faultOf, show } from "./json";
import { confirmed, confirmSource } from "./run";
import { duration, timeOf } from "./show";
import type { ScreenProps } from "./types";
import { Chip, count, Empty, Failure, useLoaded, usePage } from "./ui";

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

const fileLink = (file: string) => `#/workflows/${encodeURIComponent(file)}`;

export function WorkflowsPage(props: ScreenProps) {
  return props.id ? <FilePage {...props} /> : <ListPage />;
}

function ListPage() {
  usePage("Workflows");
  const files = useLoaded("workflows", (signal) => get<{ workflows: Entry[] }>("v1/workflows", signal));
  const runs = useLoaded("runs", (signal) => get<{ runs: RunHead[] }>("v1/runs", signal));
  const error = files.error ?? runs.error;
  if (error) return <Failure error={error} />;
  if (!files.value || !runs.value) return <div class="loading" aria-busy="true" />;
  return (
    <>
      <div class="head">
        <div>
          <h1 tabIndex={-1}>Workflows</h1>
          <p>Files that this server can run. An edit of a file counts at once.</p>
        </div>
      </div>
      {files.value.workflows.length === 0 && (
        <Empty title="No workflow files">
          <p>The folder has no *.workflow.yaml and no export of AACFlow.</p>
        </Empty>
      )}
      <ul class="cards">
        {files.value.workflows.map((f) => (
          <li key={f.file}>
            <div>
              <h2>
                <a href={fileLink(f.file)}>{f.name}</a>
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
        Runs <span>{runs.value.runs.length}</span>
      </h2>
      {runs.value.runs.length === 0 ? (
        <p class="hint">No run since the server has started.</p>
      ) : (
        <div class="scroll" tabIndex={0} role="region" aria-label="Runs">
          <table>
            <thead>
              <tr>
                <th scope="col">Run</th>
                <th scope="col">Workflow</th>
                <th scope="col">Status</th>
                <th scope="col">Source</th>
                <th scope="col">Started</th>
                <th scope="col">Took</th>
              </tr>
            </thead>
            <tbody>
              {runs.value.runs.map((r) => (
                <tr key={r.run}>
                  <th scope="row">
                    <a href={`#/runs/${encodeURIComponent(r.run)}`}>{r.run}</a>
                  </th>
                  <td>{r.name}</td>
                  <td>
                    {statusChip(r.status)} {r.dryRun && <Chip>Dry run</Chip>}
                  </td>
                  <td>{r.source}</td>
                  <td>{timeOf(r.startedAt)}</td>
                  <td>{r.endedAt && duration(Date.parse(r.endedAt) - Date.parse(r.startedAt))}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </>
  );
}

function FilePage({ id, sources }: ScreenProps) {
  const path = `v1/workflows/${encodeURIComponent(id)}`;
  const file = useLoaded(id, (signal) => get<File>(path, signal));
  usePage(file.value?.name ?? id);
  const [typed, setTyped] = useState<string>();
  const [run, setRun] = useState("");
  const [refused, setRefused] = useState<unknown>();
  const [confirming, setConfirming] = useState(false);
  const source = sources.chosen;
  if (file.error) return <Failure error={file.error} />;
  if (!file.value) return <div class="loading" aria-busy="true" />;
  const { name, start, faults, unlistedFaults = 0, valid, nodes } = file.value;
  const input = typed ?? show(start);
  const fault = faultOf(input || "{}");
  const send = (dryRun: boolean) => {
    setConfirming(false);
    const members = [`"input":${input.trim() || "{}"}`, `"dryRun":${dryRun}`];
    if (source?.name) members.push(`"source":${JSON.stringify(source.name)}`);
    if (run && !dryRun) members.push(`"run":${JSON.stringify(run)}`);
    post<RunHead>(`${path}/runs`, `{${members.join(",")}}`).then(
      (begun) => (location.hash = `#/runs/${encodeURIComponent(begun.run)}`),
      setRefused,
    );
  };
  const start_ = () => {
    if (source && !source.emulated && !confirmed().includes(source.name)) setConfirming(true);
    else send(false);
  };
  const told = refused instanceof Refused ? ((refused.problem as { faults?: Fault[] }).faults ?? []) : [];
  return (
    <>
      <div class="head">
        <div class="grow">
          <h1 tabIndex={-1}>{name}</h1>
          <p class="meta">
            <a href="#/workflows">Workflows</a> <code>{id}</code>
            {valid && <Chip>{count(nodes.length, "node")}</Chip>}
          </p>
        </div>
      </div>
      {!valid && <Faults faults={faults} unlisted={unlistedFaults} />}
      {!!refused && <Failure error={refused} />}
      {told.length > 0 && <Faults faults={told} unlisted={0} />}
      <Graph nodes={nodes} />
      {valid && (
        <form class="panel" onSubmit={(e) => (e.preventDefault(), start_())} aria-label={`Input of ${name}`}>
          <div class="field">
            <label id="start-label" for="start">
              Input
            </label>
            <CodeField
              id="start"
              value={input}
              onChange={setTyped}
              fault={fault}
              keys={Object.keys(start)}
              describedBy="start-hint"
            />
            <p class="hint" id="start-hint">
              What <code>start</code> gives to the nodes, as JSON.
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
              Optional. A run with an id has a journal: the same id and input go on where the run ended.
            </p>
          </div>
          <div class="runbar">
            <button class="primary" disabled={!!fault}>
              {source && !source.emulated ? "Run for real" : "Run"}
            </button>
            <button type="button" disabled={!!fault} onClick={() => send(true)}>
              Dry run
            </button>
            {fault && <span class="says invalid">The input {fault}</span>}
          </div>
        </form>
      )}
      {confirming && (
        <Confirm
          source={source}
          send={() => (confirmSource(source!.name), send(false))}
          close={() => setConfirming(false)}
        />
      )}
    </>
  );
}

function Faults({ faults, unlisted }: { faults: Fault[]; unlisted: number }) {
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
