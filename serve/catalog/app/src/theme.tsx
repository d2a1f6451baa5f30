// The choice between light and dark. Without a choice, the page follows the system.
import { useState } from "preact/hooks";

const key = "segment-blocks.theme";
const root = document.documentElement.dataset;

root.theme = localStorage.getItem(key) ?? "";

export function Theme() {
  const [theme, setTheme] = useState(root.theme);
  const choose = (next: string) => {
    root.theme = next;
    localStorage.setItem(key, next);
    setTheme(next);
  };
  return (
    <select class="small" aria-label="Theme" value={theme} onChange={(e) => choose(e.currentTarget.value)}>
      <option value="">System theme</option>
      <option value="light">Light</option>
      <option value="dark">Dark</option>
    </select>
  );
}
