/** All pages: what the navigation shows to who has the right `may`. A module's default export is a
 * component that gets `parts`, the rest of the address after `path`, and `query`. */
export const PAGES = [
  { path: "projects", title: "Projects", icon: "board", may: "project.list", load: () => import("./pages/projects.js") },
  { path: "analyst", title: "Analysis", icon: "chart", may: "analytics.query", load: () => import("./pages/analyst/analyst.js") },
  { path: "time", title: "Time machine", icon: "replay", may: "replay.read", load: () => import("./pages/time/time.js") },
  { path: "operations", title: "Operations", icon: "ops", may: "health.read", load: () => import("./pages/operations/operations.js") },
];
