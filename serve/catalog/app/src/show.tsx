// The parts of the screens that come later: code, numbers, dialogs, times and sizes.
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import type { Field } from "./types";
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

// Dialog is open for as long as it is mounted.
export function Dialog({ title, close, children }: { title: string; close?: () => void; children: ComponentChildren }) {
  const ref = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    ref.current!.showModal();
  }, []);
  const onCancel = (e: Event) => {
    e.preventDefault();
    close?.();
  };
  return (
    <dialog ref={ref} onCancel={onCancel} aria-labelledby="dialog-title">
      <h2 id="dialog-title">{title}</h2>
      {children}
    </dialog>
  );
}

// Aside shows what has been chosen elsewhere. Where there is no room beside that, it is below, and comes
// into view when something is chosen.
export function Aside({ of, children }: { of?: string; children: ComponentChildren }) {
  const ref = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (of && ref.current!.getBoundingClientRect().top > innerHeight - 100) ref.current!.scrollIntoView();
  }, [of]);
  return (
    <div class="panel" ref={ref}>
      {children}
    </div>
  );
}

export function download(name: string, text: string, type = "application/json"): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

// How a moment is written. One format for all: making one takes longer than anything else that a
// line of a long list needs.
export type Clock = "local" | "UTC" | "relative";

export const clocks: [Clock, string][] = [
  ["local", "Local time"],
  ["UTC", "UTC"],
  ["relative", "Relative time"],
];

const parts = { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" } as const;
const local = new Intl.DateTimeFormat(undefined, parts);

export function timeOf(iso: string, clock: Clock = "local"): string {
  const at = new Date(iso);
  if (clock === "UTC") return at.toISOString().slice(11, 23);
  if (clock === "relative") return ago(Math.max(0, Date.now() - at.getTime()) / 1000);
  return `${local.format(at)}.${String(at.getMilliseconds()).padStart(3, "0")}`;
}

function ago(seconds: number): string {
  if (seconds < 60) return `${Math.floor(seconds)} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  return `${Math.floor(seconds / 3600)} h ago`;
}

export function bytes(n: number): string {
  return n < 1000 ? `${n} B` : n < 1e6 ? `${(n / 1000).toFixed(1)} kB` : `${(n / 1e6).toFixed(1)} MB`;
}

export function duration(ms: number): string {
  return ms < 1000 ? `${ms.toFixed(1)} ms` : `${(ms / 1000).toFixed(2)} s`;
}

// typeName is the type of a parameter or of a member of an output, as the tables have it.
export function typeName(field: Field): string {
  return field.kinds?.includes("null") ? `${field.type} or null` : field.type;
}
