// The part of a page that computes, in a thread of its own.
//
// In: messages {id, verb, …}. Out: an answer {id, result} or {id, error} to each, and while a run
// plays {snapshot} up to sixty times a second.

import { Engine, Program } from "./engine.js";
import { tableOf } from "./columns.js";
import { readCsv } from "./csv.js";
import { crc32, unlzma } from "./lzma.js";
import { operations } from "./operations.js";
import { LossAt, compareGradients, compareOne, landscape, searchAtRandom, squareOf } from "./probe.js";
import { HOLD_OUT, order } from "./random.js";
import { Trainer } from "./trainer.js";

/**
 * @typedef {import("./trainer.js").RunSpec} RunSpec
 * @typedef {import("./trainer.js").Table} Table
 * @typedef {import("./engine.js").Tensor} Tensor
 */

const SLICE = 14; // milliseconds of training before messages are heard
const PIECE = 8; // steps between two looks at the clock
const LOOKS = 100; // at the held-out loss while many steps are taken at once
const MOST_NUMBERS = 2e6; // of a record of steps
const MOST_STATES = 32; // of a run file
const SHARE = 2; // times as long as a snapshot takes is trained before the next one
const FRAME = 16; // milliseconds between snapshots
// in float32 a · b + c is 2⁻²⁴ for these numbers if it is rounded once, else 0
const PROBE = [1 + 2 ** -12, 1 + 2 ** -12, -(1 + 2 ** -11)];

/** The methods that a page calls in its worker thread. */
export class Runner {
  /** @param {(message: any) => void} post @param {(body: () => void) => void} later */
  constructor(post, later) {
    this.post = post;
    this.later = later;
    this.playing = false;
    this.cost = 0; // milliseconds that the last snapshot took
    this.unseen = false; // whether the page has yet to draw a snapshot
    /** @type {[number, number][]} */ this.testLosses = [];
    /** @type {Float32Array|null} */ this.plane = null;
  }

  /**
   * Compile the module that this browser runs exactly: the fast one where its multiply-adds are
   * fused, else the one that rounds once by arithmetic.
   * @param {{packed: Uint8Array, lzma: boolean, sizes: number[], crc: number, mode?: string}} given the
   *   fragments and both modules, one after the other
   */
  async load({ packed, lzma, sizes, crc, mode }) {
    const whole = lzma ? unlzma(packed, sizes.reduce((a, b) => a + b)) : packed;
    if (crc32(whole) !== crc) throw new Error("the file is damaged: its kernels have another checksum");
    const [text, relaxed] = [whole.subarray(0, sizes[0]), whole.slice(sizes[0], sizes[0] + sizes[1])];
    const modules = { relaxed, exact: whole.slice(sizes[0] + sizes[1]) };
    this.library = JSON.parse(new TextDecoder().decode(text));
    if (mode !== "exact") {
      try {
        this.module = await WebAssembly.compile(modules.relaxed);
        this.mode = "relaxed";
        if (this.isFused()) return { mode: this.mode };
      } catch (error) {
        if (!(error instanceof WebAssembly.CompileError)) throw error;
      }
    }
    this.module = await WebAssembly.compile(modules.exact);
    this.mode = "exact";
    if (!this.isFused()) throw new Error("this browser does not round as IEEE 754 says, so every result would be wrong");
    return { mode: this.mode };
  }

  /** Whether the multiply-adds of the module are rounded once. */
  isFused() {
    const engine = new Engine(/** @type {WebAssembly.Module} */ (this.module), this.library);
    return engine.isFused(PROBE);
  }

  /** @param {{spec: RunSpec, table: Table, test?: Table, plane?: Float32Array}} given */
  open({ spec, table, test, plane }) {
    const engine = new Engine(/** @type {WebAssembly.Module} */ (this.module), this.library);
    this.trainer = new Trainer(engine, spec, table);
    this.test = test && test.rows ? test : null;
    this.plane = plane ?? null;
    this.testLosses = [];
    /** @type {any} */ this.stopped = null;
    return this.snapshot();
  }

