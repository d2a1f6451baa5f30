import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { given, json, run, withPage } from "./browser.mjs";

await withPage(
  async ({ page, open }) => {
    // A run against the emulator, and its result.
    await open("blocks/segment_track?example=0");
    await page.getByText("Ready").waitFor();
    await page.getByRole("button", { name: "Run", exact: true }).dblclick(); // a double click sends one event
    await page.getByText("1 message accepted").waitFor();
    const stats = await (await fetch(`${given.url}catalog/emulator/v1/stats`)).json();
    assert.equal(stats.requests, 1);
    assert.match(await page.getByRole("row", { name: /^event/ }).textContent(), /Order Completed/);
    await page.getByText("The output matches its schema").waitFor();
    await page.getByRole("tab", { name: "Schema", exact: true }).click();
    assert.match(await page.getByRole("region", { name: "Output schema" }).textContent(), /"anonymousId"/);
    await page.getByRole("tab", { name: "Attempts" }).click();
    await page.getByRole("tabpanel", { name: "Attempts" }).waitFor();

    // The second vendor's block has a form and runs, without code of its own.
    await open("blocks/tally_event");
    await page.getByLabel("user_id", { exact: true }).fill("u-42");
    await page.getByLabel("event_type", { exact: true }).fill("Order Completed");
    await page.getByText("Ready").waitFor();
    await page.getByRole("button", { name: "Run for real" }).click(); // its source is not the emulator
    await page.getByRole("button", { name: "Send it" }).click();
    assert.match(await page.getByRole("row", { name: /^accepted/ }).textContent(), /1/);

    // A real source is visible as such, and needs one confirmation.
    await open("blocks/segment_track?example=0");
    await page.getByLabel("Source").selectOption("prod");
    await page.getByText("Events go to the real receiver").waitFor();
    await page.getByText("Ready").waitFor();
    await page.getByRole("button", { name: "Run for real" }).click();
    const dialog = page.getByRole("dialog", { name: "Send a real event?" });
    await dialog.getByRole("button", { name: "Do not send" }).click();
    await page.getByRole("button", { name: "Run for real" }).click();
    await dialog.getByRole("button", { name: "Send it" }).click();
    await page.getByText("does not confirm delivery").waitFor();
    await page.getByRole("button", { name: "Run for real" }).click();
    await page.waitForTimeout(300);
    assert.equal(await dialog.count(), 0);
    await page.getByLabel("Source").selectOption("emulator");

    // A failed run says why, and a long run can be cancelled.
    await page.evaluate(
      (base) =>
        fetch(`${base}catalog/emulator/v1/faults`, {
          method: "POST",
          headers: { "Content-Type": "application/json" },
          body: '[{"status":400},{"status":503},{"delay":"20s"}]',
        }),
      given.url,
    );
    await run(page);
    await page.getByText("rejected", { exact: true }).waitFor();
    await run(page);
    await page.locator(".attempts .chip", { hasText: "503" }).waitFor(); // while the run is in progress
    await page.getByText(/^Running, .* 1 attempt$/).waitFor();
    await page.getByRole("button", { name: "Cancel" }).click();
    await page.getByText("the receiver may have accepted the event").waitFor();

    // A run that gets no answer may have sent something.
    await page.route("**/invoke", (route) => route.abort());
    await run(page);
    await page.getByText("no answer came; the receiver may have accepted the event").waitFor();

    // The history: replay, pin, compare, export.
    await open("history");
    await page.getByText(/^7 runs|^8 runs/).waitFor();
    await page.getByRole("button", { name: "Pin" }).first().click();
    await page.locator('[aria-pressed="true"]', { hasText: "Pin" }).waitFor();
    const boxes = page.getByRole("checkbox");
    await boxes.first().check();
    await boxes.last().check();
    await page.getByRole("region", { name: "Compare two runs" }).waitFor();
    for (const [name, check] of [
      ["curl", (text) => text.includes("/v1/blocks/segment_track/invoke")],
      [
        "testscript",
        (text) => text.match(/^(! )?exec segment-blocks run segment_track --input @\d.json$/gm).length === 2,
      ],
      ["HAR", (text) => JSON.parse(text).log.entries.length === 2],
      ["NDJSON", (text) => text.trim().split("\n").map(JSON.parse).length === 2],
    ]) {
      const [saved] = await Promise.all([
        page.waitForEvent("download"),
        page.getByRole("button", { name, exact: true }).click(),
      ]);
      assert.ok(check(readFileSync(await saved.path(), "utf8")), name);
    }
    await page.getByRole("link", { name: "Replay" }).last().click();
    await page.getByText("1 message accepted").waitFor();
    assert.equal(await page.getByLabel("event", { exact: true }).inputValue(), "Order Completed");
    assert.match(await json(page, "properties").innerText(), /42\.50/);
    await open("history");
    await page.getByRole("button", { name: "Clear all" }).click();
    await page.getByText("No runs yet").waitFor();
  },
  { expect: ["502", "ERR_FAILED"] },
);

// A block is found, filled and run with the keyboard alone.
await withPage(async ({ page, open }) => {
  await open();
  await page.keyboard.press("/");
  await page.keyboard.type("alias");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Segment Alias", level: 1 }).waitFor();
  await page.getByLabel("userId", { exact: true }).waitFor();
  const reach = async (id) => {
    for (let i = 0; i < 40; i++) {
      if (await page.evaluate((id) => document.activeElement?.id === id, id)) return;
      await page.keyboard.press("Tab");
    }
    assert.fail(`Tab never reaches ${id}`);
  };
  await reach("field-userId");
  await page.keyboard.type("u-42");
  await reach("field-previousId");
  await page.keyboard.type("u-41");
  await page.keyboard.press("Enter");
  await page.getByText("1 message accepted").waitFor();
  await reach("sends-result");
  await page.keyboard.press("ArrowLeft");
  await page.getByRole("region", { name: "Body" }).waitFor();
});

// A batch that takes several requests shows how many of them are accepted.
await withPage(async ({ page, open }) => {
  await open("blocks/segment_batch");
  const note = "x".repeat(20_000);
  const batch = Array.from({ length: 40 }, (_, n) => ({
    type: "track",
    event: `E ${n}`,
    userId: "u",
    properties: { note },
  }));
  await page.locator(".cm-content").first().waitFor();
  await json(page, "batch").fill(JSON.stringify(batch));
  await page.getByText("Ready to send 2 requests").waitFor();
  await page.request.post(`${given.url}catalog/emulator/v1/faults`, { data: [{}, { delay: "3s" }] });
  await run(page);
  await page.getByText(/^Running, .* 1 of 2 requests accepted$/).waitFor();
  await page.getByText("40 messages accepted").waitFor();
});
