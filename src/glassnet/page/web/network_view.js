// The network as a drawing: a small field for every neuron, a line for every weight.

import { drawn, element, shown } from "./format.js";
import { paintField, scaleOf } from "./picture.js";

/**
 * @typedef {{from: number, to: number, layer: number}} Edge layer is the number of the weight's layer
 * @typedef {{layer: number, neuron: number, edge: number|null}} Chosen a neuron of a layer, and one
 *   of its inputs where a weight is chosen
 */

const MOST_DRAWN = 14; // neurons of a column that are all drawn
const LINE = 13; // pixels from one weight to the next
const ROOMY = 170; // pixels from one column to the next in which names stand beside inputs
const PART = 12; // so many of a larger one are

export class NetworkView {
  /** @param {HTMLElement} place @param {(chosen: Chosen|null) => void} choose shows a neuron or weight; null: what is shown has changed */
  constructor(place, choose) {
    this.place = place;
    this.choose = choose;
    /** @type {number[]} */ this.columns = [];
    /** @type {number[]} */ this.starts = []; // the first neuron that is drawn of each column
    /** @type {string[]} */ this.inputs = [];
    /** @type {{activation: string, width: number}[]} */ this.layers = [];
    this.box = { width: 0, height: 0 }; // of the drawing, in pixels
    this.zoomed = false; // whether numbers stand at edges and neurons
    this.type = 1; // how much larger letters are than usual
    this.values = new Float32Array(0); // of a neuron over the plane
    this.size = 58; // of a neuron, in pixels
    /** @type {any} */ this.svg = null;
    /** @type {any} */ this.mark = null;
    /** @type {{node: any, canvas: HTMLCanvasElement, layer: number, neuron: number}[]} */ this.nodes = [];
    /** @type {{line: any, hit: any, number: any, roomy: boolean, layer: number, from: number, to: number}[]} */ this.edges = [];
  }

  /**
   * Draw the structure anew.
   * @param {string[]} inputs @param {{activation: string, width: number}[]} layers
   */
  build(inputs, layers) {
    const same = layers.length === this.layers.length && this.starts.length;
    Object.assign(this, { layers, inputs });
    const columns = [inputs.length, ...layers.map((layer) => layer.width)];
    this.columns = columns;
    this.starts = columns.map((count, i) => (same && this.starts[i] < count && count > MOST_DRAWN ? this.starts[i] : 0));
    this.nodes = [];
    this.edges = [];
    this.svg = drawn("svg", { "aria-hidden": "true" });
    this.place.replaceChildren(this.svg);
    const most = Math.max(...columns.map((_, column) => this.drawn(column).length));
    this.measure();
    const { width, height } = this.box;
    this.size = Math.max(16, Math.min(0.13 * height, Math.floor((0.85 * height) / most) - 8, Math.floor(width / (1.8 * columns.length))));
    for (let layer = 0; layer < layers.length; layer++) this.buildEdges(layer);
    if (this.zoomed) this.svg.append(...this.edges.map((own) => own.number));
    this.mark = drawn("g");
    this.svg.append(this.mark);
    columns.forEach((count, column) => {
      for (const neuron of this.drawn(column)) this.buildNode(column, neuron, inputs, count);
      if (count > MOST_DRAWN) this.buildTurner(column, count);
    });
  }

  /** How large the drawing and its letters are: asked once, not while a network trains. */
  measure() {
    const { width, height } = this.place.getBoundingClientRect();
    this.box = { width, height };
    this.type = Number(getComputedStyle(this.place).getPropertyValue("--type")) || 1;
  }

  /** The neurons of a column that are drawn. @param {number} column */
  drawn(column) {
    const count = this.columns[column];
    if (count <= MOST_DRAWN) return Array.from({ length: count }, (_, i) => i);
    const start = this.starts[column];
    return Array.from({ length: Math.min(PART, count - start) }, (_, i) => start + i);
  }

  /** Buttons to the neurons before and after those that are drawn. @param {number} column @param {number} count */
  buildTurner(column, count) {
    const start = this.starts[column];
    const turn = (/** @type {number} */ by) => {
      this.starts[column] = start + by;
      this.build(this.inputs, this.layers);
      this.arrange();
      this.choose(null);
    };
    const what = column ? `neurons of layer ${column}` : "inputs";
    const made = element("div", { class: "turner" },
      element("button", { "aria-label": `Earlier ${what}`, disabled: start === 0, onclick: () => turn(-PART) }, "‹"),
      ` ${start + 1}–${Math.min(start + PART, count)} of ${count} `,
      element("button", { "aria-label": `Later ${what}`, disabled: start + PART >= count, onclick: () => turn(PART) }, "›"));
    made.style.setProperty("--column", String(column / (this.columns.length - 1)));
    this.place.append(made);
  }

