// The panels below the network: each shows one idea of the present run.
//
// In: the page. Out: a list of panels; a panel has a title and builds its content when it is shown.

import { drawn, element, shown } from "./format.js";
import { lecturePanel } from "./lecture_view.js";
import { fiveLines } from "./lines_view.js";
import { nodeName, subscript } from "./network_view.js";
import { landscapePanel } from "./landscape_view.js";
import { takePanel } from "./take_home.js";
import { wrongPanel } from "./wrong_view.js";
import { tablePanel } from "./your_table.js";

/** @typedef {{name: string, title: string, show: (page: any, place: any) => void|Promise<void>}} Panel */

/** @type {Panel} */
const linesPanel = {
  name: "lines",
  title: "The five lines",
  async show(page, place) {
    const operations = await page.operations.shown();
    const { numbers, row, chosen, spec, table, menu } = page;
    const loss = menu.losses.find((/** @type {any} */ own) => own.name === spec.loss);
    const optimizer = menu.optimizers.find((/** @type {any} */ own) => own.name === spec.optimizer);
    const pick = (/** @type {number} */ other) => page.pickRow(other);
    const columns = fiveLines(numbers, { row, chosen, spec, columns: table.columns, loss, optimizer, pick });
    place.replaceChildren(...operations, element("div", { class: "five" }, ...columns));
  },
};

/** @type {Panel} */
const handPanel = {
  name: "hand",
  title: "By hand",
  show(page, place) {
    const { chosen, spec, table, numbers } = page;
    const own = spec.layers[chosen.layer];
    const weight = numbers.parameters.find((/** @type {any} */ p) => p.name === `linear${chosen.layer + 1}.weight`);
    const bias = numbers.parameters.find((/** @type {any} */ p) => p.name === `linear${chosen.layer + 1}.bias`);
    const before = weight.shape[0];
    const start = page.offset(chosen.layer);
    const names = Array.from({ length: before }, (_, i) => nodeName(chosen.layer, i, table.columns, spec.layers.length, before));
    const fields = names.map((name, i) => {
      const at = i * own.width + chosen.neuron;
      return slider(page, `w${subscript(i + 1)} from ${name}`, start + at, weight.value[at], weight.gradient[at]);
    });
    fields.push(slider(page, "bias b", start + weight.value.length + chosen.neuron, bias.value[chosen.neuron], bias.gradient[chosen.neuron]));
    const name = nodeName(chosen.layer + 1, chosen.neuron, table.columns, spec.layers.length, own.width);
    const about = `Set the weights of neuron ${name} and watch the loss of the training rows. An arrow says which way gradient descent would go; click another neuron for its weights.`;
    place.replaceChildren(element("p", {}, about), element("div", { class: "sliders" }, ...fields));
  },
};

/** @param {any} page @param {string} label @param {number} at place in W @param {number} value @param {number} gradient */
function slider(page, label, at, value, gradient) {
  const id = `weight-${at}`;
  const reach = Math.max(4, Math.ceil(Math.abs(value)));
  const range = element("input", { type: "range", id, min: -reach, max: reach, step: "any", value });
  const field = element("input", { type: "number", step: "any", value: String(Number(value.toPrecision(6))), "aria-label": label });
  const set = (/** @type {string} */ text) => {
    const number = Number(text);
    if (text !== "" && Number.isFinite(number)) void page.setWeight(at, number);
  };
  range.addEventListener("input", () => {
    field.value = Number(range.value).toPrecision(4);
    set(range.value);
  });
  field.addEventListener("change", () => {
    range.value = field.value;
    set(field.value);
  });
  const way = gradient === 0 ? "·" : gradient > 0 ? "← down" : "up →";
  return element("div", { class: "slider" }, element("label", { for: id }, label), range, field, element("span", { class: gradient > 0 ? "neg" : "pos" }, `${way}  ∂L/∂w ${shown(gradient)}`));
}

