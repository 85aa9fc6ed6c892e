// Random numbers of the page: those of `glassnet.ops.philox`, whose words are computed by the
// kernels. What is done here moves words to their places.

import { Program } from "./engine.js";

/**
 * @typedef {import("./engine.js").Tensor} Tensor
 * @typedef {import("./engine.js").Engine} Engine
 */

const HOST = 2 ** 31; // streams of numbers that are drawn outside a step
const SHUFFLE = 2 ** 16 + HOST; // the stream of the orders of rows
export const HOLD_OUT = SHUFFLE + 1; // and of the rows that are held out
const ROUNDS = 8;

/**
 * The words of so many counters, one after the other, four each.
 * @param {Engine} engine @param {number} bits the top bits that are kept of each word
 * @param {number} counters @param {bigint} seed @param {number} stream @param {number} step
 */
export function words(engine, bits, counters, seed, stream, step) {
  return engine.temporarily(() => {
    const whole = (/** @type {number|bigint} */ v) => engine.filled("i64", [], [v]);
    const inputs = {
      counter: engine.filled("i64", [counters], Array.from({ length: counters }, (_, i) => i)),
      step: whole(step),
      stream: whole(stream),
      key0: whole(seed & 0xffffffffn),
      key1: whole((seed >> 32n) & 0xffffffffn),
    };
    const program = new Program(engine);
    const opened = program.open(`random.${bits}`, inputs, { n: counters });
    const found = [0, 1, 2, 3].map((word) => opened.output(`word${word}`));
    program.run();
    const columns = found.map((tensor) => /** @type {BigInt64Array} */ (engine.view(tensor)));
    return Array.from({ length: 4 * counters }, (_, i) => Number(columns[i % 4][i >> 2]));
  });
}

/**
 * First weights of a matrix: the parameter of this number of a network.
 * @param {Engine} engine @param {string} initializer @param {Tensor} weight
 * @param {bigint} seed @param {number} number
 */
export function firstWeights(engine, initializer, weight, seed, number) {
  const [fanIn, fanOut] = weight.shape;
  const count = fanIn * fanOut;
  const counters = Math.ceil((2 * count) / 4);
  const stream = number + HOST;
  const high = words(engine, 27, counters, seed, stream, 0).slice(0, count);
  const low = words(engine, 26, counters, seed, stream, 0).slice(count, 2 * count);
  engine.temporarily(() => {
    const program = new Program(engine);
    const parts = { high: engine.filled("i64", [count], high), low: engine.filled("i64", [count], low) };
    const drawn = program.open("random.uniform", parts, { n: count }).output("drawn");
    const fans = { fan_in: engine.filled("f64", [], [fanIn]), fan_out: engine.filled("f64", [], [fanOut]) };
    const first = program.open(`first.${initializer}`, { drawn }, { n: count });
    for (const [name, value] of Object.entries(fans)) if (name in first.fragment.inputs) first.give({ [name]: value });
    first.output("values", weight);
    program.run();
  });
}

/**
 * The order of n rows in an epoch, as `philox.permutation` gives it.
 * @param {Engine} engine @param {number} n @param {bigint} seed @param {number} epoch
 * @param {number} [stream]
 */
export function order(engine, n, seed, epoch, stream = SHUFFLE) {
  const height = Math.max(1, squareRoot(Math.max(n - 1, 0)) + 1);
  const width = Math.max(1, Math.ceil(n / height));
  const table = words(engine, 32, (ROUNDS * height) / 4, seed, stream, epoch);
  const places = new Int32Array(n);
  for (let i = 0; i < n; i++) {
    let place = i;
    do place = moved(place, table, height, width);
    while (place >= n);
    places[i] = place;
  }
  return places;
}

/** @param {number} n the largest whole number whose square is at most n */
function squareRoot(n) {
  let root = Math.floor(Math.sqrt(n));
  while (root * root > n) root--;
  while ((root + 1) * (root + 1) <= n) root++;
  return root;
}

/** @param {number} place @param {number[]} table @param {number} height @param {number} width */
function moved(place, table, height, width) {
  let row = Math.floor(place / width);
  let column = place % width;
  for (let round = 0; round < ROUNDS; round++) {
    if (round % 2) column = (column + (table[round * height + row] % width)) % width;
    else row = (row + (table[round * height + column] % height)) % height;
  }
  return row * width + column;
}
