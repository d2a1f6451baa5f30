// Without an emulator, the page shows the server's invocations and the delivery of its messages.
import assert from "node:assert/strict";
import { given, withPage } from "./browser.mjs";

const invoke = (body) =>
  fetch(`${given.real}v1/blocks/segment_alias/invoke`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });

await withPage(
  async ({ page, open }) => {
    await open("watch");
    await page.getByText("No events yet").waitFor();
    await page.getByLabel("Source").selectOption("prod");
    await page.getByText("Events go to the real receiver").waitFor();
    const list = page.getByRole("region", { name: "Events, newest first" });
    await invoke({ source: "prod", input: { userId: "u-42", previousId: "u-41" } });
    await list.getByRole("button", { name: /segment_alias/ }).waitFor();
    await invoke({ source: "prod", input: { userId: "u-42" } }); // refused
    await list.getByRole("button", { name: /invalid_input/ }).click();
    await page
      .getByRole("row", { name: /^status/ })
      .getByText("failed")
      .waitFor();
    assert.ok(!(await page.content()).includes("u-42"), "it shows what an event says");

    await page.getByText("Sending is paused: rate limited").waitFor();
    await page.getByText("2 dead letters").click();
    await page.getByRole("button", { name: "Retry", exact: true }).first().click();
    await page.getByText("1 dead letter", { exact: false }).first().waitFor();
    await page
      .getByRole("row", { name: /dead-2/ })
      .getByRole("button", { name: "Drop" })
      .click();
    await page.getByRole("dialog").getByRole("button", { name: "Drop them" }).click();
    await page.getByRole("row", { name: /dead-2/ }).waitFor({ state: "detached" });
  },
  { base: given.real },
);
