// Power quality: an hour of the month is told when pointed at or walked to by the arrow keys, and reading is said to take time.
// Without this script a cell's title tells the same.
"use strict";
(() => {
  const told = document.querySelector("[data-told]");
  const table = document.querySelector("table.heat");
  const hint = document.querySelector("[data-hint]");
  if (told && table) {
    const tell = (cell) => { told.textContent = (cell && cell.title) || hint.dataset.hint; };
    table.addEventListener("pointerover", (event) => tell(event.target.closest("td[title]")));
    table.addEventListener("pointerleave", () => tell(null));
    table.addEventListener("focusin", (event) => tell(event.target.closest("td[title]")));
    const moves = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
    const cellAt = (row, column) => table.tBodies[0].rows[row]?.cells[column];
    let stop = cellAt(0, 1); // the one cell that the tab key reaches
    if (stop) stop.tabIndex = 0;
    const go = (cell) => {
      if (!cell || cell.tagName !== "TD") return false;
      stop.tabIndex = -1;
      stop = cell;
      stop.tabIndex = 0;
      stop.focus();
      return true;
    };
    table.addEventListener("keydown", (event) => {
      const move = moves[event.key];
      const from = event.target.closest("td");
      if (!move || !from || event.altKey || event.ctrlKey || event.metaKey) return;
      if (go(cellAt(from.parentElement.sectionRowIndex + move[0], from.cellIndex + move[1]))) event.preventDefault();
    });
  }
  const loading = document.querySelector("[data-loading]");
  if (loading) {
    const main = document.getElementById("main");
    const wait = () => { loading.hidden = false; main.setAttribute("aria-busy", "true"); };
    main.addEventListener("click", (event) => {
      const link = event.target.closest("a[href^='/power?']");
      if (link && !event.ctrlKey && !event.metaKey && !event.shiftKey) wait();
    });
    main.addEventListener("submit", wait);
    addEventListener("pageshow", () => { loading.hidden = true; main.removeAttribute("aria-busy"); });
  }
})();
