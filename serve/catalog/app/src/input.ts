// The input of a block.
import { show } from "./json";
import type { Block } from "./types";

// Input holds the text of each parameter's JSON as it was typed, in order. Nothing reads a value
// and writes it again, so nothing can be lost on the way between form, JSON and request.
export type Input = ReadonlyMap<string, string>;

// inputOf makes an input of an example.
export function inputOf(values: Record<string, unknown>): Input {
  return new Map(Object.entries(values).map(([name, value]) => [name, show(value)]));
}

// bodyOf is the body of a request about an input. What has been typed is in it as it stands.
export function bodyOf(input: Input, source: string, options: Record<string, unknown> = {}): string {
  const members = [...input].map(([name, text]) => `${JSON.stringify(name)}:${text}`);
  const rest = Object.entries({ ...(source && { source }), ...options });
  return `{"input":{${members.join(",")}}${rest.map(([n, v]) => `,"${n}":${JSON.stringify(v)}`).join("")}}`;
}

// draftKey is where this tab keeps what is in the form of a block.
export function draftKey(block: Block): string {
  return `segment-blocks.draft.${block.id}`;
}

// pointer is the JSON Pointer of a parameter.
export function pointer(name: string): string {
  return `/${name.replaceAll("~", "~0").replaceAll("/", "~1")}`;
}
