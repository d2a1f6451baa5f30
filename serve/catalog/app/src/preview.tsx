// The requests that a run would send, exactly, and how near they come to the limits.
import type { Check } from "./check";
import { pretty } from "./json";
import type { Request } from "./types";
import { bytes, Code, count, Empty } from "./ui";

export function Preview({ check }: { check: Check }) {
  if (!check.requests) {
    return (
      <Empty title={check.state === "failed" ? "No preview" : "The request stands here"}>
        <p>
          {check.state === "failed"
            ? check.says
            : "Fill the form, and see exactly what would be sent. Looking sends nothing."}
        </p>
      </Empty>
    );
  }
  const shown = check.requests.slice(0, 5);
  return (
    <>
      {check.requests.length > 1 && (
        <p class="note">
          The batch is split into {count(check.requests.length, "request")}: messages of one user stay together, in
          order.
        </p>
      )}
      {(check.receipt?.warnings ?? [])
        .filter((w) => w.code !== "emulated")
        .map((w) => (
          <p class="note" key={w.path + w.code}>
            <code>{w.path}</code> {w.message}
          </p>
        ))}
      {shown.map((r, i) => (
        <RequestView key={i} request={r} />
      ))}
      {check.requests.length > shown.length && (
        <p class="hint">and {count(check.requests.length - shown.length, "more request")}</p>
      )}
    </>
  );
}

function RequestView({ request: r }: { request: Request }) {
  const headers = Object.entries(r.header).map(([name, values]) => `${name}: ${values.join(", ")}`);
  return (
    <article class="request">
      <p class="line">
        <strong>{r.method}</strong> <code>{r.url}</code>
      </p>
      <Meter request={r} />
      <Code label="Body" text={pretty(r.body)} />
      <Code label="Headers" text={headers.join("\n")} />
    </article>
  );
}

// Meter compares a body with what the receiver takes. The receiver of a single call takes 32 kB, that
// of a batch 500 kB: the preview tells them apart by the batch in the body.
function Meter({ request }: { request: Request }) {
  const limit = request.body.startsWith('{"batch"') || request.url.endsWith("/batch") ? 500_000 : 32_000;
  return (
    <label class="meter">
      <span>
        {bytes(request.bytes)} of {bytes(limit)}
      </span>
      <meter min={0} max={limit} high={limit * 0.8} value={request.bytes} />
    </label>
  );
}
