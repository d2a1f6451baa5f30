// What the buttons of Watch do, for the command line, over HTTP and for agents.
import { hasEmulator, urlOf } from "./api";
import { Code } from "./code";
import { curl, posted } from "./curl";
import type { Source } from "./types";

export function Commands({ source }: { source?: Source }) {
  return (
    <>
      {(hasEmulator ? ofEmulator() : ofSource(source)).map(([label, text]) => (
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
