// The history of runs on this machine. It is in IndexedDB, bounded, and without secrets.
import type { Outcome } from "./types";

export interface Run {
  id?: number;
  at: number;
  block: string;
  source: string;
  emulated: boolean;
  ms: number;
  input: string;
  outcome: Outcome;
  pinned?: boolean;
}

const most = 200; // runs to keep, not counting pinned ones
const longest = 256 * 1024; // characters in a run; a longer run is not kept

function open(): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open("segment-blocks", 1);
    request.onupgradeneeded = () => request.result.createObjectStore("runs", { keyPath: "id", autoIncrement: true });
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

// inStore runs one request against the store. If the browser forbids it, there is no history, and
// everything else works.
async function inStore<T>(
  mode: IDBTransactionMode,
  act: (store: IDBObjectStore) => IDBRequest<T>,
): Promise<T | undefined> {
  try {
    const db = await open();
    return await new Promise<T>((resolve, reject) => {
      const request = act(db.transaction("runs", mode).objectStore("runs"));
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => reject(request.error);
    }).finally(() => db.close());
  } catch {
    return undefined;
  }
}

// allRuns returns all runs, the newest first.
export async function allRuns(): Promise<Run[]> {
  return ((await inStore<Run[]>("readonly", (s) => s.getAll())) ?? []).reverse();
}

// runsOf returns the last ten runs of a block.
export async function runsOf(block: string): Promise<Run[]> {
  return (await allRuns()).filter((r) => r.block === block).slice(0, 10);
}

export function runById(id: number): Promise<Run | undefined> {
  return inStore<Run>("readonly", (s) => s.get(id));
}

export async function keepRun(run: Run): Promise<void> {
  if (JSON.stringify(run).length > longest) return;
  await inStore("readwrite", (s) => s.add(run));
  const spare = (await allRuns()).filter((r) => !r.pinned).slice(most);
  for (const r of spare) await inStore("readwrite", (s) => s.delete(r.id!));
}

export async function pin(run: Run): Promise<void> {
  await inStore("readwrite", (s) => s.put({ ...run, pinned: !run.pinned }));
}

export async function clearRuns(): Promise<void> {
  await inStore("readwrite", (s) => s.clear());
}
