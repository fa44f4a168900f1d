/** What these pages share: the words of an event's type, ways into the audit. */

import { address } from "../../lib/page.js";

export * from "../../lib/page.js";

export const words = (type) => type.replace(/\.v\d+$/, "").replace(/[._]/g, " ");

export const audit = (filter) => address(["time", "audit"], filter);
