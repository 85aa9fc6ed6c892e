// One step, operation by operation: forward, loss, backward, update; and back again.
//
// In: the page and the operations of its next step. Out: what the panel of the five lines shows, and
// values beside the neurons of the drawing.

import { element, shown, term } from "./format.js";
import { subscript } from "./network_view.js";

/** @typedef {import("./operations.js").Operation} Operation */
/** @typedef {import("./operations.js").Shown} Shown */

const PHASES = [
  ["rows", "x, y"],
  ["forward", "ŷ = f(x; W)"],
  ["loss", "L(ŷ, y)"],
  ["backward", "∂L/∂W"],
  ["update", "W − η·∂L/∂W"],
];
const [QUICK, SLOW] = [450, 2000]; // milliseconds from one operation to the next, or phase if reduced motion is preferred
const MOST_ROWS = 12;
const MOST_COLUMNS = 8;

export class OperationsView {
  /** @param {any} page */
  constructor(page) {
    this.page = page;
    /** @type {Operation[]|null} */ this.list = null; // null: the whole step is shown at once
    /** @type {any} */ this.timer = 0; // of the animation
    this.done = 0; // operations that are done
    /** @type {any} */ this.of = null; // the snapshot whose next step the list is
  }

  leave() {
    this.stop();
    Object.assign(this, { list: null, done: 0, of: null });
  }

  async enter() {
    this.list = await this.page.thread.ask("operations");
    this.of = this.page.snapshot;
    this.done = Math.min(this.done, this.length);
  }

  get length() {
    return this.list?.length ?? 0;
  }

  /** The next operation; after the last one the step is taken. */
  async next() {
    if (this.page.snapshot.stopped) return;
    if (!this.list || this.of !== this.page.snapshot) await this.enter();
    if (this.done < this.length) {
      this.done += 1;
      await this.page.choosePanel("lines");
      return;
    }
    this.done = 0;
    await this.page.stepOnce();
  }

  /** Play the operations of the step one after the other; if they are playing, stop. */
  async animate() {
    if (this.timer) {
      this.stop();
      return this.page.showPanel();
    }
    if (this.page.snapshot.stopped) return undefined;
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    if (!this.list || this.of !== this.page.snapshot) await this.enter();
    if (this.done === this.length) this.done = 0;
    this.timer = setInterval(async () => {
      await (still ? this.phase() : this.next());
      if (this.done >= this.length || !this.list) {
        this.stop();
        await this.page.showPanel();
      }
    }, still ? SLOW : QUICK);
    return this.page.choosePanel("lines");
  }

  stop() {
    clearInterval(this.timer);
    this.timer = 0;
  }

  /** Undo the last operation. */
  async undo() {
    if (!this.list) return;
    if (this.done > 0) this.done -= 1;
    else if (this.page.snapshot.step > 0) {
      this.done = Infinity;
      await this.page.seek(this.page.snapshot.step - 1);
      return;
    } else this.leave();
    await this.page.choosePanel("lines");
  }

  /** To the end of a phase, or of the one after it. */
  async phase() {
    if (!this.list || this.of !== this.page.snapshot) await this.enter();
    const list = /** @type {Operation[]} */ (this.list);
    if (this.done === this.length) return this.next();
    const { phase } = list[this.done];
    while (this.done < list.length && list[this.done].phase === phase) this.done += 1;
    await this.page.choosePanel("lines");
  }

  /** What the panel shows above the five lines. @returns {Promise<Element[]>} */
  async shown() {
    if (this.list && this.of !== this.page.snapshot) await this.enter();
    const act = (/** @type {string} */ label, /** @type {() => any} */ does, /** @type {any} */ more = {}) => element("button", { onclick: does, ...more }, label);
    const last = this.list !== null && this.done === this.length;
    const buttons = element("div", { class: "row operations", role: "group", "aria-label": "Operations" },
      act(last ? "take the step ▶" : "one operation ▶", () => this.next(), { id: "operation-next", title: "Next operation (o)" }),
      act("◀ undo", () => this.undo(), { id: "operation-undo", title: "Undo the last operation (u)", disabled: !this.list }),
      act(this.timer ? "❚❚ stop" : "animate the step", () => this.animate(), { id: "operation-animate", title: "Play the operations one after the other (a)" }),
      act("to the end of the phase", () => this.phase(), { id: "operation-phase" }),
      act("whole step", () => { this.leave(); return this.page.showPanel(); }, { id: "operation-leave", disabled: !this.list }));
    if (!this.list) return [buttons];
    return [buttons, this.ribbon(), this.done ? this.detail(this.list[this.done - 1]) : this.begin()];
  }

