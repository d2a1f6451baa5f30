// What is in a form survives a reload, for as long as the tab is open, and without its secrets.
import { draftKey, type Input } from "./input";
import { withoutSecrets } from "./secrets";
import type { Block } from "./types";

export function keepDraft(block: Block, input: Input): void {
  try {
    sessionStorage.setItem(draftKey(block), JSON.stringify([...withoutSecrets(block, input)]));
  } catch {
    sessionStorage.removeItem(draftKey(block)); // it is larger than the browser keeps
  }
}
