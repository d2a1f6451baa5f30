// The small parts of every screen. The build puts modules that the same screens import into one file.
// The imports without names make it put the modules that every screen needs into this module's file.
import type { ComponentChildren, ComponentProps, ComponentType } from "preact";
import { useEffect, useState } from "preact/hooks";
import { Refused } from "./api";
import "./input";
import "./json";
import { useLoaded } from "./loaded";
import "./route";
import "./sources";
import "./theme";
import type { Block } from "./types";

// Button is a small button, for use beside others. The main action of a screen has a larger one.
export function Button(props: ComponentProps<"button">) {
  return <button type="button" class="small" {...props} />;
}

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
    <Button onClick={copy}>
      <span aria-live="polite">{done || label}</span>
    </Button>
  );
}

export function Chip({ kind = "", children }: { kind?: string; children: ComponentChildren }) {
  return <span class={`chip ${kind}`}>{children}</span>;
}

// Badges show what a user must know to choose a block. Every block sends data.
export function Badges({ block }: { block: Block }) {
  return (
    <>
      <Chip>Sends data</Chip>
      {block.tags.includes("batch") && <Chip>Batch</Chip>}
      {block.deprecated && <Chip kind="bad">Deprecated</Chip>}
    </>
  );
}

// Tile is a block's icon or, without one, the first letter of the distinctive part of its name.
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

// Failure says why nothing is shown. If the server did not answer, the user can reload: forms keep their content.
export function Failure({ error }: { error: unknown }) {
  const problem = error instanceof Refused ? error.problem : undefined;
  return (
    <div class="note bad" role="alert">
      <strong>{problem?.code.replaceAll("_", " ") ?? "error"}</strong> {(error as Error).message}{" "}
      {!problem?.status && <Button onClick={() => location.reload()}>Reload</Button>}
    </div>
  );
}

export function NotFound({ what }: { what: string }) {
  return (
    <>
      <Head title="Not found" />
      <Empty title={`There is no ${what}`}>
        <p>
          <a href="#/">All blocks</a>
        </p>
      </Empty>
    </>
  );
}

interface HeadProps {
  title: string;
  tile?: ComponentChildren;
  actions?: ComponentChildren;
  children?: ComponentChildren;
}

// Head is the top of a screen. It sets the title of the page, and takes the focus as a page load would.
export function Head({ title, tile, actions, children }: HeadProps) {
  useEffect(() => {
    document.title = `${title} · Block catalog`;
    if (!document.activeElement?.closest("main, dialog, [role=search]")) {
      document.querySelector<HTMLElement>("main h1")?.focus();
    }
  }, [title]);
  return (
    <div class="head">
      {tile}
      <div class="grow">
        <h1 tabIndex={-1}>{title}</h1>
        {children}
      </div>
      {actions}
    </div>
  );
}

interface TabsProps<T extends string> {
  label: string;
  id: string;
  all: readonly (readonly [T, string])[];
  chosen: T;
  choose: (tab: T) => void;
  children: ComponentChildren;
}

// Tabs follow the WAI-ARIA pattern: one tab is in the tab order, and the arrow keys reach the others.
export function Tabs<T extends string>({ label, id, all, chosen, choose, children }: TabsProps<T>) {
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
      <div class="tabs" role="tablist" aria-label={label} onKeyDown={onKeyDown}>
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
        {children}
      </div>
    </>
  );
}

export function Loading() {
  return <div class="loading" aria-busy="true" />;
}

// lazy returns a component whose code is loaded when it is first shown. Until then, and if loading
// fails, it shows Instead, if given, or the state of the loading.
export function lazy<P extends object>(load: () => Promise<ComponentType<P>>, Instead?: ComponentType<P>) {
  let Part: ComponentType<P> | undefined;
  return function Lazy(props: P) {
    const { error } = useLoaded("", async () => (Part ??= await load()));
    const Shown = Part ?? Instead;
    if (Shown) return <Shown {...props} />;
    return error ? <Failure error={error} /> : <Loading />;
  };
}

export function count(n: number, noun: string): string {
  return `${n.toLocaleString("en")} ${noun}${n === 1 ? "" : "s"}`;
}
