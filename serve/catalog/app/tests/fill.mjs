import assert from "node:assert/strict";
import { json, run, withPage } from "./browser.mjs";

await withPage(
  async ({ page, open }) => {
    await open("blocks/segment_track");
    await json(page, "properties").waitFor();
    await page.locator(".cm-content").first().waitFor();

    // The form shows no problem before the user types. Running an empty form shows all of them, and moves the focus.
    assert.equal(await page.locator(".fault").count(), 0);
    await run(page);
    const summary = page.getByRole("alert", { name: "What is wrong with the input" });
    await summary.getByText("must have userId or anonymousId").waitFor();
    assert.equal(await page.evaluate(() => document.activeElement.getAttribute("role")), "alert");

    // The server's own message is beside the field.
    await page.getByLabel("event", { exact: true }).fill("Order Completed");
    await page.getByLabel("userId", { exact: true }).fill("<start.userId>");
    await page.locator("#field-userId-fault").waitFor();
    assert.match(await page.locator("#field-userId-fault").textContent(), /must be resolved by the host/);
    await page.getByLabel("userId", { exact: true }).fill("u-42");
    await page.getByText("Ready to send 1 request").waitFor();

    // The editor keeps up with the user, and offers the member names of the examples.
    await json(page, "properties").click();
    await page.keyboard.type('{"order": "o-1", "list": [1, 2], "cur');
    await page.getByRole("option", { name: "currency" }).waitFor();
    await page.waitForTimeout(500); // the editor redraws the list after the last keys, and ignores Enter until then
    await page.keyboard.press("Enter");
    assert.equal(await page.evaluate(() => document.activeElement.id), "field-properties");
    assert.match(await json(page, "properties").innerText(), /^\{"order": "o-1", "list": \[1, 2\], "currency": \}\s*$/);

    // JSON: a syntax error is shown at its field. Numbers that no double can hold survive form, JSON and request.
    // Chromium copies the style of colored text to the text that replaces it, and the policy of the page blocks that.
    await page.keyboard.press("Control+a");
    await page.keyboard.press("Backspace");
    await json(page, "properties").fill('{"id": 12345678901234567890, "total": 42.50');
    await page.locator("#field-properties-fault").getByText("is not valid JSON").waitFor();
    await json(page, "properties").fill('{"id": 12345678901234567890, "total": 42.50}');
    await page.getByText("Ready").waitFor();
    await page.getByRole("button", { name: "JSON", exact: true }).click();
    const document = page.getByRole("textbox", { name: "Input as JSON" });
    await page.locator("#document.cm-content").waitFor();
    assert.match(await document.innerText(), /"id": 12345678901234567890, "total": 42\.50/);
    await document.fill(
      '{"event": "Order Refunded", "userId": "u-42", "properties": {"id": 12345678901234567890}, "odd": 1}',
    );
    await page.getByRole("alert").getByText("odd").first().waitFor();
    await page.getByRole("button", { name: "Form", exact: true }).click();
    assert.equal(await page.getByLabel("event", { exact: true }).inputValue(), "Order Refunded");
    await page.getByRole("button", { name: "Remove odd" }).click();
    await page.getByText("Ready").waitFor();
    const body = page.getByRole("region", { name: "Body" });
    assert.match(await body.textContent(), /"id": 12345678901234567890/);
    assert.match(
      await page.getByRole("region", { name: "Headers" }).textContent(),
      /Authorization: Basic \[redacted\]/,
    );
    await page.getByText(/B of 32\.0 kB/).waitFor();

    // Typing in one field does not change the others, whatever the editor holds.
    await json(page, "properties").press("Control+End");
    await page.getByLabel("anonymousId", { exact: true }).fill("a-1");
    await page.waitForTimeout(300);
    assert.match(await json(page, "properties").innerText(), /12345678901234567890/);

    // A link holds the input, without secrets.
    await page.getByText("More fields").click();
    await page.getByLabel("writeKey", { exact: true }).fill("typed-secret-0123456789");
    await page.getByRole("button", { name: "Share link" }).click();
    await page.getByText("Copied").waitFor();
    const link = await page.evaluate(() => navigator.clipboard.readText());
    assert.ok(!Buffer.from(new URL(link).hash.split("input=")[1], "base64url").toString().includes("typed-secret"));
    await open("");
    await page.goto(link);
    await page.getByText("Ready").waitFor();
    assert.equal(await page.getByLabel("anonymousId", { exact: true }).inputValue(), "a-1");
    assert.match(await json(page, "properties").innerText(), /12345678901234567890/);
    assert.equal(await page.evaluate(() => location.hash.includes("input=")), false);
    await page.goto(link.slice(0, -10));
    await page.getByText("this link fills in nothing").waitFor();

    // A reload loses nothing but secrets.
    await page.waitForTimeout(500);
    await page.reload();
    await page.getByText("Ready").waitFor();
    assert.equal(await page.getByLabel("anonymousId", { exact: true }).inputValue(), "a-1");
    await page.getByText("More fields").click();
    assert.equal(await page.getByLabel("writeKey", { exact: true }).inputValue(), "");

    // The menu offers what the emulator has received.
    await run(page);
    await page.getByText("1 message accepted").waitFor();
    await page.getByRole("button", { name: "Clear", exact: true }).click();
    await page.getByLabel("Fill the form with").focus();
    const received = page.locator('optgroup[label="Received by the emulator"] option');
    await received.first().waitFor({ state: "attached" });
    await page.getByLabel("Fill the form with").selectOption(await received.first().getAttribute("value"));
    await json(page, "properties").getByText("12345678901234567890").waitFor();

    // The inputs that the manifest lists as refused are refused.
    await page.getByLabel("Fill the form with").selectOption({ label: "An invalid time" });
    await page.locator("#field-timestamp-fault").waitFor();

    // While the server is unreachable, the form says so. Afterwards, it continues by itself.
    await page.context().setOffline(true);
    await page.getByLabel("event", { exact: true }).fill("Order Refunded");
    await page.getByText("the server cannot be reached").first().waitFor();
    await page.context().setOffline(false);
    await page.getByText("1 problem to fix").waitFor();

    // The form says so if a batch must be split.
    await open("blocks/segment_batch");
    await page.getByRole("button", { name: "JSON", exact: true }).click();
    const item = { type: "track", event: "A", userId: "u-1", properties: { text: "x".repeat(20_000) } };
    await page.locator("#document.cm-content").waitFor();
    await document.fill(JSON.stringify({ batch: Array(30).fill(item) }));
    await page.getByText("This batch is sent as 2 requests").waitFor();

    // The first hundred problems are listed, and the others counted.
    await document.fill(JSON.stringify({ batch: Array(120).fill({ type: "track", userId: "u-1" }) }));
    await page.getByText("120 problems to fix").waitFor();
    await page.getByText("and 20 more problems").waitFor();
  },
  { expect: ["ERR_INTERNET_DISCONNECTED"] },
);
