// Secrets leave the form only in the requests of its own block. They are removed from everything that
// is stored, shared or shown.
import type { Input } from "./input";
import { isObject, parse, show } from "./json";
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
  const rest = new Map<string, string>();
  for (const [name, text] of input) {
    if (names.includes(name)) continue;
    if (!names.some((n) => text.includes(n))) {
      rest.set(name, text);
      continue;
    }
    try {
      rest.set(name, show(without(parse(text), names)));
    } catch {
      // The text names a secret but is not JSON. Where the secret ends is unknown, so the text is left out.
    }
  }
  return rest;
}
