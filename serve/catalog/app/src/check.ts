// The server's check of an input while the user types. Only the server validates: the page itself
// checks nothing but the syntax of JSON.
import { useEffect, useState } from "preact/hooks";
import { post, Refused } from "./api";
import { bodyOf, type Input, pointer } from "./input";
import { faultOf } from "./json";
import type { Block, Receipt, Request, Verdict, Violation } from "./types";
import { count } from "./ui";

export interface Check {
  state: "checking" | "valid" | "invalid" | "failed";
  says: string;
  violations: Violation[];
  requests?: Request[];
  receipt?: Receipt;
}

// faults finds the parameters whose text is not JSON.
function faults(input: Input): Violation[] {
  return [...input].flatMap(([name, text]) => {
    const message = faultOf(text);
    return message ? [{ path: pointer(name), code: "invalid_json", message }] : [];
  });
}

function invalid(listed: Violation[], unlisted = 0): Check {
  const says = `${count(listed.length + unlisted, "problem")} to fix`;
  const more = unlisted ? [{ path: "", code: "", message: `and ${count(unlisted, "more problem")}` }] : [];
  return { state: "invalid", says, violations: [...listed, ...more] };
}

export async function check(block: Block, input: Input, source: string, signal?: AbortSignal): Promise<Check> {
  const broken = faults(input);
  if (broken.length) return invalid(broken);
  const body = bodyOf(input, source);
  try {
    const verdict = await post<Verdict>(`v1/blocks/${block.id}/validate`, body, signal);
    if (!verdict.valid) return invalid(verdict.violations, verdict.unlistedViolations);
    const path = `v1/blocks/${block.id}/preview`;
    const { requests, receipt } = await post<{ requests: Request[]; receipt: Receipt }>(path, body, signal);
    const says = requests.length ? `Ready to send ${count(requests.length, "request")}` : "Ready";
    return { state: "valid", says, violations: [], requests, receipt };
  } catch (e) {
    const { problem } = e as Refused;
    if (problem?.violations?.length && problem.status === 422)
      return invalid(problem.violations, problem.unlistedViolations);
    return { state: "failed", says: (e as Error).message, violations: [] };
  }
}

// useCheck asks the server 150 ms after the last change, and every two seconds while the server is
// unreachable. Its result changes with each answer. A caller can also set an answer that it has got
// elsewhere.
export function useCheck(block: Block, input: Input, source: string) {
  const [state, setState] = useState<Check>({ state: "checking", says: "", violations: [] });
  const lost = state.state === "failed" && state;
  useEffect(() => {
    const controller = new AbortController();
    const { signal } = controller;
    const ask = () => void check(block, input, source, signal).then((c) => signal.aborted || setState(c));
    const timer = setTimeout(ask, lost ? 2000 : 150);
    return () => {
      clearTimeout(timer);
      controller.abort();
    };
  }, [block, input, source, lost]);
  return [state, setState] as const;
}
