// Renews what changes by itself. Forms stay as they are; without this script the link "refresh" does the same.
"use strict";
(() => {
  const live = document.getElementById("live");
  if (!live) return;
  const renew = async () => {
    if (document.hidden || live.contains(document.activeElement)) return;
    try {
      const address = new URL(location.href);
      address.searchParams.set("part", "live");
      const answer = await fetch(address, { credentials: "same-origin" });
      if (!answer.ok) throw new Error(String(answer.status));
      const text = await answer.text();
      if (!live.contains(document.activeElement)) live.innerHTML = text;
      live.classList.remove("lost");
    } catch {
      live.classList.add("lost");
    }
  };
  setInterval(renew, 2000);
})();
