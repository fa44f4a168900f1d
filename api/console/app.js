/** See README.md's "The console". */

import { html, render } from "./lib/html.js";
import { start } from "./lib/session.js";
import "./lib/live.js";
import { Shell } from "./shell.js";

render(html`<${Shell} />`, document.getElementById("app"));
start();
