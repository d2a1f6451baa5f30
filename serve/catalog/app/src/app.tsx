// The frame around every screen: header, search, the bar that says where events go, and the token.
import { render } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { get, giveToken, whenTokenIsAsked } from "./api";
import { BlocksPage } from "./blocks";
import { go, setQuery, useRoute } from "./route";
import { type Sources, SourceBar, sourcesFor, useSources } from "./sources";
import type { Block } from "./types";
import { Dialog, Empty, Failure, useLoaded, usePage } from "./ui";

function App() {
  const [token, setToken] = useState({ asked: false, wrong: false });
  useEffect(() => whenTokenIsAsked((asked, wrong) => setToken({ asked, wrong })), []);
  const { parts } = useRoute();
  const sources = sourcesFor(useSources(), parts[0] === "blocks" ? parts[1] : undefined);
  const catalog = useLoaded("blocks", (signal) => get<{ blocks: Block[] }>("v1/blocks", signal));
  return (
    <>
      <a class="skip" href="#main" onClick={(e) => (e.preventDefault(), document.querySelector("main")?.focus())}>
        Skip to content
      </a>
      <Header />
      <SourceBar sources={sources} />
      <main id="main" tabIndex={-1}>
        {catalog.error ? (
          <Failure error={catalog.error} />
        ) : catalog.value ? (
          <Screen blocks={catalog.value.blocks} sources={sources} />
        ) : (
          <div class="loading" aria-busy="true" />
        )}
      </main>
      <footer>
        <a href="licenses.txt">Open-source licences</a>
      </footer>
      {token.asked && <TokenDialog wrong={token.wrong} />}
    </>
  );
}

function Screen({ blocks, sources }: { blocks: Block[]; sources: Sources }) {
  const { parts, query } = useRoute();
  const [room, id] = parts;
  // The list is what people see first; the other screens come in a file of their own.
  const rooms = useLoaded(room ? "rooms" : "", async () => (room ? await import("./rooms") : undefined));
  if (!room) return <BlocksPage blocks={blocks} query={query} />;
  const block = room === "blocks" && blocks.find((b) => b.id === id);
  if (!block && room !== "watch" && room !== "history") return <NotFound what={id ?? room} />;
  if (rooms.error) return <Failure error={rooms.error} />;
  if (!rooms.value) return <div class="loading" aria-busy="true" />;
  const { BlockPage, HistoryPage, WatchPage } = rooms.value;
  if (block) return <BlockPage key={block.id} block={block} query={query} sources={sources} />;
  return room === "watch" ? (
    <WatchPage blocks={blocks} query={query} sources={sources} />
  ) : (
    <HistoryPage blocks={blocks} />
  );
}

function NotFound({ what }: { what: string }) {
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
  const link = (room: string, title: string) => (
    <a
      href={`#/${room}`}
      aria-current={(parts[0] ?? "") === room || (!room && parts[0] === "blocks") ? "page" : undefined}
    >
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

function TokenDialog({ wrong }: { wrong: boolean }) {
  const submit = (e: Event) => {
    e.preventDefault();
    const input = (e.currentTarget as HTMLFormElement).elements.namedItem("token") as HTMLInputElement;
    if (input.value.trim()) giveToken(input.value.trim());
  };
  return (
    <Dialog title="This server asks for a token">
      <form onSubmit={submit}>
        <p>
          It is in <code>SEGMENT_BLOCKS_TOKEN</code> or in the token file of the server. This page keeps it until you
          close the tab.
        </p>
        {wrong && (
          <p class="fault" role="alert">
            This token is not valid.
          </p>
        )}
        <label for="token">Token</label>
        <input id="token" name="token" type="password" autocomplete="off" required />
        <p class="actions">
          <button class="primary">Open the catalog</button>
        </p>
      </form>
    </Dialog>
  );
}

render(<App />, document.body);
