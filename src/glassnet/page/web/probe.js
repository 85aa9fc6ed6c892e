// Losses at other weights than those of the run: finite differences, a landscape, a race.
//
// In: an engine, a description of a network, rows. Out: numbers; the run itself stays as it is.

import { Network } from "./network.js";

/**
 * @typedef {import("./trainer.js").Trainer} Trainer
 * @typedef {{x: ArrayLike<number>, y: ArrayLike<number>, rows: number}} Rows
 */

const MOST_COMPARED = 1500; // gradients; of more, so many are taken evenly

/** The loss of some rows as a function of the weights, in a dtype. */
export class LossAt {
  /** @param {Trainer} trainer @param {Rows} rows @param {"f32"|"f64"} dtype */
  constructor({ engine, spec, network }, rows, dtype) {
    this.network = new Network(engine, { ...spec, ...network.spec, dtype, slots: {} });
    this.rows = rows;
    this.passes = 0;
  }

  /** @param {ArrayLike<number>} weights */
  at(weights) {
    this.passes += 1;
    this.network.setWeights(weights);
    return this.network.lossOf(this.rows.x, this.rows.y, this.rows.rows);
  }
}

/**
 * Every gradient of the next step beside a central difference in float64.
 * @param {Trainer} trainer
 */
export function compareGradients(trainer) {
  const { network, engine, table, spec } = trainer;
  const numbers = trainer.rows();
  const { values } = network.look(numbers);
  const gradients = network.slopes(values.layers).flatMap(([own, slope]) => {
    const view = /** @type {Float32Array} */ (engine.view(slope));
    return [...view].map((gradient, i) => ({ name: own.name, shape: own.value.shape, place: i, gradient }));
  });
  const weights = Float64Array.from(network.weights());
  return engine.temporarily(() => {
    const loss = new LossAt(trainer, picked(table, numbers, spec.inputs), "f64");
    const every = Math.ceil(gradients.length / MOST_COMPARED);
    return gradients.flatMap((own, i) => (i % every ? [] : [{ ...own, weight: weights[i], ...difference(loss, weights, i) }]));
  });
}

/** The gradient of one weight, of the next batch, beside its central difference. @param {Trainer} trainer @param {number} at its place in W */
export function compareOne(trainer, at) {
  const { engine, network, table, spec } = trainer;
  const weights = Float64Array.from(network.weights());
  return engine.temporarily(() => difference(new LossAt(trainer, picked(table, trainer.rows(), spec.inputs), "f64"), weights, at));
}

/**
 * (L(w + h) − L(w − h)) / 2h, and whether the slopes on both sides differ, as they do at a kink.
 * @param {LossAt} loss @param {Float64Array} weights @param {number} i
 */
function difference(loss, weights, i) {
  const w = weights[i];
  const h = 1e-5 * Math.max(1, Math.abs(w));
  const at = (/** @type {number} */ v) => {
    weights[i] = v;
    return loss.at(weights);
  };
  const [below, here, above] = [at(w - h), at(w), at(w + h)];
  weights[i] = w;
  const [left, right] = [(here - below) / h, (above - here) / h];
  const apart = Math.abs(left - right);
  return { difference: (above - below) / (2 * h), kink: apart > 1e-3 * (Math.abs(left) + Math.abs(right)) + 1e-7 };
}

/** Rows of a table by number. @param {Rows} table @param {ArrayLike<number>} numbers @param {number} inputs @returns {Rows} */
export function picked(table, numbers, inputs) {
  const outputs = table.y.length / table.rows;
  const x = new Float32Array(numbers.length * inputs);
  const y = new Float32Array(numbers.length * outputs);
  for (let i = 0; i < numbers.length; i++) {
    for (let j = 0; j < inputs; j++) x[i * inputs + j] = table.x[numbers[i] * inputs + j];
    for (let j = 0; j < outputs; j++) y[i * outputs + j] = table.y[numbers[i] * outputs + j];
  }
  return { x, y, rows: numbers.length };
}

/**
 * The loss of the whole table on a square of weights, and where some paths lie on it.
 * @param {Trainer} trainer
 * @param {{centre: ArrayLike<number>, first: ArrayLike<number>, second: ArrayLike<number>,
 *   side: number, reach: number}} square how far it goes in each direction from its centre
 */
