// Curves of numbers over steps, small and labelled.

import { drawn, shown } from "./format.js";

/** @typedef {{name: string, points: [number, number][], colour: string, dash?: string}} Line */

/**
 * Lines over steps.
 * @param {Line[]} lines @param {{label: string, log?: boolean, from?: string, to?: string}} about what the
 *   chart is called, whether it goes by powers of ten, and what stands at the ends of its axis
 */
export function chart(lines, { label, log = false, from, to }) {
  const [width, height, left, bottom] = [440, 190, 62, 22];
  const value = (/** @type {number} */ v) => (log ? Math.log10(Math.max(v, 1e-12)) : v);
  const all = lines.flatMap(({ points }) => points).filter(([, v]) => Number.isFinite(v));
  const ends = (/** @type {number[]} */ v) => [Math.min(...v), Math.max(...v)];
  const [first, last] = all.length ? ends(all.map(([s]) => s)) : [0, 1];
  const [low, high] = all.length ? ends(all.map(([, v]) => value(v))) : [0, 1];
  const pad = (high - low) * 0.06 || Math.max(1e-9, Math.abs(high) * 0.05);
  const x = (/** @type {number} */ s) => left + ((width - left - 10) * (s - first)) / (last - first || 1);
  const y = (/** @type {number} */ v) => 10 + (height - bottom - 10) * (1 - (value(v) - low + pad) / (high - low + 2 * pad));
  const svg = drawn("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", class: "chart", "aria-label": label });
  const text = (/** @type {number} */ tx, /** @type {number} */ ty, /** @type {string} */ what, anchor = "end", fill = "var(--soft)") =>
    drawn("text", { x: tx, y: ty, "text-anchor": anchor, "font-size": 11.5, fill }, what);
  const axis = (/** @type {number} */ v) => (log ? 10 ** v : v);
  svg.append(
    drawn("path", { d: `M${left} 10V${height - bottom}H${width - 10}`, fill: "none", stroke: "var(--line)" }),
    text(left - 6, 18, shown(axis(high))), text(left - 6, height - bottom, shown(axis(low))),
    text(left, height - 6, from ?? String(first), "start"), text(width - 10, height - 6, to ?? `step ${last}`));
  for (const { points, colour, dash } of lines) {
    const d = points.filter(([, v]) => Number.isFinite(v)).map(([s, v], i) => `${i ? "L" : "M"}${x(s).toFixed(1)} ${y(v).toFixed(1)}`).join("");
    svg.append(drawn("path", { d, fill: "none", stroke: colour, "stroke-width": 2, "stroke-dasharray": dash ?? "", "stroke-linejoin": "round" }));
    const end = points[points.length - 1];
    if (end && Number.isFinite(end[1])) svg.append(drawn("circle", { cx: x(end[0]), cy: y(end[1]), r: 3.5, fill: colour }));
  }
  return svg;
}