  /** @returns {Trainer} */
  run() {
    if (!this.trainer) throw new Error("no run is open");
    return this.trainer;
  }

  /** @param {{steps: number}} given */
  train({ steps }) {
    this.goOn(steps);
    return this.snapshot();
  }

  /** Train for some steps, and compute the held-out loss at intervals. @param {number} steps */
  goOn(steps) {
    const part = Math.max(1, Math.floor(steps / LOOKS));
    for (let left = steps; left > 0 && this.step(Math.min(part, left)); left -= part) this.judge();
  }

  /** @param {number} steps */
  step(steps) {
    const trainer = this.run();
    const done = trainer.train(steps);
    if (!done) {
      this.stopped = this.cause();
      this.playing = false;
    }
    return done;
  }

  /** What happened in the step after which a number is no longer finite. */
  cause() {
    const trainer = this.run();
    const { step, network, engine } = trainer;
    const found = { step, weight: "", before: NaN, gradient: NaN, after: NaN, largest: 0 };
    trainer.seek(step - 1);
    const { values, updates } = network.look([...trainer.rows()]);
    const slopes = network.slopes(values.layers);
    const numbers = (/** @type {Tensor} */ t) => /** @type {Float32Array} */ (engine.view(t));
    for (const [{ name, value }, slope] of slopes) {
      const [before, gradient] = [numbers(value), numbers(slope)];
      const after = numbers(/** @type {any} */ (updates.find(([, to]) => to === value))[0]);
      for (let i = 0; i < before.length; i++) {
        found.largest = Math.max(found.largest, Math.abs(before[i]));
        if (found.weight || Number.isFinite(after[i])) continue;
        const place = value.shape.length === 2 ? `${Math.floor(i / value.shape[1])}, ${i % value.shape[1]}` : i;
        Object.assign(found, { weight: `${name}[${place}]`, before: before[i], gradient: gradient[i], after: after[i] });
      }
    }
    trainer.seek(step);
    return found;
  }

  play() {
    if (!this.playing) {
      this.playing = true;
      this.unseen = false;
      this.later(() => this.slice(0));
    }
    return true;
  }

  pause() {
    this.playing = false;
    return this.snapshot();
  }

  /** The page has drawn the last snapshot; until then, no other is sent. */
  seen() {
    this.unseen = false;
    return true;
  }

  /** A slice of a run that plays. @param {number} shown when the last snapshot was sent */
  slice(shown) {
    if (!this.playing) return;
    const start = performance.now();
    while (performance.now() - start < SLICE && this.playing) this.step(PIECE);
    const now = performance.now();
    if ((now - shown >= Math.max(FRAME, SHARE * this.cost) && !this.unseen) || !this.playing) {
      this.unseen = true;
      this.post({ snapshot: this.snapshot() });
      shown = performance.now();
      this.cost = shown - now;
    }
    this.later(() => this.slice(shown));
  }

  /** @param {{step: number}} given */
  seek({ step }) {
    this.stopped = null;
    this.run().seek(step);
    return this.snapshot();
  }

  /** @param {any} given */
  change({ settings, weights }) {
    this.stopped = null;
    this.run().change({ settings, weights });
    this.testLosses = this.testLosses.filter(([step]) => step <= this.run().step);
    return this.snapshot();
  }

  /** Compute the loss of the held-out rows, and store it for the curve. */
  judge() {
    if (!this.test) return null;
    const { network, step } = this.run();
    const loss = network.lossOf(this.test.x, this.test.y, this.test.rows);
    const last = this.testLosses[this.testLosses.length - 1];
    if (!last || last[0] < step) this.testLosses.push([step, loss]);
    return loss;
  }

