// Secrets that the user asks the page to remember. They are only in the memory of this page, so a reload
// removes them. Blocks of one vendor share them. The ids of these blocks begin with the same word.
import type { Input } from "./input";
import type { Block } from "./types";

const remembered = new Map<string, string | undefined>();

const keyOf = (block: Block, name: string) => `${block.id.split("_")[0]} ${name}`;

export function isRemembered(block: Block, name: string): boolean {
  return remembered.has(keyOf(block, name));
}

export function rememberSecret(block: Block, name: string, text: string | undefined): void {
  remembered.set(keyOf(block, name), text);
}

export function forgetSecret(block: Block, name: string): void {
  remembered.delete(keyOf(block, name));
}

export function rememberedSecrets(block: Block): Input {
  const all = block.input.flatMap(({ name, secret }) => {
    const text = secret ? remembered.get(keyOf(block, name)) : undefined;
    return text === undefined ? [] : [[name, text] as const];
  });
  return new Map(all);
}
