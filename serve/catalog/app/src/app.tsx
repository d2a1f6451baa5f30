// The frame around every screen: header, search, the bar that says where events go, and the token.
import { type ComponentType, render } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { get, hasWorkflows, onUnauthorized } from "./api";
import { useLoaded } from "./loaded";
import { go, setQuery, useRoute } from "./route";
import { SourceBar, useSources } from "./sources";
import { Theme } from "./theme";
import type { Block, ScreenProps } from "./types";
import { Failure, lazy, Loading, NotFound } from "./ui";

const screens: Record<string, ComponentType<ScreenProps>> = {
  "": lazy(async () => (await import("./blocks")).BlocksPage),
  blocks: lazy(async () => (await import("./block")).BlockPage),
  watch: lazy(async () => (await import("./watch")).WatchPage),
  history: lazy(async () => (await import("./history")).HistoryPage),
  workflows: lazy(async () => (await import("./workflows")).WorkflowsPage),
  runs: lazy(async () => (await import("./workflowrun")).RunPage),
};

function App() {
  const { parts, query } = useRoute();
  const id = parts[1] ?? "";
  const room = parts[0] === "blocks" && !id ? "" : (parts[0] ?? "");
  const sources = useSources(room === "blocks" ? id : "");
  const catalog = useLoaded("", (signal) => get<{ blocks: Block[] }>("v1/blocks", signal));
  const Screen = Object.hasOwn(screens, room) ? screens[room] : undefined;
  const error = catalog.error ?? sources.error;
  return (
    <>
      <a class="skip" href="#main" onClick={(e) => (e.preventDefault(), document.querySelector("main")?.focus())}>
        Skip to content
      </a>
      <Header />
      <SourceBar sources={sources} />
      <main id="main" tabIndex={-1}>
        {error ? (
          <Failure error={error} />
        ) : !Screen ? (
          <NotFound what={room} />
        ) : catalog.value && sources.list ? ( // no screen may send before it knows whether the source is real
          <Screen key={room + id} id={id} blocks={catalog.value.blocks} query={query} sources={sources} />
        ) : (
          <Loading />
        )}
      </main>
      <footer>
        <Theme />
        <a href="licenses.txt">Open-source licences</a>
      </footer>
    </>
  );
}

function Header() {
  const { parts, query } = useRoute();
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => {
    const onKey = (e: KeyboardEvent) => {
      const typing = (e.target as HTMLElement).closest("input, textarea, select, [contenteditable]");
      const wanted = (e.key === "/" && !typing) || (e.key === "k" && (e.metaKey || e.ctrlKey));
      if (!wanted || document.querySelector("dialog[open]")) return;
      e.preventDefault();
      input.current!.select();
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, []);
  const search = (text: string) => (parts.length ? go(`#/?q=${encodeURIComponent(text)}`) : setQuery({ q: text }));
  const open = (e: Event) => {
    e.preventDefault();
    document.querySelector<HTMLAnchorElement>("main .cards a")?.click();
  };
  const at = parts[0] ?? "";
  const link = (room: string, title: string) => (
    <a href={`#/${room}`} aria-current={room === ({ blocks: "", runs: "workflows" }[at] ?? at) ? "page" : undefined}>
      {title}
    </a>
  );
  return (
    <header>
      <a class="brand" href="#/" aria-label="Block catalog">
        <img src="icon.svg" alt="" width="28" height="28" />
        <span>Block catalog</span>
      </a>
      <nav aria-label="Screens">
        {link("", "Blocks")}
        {link("watch", "Watch")}
        {link("history", "History")}
        {hasWorkflows && link("workflows", "Workflows")}
      </nav>
      <form role="search" onSubmit={open}>
        <input
          ref={input}
          type="search"
          aria-label="Search blocks"
          placeholder="Search blocks"
          value={parts.length ? "" : (query.get("q") ?? "")}
          onInput={(e) => search(e.currentTarget.value)}
        />
        <kbd aria-hidden="true">/</kbd>
      </form>
    </header>
  );
}

onUnauthorized(async (wrong) => (await import("./dialogs")).askForToken(wrong));
render(<App />, document.body);
