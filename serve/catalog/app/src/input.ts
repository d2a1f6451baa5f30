// The input of a block.
import { show } from "./json";
import type { Block } from "./types";

// Input holds the JSON text of each parameter as it was typed, in order. No value is parsed and written
// again, so nothing is lost between form, JSON and request.
export type Input = ReadonlyMap<string, string>;

// inputOf makes an input from an example.
export function inputOf(values: Record<string, unknown>): Input {
  return new Map(Object.entries(values).map(([name, value]) => [name, show(value)]));
}

// bodyOf returns the body of a request for an input. It contains the text exactly as typed.
export function bodyOf(input: Input, source: string, options: Record<string, unknown> = {}): string {
  const members = [...input].map(([name, text]) => `${JSON.stringify(name)}:${text}`);
  const rest = Object.entries({ ...(source && { source }), ...options });
  return `{"input":{${members.join(",")}}${rest.map(([n, v]) => `,"${n}":${JSON.stringify(v)}`).join("")}}`;
}

// draftKey returns the key under which this tab keeps the content of a block's form.
export function draftKey(block: Block): string {
  return `segment-blocks.draft.${block.id}`;
}

// pointer returns the JSON Pointer of a parameter.
export function pointer(name: string): string {
  return `/${name.replaceAll("~", "~0").replaceAll("/", "~1")}`;
}
