// The page: what is chosen, what is shown, what a person can do.
//
// In: the content of the file. Out: `window.glassnet`, and a page that shows the state of its run.

import { MOST_LAYERS, checked, firstAxes, heldOut, parts } from "./choice.js";
import { byId, counted, element, shown } from "./format.js";
import { PANELS } from "./panels.js";
import { pythonScript } from "./take_home.js";
import { Thread, floats, unpacked } from "./thread.js";
import { NetworkView } from "./network_view.js";
import { CLASS_COLOURS, curves, paintClasses, paintField, paintPlane, paintPoints, scaleOf } from "./picture.js";

/**
 * @typedef {import("./choice.js").PageTable} PageTable
 * @typedef {import("./choice.js").Choice} Choice
 */

const SIDE = 36; // points of the plane in each direction
const REACH = 1.9; // the plane goes from −1.9 to 1.9, farther where points lie farther
const MOST_NEURONS = 8;

class Page {
  constructor() {
    /** @type {Choice} */ this.choice = /** @type {any} */ (null); // set when the page starts
    /** @type {PageTable[]} */ this.tables = [];
    /** @type {any} */ this.menu = null;
    /** @type {any} */ this.lecture = null;
    /** @type {Thread} */ this.thread = /** @type {any} */ (null);
    /** @type {any} */ this.spec = null;
    /** @type {any} */ this.snapshot = null;
    /** @type {any} */ this.numbers = null;
    /** @type {import("./network_view.js").Chosen} */ this.chosen = { layer: 0, neuron: 0, edge: 0 };
    this.row = 0;
    this.axes = [0, 1]; // the inputs that the plane shows
    /** @type {PageTable|undefined} */ this.axesOf = undefined; // and of which table
    this.panel = "lines";
    this.playing = false;
    this.holding = false;
    /** @type {any} */ this.race = undefined;
    /** @type {number[][]|undefined} */ this.random = undefined;
    /** @type {string|undefined} */ this.turn = undefined;
    /** @type {number|undefined} */ this.reach = undefined;
    /** @type {any} */ this.wrong = undefined;
    this.station = 0; // of the lecture
    this.view = new NetworkView(byId("network"), (chosen) => this.choose(chosen));
  }

  async start() {
    const text = new TextDecoder();
    const content = JSON.parse(text.decode(await unpacked("content")));
    this.menu = content.menu;
    this.lecture = content.lecture;
    this.panel = content.panel;
    this.tables = content.tables.map((/** @type {any} */ own) => ({ ...own, x: floats(own.x), y: floats(own.y) }));
    this.choice = this.first(content.start);
    this.buildControls();
    const code = text.decode(await unpacked("worker"));
    this.thread = new Thread(code, (snapshot) => this.take(snapshot));
    const library = JSON.parse(text.decode(await unpacked("library")));
    const modules = { relaxed: await unpacked("relaxed"), exact: await unpacked("exact") };
    const { mode } = await this.thread.ask("load", { modules, library, mode: new URLSearchParams(location.search).get("fma") });
    this.mode = mode;
    this.readAddress();
    await this.open();
  }

  /** The network that a table is first met with. @param {string} name @returns {Choice} */
  first(name) {
    const table = this.tableNamed(name);
    const hidden = [{ activation: "Tanh", width: 4 }, { activation: "Tanh", width: 3 }];
    const classes = table.classes.length;
    const [last, loss, lr] = classes > 2 ? ["Identity", "CrossEntropy", 0.3] : classes ? ["Sigmoid", "HalfMSE", 0.5] : ["Identity", "HalfMSE", 0.1];
    const layers = [...hidden, { activation: String(last), width: classes > 2 ? classes : 1 }];
    return { table: table.name, layers, loss: String(loss), optimizer: "SGD", lr: Number(lr), batch: 10, seed: 0, initializer: "glorot_uniform" };
  }

