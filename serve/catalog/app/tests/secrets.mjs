// Neither a configured write key nor a typed one can be found anywhere afterwards.
import assert from "node:assert/strict";
import { given, run, withPage } from "./browser.mjs";

const typed = "typed-write-key-0123456789";

await withPage(async ({ page, open, seen, context }) => {
  await open("blocks/segment_track?example=0");
  await page.getByText("Ready").waitFor(); // the example is loaded
  await page.getByLabel("writeKey", { exact: true }).fill(typed);
  await page.getByLabel("Remember until this page").check();
  await page.getByText("Ready").waitFor();
  await run(page);
  await page.getByText("1 message accepted").waitFor();
  for (const tab of ["Attempts", "JSON", "Code", "Preview"]) await page.getByRole("tab", { name: tab }).click();
  await page.getByRole("button", { name: "JSON", exact: true }).click();
  await page.waitForTimeout(300);
  const places = async () => ({
    dom: await page.content(),
    url: page.url(),
    session: await page.evaluate(() => JSON.stringify({ ...sessionStorage, ...localStorage })),
    storage: JSON.stringify(await context.storageState({ indexedDB: true })),
    history: await page.evaluate(() => JSON.stringify(history.state)),
  });
  const all = [await places()];
  await open("watch");
  await page.locator(".feed button").first().click();
  await page.getByRole("tab", { name: "Raw" }).click();
  all.push(await places());
  await open("history");
  await page.getByRole("checkbox").first().waitFor();
  all.push(await places());
  for (const found of all) {
    for (const [place, text] of Object.entries(found)) {
      for (const key of [typed, given.planted, Buffer.from(`${typed}:`).toString("base64")]) {
        assert.ok(!text.includes(key), `a write key is in ${place}`);
      }
    }
  }
  // A remembered secret fills the forms of this vendor until a reload or Clear.
  const remembered = async (block) => {
    await page.evaluate((block) => (location.hash = `#/blocks/${block}`), block);
    await page.locator(`code:text-is("${block}")`).waitFor();
    const field = page.locator("#field-writeKey, #field-api_key");
    return (await field.count()) ? field.inputValue() : "";
  };
  await open("blocks/segment_track");
  assert.equal(await remembered("segment_page"), typed);
  assert.equal(await remembered("tally_event"), "");
  await remembered("segment_group");
  await page.getByRole("button", { name: "Clear", exact: true }).click();
  assert.equal(await remembered("segment_page"), "");
  all.push(await places());
  for (const [place, text] of Object.entries(all.at(-1)))
    assert.ok(!text.includes(typed), `a write key is in ${place}`);
  // The typed key left the page only in the bodies of this block's own requests.
  for (const r of seen) {
    assert.ok(!JSON.stringify(r).includes(given.planted), r.url);
    assert.ok(!r.url.includes(typed) && !JSON.stringify(r.headers).includes(typed), r.url);
    if (r.body.includes(typed))
      assert.match(r.url, /\/v1\/blocks\/segment_(track|page|group)\/(validate|preview|invoke)$/);
  }
});
