// Workflow files are listed, checked, run and canceled; a run shows the state of each node.
import assert from "node:assert/strict";
import { given, withPage } from "./browser.mjs";

const fault = (body) =>
  fetch(`${given.emulator}/emulator/v1/faults`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });

await withPage(async ({ page, open }) => {
  await open("workflows");
  await page.getByText("No runs yet").waitFor();
  await page.getByText("1 fault", { exact: true }).waitFor();
  await page.getByRole("link", { name: "broken.workflow.yaml" }).click();
  await page.getByText('did you mean "segment_track"').waitFor();
  assert.equal(await page.getByRole("button", { name: "Run" }).count(), 0);

  await open("workflows/signup.workflow.yaml");
  await page.getByRole("button", { name: "Dry run" }).click();
  await page.getByText("Dry run", { exact: true }).waitFor();
  await page.getByText("succeeded", { exact: true }).first().waitFor();
  const stats = async () => (await fetch(`${given.emulator}/emulator/v1/stats`)).json();
  assert.equal((await stats()).stored, 0);

  // A retry is visible. A node that was not run shows only that.
  await open("workflows/signup.workflow.yaml");
  await fault([{ status: 400, times: 1, path: "/v1/identify" }]);
  await page.getByRole("button", { name: "Run", exact: true }).click();
  const graph = page.getByRole("region", { name: "Graph" });
  await graph.getByRole("button", { name: /who failed/ }).click();
  await page.getByRole("region", { name: "Error" }).getByText("rejected").waitFor();

  await open("workflows/signup.workflow.yaml");
  await page.getByLabel("Run id").fill("run-1");
  await page.getByRole("button", { name: "Run", exact: true }).click();
  await graph.getByRole("button", { name: /paying skipped/ }).waitFor();
  await page.getByText("3 of 3 nodes ended").waitFor();
  await graph.getByRole("button", { name: /invited succeeded/ }).click();
  await page.getByText("2 of 2 iterations ended, 0 failed").waitFor();
  assert.equal((await stats()).stored, 3);
  // The same run is resumed, although it may be old: nothing is sent twice.
  await open("workflows/signup.workflow.yaml");
  await page.getByLabel("Run id").fill("run-1");
  await page.getByLabel("Resume an old run").check();
  const order = page.waitForRequest((r) => r.method() === "POST" && r.url().endsWith("/runs"));
  await page.getByRole("button", { name: "Run", exact: true }).click();
  assert.equal((await order).postDataJSON().allowDuplicates, true);
  await page.getByText("3 of 3 nodes ended").waitFor();
  assert.equal((await stats()).stored, 3);
  await open("runs/run-1");
  await graph.getByRole("button", { name: /who succeeded/ }).click();
  await page.getByRole("region", { name: "Receipt" }).getByText("sb1-").waitFor();

  // A long run is canceled. A double click started one run only.
  await fault([{ delay: "20s" }]);
  await open("workflows/signup.workflow.yaml");
  await page.route("**/runs", async (route) => {
    await page.waitForTimeout(300);
    await route.continue();
  });
  await page.getByRole("button", { name: "Run", exact: true }).dblclick();
  await graph.getByRole("button", { name: /who running/ }).waitFor();
  await page.getByRole("button", { name: "Cancel" }).click();
  await page.getByText("canceled", { exact: true }).first().waitFor();

  await open("workflows");
  assert.equal(await page.getByRole("row").count(), 5);

  // Without its stream of events, the page still shows how the run ends.
  await fault([{ delay: "1s" }]);
  await page.route("**/stream", (route) => route.fulfill({ contentType: "text/event-stream", body: "" }));
  await open("workflows/signup.workflow.yaml");
  await page.getByRole("button", { name: "Run", exact: true }).click();
  await graph.getByRole("button", { name: /who running/ }).waitFor();
  await page.getByText("3 of 3 nodes ended").waitFor();

  // A real source needs a confirmation.
  await open("workflows");
  await page.getByLabel("Source").selectOption("prod");
  await page.getByRole("link", { name: "signed-up" }).click();
  await page.getByRole("button", { name: "Run for real" }).click();
  await page.getByRole("button", { name: "Do not send" }).click();
  assert.equal((await stats()).stored, 6);
});