/** @type {Panel} */
const activationPanel = {
  name: "activation",
  title: "Activation",
  async show(page, place) {
    const { chosen, spec, numbers, menu } = page;
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
    const about = `${entry.about} The dots are the rows of the present batch at the chosen neuron: where the dashed derivative is near 0, hardly any gradient passes.`;
    place.replaceChildren(element("p", {}, about), activationCurve(z, curve, points, own.activation));
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

/** @type {Panel} */
const racePanel = {
  name: "race",
  title: "Needles in a haystack",
  show(page, place) {
    const race = (page.race ??= { best: Infinity, tries: 0, descent: page.snapshot.loss, steps: page.snapshot.step, rounds: [] });
    const count = page.snapshot.weights.length;
    const covered = race.tries * 0.05 ** count;
    const run = (/** @type {number} */ passes) => page.runRace(passes);
    const row = (/** @type {string} */ who, /** @type {string} */ tries, /** @type {number} */ loss) =>
      element("tr", {}, element("th", { scope: "row" }, who), element("td", {}, tries), element("td", {}, Number.isFinite(loss) ? shown(loss) : "–"));
    place.replaceChildren(
      element("p", {}, `${count} weights. Random search draws all of them between −2 and 2 and keeps the best draw; gradient descent takes a step for each of its passes. Your hand is the present loss: set weights under “By hand”.`),
      element("div", { class: "row" }, ...[100, 1000, 10000].map((n) => element("button", { onclick: () => run(n) }, `race for ${n} passes`))),
      element("table", { class: "plain" }, element("tr", {}, ...["who", "forward passes", "least loss"].map((t) => element("th", {}, t))),
        row("random search", String(race.tries), race.best), row("gradient descent", String(race.steps), race.descent), row("the page now", String(page.snapshot.step), page.snapshot.loss)),
      element("p", {}, race.tries ? `If each draw told about a cube of 0.2 by 0.2 … around it, the draws so far would have seen ${shown(covered)} of the cube from −2 to 2 in ${count} dimensions.` : "Press a button to begin."),
    );
  },
};

/** @type {Panel} */
const proofPanel = {
  name: "proof",
  title: "Proof",
  async show(page, place) {
    const rows = await page.thread.ask("proof");
    const count = page.snapshot.weights.length;
    const error = (/** @type {any} */ r) => Math.abs(r.gradient - r.difference);
    const largest = Math.max(1e-12, ...rows.map((/** @type {any} */ r) => Math.abs(r.difference)));
    rows.sort((/** @type {any} */ a, /** @type {any} */ b) => error(b) - error(a));
    const wrong = rows.filter((/** @type {any} */ r) => !r.kink && error(r) > 1e-5 * largest + 1e-7).length;
    const kinks = rows.filter((/** @type {any} */ r) => r.kink).length;
    const verdict = wrong ? `${wrong} of ${rows.length} gradients are away from their difference.` : `All ${rows.length} gradients agree with their central differences${kinks ? `, ${kinks} of them beside a kink` : ""}.`;
    const cells = (/** @type {any} */ r) => [placeOf(r), shown(r.weight), shown(r.gradient), shown(r.difference), shown(error(r)), r.kink ? "kink" : ""];
    const head = element("tr", {}, ...["parameter", "w", "∂L/∂w (float32)", "central difference (float64)", "apart", "note"].map((t) => element("th", {}, t)));
    const body = rows.slice(0, 24).map((/** @type {any} */ r) => element("tr", {}, ...cells(r).map((c) => element("td", {}, c))));
    place.replaceChildren(
      element("p", { class: wrong ? "neg" : "" }, `${verdict} The loss of the next batch is computed with each parameter a little larger and a little smaller, in float64. Farthest apart first${count > rows.length ? `; ${rows.length} of ${count} parameters are compared, taken evenly` : ""}${rows.length > 24 ? ", 24 are shown" : ""}.`),
      element("table", { class: "plain" }, head, ...body),
    );
  },
};

/** @param {any} row */
function placeOf({ name, shape, place }) {
  return shape.length === 2 ? `${name}[${Math.floor(place / shape[1])}, ${place % shape[1]}]` : `${name}[${place}]`;
}

/** @type {Panel[]} */
export const PANELS = [linesPanel, handPanel, activationPanel, landscapePanel, racePanel, wrongPanel, proofPanel, tablePanel, takePanel, lecturePanel];
