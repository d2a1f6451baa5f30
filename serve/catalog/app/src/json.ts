// JSON that keeps numbers as they were written: 42.50 and 12345678901234567890 survive.

interface RawJSON {
  rawJSON?: (text: string) => unknown;
  isRawJSON?: (value: unknown) => boolean;
}

const raw = JSON as unknown as RawJSON;

type Reviver = (key: string, value: unknown, context?: { source?: string }) => unknown;

const keepNumbers: Reviver = (_, value, context) =>
  typeof value === "number" && context?.source && String(value) !== context.source && raw.rawJSON
    ? raw.rawJSON(context.source)
    : value;

export function parse<T>(text: string): T {
  return (JSON.parse as (text: string, reviver: Reviver) => T)(text, keepNumbers);
}

export function show(value: unknown): string {
  return JSON.stringify(value, null, 2) ?? "";
}

// pretty indents a document, and leaves alone what is none.
export function pretty(text: string): string {
  try {
    return show(parse(text));
  } catch {
    return text;
  }
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !raw.isRawJSON?.(value);
}

// Input holds the text of each parameter's JSON as it was typed, in order. Nothing reads a value
// and writes it again, so nothing can be lost on the way between form, JSON and request.
export type Input = ReadonlyMap<string, string>;

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

// join writes an input as a document; multi-line values keep their lines.
export function join(input: Input): string {
  const lines = [...input].map(([name, text]) => `  ${JSON.stringify(name)}: ${text.replaceAll("\n", "\n  ")}`);
  return lines.length ? `{\n${lines.join(",\n")}\n}` : "{}";
}

// inputOf makes an input of an example.
export function inputOf(values: Record<string, unknown>): Input {
  return new Map(Object.entries(values).map(([name, value]) => [name, show(value)]));
}

// textOf returns the string that a JSON text holds, or undefined if it holds something else.
export function textOf(json: string | undefined): string | undefined {
  try {
    const value: unknown = json === undefined ? undefined : JSON.parse(json);
    return typeof value === "string" ? value : undefined;
  } catch {
    return undefined;
  }
}

// faultOf says what keeps a text from being JSON, or returns undefined.
export function faultOf(text: string): string | undefined {
  try {
    JSON.parse(text);
  } catch (e) {
    return `is not valid JSON: ${(e as Error).message}`;
  }
}