  /** @param {string} name @returns {PageTable} */
  tableNamed(name) {
    const found = this.tables.find((own) => own.name.toLowerCase() === name.toLowerCase());
    if (!found) throw new Error(`there is no table ${name}`);
    return found;
  }

  get table() {
    return this.tableNamed(this.choice.table);
  }

  // -- the run -------------------------------------------------------------------------------------

  /** A new run of what is chosen, at step 0. */
  async open() {
    const { choice, table, menu } = this;
    Object.assign(this, { playing: false, race: undefined, random: undefined });
    const held = heldOut(table.rows);
    const [training, test] = [parts(table, (row) => !held.has(row)), parts(table, (row) => held.has(row))];
    this.trainingRows = training.numbers;
    this.held = held;
    const slots = Object.fromEntries(menu.optimizers.map((/** @type {any} */ own) => [own.name, own.slots]));
    const learnt = Object.fromEntries(menu.activations.map((/** @type {any} */ own) => [own.name, own.parameters]));
    const layers = choice.layers.map((own) => ({ ...own, parameters: learnt[own.activation] }));
    const spec = { ...choice, layers, inputs: table.columns.length, shuffle: true, dtype: "f32", slots };
    this.spec = spec;
    this.chosen = { layer: Math.min(this.chosen.layer, layers.length - 1), neuron: 0, edge: 0 };
    this.view.build(table.columns, choice.layers);
    this.view.arrange();
    this.buildLayers();
    if (this.axesOf !== table) Object.assign(this, { axesOf: table, axes: firstAxes(table) });
    const plane = this.plane();
    await this.show(await this.thread.ask("open", { spec, table: training, test, plane }));
    this.writeAddress();
  }

  /** Points of the plane, row by row from the top; inputs that it does not show are 0, their middle. */
  plane() {
    const inputs = this.table.columns.length;
    const made = new Float32Array(inputs * SIDE * SIDE);
    for (let i = 0; i < SIDE * SIDE; i++) this.axes.forEach((input, axis) => (made[i * inputs + input] = this.coordinate(i, inputs === 1 ? 0 : axis)));
    return made;
  }

  /** How far the plane goes from its middle. */
  get extent() {
    const { table, axes } = this;
    let far = REACH;
    for (let row = 0; row < table.rows; row++) for (const input of axes) far = Math.max(far, 1.05 * Math.abs(table.x[row * table.columns.length + input]));
    if (table.columns.length === 1) for (const y of table.y) far = Math.max(far, 1.05 * Math.abs(y));
    return far;
  }

  /** @param {number} i a point of the plane @param {number} axis */
  coordinate(i, axis) {
    return this.extent * (axis ? 1 - (2 * Math.floor(i / SIDE)) / (SIDE - 1) : (2 * (i % SIDE)) / (SIDE - 1) - 1);
  }

  /** Ask the thread, and show what it answers. @param {string} verb @param {Record<string, any>} [rest] */
  async ask(verb, rest) {
    await this.show(await this.thread.ask(verb, rest));
    return this.snapshot;
  }

  /** A snapshot while the run plays. @param {any} snapshot */
  take(snapshot) {
    if (snapshot.stopped) this.playing = false;
    requestAnimationFrame(async () => {
      await this.show(snapshot);
      setTimeout(() => this.thread.ask("seen"));
    });
  }

  async togglePlay() {
    this.playing = !this.playing;
    this.showTransport();
    if (this.playing) await this.thread.ask("play");
    else await this.ask("pause");
  }

  /** @param {number} step */
  async seek(step) {
    this.playing = false;
    return this.ask("seek", { step: Math.max(0, step) });
  }

  /** @param {Partial<Choice>} settings that need no restart */
  async change(settings) {
    Object.assign(this.choice, settings);
    const playing = this.playing;
    await this.ask("change", { settings });
    this.playing = playing;
    this.writeAddress();
  }