export function landscape({ engine, network, spec, table }, { centre, first, second, side, reach }) {
  return engine.temporarily(() => {
    const loss = new LossAt(/** @type {any} */ ({ engine, network, spec }), table, "f32");
    const weights = new Float32Array(centre.length);
    return Float32Array.from({ length: side * side }, (_, i) => {
      const a = reach * ((2 * (i % side)) / (side - 1) - 1);
      const b = reach * (1 - (2 * Math.floor(i / side)) / (side - 1));
      for (let k = 0; k < centre.length; k++) weights[k] = centre[k] + a * first[k] + b * second[k];
      return loss.at(weights);
    });
  });
}

/** @typedef {{step: number, weights: ArrayLike<number>}[]} Path */

/**
 * A square that shows paths: spanned by the two directions in which they move most.
 * @param {Path[]} paths
 */
export function squareOf(paths) {
  const points = paths.flatMap((path) => path.map(({ weights }) => Float64Array.from(weights)));
  const count = points[0].length;
  const centre = Float64Array.from({ length: count }, (_, k) => points.reduce((sum, p) => sum + p[k], 0) / points.length);
  const away = points.map((p) => p.map((v, k) => v - centre[k]));
  const first = mainDirection(away, null);
  const second = mainDirection(away, first);
  const [a, b] = [first, second].map((way) => away.map((p) => dot(p, way)));
  const middle = (/** @type {number[]} */ v) => (Math.max(...v) + Math.min(...v)) / 2;
  const half = (/** @type {number[]} */ v) => (Math.max(...v) - Math.min(...v)) / 2;
  const [x, y] = [middle(a), middle(b)];
  const all = away.reduce((sum, p) => sum + dot(p, p), 0);
  const seen = [...a, ...b].reduce((sum, v) => sum + v * v, 0);
  return {
    centre: centre.map((c, k) => c + x * first[k] + y * second[k]), first, second,
    reach: 1.2 * Math.max(half(a), half(b), 1e-3), share: all ? seen / all : 1,
  };
}

/** @param {ArrayLike<number>} a @param {ArrayLike<number>} b */
function dot(a, b) {
  let sum = 0;
  for (let k = 0; k < a.length; k++) sum += a[k] * b[k];
  return sum;
}

/**
 * The unit vector along which points spread most, at a right angle to another one.
 * @param {Float64Array[]} points @param {Float64Array|null} other
 */
function mainDirection(points, other) {
  let way = Float64Array.from({ length: points[0].length }, (_, k) => 1 + ((k * 7) % 11) / 11);
  for (let round = 0; round < 60; round++) {
    const next = new Float64Array(way.length);
    for (const p of points) {
      const along = dot(p, way);
      for (let k = 0; k < next.length; k++) next[k] += along * p[k];
    }
    const across = other ? dot(next, other) : 0;
    if (other) for (let k = 0; k < next.length; k++) next[k] -= across * other[k];
    const size = Math.sqrt(dot(next, next));
    if (!(size > 1e-30)) break;
    way = next.map((v) => v / size);
  }
  const across = other ? dot(way, other) : 0;
  if (other) way = way.map((v, k) => v - across * other[k]);
  const size = Math.sqrt(dot(way, way)) || 1;
  return way.map((v) => v / size);
}

/**
 * Random search: so many draws around nothing; the least loss and where it is.
 * @param {Trainer} trainer @param {number} tries @param {number} reach weights are drawn from −reach to reach
 * @param {() => number} random @param {{loss: number, weights: Float32Array|null, tries: number}} found
 */
export function searchAtRandom(trainer, tries, reach, random, found) {
  const { engine, table, network } = trainer;
  return engine.temporarily(() => {
    const loss = new LossAt(trainer, table, "f32");
    const weights = new Float32Array(network.weights().length);
    for (let i = 0; i < tries; i++) {
      for (let k = 0; k < weights.length; k++) weights[k] = reach * (2 * random() - 1);
      const now = loss.at(weights);
      found.tries += 1;
      if (!(now >= found.loss)) Object.assign(found, { loss: now, weights: weights.slice() });
    }
    return found;
  });
}
