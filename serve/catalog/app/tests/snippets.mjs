// Each snippet runs as it is, and its event arrives.
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { given, withPage } from "./browser.mjs";

const place = mkdtempSync(join(tmpdir(), "snippets-"));
symlinkSync(resolve("node_modules"), join(place, "node_modules"));
const env = {
  ...process.env,
  PATH: `${given.bin}:${process.env.PATH}`,
  HOME: process.env.HOME,
  SEGMENT_WRITE_KEY: "a-write-key-of-snippets",
  SEGMENT_ENDPOINT: given.emulator,
};

function run(name, text, program, ...args) {
  const file = join(place, name);
  writeFileSync(file, text);
  return execFileSync(program, [...args, file], { env, cwd: resolve(".."), encoding: "utf8" });
}

const arrived = async () => {
  const answer = await fetch(`${given.emulator}/emulator/v1/stats`);
  const { stored, duplicates } = await answer.json();
  return stored + duplicates; // the curl to the receiver and analytics-node share a messageId
};

try {
  await withPage(async ({ page, open }) => {
    await open("blocks/segment_track?example=0");
    await page.getByText("Ready").waitFor(); // the example is loaded
    await page.getByLabel("userId", { exact: true }).fill(`it's "$HOME" \`u\``); // a test of quoting
    await page.getByRole("tab", { name: "Code" }).click();
    const checked = page.getByRole("region", { name: "analytics-node", exact: true }).filter({ hasText: "$HOME" });
    await checked.waitFor();
    const text = (label) => page.getByRole("region", { name: label, exact: true }).textContent();
    const ways = [
      ["Command line", (t) => run("a.sh", t, "sh")],
      ["curl, to this service", (t) => run("b.sh", t, "sh")],
      ["curl, to the receiver", (t) => run("c.sh", t, "sh")],
      ["curl, over MCP", (t) => run("d.sh", t, "sh")],
      ["Go", (t) => run("e.go", t, "go", "run")],
      ["analytics-node", (t) => run("f.mjs", t, "node")],
    ];
    if (execFileSync("segment-blocks", ["--help"], { env, encoding: "utf8" }).includes("workflow")) {
      ways.push(["Workflow", (t) => run("g.yaml", t, "segment-blocks", "workflow", "run")]);
    }
    for (const [label, go] of ways) {
      const before = await arrived();
      const said = go(await text(label));
      assert.equal(await arrived(), before + 1, `${label}: ${said}`);
    }
    const sh = async (label, seconds = 5) => {
      const said = spawnSync("timeout", [seconds, "sh", "-c", await text(label)], {
        env,
        cwd: given.folder,
        encoding: "utf8",
      });
      return said.stdout;
    };
    // The commands for the buttons of Watch.
    await open("watch");
    await page.getByText("Outside this page").click();
    const stored = await arrived();
    assert.equal(JSON.parse(await sh("List what was stored")).events.length, stored - 1);
    assert.equal(JSON.parse(await sh("List what was discarded, and why")).discards.length, 1);
    assert.match(await sh("Follow", 1), /connected/);
    assert.match(await sh("Count"), /"stored"/);
    assert.match(await sh("Simulate a failure"), /"status":503/);

    const answer = await fetch(`${given.emulator}/emulator/v1/events`);
    for (const event of (await answer.json()).events) assert.equal(event.userId, `it's "$HOME" \`u\``);
    await sh("Clear");
    assert.equal(await arrived(), 0);

    // The commands for the buttons of a workflow.
    await open("workflows/signup.workflow.yaml");
    await page.getByText("Outside this page").click();
    assert.match(await sh("Command line, in the folder of the file", 20), /"status":"succeeded"/);
    assert.equal(await arrived(), 3);
    assert.equal(JSON.parse(await sh("Dry run")).dryRun, true);
    await page.getByLabel("Run id").fill("run-1");
    assert.equal(JSON.parse(await sh("Run")).run, "run-1");
    assert.equal(JSON.parse(await sh("Cancel")).run, "run-1");
  });
} finally {
  rmSync(place, { recursive: true });
}
