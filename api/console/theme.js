// Before the first paint, or a page that was set to be dark would flash: so no module.
document.documentElement.dataset.theme = localStorage.getItem("formula.theme") ?? "auto";
