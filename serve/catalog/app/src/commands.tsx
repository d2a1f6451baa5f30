// Equivalents of a page's buttons for the command line, for HTTP and for agents.
import { hasEmulator, urlOf } from "./api";
import { Code } from "./code";
import { curl, posted, quote } from "./curl";
import type { Source } from "./types";

// Commands do what the buttons of Watch do.
export function Commands({ source }: { source?: Source }) {
  return <Codes of={hasEmulator ? ofEmulator() : ofSource(source)} />;
}

interface WorkflowCommandsProps {
  file: string;
  input: string;
  run: string;
  allowDuplicates: boolean;
  source?: Source;
  path: string; // where runs are started
  order: (dryRun: boolean) => string;
}

// WorkflowCommands do what the buttons below the form of a workflow do, and Cancel of a run.
export function WorkflowCommands({ file, input, run, allowDuplicates, source, path, order }: WorkflowCommandsProps) {
  const flags = [
    `--input ${quote(input)}`,
    source?.name && !source.emulated && `--source ${source.name}`,
    run && `--run ${quote(run)}`,
    run && allowDuplicates && "--allow-duplicates",
  ];
  const command = ["segment-blocks workflow run", quote(file), ...flags.filter(Boolean)].join(" ");
  return (
    <Codes
      of={[
        ["Command line, in the folder of the file", command],
        ["Run", posted(urlOf(path), order(false))],
        ["Dry run", posted(urlOf(path), order(true))],
        ["Cancel", posted(urlOf(`v1/runs/${encodeURIComponent(run || "RUN")}/cancel`), "{}")],
      ]}
    />
  );
}

function Codes({ of }: { of: [string, string][] }) {
  return (
    <>
      {of.map(([label, text]) => (
        <Code key={label} label={label} text={text} />
      ))}
    </>
  );
}

function ofEmulator(): [string, string][] {
  return [
    ["List what was stored", curl(urlOf("emulator/events?order=desc&limit=20"))],
    ["List what was discarded, and why", curl(urlOf("emulator/discards?order=desc&limit=20"))],
    ["Follow", curl(urlOf("emulator/stream"), "-N")],
    ["Count", curl(urlOf("emulator/stats"))],
    ["Simulate a failure", posted(urlOf("emulator/faults"), '{"status":503,"times":2}')],
    ["Clear", curl(urlOf("emulator/events"), "-X DELETE")],
    ["Command line: an emulator that prints what arrives", "segment-blocks emulator"],
    ["MCP: list_events, wait_for_event, explain_discard", "segment-blocks serve --mcp-watch"],
  ];
}

function ofSource(source?: Source): [string, string][] {
  const all: [string, string][] = [
    ["List", curl(urlOf("v1/invocations"))],
    ["Follow", curl(urlOf("v1/invocations/stream"), "-N")],
  ];
  if (source?.name) {
    const path = `v1/sources/${encodeURIComponent(source.name)}`;
    all.push(["Delivery", curl(urlOf(`${path}/delivery`))]);
    if (source.delivery === "durable") {
      all.push(
        ["Dead letters", curl(urlOf(`${path}/dead-letters`))],
        ["Retry dead letters", posted(urlOf(`${path}/dead-letters/retry`), '{"all":true}')],
        ["Drop dead letters", posted(urlOf(`${path}/dead-letters/drop`), '{"all":true}')],
        [
          "Command line",
          ["list", "retry --all", "drop --all"]
            .map((c) => `segment-blocks queue ${c} --source ${source.name}`)
            .join("\n"),
        ],
      );
    }
  }
  return [...all, ["MCP: list_runs", "segment-blocks serve --mcp-watch"]];
}