  /** How far each phase is. */
  ribbon() {
    /** @type {Operation[]} */ const list = this.list ?? [];
    const parts = PHASES.map(([phase, title]) => {
      const whole = list.filter((own) => own.phase === phase).length;
      const done = list.slice(0, this.done).filter((own) => own.phase === phase).length;
      const now = this.done > 0 && list[this.done - 1].phase === phase;
      const made = element("li", now ? { "aria-current": "step" } : {}, `${title} `, element("span", {}, `${done}/${whole}`));
      made.style.setProperty("--share", `${whole ? (100 * done) / whole : 0}%`);
      return made;
    });
    return element("ol", { class: "phases" }, ...parts);
  }

  begin() {
    return element("p", { class: "operation" }, `This step has ${this.length} operations. Press “one operation” (or the key o) for the first.`);
  }

  /** @param {Operation} own */
  detail(own) {
    const layer = own.phase === "forward" || own.phase === "backward" || own.phase === "update" ? `, layer ${own.layer + 1}` : "";
    const { row, chosen, numbers } = this.page;
    const place = Math.max(0, numbers.rows.indexOf(row));
    const example = worked(own, numbers.rows, place, chosen.neuron);
    return element("div", { class: "operation", role: "status" },
      element("p", {}, `operation ${this.done} of ${this.length} · ${own.phase}${layer}`),
      element("p", { class: "formula" }, `${own.name} = ${own.formula}`),
      ...(example ? [element("pre", {}, example)] : []),
      element("div", { class: "values" }, ...own.reads.map((read) => matrix(read, -1, -1)), element("span", { class: "arrow", "aria-hidden": "true" }, "→"), matrix(own, place, chosen.neuron)),
      element("p", { class: "line" }, element("code", {}, own.line)));
  }

  /** Values of the chosen row beside the neurons, and the layer that is at work. */
  mark() {
    const { page } = this;
    if (!this.list || page.panel !== "lines" || this.of !== page.snapshot) return page.view.carry([], null);
    const done = this.list.slice(0, this.done);
    const latest = (/** @type {string} */ name) => done.filter((own) => own.name === name).at(-1);
    const place = Math.max(0, page.numbers.rows.indexOf(page.row));
    const widths = [page.table.columns.length, ...page.choice.layers.map((/** @type {any} */ own) => own.width)];
    const columns = widths.map((width, column) => {
      const own = subscript(column);
      const output = column === widths.length - 1 ? "ŷ" : "hgfedc"[column - 1];
      const names = column ? [`∂L/∂z${own}`, `∂L/∂${output}`, output, `z${own}`] : ["x"];
      const found = names.map(latest).find(Boolean);
      if (!found) return null;
      const back = found.name.startsWith("∂");
      return { back, title: found.name, values: found.values.slice(place * width, (place + 1) * width) };
    });
    const now = done.at(-1);
    const moving = now && ["forward", "backward", "update"].includes(now.phase) ? { layer: now.layer, phase: now.phase } : null;
    page.view.carry(columns, moving);
  }
}

/** The operation with numbers, for one row and one column of its result. @param {Operation} own @param {number[]} numbers of the rows @param {number} row its place in the batch @param {number} column */
function worked(own, numbers, row, column) {
  const [rows, columns] = own.shape.length === 2 ? own.shape : own.shape.length === 1 ? [1, own.shape[0]] : [1, 1];
  if (!own.values.length) return "";
  const [i, j] = [Math.min(row, rows - 1), Math.min(column, columns - 1)];
  const result = own.values[i * columns + j];
  if (result === undefined) return "";
  const isBatch = rows === numbers.length && own.phase !== "update" && !/∂L\/∂W/.test(own.name);
  const where = own.shape.length === 2 ? `[${isBatch ? `row ${numbers[i]}` : i + 1}, ${j + 1}]` : own.shape.length === 1 ? `[${j + 1}]` : "";
  const tokens = own.formula.split(/ ([+−⊙/·]) /);
  if (tokens.length !== 3) return "";
  const [left, sign, right] = tokens;
  const by = sign === "·" ? product(own, left, right, i, j) : elementwise(own, left, sign, right, i, j);
  if (!by || !(Math.abs(by.value - result) <= 1e-4 * (Math.abs(result) + by.size))) return "";
  return `${own.name}${where} = ${by.text}\n  = ${shown(result)}`;
}

