// Secrets leave the form in one way only: in the request that runs the block. They are taken out of
// whatever is kept, shared or shown.
import { type Input, isObject, join, parse, show, split } from "./json";
import type { Block, Field } from "./types";

function secretNames(fields: Field[]): string[] {
  return fields.flatMap((f) => [...(f.secret ? [f.name] : []), ...secretNames(f.fields ?? [])]);
}

function without(value: unknown, names: string[]): unknown {
  if (Array.isArray(value)) return value.map((item) => without(item, names));
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([name]) => !names.includes(name))
      .map(([name, member]) => [name, without(member, names)]),
  );
}

export function withoutSecrets(block: Block, input: Input): Input {
  const names = secretNames(block.input);
  const kept = new Map<string, string>();
  for (const [name, text] of input) {
    if (names.includes(name)) continue;
    if (!names.some((n) => text.includes(n))) {
      kept.set(name, text);
      continue;
    }
    try {
      kept.set(name, show(without(parse(text), names)));
    } catch {
      // It is no JSON, and names a secret: nobody knows where that would end.
    }
  }
  return kept;
}

// A link holds an input as base64url of its JSON.
export function toLink(input: Input): string {
  const binary = Array.from(new TextEncoder().encode(join(input)), (b) => String.fromCharCode(b)).join("");
  return btoa(binary).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

export function fromLink(text: string): Input | undefined {
  try {
    const binary = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
    return split(new TextDecoder().decode(Uint8Array.from(binary, (c) => c.charCodeAt(0))));
  } catch {
    return undefined; // a link that was cut off
  }
}