  /** What a page shows of the current step. */
  snapshot() {
    const trainer = this.run();
    const { network, table, step, epoch, losses } = trainer;
    const loss = network.lossOf(table.x, table.y, table.rows);
    const testLoss = this.judge();
    return {
      step, epoch, loss, testLoss, losses: thinned(losses, step, 400),
      testLosses: this.testLosses, reached: losses.length, stopped: this.stopped,
      changes: trainer.entries.map((own) => ({ step: own.step, settings: own.settings ?? null })),
      weights: network.weights(), settings: { ...trainer.spec },
      fields: this.plane ? network.activations(this.plane, this.plane.length / trainer.spec.inputs) : [],
      rows: [...trainer.rows()],
    };
  }

  /** Everything about the next step, for one of its rows: the numbers of the five lines. */
  look() {
    const trainer = this.run();
    const { network, engine } = trainer;
    const rows = [...trainer.rows()];
    const { values, updates } = network.look(rows);
    const read = (/** @type {Tensor} */ t) => [...(/** @type {any} */ (engine.view(t)))];
    const slopes = network.slopes(values.layers);
    const after = new Map(updates.map(([from, to]) => [to.address, from]));
    return {
      step: trainer.step, rows, loss: network.number(values.loss), x: read(values.x), y: read(values.y),
      prediction: read(values.prediction), costs: read(values.costs), dprediction: read(values.dprediction),
      layers: values.layers.map(({ z, a, da, dz }) => ({ z: read(z), a: read(a), da: read(da), dz: read(dz) })),
      parameters: slopes.map(([own, slope]) => ({
        name: own.name, layer: own.layer, shape: own.value.shape, value: read(own.value), gradient: read(slope),
        next: read(/** @type {Tensor} */ (after.get(own.value.address))),
        slots: Object.fromEntries(Object.entries(own.memory).map(([slot, memory]) => [slot, { before: read(memory), after: read(/** @type {Tensor} */ (after.get(memory.address))) }])),
      })),
      count: network.count() + 1,
    };
  }

  /** The operations of the next step. */
  operations() {
    return operations(this.run());
  }

  /** The central difference of one weight, and the steps that it has taken. @param {{at: number}} given its place in W */
  weight({ at }) {
    const trainer = this.run();
    const life = [...trainer.path].filter(([step]) => step <= trainer.step).map(([step, weights]) => [step, weights[at]]);
    const now = trainer.network.weights()[at];
    if (life[life.length - 1]?.[0] !== trainer.step) life.push([trainer.step, now]);
    return { life, ...compareOne(trainer, at) };
  }

  /** Every gradient beside its central difference, the farthest apart first. */
  proof() {
    return compareGradients(this.run());
  }

  /**
   * The loss around the present weights, and the path to them.
   * @param {{first: number[], second: number[], side: number, reach: number}} given
   */
  landscape(given) {
    const trainer = this.run();
    const centre = trainer.network.weights();
    const path = [...trainer.path].filter(([step]) => step <= trainer.step).map(([step, weights]) => ({ step, weights }));
    return { ...given, losses: landscape(trainer, { ...given, centre }), centre, paths: [{ name: trainer.spec.optimizer, path }] };
  }

  /**
   * Several optimisers from the first weights of the run, on one landscape.
   * @param {{rules: {optimizer: string, lr: number}[], steps: number, side: number}} given
   */
  compare({ rules, steps, side }) {
    const own = this.run();
    const start = own.checkpoints.get(0)?.network.weights;
    const paths = rules.map(({ optimizer, lr }) => {
      const engine = new Engine(/** @type {WebAssembly.Module} */ (this.module), this.library);
      const trainer = new Trainer(engine, { ...own.first, optimizer, lr }, own.table);
      if (start) trainer.begin([{ step: 0, weights: start }]);
      const finite = trainer.train(steps);
      const path = [...trainer.path].map(([step, weights]) => ({ step, weights })).filter(({ weights }) => Array.from(weights).every(Number.isFinite));
      const loss = trainer.network.lossOf(own.table.x, own.table.y, own.table.rows);
      return { name: optimizer, lr, path, loss, steps: trainer.step, finite };
    });
    const square = squareOf(paths.map(({ path }) => path));
    return { ...square, side, paths, losses: landscape(own, { ...square, side }) };
  }

