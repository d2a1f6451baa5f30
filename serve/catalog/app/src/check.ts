// What the server says of an input while it is typed. The server's validator is the only one: the
// page looks at the syntax of JSON and at nothing else.
import { useEffect, useRef, useState } from "preact/hooks";
import { post, Refused } from "./api";
import { faultOf, type Input } from "./json";
import type { Block, Receipt, Request, Verdict, Violation } from "./types";
import { count } from "./ui";

export interface Check {
  state: "checking" | "valid" | "invalid" | "failed";
  says: string;
  violations: Violation[];
  requests?: Request[];
  receipt?: Receipt;
  now: () => Promise<Violation[]>;
}

type State = Omit<Check, "now">;

export function bodyOf(input: Input, source: string, options: Record<string, unknown> = {}): string {
  const members = [...input].map(([name, text]) => `${JSON.stringify(name)}:${text}`);
  const rest = Object.entries({ ...(source && { source }), ...options });
  return `{"input":{${members.join(",")}}${rest.map(([n, v]) => `,"${n}":${JSON.stringify(v)}`).join("")}}`;
}

// faults finds the parameters whose text is not JSON.
function faults(input: Input): Violation[] {
  return [...input].flatMap(([name, text]) => {
    const message = faultOf(text);
    return message
      ? [{ path: `/${name.replaceAll("~", "~0").replaceAll("/", "~1")}`, code: "invalid_json", message }]
      : [];
  });
}

function invalid(violations: Violation[]): State {
  return { state: "invalid", says: `${count(violations.length, "problem")} to fix`, violations };
}

async function check(block: Block, input: Input, source: string, signal?: AbortSignal): Promise<State> {
  const broken = faults(input);
  if (broken.length) return invalid(broken);
  const body = bodyOf(input, source);
  try {
    const verdict = await post<Verdict>(`v1/blocks/${block.id}/validate`, body, signal);
    if (!verdict.valid) return invalid(verdict.violations);
    const path = `v1/blocks/${block.id}/preview`;
    const { requests, receipt } = await post<{ requests: Request[]; receipt: Receipt }>(path, body, signal);
    const says = `Ready to send ${count(requests.length, "request")}`;
    return { state: "valid", says, violations: [], requests, receipt };
  } catch (e) {
    const { problem } = e as Refused;
    if (problem?.violations?.length && problem.status === 422) return invalid(problem.violations);
    return { state: "failed", says: (e as Error).message, violations: [] };
  }
}

// useCheck asks the server 150 ms after the last change.
export function useCheck(block: Block, input: Input, source: string): Check {
  const [state, setState] = useState<State>({ state: "checking", says: "", violations: [] });
  const latest = useRef({ input, source });
  latest.current = { input, source };
  useEffect(() => {
    const controller = new AbortController();
    const timer = setTimeout(() => {
      void check(block, input, source, controller.signal).then((s) => controller.signal.aborted || setState(s));
    }, 150);
    return () => {
      clearTimeout(timer);
      controller.abort();
    };
  }, [block, input, source]);
  const now = async () => {
    const s = await check(block, latest.current.input, latest.current.source);
    setState(s);
    return s.violations;
  };
  return { ...state, now };
}
