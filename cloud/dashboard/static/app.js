// The page's own script: ticking clocks, a lost stream said plainly, live rows that never move under a reader's hand,
// keys, sound on the wall, charts. Everything also works without it.
"use strict";
(() => {
  const root = document.documentElement;
  const body = document.body;
  const skew = Number(root.dataset.now) - Date.now(); // the server's clock counts
  const now = () => Date.now() + skew;
  const forms = JSON.parse(root.dataset.forms || "{}");
  const zone = root.dataset.zone || "UTC";
  const all = (selector, from = document) => from.querySelectorAll(selector);
  const fill = (text, values) => (text || "").replace(/\{(\w+)\}/g, (_, key) => values[key] ?? "");
  const clockText = (at) => new Intl.DateTimeFormat("en-GB", { timeZone: zone, hour: "2-digit", minute: "2-digit", second: "2-digit" }).format(at);

  // ---------- durations: the same two largest units as the server writes ----------
  const two = (n) => String(n).padStart(2, "0");
  function span(ms) {
    const s = Math.max(0, Math.floor(ms / 1000));
    if (s < 60) return fill(forms.s, { s });
    if (s < 600) return s % 60 ? fill(forms.min_s, { m: Math.floor(s / 60), s: s % 60 }) : fill(forms.min, { m: s / 60 });
    if (s < 3600) return fill(forms.min, { m: Math.floor(s / 60) });
    const [one, both, a, b] = s < 86400
      ? [forms.h, forms.h_min, Math.floor(s / 3600), Math.floor((s % 3600) / 60)]
      : [forms.d, forms.d_h, Math.floor(s / 86400), Math.floor((s % 86400) / 3600)];
    return b ? fill(both, { a, b: two(b) }) : fill(one, { a });
  }
  function tick() {
    for (const node of all("[data-due]")) {
      const left = Number(node.dataset.due) - now();
      const text = span(Math.abs(left));
      if (node.textContent !== text) node.textContent = text;
    }
    for (const node of all("[data-time]")) node.textContent = clockText(now());
  }

  // ---------- a reader elsewhere is told what time it is there and here ----------
  function elsewhere() {
    const note = document.querySelector("[data-zone-note]");
    const own = Intl.DateTimeFormat().resolvedOptions().timeZone;
    const at = (timeZone, day) => new Intl.DateTimeFormat("en-GB", { timeZone, hour: "2-digit", minute: "2-digit", ...day }).format(now());
    const date = { day: "numeric", month: "numeric" };
    if (!note || !own || at(zone, date) === at(own, date)) return;
    note.textContent = fill(note.dataset.zoneNote, { there: at(zone), here: at(own), own });
  }
  elsewhere();

  // ---------- the stream: fine, reconnecting after 5 s, said in a banner after 15 s ----------
  let heard = Date.now();
  let everHeard = false;
  function listen() {
    const live = document.getElementById("live");
    if (!live) return;
    const text = live.querySelector("[data-live-text]");
    const silent = Date.now() - heard;
    const banner = document.getElementById("lost");
    const isLost = silent > 15000;
    live.classList.toggle("lost", silent > 5000);
    const isFine = silent <= 5000 && everHeard;
    if (silent > 5000) text.textContent = live.dataset.lost;
    else if (everHeard) text.textContent = live.dataset.on;
    live.querySelector("[data-live-sep]").hidden = !isFine;
    live.querySelector("[data-live-age]").textContent = isFine ? fill(live.dataset.ago, { age: span(silent) }) : "";
    body.classList.toggle("is-lost", isLost);
    if (banner) {
      banner.hidden = !isLost;
      const told = banner.querySelector("[data-lost-at]");
      if (isLost && told && !told.textContent) told.textContent = fill(told.dataset.lostAt, { at: clockText(heard + skew) });
    }
  }
  function beat() { heard = Date.now(); if (!everHeard) { everHeard = true; listen(); } }
  // the server pushes the parts that this page shows; htmx opens the stream, and opens it again when it was cut
  const parts = [...all("[data-live], [data-part]")];
  const wanted = new URLSearchParams({ page: location.pathname + location.search });
  for (const { id, dataset } of parts) wanted.append(dataset.live ? "live" : "part", `${id} ${dataset.live || dataset.part}`);
  if (body.hasAttribute("sse-connect")) body.setAttribute("sse-connect", `/events?${wanted}`);
  function news() { beat(); body.dispatchEvent(new Event("plantroom:news")); }
  function receive(event) {
    beat();
    const target = document.getElementById(event.type);
    if (target) show(target, event.data);
  }
  function over() { location.reload(); }
  body.addEventListener("htmx:sseOpen", ({ detail: { source } }) => {
    source.addEventListener("beat", beat);
    source.addEventListener("over", over);
    for (const kind of ["work", "data"]) source.addEventListener(kind, news);
    for (const { id } of parts) source.addEventListener(id, receive);
  });
  document.addEventListener("visibilitychange", () => { if (!document.hidden) listen(); });

  // ---------- live swaps keep focus, open forms and the order under the pointer ----------
  const parked = new Map(); // target → newest page part that waits for the reader
  const isBusy = (target) => {
    const active = document.activeElement;
    if (active && target.contains(active) && active.matches("input:not([type=hidden]), textarea, select")) return true;
    return [...all("details[data-form][open], input[type=checkbox]:checked", target)].length > 0;
  };
  function rowsIn(part) { return [...all("[data-row]", part)].map((row) => row.dataset.row); }
  body.addEventListener("htmx:beforeSwap", (event) => {
    const target = event.detail.target;
    if (event.detail.xhr.status === 401) { location.reload(); return; }
    if (event.detail.shouldSwap && !mayShow(target, event.detail.serverResponse)) event.detail.shouldSwap = false;
    keepOpen(target);
  });
  function mayShow(target, html) {
    if (isBusy(target)) { parked.set(target, html); return false; }
    parked.delete(target);
    return !target.dataset.rowsOf || updateRows(target, html);
  }
  function show(target, html) { if (mayShow(target, html)) apply(target, html); }
  // true: swap the whole part. false: rows were updated in place and what is new waits behind a button.
  function updateRows(target, html) {
    const part = document.createElement("template");
    part.innerHTML = html;
    const shown = rowsIn(target);
    const coming = rowsIn(part.content);
    if (!shown.length || !target.dataset.new || shown.join() === coming.join()) return true;
    for (const row of all("[data-row]", target)) {
      const fresh = part.content.querySelector(`[data-row="${CSS.escape(row.dataset.row)}"]`);
      if (fresh && !row.contains(document.activeElement)) row.replaceWith(fresh.cloneNode(true));
      else if (!fresh) row.classList.add("muted");
    }
    offer(target, html, coming.filter((id) => !shown.includes(id)).length);
    return false;
  }
  function offer(target, html, count) {
    let button = target.querySelector(":scope > .new-rows");
    if (!button) {
      button = document.createElement("button");
      button.className = "btn sm new-rows";
      button.type = "button";
      target.prepend(button);
    }
    button.textContent = fill(target.dataset.new, { n: count });
    button.onclick = () => apply(target, html);
  }
  function apply(target, html) {
    keepOpen(target);
    htmx.swap(target, html, { swapStyle: "innerHTML" });
    settled(target);
  }
  let opened = [];
  function keepOpen(target) { opened = [...all("details[open]", target)].map((node, index) => node.id || index); }
  body.addEventListener("htmx:afterSwap", (event) => { if (event.detail.target) settled(event.detail.target); });
  function settled(swapped) {
    [...all("details", swapped)].forEach((node, index) => {
      if (node.id && opened.includes(node.id)) node.open = true;
      else if (!node.id && opened.includes(index)) node.open = true;
    });
    opened = [];
    tick(); listen(); ring(swapped); newest(swapped); reachable();
    if (swapped.id === "wall") body.classList.toggle("has-life", !!swapped.querySelector(".lifeband"));
  }
  // where a trend is wider than its card, its newest end is shown
  function newest(part) { for (const box of all(".body, .drawn", part)) if (box.querySelector(":scope > .trend")) box.scrollLeft = box.scrollWidth; }
  newest(document);
  // what scrolls is a tab stop, so that the arrow keys move it; what fits is none
  function reachable() {
    for (const box of all(".card, .card > .body, .card > footer, .drawn, .scroll")) {
      const scrolls = box.scrollWidth > box.clientWidth + 1 && /auto|scroll/.test(getComputedStyle(box).overflowX);
      if (scrolls) box.tabIndex = 0; else if (box.tabIndex === 0) box.removeAttribute("tabindex");
    }
  }
  reachable();
  addEventListener("resize", reachable);
  document.addEventListener("toggle", (event) => {
    if (event.target.open) return;
    for (const [target, html] of parked) if (!isBusy(target)) { parked.delete(target); apply(target, html); }
  }, true);

  // ---------- a button pressed twice is pressed once ----------
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.method !== "post") return;
    if (form.dataset.sent) { event.preventDefault(); return; }
    form.dataset.sent = "1";
    setTimeout(() => delete form.dataset.sent, 8000);
  });
  document.addEventListener("click", (event) => {
    const link = event.target.closest("[data-opens]");
    const details = link && document.getElementById(link.dataset.opens);
    if (details) { details.open = true; setTimeout(() => details.querySelector("input:not([type=hidden]), textarea, select")?.focus(), 0); }
  });

  // ---------- keys ----------
  let isGoing = false;
  const places = { w: "/wall", e: "/equipment", a: "/alarms", t: "/tickets", m: "/my" };
  const keysOn = () => localStorage.getItem("plantroom_keys") !== "off";
  function step(by) {
    const rows = [...all("tr[data-row], .wk[data-row]")];
    if (!rows.length) return;
    const at = rows.findIndex((row) => row.classList.contains("is-here"));
    const next = rows[Math.min(rows.length - 1, Math.max(0, at + by))];
    rows.forEach((row) => row.classList.toggle("is-here", row === next));
    next.scrollIntoView({ block: "nearest" });
  }
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input, textarea, select")) return;
    const dialog = document.getElementById("keys");
    if (event.key === "?" && dialog) { dialog.showModal(); return; }
    if (!keysOn()) return;
    const here = document.querySelector("tr.is-here, .wk.is-here");
    if (isGoing && places[event.key]) location.href = places[event.key];
    isGoing = event.key === "g";
    if (event.key === "/") { document.getElementById("search")?.focus(); event.preventDefault(); }
    if (event.key === "j") step(1);
    if (event.key === "k") step(-1);
    if (event.key === "Enter" && here && !event.target.closest("a, button, summary")) location.href = here.dataset.open || here.href || here.querySelector("a")?.href;
    if (event.key === "a") (here || document).querySelector("form[action$='/acknowledge'] button")?.click();
  });
  const toggle = document.querySelector("[data-keys-toggle]");
  if (toggle) {
    const say = () => { toggle.textContent = keysOn() ? toggle.dataset.off : toggle.dataset.on; };
    toggle.addEventListener("click", () => { localStorage.setItem("plantroom_keys", keysOn() ? "off" : "on"); say(); });
    say();
  }

  // ---------- wall: cursor rests, optional sound from a severity on (/wall?sound=critical), a mute that ends by itself ----------
  const ranks = ["advisory", "minor", "major", "critical", "life_safety"];
  let mutedUntil = 0;
  let lastRung = null;
  let audio = null;
  function ring(target) {
    const wanted = body.dataset.sound;
    const button = document.querySelector("[data-mute-button]");
    const head = target?.querySelector?.(".wall-top");
    if (!wanted || !head || !button) return;
    const [severity, at] = (head.dataset.worst || "").split(" ");
    const isNew = at && at !== lastRung && lastRung !== null;
    lastRung = at || "";
    if (mutedUntil > Date.now()) { button.hidden = false; button.textContent = fill(body.dataset.muted, { at: clockText(mutedUntil + skew) }); return; }
    if (!isNew || ranks.indexOf(severity) < ranks.indexOf(wanted)) return;
    play(ranks.indexOf(severity));
    button.hidden = false;
    button.textContent = audio?.state === "suspended" ? body.dataset.blocked : body.dataset.mute;
  }
  function play(rank) {
    audio = audio || new AudioContext();
    for (let i = 0; i <= Math.max(0, rank - 1); i += 1) {
      const tone = audio.createOscillator();
      const level = audio.createGain();
      tone.frequency.value = 520 + rank * 90;
      level.gain.value = 0.15;
      tone.connect(level).connect(audio.destination);
      tone.start(audio.currentTime + i * 0.35);
      tone.stop(audio.currentTime + i * 0.35 + 0.2);
    }
  }
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-mute-button]");
    if (!button) return;
    if (audio?.state === "suspended") { audio.resume(); button.hidden = true; return; }
    mutedUntil = Date.now() + 600000;
    button.textContent = fill(body.dataset.muted, { at: clockText(mutedUntil + skew) });
    setTimeout(() => { for (const one of all("[data-mute-button]")) one.hidden = true; }, 600000);
  });
  if (body.classList.contains("wall")) {
    let rest = 0;
    document.addEventListener("pointermove", () => {
      body.classList.remove("is-idle");
      clearTimeout(rest);
      rest = setTimeout(() => body.classList.add("is-idle"), 5000);
    });
    ring(document.getElementById("wall"));
  }

  // ---------- charts: uPlot over the server's drawing ----------
  const { inkOf, beyond } = window.plantroomChart || {};
  const ink = (name, from = root) => getComputedStyle(from).getPropertyValue(name).trim();
  async function draw(holder) {
    const answer = await fetch(holder.dataset.chart, { headers: { Accept: "application/json" } });
    if (!answer.ok) return;
    const data = await answer.json();
    if (!data.at.length) return;
    const drawn = holder.querySelector(".drawn");
    const font = `12px ${getComputedStyle(body).fontFamily}`;
    const dots = { show: data.mean.filter((v) => v !== null).length < 3 };
    const days = new Intl.DateTimeFormat(root.lang === "en" ? "en-GB" : root.lang, { timeZone: zone, day: "numeric", month: "short" });
    const hours = new Intl.DateTimeFormat("en-GB", { timeZone: zone, hour: "2-digit", minute: "2-digit" });
    const decimals = (one) => (String(Number(one.toFixed(4))).split(".")[1] || "").length;
    const isLong = data.end - data.start > 4 * 86400000;
    const axis = { stroke: ink("--ink-3"), grid: { stroke: ink("--line"), width: 1 }, ticks: { stroke: ink("--line"), width: 1 }, font };
    const low = Math.min(...data.limits.map((l) => l.value), ...data.low.filter((v) => v !== null));
    const high = Math.max(...data.limits.map((l) => l.value), ...data.high.filter((v) => v !== null));
    const pad = (high - low || Math.abs(high) || 1) * 0.08;
    const chart = new uPlot({
      width: holder.clientWidth - 32, height: 260, tzDate: (ts) => uPlot.tzDate(new Date(ts * 1000), zone),
      cursor: { sync: { key: "plantroom" }, drag: { x: true, y: false } },
      scales: { x: { range: () => [data.start / 1000, data.end / 1000] }, y: { range: () => [low - pad, high + pad] } },
      legend: { live: true },
      series: [
        { label: data.time, value: (_, v) => (v === null ? "" : clockText(v * 1000)) },
        { label: data.name, stroke: ink("--ink"), width: 1.8, spanGaps: false, points: dots, value: (_, v, __, i) => (i === null ? "" : v === null ? data.none : `${v.toFixed(data.digits)} ${data.unit}`) },
        { label: data.least, stroke: ink("--ink-3"), width: 1, dash: [2, 3], spanGaps: false, points: { show: false }, value: (_, v) => (v === null ? "" : v.toFixed(data.digits)) },
        { label: data.greatest, stroke: ink("--ink-3"), width: 1, dash: [2, 3], spanGaps: false, points: { show: false }, value: (_, v) => (v === null ? "" : v.toFixed(data.digits)) },
      ],
      axes: [{ ...axis, values: (_, at) => at.map((v) => (isLong || hours.format(v * 1000) === "00:00" ? days : hours).format(v * 1000)) }, { ...axis, size: 64, values: (_, v) => v.map((one) => one.toFixed(Math.max(...v.map(decimals))).replace("-", "−")) }],
      hooks: {
        drawClear: [(u) => zones(u, data)],
        draw: [(u) => beyond(u, 1, data.limits), (u) => marks(u, data)],
        setSelect: [(u) => zoom(u, holder)],
      },
    }, [data.at.map((v) => v / 1000), data.mean, data.low, data.high], holder);
    drawn.hidden = true;
    addEventListener("resize", () => chart.setSize({ width: holder.clientWidth - 32, height: 260 }));
  }
  function zones(u, data) {
    const { left, top, width, height } = u.bbox;
    for (const limit of data.limits) {
      const y = u.valToPos(limit.value, "y", true);
      u.ctx.fillStyle = inkOf(limit.severity)[1];
      if (limit.op.startsWith("<")) u.ctx.fillRect(left, y, width, top + height - y);
      else u.ctx.fillRect(left, top, width, y - top);
    }
    u.ctx.fillStyle = ink("--bar");
    for (const gap of data.gaps) {
      const [from, to] = gap.map((at) => Math.min(left + width, Math.max(left, u.valToPos(at / 1000, "x", true))));
      for (let x = from; x < to; x += 6) u.ctx.fillRect(x, top, Math.min(3, to - x), height);
    }
  }
  function marks(u, data) {
    const { left, top, width, height } = u.bbox;
    u.ctx.save();
    u.ctx.textAlign = "left";
    u.ctx.textBaseline = "alphabetic";
    for (const limit of data.limits) {
      const y = u.valToPos(limit.value, "y", true);
      u.ctx.strokeStyle = u.ctx.fillStyle = inkOf(limit.severity)[0];
      u.ctx.lineWidth = 1.6 * devicePixelRatio;
      u.ctx.setLineDash([7 * devicePixelRatio, 4 * devicePixelRatio]);
      u.ctx.beginPath(); u.ctx.moveTo(left, y); u.ctx.lineTo(left + width, y); u.ctx.stroke();
      u.ctx.font = `600 ${12 * devicePixelRatio}px ${getComputedStyle(body).fontFamily}`;
      u.ctx.fillText(limit.text, left + 8, limit.op.startsWith("<") ? y + 15 * devicePixelRatio : y - 6 * devicePixelRatio);
    }
    u.ctx.strokeStyle = ink("--ink-2");
    u.ctx.lineWidth = devicePixelRatio;
    u.ctx.setLineDash([2 * devicePixelRatio, 3 * devicePixelRatio]);
    for (const event of data.events) {
      const x = u.valToPos(event.at / 1000, "x", true);
      if (x < left || x > left + width) continue;
      u.ctx.beginPath(); u.ctx.moveTo(x, top); u.ctx.lineTo(x, top + height); u.ctx.stroke();
    }
    u.ctx.restore();
  }
  function zoom(u, holder) {
    if (u.select.width < 8) return;
    const from = Math.round(u.posToVal(u.select.left, "x") * 1000);
    const to = Math.round(u.posToVal(u.select.left + u.select.width, "x") * 1000);
    location.href = `${holder.dataset.href}&from=${from}&to=${to}`;
  }
  if (window.uPlot) for (const holder of all("[data-chart]")) draw(holder);

  tick(); listen();
  setInterval(() => { tick(); listen(); }, 1000);
})();