  /** @param {number} layer */
  buildEdges(layer) {
    for (const to of this.drawn(layer + 1)) {
      for (const from of this.drawn(layer)) {
        const line = drawn("path", { class: "edge" });
        const hit = drawn("path", { class: "hit", onclick: () => this.choose({ layer, neuron: to, edge: from }) });
        const number = drawn("text", { class: "number", "text-anchor": "end" });
        this.svg.append(line, hit);
        this.edges.push({ line, hit, number, roomy: true, layer, from, to });
      }
    }
  }

  /** @param {number} column @param {number} neuron @param {string[]} inputs @param {number} count */
  buildNode(column, neuron, inputs, count) {
    const { size } = this;
    const canvas = element("canvas", { width: 48, height: 48, "aria-hidden": "true" });
    const name = nodeName(column, neuron, inputs, this.layers.length, count);
    const node = element("button", { class: "node", "aria-pressed": "false" }, canvas);
    node.style.width = node.style.height = `${size}px`;
    node.addEventListener("click", () => column && this.choose({ layer: column - 1, neuron, edge: null }));
    if (!column) node.disabled = true;
    const label = element("span", { class: "name", "aria-hidden": "true" }, name);
    const carried = element("span", { class: "carried", "aria-hidden": "true", hidden: true });
    this.place.append(node, label, carried);
    Object.assign(node, { label, carried });
    node.name = name;
    this.nodes.push({ node, canvas, layer: column - 1, neuron });
  }

  /** From one neuron of a column to the next, in pixels. @param {number} column */
  gap(column) {
    return Math.min(1.75 * this.size, (this.box.height - 30) / this.drawn(column).length);
  }

  /** Where a node lies, in pixels. @param {number} column @param {number} neuron */
  at(column, neuron) {
    const { width, height } = this.box;
    const count = this.drawn(column).length;
    const row = neuron - this.starts[column];
    const gap = this.gap(column);
    const margin = this.size / 2 + 4;
    const x = margin + ((width - 2 * margin) * column) / (this.columns.length - 1);
    return [x, height / 2 - 8 + (row - (count - 1) / 2) * gap];
  }

  /** Put everything in its place; after the page has another size, too. */
  arrange() {
    this.measure();
    const width = this.box.width / this.columns.length;
    for (const { node, layer, neuron } of this.nodes) {
      const [x, y] = this.at(layer + 1, neuron);
      Object.assign(node.style, { left: `${x}px`, top: `${y}px` });
      node.label.classList.toggle("input", layer < 0);
      Object.assign(node.label.style, { left: `${layer < 0 ? x - this.size / 2 : x}px`, top: `${y + this.size / 2 + 1}px` });
      Object.assign(node.carried.style, { left: `${x}px`, top: `${y - this.size / 2 - 3}px` });
      const narrow = this.size < 30;
      node.label.hidden = narrow && (layer >= 0 || width < ROOMY * this.type);
      node.label.classList.toggle("beside", narrow && layer < 0);
      if (narrow && layer < 0) Object.assign(node.label.style, { left: `${x + this.size / 2 + 2}px`, top: `${y}px` });
    }
    for (const edge of this.edges) {
      const [x1, y1] = this.at(edge.layer, edge.from);
      const [x2, y2] = this.at(edge.layer + 1, edge.to);
      const [a, b] = [x1 + this.size / 2, x2 - this.size / 2];
      const d = `M${a} ${y1}C${(a + b) / 2} ${y1} ${(a + b) / 2} ${y2} ${b} ${y2}`;
      edge.line.setAttribute("d", d);
      edge.hit.setAttribute("d", d);
      const count = this.drawn(edge.layer).length;
      edge.number.setAttribute("x", String(b - 5)); // one below the other, before their neuron
      edge.number.setAttribute("y", String(y2 + 4 + LINE * this.type * (edge.from - this.starts[edge.layer] - (count - 1) / 2)));
      edge.roomy = count * LINE * this.type < this.gap(edge.layer + 1);
    }
  }

  /**
   * Show weights, the fields of neurons, and what is chosen.
   * @param {(layer: number, from: number, to: number) => number} weight
   * @param {{side: number, inputs: (input: number, i: number) => number, fields: Float32Array[], extent: number}} plane
   * @param {Chosen|null} chosen
   * @param {(column: number, neuron: number) => number|null} value of the chosen row
   */
  show(weight, plane, chosen, value) {
    for (const { line, number, roomy, layer, from, to } of this.edges) {
      const w = weight(layer, from, to);
      const on = chosen && chosen.layer === layer && chosen.neuron === to && chosen.edge === from;
      const ownNeuron = chosen && chosen.layer === layer && chosen.neuron === to;
      update(line, "stroke", on ? "var(--mark)" : w > 0 ? "#2b6cb8" : "#d9772b");
      update(line, "stroke-width", (Math.max(0.4, Math.min(9, Math.abs(w) * 1.8)) + (on ? 1.5 : 0)).toFixed(1));
      if (this.zoomed) number.textContent = roomy || ownNeuron ? threeDigits(w) : "";
      update(line, "stroke-opacity", (on || ownNeuron ? 0.95 : 0.2 + 0.5 * Math.min(1, Math.abs(w) / 2)).toFixed(2));
    }
    if (this.zoomed) this.showValues(value);
    this.showNodes(plane, chosen);
    this.showMark(weight, chosen);
  }

