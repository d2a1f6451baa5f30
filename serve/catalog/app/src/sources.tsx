// The destination of events: the choice of the source, and the bar that says whether it is real.
import { useState } from "preact/hooks";
import { get } from "./api";
import { useLoaded } from "./loaded";
import type { Source, Sources } from "./types";

const key = "segment-blocks.source";

// useSources returns the sources that a block can use, or all. It keeps the user's choice if possible.
export function useSources(ref: string): Sources {
  const all = useLoaded("", (signal) => get<{ sources: Source[] }>("v1/sources", signal));
  const [name, setName] = useState(sessionStorage.getItem(key));
  const choose = (wanted: string) => {
    sessionStorage.setItem(key, wanted);
    setName(wanted);
  };
  const block = ref.split("@")[0]!;
  const list = all.value?.sources.filter((s) => !block || !s.blocks || s.blocks.includes(block));
  const chosen = list?.find((s) => s.name === name) ?? list?.find((s) => s.default) ?? list?.[0];
  return { list, error: all.error, chosen, choose };
}

function saysOf(source: Source): string {
  if (!source.emulated) return "Events go to the real receiver";
  return /^https?:\/\/(127\.|localhost\b|\[::1\])/.test(source.endpoint ?? "")
    ? "Events stay on this machine"
    : "Events go to an emulator";
}

export function SourceBar({ sources }: { sources: Sources }) {
  const { list, chosen } = sources;
  if (!list) return <div class="target" aria-busy="true" />;
  if (!chosen) return <div class="target">No source fits this block, so its input must have all that a run needs.</div>;
  return (
    <div class={`target ${chosen.emulated ? "emulated" : "real"}`} role="region" aria-label="Where events go">
      <strong>{chosen.emulated ? "Emulated" : "Real"}</strong>
      <span class="says">{saysOf(chosen)}</span>
      {list.length > 1 ? (
        <label>
          Source{" "}
          <select value={chosen.name} onChange={(e) => sources.choose(e.currentTarget.value)}>
            {list.map((s) => (
              <option key={s.name} value={s.name}>
                {s.name} ({s.emulated ? "emulated" : "real"})
              </option>
            ))}
          </select>
        </label>
      ) : (
        chosen.name && <span>Source {chosen.name}</span>
      )}
      {chosen.endpoint && <code>{chosen.endpoint}</code>}
      {chosen.delivery && chosen.delivery !== "direct" && <span>{chosen.delivery}</span>}
      {chosen.fingerprint && <span title="Fingerprint of the credential">{chosen.fingerprint}</span>}
    </div>
  );
}
