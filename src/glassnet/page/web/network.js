// A network that trains: parameters, steps over batches, predictions.
//
// In: an engine and a description of a network. Out: `Network`; its weights after any number of
// steps are those of `gn.train`.

import { Program } from "./engine.js";

/**
 * @typedef {import("./engine.js").Tensor} Tensor
 * @typedef {import("./engine.js").Engine} Engine
 * @typedef {{activation: string, width: number, parameters?: Record<string, number>}} LayerSpec
 * @typedef {{inputs: number, layers: LayerSpec[], loss: string, optimizer: string, lr: number,
 *   dtype: "f32"|"f64", slots: Record<string, number>}} NetworkSpec
 * @typedef {{linear: import("./engine.js").Opened, activation: import("./engine.js").Opened}} OpenedLayer
 * @typedef {{name: string, layer: number, value: Tensor, memory: Record<string, Tensor>}} Parameter
 * @typedef {{z: Tensor, a: Tensor, da: Tensor, dz: Tensor, dweight: Tensor, dbias: Tensor,
 *   learnt: Record<string, Tensor>}} LayerValues what a step computes in a layer
 * @typedef {{x: Tensor, y: Tensor, prediction: Tensor, loss: Tensor, costs: Tensor,
 *   dprediction: Tensor, layers: LayerValues[]}} StepValues
 * @typedef {{program: Program, rows: Tensor, updates: [Tensor, Tensor][], values: StepValues}} Step
 */

export class Network {
  /** @param {Engine} engine @param {NetworkSpec} spec */
  constructor(engine, spec) {
    this.engine = engine;
    this.spec = spec;
    this.outputs = spec.layers[spec.layers.length - 1].width;
    /** @type {Parameter[]} */ this.parameters = [];
    this.layers = spec.layers.map((layer, number) => this.makeLayer(layer, number));
    this.lr = engine.filled(spec.dtype, [], [spec.lr]);
    this.step = engine.filled("i64", [], [0]);
    /** @type {Map<number, Step>} */ this.steps = new Map();
    /** @type {Map<object, any>} */ this.made = new Map(); // programs for tables that are shown
    /** @type {{x: Tensor, y: Tensor}|null} */ this.data = null;
    this.rows = 0;
    this.mark = engine.mark();
    this.setOptimizer(spec.optimizer, spec.slots);
  }

  /** @param {LayerSpec} layer @param {number} number */
  makeLayer(layer, number) {
    const before = number ? this.spec.layers[number - 1].width : this.spec.inputs;
    const own = {
      weight: this.parameter(`linear${number + 1}.weight`, number, [before, layer.width], 0),
      bias: this.parameter(`linear${number + 1}.bias`, number, [layer.width], 0),
    };
    /** @type {Record<string, Parameter>} */ const learnt = {};
    for (const [name, first] of Object.entries(layer.parameters ?? {}))
      learnt[name] = this.parameter(`${layer.activation}.${name}`, number, [layer.width], first);
    return { ...layer, before, ...own, learnt };
  }

  /** @param {string} name @param {number} layer @param {number[]} shape @param {number} first @returns {Parameter} */
  parameter(name, layer, shape, first) {
    const { engine, spec } = this;
    const value = engine.tensor(spec.dtype, shape);
    /** @type {Float32Array} */ (engine.view(value)).fill(first);
    const made = { name, layer, value, memory: {} };
    this.parameters.push(made);
    return made;
  }

  /** Every parameter in one array, in the order of `model.W`. */
  weights() {
    const kind = this.spec.dtype === "f32" ? Float32Array : Float64Array;
    const parts = this.parameters.map((p) => /** @type {Float32Array} */ (this.engine.view(p.value)));
    const whole = new kind(parts.reduce((sum, part) => sum + part.length, 0));
    let at = 0;
    for (const part of parts) {
      whole.set(part, at);
      at += part.length;
    }
    return whole;
  }

  /** @param {ArrayLike<number>} values */
  setWeights(values) {
    let at = 0;
    for (const { value } of this.parameters) {
      const view = /** @type {Float32Array} */ (this.engine.view(value));
      view.set(Array.prototype.slice.call(values, at, at + view.length));
      at += view.length;
    }
  }

  /** Whether every weight is a finite number. */
  isFinite() {
    return this.parameters.every(({ value }) => {
      const view = /** @type {Float32Array} */ (this.engine.view(value));
      for (let i = 0; i < view.length; i++) if (!Number.isFinite(view[i])) return false;
      return true;
    });
  }

  /** How many steps the optimiser counts. */
  count() {
    return Number(/** @type {BigInt64Array} */ (this.engine.view(this.step))[0]);
  }

  /** @param {number} lr */
  setRate(lr) {
    this.spec.lr = lr;
    /** @type {Float32Array} */ (this.engine.view(this.lr))[0] = lr;
  }

