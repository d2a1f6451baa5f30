// All that the page knows about Segment: the messages that its blocks send, and its library for Node.
import type { Input } from "./input";
import { show } from "./json";
import type { Block } from "./types";

// typeOf returns the type of the message that a block sends, if any. It is the last word of the id.
export function typeOf(block: Block): string | undefined {
  return /_(track|identify|page|screen|group|alias)(@|$)/.exec(block.id)?.[1];
}

// inputOfMessage makes the input with which a block sends a message again. It leaves the time out.
export function inputOfMessage(block: Block, message: Record<string, unknown>): Input {
  const known = block.input.filter((f) => !f.secret && f.name in message && f.name !== "timestamp");
  return new Map(known.map((f) => [f.name, show(message[f.name])]));
}

// callOf writes the call of Segment's library for Node that makes a message, if there is one.
export function callOf(type: string, message: Record<string, unknown>): string | undefined {
  if (!/^(track|identify|page|screen|group|alias)$/.test(type)) return undefined;
  const own = ["sentAt", "receivedAt", "originalTimestamp", "type", "writeKey"];
  const given = Object.entries(message).filter(([name]) => !own.includes(name));
  return `analytics.${type}(${show(Object.fromEntries(given))});`;
}
