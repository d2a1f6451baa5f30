// The same call elsewhere: text that runs as it stands.
import { urlOf } from "./api";
import { bodyOf, type Check } from "./check";
import { type Input, join } from "./json";
import type { Block, Request, Source } from "./types";
import { Code } from "./ui";

// quote makes one word of a POSIX shell.
function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

function indent(text: string, by: string): string {
  return text.replaceAll("\n", `\n${by}`);
}

export function snippetsOf(block: Block, input: Input, requests: Request[], source?: Source): [string, string][] {
  const named = source?.name && !source.emulated ? source.name : "";
  const document = join(input);
  const call = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"${block.id}","arguments":${document}}}`;
  const all: [string, string][] = [
    ["Command line", `segment-blocks run ${block.id}${named && ` --source ${named}`} --input ${quote(document)}`],
    [
      "curl, to this service",
      `curl -sS ${quote(urlOf(`v1/blocks/${block.id}/invoke`))} \\\n  -H 'Content-Type: application/json' \\\n  -d ${quote(bodyOf(input, named))}`,
    ],
    [
      "curl, over MCP",
      `curl -sS ${quote(urlOf("mcp"))} \\\n  -H 'Content-Type: application/json' \\\n  -H 'Accept: application/json, text/event-stream' \\\n  -d ${quote(call)}`,
    ],
    ["Workflow", `name: try\nnodes:\n  one:\n    block: ${block.id}\n    with: ${indent(document, "    ")}\n`],
    [
      "Go",
      `result, err := rt.Invoke(ctx, ${JSON.stringify(block.id)}, runtime.JSON([]byte(\`${document.replaceAll("`", '` + "`" + `')}\`)))`,
    ],
  ];
  if (requests[0]) all.splice(1, 0, ["curl, to the receiver", requests.map(curlOf).join("\n\n")]);
  const node = nodeOf(requests[0]);
  if (node) all.push(["analytics-node", node]);
  return all;
}

// curlOf writes a request. A credential that was left out of it comes from the environment.
export function curlOf(r: Request): string {
  const own = ["authorization", "content-length", "user-agent", "accept-encoding"];
  const lines = [`curl -sS -X ${r.method} ${quote(r.url)}`];
  if (r.header.Authorization?.[0]?.startsWith("Basic ")) lines.push('-u "$SEGMENT_WRITE_KEY:"');
  for (const [name, values] of Object.entries(r.header)) {
    if (!own.includes(name.toLowerCase())) lines.push(`-H ${quote(`${name}: ${values.join(", ")}`)}`);
  }
  lines.push(`-d ${quote(r.body)}`);
  return lines.join(" \\\n  ");
}

// nodeOf writes the call of Segment's library for Node that sends the same message, if there is one.
function nodeOf(r?: Request): string | undefined {
  const [, type] = /\/v1\/(track|identify|page|screen|group|alias)$/.exec(r?.url ?? "") ?? [];
  if (!r || !type) return undefined;
  const message = JSON.parse(r.body) as Record<string, unknown>;
  for (const own of ["sentAt", "type", "writeKey"]) delete message[own];
  return `import { Analytics } from "@segment/analytics-node";

const analytics = new Analytics({
  writeKey: process.env.SEGMENT_WRITE_KEY,
  host: ${JSON.stringify(new URL(r.url).origin)},
});
analytics.${type}(${indent(JSON.stringify(message, null, 2), "")});
await analytics.closeAndFlush();`;
}

export function Snippets(props: { block: Block; input: Input; check: Check; source?: Source }) {
  const ready = props.check.requests ?? [];
  return (
    <>
      {!ready.length && <p class="hint">The input is not complete. The code below sends it as it is.</p>}
      {snippetsOf(props.block, props.input, ready, props.source).map(([label, text]) => (
        <Code key={label} label={label} text={text} />
      ))}
    </>
  );
}
