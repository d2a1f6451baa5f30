// An input as text: the document that users edit, and the link that they share.
import type { Input } from "./input";
import { isObject } from "./json";

// split opens one level of an object. It throws a SyntaxError that says what is wrong.
export function split(text: string): Input {
  if (!isObject(JSON.parse(text))) throw new SyntaxError("must be an object");
  const members = new Map<string, string>();
  let depth = 0;
  let start = 0;
  let name: string | undefined;
  for (let i = 0; i < text.length; i++) {
    const c = text[i]!;
    if (c === '"') {
      const end = endOfString(text, i);
      if (depth === 1 && name === undefined) name = JSON.parse(text.slice(i, end)) as string;
      i = end - 1;
    } else if (c === ":" && depth === 1) {
      start = i + 1;
    } else if (c === "{" || c === "[") {
      depth++;
    } else if (c === "," || c === "}" || c === "]") {
      if (depth === 1 && name !== undefined) {
        if (members.has(name)) throw new SyntaxError(`has the member ${JSON.stringify(name)} twice`);
        members.set(name, text.slice(start, i).trim());
        name = undefined;
      }
      if (c !== ",") depth--;
    }
  }
  return members;
}

function endOfString(text: string, start: number): number {
  let i = start + 1;
  while (text[i] !== '"') i += text[i] === "\\" ? 2 : 1;
  return i + 1;
}

// join writes an input as a document. Multi-line values keep their lines.
export function join(input: Input): string {
  const lines = [...input].map(([name, text]) => `  ${JSON.stringify(name)}: ${text.replaceAll("\n", "\n  ")}`);
  return lines.length ? `{\n${lines.join(",\n")}\n}` : "{}";
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
    return undefined; // the link is truncated
  }
}
