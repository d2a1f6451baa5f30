// The input of a form survives a reload, for as long as the tab is open, and without its secrets.
import type { Input } from "./json";
import { fromLink, toLink, withoutSecrets } from "./secrets";
import type { Block } from "./types";

const key = (block: Block) => `segment-blocks.input.${block.id}`;

export function remember(block: Block, input: Input): void {
  try {
    if (input.size) sessionStorage.setItem(key(block), toLink(withoutSecrets(block, input)));
    else sessionStorage.removeItem(key(block));
  } catch {
    sessionStorage.removeItem(key(block)); // it is larger than the browser keeps
  }
}

export function remembered(block: Block): Input | undefined {
  const kept = sessionStorage.getItem(key(block));
  return kept === null ? undefined : fromLink(kept);
}
