// Trends of several points: uPlot over the server's drawing, one panel a unit, one cursor; the newest values followed, a part
// seen closer by dragging, a panel saved as a picture. Everything also works without it.
"use strict";
(() => {
  const holder = document.querySelector("[data-trends]");
  if (!holder || !window.uPlot) return;
  const root = document.documentElement;
  const zone = root.dataset.zone || "UTC";
  const locale = root.lang === "en" ? "en-GB" : root.lang;
  const ink = (name) => getComputedStyle(root).getPropertyValue(name).trim();
  const { inkOf, beyond } = window.plantroomChart;
  const DASHES = [[], [9, 4], [2, 3], [12, 3, 2, 3]];
  const font = `12px ${getComputedStyle(document.body).fontFamily}`;
  const days = new Intl.DateTimeFormat(locale, { timeZone: zone, day: "numeric", month: "short" });
  const hours = new Intl.DateTimeFormat("en-GB", { timeZone: zone, hour: "2-digit", minute: "2-digit" });
  const full = new Intl.DateTimeFormat("en-GB", { timeZone: zone, day: "2-digit", month: "2-digit", hour: "2-digit", minute: "2-digit", second: "2-digit" });
  const decimals = (one) => (String(Number(one.toFixed(4))).split(".")[1] || "").length;
  const charts = [];
  let view = null;

  // one table for all curves of a panel: what a curve has no value for is passed over, a gap stays a gap
  function table(panel) {
    const parts = [];
    for (const one of panel.series) {
      parts.push([one.at.map((v) => v / 1000), one.mean]);
      if (one.was.at.length) parts.push([one.was.at.map((v) => v / 1000), one.was.mean]);
    }
    return uPlot.join(parts);
  }
  function reach(panel) {
    const values = panel.limits.map((l) => l.value);
    for (const one of panel.series) for (const column of [one.low, one.high, one.mean, one.was.mean]) for (const v of column) if (v !== null) values.push(v);
    let low = Infinity;
    let high = -Infinity;
    for (const v of values) { if (v < low) low = v; if (v > high) high = v; }
    const pad = (high - low || Math.abs(high) || 1) * 0.08;
    return [low - pad, high + pad];
  }
  function curves(panel) {
    const found = [{ label: view.words.time, value: (_, v) => (v === null || v === undefined ? "" : full.format(v * 1000)) }];
    panel.series.forEach((one, index) => {
      const value = (_, v) => (v === null || v === undefined ? "—" : `${v.toFixed(panel.digits).replace("-", "−")} ${panel.unit}`);
      const dots = { show: one.mean.filter((v) => v !== null).length < 3 };
      found.push({ label: one.name, stroke: ink("--ink"), width: 1.8, dash: DASHES[index], spanGaps: false, points: dots, value });
      if (one.was.at.length) found.push({ label: `${one.name}, ${view.words.was}`, stroke: ink("--ink-3"), width: 1.2, dash: DASHES[index], spanGaps: false, points: { show: false }, value });
    });
    return found;
  }
  function draw(box, index) {
    const panel = () => view.panels[index];
    const axis = { stroke: ink("--ink-3"), grid: { stroke: ink("--line"), width: 1 }, ticks: { stroke: ink("--line"), width: 1 }, font };
    const isLong = () => view.end - view.start > 4 * 86400000;
    const time = (v) => (isLong() || hours.format(v * 1000) === "00:00" ? days : hours).format(v * 1000);
    const chart = new uPlot({
      width: box.clientWidth - 32, height: 280, tzDate: (ts) => uPlot.tzDate(new Date(ts * 1000), zone),
      cursor: { sync: { key: "trends" }, drag: { x: true, y: false } },
      scales: { x: { range: () => [view.start / 1000, view.end / 1000] }, y: { range: () => reach(panel()) } },
      legend: { live: true },
      series: curves(panel()),
      axes: [{ ...axis, values: (_, at) => at.map(time) }, { ...axis, size: 64, values: (_, v) => v.map((one) => one.toFixed(Math.max(...v.map(decimals))).replace("-", "−")) }],
      hooks: { drawClear: [(u) => behind(u, panel())], draw: [(u) => before(u, panel())], setSelect: [zoom] },
    }, table(panel()), box);
    box.querySelector(".drawn").hidden = true;
    addEventListener("resize", () => chart.setSize({ width: box.clientWidth - 32, height: 280 }));
    return chart;
  }
  function behind(u, panel) {
    const { left, top, width, height } = u.bbox;
    if (panel.series.length === 1) for (const limit of panel.limits) {
      const y = Math.min(top + height, Math.max(top, u.valToPos(limit.value, "y", true)));
      u.ctx.fillStyle = inkOf(limit.severity)[1];
      if (limit.op.startsWith("<")) u.ctx.fillRect(left, y, width, top + height - y);
      else u.ctx.fillRect(left, top, width, y - top);
    }
    u.ctx.fillStyle = ink("--bar");
    for (const gap of panel.gaps) {
      const [from, to] = gap.map((at) => Math.min(left + width, Math.max(left, u.valToPos(at / 1000, "x", true))));
      for (let x = from; x < to; x += 6) u.ctx.fillRect(x, top, Math.min(3, to - x), height);
    }
  }
  function before(u, panel) {
    const { left, top, width, height } = u.bbox;
    const scale = devicePixelRatio;
    let column = 1;
    panel.series.forEach((one, index) => { beyond(u, column, one.limits, DASHES[index]); column += one.was.at.length ? 2 : 1; });
    u.ctx.save();
    u.ctx.textBaseline = "alphabetic";
    u.ctx.textAlign = "left";
    u.ctx.font = `600 ${12 * scale}px ${getComputedStyle(document.body).fontFamily}`;
    for (const limit of panel.limits) {
      const y = u.valToPos(limit.value, "y", true);
      u.ctx.strokeStyle = u.ctx.fillStyle = inkOf(limit.severity)[0];
      u.ctx.lineWidth = 1.6 * scale;
      u.ctx.setLineDash([7 * scale, 4 * scale]);
      u.ctx.beginPath(); u.ctx.moveTo(left, y); u.ctx.lineTo(left + width, y); u.ctx.stroke();
      u.ctx.fillText(limit.text, left + 8, limit.op.startsWith("<") ? y + 15 * scale : y - 6 * scale);
    }
    u.ctx.strokeStyle = u.ctx.fillStyle = ink("--ink-2");
    u.ctx.lineWidth = scale;
    u.ctx.setLineDash([2 * scale, 3 * scale]);
    for (const event of view.events) {
      const x = u.valToPos(event.at / 1000, "x", true);
      if (x < left || x > left + width) continue;
      u.ctx.beginPath(); u.ctx.moveTo(x, top); u.ctx.lineTo(x, top + height); u.ctx.stroke();
    }
    u.ctx.textAlign = "center";
    for (const one of panel.series) {
      const step = Math.max(1, Math.floor(one.doubts.length / 60));
      one.doubts.forEach((doubt, index) => {
        const x = u.valToPos(doubt.at / 1000, "x", true);
        if (index % step === 0 && x >= left && x <= left + width) u.ctx.fillText(doubt.quality === "bad" ? "✕" : "?", x, top + height - 3 * scale);
      });
    }
    u.ctx.restore();
  }
  function zoom(u) {
    if (u.select.width < 8) return;
    const address = new URL(holder.dataset.href, location.href);
    address.searchParams.delete("span");
    address.searchParams.set("from", Math.round(u.posToVal(u.select.left, "x") * 1000));
    address.searchParams.set("to", Math.round(u.posToVal(u.select.left + u.select.width, "x") * 1000));
    location.href = address;
  }

  // ---------- a panel as a picture: its name above what is drawn ----------
  function picture(index, name) {
    const drawn = charts[index].ctx.canvas;
    const head = 34 * devicePixelRatio;
    const legend = 20 * devicePixelRatio;
    const names = view.panels[index].series.map((one) => one.name);
    const canvas = document.createElement("canvas");
    canvas.width = drawn.width;
    canvas.height = head + drawn.height + legend * names.length + 8 * devicePixelRatio;
    const on = canvas.getContext("2d");
    on.fillStyle = ink("--panel");
    on.fillRect(0, 0, canvas.width, canvas.height);
    on.drawImage(drawn, 0, head);
    on.fillStyle = on.strokeStyle = ink("--ink");
    on.font = `600 ${14 * devicePixelRatio}px ${getComputedStyle(document.body).fontFamily}`;
    on.fillText(`${name}  ${view.panels[index].unit}`, 12 * devicePixelRatio, 22 * devicePixelRatio);
    on.font = `${12 * devicePixelRatio}px ${getComputedStyle(document.body).fontFamily}`;
    names.forEach((one, row) => {
      const y = head + drawn.height + legend * (row + 0.6);
      on.setLineDash(DASHES[row].map((v) => v * devicePixelRatio));
      on.lineWidth = 1.8 * devicePixelRatio;
      on.beginPath(); on.moveTo(12 * devicePixelRatio, y); on.lineTo(52 * devicePixelRatio, y); on.stroke();
      on.fillText(one, 60 * devicePixelRatio, y + 4 * devicePixelRatio);
    });
    canvas.toBlob((blob) => {
      const link = document.createElement("a");
      link.href = URL.createObjectURL(blob);
      link.download = `${name.replace(/[\\/:*?"<>|]+/g, "-")}.png`;
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 10000);
    }, "image/png");
  }
  for (const button of document.querySelectorAll("[data-png]")) button.addEventListener("click", () => picture(Number(button.dataset.png), button.dataset.name));

  // ---------- the newest values, while the range ends now ----------
  let isAsking = false;
  let last = 0;
  async function ask() {
    const answer = await fetch(holder.dataset.trends, { headers: { Accept: "application/json" } });
    return answer.ok ? answer.json() : null;
  }
  async function follow() {
    const pause = Math.max(2000, (view.end - view.start) / 2000);
    if (isAsking || document.hidden || Date.now() - last < pause) return;
    isAsking = true;
    try {
      const found = await ask();
      if (!found) return;
      view = found;
      last = Date.now();
      charts.forEach((chart, index) => chart?.setData(table(view.panels[index])));
      holder.dataset.shown = String(view.end);
    } catch { /* the page's own banner says that the stream is lost */ } finally { isAsking = false; }
  }
  async function begin() {
    view = await ask();
    if (!view) return;
    for (const box of holder.querySelectorAll("[data-panel]")) {
      const index = Number(box.dataset.panel);
      charts[index] = draw(box, index);
      const button = document.querySelector(`[data-png="${index}"]`);
      if (button) button.hidden = false;
    }
    last = Date.now();
    holder.dataset.shown = String(view.end);
    if (view.isLive) document.body.addEventListener("plantroom:news", follow);
    if (view.isLive) setInterval(follow, 5000);
  }
  begin();
})();