  /** Set another update rule, with its initial state. @param {string} name @param {Record<string, number>} slots */
  setOptimizer(name, slots) {
    const { engine, spec } = this;
    Object.assign(spec, { optimizer: name, slots });
    engine.release(this.mark); // steps and memory of the rule before
    for (const own of this.parameters) {
      own.memory = {};
      for (const [slot, first] of Object.entries(slots)) {
        own.memory[slot] = engine.tensor(spec.dtype, own.value.shape);
        /** @type {Float32Array} */ (engine.view(own.memory[slot])).fill(first);
      }
    }
    /** @type {BigInt64Array} */ (engine.view(this.step))[0] = 0n;
    this.steps.clear();
    this.made.clear();
  }

  /** The weights and the state of the optimiser. */
  state() {
    const copy = (/** @type {Tensor} */ t) => /** @type {Float32Array} */ (this.engine.view(t)).slice();
    const memory = this.parameters.flatMap((own) => Object.values(own.memory).map(copy));
    return { weights: this.weights(), memory };
  }

  /** @param {{weights: ArrayLike<number>, memory: ArrayLike<number>[]}} state @param {number} count */
  restore(state, count) {
    this.setWeights(state.weights);
    const places = this.parameters.flatMap((own) => Object.values(own.memory));
    places.forEach((place, i) => /** @type {Float32Array} */ (this.engine.view(place)).set(state.memory[i]));
    /** @type {BigInt64Array} */ (this.engine.view(this.step))[0] = BigInt(count);
  }

  /** The table to train on. @param {ArrayLike<number>} x @param {ArrayLike<number>} y @param {number} rows */
  setData(x, y, rows) {
    const { engine, spec } = this;
    engine.release(this.mark);
    this.data = { x: engine.filled(spec.dtype, [rows, spec.inputs], x), y: this.labels(y, rows) };
    this.rows = rows;
    this.mark = engine.mark();
    this.setOptimizer(spec.optimizer, spec.slots);
  }

  /** The five lines for batches of so many rows. @param {number} rows @returns {Step} */
  stepFor(rows) {
    const found = this.steps.get(rows);
    if (found) return found;
    const made = this.makeStep(rows);
    this.steps.set(rows, made);
    return made;
  }

  /** @param {number} n @returns {Step} */
  makeStep(n) {
    const { engine, spec, data } = this;
    if (!data) throw new Error("there is no data to train on");
    const program = new Program(engine);
    program.enter("rows");
    const rows = engine.tensor("i32", [n]);
    const x = program.open("take", { table: data.x, rows }, { n, i: spec.inputs, N: this.rows }).output("taken");
    const label = data.y.dtype === "i32" ? "take.classes" : "take";
    const y = program.open(label, { table: data.y, rows }, { n, i: this.outputs, N: this.rows }).output("taken");
    const forward = this.forward(program, x, n);
    program.enter("loss");
    const cost = program.open(`loss.${spec.loss}.${this.outputs}`, { prediction: forward.prediction, y }, { n, o: this.outputs });
    const loss = cost.output("loss");
    const costs = cost.output("rows");
    program.enter("backward", this.layers.length - 1);
    const dprediction = cost.output("dprediction");
    const layers = this.backward(program, forward.opened, dprediction);
    program.enter("update");
    const updates = this.update(program, this.slopes(layers));
    const values = { x, y, prediction: forward.prediction, loss, costs, dprediction, layers };
    return { program, rows, updates, values };
  }

  /** From the last layer to the first. @param {Program} program @param {OpenedLayer[]} opened @param {Tensor} slope ∂L/∂ŷ */
  backward(program, opened, slope) {
    /** @type {LayerValues[]} */ const found = [];
    for (let number = opened.length - 1; number >= 0; number--) {
      const { linear, activation } = opened[number];
      program.enter("backward", number);
      activation.give({ da: slope });
      const names = Object.keys(this.layers[number].learnt);
      const learnt = Object.fromEntries(names.map((name) => [name, activation.output(`d${name}`)]));
      const dz = activation.output("dz");
      linear.give({ dz });
      const [dbias, dweight] = [linear.output("dbias"), linear.output("dweight")];
      found[number] = { z: linear.output("z"), a: activation.output("a"), da: slope, dz, dweight, dbias, learnt };
      if (number) slope = linear.output("dh");
    }
    return found;
  }

  /** Every parameter with its gradient, in the order of `parameters`. @param {LayerValues[]} layers @returns {[Parameter, Tensor][]} */
  slopes(layers) {
    return this.layers.flatMap((layer, number) => {
      const { dweight, dbias, learnt } = layers[number];
      const own = Object.entries(layer.learnt).map(([name, p]) => /** @type {[Parameter, Tensor]} */ ([p, learnt[name]]));
      return /** @type {[Parameter, Tensor][]} */ ([[layer.weight, dweight], [layer.bias, dbias], ...own]);
    });
  }