  /**
   * Random search for so many forward passes: the best weights that it drew.
   * @param {{passes: number}} given
   */
  race({ passes }) {
    const trainer = this.run();
    const found = { loss: Infinity, weights: null, tries: 0 };
    searchAtRandom(trainer, passes, 2, Math.random, found);
    return found;
  }

  /** The loss of the whole table at other weights. @param {{weights: ArrayLike<number>}} given */
  lossAt({ weights }) {
    const trainer = this.run();
    return trainer.engine.temporarily(() => new LossAt(trainer, trainer.table, "f32").at(weights));
  }

  /**
   * An activation and its derivative along a line.
   * @param {{name: string, z: number[], parameters: Record<string, number>}} given
   */
  activation({ name, z, parameters }) {
    const { engine } = this.run();
    return engine.temporarily(() => {
      const width = name === "Softmax" ? 2 : 1; // which reads all scores: one more, of 0
      const sizes = { n: z.length, o: width };
      const spread = (/** @type {number[]} */ values, /** @type {number} */ other) => (width === 1 ? values : values.flatMap((v) => [v, other]));
      const column = (/** @type {Tensor} */ t) => [...(/** @type {Float32Array} */ (engine.view(t)))].filter((_, i) => i % width === 0);
      const program = new Program(engine);
      const given = Object.fromEntries(Object.entries(parameters).map(([own, value]) => [own, engine.filled("f32", [1], [value])]));
      const ones = engine.filled("f32", [z.length, width], spread(z.map(() => 1), 0));
      const opened = program.open(`activation.${name}`, { z: engine.filled("f32", [z.length, width], spread(z, 0)), da: ones, ...given }, sizes);
      const [a, slope] = [opened.output("a"), opened.output("dz")];
      program.run();
      return { a: column(a), slope: column(slope) };
    });
  }

  /**
   * A run that was somewhere else before: its changes, and the step to go to.
   * @param {{entries: import("./trainer.js").Entry[], step: number}} given
   */
  resume({ entries, step }) {
    const trainer = this.run();
    trainer.begin(entries);
    this.goOn(step);
    return this.snapshot();
  }

  /** Read a user's table; return its column names and its number of rows. @param {{text: string}} given */
  readTable({ text }) {
    this.cells = readCsv(text);
    return { names: this.cells.names, rows: this.cells.rows.length };
  }

  /** The table that was read last, for a network. @param {{target: string, name: string, wanted: string[]|null}} given */
  tableOf({ target, name, wanted }) {
    if (!this.cells) throw new Error("no table was read");
    return tableOf(this.cells, target, name, wanted);
  }

  /**
   * The whole epochs of the run for a run file: the loss of each, of the rows that are held out too,
   * and the states after some of them.
   */
  epochs() {
    const trainer = this.run();
    const { step, network, table, spec } = trainer;
    const size = Math.min(spec.batch, table.rows);
    const each = Math.ceil(table.rows / size);
    const last = Math.floor(step / each);
    const every = Math.max(1, Math.ceil(last / MOST_STATES));
    /** @type {{epoch: number, weights: ArrayLike<number>, memory: ArrayLike<number>[]}[]} */ const states = [];
    const history = [];
    for (let epoch = 0; epoch <= last; epoch++) {
      trainer.seek(epoch * each);
      if (epoch) history.push([epoch, meanLoss(trainer.losses.slice((epoch - 1) * each, epoch * each), size, table.rows), this.test ? network.lossOf(this.test.x, this.test.y, this.test.rows) : null]);
      if (epoch % every === 0 || epoch === last) states.push({ epoch, ...network.state() });
    }
    trainer.seek(step);
    const parameters = network.parameters.map(({ name, layer, value: { shape }, memory }) => ({ name, layer, shape, slots: Object.keys(memory) }));
    return { each, last, history, states, parameters };
  }