/** @param {Operation} own @param {string} name @param {number} i @param {number} j */
function operand({ reads, shape }, name, i, j) {
  if (/^−?[\d.]/.test(name)) return Number(name.replace("−", "-"));
  const found = reads.find((read) => read.name === name);
  if (!found) return undefined;
  const size = found.values.length;
  if (found.shape.length === 0 || size === 1) return found.values[0];
  if (found.shape.length === shape.length) return found.values[i * (shape.at(-1) ?? 1) + j];
  return found.shape[0] === shape.at(-1) ? found.values[j] : found.values[i];
}

/** @param {Operation} own @param {string} left @param {string} sign @param {string} right @param {number} i @param {number} j */
function elementwise(own, left, sign, right, i, j) {
  const [a, b] = [operand(own, left, i, j), operand(own, right, i, j)];
  if (a === undefined || b === undefined) return undefined;
  const value = sign === "+" ? a + b : sign === "−" ? a - b : sign === "/" ? a / b : a * b;
  return { value, size: Math.abs(a) + Math.abs(b), text: `${shown(a)} ${sign} ${term(b)}` };
}

/** @param {Operation} own @param {string} left @param {string} right @param {number} i @param {number} j */
function product({ reads }, left, right, i, j) {
  const side = (/** @type {string} */ name) => {
    const turned = name.endsWith("ᵀ");
    const found = reads.find((read) => read.name === (turned ? name.slice(0, -1) : name));
    if (!found || found.shape.length !== 2) return undefined;
    const [rows, columns] = turned ? [found.shape[1], found.shape[0]] : found.shape;
    return { rows, columns, at: (/** @type {number} */ r, /** @type {number} */ c) => found.values[turned ? c * rows + r : r * columns + c] };
  };
  const [a, b] = [side(left), side(right)];
  if (!a || !b || a.columns !== b.rows) return undefined;
  const pairs = Array.from({ length: a.columns }, (_, k) => [a.at(i, k), b.at(k, j)]);
  const value = pairs.reduce((sum, [p, q]) => sum + p * q, 0);
  const size = pairs.reduce((sum, [p, q]) => sum + Math.abs(p * q), 0);
  const text = pairs.slice(0, 6).map(([p, q]) => `${term(p)}·${term(q)}`).join(" + ") + (pairs.length > 6 ? " + …" : "");
  return { value, size, text };
}

/** A value as a table. @param {Shown} own @param {number} row to mark @param {number} column to mark */
function matrix({ name, shape, values }, row, column) {
  const columns = shape.length === 2 ? shape[1] : shape.length ? shape[0] : 1;
  const rows = shape.length === 2 ? shape[0] : 1;
  const size = shape.length ? `${shape.join(" × ")}` : "a number";
  const lines = Array.from({ length: Math.min(rows, MOST_ROWS) }, (_, i) => {
    const cells = Array.from({ length: Math.min(columns, MOST_COLUMNS) }, (_c, j) => {
      const on = (rows === 1 || i === row) && (columns === 1 || j === column) && row >= 0;
      return element("td", on ? { class: "sel" } : {}, shown(values[i * columns + j]));
    });
    return element("tr", {}, ...cells, ...(columns > MOST_COLUMNS ? [element("td", {}, "…")] : []));
  });
  const more = rows > MOST_ROWS ? [element("tr", {}, element("td", {}, "⋮"))] : [];
  return element("table", { class: "plain" }, element("caption", {}, `${name}  (${size})`), element("tbody", {}, ...lines, ...more));
}
