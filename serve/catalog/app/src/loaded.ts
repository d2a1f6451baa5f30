import { useEffect, useState } from "preact/hooks";

interface Loaded<T> {
  value?: T;
  error?: unknown;
}

// useLoaded loads something again whenever the key changes.
export function useLoaded<T>(key: string, load: (signal: AbortSignal) => Promise<T>): Loaded<T> {
  const [state, setState] = useState<Loaded<T> & { key: string }>({ key });
  useEffect(() => {
    const controller = new AbortController();
    load(controller.signal).then(
      (value) => setState({ key, value }),
      (error) => controller.signal.aborted || setState({ key, error }),
    );
    return () => controller.abort();
  }, [key]);
  return state.key === key ? state : {};
}
