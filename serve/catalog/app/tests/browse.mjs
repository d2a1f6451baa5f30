import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { gzipSync } from "node:zlib";
import { given, withPage } from "./browser.mjs";

const busy = (route) =>
  route.fulfill({ status: 503, json: { status: 503, code: "overloaded", detail: "try again in a moment" } });

await withPage(
  async ({ page, open }) => {
    await open();
    await page.getByRole("link", { name: "Segment Track" }).waitFor();
    await page.getByRole("link", { name: "Tally Event" }).waitFor(); // a block of a second vendor

    // "/" leads to the search, which also searches examples.
    await page.keyboard.press("/");
    await page.keyboard.type("order completed");
    await page.getByText("of 9 blocks match").waitFor();
    assert.equal(await page.locator(".cards h3").first().textContent(), "Segment Track");
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "Segment Track", level: 1 }).waitFor();

    // The tables of the page, the schemas, the definitions.
    await page.getByRole("tab", { name: "Reference" }).click();
    const row = page.getByRole("row", { name: /^writeKey/ });
    assert.match(await row.textContent(), /stringNouser.*secret/s);
    await page.getByText("Segment needs userId or anonymousId").waitFor();
    await page.getByText("A message may have 32,000 bytes").waitFor();
    await page.getByRole("row", { name: /^rate_limited 503/ }).waitFor();
    await page.locator("summary", { hasText: "Orders from Shopify as Segment events" }).click();
    await page.getByText("lists the new orders of Shopify").waitFor();
    await page.getByRole("tab", { name: "Schemas" }).click();
    assert.equal(JSON.parse(await page.getByRole("region", { name: "Input schema" }).textContent()).type, "object");
    await page.getByRole("tab", { name: "Connect" }).click();
    const tool = JSON.parse(await page.getByRole("region", { name: "OpenAI function" }).textContent());
    assert.equal(tool.function.name, "segment_track");
    assert.ok("userId" in tool.function.parameters.properties);
    assert.ok(!("writeKey" in tool.function.parameters.properties), "a model is asked for the write key");
    const workflow = page.getByRole("region", { name: "AACFlow workflow, to import" });
    assert.equal(JSON.parse(await workflow.textContent()).version, "1.0");

    await page.getByRole("button", { name: "Copy page" }).click();
    await page.getByText("Copied").waitFor();
    assert.match(await page.evaluate(() => navigator.clipboard.readText()), /^# Segment Track/);
    await page.route("**/v1/blocks/segment_track", busy);
    await page.getByRole("button", { name: "Copy page" }).click();
    await page.getByText("Copy failed").waitFor();
    assert.match(await page.evaluate(() => navigator.clipboard.readText()), /^# Segment Track/);
    await page.unroute("**/v1/blocks/segment_track");

    // Deep links, also to pages that do not exist.
    await open("blocks/segment_batch?tab=reference");
    await page.getByRole("heading", { name: "Rules" }).waitFor();
    await open("blocks/segment_track@1?tab=reference"); // a major version by name
    await page.getByText("accepts this major version only").waitFor();
    await open("blocks/segment_track@9");
    await page.getByText("There is no segment_track@9").waitFor();
    await open("blocks/segment_trak");
    await page.getByText("There is no segment_trak").waitFor();
    await open("blocks/%zz"); // not an encoding
    await page.getByText("There is no %zz").waitFor();
    await open("?q=zzz");
    await page.getByText("No block matches").waitFor();
    assert.ok((await page.title()).startsWith("Blocks"));

    // The theme follows the system until the user chooses one, which then stays.
    const scheme = () => page.evaluate(() => getComputedStyle(document.documentElement).colorScheme);
    assert.equal(await scheme(), "light dark");
    await page.getByLabel("Theme").selectOption("dark");
    await page.reload();
    assert.equal(await scheme(), "dark");
    await page.getByLabel("Theme").selectOption("");
    assert.equal(await scheme(), "light dark");
  },
  { expect: ["404", "503"] },
);

// While the page does not know the sources, it cannot ask before it sends a real event. So nothing can run.
for (const hash of ["blocks/segment_track?example=0", "workflows/signup.workflow.yaml"]) {
  await withPage(
    async ({ page }) => {
      await page.route("**/v1/sources", busy);
      await page.goto(`${given.url}catalog/#/${hash}`);
      await page.getByText("try again in a moment").waitFor();
      assert.equal(await page.getByRole("button", { name: "Run" }).count(), 0);
    },
    { expect: ["503"] },
  );
}

// If the server has a token, the page asks for it once.
await withPage(
  async ({ page, context }) => {
    await page.goto(`${given.secured}catalog/`);
    const dialog = page.getByRole("dialog", { name: "This server asks for a token" });
    await dialog.getByLabel("Token").fill("not-the-token-at-all");
    await page.keyboard.press("Enter");
    await dialog.getByText("This token is not valid").waitFor();
    await dialog.getByLabel("Token").fill("ein-Schlüssel-für-alles-ключ"); // no header can carry it
    await page.keyboard.press("Enter");
    await dialog.getByLabel("Token").fill(given.token);
    await page.keyboard.press("Enter");
    await page.getByRole("link", { name: "Segment Track" }).waitFor();
    await page.goto(`${given.secured}catalog/#/watch`);
    await page.getByText("No events yet").waitFor();
    await page.reload();
    await page.getByText("No events yet").waitFor();
    await page.goto(`${given.secured}catalog/#/blocks/segment_track?example=0`);
    await page.getByText("Ready").waitFor();
    await page.getByRole("tab", { name: "Code" }).click();
    const curl = await page.getByRole("region", { name: "curl, to this service" }).textContent();
    const env = { ...process.env, SEGMENT_BLOCKS_TOKEN: given.token };
    assert.match(execFileSync("sh", ["-c", curl], { env, encoding: "utf8" }), /"success":true/);
    const kept = JSON.stringify(await context.storageState());
    assert.ok(!kept.includes(given.token), "the token is kept beyond the session");
  },
  { base: given.secured, expect: ["401"] },
);

// A deep link to any screen loads at most 15 kB of gzipped JavaScript until the user does something. The
// editor, in codefield.js, is not counted.
for (const hash of ["", "blocks/segment_track", "watch", "history", "workflows", "workflows/signup.workflow.yaml"]) {
  await withPage(async ({ page, open }) => {
    const scripts = [];
    page.on("response", (r) => r.url().endsWith(".js") && !r.url().endsWith("/codefield.js") && scripts.push(r.body()));
    await open(hash);
    await page.waitForTimeout(2000); // for everything that loads without a click
    const size = (await Promise.all(scripts)).reduce((sum, body) => sum + gzipSync(body, { level: 9 }).length, 0);
    console.log(`${hash || "list"}: ${size} bytes of JavaScript`);
    assert.ok(size > 5_000 && size <= 15_000, `${hash} loads ${size} bytes`);
  });
}
