/** What these pages share. */

import { address } from "../../lib/page.js";

export * from "../../lib/page.js";

export const words = (type) => type.replace(/\.v\d+$/, "").replace(/[._]/g, " ");

export const audit = (filter) => address(["time", "audit"], filter);
