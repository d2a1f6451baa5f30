// The page of one block: its head, and the tabs below it.
import { get, getText } from "./api";
import { useLoaded } from "./loaded";
import { setQuery } from "./route";
import { Try } from "./try";
import type { Block, ScreenProps } from "./types";
import { Badges, Chip, Copy, Head, lazy, Loading, NotFound, Tabs, Tile } from "./ui";

const Reference = lazy(async () => (await import("./reference")).Reference);
const Deprecation = lazy(async () => (await import("./reference")).Deprecation);
const Schemas = lazy(async () => (await import("./connect")).Schemas);
const Connect = lazy(async () => (await import("./connect")).Connect);

const tabs = [
  ["try", "Try it"],
  ["reference", "Reference"],
  ["schema", "Schemas"],
  ["connect", "Connect"],
] as const;

// The list has the newest version of each block. Another version is requested by name and major
// version, such as segment_track@1, and keeps that name everywhere on the page.
export function BlockPage(props: ScreenProps) {
  const { blocks, id } = props;
  const pinned = useLoaded(id, async (signal) =>
    id.includes("@") ? { ...(await get<Block>(`v1/blocks/${id}`, signal)), id } : undefined,
  );
  const block = pinned.value ?? blocks.find((b) => b.id === id);
  if (block) return <Page {...props} block={block} />;
  return pinned.error || !id.includes("@") ? <NotFound what={id} /> : <Loading />;
}

function Page({ block, query, sources }: ScreenProps & { block: Block }) {
  const wanted = query.get("tab");
  const tab = tabs.find(([name]) => name === wanted)?.[0] ?? "try";
  return (
    <>
      <Head
        title={block.name}
        tile={<Tile block={block} />}
        actions={<Copy label="Copy page" text={() => getText(`v1/blocks/${block.id}`, "text/markdown")} />}
      >
        <p>{block.summary}</p>
        <p class="meta">
          <code>{block.id}</code>
          <Chip>v{block.version}</Chip>
          <Chip>{block.category}</Chip>
          <Badges block={block} />
          {block.link && (
            <a href={block.link} rel="noreferrer">
              Documentation
            </a>
          )}
        </p>
      </Head>
      {block.deprecated && <Deprecation block={block} />}
      <Tabs
        label="Parts of this page"
        id="part"
        all={tabs}
        chosen={tab}
        choose={(t) => setQuery({ tab: t === "try" ? "" : t })}
      >
        {tab === "try" && <Try block={block} query={query} sources={sources} />}
        {tab === "reference" && <Reference block={block} />}
        {tab === "schema" && <Schemas block={block} />}
        {tab === "connect" && <Connect block={block} source={sources.chosen?.name ?? ""} />}
      </Tabs>
    </>
  );
}
