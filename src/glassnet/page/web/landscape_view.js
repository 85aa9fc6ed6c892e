// The landscape: the loss over two directions of the weights, with the paths of optimisers.
//
// In: the page. Out: a panel.

import { drawn, element, shown } from "./format.js";
import { paintField } from "./picture.js";
import { allWeights } from "./sliders.js";

const MOST_NAMED = 300; // weights to choose from
const SQUARE = 51; // points of the square in each direction
const LEVELS = 12; // lines of equal loss
const COLOURS = ["#1c2330", "#7a3fb0", "#25683f"];
const DASHES = ["", "9 5", "2 4"];

/**
 * @typedef {{step: number, weights: ArrayLike<number>}[]} Path
 * @typedef {{losses: Float32Array, side: number, reach: number, centre: ArrayLike<number>,
 *   first: ArrayLike<number>, second: ArrayLike<number>, share?: number,
 *   paths: {name: string, lr?: number, path: Path, loss?: number, steps?: number, finite?: boolean}[]}} Landscape
 */

/** @type {{name: string, title: string, show: (page: any, place: any) => Promise<void>}} */
export const landscapePanel = {
  name: "landscape",
  title: "Landscape",
  async show(page, place) {
    const state = (page.landscape ??= { kind: "weights", reach: 2, seed: 1, steps: 200, rules: threeRules(page) });
    const { losses, about, found } = await asked(page, state);
    const buttons = [
      choice(page, "two weights", { kind: "weights" }),
      choice(page, "two random directions", { kind: "random" }),
      choice(page, "SGD, momentum and Adam", { kind: "paths" }),
    ];
    const more = state.kind === "paths" ? ruleFields(page, state) : [
      ...(state.kind === "weights" ? ["across", "up"].map((way) => weightField(page, way)) : []),
      element("button", { onclick: () => change(page, { reach: state.reach / 2 }) }, "zoom in"),
      element("button", { onclick: () => change(page, { reach: state.reach * 2 }) }, "zoom out"),
      ...(state.kind === "random" ? [element("button", { onclick: () => change(page, { seed: state.seed + 1 }) }, "other directions")] : []),
    ];
    place.replaceChildren(
      element("div", { class: "row" }, ...buttons), element("div", { class: "row" }, ...more),
      element("p", {}, about), element("div", { class: "landscape" }, picture(found, losses, page), legend(found)),
    );
  },
};

/** @param {any} page @param {string} label @param {any} changed */
function choice(page, label, changed) {
  return element("button", { "aria-pressed": String(page.landscape.kind === changed.kind), onclick: () => change(page, changed) }, label);
}

/** @param {any} page @param {any} changed */
function change(page, changed) {
  Object.assign(page.landscape, changed);
  return page.showPanel();
}

/** The optimisers that are compared, with their learning rates. @param {any} page */
function threeRules({ choice: { lr } }) {
  return [{ optimizer: "SGD", lr }, { optimizer: "SGD with momentum", lr: lr / 5 }, { optimizer: "Adam", lr: 0.03 }];
}

/** @param {any} page @param {any} state */
function ruleFields(page, state) {
  const field = (/** @type {string} */ label, /** @type {number} */ value, /** @type {(value: number) => void} */ act, /** @type {any} */ more) => {
    const made = element("input", { type: "number", value, min: 0, step: "any", ...more });
    made.addEventListener("change", () => {
      const number = Number(made.value);
      if (made.value !== "" && Number.isFinite(number) && number >= 0) act(number);
      void change(page, {});
    });
    return element("label", {}, label, made);
  };
  return [
    ...state.rules.map((/** @type {any} */ rule) => field(`η of ${rule.optimizer}`, rule.lr, (lr) => (rule.lr = lr), {})),
    field("steps", state.steps, (steps) => (state.steps = Math.max(1, Math.min(5000, Math.round(steps)))), { min: 1, max: 5000, step: 1 }),
  ];
}

/** @param {any} page @param {any} state @returns {Promise<{losses: Float32Array, about: string, found: Landscape}>} */
async function asked(page, state) {
  if (state.kind === "paths") {
    const found = await page.thread.ask("compare", { rules: state.rules, steps: state.steps, side: SQUARE });
    const share = Math.floor(100 * found.share);
    const about = `Three optimisers from the same initial weights, on the same batches. The plane spans the two directions in which they move most, with ${share} % of their movement; the paths are projected onto it.`;
    return { losses: found.losses, found, about: `${about} ${scaleText(found.losses)}` };
  }
  const { first, second, label } = directions(page, state);
  const found = await page.thread.ask("landscape", { first, second, side: SQUARE, reach: state.reach });
  const about = `The loss of the training rows over ${label}, ${shown(state.reach)} in each direction from the current weights (the cross).`;
  return { losses: found.losses, found, about: `${about} ${scaleText(found.losses)}` };
}

