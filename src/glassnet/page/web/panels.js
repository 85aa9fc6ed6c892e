// The panels below the network: each shows one idea of the present run.
//
// In: the page. Out: a list of panels; a panel has a title and builds its content when it is shown.

import { drawn, element, shown } from "./format.js";
import { lecturePanel } from "./lecture_view.js";
import { fiveLines } from "./lines_view.js";
import { nodeName, subscript } from "./network_view.js";
import { paintField } from "./picture.js";
import { download, lossesCsv, weightsCsv } from "./take_home.js";

/** @typedef {{name: string, title: string, show: (page: any, place: any) => void|Promise<void>}} Panel */

/** @type {Panel} */
const linesPanel = {
  name: "lines",
  title: "The five lines",
  show(page, place) {
    const { numbers, row, chosen, spec, table, menu } = page;
    const loss = menu.losses.find((/** @type {any} */ own) => own.name === spec.loss);
    const optimizer = menu.optimizers.find((/** @type {any} */ own) => own.name === spec.optimizer);
    const pick = (/** @type {number} */ other) => page.pickRow(other);
    const columns = fiveLines(numbers, { row, chosen, spec, columns: table.columns, loss, optimizer, pick });
    place.replaceChildren(element("div", { class: "five" }, ...columns));
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
      const found = numbers.parameters.filter((/** @type {any} */ p) => p.name === `${own.activation}.${name}`);
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
      element("table", { class: "plain" }, element("tr", {}, ...["", "forward passes", "least loss"].map((t) => element("th", {}, t))),
        row("random search", String(race.tries), race.best), row("gradient descent", String(race.steps), race.descent), row("the page now", String(page.snapshot.step), page.snapshot.loss)),
      element("p", {}, race.tries ? `If each draw told about a cube of 0.2 by 0.2 … around it, the draws so far would have seen ${shown(covered)} of the cube from −2 to 2 in ${count} dimensions.` : "Press a button to begin."),
    );
  },
};

/** @type {Panel} */
const landscapePanel = {
  name: "landscape",
  title: "Landscape",
  async show(page, place) {
    const { spec } = page;
    const side = 41;
    const { first, second, label } = page.directions();
    const reach = page.reach ?? 2;
    const { losses, centre, path } = await page.thread.ask("landscape", { first, second, side, reach });
    const canvas = element("canvas", { width: 480, height: 480, class: "card square", role: "img", "aria-label": `The loss over ${label}` });
    const finite = [...losses].filter(Number.isFinite);
    const [low, high] = [Math.min(...finite), Math.max(...finite)];
    const level = (/** @type {number} */ v) => (Math.log(v - low + 0.02 * (high - low)) - Math.log(0.02 * (high - low) || 1)) / Math.log(51);
    paintField(canvas, side, (i) => (Number.isFinite(losses[i]) ? 2 * level(losses[i]) - 1 : 1), { middle: 0, reach: 1 });
    paintPath(canvas, path, centre, first, second, reach);
    const buttons = [
      element("button", { onclick: () => page.turnLandscape("weights") }, "two weights: the chosen one and its bias"),
      element("button", { onclick: () => page.turnLandscape("random") }, "two random directions"),
      element("button", { onclick: () => page.zoomLandscape(0.5) }, "nearer"),
      element("button", { onclick: () => page.zoomLandscape(2) }, "farther"),
    ];
    place.replaceChildren(
      element("p", {}, `The loss of the training rows over ${label}, ${shown(reach)} in each direction from the present weights (the cross). Orange is low (${shown(low)}), blue is high (${shown(high)}), in logarithmic steps; the line is the path of ${spec.optimizer}.`),
      element("div", { class: "row" }, ...buttons), canvas,
    );
  },
};

/** @param {any} canvas @param {{step: number, weights: ArrayLike<number>}[]} path @param {ArrayLike<number>} centre @param {number[]} first @param {number[]} second @param {number} reach */
function paintPath(canvas, path, centre, first, second, reach) {
  const context = canvas.getContext("2d");
  const dot = (/** @type {ArrayLike<number>} */ w, /** @type {number[]} */ d) => d.reduce((sum, v, k) => sum + v * (w[k] - centre[k]), 0) / (d.reduce((s, v) => s + v * v, 0) || 1);
  const at = (/** @type {ArrayLike<number>} */ w) => [((dot(w, first) / reach + 1) / 2) * canvas.width, ((1 - dot(w, second) / reach) / 2) * canvas.height];
  context.beginPath();
  for (const { weights } of path) context.lineTo(...at(weights));
  context.strokeStyle = "#1c2330";
  context.lineWidth = 2.5;
  context.stroke();
  const [x, y] = at(centre);
  context.beginPath();
  context.moveTo(x - 9, y);
  context.lineTo(x + 9, y);
  context.moveTo(x, y - 9);
  context.lineTo(x, y + 9);
  context.strokeStyle = "#7a3fb0";
  context.lineWidth = 4;
  context.stroke();
}

