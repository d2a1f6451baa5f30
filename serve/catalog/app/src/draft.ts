// The content of a form, without its secrets, survives a reload for as long as the tab is open.
import { draftKey, type Input } from "./input";
import { withoutSecrets } from "./secrets";
import type { Block } from "./types";

export function keepDraft(block: Block, input: Input): void {
  try {
    sessionStorage.setItem(draftKey(block), JSON.stringify([...withoutSecrets(block, input)]));
  } catch {
    sessionStorage.removeItem(draftKey(block)); // it is too large for the browser to keep
  }
}