  /** @param {(choice: Choice) => void} edit what needs another run */
  async restart(edit) {
    edit(this.choice);
    await this.open();
  }

  // -- what is shown -------------------------------------------------------------------------------

  /** @param {any} snapshot */
  async show(snapshot) {
    this.snapshot = snapshot;
    this.spec = { ...this.spec, ...snapshot.settings };
    const { step, epoch, loss, testLoss, stopped } = snapshot;
    byId("step").textContent = counted(step);
    byId("epoch").textContent = counted(epoch);
    byId("loss").textContent = shown(loss) + (testLoss === null ? "" : ` · ${shown(testLoss)}`);
    this.say(stopped ? `Stopped: ${stopped}. Go back a step, and try a smaller learning rate or another start.` : "", true);
    this.showTransport();
    this.showPictures();
    if (this.playing) return;
    const [numbers, seal] = [await this.thread.ask("look"), await this.seal()];
    if (this.snapshot !== snapshot) return;
    this.numbers = numbers;
    if (!numbers.rows.includes(this.row)) this.row = numbers.rows[0];
    byId("seal").replaceChildren("✓ same bits as Python", element("br"), element("code", {}, `W ${seal}`));
    if (!this.holding) await this.showPanel();
    this.paintData();
  }

  /** The first digits of the SHA-256 of W. */
  async seal() {
    if (!globalThis.crypto?.subtle) return "";
    const bytes = new Uint8Array(this.snapshot.weights.buffer.slice(0));
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
    return [...digest.slice(0, 4)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  }

  /** @param {string} text @param {boolean} [bad] */
  say(text, bad = false) {
    const place = byId("message");
    place.hidden = !text;
    place.textContent = text;
    place.className = bad ? "bad" : "";
  }

  showTransport() {
    const { step, stopped } = this.snapshot ?? { step: 0, stopped: "" };
    byId("play").textContent = this.playing ? "❚❚ pause" : "▶ train";
    byId("back").disabled = byId("reset").disabled = step === 0;
    byId("play").disabled = byId("next").disabled = Boolean(stopped);
    const time = byId("time");
    time.max = Math.max(1, this.snapshot?.reached ?? 1, step);
    time.value = step;
    time.setAttribute("aria-valuetext", `step ${step}`);
  }

  showPictures() {
    const { snapshot, table, choice } = this;
    const weight = (/** @type {number} */ layer, /** @type {number} */ from, /** @type {number} */ to) =>
      snapshot.weights[this.offset(layer) + from * choice.layers[layer].width + to];
    const inputs = (/** @type {number} */ input, /** @type {number} */ i) => {
      const axis = table.columns.length === 1 ? 0 : this.axes.indexOf(input);
      return axis < 0 ? 0 : this.coordinate(i, axis);
    };
    this.view.show(weight, { side: SIDE, inputs, fields: snapshot.fields }, this.chosen);
    this.paintData();
    this.paintSurface();
    const last = Math.max(snapshot.reached, 1);
    byId("curve").replaceChildren(curves(snapshot.losses, snapshot.testLosses, snapshot.step, last));
  }

  /** Where the weight of a layer begins in W. @param {number} layer */
  offset(layer) {
    const widths = [this.table.columns.length, ...this.choice.layers.map((own) => own.width)];
    let at = 0;
    for (let i = 0; i < layer; i++) {
      const learnt = Object.keys(this.menu.activations.find((/** @type {any} */ own) => own.name === this.choice.layers[i].activation).parameters);
      at += widths[i] * widths[i + 1] + widths[i + 1] * (1 + learnt.length);
    }
    return at;
  }

  paintData() {
    const canvas = byId("points");
    paintPlane(canvas);
    const batch = new Set((this.playing ? [] : this.snapshot?.rows ?? []).map((/** @type {number} */ i) => /** @type {number[]} */ (this.trainingRows)[i]));
    paintPoints(canvas, this.points(batch), 6);
    canvas.setAttribute("aria-label", `${this.table.rows} rows of ${this.table.name}, ${/** @type {Set<number>} */ (this.held).size} of them held out (hollow)`);
  }

  /** @param {Set<number>} marked */
  points(marked) {
    const { table, extent: far } = this;
    const inputs = table.columns.length;
    return Array.from({ length: table.rows }, (_, row) => {
      const first = table.x[row * inputs + this.axes[0]];
      const second = inputs === 1 ? table.y[row] : table.x[row * inputs + this.axes[1]];
      const kind = table.classes.length ? table.y[row] : 0;
      const own = table.classes.length ? CLASS_COLOURS[kind % CLASS_COLOURS.length] : CLASS_COLOURS[1];
      return { x: (first / far + 1) / 2, y: (second / far + 1) / 2, colour: own, kind, hollow: /** @type {Set<number>} */ (this.held).has(row), marked: marked.has(row) };
    });
  }

  paintSurface() {
    const { snapshot, table, choice } = this;
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

  /** The panel that is chosen, for the present step. */
  async showPanel() {
    if (this.playing || !this.numbers) return;
    const panel = PANELS.find((own) => own.name === this.panel) ?? PANELS[0];
    for (const tab of byId("tabs").children) {
      const on = tab.id === `tab-${panel.name}`;
      tab.setAttribute("aria-selected", String(on));
      tab.tabIndex = on ? 0 : -1;
    }
    const place = byId("panel");
    place.setAttribute("aria-labelledby", `tab-${panel.name}`);
    await panel.show(this, place);
  }

  /** @param {string} name */
  choosePanel(name) {
    this.panel = name;
    return this.showPanel();
  }

  /** @param {number} row */
  pickRow(row) {
    this.row = row;
    void this.showPanel();
  }

  /** One weight by hand. @param {number} at @param {number} value */
  async setWeight(at, value) {
    const weights = Float32Array.from(this.snapshot.weights);
    weights[at] = value;
    this.holding = true; // the sliders stay as they are while one of them moves
    await this.ask("change", { weights });
    this.holding = false;
  }

  /** Random search and as many steps of gradient descent. @param {number} passes */
  async runRace(passes) {
    const found = await this.thread.ask("race", { passes });
    const race = /** @type {any} */ (this.race);
    race.tries += passes;
    race.best = Math.min(race.best, found.loss);
    await this.ask("train", { steps: passes });
    race.steps += passes;
    race.descent = Math.min(race.descent, this.snapshot.loss);
    await this.showPanel();
  }

  /** Two directions in the space of the weights. */
  directions() {
    const count = this.snapshot.weights.length;
    const one = (/** @type {number} */ at) => Array.from({ length: count }, (_, i) => Number(i === at));
    const { layer, neuron, edge } = this.chosen;
    const width = this.choice.layers[layer].width;
    const before = layer ? this.choice.layers[layer - 1].width : this.table.columns.length;
    if (this.turn !== "random") {
      const first = one(this.offset(layer) + (edge ?? 0) * width + neuron);
      return { first, second: one(this.offset(layer) + before * width + neuron), label: `the chosen weight (across) and the bias of its neuron (up)` };
    }
    this.random ??= [0, 1].map(() => Array.from({ length: count }, () => Math.random() - 0.5));
    if (this.random[0].length !== count) this.random = [0, 1].map(() => Array.from({ length: count }, () => Math.random() - 0.5));
    const scaled = this.random.map((way) => way.map((v, i) => 0.5 * v * (Math.abs(this.snapshot.weights[i]) + 0.1)));
    return { first: scaled[0], second: scaled[1], label: "two random directions, each weight in proportion to its size" };
  }

  /** @param {string} turn */
  turnLandscape(turn) {
    Object.assign(this, { turn, random: undefined });
    return this.showPanel();
  }

  /** @param {number} by */
  zoomLandscape(by) {
    this.reach = (this.reach ?? 2) * by;
    return this.showPanel();
  }

  /** What a station of the lecture shows. @param {any} setup */
  async setUp({ table, layers, optimizer, lr, train, panel }) {
    await this.restart((choice) => {
      const first = this.first(table);
      const last = first.layers[first.layers.length - 1];
      const hidden = layers.map((/** @type {[string, number]} */ [activation, width]) => ({ activation, width }));
      Object.assign(choice, first, { layers: [...hidden, last], optimizer: optimizer ?? first.optimizer, lr: lr ?? first.lr });
    });
    if (train) await this.ask("train", { steps: train });
    await this.choosePanel(panel);
    byId("panels").scrollIntoView({ block: "nearest" });
  }

  /** A network that fails, trained. @param {any} own */
  async goWrong(own) {
    this.wrong = own;
    const { layers, output, ...settings } = own.choice;
    await this.restart((choice) => {
      const last = choice.layers[choice.layers.length - 1];
      const end = output && choice.loss === "HalfMSE" ? { ...last, activation: output } : last;
      Object.assign(choice, settings, { layers: [...layers.map((/** @type {any} */ l) => ({ ...l })), end] });
    });
    if (own.zero) await this.ask("change", { weights: new Float32Array(this.snapshot.weights.length) });
    await this.ask("train", { steps: own.steps });
  }

  /** @param {import("./network_view.js").Chosen} chosen */
  choose(chosen) {
    this.chosen = { ...chosen, edge: chosen.edge };
    this.showPictures();
    void this.showPanel();
  }

  // -- controls ------------------------------------------------------------------------------------

  buildControls() {
    const { menu } = this;
    byId("version").textContent = `glassnet ${menu.version}.`;
    for (const { name } of this.tables) {
      const choose = () => this.restart((choice) => Object.assign(choice, this.first(name), { seed: choice.seed }));
      byId("tables").append(element("button", { onclick: choose, "aria-pressed": "false" }, name));
    }
    byId("play").onclick = () => this.togglePlay();
    byId("next").onclick = () => this.stepOnce();
    byId("back").onclick = () => this.seek(this.snapshot.step - 1);
    byId("reset").onclick = () => this.seek(0);
    byId("time").oninput = () => this.seek(Number(byId("time").value));
    byId("tabs").append(...PANELS.map((own) => element("button", { role: "tab", id: `tab-${own.name}`, "aria-controls": "panel", "aria-selected": "false", onclick: () => this.choosePanel(own.name) }, own.title)));
    byId("tabs").addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => this.turnTabs(event));
    addEventListener("keydown", (event) => this.key(event));
    addEventListener("resize", () => this.view.arrange());
    this.buildSettings();
  }

  /** Arrow keys go from tab to tab. @param {KeyboardEvent} event */
  turnTabs(event) {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!by) return;
    event.stopPropagation();
    const tabs = [...byId("tabs").children];
    const at = tabs.indexOf(document.activeElement);
    const next = /** @type {HTMLElement} */ (tabs[(at + by + tabs.length) % tabs.length]);
    next.focus();
    next.click();
  }

