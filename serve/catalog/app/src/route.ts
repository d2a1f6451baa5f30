// The address of what is on the screen is the fragment of the URL: it works below any prefix, and
// what a share link holds is sent to no server.
import { useEffect, useState } from "preact/hooks";

export interface Route {
  parts: string[]; // of #/blocks/segment_track
  query: URLSearchParams; // of ?tab=schema
}

function current(): Route {
  const [path = "", query = ""] = location.hash.replace(/^#\/?/, "").split("?", 2);
  return { parts: path.split("/").filter(Boolean).map(decodeURIComponent), query: new URLSearchParams(query) };
}

export function useRoute(): Route {
  const [route, setRoute] = useState(current);
  useEffect(() => {
    const changed = () => setRoute(current());
    addEventListener("hashchange", changed);
    return () => removeEventListener("hashchange", changed);
  }, []);
  return route;
}

export function go(hash: string): void {
  location.hash = hash;
}

// setQuery changes the query of the address without a step in the browser's history.
export function setQuery(changes: Record<string, string>): void {
  const { parts, query } = current();
  for (const [name, value] of Object.entries(changes)) {
    if (value) query.set(name, value);
    else query.delete(name);
  }
  const text = query.toString();
  history.replaceState(null, "", `#/${parts.map(encodeURIComponent).join("/")}${text && `?${text}`}`);
  dispatchEvent(new HashChangeEvent("hashchange"));
}

export function blockLink(id: string, query = ""): string {
  return `#/blocks/${encodeURIComponent(id)}${query && `?${query}`}`;
}
