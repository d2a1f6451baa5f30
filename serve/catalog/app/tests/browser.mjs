// The shared part of the flows: a browser that records everything that must not happen.
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { chromium } from "playwright-core";

export const given = JSON.parse(readFileSync(0, "utf8"));

const executablePath = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find(existsSync);

const args = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

// withPage opens a page of the catalog, hands it to the flow, and checks for hidden failures: there must
// be no error in the console, no violation of the policy, and no request to another server.
export async function withPage(flow, { options = {}, base = given.url, expect = [] } = {}) {
  const browser = await chromium.launch({ executablePath, args });
  try {
    const context = await browser.newContext({ viewport: { width: 1360, height: 860 }, ...options });
    await context.grantPermissions(["clipboard-read", "clipboard-write"]);
    const wrong = [];
    const seen = [];
    await context.addInitScript(() => {
      addEventListener("securitypolicyviolation", (e) =>
        console.error(`policy: ${e.violatedDirective} ${e.blockedURI}`),
      );
    });
    const page = await context.newPage();
    page.setDefaultTimeout(60_000);
    page.on("console", (m) => m.type() === "error" && wrong.push(m.text()));
    page.on("pageerror", (e) => wrong.push(e.message));
    page.on("request", (r) => {
      seen.push({ url: r.url(), body: r.postData() ?? "", headers: r.headers() });
      if (!r.url().startsWith(new URL(base).origin) && !r.url().startsWith("blob:"))
        wrong.push(`request elsewhere: ${r.url()}`);
    });
    const open = async (hash = "") => {
      await page.goto(`${base}catalog/#/${hash}`);
      await page.getByRole("heading", { level: 1 }).waitFor();
    };
    await flow({ page, context, open, seen });
    assert.deepEqual(
      wrong.filter((text) => !expect.some((e) => text.includes(e))),
      [],
    );
  } finally {
    await browser.close();
  }
}

export const json = (page, name) => page.getByRole("textbox", { name, exact: true });

export async function run(page) {
  await page.getByRole("button", { name: "Run", exact: true }).click();
}