  async stepOnce() {
    this.playing = false;
    await this.ask("pause");
    await this.ask("train", { steps: 1 });
  }

  buildSettings() {
    const { menu, choice } = this;
    const names = (/** @type {any[]} */ items) => items.map((own) => own.name ?? own);
    byId("settings").replaceChildren(
      this.numberField("learning rate", "lr", { min: 0, step: "any" }, (lr) => this.change({ lr })),
      this.numberField("batch size", "batch", { min: 1, step: 1 }, (batch) => this.change({ batch: Math.max(1, Math.round(batch)) })),
      this.menuField("optimiser", names(menu.optimizers), choice.optimizer, (optimizer) => this.change({ optimizer })),
      this.menuField("loss", names(menu.losses).filter((name) => this.fits(name)), choice.loss, (loss) => this.restart((own) => this.withLoss(own, loss))),
      this.menuField("first weights", menu.initializers, choice.initializer, (initializer) => this.restart((own) => Object.assign(own, { initializer }))),
      this.numberField("seed", "seed", { min: 0, step: 1 }, (seed) => this.restart((own) => Object.assign(own, { seed: Math.max(0, Math.round(seed)) }))),
    );
  }

  /** Whether a loss takes the labels of the table. @param {string} loss */
  fits(loss) {
    const classes = this.table.classes.length;
    if (loss === "CrossEntropy" || loss === "Hinge") return classes > 1;
    if (loss === "BCEWithLogits") return classes === 2;
    if (loss === "PoissonNLL") return classes === 2;
    return classes <= 2;
  }

