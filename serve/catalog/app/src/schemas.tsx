// The schemas of a block, to copy and to download.
import { show } from "./json";
import type { Block } from "./types";
import { Code, download } from "./show";

export function Schemas({ block }: { block: Block }) {
  return (
    <div class="halves">
      <Document name={`${block.id}.input.schema.json`} label="Input schema" text={show(block.inputSchema)} />
      <Document name={`${block.id}.output.schema.json`} label="Output schema" text={show(block.outputSchema)} />
    </div>
  );
}

export function Document({ name, label, text }: { name: string; label: string; text: string }) {
  const save = (
    <button type="button" class="small" onClick={() => download(name, text)}>
      Download
    </button>
  );
  return <Code label={label} text={text} tools={save} />;
}