  /** @param {Program} program @param {Tensor} x @param {number} n */
  forward(program, x, n) {
    let h = x;
    const opened = this.layers.map((layer, number) => {
      program.enter("forward", number);
      const sizes = { n, i: layer.before, o: layer.width };
      const linear = program.open(this.named("linear"), { h, weight: layer.weight.value, bias: layer.bias.value }, sizes);
      const learnt = Object.fromEntries(Object.entries(layer.learnt).map(([name, own]) => [name, own.value]));
      const activation = program.open(this.named(`activation.${layer.activation}`), { z: linear.output("z"), ...learnt }, sizes);
      h = activation.output("a");
      return { linear, activation };
    });
    return { prediction: h, opened };
  }

  /**
   * New values are computed beside the old ones and copied over them when all are known.
   * @param {Program} program @param {[Parameter, Tensor][]} slopes @returns {[Tensor, Tensor][]}
   */
  update(program, slopes) {
    /** @type {[Tensor, Tensor][]} */ const copies = [];
    for (const [own, g] of slopes) {
      program.enter("update", own.layer);
      const shape = own.value.shape;
      /** @type {Record<string, number>} */
      const sizes = shape.length === 2 ? { i: shape[0], o: shape[1] } : { o: shape[0] };
      const inputs = { w: own.value, g, ...own.memory };
      const rule = program.open(`update.${this.spec.optimizer}.${shape.length}`, inputs, sizes);
      for (const name of ["lr", "step"]) {
        if (name in rule.fragment.inputs) rule.give({ [name]: name === "lr" ? this.lr : this.step });
      }
      copies.push([rule.output("w"), own.value]);
      for (const [slot, memory] of Object.entries(own.memory)) copies.push([rule.output(slot), memory]);
    }
    return copies;
  }

  /** Compute everything of a step on these rows, without changing the weights. @param {ArrayLike<number>} rows */
  look(rows) {
    const step = this.stepFor(rows.length);
    /** @type {Int32Array} */ (this.engine.view(step.rows)).set(rows);
    step.program.run();
    return step;
  }

  /** Do one step on the rows with these numbers; return the loss before it. @param {ArrayLike<number>} rows */
  train(rows) {
    const step = this.look(rows);
    const { engine } = this;
    const bytes = new Uint8Array(engine.memory.buffer);
    for (const [from, to] of step.updates) {
      const size = to.shape.reduce((a, b) => a * b, 1) * (to.dtype === "f64" ? 8 : 4);
      bytes.copyWithin(to.address, from.address, from.address + size);
    }
    const count = /** @type {BigInt64Array} */ (engine.view(this.step));
    count[0] += 1n;
    return this.number(step.values.loss);
  }

  /** @param {Tensor} tensor a single number */
  number(tensor) {
    return /** @type {Float32Array} */ (this.engine.view(tensor))[0];
  }

  /**
   * The activations of every layer for some rows, layer by layer.
   * @param {ArrayLike<number>} x @param {number} n
   */
  activations(x, n) {
    const { engine, spec } = this;
    const made = this.once(x, () => {
      const program = new Program(engine);
      const { opened } = this.forward(program, engine.filled(spec.dtype, [n, spec.inputs], x), n);
      return { program, results: opened.map(({ activation }) => activation.output("a")) };
    });
    made.program.run();
    return made.results.map((/** @type {Tensor} */ a) => /** @type {Float32Array} */ (engine.view(a)).slice());
  }

  /**
   * A program for some rows, made when it is first asked for.
   * @template T @param {object} key @param {() => T} make @returns {T}
   */
  once(key, make) {
    if (!this.made.has(key)) this.made.set(key, make());
    return this.made.get(key);
  }

  /** A fragment in the dtype of the network. @param {string} name */
  named(name) {
    return this.spec.dtype === "f64" && `f64.${name}` in this.engine.library.fragments ? `f64.${name}` : name;
  }

  /** The loss of some rows. @param {ArrayLike<number>} x @param {ArrayLike<number>} y @param {number} n */
  lossOf(x, y, n) {
    const { engine, spec } = this;
    const made = this.once(y, () => {
      const program = new Program(engine);
      const forward = this.forward(program, engine.filled(spec.dtype, [n, spec.inputs], x), n);
      const inputs = { prediction: forward.prediction, y: this.labels(y, n) };
      const opened = program.open(this.named(`loss.${spec.loss}.${this.outputs}`), inputs, { n, o: this.outputs });
      return { program, loss: opened.output("loss") };
    });
    made.program.run();
    return this.number(made.loss);
  }

  /** @param {ArrayLike<number>} y @param {number} n */
  labels(y, n) {
    const { loss, dtype } = this.spec;
    const classes = loss === "CrossEntropy" || loss === "Hinge";
    return classes ? this.engine.filled("i32", [n], y) : this.engine.filled(dtype, [n, this.outputs], y);
  }
}