  /** The last layer that goes with a loss. @param {Choice} choice @param {string} loss */
  withLoss(choice, loss) {
    const classes = this.table.classes.length;
    const last = choice.layers[choice.layers.length - 1];
    const raw = ["CrossEntropy", "Hinge", "BCEWithLogits", "PoissonNLL"].includes(loss);
    const width = loss === "CrossEntropy" ? classes : loss === "Hinge" && classes > 2 ? classes : 1;
    Object.assign(last, { width, activation: raw || !classes ? "Identity" : "Sigmoid" });
    choice.loss = loss;
  }

  /** @param {string} label @param {"lr"|"batch"|"seed"} key @param {Record<string, any>} attributes @param {(value: number) => void} act */
  numberField(label, key, attributes, act) {
    const field = element("input", { type: "number", value: this.choice[key], ...attributes });
    field.addEventListener("change", () => {
      const value = Number(field.value);
      if (field.value !== "" && Number.isFinite(value) && value >= 0) act(value);
      else field.value = String(this.choice[key]);
    });
    return element("label", {}, label, field);
  }

  /** @param {string} label @param {string[]} names @param {string} value @param {(name: string) => void} act */
  menuField(label, names, value, act) {
    const field = element("select", {}, ...names.map((name) => element("option", name === value ? { selected: true } : {}, name)));
    field.addEventListener("change", () => act(field.value));
    return element("label", {}, label, field);
  }