  /** Which rows `gn.train` holds out for validation=fraction. @param {{rows: number, count: number, seed: number}} given */
  heldOut({ rows, count, seed }) {
    const engine = new Engine(/** @type {WebAssembly.Module} */ (this.module), this.library);
    return [...order(engine, rows, BigInt(seed), 0, HOLD_OUT).subarray(0, count)].sort((a, b) => a - b);
  }

  /** Every step up to the current one; evenly spaced ones if all would be too many numbers. */
  record() {
    const trainer = this.run();
    const { step, network } = trainer;
    const every = Math.max(1, Math.ceil(((step + 1) * network.weights().length) / MOST_NUMBERS));
    const lines = [];
    for (let k = 0; k <= step; k += every) {
      trainer.seek(k);
      const { epoch, losses, spec } = trainer;
      lines.push({ step: k, epoch, loss: k < losses.length ? losses[k] : NaN, lr: spec.lr, weights: network.weights() });
    }
    trainer.seek(step);
    const names = network.parameters.flatMap(({ name, value: { shape } }) => {
      const count = shape.reduce((a, b) => a * b, 1);
      return Array.from({ length: count }, (_, i) => `${name}[${shape.length === 2 ? `${Math.floor(i / shape[1])} ${i % shape[1]}` : i}]`);
    });
    return { names, lines };
  }

  weights() {
    return this.run().network.weights();
  }

  history() {
    const { first, entries, step } = this.run();
    return { first, entries, step };
  }
}

/** The mean loss of an epoch by its rows, added as NumPy does. @param {number[]} losses @param {number} size rows of a batch @param {number} rows */
function meanLoss(losses, size, rows) {
  const short = rows % size;
  const whole = short ? losses.slice(0, -1) : losses;
  const total = pairwise(whole) * size + (short ? losses[losses.length - 1] * short : 0);
  return total / rows;
}

/** @param {number[]} values @returns {number} */
function pairwise(values) {
  if (values.length > 128) {
    const half = Math.floor(values.length / 16) * 8;
    return pairwise(values.slice(0, half)) + pairwise(values.slice(half));
  }
  if (values.length < 8) return values.reduce((sum, v) => sum + v, 0);
  const r = values.slice(0, 8);
  const end = values.length - (values.length % 8);
  for (let i = 8; i < end; i++) r[i % 8] += values[i];
  const sum = r[0] + r[1] + (r[2] + r[3]) + (r[4] + r[5] + (r[6] + r[7]));
  return values.slice(end).reduce((s, v) => s + v, sum);
}

/** At most so many evenly spaced points of a curve, with its last one. @param {number[]} curve @param {number} length @param {number} most */
function thinned(curve, length, most) {
  const every = Math.max(1, Math.ceil(length / most));
  /** @type {[number, number][]} */ const found = [];
  for (let i = (length - 1) % every; i < length; i += every) found.push([i, curve[i]]);
  return found;
}

/** Answer the messages of a page. @param {any} scope the global scope of a worker */
export function serve(scope) {
  const channel = new MessageChannel();
  /** @type {(() => void)[]} */ const waiting = [];
  channel.port1.onmessage = () => waiting.shift()?.();
  const later = (/** @type {() => void} */ body) => {
    waiting.push(body);
    channel.port2.postMessage(0);
  };
  const runner = /** @type {any} */ (new Runner((message) => scope.postMessage(message), later));
  scope.onmessage = async (/** @type {MessageEvent} */ { data: { id, verb, ...rest } }) => {
    try {
      scope.postMessage({ id, result: await runner[verb](rest) });
    } catch (error) {
      scope.postMessage({ id, error: String(error instanceof Error ? error.message : error) });
    }
  };
}
