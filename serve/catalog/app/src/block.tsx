// The page of one block: its head, and the tabs below it.
import { getText } from "./api";
import { Tile } from "./blocks";
import { Connect } from "./connect";
import { Reference } from "./reference";
import { setQuery } from "./route";
import type { Sources } from "./sources";
import { Schemas } from "./schemas";
import { Try } from "./try";
import type { Block } from "./types";
import { Chip, Copy, Tabs, usePage } from "./ui";

const tabs = [
  ["try", "Try it"],
  ["reference", "Reference"],
  ["schema", "Schemas"],
  ["connect", "Connect"],
] as const;

type Tab = (typeof tabs)[number][0];

export function BlockPage(props: { block: Block; query: URLSearchParams; sources: Sources }) {
  const { block, query, sources } = props;
  usePage(block.name);
  const wanted = query.get("tab");
  const tab = tabs.find(([name]) => name === wanted)?.[0] ?? "try";
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
      <Tabs<Tab>
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
