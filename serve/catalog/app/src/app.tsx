// The frame around every screen: header, search, the bar that says where events go, and the token.
import { type ComponentType, render } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { get, hasWorkflows, whenTokenIsAsked } from "./api";
import { go, setQuery, useRoute } from "./route";
import { SourceBar, sourcesFor, useSources } from "./sources";
import { Theme } from "./theme";
import type { Block, ScreenProps } from "./types";
import { Failure, NotFound, useLoaded, useModule } from "./ui";

const later = () => import("./later");

// Each screen is loaded when it is opened.
const screens: Record<string, () => Promise<ComponentType<ScreenProps>>> = {
  "": async () => (await import("./blocks")).BlocksPage,
  blocks: async () => (await import("./block")).BlockPage,
  watch: async () => (await later()).WatchPage,
  history: async () => (await later()).HistoryPage,
  workflows: async () => (await later()).WorkflowsPage,
  runs: async () => (await later()).RunPage,
};

function App() {
  const [token, setToken] = useState({ asked: false, wrong: false });
  useEffect(() => whenTokenIsAsked((asked, wrong) => setToken({ asked, wrong })), []);
  const dialogs = useModule(token.asked ? "later" : "none", async () => (token.asked ? later() : undefined));
  const { parts, query } = useRoute();
  const id = parts[1] ?? "";
  const room = parts[0] === "blocks" && !id ? "" : (parts[0] ?? "");
  const sources = sourcesFor(useSources(), room === "blocks" ? id : "");
  const catalog = useLoaded("blocks", (signal) => get<{ blocks: Block[] }>("v1/blocks", signal));
  const screen = useModule(`screen ${room}`, async () => screens[room]?.() ?? (() => <NotFound what={room} />));
  const error = catalog.error ?? screen.error;
  const Screen = screen.value;
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
        ) : Screen && catalog.value ? (
          <Screen key={room + id} id={id} blocks={catalog.value.blocks} query={query} sources={sources} />
        ) : (
          <div class="loading" aria-busy="true" />
        )}
      </main>
      <footer>
        <Theme />
        <a href="licenses.txt">Open-source licences</a>
      </footer>
      {dialogs.value && <dialogs.value.TokenDialog wrong={token.wrong} />}
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

render(<App />, document.body);
