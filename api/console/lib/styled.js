/** A page's own style sheet, loaded with its module. */

/** Returns once it holds: to be awaited at the top of the page's module.
 * @param {string} module the page's `import.meta.url` @param {string} sheet beside it */
export function styled(module, sheet) {
  const link = document.createElement("link");
  link.rel = "stylesheet";
  link.href = new URL(sheet, module).href;
  return new Promise((resolve) => {
    link.onload = link.onerror = resolve;
    document.head.append(link);
  });
}
