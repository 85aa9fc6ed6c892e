// The five lines of a step with their numbers: x, y → ŷ → L → ∂L/∂W → W − η ∂L/∂W.

import { element, shown, term } from "./format.js";
import { nodeName, subscript } from "./network_view.js";

/**
 * @typedef {{name: string, shape: number[], value: number[], gradient: number[], next: number[]}} ParameterNumbers
 * @typedef {{step: number, rows: number[], loss: number, x: number[], y: number[], prediction: number[],
 *   costs: number[], dprediction: number[], layers: {z: number[], a: number[], da: number[], dz: number[]}[],
 *   parameters: ParameterNumbers[]}} StepNumbers
 * @typedef {import("./network_view.js").Chosen} Chosen
 */

const MOST_LINES = 12; // rows that are listed

const LOSS_TEXTS = {
  HalfMSE: "half the mean squared error, 1/(2n) Σ (ŷ − y)²",
  MSE: "mean squared error, 1/n Σ (ŷ − y)²",
  MAE: "mean absolute error, 1/n Σ |ŷ − y|",
};

/**
 * @param {StepNumbers} numbers @param {{row: number, chosen: Chosen, spec: any, columns: string[],
 *   loss: {name: string, about: string}, optimizer: {name: string, about: string},
 *   pick: (row: number) => void}} page
 * @returns {Element[]}
 */
export function fiveLines(numbers, page) {
  const place = Math.max(0, numbers.rows.indexOf(page.row));
  return [
    rowsLine(numbers, page, place),
    forwardLine(numbers, page, place),
    lossLine(numbers, page, place),
    gradientLine(numbers, page, place),
    updateLine(numbers, page),
  ];
}

/** @param {string} title @param {string} about @param {...(Element|string)} content */
function section(title, about, ...content) {
  return element("section", { tabindex: 0, "aria-label": title }, element("h3", {}, title), element("p", {}, about), ...content);
}

/** @param {StepNumbers} numbers @param {any} page @param {number} place */
function rowsLine({ rows, x, y }, { columns, pick }, place) {
  const inputs = columns.length;
  const each = Math.max(1, y.length / rows.length);
  const head = element("tr", {}, ...["row", ...columns, "y"].map((name) => element("th", {}, name)));
  const body = rows.slice(0, MOST_LINES).map((row, i) => {
    const cells = [...x.slice(i * inputs, (i + 1) * inputs), ...y.slice(i * each, (i + 1) * each)];
    const button = element("button", { "aria-label": `Show row ${row}`, onclick: () => pick(row) }, String(row));
    return element("tr", i === place ? { class: "on" } : {}, element("td", {}, button), ...cells.map((v) => element("td", {}, shown(v))));
  });
  const more = rows.length > MOST_LINES ? `, ${rows.length - MOST_LINES} more` : "";
  return section("x, y", `the batch of the next step: ${rows.length} rows${more}`, element("table", {}, head, ...body));
}

/** @param {StepNumbers} numbers @param {Chosen} chosen @param {number} place @param {string[]} columns @param {any} spec */
function incoming(numbers, { layer }, place, columns, spec) {
  const width = layer ? spec.layers[layer - 1].width : columns.length;
  const from = layer ? numbers.layers[layer - 1].a : numbers.x;
  const values = from.slice(place * width, (place + 1) * width);
  const names = Array.from({ length: width }, (_, i) => nodeName(layer, i, columns, spec.layers.length, width));
  return { values, names, width };
}

/** @param {StepNumbers} numbers @param {string} name @returns {ParameterNumbers} */
const parameter = (numbers, name) => /** @type {ParameterNumbers} */ (numbers.parameters.find((own) => own.name === name));

/** @param {StepNumbers} numbers @param {any} page @param {number} place */
function forwardLine(numbers, { chosen, columns, spec }, place) {
  const own = spec.layers[chosen.layer];
  const { values, names } = incoming(numbers, chosen, place, columns, spec);
  const weight = parameter(numbers, `linear${chosen.layer + 1}.weight`);
  const bias = parameter(numbers, `linear${chosen.layer + 1}.bias`).value[chosen.neuron];
  const name = nodeName(chosen.layer + 1, chosen.neuron, columns, spec.layers.length, own.width);
  const at = place * own.width + chosen.neuron;
  const shownTerms = values.slice(0, 6).map((v, i) => `${term(weight.value[i * own.width + chosen.neuron])}·${term(v)}`);
  const symbols = names.slice(0, 6).map((n, i) => `w${subscript(i + 1)}·${n}`);
  const more = values.length > 6 ? " + …" : "";
  const { z, a } = numbers.layers[chosen.layer];
  const text = `z = ${symbols.join(" + ")}${more} + b\n  = ${shownTerms.join(" + ")}${more} + ${term(bias)}\n  = ${shown(z[at])}\na = ${own.activation === "Identity" ? "z" : `${own.activation}(z)`} = ${shown(a[at])}`;
  return section("ŷ = f(x; W)", `forward: neuron ${name}, row ${numbers.rows[place]}`, element("pre", {}, text));
}

