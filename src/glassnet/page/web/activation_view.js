// The activation of the chosen neuron and its derivative as curves, with the rows of the batch on
// them; sliders for its parameters.

import { drawn, element, shown } from "./format.js";
import { slider } from "./sliders.js";

/** @type {import("./panels.js").Panel} */
export const activationPanel = {
  name: "activation",
  title: "Activation",
  live: true,
  async show(page, place) {
    const { chosen, spec, table, numbers, menu } = page;
    const own = spec.layers[chosen.layer];
    const entry = menu.activations.find((/** @type {any} */ a) => a.name === own.activation);
    const learnt = Object.fromEntries(Object.keys(entry.parameters).map((name) => {
      const found = numbers.parameters.filter((/** @type {any} */ p) => p.layer === chosen.layer && p.name === `${own.activation}.${name}`);
      return [name, (found[0]?.value ?? [entry.parameters[name]])[chosen.neuron] ?? entry.parameters[name]];
    }));
    const z = Array.from({ length: 121 }, (_, i) => -6 + i / 10);
    const points = numbers.rows.map((/** @type {number} */ _, /** @type {number} */ i) => ({
      z: numbers.layers[chosen.layer].z[i * own.width + chosen.neuron],
      a: numbers.layers[chosen.layer].a[i * own.width + chosen.neuron],
    }));
    const curve = await page.thread.ask("activation", { name: own.activation, z, parameters: learnt });
    const about = `${entry.about} The dots are the rows of the current batch at the chosen neuron. Where the dashed derivative is near 0, so is the gradient that passes through.`;
    const fields = Object.keys(learnt).map((name, i) => {
      const before = chosen.layer ? spec.layers[chosen.layer - 1].width : table.columns.length;
      const at = page.offset(chosen.layer) + (before + 1 + i) * own.width + chosen.neuron;
      const found = numbers.parameters.find((/** @type {any} */ p) => p.layer === chosen.layer && p.name === `${own.activation}.${name}`);
      return slider(page, name, at, learnt[name], found?.gradient[chosen.neuron] ?? 0);
    });
    const whole = own.activation === "Softmax" ? " Softmax depends on all scores of its layer; the curve is for one score, where one other score is 0." : "";
    place.replaceChildren(
      element("p", {}, about + whole),
      element("div", { class: "two" },
        activationCurve(z, curve, points, own.activation),
        element("div", { class: "sliders" }, ...(fields.length ? [element("p", {}, "Learnt by gradient descent, like weights; you can also set them by hand."), ...fields] : []))));
  },
};

/** @param {number[]} z @param {{a: number[], slope: number[]}} curve @param {{z: number, a: number}[]} points @param {string} name */
function activationCurve(z, { a, slope }, points, name) {
  const [width, height] = [560, 240];
  const all = [...a, ...slope].filter(Number.isFinite);
  const [low, high] = [Math.max(-3, Math.min(...all)) - 0.1, Math.min(3, Math.max(...all)) + 0.1];
  const x = (/** @type {number} */ v) => ((Math.max(-6, Math.min(6, v)) + 6) / 12) * width;
  const y = (/** @type {number} */ v) => height * (1 - (Math.max(low, Math.min(high, v)) - low) / (high - low));
  const path = (/** @type {number[]} */ values) => values.map((v, i) => `${i ? "L" : "M"}${x(z[i]).toFixed(1)} ${y(v).toFixed(1)}`).join("");
  const svg = drawn("svg", { viewBox: `-6 -6 ${width + 12} ${height + 26}`, role: "img", class: "wide", "aria-label": `${name} and its derivative from −6 to 6` });
  svg.append(
    drawn("path", { d: `M0 ${y(0)}H${width}M${x(0)} 0V${height}`, stroke: "var(--line)", fill: "none" }),
    drawn("path", { d: path(slope), fill: "none", stroke: "var(--neg)", "stroke-width": 2, "stroke-dasharray": "6 4" }),
    drawn("path", { d: path(a), fill: "none", stroke: "var(--pos)", "stroke-width": 2.5 }),
    ...points.map((p) => drawn("circle", { cx: x(p.z), cy: y(p.a), r: 4.5, fill: "var(--mark)", "fill-opacity": 0.75 })),
    drawn("text", { x: 6, y: 14, "font-size": 13, fill: "var(--pos)" }, "a = f(z)"),
    drawn("text", { x: 6, y: 32, "font-size": 13, fill: "var(--neg)" }, "- - f′(z)"),
    drawn("text", { x: width, y: height + 16, "text-anchor": "end", "font-size": 12, fill: "var(--soft)" }, "z from −6 to 6"),
    ...[high - 0.1, low + 0.1].map((v) => drawn("text", { x: x(0) + 5, y: y(v) + 4, "font-size": 11, fill: "var(--soft)" }, shown(v))),
  );
  return svg;
}
