// A run: a network, its data, and every step from the first one to the present one.
//
// In: an engine, a description of a run. Out: `Trainer`: it trains, goes back to any step, and has
// the same bits there again. Settings that change during a run are entries of its history.

import { Network } from "./network.js";
import { firstWeights, order } from "./random.js";

/**
 * @typedef {import("./engine.js").Engine} Engine
 * @typedef {import("./network.js").LayerSpec} LayerSpec
 * @typedef {{optimizer: string, lr: number, batch: number}} Settings
 * @typedef {{inputs: number, layers: LayerSpec[], loss: string, seed: number, shuffle: boolean,
 *   initializer: string, dtype: "f32"|"f64", slots: Record<string, Record<string, number>>} & Settings} RunSpec
 * @typedef {{x: ArrayLike<number>, y: ArrayLike<number>, rows: number}} Table
 * @typedef {{step: number, epoch: number, batch: number, count: number, network: NetworkState, spec: RunSpec}} Checkpoint
 * @typedef {{weights: ArrayLike<number>, memory: ArrayLike<number>[]}} NetworkState
 * @typedef {{step: number, settings?: Partial<Settings>, weights?: ArrayLike<number>}} Entry
 */

const EVERY = 256; // steps from one checkpoint to the next
const PLACES = 200; // of the path that is remembered

export class Trainer {
  /** @param {Engine} engine @param {RunSpec} spec @param {Table} table */
  constructor(engine, spec, table) {
    this.engine = engine;
    this.first = { ...spec };
    this.spec = { ...spec };
    this.table = table;
    this.network = new Network(engine, { ...this.spec, slots: spec.slots[spec.optimizer] });
    this.network.setData(table.x, table.y, table.rows);
    this.draw();
    /** @type {Entry[]} */ this.entries = [];
    /** @type {Map<number, Checkpoint>} */ this.checkpoints = new Map();
    /** @type {number[]} */ this.losses = [];
    /** @type {Map<number, Float32Array|Float64Array>} */ this.path = new Map(); // weights of some steps
    this.stride = 1; // from one step of the path to the next
    this.step = 0; // steps done
    this.epoch = 0;
    this.batch = 0; // batches of this epoch that are done
    this.keep();
    this.mark();
  }

  /** First weights, drawn as Python draws them. */
  draw() {
    const seed = BigInt(this.spec.seed);
    this.network.parameters.forEach(({ name, value }, number) => {
      if (name.endsWith(".weight")) firstWeights(this.engine, this.spec.initializer, value, seed, number);
    });
  }

  /** The numbers of the rows that the next step takes. */
  rows() {
    const { rows } = this.table;
    const size = Math.min(this.spec.batch, rows);
    if (!this.spec.shuffle || size >= rows) return range(this.batch * size, Math.min((this.batch + 1) * size, rows));
    if (!this.order || this.orderOf !== this.epoch) {
      this.order = order(this.engine, rows, BigInt(this.spec.seed), this.epoch);
      this.orderOf = this.epoch;
    }
    return this.order.subarray(this.batch * size, Math.min((this.batch + 1) * size, rows));
  }

  /** One step; the loss of its batch before the update, which is not finite where training ends. */
  one() {
    const rows = this.rows();
    const loss = this.network.train(rows);
    this.losses[this.step] = loss;
    this.step += 1;
    this.batch += 1;
    if (this.batch * Math.min(this.spec.batch, this.table.rows) >= this.table.rows) {
      this.batch = 0;
      this.epoch += 1;
    }
    this.take(this.entries.filter((entry) => entry.step === this.step));
    if (this.step % EVERY === 0 && !this.checkpoints.has(this.step)) this.keep();
    if (this.step % this.stride === 0) this.mark();
    return loss;
  }

  /** Do some steps, fewer if a number is not finite; return whether all were done. @param {number} count */
  train(count) {
    for (let i = 0; i < count; i++) {
      const loss = this.one();
      if (!Number.isFinite(loss) || !this.network.isFinite()) return false;
    }
    return true;
  }

  /** Go to a step that was reached before, or on to a later one. @param {number} step */
  seek(step) {
    if (step < this.step) {
      const from = Math.max(...[...this.checkpoints.keys()].filter((k) => k <= step));
      this.restore(/** @type {Checkpoint} */ (this.checkpoints.get(from)));
    }
    while (this.step < step) if (!Number.isFinite(this.one())) break;
    return this.step;
  }

  /** Begin with the changes of an earlier run. @param {Entry[]} entries */
  begin(entries) {
    this.entries = entries;
    this.take(entries.filter((entry) => entry.step === 0));
    this.keep();
    this.mark();
  }

  /** Change settings or weights from here on; what came later is forgotten. @param {Omit<Entry, "step">} change */
  change(change) {
    this.forget();
    const entry = { step: this.step, ...change };
    const last = this.entries[this.entries.length - 1];
    const again = last && last.step === this.step && !last.settings && !change.settings;
    if (again) this.entries.pop(); // a slider that is dragged is one change
    this.entries.push(entry);
    this.take([entry]);
    this.keep();
  }

  /** Remove everything after the current step from the run. */
  forget() {
    this.losses.length = this.step;
    this.entries = this.entries.filter((entry) => entry.step <= this.step);
    for (const step of this.checkpoints.keys()) if (step > this.step) this.checkpoints.delete(step);
    for (const step of this.path.keys()) if (step > this.step) this.path.delete(step);
  }

  /** @param {Entry[]} entries */
  take(entries) {
    for (const { settings, weights } of entries) {
      if (weights) this.network.setWeights(weights);
      if (!settings) continue;
      const anew = settings.batch !== undefined && settings.batch !== this.spec.batch;
      Object.assign(this.spec, settings);
      if (anew && this.batch) [this.batch, this.epoch] = [0, this.epoch + 1];
      if (settings.optimizer !== undefined) this.network.setOptimizer(settings.optimizer, this.spec.slots[settings.optimizer]);
      if (settings.lr !== undefined) this.network.setRate(settings.lr);
    }
  }

  /** Store the weights for the path: some hundred evenly spaced steps, however long the run is. */
  mark() {
    this.path.set(this.step, this.network.weights());
    if (this.path.size <= PLACES) return;
    this.stride *= 2;
    for (const step of this.path.keys()) if (step % this.stride) this.path.delete(step);
  }

  keep() {
    const { step, epoch, batch, spec, network } = this;
    this.checkpoints.set(step, { step, epoch, batch, count: network.count(), network: network.state(), spec: { ...spec } });
  }

  /** @param {Checkpoint} from */
  restore(from) {
    Object.assign(this, { step: from.step, epoch: from.epoch, batch: from.batch, spec: { ...from.spec } });
    const { optimizer, slots, lr } = this.spec;
    if (optimizer !== this.network.spec.optimizer) this.network.setOptimizer(optimizer, slots[optimizer]);
    this.network.setRate(lr);
    this.network.restore(from.network, from.count);
  }
}

/** @param {number} from @param {number} to */
const range = (from, to) => Int32Array.from({ length: to - from }, (_, i) => from + i);
