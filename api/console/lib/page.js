/** What most pages are made with, to import it from one place. */

export * from "./ask.js";
export * from "./asked.js";
export * from "./controls.js";
export * from "./html.js";
export * from "./http.js";
export * from "./live.js";
export * from "./people.js";
export * from "./rest.js";
export * from "./route.js";
export * from "./session.js";
export * from "./toast.js";
export * from "./when.js";