  /** The value of each neuron beside its name. @param {(column: number, neuron: number) => number|null} value */
  showValues(value) {
    for (const { node, layer, neuron } of this.nodes) {
      const own = value(layer + 1, neuron);
      node.label.textContent = own === null ? node.name : `${node.name} = ${threeDigits(own)}`;
    }
  }

  /** A larger network with its numbers, or the usual one. */
  zoom() {
    this.zoomed = !this.zoomed;
    this.place.classList.toggle("zoomed", this.zoomed);
    this.build(this.inputs, this.layers);
    this.arrange();
    this.choose(null);
    return this.zoomed;
  }

  /** @param {any} plane @param {Chosen|null} chosen */
  showNodes(plane, chosen) {
    const { side, inputs, fields } = plane;
    if (this.values.length !== side * side) this.values = new Float32Array(side * side);
    for (const { node, canvas, layer, neuron } of this.nodes) {
      if (canvas.width !== side) canvas.width = canvas.height = side;
      if (layer < 0) {
        if (node.painted !== plane.extent) paintField(canvas, side, (i) => inputs(neuron, i), { middle: 0, reach: 1.9 });
        node.painted = plane.extent; // an input stays as it is while a network trains
      } else if (fields[layer]) {
        const { activation, width } = this.layers[layer];
        const own = fields[layer];
        for (let i = 0; i < side * side; i++) this.values[i] = own[i * width + neuron];
        paintField(canvas, side, (i) => this.values[i], scaleOf(this.values, activation));
      }
      const on = Boolean(chosen && chosen.layer === layer && chosen.neuron === neuron);
      update(node, "aria-pressed", String(on));
      update(node, "aria-label", layer < 0 ? `input ${node.name}` : `neuron ${node.name}, ${this.layers[layer].activation}`);
    }
  }

  /**
   * Values beside the neurons, column by column, and the weights that are at work.
   * @param {({back: boolean, title: string, values: number[]}|null)[]} columns
   * @param {{layer: number, phase: string}|null} moving
   */
  carry(columns, moving) {
    for (const { node, layer, neuron } of this.nodes) {
      const own = columns[layer + 1];
      node.carried.hidden = !own;
      if (!own) continue;
      node.carried.textContent = `${own.back ? "∂ " : ""}${shown(own.values[neuron])}`;
      node.carried.title = own.title;
      node.carried.classList.toggle("back", own.back);
    }
    for (const { line, layer } of this.edges) {
      line.classList.toggle("flow", moving !== null && layer === moving.layer);
      line.classList.toggle("backward", moving !== null && moving.phase !== "forward");
    }
  }

  /** @param {(layer: number, from: number, to: number) => number} weight @param {Chosen|null} chosen */
  showMark(weight, chosen) {
    this.mark.replaceChildren();
    if (!chosen || chosen.edge === null) return;
    if (!this.drawn(chosen.layer).includes(chosen.edge) || !this.drawn(chosen.layer + 1).includes(chosen.neuron)) return;
    const [x1, y1] = this.at(chosen.layer, chosen.edge);
    const [x2, y2] = this.at(chosen.layer + 1, chosen.neuron);
    const [x, y] = [(x1 + x2) / 2, (y1 + y2) / 2];
    const text = `w = ${shown(weight(chosen.layer, chosen.edge, chosen.neuron))}`;
    const { type } = this;
    const width = type * (16 + 7.6 * text.length);
    const middle = Math.max(x, width / 2);
    this.mark.append(
      drawn("rect", { x: middle - width / 2, y: y - 5 - 21 * type, width, height: 21 * type, rx: 6, fill: "#6b2fa3" }),
      drawn("text", { class: "tag", x: middle, y: y - 5 - 6 * type, "text-anchor": "middle" }, text),
    );
  }
}

/** A number with three digits. @param {number} value */
const threeDigits = (value) => shown(Number(value.toPrecision(3)));

/** Set an attribute where it is another. @param {Element} own @param {string} name @param {string} value */
function update(own, name, value) {
  if (own.getAttribute(name) !== value) own.setAttribute(name, value);
}

const SUBSCRIPTS = "₀₁₂₃₄₅₆₇₈₉";

/** @param {number} number */
export const subscript = (number) => [...String(number)].map((digit) => SUBSCRIPTS[Number(digit)]).join("");

/** @param {number} column @param {number} neuron @param {string[]} inputs @param {number} layers @param {number} count */
export function nodeName(column, neuron, inputs, layers, count) {
  if (!column) return inputs[neuron];
  if (column === layers) return count === 1 ? "ŷ" : `ŷ${subscript(neuron + 1)}`;
  return `${"hgfedc"[column - 1] ?? "h"}${subscript(neuron + 1)}`;
}
