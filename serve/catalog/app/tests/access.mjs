// Every screen, light, dark and in forced colours, wide and narrow: axe finds nothing, nothing is
// wider than the window.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { run, withPage } from "./browser.mjs";

const axe = readFileSync(fileURLToPath(new URL("../node_modules/axe-core/axe.min.js", import.meta.url)), "utf8");

const tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];

const looks = [{ colorScheme: "light" }, { colorScheme: "dark" }, { colorScheme: "light", forcedColors: "active" }];

await withPage(
  async ({ page, open }) => {
    const check = async (what) => {
      await page.waitForTimeout(100);
      if (!(await page.evaluate(() => "axe" in window))) await page.evaluate(axe);
      for (const width of [1360, 390]) {
        await page.setViewportSize({ width, height: 860 });
        const [wide, inner] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
        assert.ok(wide <= inner, `${what} is ${wide} px wide in ${inner}`);
        for (const look of looks) {
          await page.emulateMedia({ forcedColors: "none", reducedMotion: "reduce", ...look });
          const found = await page.evaluate(
            (tags) => window.axe.run({ runOnly: tags, resultTypes: ["violations"] }),
            tags,
          );
          const told = found.violations.map(
            (v) => `${v.id}: ${v.nodes.map((n) => `${n.html.slice(0, 160)} ${n.failureSummary}`).join("\n")}`,
          );
          assert.deepEqual(told, [], `${what}, ${JSON.stringify(look)}, ${width} px`);
        }
      }
      await page.setViewportSize({ width: 1360, height: 860 });
    };
    await open();
    await check("list");
    await open("?q=zzz");
    await check("nothing found");
    await open("blocks/segment_track?example=0");
    await page.locator(".cm-content").first().waitFor();
    await page.getByText("Ready").waitFor();
    await check("form");
    await page.getByRole("tab", { name: "Code" }).click();
    await check("code");
    await run(page);
    await page.getByText("1 message accepted").waitFor();
    await check("result");
    await page.getByRole("tab", { name: "Attempts" }).click();
    await check("attempts");
    await page.getByLabel("Fill the form with").selectOption({ label: "A parameter that does not exist" });
    await page.getByRole("alert").first().waitFor();
    await check("refused");
    await page.getByRole("button", { name: "JSON", exact: true }).click();
    await page.locator("#document.cm-content").waitFor();
    await check("document");
    for (const tab of ["Reference", "Schemas", "Connect"]) {
      await page.getByRole("tab", { name: tab }).click();
      await check(tab);
    }
    await page.getByRole("tab", { name: "Try it" }).click();
    await page.getByLabel("Source").selectOption("prod");
    await page.getByText("Events go to the real receiver").waitFor();
    await page.getByLabel("Fill the form with").selectOption({ label: "An order" });
    await page.getByText("Ready").waitFor();
    await page.getByRole("button", { name: "Run for real" }).click();
    await page.getByRole("dialog").waitFor();
    await check("confirmation");
    await page.getByRole("button", { name: "Do not send" }).click();
    await open("watch");
    await page.locator(".feed button").first().click();
    await page.getByText("Simulate failures").click();
    await page.getByText("Outside this page").click();
    await check("watch");
    await page.getByRole("tab", { name: "Request" }).click();
    await page.getByRole("region", { name: "Request as received" }).waitFor();
    await check("request");
    await open("history");
    await page.getByRole("checkbox").first().waitFor();
    await check("history");
    await open("workflows");
    await check("workflows");
    await open("workflows/signup.workflow.yaml");
    await page.locator(".cm-content").first().waitFor();
    await check("workflow");
    await page.getByRole("button", { name: "Dry run" }).click();
    await page.getByRole("button", { name: /who succeeded/ }).click();
    await check("run of a workflow");
    await open("nothing-here");
    await check("not found");
  },
  { options: { bypassCSP: true } },
);