  buildLayers() {
    const { choice, table, menu } = this;
    for (const button of byId("tables").children) button.setAttribute("aria-pressed", String(button.textContent === table.name));
    this.buildSettings();
    const classes = table.classes.map((name, i) => element("span", {}, dot(CLASS_COLOURS[i]), name));
    byId("draw").replaceChildren(...(table.columns.length > 2 ? this.axisFields() : []));
    byId("classes").replaceChildren(...(classes.length ? classes : [`${table.target}, a number`]), "hollow: held out");
    const columns = choice.layers.map((layer, number) => this.layerColumn(layer, number, menu));
    const more = element("button", { onclick: () => this.addLayer(), disabled: choice.layers.length > MOST_LAYERS, title: "Add a layer before the output" }, "+ layer");
    byId("layers").replaceChildren(element("div", {}, "inputs", more), ...columns);
    byId("network-title").textContent = `Network ${[table.columns.length, ...choice.layers.map((own) => own.width)].join(" → ")}: each neuron's output over the plane; lines are weights`;
  }

  /** Which inputs the plane shows, across and up. */
  axisFields() {
    return ["across", "up"].map((label, axis) => {
      const field = element("select", { "aria-label": `Input ${label}` }, ...this.table.columns.map((name, i) => element("option", { value: i, ...(i === this.axes[axis] ? { selected: true } : {}) }, name)));
      field.addEventListener("change", () => {
        const other = this.axes[1 - axis];
        const own = Number(field.value);
        if (own === other) this.axes[1 - axis] = this.axes[axis];
        this.axes[axis] = own;
        void this.open();
      });
      return element("label", {}, `${label} `, field);
    });
  }

