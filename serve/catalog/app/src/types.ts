// The types of the answers of the REST API and the emulator, as far as the page reads them.

// ScreenProps are the props of every screen: the blocks of the server, and the parts of the address.
export interface ScreenProps {
  blocks: Block[];
  id: string; // the id of what the screen shows, or ""
  query: URLSearchParams;
  sources: Sources;
}

export interface Field {
  name: string;
  type: "string" | "json" | "boolean" | "number";
  description: string;
  filledBy?: string;
  secret?: boolean;
  format?: string;
  kinds?: string[];
  example?: unknown;
  fields?: Field[];
}

export interface Example {
  title: string;
  input: Record<string, unknown>;
}

export interface Refusal {
  title: string;
  input: Record<string, unknown>;
  violations: Violation[];
}

export interface Block {
  id: string;
  name: string;
  summary: string;
  description: string;
  whenToUse: string;
  version: string;
  majors?: number[];
  deprecated?: string;
  replacedBy?: string;
  sunset?: string;
  changes?: { version: string; text: string }[];
  category: string;
  tags: string[];
  link?: string;
  icon?: string;
  color?: string;
  verb?: string;
  templates?: { title: string; prompt: string }[];
  skills?: { name: string; description: string; content: string }[];
  input: Field[];
  output: Field[];
  rules: string[];
  limits: string[];
  maxRequestBytes?: number;
  inputSchema: Schema;
  outputSchema: Schema;
  examples: Example[];
  refused: Refusal[];
}

// ErrorDoc is the API's description of a problem's code.
export interface ErrorDoc {
  code: string;
  status: number;
  meaning: string;
  remedy: string;
  sent: string;
}

export interface Schema {
  properties?: Record<string, Schema>;
  required?: string[];
  enum?: unknown[];
  [keyword: string]: unknown;
}

export interface Violation {
  path: string;
  code: string;
  message: string;
}

export interface Source {
  name: string;
  default?: boolean;
  endpoint?: string;
  emulated?: boolean;
  delivery?: string;
  fingerprint?: string;
  blocks?: string[];
}

// Sources are those that a block can use, the user's choice among them, or why they are not known.
export interface Sources {
  list?: Source[];
  error?: unknown;
  chosen?: Source;
  choose: (name: string) => void;
}

export interface Receipt {
  invocationId: string;
  source?: string;
  credential?: string;
  endpoint?: string;
  emulated?: boolean;
  messageIds: string[];
  accepted: number;
  stored?: number;
  requests: number;
  attempts: number;
  bytes: number;
  durationMs: number;
  warnings: Violation[];
}

export interface Verdict {
  valid: boolean;
  violations: Violation[];
  unlistedViolations?: number;
}

export interface Request {
  method: string;
  url: string;
  header: Record<string, string[]>;
  body: string;
  bytes: number;
}

export interface Attempt {
  startedAt: string;
  waitedMs: number;
  durationMs: number;
  request: Part & { method: string; url: string };
  response?: Part & { status: number };
  error?: string;
}

// Part is a request or a response, without its credential.
export interface Part {
  headers: Record<string, string | string[]>;
  body: string;
  truncated?: boolean;
}

export interface Problem {
  status: number; // 0 if the server gave no answer
  code: string;
  detail: string;
  retryable?: boolean;
  violations?: Violation[];
  unlistedViolations?: number;
  items?: unknown[];
  receipt?: Receipt;
}

// Outcome is the result of a run.
export type Outcome = ({ ok: true; output: string; receipt: Receipt } | { ok: false; problem: Problem }) & {
  attempts?: Attempt[];
};

// Invocation is an invocation that the server remembers. Not every server remembers them.
export interface Invocation {
  seq: number;
  block: string;
  source: string;
  startedAt: string;
  durationMs: number;
  status: "succeeded" | "failed";
  code?: string;
  messages: number;
}

// Stored is a message that the emulator has accepted, and Dropped is one that it has not.
export interface Stored {
  seq: number;
  request: number;
  type: string;
  name?: string;
  userId?: string;
  anonymousId?: string;
  messageId: string;
  receivedAt: string;
  notes?: string[];
  message: Record<string, unknown>;
}

export interface Dropped {
  seq: number;
  request: number;
  path: string;
  receivedAt: string;
  messageId?: string;
  problems: { code: string; pointer?: string; text?: string }[];
  message?: Record<string, unknown>;
}

// Received is a request to the emulator.
export interface Received {
  at: string;
  method: string;
  path: string;
  header: Record<string, string[]>;
  size: number;
  status: number; // 0 if the connection was cut
  faulted?: boolean;
  body?: unknown;
  bodyText?: string;
}

export interface Fault {
  status?: number;
  body?: string;
  retryAfter?: string;
  delay?: string;
  reset?: boolean;
  store?: boolean;
  times?: number;
  path?: string;
}