/** @param {StepNumbers} numbers @param {any} page @param {number} place */
function lossLine({ rows, y, prediction, costs, loss: total }, { loss, spec }, place) {
  const outputs = spec.layers[spec.layers.length - 1].width;
  const each = Math.max(1, y.length / rows.length);
  const some = (/** @type {number[]} */ values, /** @type {number} */ i, /** @type {number} */ width) => {
    const own = values.slice(i * width, (i + 1) * width);
    return own.slice(0, 3).map(shown).join(", ") + (width > 3 ? " …" : "");
  };
  const lines = rows.slice(0, MOST_LINES).map((row, i) => element("tr", i === place ? { class: "on" } : {}, ...[String(row), some(prediction, i, outputs), some(y, i, each), shown(costs[i])].map((text) => element("td", {}, text))));
  const head = element("tr", {}, ...["row", "ŷ", "y", "Lᵢ"].map((text) => element("th", {}, text)));
  const about = LOSS_TEXTS[/** @type {keyof LOSS_TEXTS} */ (loss.name)] ?? loss.about;
  const sum = costs.slice(0, 3).map(term).join(" + ") + (rows.length > 3 ? " + …" : "");
  const text = `L = 1/n Σ Lᵢ${loss.name === "HalfMSE" ? " = 1/(2n) Σ (ŷ − y)²" : ""}\n  = (${sum})/${rows.length}\n  = ${shown(total)}`;
  return section("L(ŷ, y)", about, element("table", {}, head, ...lines), element("pre", {}, text));
}

/** @param {StepNumbers} numbers @param {any} page @param {number} place */
function gradientLine(numbers, { chosen, columns, spec }, place) {
  const own = spec.layers[chosen.layer];
  const edge = chosen.edge ?? 0;
  const { values, names, width } = incoming(numbers, chosen, place, columns, spec);
  const weight = parameter(numbers, `linear${chosen.layer + 1}.weight`);
  const { da, dz } = numbers.layers[chosen.layer];
  const at = place * own.width + chosen.neuron;
  const from = chosen.layer ? numbers.layers[chosen.layer - 1].a : numbers.x;
  const parts = numbers.rows.map((_, i) => dz[i * own.width + chosen.neuron] * from[i * width + edge]);
  const steep = da[at] === 0 ? "" : `∂a/∂z = ${shown(dz[at] / da[at])}`;
  const text = `∂L/∂a = ${shown(da[at])}   ${steep}\n∂L/∂z = ${shown(dz[at])}\nrow ${numbers.rows[place]}: ∂L/∂z·${names[edge]} = ${term(dz[at])}·${term(values[edge])} = ${shown(parts[place])}\nsum over ${numbers.rows.length} rows:\n∂L/∂w${subscript(edge + 1)} = ${shown(weight.gradient[edge * own.width + chosen.neuron])}`;
  return section("∂L/∂W", `backward: the chain rule for the weight w${subscript(edge + 1)} from ${names[edge]}`, element("pre", {}, text));
}

/** @param {StepNumbers} numbers @param {any} page */
function updateLine(numbers, { chosen, spec, optimizer }) {
  const own = spec.layers[chosen.layer];
  const edge = chosen.edge ?? 0;
  const weight = parameter(numbers, `linear${chosen.layer + 1}.weight`);
  const at = edge * own.width + chosen.neuron;
  const [before, slope, after] = [weight.value[at], weight.gradient[at], weight.next[at]];
  const plain = optimizer.name === "SGD";
  const text = plain
    ? `w ← w − η·∂L/∂w\n  = ${shown(before)} − ${shown(spec.lr)}·${term(slope)}\n  = ${shown(after)}`
    : `w before  ${shown(before)}\n∂L/∂w     ${shown(slope)}\nw after   ${shown(after)}\nchange    ${shown(after - before)}`;
  const about = plain ? `gradient descent with η = ${shown(spec.lr)}` : `${optimizer.name} with η = ${shown(spec.lr)}: ${optimizer.about}`;
  return section("W ← W − η·∂L/∂W", about, element("pre", {}, text));
}
