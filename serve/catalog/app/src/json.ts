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

// pretty indents a JSON document, and returns any other text unchanged.
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

// textOf returns the string that a JSON text holds, or undefined if it holds something else.
export function textOf(json: string | undefined): string | undefined {
  try {
    const value: unknown = json === undefined ? undefined : JSON.parse(json);
    return typeof value === "string" ? value : undefined;
  } catch {
    return undefined;
  }
}

// faultOf returns the reason why a text is not JSON, or undefined if it is.
export function faultOf(text: string): string | undefined {
  try {
    JSON.parse(text);
  } catch (e) {
    return `is not valid JSON: ${(e as Error).message}`;
  }
}
