import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { run, withPage } from "./browser.mjs";
import { given } from "./browser.mjs";

const send = (batch) =>
  fetch(`${given.emulator}/v1/batch`, {
    method: "POST",
    headers: {
      "Content-Type": "application/json",
      Authorization: `Basic ${Buffer.from("any-write-key:").toString("base64")}`,
    },
    body: JSON.stringify({ batch }),
  });

await withPage(async ({ page, open, context }) => {
  await open("watch");
  await page.getByText("No events yet").waitFor();
  const order = {
    type: "track",
    event: "Order Completed",
    userId: "u-42",
    messageId: "m-1",
    properties: { total: 42.5, coupon: "SPRING" },
  };
  await send([order, { type: "identify", userId: "u-43", messageId: "m-2", traits: { plan: "pro" } }]);
  const list = page.getByRole("region", { name: "Events, newest first" });
  await list.getByRole("button", { name: /Order Completed/ }).waitFor();
  await send([order]); // again
  await send([{ type: "track", userId: "u-44", messageId: "m-3" }]); // no event: Segment would answer 200 and drop it
  await list.getByRole("button", { name: /Duplicate/ }).click();
  await page.getByRole("tab", { name: "Duplicate of" }).click();
  await page.getByRole("button", { name: /Show the first event/ }).click();
  const call = await page.getByRole("region", { name: "Call in analytics-node" }).textContent();
  assert.match(call, /^analytics\.track\(\{\n  "event": "Order Completed"/);
  await page.getByLabel("Time").selectOption("relative");
  await list
    .getByText(/^\d+ s ago$/)
    .first()
    .waitFor();
  await page.getByRole("tab", { name: "Raw" }).click();
  assert.match(await page.getByRole("region", { name: "As JSON" }).textContent(), /"messageId": "m-1"/);
  await list.getByRole("button", { name: /Discarded/ }).click();
  await page.getByRole("tab", { name: "Discarded because" }).click();
  await page.getByText("event_not_defined").first().waitFor();

  await page.getByRole("tab", { name: "Request" }).click();
  const request = await page.getByRole("region", { name: "Request as received" }).textContent();
  assert.match(request, /^POST \/v1\/batch\n/);
  assert.ok(!request.includes("any-write-key") && request.includes('"m-3"'));
  await page.getByRole("button", { name: /^event_not_defined 1/ }).click();
  assert.equal(await list.getByRole("listitem").count(), 1);
  await page.getByRole("button", { name: /^event_not_defined 1/ }).click();

  // Filters are kept in the address.
  await page.getByLabel("Search events").fill("spring");
  assert.equal(await list.getByRole("listitem").count(), 2);
  const [saved] = await Promise.all([
    page.waitForEvent("download"),
    page.getByRole("button", { name: "NDJSON", exact: true }).click(),
  ]);
  const lines = readFileSync(await saved.path(), "utf8")
    .trim()
    .split("\n")
    .map(JSON.parse); // the items that are found
  assert.equal(lines.length, 2);
  assert.ok(lines.every((line) => line.message.properties.coupon === "SPRING"));
  await page.getByLabel("Search events").fill("coupon");
  assert.equal(await list.getByRole("listitem").count(), 0); // it is a name, not a value
  await page.getByLabel("Search in").selectOption("payload");
  await page.getByLabel("Status").selectOption("stored");
  assert.equal(await list.getByRole("listitem").count(), 1);
  await page.reload();
  await list.getByRole("button", { name: /Order Completed/ }).click();
  assert.equal(await list.getByRole("listitem").count(), 1);

  // An event taken from the list fills the form of its block.
  await page.getByRole("link", { name: "Use in a form" }).click();
  await page.getByText("Ready").waitFor();
  assert.equal(await page.getByLabel("userId", { exact: true }).inputValue(), "u-42");

  // Pause counts new items.
  await open("watch?live=off");
  await send([{ type: "page", name: "Pricing", userId: "u-42", messageId: "m-4" }]);
  await page.getByRole("button", { name: /Pause, \d+ new/ }).waitFor();
  await page.getByRole("button", { name: "Live" }).click();
  await list.getByRole("button", { name: /Pricing/ }).waitFor();

  // A fault, and a run that handles it.
  await page.getByText("Simulate failures").click();
  await page.getByRole("button", { name: "503 twice" }).click();
  await page.getByText("1 fault queued for the next requests.").waitFor();
  await open("blocks/segment_track?example=0");
  await page.getByText("Ready").waitFor();
  await run(page);
  await page.getByText("1 request and 3 attempts").waitFor();
  await page.getByRole("tab", { name: "Attempts" }).click();
  const attempts = page.locator(".attempts li");
  assert.deepEqual(await attempts.locator(".chip").allTextContents(), ["503", "503", "200"]);
  await attempts.last().locator("summary").click();
  assert.match(
    await attempts.last().getByRole("region", { name: "Request" }).textContent(),
    /Authorization: Basic \[redacted\]/,
  );

  // 2,000 events in three seconds do not freeze the page. The test judges tasks by their CPU time,
  // because their duration depends on the load of the machine.
  await open("watch");
  const browser = context.browser();
  await browser.startTracing(page, { categories: ["toplevel"] });
  for (let i = 0; i < 40; i++) {
    await send(
      Array.from({ length: 50 }, (_, n) => ({
        type: "track",
        event: `Load ${i}`,
        userId: `u-${n}`,
        messageId: `load-${i}-${n}`,
      })),
    );
    await new Promise((resolve) => setTimeout(resolve, 60));
  }
  await page.waitForTimeout(1000); // without queries, which would be long tasks themselves
  const { traceEvents } = JSON.parse((await browser.stopTracing()).toString());
  const main = traceEvents
    .filter((e) => e.name === "thread_name" && e.args.name === "CrRendererMain")
    .map((e) => `${e.pid} ${e.tid}`);
  const tasks = traceEvents.filter((e) => e.name.endsWith("RunTask") && main.includes(`${e.pid} ${e.tid}`));
  const took = tasks.map((e) => (e.tdur ?? 0) / 1000);
  const long = took.filter((ms) => ms > 50).reduce((sum, ms) => sum + ms, 0);
  console.log(`the longest of ${took.length} tasks takes ${Math.max(...took)} ms, those above 50 ms ${long} ms in all`);
  assert.ok(took.length > 100 && long < 300);
  await list
    .getByRole("button", { name: /Load 39/ })
    .first()
    .waitFor();
  await page.getByText("500 items, the newest 500").waitFor();
  await page.getByRole("button", { name: "Clear" }).click();
  await page.getByText("No events yet").waitFor();
});
