// The panels below the network: each shows one idea of the present run.
//
// In: the page. Out: a list of panels. A panel has a title, and builds its content when it is shown.

import { activationPanel } from "./activation_view.js";
import { element, shown } from "./format.js";
import { lecturePanel } from "./lecture_view.js";
import { fiveLines } from "./lines_view.js";
import { nodeName } from "./network_view.js";
import { landscapePanel } from "./landscape_view.js";
import { racePanel } from "./race_view.js";
import { allWeights, slider } from "./sliders.js";
import { takePanel } from "./take_home.js";
import { weightPanel } from "./weight_view.js";
import { wrongPanel } from "./wrong_view.js";
import { tablePanel } from "./your_table.js";

/** @typedef {{name: string, title: string, live?: boolean, show: (page: any, place: any) => void|Promise<void>}} Panel live ones are shown again while a network trains */

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
    const { chosen, spec, table } = page;
    const all = allWeights(page);
    const name = nodeName(chosen.layer + 1, chosen.neuron, table.columns, spec.layers.length, spec.layers[chosen.layer].width);
    const own = all.filter(({ layer, neuron }) => layer === chosen.layer && neuron === chosen.neuron);
    const many = page.everyWeight && all.length <= MOST_SLIDERS;
    const fields = (many ? all : own).map((one) => slider(page, many ? one.whole : one.label, one.at, one.value, one.gradient));
    const which = element("button", { "aria-pressed": String(Boolean(many)), disabled: all.length > MOST_SLIDERS, onclick: () => { page.everyWeight = !many; return page.showPanel(); } }, `all ${all.length} weights`);
    const about = `Set ${many ? "any weight" : `the weights of neuron ${name}`} and watch the loss of the training rows. An arrow shows the direction of gradient descent${many ? "" : "; click another neuron for its weights"}.`;
    place.replaceChildren(element("p", {}, about), element("div", { class: "row" }, which), element("div", { class: many ? "sliders many" : "sliders" }, ...fields));
  },
};

const MOST_SLIDERS = 200;

/** @type {Panel} */
const proofPanel = {
  name: "proof",
  title: "Gradient check",
  async show(page, place) {
    const rows = await page.thread.ask("proof");
    const count = page.snapshot.weights.length;
    const error = (/** @type {any} */ r) => Math.abs(r.gradient - r.difference);
    const largest = Math.max(1e-12, ...rows.map((/** @type {any} */ r) => Math.abs(r.difference)));
    rows.sort((/** @type {any} */ a, /** @type {any} */ b) => error(b) - error(a));
    const wrong = rows.filter((/** @type {any} */ r) => !r.kink && error(r) > 1e-5 * largest + 1e-7).length;
    const kinks = rows.filter((/** @type {any} */ r) => r.kink).length;
    const verdict = wrong ? `${wrong} of ${rows.length} gradients differ from their central differences.` : `All ${rows.length} gradients agree with their central differences${kinks ? `, ${kinks} of them next to a kink` : ""}.`;
    const cells = (/** @type {any} */ r) => [placeOf(r), shown(r.weight), shown(r.gradient), shown(r.difference), shown(error(r)), r.kink ? "kink" : ""];
    const head = element("tr", {}, ...["parameter", "w", "∂L/∂w (float32)", "central difference (float64)", "error", "note"].map((t) => element("th", {}, t)));
    const body = rows.slice(0, 24).map((/** @type {any} */ r) => element("tr", {}, ...cells(r).map((c) => element("td", {}, c))));
    place.replaceChildren(
      element("p", { class: wrong ? "neg" : "" }, `${verdict} The loss of the next batch is computed with each parameter a little larger and a little smaller, in float64. Largest errors first${count > rows.length ? `; ${rows.length} of ${count} parameters are compared, evenly spaced` : ""}${rows.length > 24 ? ", 24 are shown" : ""}.`),
      element("table", { class: "plain" }, head, ...body),
    );
  },
};

/** @param {any} row */
function placeOf({ name, shape, place }) {
  return shape.length === 2 ? `${name}[${Math.floor(place / shape[1])}, ${place % shape[1]}]` : `${name}[${place}]`;
}

/** @type {Panel[]} */
export const PANELS = [linesPanel, weightPanel, handPanel, activationPanel, landscapePanel, racePanel, wrongPanel, proofPanel, tablePanel, takePanel, lecturePanel];
