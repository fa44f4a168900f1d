/** All pages: what the navigation shows, and to whom.
 *
 * `path`: the first part of the address after `#/`. `may`: asked with the table of access, see
 * lib/session.js. `load`: the module; its default export is a component that gets `parts`, the
 * rest of the address, and `query`. A style sheet of its own is loaded by `styled` (lib/styled.js).
 * @type {{path: string, title: string, icon: string, may: (can: (action: string) => boolean) => boolean,
 *   load: () => Promise<{default: Function}>}[]} */
export const PAGES = [
  {
    path: "projects",
    title: "Projects",
    icon: "board",
    may: (can) => can("project.list"),
    load: () => import("./pages/projects.js"),
  },
  {
    path: "analyst",
    title: "Analysis",
    icon: "chart",
    may: (can) => can("analytics.query"),
    load: () => import("./pages/analyst/analyst.js"),
  },
  {
    path: "time",
    title: "Time machine",
    icon: "replay",
    may: (can) => can("replay.read"),
    load: () => import("./pages/time/time.js"),
  },
  {
    path: "operations",
    title: "Operations",
    icon: "ops",
    may: (can) => can("health.read"),
    load: () => import("./pages/operations/operations.js"),
  },
];
