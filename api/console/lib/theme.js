/** Light, dark, or as the system is; kept in this browser. */

import { html, useState } from "./html.js";
import { Icon } from "./icons.js";

const KEPT = "formula.theme";
const NEXT = { auto: "light", light: "dark", dark: "auto" }; // each has an icon of its name

export function ThemeSwitch() {
  const [theme, setTheme] = useState(document.documentElement.dataset.theme);
  const turn = () => {
    const next = NEXT[theme];
    document.documentElement.dataset.theme = next;
    localStorage.setItem(KEPT, next);
    setTheme(next);
  };
  return html`<button class="plain" title="Theme: ${theme}" aria-label="Theme: ${theme}" onClick=${turn}>
    <${Icon} name=${theme} />
  </button>`;
}
