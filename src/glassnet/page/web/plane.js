// The plane: two inputs of a table, its points, and what the network answers there.
//
// In: the page. Out: points to compute fields for, and two painted canvases.

import { firstAxes } from "./choice.js";
import { byId, shown } from "./format.js";
import { CLASS_COLOURS, paintClasses, paintField, paintPlane, paintPoints, scaleOf } from "./picture.js";

export const SIDE = 36; // points of the plane in each direction
const MOST_POINTS = 1000; // of a larger table, so many rows are drawn
const REACH = 1.9; // the plane goes from −1.9 to 1.9, farther where points lie farther

export class Plane {
  /** @param {any} page */
  constructor(page) {
    this.page = page;
    this.axes = [0, 1]; // the inputs that the plane shows
    /** @type {any} */ this.axesOf = undefined; // and of which table
  }

  /** Choose the inputs of another table. @param {import("./choice.js").PageTable} table */
  meet(table) {
    if (this.axesOf !== table) Object.assign(this, { axesOf: table, axes: firstAxes(table) });
  }

  /** Points of the plane, row by row from the top; inputs that it does not show are 0, their middle. */
  fieldPoints() {
    const inputs = this.page.table.columns.length;
    const made = new Float32Array(inputs * SIDE * SIDE);
    for (let i = 0; i < SIDE * SIDE; i++) this.axes.forEach((input, axis) => (made[i * inputs + input] = this.coordinate(i, inputs === 1 ? 0 : axis)));
    return made;
  }

  /** How far the plane goes from its middle. */
  get extent() {
    const { axes, page: { table } } = this;
    let far = REACH;
    for (let row = 0; row < table.rows; row++) for (const input of axes) far = Math.max(far, 1.05 * Math.abs(table.x[row * table.columns.length + input]));
    if (table.columns.length === 1) for (const y of table.y) far = Math.max(far, 1.05 * Math.abs(y));
    return far;
  }

  /** @param {number} i a point of the plane @param {number} axis */
  coordinate(i, axis) {
    return this.extent * (axis ? 1 - (2 * Math.floor(i / SIDE)) / (SIDE - 1) : (2 * (i % SIDE)) / (SIDE - 1) - 1);
  }

  paintData() {
    const canvas = byId("points");
    paintPlane(canvas);
    if (this.page.sketch) return this.paintSketch(canvas, this.page.sketch);
    const batch = new Set((this.page.playing ? [] : this.page.snapshot?.rows ?? []).map((/** @type {number} */ i) => /** @type {number[]} */ (this.page.trainingRows)[i]));
    paintPoints(canvas, this.points(batch), 6);
    canvas.setAttribute("aria-label", `${this.page.table.rows} rows of ${this.page.table.name}, ${/** @type {Set<number>} */ (this.page.held).size} of them held out (hollow)`);
  }

  /** @param {HTMLCanvasElement} canvas @param {import("./your_table.js").DrawnPoint[]} sketch */
  paintSketch(canvas, sketch) {
    const place = (/** @type {number} */ v) => (v / REACH + 1) / 2;
    paintPoints(canvas, sketch.map(([x, y, kind]) => ({ x: place(x), y: place(y), colour: CLASS_COLOURS[kind], kind, hollow: false, marked: false })), 6);
    canvas.setAttribute("aria-label", `${sketch.length} points drawn by hand`);
  }

  /** Where a click on the data lies. @param {MouseEvent} event @returns {[number, number]} */
  clicked(event) {
    const box = byId("points").getBoundingClientRect();
    const far = this.page.sketch || !this.page.table.drawn ? REACH : this.extent;
    return [far * ((2 * (event.clientX - box.left)) / box.width - 1), far * (1 - (2 * (event.clientY - box.top)) / box.height)];
  }

  /** @param {Set<number>} marked */
  points(marked) {
    const { extent: far, page: { table } } = this;
    const inputs = table.columns.length;
    const every = Math.ceil(table.rows / MOST_POINTS);
    return Array.from({ length: Math.floor(table.rows / every) }, (_, i) => {
      const row = i * every;
      const first = table.x[row * inputs + this.axes[0]];
      const second = inputs === 1 ? table.y[row] : table.x[row * inputs + this.axes[1]];
      const kind = table.classes.length ? table.y[row] : 0;
      const own = table.classes.length ? CLASS_COLOURS[kind % CLASS_COLOURS.length] : CLASS_COLOURS[1];
      return { x: (first / far + 1) / 2, y: (second / far + 1) / 2, colour: own, kind, hollow: /** @type {Set<number>} */ (this.page.held).has(row), marked: marked.has(row) };
    });
  }

  paintSurface() {
    const { snapshot, table, choice } = this.page;
    const canvas = byId("surface");
    const field = snapshot.fields.at(-1);
    if (!field) return;
    const last = choice.layers[choice.layers.length - 1];
    if (table.columns.length === 1) this.paintCurve(canvas, field);
    else {
      if (last.width > 1) paintClasses(canvas, SIDE, field, last.width);
      else paintField(canvas, SIDE, (i) => field[i], table.classes.length && last.activation === "Identity" ? { middle: 0.5, reach: 0.5 } : scaleOf(field, last.activation));
      paintPoints(canvas, this.points(new Set()), 6);
    }
    canvas.setAttribute("aria-label", `The network's output over the plane; loss ${shown(snapshot.loss)}`);
  }

  /** One input: the output as a curve through the points. @param {HTMLCanvasElement} canvas @param {Float32Array} field */
  paintCurve(canvas, field) {
    paintPlane(canvas);
    paintPoints(canvas, this.points(new Set()), 6);
    const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
    context.beginPath();
    for (let i = 0; i < SIDE; i++) context.lineTo((i / (SIDE - 1)) * canvas.width, (1 - (field[i] / this.extent + 1) / 2) * canvas.height);
    context.strokeStyle = "#7a3fb0";
    context.lineWidth = 4;
    context.stroke();
  }
}
