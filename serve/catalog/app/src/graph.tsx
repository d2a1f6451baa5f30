// A workflow as a graph: a column for each step, with a box for each node.
import { Chip, count } from "./ui";

export type Status = "pending" | "running" | "succeeded" | "failed" | "skipped" | "canceled";

export interface Node {
  id: string;
  block?: string;
  needs: { node: string; failed?: boolean; implied?: boolean }[];
  join?: string;
  when?: string;
  forEach?: unknown;
  nodes?: Node[];
}

interface GraphProps {
  nodes: Node[];
  statusOf?: (id: string) => Status | undefined;
  chosen?: string;
  choose?: (id: string) => void;
}

const width = 190;
const height = 56;
const gapX = 56;
const gapY = 16;
const mostNodes = 1000; // more would make the page slow

export function statusChip(status: Status) {
  const kind = status === "succeeded" ? "good" : status === "failed" || status === "canceled" ? "bad" : "";
  return <Chip kind={kind}>{status}</Chip>;
}

// columnsOf puts each node one column after the last of the nodes that it needs. Files have no cycles.
function columnsOf(nodes: Node[]): Map<string, number> {
  const columns = new Map<string, number>();
  for (const n of nodes) columns.set(n.id, Math.max(-1, ...n.needs.map((need) => columns.get(need.node) ?? -1)) + 1);
  return columns;
}

export function Graph(props: GraphProps) {
  const { nodes } = props;
  if (nodes.length === 0) return null;
  return (
    <>
      <Drawing {...props} nodes={nodes.slice(0, mostNodes)} />
      {nodes.length > mostNodes && <p class="hint">{count(nodes.length - mostNodes, "more node")}</p>}
      {nodes.map(
        (n) =>
          n.nodes && (
            <section key={n.id} aria-label={`Inside ${n.id}`}>
              <h2 class="category">
                Inside {n.id} <span>for each element</span>
              </h2>
              <Graph {...props} nodes={n.nodes} />
            </section>
          ),
      )}
    </>
  );
}

function Drawing({ nodes, statusOf, chosen, choose }: GraphProps) {
  const columns = columnsOf(nodes);
  const rows = new Map<number, number>(); // the number of nodes in each column
  const places = new Map<string, { x: number; y: number }>();
  for (const n of nodes) {
    const column = columns.get(n.id)!;
    const row = rows.get(column) ?? 0;
    rows.set(column, row + 1);
    places.set(n.id, { x: column * (width + gapX), y: row * (height + gapY) });
  }
  const wide = Math.max(...columns.values()) * (width + gapX) + width;
  const high = Math.max(...rows.values()) * (height + gapY) - gapY;
  const edges = nodes.flatMap((n) =>
    n.needs.map((need) => ({ ...need, from: places.get(need.node), to: places.get(n.id)! })),
  );
  return (
    <div class="graph" tabIndex={0} role="region" aria-label="Graph">
      <div style={{ width: `${wide}px`, height: `${high}px` }}>
        <svg width={wide} height={high} aria-hidden="true">
          {edges.map(({ from, to, failed }, i) => {
            if (!from) return null;
            // The edge follows the row of the first node, and bends in the gap before the second one.
            const [y1, y2, gap] = [from.y + height / 2, to.y + height / 2, to.x - gapX];
            const bend = `C${to.x - gapX / 2} ${y1} ${to.x - gapX / 2} ${y2} ${to.x} ${y2}`;
            return <path key={i} class={failed ? "failed" : ""} d={`M${from.x + width} ${y1}H${gap}${bend}`} />;
          })}
        </svg>
        {nodes.map((n) => {
          const { x, y } = places.get(n.id)!;
          const status = statusOf?.(n.id);
          const says = (
            <>
              <strong>{n.id}</strong>
              <span class="hint">{status ?? n.block ?? `for each, ${count(n.nodes?.length ?? 0, "node")}`}</span>
            </>
          );
          const common = { key: n.id, class: `node ${status ?? ""}`, style: { left: `${x}px`, top: `${y}px` } };
          return choose ? (
            <button {...common} type="button" aria-pressed={n.id === chosen} onClick={() => choose(n.id)}>
              {says}
            </button>
          ) : (
            <div {...common} title={n.when && `when ${n.when}`}>
              {says}
            </div>
          );
        })}
      </div>
    </div>
  );
}
