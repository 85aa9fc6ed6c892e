// Choices and tables: what a link may say, which rows are held out, which inputs are shown first.

export const MOST_LAYERS = 6;
const WIDEST = 256; // neurons of a layer of a run or a model that is opened
const HELD_OUT = 0.3;

/**
 * @typedef {{name: string, columns: string[], target: string, classes: string[], rows: number,
 *   x: Float32Array, y: Float32Array, builtIn?: boolean, held?: number[], drawn?: boolean, about?: string}} PageTable
 * @typedef {{table: string, layers: {activation: string, width: number}[], loss: string,
 *   optimizer: string, lr: number, batch: number, seed: number, initializer: string}} Choice
 */

/** A choice from a link, with nothing in it that the page does not offer. @param {any} found @param {any} menu @param {Choice} first @returns {Choice} */
export function checked(found, menu, first) {
  const among = (/** @type {any[]} */ items, /** @type {any} */ name) => items.some((own) => (own.name ?? own) === name);
  const layers = found.layers;
  const right =
    Array.isArray(layers) && layers.length >= 1 && layers.length <= MOST_LAYERS + 1 &&
    layers.every((own) => among(menu.activations, own.activation) && Number.isInteger(own.width) && own.width >= 1 && own.width <= WIDEST) &&
    among(menu.losses, found.loss) && among(menu.optimizers, found.optimizer) && among(menu.initializers, found.initializer) &&
    Number.isFinite(found.lr) && found.lr >= 0 && Number.isInteger(found.batch) && found.batch >= 1 && Number.isSafeInteger(found.seed) && found.seed >= 0;
  if (!right) throw new Error("a setting is not on the menu");
  const { loss, optimizer, lr, batch, seed, initializer } = found;
  return { ...first, layers: layers.map(({ activation, width }) => ({ activation, width })), loss, optimizer, lr, batch, seed, initializer };
}

/** The two inputs with the most different values, of two columns where there are two. @param {PageTable} table */
export function firstAxes(table) {
  const inputs = table.columns.length;
  if (inputs < 2) return [0, 0];
  const counts = table.columns.map((_, i) => new Set(Array.from({ length: table.rows }, (_row, row) => table.x[row * inputs + i])).size);
  const order = counts.map((_, i) => i).sort((a, b) => counts[b] - counts[a] || a - b);
  const column = (/** @type {number} */ i) => table.columns[i].replace(/ \(\d+\)$/, ""); // of several functions of it
  const second = order.find((i) => column(i) !== column(order[0])) ?? order[1];
  return [order[0], second].sort((a, b) => a - b);
}

/**
 * The rows that are held out: those that the table names, else every row whose number has a
 * remainder of 0 to 2 by 10.
 * @param {PageTable} table
 */
export function heldOut({ rows, held }) {
  return new Set(held ?? Array.from({ length: rows }, (_, i) => i).filter((i) => (i * 7) % 10 < 10 * HELD_OUT));
}

/** @param {PageTable} table @param {(row: number) => boolean} wanted */
export function parts(table, wanted) {
  const numbers = Array.from({ length: table.rows }, (_, i) => i).filter(wanted);
  const inputs = table.columns.length;
  const x = Float32Array.from(numbers.flatMap((row) => [...table.x.subarray(row * inputs, (row + 1) * inputs)]));
  return { x, y: Float32Array.from(numbers, (row) => table.y[row]), rows: numbers.length, numbers };
}
