// Runs in the formats of other tools. Runs hold no secrets, so neither do these.
import { urlOf } from "./api";
import { bodyOf } from "./input";
import { posted, quote } from "./curl";
import type { Run } from "./runs";
import { download } from "./show";
import { split } from "./text";

function body(run: Run): string {
  return bodyOf(split(run.input), run.source);
}

function asCurl(runs: Run[]): string {
  const lines = runs.map((r) => `${posted(urlOf(`v1/blocks/${r.block}/invoke`), body(r))}\n`);
  return `#!/bin/sh\n${lines.join("\n")}`;
}

function asNDJSON(runs: Run[]): string {
  return runs.map((r) => `${JSON.stringify(r)}\n`).join("");
}

// asTestscript writes a test for Go's testscript that repeats the runs on the command line. Runs that
// went to the emulator go there again.
function asTestscript(runs: Run[]): string {
  const steps = runs.map((r, i) => {
    const source = r.source && !r.emulated ? ` --source ${quote(r.source)}` : "";
    return `${r.outcome.ok ? "" : "! "}exec segment-blocks run ${r.block}${source} --input @${i + 1}.json\n`;
  });
  const files = runs.map((r, i) => `-- ${i + 1}.json --\n${r.input.trim()}\n`);
  return `${steps.join("")}\n${files.join("")}`;
}

// asHAR writes the exchanges with this service, as HAR 1.2.
function asHAR(runs: Run[]): string {
  const entries = runs.map((r) => {
    const sent = body(r);
    const { ok } = r.outcome;
    const got = r.outcome.ok ? r.outcome.output : JSON.stringify(r.outcome.problem);
    const status = r.outcome.ok ? 200 : r.outcome.problem.status;
    const common = { httpVersion: "HTTP/1.1", cookies: [], headersSize: -1 };
    return {
      startedDateTime: new Date(r.at).toISOString(),
      time: r.ms,
      request: {
        ...common,
        method: "POST",
        url: urlOf(`v1/blocks/${r.block}/invoke`),
        queryString: [],
        bodySize: sent.length,
        headers: [{ name: "Content-Type", value: "application/json" }],
        postData: { mimeType: "application/json", text: sent },
      },
      response: {
        ...common,
        status,
        statusText: "",
        headers: [],
        redirectURL: "",
        bodySize: -1,
        content: { size: got.length, mimeType: ok ? "application/json" : "application/problem+json", text: got },
      },
      cache: {},
      timings: { send: 0, wait: r.ms, receive: 0 },
    };
  });
  return JSON.stringify(
    { log: { version: "1.2", creator: { name: "segment-blocks", version: "1" }, entries } },
    null,
    2,
  );
}

export function save(format: "curl" | "testscript" | "HAR" | "NDJSON", runs: Run[]): void {
  if (format === "testscript") download("runs.txtar", asTestscript(runs), "text/plain");
  if (format === "curl") download("runs.sh", asCurl(runs), "text/x-shellscript");
  if (format === "HAR") download("runs.har", asHAR(runs));
  if (format === "NDJSON") download("runs.ndjson", asNDJSON(runs), "application/x-ndjson");
}