  /** @param {{activation: string, width: number}} layer @param {number} number @param {any} menu */
  layerColumn(layer, number, menu) {
    const last = number === this.choice.layers.length - 1;
    const names = menu.activations.map((/** @type {any} */ own) => own.name);
    const options = names.map((/** @type {string} */ name) => element("option", name === layer.activation ? { selected: true } : {}, name));
    const select = element("select", { "aria-label": last ? "Activation of the output" : `Activation of layer ${number + 1}` }, ...options);
    select.addEventListener("change", () => this.restart((choice) => (choice.layers[number].activation = select.value)));
    if (last) return element("div", {}, "output", select);
    const resize = (/** @type {number} */ by) => this.restart((choice) => (choice.layers[number].width += by));
    const buttons = [
      element("button", { "aria-label": `One neuron less in layer ${number + 1}`, disabled: layer.width <= 1, onclick: () => resize(-1) }, "−"),
      element("button", { "aria-label": `One neuron more in layer ${number + 1}`, disabled: layer.width >= MOST_NEURONS, onclick: () => resize(1) }, "+"),
      element("button", { "aria-label": `Remove layer ${number + 1}`, onclick: () => this.restart((choice) => choice.layers.splice(number, 1)) }, "✕"),
    ];
    return element("div", {}, element("div", { class: "pair" }, ...buttons), select);
  }

  addLayer() {
    return this.restart((choice) => choice.layers.splice(choice.layers.length - 1, 0, { activation: "Tanh", width: 3 }));
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    const target = /** @type {HTMLElement} */ (event.target);
    if (event.ctrlKey || event.metaKey || event.altKey || ["INPUT", "SELECT", "TEXTAREA"].includes(target.tagName)) return;
    const acts = { ArrowRight: () => this.stepOnce(), ArrowLeft: () => this.seek(this.snapshot.step - 1), 0: () => this.seek(0) };
    const act = event.key === " " && target.tagName !== "BUTTON" ? () => this.togglePlay() : /** @type {any} */ (acts)[event.key];
    if (act) {
      event.preventDefault();
      void act();
    }
  }

  // -- the address ---------------------------------------------------------------------------------

  writeAddress() {
    history.replaceState(null, "", `#${encodeURIComponent(JSON.stringify(this.choice))}`);
  }

  readAddress() {
    if (location.hash.length < 2) return;
    try {
      const found = JSON.parse(decodeURIComponent(location.hash.slice(1)));
      this.choice = checked(found, this.menu, this.first(this.tableNamed(String(found.table)).name));
    } catch (error) {
      this.say(`The link does not describe a network (${error instanceof Error ? error.message : error}); this is the page as it begins.`);
    }
  }

  // -- for tests and teachers ----------------------------------------------------------------------

  /** A Python program that ends with the present weights, bit by bit. */
  async script() {
    const { first, entries, step } = await this.thread.ask("history");
    return pythonScript(first, entries, step);
  }
}

/** @param {string} colour */
function dot(colour) {
  const made = element("span", { class: "dot", "aria-hidden": "true" });
  made.style.background = colour;
  return made;
}

const thePage = new Page();
/** @type {any} */ (window).glassnet = {
  ready: thePage.start(),
  get state() {
    return { ...thePage.choice, step: thePage.snapshot?.step ?? 0, mode: thePage.mode, playing: thePage.playing };
  },
  train: (/** @type {number} */ steps) => thePage.ask("train", { steps }).then((own) => own.step),
  seek: (/** @type {number} */ step) => thePage.seek(step).then((own) => own.step),
  script: () => thePage.script(),
  weights: () => thePage.thread.ask("weights"),
  open: (/** @type {any} */ choice) => thePage.restart((own) => Object.assign(own, choice)),
  change: (/** @type {any} */ settings) => thePage.change(settings),
};
/** @type {any} */ (window).glassnet.ready.catch((/** @type {Error} */ error) => thePage.say(`The page cannot start: ${error.message}`, true));
