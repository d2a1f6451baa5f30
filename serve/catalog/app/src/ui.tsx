// The small parts that several screens are made of.
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { Refused } from "./api";
import { go } from "./route";

export function Copy({ text, label = "Copy" }: { text: string | (() => string | Promise<string>); label?: string }) {
  const [done, setDone] = useState("");
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(typeof text === "string" ? text : await text());
      setDone("Copied");
    } catch {
      setDone("Copy failed");
    }
    setTimeout(() => setDone(""), 1500);
  };
  return (
    <button type="button" class="small" onClick={copy}>
      <span aria-live="polite">{done || label}</span>
    </button>
  );
}

export function download(name: string, text: string, type = "application/json"): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

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

export function Chip({ kind = "", children }: { kind?: string; children: ComponentChildren }) {
  return <span class={`chip ${kind}`}>{children}</span>;
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

export function Empty({ title, children }: { title: string; children?: ComponentChildren }) {
  return (
    <div class="empty">
      <svg viewBox="0 0 32 32" aria-hidden="true">
        <path d="M5 9h13v9H5zM14 21h13v6H14zM10 18v6h4" />
      </svg>
      <h2>{title}</h2>
      {children}
    </div>
  );
}

export function Failure({ error }: { error: unknown }) {
  const refused = error instanceof Refused ? error.problem : undefined;
  return (
    <div class="note bad" role="alert">
      <strong>{refused ? refused.code.replaceAll("_", " ") : "error"}</strong> {(error as Error).message}
    </div>
  );
}

// Tabs follow the pattern of WAI-ARIA: one of them is in the tab order, arrows go to the others.
export function Tabs<T extends string>(props: {
  label: string;
  id: string;
  all: readonly (readonly [T, string])[];
  chosen: T;
  choose: (tab: T) => void;
  children: ComponentChildren;
}) {
  const { id, all, chosen, choose } = props;
  const onKeyDown = (e: KeyboardEvent) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[e.key];
    if (!step) return;
    const at = all.findIndex(([tab]) => tab === chosen);
    const next = all[(at + step + all.length) % all.length]![0];
    choose(next);
    document.getElementById(`${id}-${next}`)?.focus();
    e.preventDefault();
  };
  return (
    <>
      <div class="tabs" role="tablist" aria-label={props.label} onKeyDown={onKeyDown}>
        {all.map(([tab, title]) => (
          <button
            key={tab}
            type="button"
            role="tab"
            id={`${id}-${tab}`}
            aria-selected={tab === chosen}
            aria-controls={`${id}-panel`}
            tabIndex={tab === chosen ? 0 : -1}
            onClick={() => choose(tab)}
          >
            {title}
          </button>
        ))}
      </div>
      <div role="tabpanel" id={`${id}-panel`} aria-labelledby={`${id}-${chosen}`}>
        {props.children}
      </div>
    </>
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

// usePage gives a screen its title, and moves the focus to its heading, as a page load would.
export function usePage(title: string): void {
  useEffect(() => {
    document.title = `${title} · Blocks`;
    if (document.activeElement === document.body || !document.activeElement?.closest("main, dialog, [role=search]")) {
      document.querySelector<HTMLElement>("main h1")?.focus();
    }
  }, [title]);
}

interface Loaded<T> {
  key: string;
  value?: T;
  error?: unknown;
}

// useLoaded loads something anew whenever the key changes.
export function useLoaded<T>(key: string, load: (signal: AbortSignal) => Promise<T>): Loaded<T> {
  const [state, setState] = useState<Loaded<T>>({ key });
  useEffect(() => {
    const controller = new AbortController();
    load(controller.signal).then(
      (value) => setState({ key, value }),
      (error) => controller.signal.aborted || setState({ key, error }),
    );
    return () => controller.abort();
  }, [key]);
  return state.key === key ? state : { key };
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

export function count(n: number, noun: string): string {
  return `${n.toLocaleString("en")} ${noun}${n === 1 ? "" : "s"}`;
}

export const goHome = () => go("#/");
