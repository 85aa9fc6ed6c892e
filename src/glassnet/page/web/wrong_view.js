// What goes wrong: networks that fail at one click, and a diagnosis from their numbers.
//
// In: the page. Out: a panel.

import { element, shown } from "./format.js";

const WRONG = [
  { name: "Vanishing gradients", about: "Six sigmoid layers: ∂L/∂z shrinks by a quarter or more at each layer on the way back.", choice: { layers: six("Sigmoid"), optimizer: "SGD", lr: 0.5, initializer: "glorot_uniform" }, steps: 200 },
  { name: "Dead ReLU", about: "A learning rate that is too large moves units to where they are 0 for every row; then their gradients are 0.", choice: { layers: [{ activation: "ReLU", width: 6 }, { activation: "ReLU", width: 4 }], optimizer: "SGD", lr: 8, initializer: "he_uniform" }, steps: 30 },
  { name: "η too large", about: "Each step overshoots the valley; the loss grows until numbers leave the finite range.", choice: { layers: [{ activation: "Identity", width: 4 }], output: "Identity", optimizer: "SGD", lr: 40, initializer: "glorot_uniform" }, steps: 200 },
  { name: "Overfitting", about: "A large network trained for long: the held-out loss rises while the training loss falls.", choice: { layers: [{ activation: "Tanh", width: 8 }, { activation: "Tanh", width: 8 }], optimizer: "Adam", lr: 0.03, initializer: "glorot_uniform" }, steps: 2500 },
  { name: "Zero initial weights", about: "All neurons of a layer start equal, get the same gradient and stay equal: the layer is as wide as one neuron.", choice: { layers: [{ activation: "Tanh", width: 4 }], optimizer: "SGD", lr: 0.5, initializer: "glorot_uniform" }, zero: true, steps: 300 },
  { name: "Softmax twice", about: "The network ends with a softmax, and cross-entropy applies another one: the scores lie between 0 and 1, so the loss has a floor far above 0, and gradients are small.", choice: { layers: [{ activation: "Tanh", width: 6 }], output: "Softmax", loss: "CrossEntropy", optimizer: "SGD", lr: 0.5, initializer: "glorot_uniform" }, steps: 1500 },
];

/** Why numbers left the finite range, and in which step. @param {any} stopped @param {number} lr */
export function causeOf({ step, weight, before, gradient, after, largest }, lr) {
  if (!weight) return `the loss of step ${step} is not a finite number: the weights have grown to ${shown(largest)}. Go back a step and take a smaller learning rate, or other initial weights.`;
  return `in step ${step} the weight ${weight} went from ${shown(before)} to ${shown(after)}: its gradient was ${shown(gradient)}, and η = ${shown(lr)}. Weights had grown to ${shown(largest)}: each step overshot the last one. Go back a step and take a smaller η, or other initial weights.`;
}

/** @param {string} activation */
function six(activation) {
  return Array.from({ length: 6 }, () => ({ activation, width: 4 }));
}

/** @type {import("./panels.js").Panel} */
export const wrongPanel = {
  name: "wrong",
  title: "What goes wrong",
  show(page, place) {
    const buttons = WRONG.map((own) => element("button", { onclick: () => page.goWrong(own) }, own.name));
    place.replaceChildren(
      element("p", {}, "One click sets up a network that fails, trains it, and describes what happens."),
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

/** A diagnosis of the current step. @param {any} page */
function diagnosis({ numbers, snapshot, spec }) {
  if (snapshot.stopped) return `Diverged: ${causeOf(snapshot.stopped, spec.lr)} The step before was still finite: press “back to step ${snapshot.step - 1}”.`;
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
  const { activation, width } = spec.layers[spec.layers.length - 1];
  if (activation === "Softmax" && spec.loss === "CrossEntropy") found.push(`The output is a softmax, and CrossEntropy applies another one. Its scores are 0 and 1 at best, so the loss cannot fall below ln(1 + ${width - 1}/e) = ${shown(Math.log(1 + (width - 1) / Math.E))}, however confident the network is. Use Identity as the last activation.`);
  return found.length ? found.join(" ") : "Nothing unusual in the current step.";
}