/** @param {Float32Array} losses */
function scaleText(losses) {
  const [low, high] = ends(losses);
  return `Orange is low (${shown(low)}), blue is high (${shown(high)}); lines join points of equal loss, in logarithmic steps.`;
}

/** The least and the largest finite loss. @param {Float32Array} losses */
function ends(losses) {
  const finite = [...losses].filter(Number.isFinite);
  return [Math.min(...finite), Math.max(...finite)];
}

/** Two directions in the space of the weights. @param {any} page @param {any} state */
function directions(page, { kind, seed }) {
  const count = page.snapshot.weights.length;
  if (kind === "random") return { ...byFilter(page, seed), label: "two random directions, scaled for each neuron to the length of its weights" };
  const one = (/** @type {number} */ at) => Array.from({ length: count }, (_, i) => Number(i === at));
  const { across, up } = twoWeights(page);
  const names = allWeights(page);
  return { first: one(across), second: one(up), label: `${names[across].whole} (across) and ${names[up].whole} (up)` };
}

/** The places in W of two weights: those that are asked for, else the chosen one and its bias. @param {any} page @returns {{across: number, up: number}} */
function twoWeights(page) {
  const { chosen: { layer, neuron, edge }, choice: { layers }, table, landscape } = page;
  const start = page.offset(layer);
  const width = layers[layer].width;
  const before = layer ? layers[layer - 1].width : table.columns.length;
  return { across: landscape.across ?? start + (edge ?? 0) * width + neuron, up: landscape.up ?? start + before * width + neuron };
}

/** @param {any} page @param {string} way */
function weightField(page, way) {
  const now = /** @type {any} */ (twoWeights(page))[way];
  const field = element("select", { id: `landscape-${way}` }, ...allWeights(page).slice(0, MOST_NAMED).map(({ at, whole }) => element("option", { value: at, ...(at === now ? { selected: true } : {}) }, whole)));
  field.addEventListener("change", () => change(page, { [way]: Number(field.value) }));
  return element("label", {}, way, field);
}

/**
 * Filter-normalised random directions: the part of each neuron has the length of its weights and
 * bias, so that the picture does not depend on how weights are scaled between layers.
 * @param {any} page @param {number} seed
 */
function byFilter(page, seed) {
  const { snapshot, choice: { layers }, table } = page;
  const random = normal(seed);
  const [first, second] = [0, 1].map(() => {
    const way = new Array(snapshot.weights.length).fill(0);
    layers.forEach((/** @type {{width: number}} */ { width }, /** @type {number} */ layer) => {
      const start = page.offset(layer);
      const before = layer ? layers[layer - 1].width : table.columns.length;
      for (let neuron = 0; neuron < width; neuron++) {
        const places = Array.from({ length: before + 1 }, (_, i) => start + i * width + neuron);
        for (const at of places) way[at] = random();
        const size = (/** @type {ArrayLike<number>} */ v) => Math.sqrt(places.reduce((sum, at) => sum + v[at] ** 2, 0));
        const by = (size(snapshot.weights) || 1) / (size(way) || 1);
        for (const at of places) way[at] *= by;
      }
    });
    return way;
  });
  return { first, second };
}

/** Numbers of a normal distribution, the same ones for the same seed. @param {number} seed */
function normal(seed) {
  let state = seed * 2654435769;
  const uniform = () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (((t ^ (t >>> 14)) >>> 0) + 0.5) / 4294967296;
  };
  return () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
}

