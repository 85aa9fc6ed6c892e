// Parameters as sliders and number fields.

import { element, shown } from "./format.js";
import { nodeName, subscript } from "./network_view.js";

/** A parameter as a slider and a number. @param {any} page @param {string} label @param {number} at place in W @param {number} value @param {number} gradient */
export function slider(page, label, at, value, gradient) {
  const id = `weight-${at}`;
  const reach = Math.max(4, Math.ceil(Math.abs(value)));
  const range = element("input", { type: "range", id, min: -reach, max: reach, step: "any", value });
  const field = element("input", { type: "number", step: "any", value: String(Number(value.toPrecision(5))), "aria-label": label });
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

/**
 * Every parameter of the network, with the names of what it joins.
 * @param {any} page
 * @returns {{layer: number, neuron: number, at: number, value: number, gradient: number, label: string, whole: string}[]}
 */
export function allWeights({ numbers, spec, table }) {
  let start = 0;
  return numbers.parameters.flatMap((/** @type {any} */ p) => {
    const { layer, shape } = p;
    const [before, width] = shape.length === 2 ? shape : [0, shape[0]];
    const kind = p.name.split(".")[1];
    const found = p.value.map((/** @type {number} */ value, /** @type {number} */ i) => {
      const [from, neuron] = [Math.floor(i / width), i % width];
      const to = nodeName(layer + 1, neuron, table.columns, spec.layers.length, width);
      const label = before ? `w${subscript(from + 1)} from ${nodeName(layer, from, table.columns, spec.layers.length, before)}` : kind === "bias" ? "bias b" : kind;
      return { layer, neuron, at: start + i, value, gradient: p.gradient[i], label, whole: before ? `${label} to ${to}` : `${label} of ${to}` };
    });
    start += p.value.length;
    return found;
  });
}
