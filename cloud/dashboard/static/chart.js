// What both chart scripts draw alike: a severity's colours, and the part of a curve that lies beyond a limit.
"use strict";
window.plantroomChart = {
  // ink, ground and mark of a severity, as the page's theme has them
  inkOf(severity) {
    const probe = document.createElement("i");
    probe.className = `sev-${severity}`;
    document.body.append(probe);
    const style = getComputedStyle(probe);
    const found = ["--sv-ink", "--sv-bg", "--sv"].map((name) => style.getPropertyValue(name).trim());
    probe.remove();
    return found;
  },
  // thicker and in the limit's colour, so that its shape tells it where colours do not; the stroke stays the curve's own
  beyond(u, index, limits, dash = []) {
    const { left, top, width, height } = u.bbox;
    const scale = devicePixelRatio;
    const values = u.data[index];
    for (const limit of limits) {
      const y = Math.min(top + height, Math.max(top, u.valToPos(limit.value, "y", true)));
      u.ctx.save();
      u.ctx.beginPath();
      if (limit.op.startsWith("<")) u.ctx.rect(left, y, width, top + height - y);
      else u.ctx.rect(left, top, width, y - top);
      u.ctx.clip();
      u.ctx.strokeStyle = u.ctx.fillStyle = window.plantroomChart.inkOf(limit.severity)[2];
      u.ctx.lineWidth = 3.2 * scale;
      u.ctx.lineJoin = "round";
      u.ctx.setLineDash(dash.map((one) => one * scale));
      u.ctx.beginPath();
      let isOn = false;
      values.forEach((value, at) => {
        if (value === undefined) return; // another curve's instant
        if (value === null) { isOn = false; return; }
        const point = [u.valToPos(u.data[0][at], "x", true), u.valToPos(value, "y", true)];
        if (isOn) u.ctx.lineTo(...point);
        else u.ctx.moveTo(...point);
        isOn = true;
      });
      u.ctx.stroke();
      u.ctx.restore();
    }
  },
};
