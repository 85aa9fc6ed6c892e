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
    /** @type {any} */ this.far = undefined; // how far it goes, and of which table and inputs that is
    /** @type {any} */ this.layer = undefined; // the points of the surface, painted once
    this.shown = ""; // what the data canvas shows
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

  /** How far the plane goes from its middle. @returns {number} */
  get extent() {
    const { axes, page: { table } } = this;
    const known = this.far;
    if (known?.table === table && known.axes === axes.join()) return known.far;
    let far = REACH;
    for (let row = 0; row < table.rows; row++) for (const input of axes) far = Math.max(far, 1.05 * Math.abs(table.x[row * table.columns.length + input]));
    if (table.columns.length === 1) for (const y of table.y) far = Math.max(far, 1.05 * Math.abs(y));
    this.far = { table, axes: axes.join(), far };
    return far;
  }

  /** @param {number} i a point of the plane @param {number} axis */
  coordinate(i, axis) {
    return this.extent * (axis ? 1 - (2 * Math.floor(i / SIDE)) / (SIDE - 1) : (2 * (i % SIDE)) / (SIDE - 1) - 1);
  }

  paintData() {
    const canvas = byId("points");
    const { page } = this;
    if (page.sketch) {
      this.shown = "";
      paintPlane(canvas);
      return this.paintSketch(canvas, page.sketch);
    }
    const batch = new Set((page.playing ? [] : page.snapshot?.rows ?? []).map((/** @type {number} */ i) => /** @type {number[]} */ (page.trainingRows)[i]));
    const what = page.playing ? `${page.choice.table} ${this.axes}` : "";
    if (what && what === this.shown) return undefined;
    this.shown = what;
    paintPlane(canvas);
    paintPoints(canvas, this.points(batch), 6);
    canvas.setAttribute("aria-label", `${page.table.rows} rows of ${page.table.name}, ${/** @type {Set<number>} */ (page.held).size} of them held out (hollow)`);
    return undefined;
  }

  /** The points, over the surface. @param {HTMLCanvasElement} canvas */
  paintLayer(canvas) {
    const { page: { table, held }, axes } = this;
    const known = this.layer;
    if (!known || known.table !== table || known.held !== held || known.axes !== axes.join()) {
      const layer = new OffscreenCanvas(canvas.width, canvas.height);
      paintPoints(/** @type {any} */ (layer), this.points(new Set()), 6);
      this.layer = { table, held, axes: axes.join(), layer };
    }
    /** @type {any} */ (canvas.getContext("2d")).drawImage(this.layer.layer, 0, 0);
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
      this.paintLayer(canvas);
    }
    canvas.setAttribute("aria-label", `The network's output over the plane; loss ${shown(snapshot.loss)}`);
  }

  /** One input: the output as a curve through the points. @param {HTMLCanvasElement} canvas @param {Float32Array} field */
  paintCurve(canvas, field) {
    paintPlane(canvas);
    this.paintLayer(canvas);
    const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
    context.beginPath();
    for (let i = 0; i < SIDE; i++) context.lineTo((i / (SIDE - 1)) * canvas.width, (1 - (field[i] / this.extent + 1) / 2) * canvas.height);
    context.strokeStyle = "#7a3fb0";
    context.lineWidth = 4;
    context.stroke();
  }
}
