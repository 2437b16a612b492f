// The equipment tree is walked by the arrow keys: up and down through what is shown, left to the parent, right to the first child.
"use strict";
(() => {
  const tree = document.querySelector("[data-tree]");
  if (!tree) return;
  const links = () => [...tree.querySelectorAll("a")].filter((link) => link.offsetParent);
  const parent = (link) => link.closest("ul").closest("li")?.querySelector(":scope > a");
  const child = (link) => link.parentElement.querySelector(":scope > ul > li > a");
  tree.addEventListener("keydown", (event) => {
    const link = event.target.closest("a");
    if (!link || event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
    const all = links();
    const at = all.indexOf(link);
    const next = {
      ArrowDown: all[at + 1], ArrowUp: all[at - 1], ArrowLeft: parent(link), ArrowRight: child(link), Home: all[0], End: all[all.length - 1],
    }[event.key];
    if (next) { event.preventDefault(); next.focus(); }
  });
})();
