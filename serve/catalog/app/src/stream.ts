// Server-sent events. The browser's EventSource can neither send a token nor post.
import { ask, read } from "./api";

export interface Message {
  event: string;
  data: string;
}

// stream reads events until the server ends them.
export async function* stream(path: string, init: RequestInit): AsyncGenerator<Message> {
  const res = await ask(path, { ...init, headers: { Accept: "text/event-stream", ...init.headers } });
  if (!res.ok || !res.body) await read(res);
  let rest = "";
  for await (const chunk of res.body!.pipeThrough(new TextDecoderStream())) {
    const blocks = (rest + chunk).split("\n\n");
    rest = blocks.pop()!;
    for (const block of blocks) {
      const message: Message = { event: "message", data: "" };
      for (const line of block.split("\n")) {
        if (line.startsWith("event: ")) message.event = line.slice(7);
        if (line.startsWith("data: ")) message.data += line.slice(6);
      }
      if (message.data) yield message;
    }
  }
}

export function postStream(path: string, body: string, signal: AbortSignal): AsyncGenerator<Message> {
  return stream(path, { method: "POST", body, signal, headers: { "Content-Type": "application/json" } });
}
