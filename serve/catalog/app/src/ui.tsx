// The small parts that several screens are made of.
import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import { Refused } from "./api";
import type { Block } from "./types";

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

export function Chip({ kind = "", children }: { kind?: string; children: ComponentChildren }) {
  return <span class={`chip ${kind}`}>{children}</span>;
}

// Badges say what somebody who chooses a block must know of it. Every block sends something.
export function Badges({ block }: { block: Block }) {
  return (
    <>
      <Chip>Sends data</Chip>
      {block.tags.includes("batch") && <Chip>Batch</Chip>}
      {block.deprecated && <Chip kind="bad">Deprecated</Chip>}
    </>
  );
}

// Tile is a block's icon, or the first letter of what sets its name apart.
export function Tile({ block }: { block: Block }) {
  const color = /^#[0-9a-f]{6}$/i.test(block.color ?? "") ? block.color : undefined;
  return (
    <span class="tile" aria-hidden="true" style={color && { background: color, color: "#fff" }}>
      {block.icon ? (
        <svg viewBox="0 0 24 24">
          <path d={block.icon} />
        </svg>
      ) : (
        (block.name.split(" ").pop() ?? "?").charAt(0)
      )}
    </span>
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

export function NotFound({ what }: { what: string }) {
  usePage("Not found");
  return (
    <>
      <h1 tabIndex={-1}>Not found</h1>
      <Empty title={`There is no ${what}`}>
        <p>
          <a href="#/">All blocks</a>
        </p>
      </Empty>
    </>
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

const modules = new Map<string, unknown>();

// useModule loads a part of the page. What has been loaded before is there at once.
export function useModule<T>(key: string, load: () => Promise<T>): { value?: T; error?: unknown } {
  const loaded = useLoaded(key, async () => {
    const part = await load();
    modules.set(key, part);
    return part;
  });
  return { value: modules.get(key) as T | undefined, error: loaded.error };
}

export function count(n: number, noun: string): string {
  return `${n.toLocaleString("en")} ${noun}${n === 1 ? "" : "s"}`;
}
