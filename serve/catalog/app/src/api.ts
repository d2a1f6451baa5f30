// The requests that the page makes: to the REST API, and to the emulator where there is one.
import { parse } from "./json";
import type { Problem } from "./types";

const here = document.documentElement.dataset;
const apiRoot = new URL(here.api!, location.href.replace(/#.*/, "")).href;
const pageRoot = new URL(".", location.href.replace(/#.*/, "")).href;
const emulatorRoot = `${pageRoot}emulator/v1/`;

export const hasEmulator = "emulator" in here;
export const hasWorkflows = "workflows" in here;
export const hasAACFlow = "aacflow" in here;
export const nonce = here.nonce!;

// urlOf returns the address of a path such as v1/blocks.
export function urlOf(path: string): string {
  if (path.startsWith("emulator/")) return emulatorRoot + path.slice("emulator/".length);
  return (path.startsWith("aacflow/") ? pageRoot : apiRoot) + path;
}

// Refused is an answer that reports a problem, or the failure to get an answer.
export class Refused extends Error {
  constructor(readonly problem: Problem) {
    super(problem.detail);
  }
}

// The token is kept for this tab's session, and nowhere else.
const tokenKey = "segment-blocks.token";
export const hasToken = () => sessionStorage.getItem(tokenKey) !== null;

export function keepToken(token: string): void {
  sessionStorage.setItem(tokenKey, token);
}

// The page says, before its first request, how to ask the user for the token.
let askForToken: (wrong: boolean) => Promise<void>;
export const onUnauthorized = (f: typeof askForToken) => void (askForToken = f);

// ask sends a request, and asks the user for the token if the server wants one.
export async function ask(path: string, init: RequestInit = {}): Promise<Response> {
  for (;;) {
    const token = sessionStorage.getItem(tokenKey);
    const headers = new Headers(init.headers);
    if (token) headers.set("Authorization", `Bearer ${token}`);
    let res: Response;
    try {
      res = await fetch(urlOf(path), { ...init, headers });
    } catch (e) {
      if ((e as Error).name === "AbortError") throw e;
      const detail = "the server cannot be reached: is it still running?";
      throw new Refused({ status: 0, code: "unreachable", detail });
    }
    if (res.status !== 401) return res;
    const now = sessionStorage.getItem(tokenKey);
    if (now !== null && now !== token) continue; // another request has got a token meanwhile
    sessionStorage.removeItem(tokenKey);
    await askForToken(token !== null);
  }
}

export async function read<T>(res: Response): Promise<T> {
  const { status } = res;
  const text = await res.text();
  let value: unknown;
  try {
    value = parse(text);
  } catch {
    throw new Refused({ status, code: "unreadable", detail: `the server answered ${status} without JSON` });
  }
  if (res.ok) return value as T;
  const told = value as Problem & { error?: { message?: string } };
  if (told.detail) throw new Refused(told);
  throw new Refused({ status, code: "refused", detail: told.error?.message ?? text.slice(0, 300) });
}

export async function get<T>(path: string, signal?: AbortSignal): Promise<T> {
  return read<T>(await ask(path, { signal }));
}

export async function getText(path: string, accept: string): Promise<string> {
  const res = await ask(path, { headers: { Accept: accept } });
  return res.ok ? res.text() : read(res);
}

// post sends a body that is JSON text already.
export async function post<T>(path: string, body: string, signal?: AbortSignal): Promise<T> {
  // MCP requires that the client also accepts a stream. The other endpoints prefer JSON.
  const accept = path.startsWith("mcp") ? "application/json, text/event-stream" : "application/json";
  const headers = { "Content-Type": "application/json", Accept: accept };
  return read<T>(await ask(path, { method: "POST", headers, body, signal }));
}

export async function del(path: string): Promise<void> {
  await read(await ask(path, { method: "DELETE" }));
}
