// The list of all blocks, by category, and the search over them.
import { blockLink, setQuery } from "./route";
import type { Block, ScreenProps } from "./types";
import { Badges, Button, count, Empty, Head, Tile } from "./ui";

// search finds the blocks that contain every word. Blocks with the exact phrase come first, then those
// in which the words occur in more important places.
function search(blocks: Block[], text: string): Block[] {
  const phrase = text.toLowerCase().trim();
  const words = phrase.split(/\s+/).filter(Boolean);
  const scored = blocks.map((b) => {
    const places = [
      b.name + b.id,
      b.summary + b.tags.join(" ") + (b.verb ?? ""),
      b.input.map((f) => f.name).join(" ") + JSON.stringify(b.examples.map((e) => [e.title, e.input])),
      b.description + b.whenToUse + b.input.map((f) => f.description).join(" "),
    ].map((place) => place.toLowerCase());
    const ranks = words.map((word) => places.findIndex((place) => place.includes(word)));
    const whole = places.find((place) => place.includes(phrase));
    const start = whole === undefined ? 100 : whole.indexOf(phrase) / 1e6;
    return { block: b, found: !ranks.includes(-1), rank: ranks.reduce((sum, r) => sum + r, start) };
  });
  return scored
    .filter((s) => s.found)
    .sort((a, b) => a.rank - b.rank)
    .map((s) => s.block);
}

export function BlocksPage({ blocks, query }: ScreenProps) {
  const text = query.get("q") ?? "";
  const asList = query.get("view") === "list";
  const found = search(blocks, text);
  const groups = new Map<string, Block[]>();
  for (const b of found) groups.set(b.category, [...(groups.get(b.category) ?? []), b]);
  const view = (name: string, title: string, on: boolean) => (
    <Button aria-pressed={on} onClick={() => setQuery({ view: name })}>
      {title}
    </Button>
  );
  return (
    <>
      <Head
        title="Blocks"
        actions={
          <div class="buttons" role="group" aria-label="View">
            {view("", "Grid", !asList)}
            {view("list", "List", asList)}
          </div>
        }
      >
        <p role="status">
          {text
            ? `${found.length} of ${count(blocks.length, "block")} match “${text}”`
            : "Tools that a workflow or an agent can call."}
        </p>
      </Head>
      {found.length === 0 && (
        <Empty title={blocks.length ? "No block matches" : "This server has no blocks"}>
          {blocks.length ? (
            <Button onClick={() => setQuery({ q: "" })}>Show all blocks</Button>
          ) : (
            <p>The host program registers them.</p>
          )}
        </Empty>
      )}
      {[...groups].map(([category, members]) => (
        <section key={category} aria-label={category}>
          <h2 class="category">
            {category} <span>{members.length}</span>
          </h2>
          <ul class={asList ? "cards list" : "cards"}>
            {members.map((b) => (
              <Card key={b.id} block={b} />
            ))}
          </ul>
        </section>
      ))}
    </>
  );
}

function Card({ block }: { block: Block }) {
  return (
    <li>
      <Tile block={block} />
      <div>
        <h3>
          <a href={blockLink(block.id)}>{block.name}</a>
        </h3>
        <p>{block.summary}</p>
        <p class="meta">
          <code>{block.id}</code>
          <Badges block={block} />
        </p>
      </div>
    </li>
  );
}