/** Paths over the field. @param {Landscape} found @param {Float32Array} losses @param {any} page */
function picture(found, losses, page) {
  const [low, high] = ends(losses);
  const rim = 0.02 * (high - low) || 1;
  const level = (/** @type {number} */ v) => (Number.isFinite(v) ? Math.log((v - low + rim) / rim) / Math.log((high - low + rim) / rim || 2) : 1);
  const canvas = element("canvas", { width: 520, height: 520, "aria-hidden": "true" });
  const levels = Float32Array.from(losses, level);
  paintField(canvas, found.side, (i) => 2 * levels[i] - 1, { middle: 0, reach: 1 });
  const svg = drawn("svg", { viewBox: "0 0 520 520", role: "img", "aria-label": `The loss from ${shown(low)} to ${shown(high)}, with ${found.paths.length === 1 ? "the path" : "the paths"} of ${found.paths.map(({ name }) => name).join(", ")}` });
  svg.append(drawn("path", { d: contours(levels, found.side, 520), fill: "none", stroke: "#1c2330", "stroke-width": 0.7, "stroke-opacity": 0.45 }));
  const at = onSquare(found, 520);
  found.paths.forEach(({ path }, i) => {
    if (path.length === 0) return;
    const d = path.map(({ weights }, k) => `${k ? "L" : "M"}${at(weights).map((v) => v.toFixed(1)).join(" ")}`).join("");
    const [x, y] = at(path[path.length - 1].weights);
    svg.append(
      drawn("path", { d, fill: "none", stroke: "#fff", "stroke-width": 5, "stroke-opacity": 0.75, "stroke-linejoin": "round" }),
      drawn("path", { d, fill: "none", stroke: COLOURS[i], "stroke-width": 2.6, "stroke-dasharray": DASHES[i], "stroke-linejoin": "round" }),
      drawn("circle", { cx: x, cy: y, r: 6, fill: COLOURS[i], stroke: "#fff", "stroke-width": 2 }));
  });
  const start = found.paths.length > 1 ? found.paths[0].path[0].weights : page.snapshot.weights;
  const [x, y] = at(start);
  svg.append(drawn("path", { d: `M${x - 9} ${y}h18M${x} ${y - 9}v18`, stroke: "#a5281b", "stroke-width": 3.5 }));
  return element("div", { class: "square card" }, canvas, svg);
}

/** Where weights lie on the picture. @param {Landscape} found @param {number} size @returns {(weights: ArrayLike<number>) => number[]} */
function onSquare({ centre, first, second, reach }, size) {
  const along = (/** @type {ArrayLike<number>} */ weights, /** @type {ArrayLike<number>} */ way) => {
    let [sum, length] = [0, 0];
    for (let k = 0; k < way.length; k++) {
      sum += way[k] * (weights[k] - centre[k]);
      length += way[k] ** 2;
    }
    return sum / (length || 1) / reach;
  };
  return (weights) => [((1 + along(weights, first)) / 2) * size, ((1 - along(weights, second)) / 2) * size];
}

/** Lines of equal level, as a path. @param {Float32Array} levels @param {number} side @param {number} size */
function contours(levels, side, size) {
  const step = size / (side - 1);
  let d = "";
  for (let n = 1; n < LEVELS; n++) {
    const value = n / LEVELS;
    for (let i = 0; i < (side - 1) * (side - 1); i++) d += crossing(levels, side, i % (side - 1), Math.floor(i / (side - 1)), value, step);
  }
  return d;
}

/** The piece of a line within one cell. @param {Float32Array} levels @param {number} side @param {number} x @param {number} y @param {number} value @param {number} step */
function crossing(levels, side, x, y, value, step) {
  const corners = [[0, 0], [1, 0], [1, 1], [0, 1]].map(([dx, dy]) => ({ x: x + dx, y: y + dy, v: levels[(y + dy) * side + x + dx] }));
  const points = corners.flatMap((a, i) => {
    const b = corners[(i + 1) % 4];
    if (a.v < value === b.v < value) return [];
    const share = (value - a.v) / (b.v - a.v);
    return [`${(step * (a.x + share * (b.x - a.x))).toFixed(1)} ${(step * (a.y + share * (b.y - a.y))).toFixed(1)}`];
  });
  return points.length < 2 ? "" : `M${points[0]}L${points[1]}${points.length === 4 ? `M${points[2]}L${points[3]}` : ""}`;
}

/** @param {Landscape} found */
function legend({ paths }) {
  const lines = paths.map(({ name, lr, path, loss, steps, finite }, i) => {
    const line = drawn("svg", { viewBox: "0 0 44 12", class: "key", "aria-hidden": "true" });
    line.append(drawn("path", { d: "M2 6H42", stroke: COLOURS[i], "stroke-width": 3, "stroke-dasharray": DASHES[i] }));
    const end = path[path.length - 1];
    const cells = loss === undefined ? [String(end?.step ?? 0), ""] : [String(steps), finite ? shown(loss) : "not finite"];
    return element("tr", {}, element("td", {}, line), element("th", { scope: "row" }, name), element("td", {}, lr === undefined ? "" : shown(lr)), ...cells.map((text) => element("td", {}, text)));
  });
  const head = element("tr", {}, ...["line", "optimiser", "η", "steps", "training loss"].map((text) => element("th", {}, text)));
  return element("table", { class: "plain" }, element("thead", {}, head), element("tbody", {}, ...lines));
}
