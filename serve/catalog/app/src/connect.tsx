// The schemas of a block, its addresses, and its definitions for clients that call tools.
import { getText, hasAACFlow, post, urlOf } from "./api";
import { Code } from "./code";
import { show } from "./json";
import { useLoaded } from "./loaded";
import { download } from "./show";
import type { Block } from "./types";
import { Button, Failure } from "./ui";

interface Tool {
  name: string;
  description: string;
  inputSchema: unknown;
}

// toolOf asks MCP for the block as a model should see it: with plain schemas, and without the
// parameters that only a host supplies. If the host offers no such profile, toolOf returns the full tool.
async function toolOf(id: string, source: string): Promise<Tool | undefined> {
  const list = (path: string) =>
    post<{ result: { tools: Tool[] } }>(path, '{"jsonrpc":"2.0","id":1,"method":"tools/list"}');
  const answer = await list(`mcp/${encodeURIComponent(source)}/agent`).catch(() => list("mcp"));
  return answer.result.tools.find((tool) => tool.name === id);
}

export function Connect({ block, source }: { block: Block; source: string }) {
  const name = block.id;
  const tool = useLoaded(`${name} ${source}`, () => toolOf(name, source));
  const workflow = useLoaded(name, async () =>
    hasAACFlow ? getText(`aacflow/${encodeURIComponent(name)}`, "application/json") : undefined,
  );
  const save = async () => download("openapi.json", await getText("openapi.json", "application/json"));
  return (
    <>
      <dl class="facts">
        <dt>REST</dt>
        <dd>
          <code>POST {urlOf(`v1/blocks/${name}/invoke`)}</code>
        </dd>
        <dt>OpenAPI</dt>
        <dd>
          <code>{urlOf("openapi.json")}</code> <Button onClick={() => void save()}>Download</Button>
        </dd>
        <dt>MCP</dt>
        <dd>
          <code>{urlOf("mcp")}</code>
        </dd>
        <dt>Command line</dt>
        <dd>
          <code>segment-blocks run {name} --input @input.json</code>
        </dd>
        <dt>AACFlow</dt>
        <dd>
          <code>segment-blocks export aacflow --out sim-blocks</code>
        </dd>
      </dl>
      {!!tool.error && <Failure error={tool.error} />}
      <div class="halves">
        {tool.value && <Definitions tool={tool.value} />}
        {workflow.value && (
          <Document name={`${name}.aacflow.json`} label="AACFlow workflow, to import" text={workflow.value} />
        )}
      </div>
    </>
  );
}

function Definitions({ tool }: { tool: Tool }) {
  const { name, description, inputSchema } = tool;
  const kinds: [string, string, unknown][] = [
    ["MCP tool", "mcp", tool],
    ["OpenAI function", "openai", { type: "function", function: { name, description, parameters: inputSchema } }],
    ["Anthropic tool", "anthropic", { name, description, input_schema: inputSchema }],
  ];
  return (
    <>
      {kinds.map(([label, kind, definition]) => (
        <Document key={kind} name={`${name}.${kind}.json`} label={label} text={show(definition)} />
      ))}
    </>
  );
}

export function Schemas({ block }: { block: Block }) {
  return (
    <div class="halves">
      <Document name={`${block.id}.input.schema.json`} label="Input schema" text={show(block.inputSchema)} />
      <Document name={`${block.id}.output.schema.json`} label="Output schema" text={show(block.outputSchema)} />
    </div>
  );
}

function Document({ name, label, text }: { name: string; label: string; text: string }) {
  return <Code label={label} text={text} tools={<Button onClick={() => download(name, text)}>Download</Button>} />;
}
