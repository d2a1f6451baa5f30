// The same call in other languages and tools. Each snippet runs as it is.
import { urlOf } from "./api";
import { Code } from "./code";
import { posted, quote } from "./curl";
import { bodyOf, type Input } from "./input";
import { parse } from "./json";
import { callOf } from "./messages";
import { withoutSecrets } from "./secrets";
import { join } from "./text";
import type { Block, Request, Source } from "./types";

function snippetsOf(block: Block, input: Input, requests: Request[], source?: Source): [string, string][] {
  const named = source?.name && !source.emulated ? source.name : "";
  const text = join(input);
  const call = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"${block.id}","arguments":${text}}}`;
  const mcp = posted(urlOf("mcp"), call, "Accept: application/json, text/event-stream");
  const all: [string, string | undefined][] = [
    ["Command line", `segment-blocks run ${block.id}${named && ` --source ${named}`} --input ${quote(text)}`],
    ["curl, to this service", posted(urlOf(`v1/blocks/${block.id}/invoke`), bodyOf(input, named))],
    ["curl, to the receiver", requests.map(curlOf).join("\n\n") || undefined],
    ["curl, over MCP", mcp],
    ["Workflow", `name: try\nnodes:\n  one:\n    block: ${block.id}\n    with: ${text.replaceAll("\n", "\n    ")}\n`],
    ["Go", goOf(block, text, requests[0])],
    ["analytics-node", nodeOf(requests[0])],
  ];
  return all.filter((s): s is [string, string] => s[1] !== undefined);
}

// curlOf writes a request as a curl command. A credential that the request leaves out comes from the
// environment.
function curlOf(r: Request): string {
  const own = ["authorization", "content-length", "user-agent", "accept-encoding"];
  const lines = [`curl -sS -X ${r.method} ${quote(r.url)}`];
  if (r.header.Authorization?.[0]?.startsWith("Basic ")) lines.push('-u "$SEGMENT_WRITE_KEY:"');
  for (const [name, values] of Object.entries(r.header)) {
    if (!own.includes(name.toLowerCase())) lines.push(`-H ${quote(`${name}: ${values.join(", ")}`)}`);
  }
  lines.push(`-d ${quote(r.body)}`);
  return lines.join(" \\\n  ");
}

// segmentCall returns the call of Segment's API that a request makes, if any.
function segmentCall(r?: Request): string | undefined {
  return /\/v1\/(track|identify|page|screen|group|alias|batch)$/.exec(r?.url ?? "")?.[1];
}

// goOf writes a Go program. For a block of another vendor, it writes only the call.
function goOf(block: Block, text: string, r?: Request): string {
  const input = `runtime.JSON([]byte(\`${text.replaceAll("`", '` + "`" + `')}\`))`;
  if (!r || !segmentCall(r)) return `result, err := rt.Invoke(ctx, "${block.id}", ${input})`;
  return `package main

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/aacflow/segment-blocks/blocks"
	"github.com/aacflow/segment-blocks/registry"
	"github.com/aacflow/segment-blocks/runtime"
	"github.com/aacflow/segment-blocks/segment/tracking"
)

func main() {
	reg := registry.New()
	blocks.MustRegister(reg)
	rt, err := runtime.New(reg, runtime.Source("prod", tracking.Source{
		WriteKey: tracking.WriteKey(os.Getenv("SEGMENT_WRITE_KEY")), Endpoint: ${JSON.stringify(new URL(r.url).origin)},
	}))
	if err != nil {
		log.Fatal(err)
	}
	result, err := rt.Invoke(context.Background(), "${block.id}", ${input})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(string(result.Output))
}`;
}

// nodeOf writes the call of Segment's library for Node that sends the same message, if any.
function nodeOf(r?: Request): string | undefined {
  const type = segmentCall(r);
  const call = r && type && callOf(type, parse(r.body));
  if (!r || !call) return undefined;
  return `import { Analytics } from "@segment/analytics-node";

const analytics = new Analytics({
  writeKey: process.env.SEGMENT_WRITE_KEY,
  host: ${JSON.stringify(new URL(r.url).origin)},
});
${call}
await analytics.closeAndFlush();`;
}

interface SnippetsProps {
  block: Block;
  input: Input;
  requests: Request[];
  source?: Source;
}

export function Snippets({ block, input, requests, source }: SnippetsProps) {
  return (
    <>
      {!requests.length && <p class="hint">The input has problems. This code sends it unchanged.</p>}
      {snippetsOf(block, withoutSecrets(block, input), requests, source).map(([label, text]) => (
        <Code key={label} label={label} text={text} />
      ))}
    </>
  );
}