/** @type {Panel} */
const proofPanel = {
  name: "proof",
  title: "Proof",
  async show(page, place) {
    const rows = await page.thread.ask("proof");
    const error = (/** @type {any} */ r) => Math.abs(r.gradient - r.difference);
    const largest = Math.max(1e-12, ...rows.map((/** @type {any} */ r) => Math.abs(r.difference)));
    rows.sort((/** @type {any} */ a, /** @type {any} */ b) => error(b) - error(a));
    const wrong = rows.filter((/** @type {any} */ r) => !r.kink && error(r) > 1e-5 * largest + 1e-7).length;
    const kinks = rows.filter((/** @type {any} */ r) => r.kink).length;
    const verdict = wrong ? `${wrong} of ${rows.length} gradients are away from their difference.` : `All ${rows.length} gradients agree with their central differences${kinks ? `, ${kinks} of them beside a kink` : ""}.`;
    const cells = (/** @type {any} */ r) => [placeOf(r), shown(r.weight), shown(r.gradient), shown(r.difference), shown(error(r)), r.kink ? "kink" : ""];
    const head = element("tr", {}, ...["parameter", "w", "∂L/∂w (float32)", "central difference (float64)", "apart", ""].map((t) => element("th", {}, t)));
    const body = rows.slice(0, 24).map((/** @type {any} */ r) => element("tr", {}, ...cells(r).map((c) => element("td", {}, c))));
    place.replaceChildren(
      element("p", { class: wrong ? "neg" : "" }, `${verdict} The loss of the next batch is computed with each parameter a little larger and a little smaller, in float64. Farthest apart first${rows.length > 24 ? ", 24 are shown" : ""}.`),
      element("table", { class: "plain" }, head, ...body),
    );
  },
};

/** @param {any} row */
function placeOf({ name, shape, place }) {
  return shape.length === 2 ? `${name}[${Math.floor(place / shape[1])}, ${place % shape[1]}]` : `${name}[${place}]`;
}

const WRONG = [
  { name: "Vanishing gradients", about: "Six sigmoid layers: ∂L/∂z shrinks by a quarter or more at each layer on the way back.", choice: { layers: six("Sigmoid"), optimizer: "SGD", lr: 0.5, initializer: "glorot_uniform" }, steps: 200 },
  { name: "Dead ReLU", about: "A rate that is too large pushes units to where they are 0 for every row; then no gradient reaches them.", choice: { layers: [{ activation: "ReLU", width: 6 }, { activation: "ReLU", width: 4 }], optimizer: "SGD", lr: 8, initializer: "he_uniform" }, steps: 30 },
  { name: "η too large", about: "Each step overshoots the valley; the loss grows until numbers leave the finite range.", choice: { layers: [{ activation: "Identity", width: 4 }], output: "Identity", optimizer: "SGD", lr: 40, initializer: "glorot_uniform" }, steps: 200 },
  { name: "Overfitting", about: "A large network and much time: the held-out loss turns upwards while the training loss falls.", choice: { layers: [{ activation: "Tanh", width: 8 }, { activation: "Tanh", width: 8 }], optimizer: "Adam", lr: 0.03, initializer: "glorot_uniform" }, steps: 2500 },
  { name: "Zero first weights", about: "All neurons of a layer begin equal, get the same gradient and stay equal: the layer is as wide as one neuron.", choice: { layers: [{ activation: "Tanh", width: 4 }], optimizer: "SGD", lr: 0.5, initializer: "glorot_uniform" }, zero: true, steps: 300 },
];

/** @param {string} activation */
function six(activation) {
  return Array.from({ length: 6 }, () => ({ activation, width: 4 }));
}

