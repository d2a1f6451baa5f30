// Parts of the screens that show past events: numbers, times and files.
import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import { Refused } from "./api";
import "./stream";
import "./ui";

// Counts is a strip of numbers, each with its name.
export function Counts({ cells }: { cells: [label: string, n: number | undefined, kind?: string][] }) {
  return (
    <dl class="strip">
      {cells.map(([label, n, kind]) => (
        <div key={label} class={kind}>
          <dt>{label}</dt>
          <dd>{n?.toLocaleString("en") ?? "–"}</dd>
        </div>
      ))}
    </dl>
  );
}

interface FoldProps {
  title: string;
  hint: string;
  children: () => ComponentChildren;
}

// Fold renders its content, and loads the code for it, when it is opened.
export function Fold({ title, hint, children }: FoldProps) {
  const [open, setOpen] = useState(false);
  return (
    <details class="more" onToggle={(e) => setOpen(e.currentTarget.open)}>
      <summary>
        {title} <span class="hint">{hint}</span>
      </summary>
      {open && children()}
    </details>
  );
}

// usePolled loads something repeatedly. It keeps the last value while the server is unreachable. It
// stops if the server does not have the value.
export function usePolled<T>(load: () => Promise<T>, ms: number): T | undefined {
  const [value, setValue] = useState<T>();
  useEffect(() => {
    const again = () =>
      void load().then(setValue, (e) => e instanceof Refused && e.problem.status === 404 && clearInterval(timer));
    const timer = setInterval(again, ms);
    again();
    return () => clearInterval(timer);
  }, []);
  return value;
}

export function download(name: string, text: string, type = "application/json"): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

// The format of times. It is made once, because making a format is the slowest part of rendering a
// line of a long list.
export const clocks = { "": "Local time", UTC: "UTC", relative: "Relative time" };
export type Clock = keyof typeof clocks;

const local = new Intl.DateTimeFormat(undefined, {
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  fractionalSecondDigits: 3,
  hourCycle: "h23",
});

export function timeOf(iso: string, clock: Clock = ""): string {
  const at = new Date(iso);
  if (clock === "UTC") return at.toISOString().slice(11, 23);
  if (clock === "relative") return ago(Math.max(0, Date.now() - at.getTime()) / 1000);
  return local.format(at);
}

function ago(seconds: number): string {
  if (seconds < 60) return `${Math.floor(seconds)} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  return `${Math.floor(seconds / 3600)} h ago`;
}

export function duration(ms: number): string {
  return ms < 1000 ? `${ms.toFixed(1)} ms` : `${(ms / 1000).toFixed(2)} s`;
}

// between returns how long something took.
export function between(begin: string, end: string): string {
  return duration(Date.parse(end) - Date.parse(begin));
}
