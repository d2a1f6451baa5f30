// The page of one block: its head, and the tabs below it.
import { get, getText } from "./api";
import { blockLink, setQuery } from "./route";
import { Try } from "./try";
import type { Block, ScreenProps } from "./types";
import { Badges, Chip, Copy, Failure, NotFound, Tabs, Tile, useLoaded, useModule, usePage } from "./ui";

const tabs = [
  ["try", "Try it"],
  ["reference", "Reference"],
  ["schema", "Schemas"],
  ["connect", "Connect"],
] as const;

type Tab = (typeof tabs)[number][0];

// The list has the newest version of each block. Another one is asked for by name and major version,
// such as segment_track@1, and goes by that name in all that follows.
export function BlockPage(props: ScreenProps) {
  const { blocks, id } = props;
  const pinned = useLoaded(id, async (signal) =>
    id.includes("@") ? { ...(await get<Block>(`v1/blocks/${id}`, signal)), id } : undefined,
  );
  const block = pinned.value ?? blocks.find((b) => b.id === id);
  if (block) return <Page {...props} block={block} />;
  return pinned.error || !id.includes("@") ? <NotFound what={id} /> : <div class="loading" aria-busy="true" />;
}

function Page({ block, query, sources }: ScreenProps & { block: Block }) {
  usePage(block.name);
  const later = useModule("later", () => import("./later"));
  const wanted = query.get("tab");
  const tab = tabs.find(([name]) => name === wanted)?.[0] ?? "try";
  const { Connect, Reference, Schemas } = later.value ?? {};
  return (
    <>
      <div class="head">
        <Tile block={block} />
        <div class="grow">
          <h1 tabIndex={-1}>{block.name}</h1>
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
        </div>
        <div class="buttons">
          <Copy label="Copy page" text={() => getText(`v1/blocks/${block.id}`, "text/markdown")} />
        </div>
      </div>
      {block.deprecated && <Deprecation block={block} />}
      <Tabs<Tab>
        label="Parts of this page"
        id="part"
        all={tabs}
        chosen={tab}
        choose={(t) => setQuery({ tab: t === "try" ? "" : t })}
      >
        {!!later.error && <Failure error={later.error} />}
        {tab === "try" && <Try block={block} query={query} sources={sources} later={later.value} />}
        {tab === "reference" && Reference && <Reference block={block} />}
        {tab === "schema" && Schemas && <Schemas block={block} />}
        {tab === "connect" && Connect && <Connect block={block} source={sources.chosen?.name ?? ""} />}
      </Tabs>
    </>
  );
}

function Deprecation({ block }: { block: Block }) {
  return (
    <p class="note bad">
      <strong>Deprecated.</strong> {block.deprecated}
      {block.replacedBy && (
        <>
          {" "}
          Use <a href={blockLink(block.replacedBy)}>{block.replacedBy}</a> instead.
        </>
      )}
      {block.sunset && ` The block may be gone from ${block.sunset} on.`}
    </p>
  );
}
