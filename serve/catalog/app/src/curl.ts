// Commands for a POSIX shell that ask this server.
import { hasToken } from "./api";

// quote quotes a text as one word of a POSIX shell.
export function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

// curl writes a command that asks this server. A token comes from the environment.
export function curl(url: string, ...options: string[]): string {
  if (hasToken()) options.unshift('-H "Authorization: Bearer $SEGMENT_BLOCKS_TOKEN"');
  return [`curl -sS ${quote(url)}`, ...options].join(" \\\n  ");
}

// posted writes a command that posts JSON.
export function posted(url: string, body: string, ...more: string[]): string {
  const headers = ["Content-Type: application/json", ...more].map((h) => `-H ${quote(h)}`);
  return curl(url, ...headers, `-d ${quote(body)}`);
}