/** @type {Panel} */
const wrongPanel = {
  name: "wrong",
  title: "What goes wrong",
  show(page, place) {
    const buttons = WRONG.map((own) => element("button", { onclick: () => page.goWrong(own) }, own.name));
    place.replaceChildren(
      element("p", {}, "One click sets up a network that fails, trains it, and says what is seen."),
      element("div", { class: "row" }, ...buttons),
      element("p", {}, page.wrong ? page.wrong.about : ""),
      bars(page),
      element("p", { class: "sel" }, diagnosis(page)),
    );
  },
};

/** The sizes of ∂L/∂z, layer by layer. @param {any} page */
function bars({ numbers, spec }) {
  const sizes = numbers.layers.map((/** @type {{dz: number[]}} */ { dz }) => Math.sqrt(dz.reduce((/** @type {number} */ s, /** @type {number} */ v) => s + v * v, 0)));
  const most = Math.max(1e-30, ...sizes.filter(Number.isFinite));
  const rows = sizes.map((/** @type {number} */ size, /** @type {number} */ i) => {
    const meter = element("meter", { min: 0, max: 1, value: Number.isFinite(size) ? size / most : 0, "aria-label": `‖∂L/∂z‖ of layer ${i + 1}` });
    return element("tr", {}, element("th", { scope: "row" }, `layer ${i + 1}, ${spec.layers[i].activation}`), element("td", {}, meter), element("td", {}, shown(size)));
  });
  return element("table", { class: "plain" }, element("caption", {}, "‖∂L/∂z‖ of the next batch, layer by layer"), ...rows);
}

/** What the numbers of the present step say. @param {any} page */
function diagnosis({ numbers, snapshot, spec }) {
  if (snapshot.stopped) return `Diverged: ${snapshot.stopped}. The step before was still finite: press “back”.`;
  const found = [];
  const norm = (/** @type {number[]} */ v) => Math.sqrt(v.reduce((s, x) => s + x * x, 0));
  const [first, last] = [norm(numbers.layers[0].dz), norm(numbers.layers.at(-1).dz)];
  if (first < 1e-3 * last) found.push(`The gradient of the first layer is ${shown(last / Math.max(first, 1e-30))} times smaller than that of the last: it vanishes.`);
  numbers.layers.forEach((/** @type {{a: number[]}} */ { a }, /** @type {number} */ i) => {
    const { activation, width } = spec.layers[i];
    if (activation !== "ReLU") return;
    const dead = Array.from({ length: width }, (_, k) => k).filter((k) => numbers.rows.every((/** @type {number} */ _r, /** @type {number} */ r) => a[r * width + k] === 0));
    if (dead.length) found.push(`In layer ${i + 1}, ${dead.length} of ${width} ReLU neurons are 0 for every row of this batch.`);
  });
  const equal = numbers.parameters.find((/** @type {any} */ p) => p.name.endsWith("weight") && p.shape[1] > 1 && p.value.every((/** @type {number} */ v, /** @type {number} */ i) => v === p.value[i - (i % p.shape[1])]));
  if (equal) found.push(`All neurons of ${equal.name.split(".")[0]} have the same weights.`);
  const best = Math.min(...snapshot.testLosses.map((/** @type {number[]} */ p) => p[1]));
  if (snapshot.testLoss > 1.2 * best && snapshot.loss < 0.7 * snapshot.testLoss) found.push(`The held-out loss is ${shown(snapshot.testLoss)}; it was ${shown(best)} before: the network overfits.`);
  return found.length ? found.join(" ") : "Nothing conspicuous in the present step.";
}

/** @type {Panel} */
const takePanel = {
  name: "take",
  title: "Take home",
  async show(page, place) {
    const script = await page.script();
    const save = (/** @type {string} */ label, /** @type {() => void} */ act) => element("button", { onclick: act }, label);
    place.replaceChildren(
      element("p", {}, "This program ends with the present weights, bit by bit; the digest beside the seal is the SHA-256 of model.W. The address of this page is a link to this network."),
      element("div", { class: "row" },
        save("Python program", () => download("replay.py", script, "text/x-python")),
        save("weights as CSV", () => download("weights.csv", weightsCsv(page.numbers.parameters), "text/csv")),
        save("losses as CSV", () => download("losses.csv", lossesCsv(page.snapshot.losses), "text/csv")),
        save("copy the link", () => void navigator.clipboard?.writeText(location.href))),
      element("pre", { class: "card code", tabindex: 0 }, script),
    );
  },
};

/** @type {Panel[]} */
export const PANELS = [linesPanel, handPanel, activationPanel, landscapePanel, racePanel, wrongPanel, proofPanel, takePanel, lecturePanel];
