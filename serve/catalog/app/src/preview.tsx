// The exact requests that a run would send, and how close they are to the limits.
import type { Check } from "./check";
import { pretty } from "./json";
import type { Block, Request } from "./types";
import { bytes, Code, headerLines } from "./code";
import { count } from "./ui";

export function Preview({ block, check, requests }: { block: Block; check: Check; requests: Request[] }) {
  const shown = requests.slice(0, 5);
  return (
    <>
      {requests.length > 1 && (
        <p class="note">
          This batch is sent as {count(requests.length, "request")}. Messages of one user stay together and in order.
        </p>
      )}
      {(check.receipt?.warnings ?? [])
        .filter((w) => w.code !== "emulated")
        .map((w) => (
          <p class="note" key={w.path + w.code}>
            <code>{w.path}</code> {w.message}
          </p>
        ))}
      {requests.length === 0 && <p class="hint">This block does not show its requests before it sends them.</p>}
      {shown.map((r, i) => (
        <RequestView key={i} request={r} limit={block.maxRequestBytes} />
      ))}
      {requests.length > shown.length && (
        <p class="hint">and {count(requests.length - shown.length, "more request")}</p>
      )}
    </>
  );
}

function RequestView({ request: r, limit }: { request: Request; limit?: number }) {
  return (
    <article class="request">
      <p class="line">
        <strong>{r.method}</strong> <code>{r.url}</code>
      </p>
      <Meter request={r} limit={limit} />
      <Code label="Body" text={pretty(r.body)} />
      <Code label="Headers" text={headerLines(r.header)} />
    </article>
  );
}

// Meter compares the size of a body with the largest that the receiver accepts.
function Meter({ request, limit }: { request: Request; limit?: number }) {
  if (!limit) return <p class="meter">{bytes(request.bytes)}</p>;
  return (
    <label class="meter">
      <span>
        {bytes(request.bytes)} of {bytes(limit)}
      </span>
      <meter min={0} max={limit} high={limit * 0.8} value={request.bytes} />
    </label>
  );
}
