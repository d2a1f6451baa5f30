// Makes the screenshots of the documentation: screenshots.mjs URL FOLDER. The URL is that of
// segment-blocks serve with its emulator. Run it with .ci/screenshots.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { chromium } from "playwright-core";

const [url, folder] = process.argv.slice(2);
const executablePath = ["/usr/bin/chromium", "/usr/bin/google-chrome"].find(existsSync);
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu"] });

const post = (path, body) =>
  fetch(url + path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });

// The content of the live list: messages that arrive, and messages that are refused.
const { blocks } = await (await fetch(`${url}/v1/blocks`)).json();
for (const block of blocks) {
  for (const example of block.examples) await post(`/v1/blocks/${block.id}/invoke`, { input: example.input });
}
const { sources } = await (await fetch(`${url}/v1/sources`)).json();
const direct = (message) =>
  fetch(`${sources[0].endpoint}/v1/track`, {
    method: "POST",
    headers: { "Content-Type": "application/json", Authorization: `Basic ${btoa("any-write-key:")}` },
    body: JSON.stringify(message),
  });
await direct({ userId: "u-44", event: "Coupon Used", messageId: "coupon-1" });
await direct({ userId: "u-44", event: "Coupon Used", messageId: "coupon-1" });
await direct({ userId: "u-45", properties: { total: 12 } });

for (const colorScheme of ["light", "dark"]) {
  const page = await browser.newPage({ viewport: { width: 1280, height: 800 }, colorScheme });
  const shot = (name) => page.screenshot({ path: join(folder, `catalog-${name}-${colorScheme}.png`) });
  await page.goto(`${url}/catalog/#/blocks/segment_track?example=0`);
  await page.getByText("Ready").waitFor();
  await page.locator(".cm-content").first().waitFor();
  await post("/catalog/emulator/v1/faults", { status: 503, times: 2 });
  await page.getByRole("button", { name: "Run" }).click();
  await page.getByText("1 message accepted").waitFor();
  await page.getByRole("tab", { name: "Attempts" }).click();
  await shot("run");
  await page.goto(`${url}/catalog/#/watch`);
  await page.locator(".feed button", { hasText: "Discarded" }).first().click();
  await page.getByRole("tab", { name: "Discarded because" }).click();
  await page.waitForTimeout(1500); // until the counts have arrived
  await shot("watch");
  await page.close();
}
await browser.close();
