// The definitions of a block for those who call tools.
import { urlOf } from "./api";
import { show } from "./json";
import { Document } from "./schemas";
import type { Block } from "./types";

export function Connect({ block }: { block: Block }) {
  const name = block.id;
  const description = `${block.summary}. ${block.whenToUse}`.replaceAll("\n", " ");
  const schema = block.inputSchema;
  const kinds: [string, string, unknown][] = [
    [
      "MCP tool",
      "mcp",
      { name, title: block.name, description, inputSchema: schema, outputSchema: block.outputSchema },
    ],
    ["OpenAI function", "openai", { type: "function", function: { name, description, parameters: schema } }],
    ["Anthropic tool", "anthropic", { name, description, input_schema: schema }],
  ];
  return (
    <>
      <dl class="facts">
        <dt>REST</dt>
        <dd>
          <code>POST {urlOf(`v1/blocks/${name}/invoke`)}</code>
        </dd>
        <dt>OpenAPI</dt>
        <dd>
          <a href={urlOf("openapi.json")}>{urlOf("openapi.json")}</a>
        </dd>
        <dt>MCP</dt>
        <dd>
          <code>{urlOf("mcp")}</code>
        </dd>
        <dt>Command line</dt>
        <dd>
          <code>segment-blocks run {name} --input @input.json</code>
        </dd>
      </dl>
      <div class="halves">
        {kinds.map(([label, kind, definition]) => (
          <Document key={kind} name={`${name}.${kind}.json`} label={label} text={show(definition)} />
        ))}
      </div>
    </>
  );
}
