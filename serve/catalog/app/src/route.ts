// The fragment of the URL is the address of a screen. So it works below any prefix, and the content of
// a share link is sent to no server.
import { useEffect, useState } from "preact/hooks";

export interface Route {
  parts: string[]; // such as those of #/blocks/segment_track
  query: URLSearchParams; // such as that of ?tab=schema
}

function current(): Route {
  const [path = "", query = ""] = location.hash.replace(/^#\/?/, "").split("?", 2);
  return { parts: path.split("/").filter(Boolean).map(decoded), query: new URLSearchParams(query) };
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part; // a stray %: no screen has this name
  }
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

// setQuery changes the query of the address without an entry in the browser's history.
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
