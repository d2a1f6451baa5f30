// Text to read and to copy, with the sizes and headers beside it.
import type { ComponentChildren } from "preact";
import { Copy } from "./ui";

// Code shows text that keeps its lines. It takes the focus, so that a keyboard can scroll it.
export function Code({ text, label, tools }: { text: string; label: string; tools?: ComponentChildren }) {
  return (
    <div class="code">
      <div class="tools">
        <span>{label}</span>
        {tools}
        <Copy text={text} />
      </div>
      <pre tabIndex={0} role="region" aria-label={label}>
        {text}
      </pre>
    </div>
  );
}

export function bytes(n: number): string {
  return n < 1000 ? `${n} B` : n < 1e6 ? `${(n / 1000).toFixed(1)} kB` : `${(n / 1e6).toFixed(1)} MB`;
}

export function headerLines(headers: Record<string, string | string[]> = {}): string {
  return Object.entries(headers)
    .map(([name, value]) => `${name}: ${[value].flat().join(", ")}`)
    .join("\n");
}
