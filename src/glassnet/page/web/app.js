// The page: the settings, what is shown, and the actions of the user.
//
// In: the content of the file. Out: `window.glassnet`, and a page that shows the state of its run.

import { heldOut, parts } from "./choice.js";
import { Controls } from "./controls.js";
import { byId, counted, element, hexadecimal, shown } from "./format.js";
import { Link, base64 } from "./link.js";
import { NetworkView } from "./network_view.js";
import { OperationsView } from "./operations_view.js";
import { PANELS } from "./panels.js";
import { curves } from "./picture.js";
import { Plane, SIDE } from "./plane.js";
import { noteTry } from "./race_view.js";
import { pythonScript } from "./take_home.js";
import { Thread, bytesIn, floats, unpacked } from "./thread.js";
import { causeOf } from "./wrong_view.js";
import { FEWEST_POINTS, drawnTable, pointsOf } from "./your_table.js";

/**
 * @typedef {import("./choice.js").PageTable} PageTable
 * @typedef {import("./choice.js").Choice} Choice
 */

const CURVE = 120; // milliseconds from one drawing of the curve to the next, while a network trains
const LIVE = 200; // and of the panel

export class Page {
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
    this.panel = "lines";
    this.playing = false;
    this.holding = false;
    this.looked = 0; // when the panel was shown, while a network trains
    this.curved = 0; // when the curve was drawn
    /** @type {any} */ this.race = undefined;
    /** @type {any} */ this.landscape = undefined; // what its panel shows
    /** @type {any} */ this.wrong = undefined;
    /** @type {any} */ this.given = undefined; // a table that was read, before it is used
    /** @type {import("./your_table.js").DrawnPoint[]|null} */ this.sketch = null; // too few points to train on
    /** @type {((state: any) => void)|undefined} */ this.heard = undefined; // tells a notebook of the run
    this.everyWeight = false; // whether all of them are set by hand, or those of a neuron
    this.pen = -1; // the class of points that a click draws; -1 draws none, -2 erases
    this.station = 0; // of the lecture
    this.view = new NetworkView(byId("network"), (chosen) => this.choose(chosen));
    this.plane = new Plane(this);
    this.controls = new Controls(this);
    this.operations = new OperationsView(this);
    this.link = new Link(this);
  }

  async start() {
    const text = new TextDecoder();
    const content = JSON.parse(text.decode(await unpacked("content")));
    this.content = content;
    this.menu = content.menu;
    this.lecture = content.lecture;
    this.panel = content.panel;
    this.tables = content.tables.map((/** @type {any} */ own) => ({ ...own, x: floats(own.x), y: floats(own.y) }));
    this.choice = this.first(content.start);
    this.controls.buildControls();
    const code = text.decode(await unpacked("worker"));
    this.thread = new Thread(code, (snapshot) => this.take(snapshot));
    const { sizes, crc32, lzma } = content.engine;
    const packed = lzma ? bytesIn("engine") : new Uint8Array(await unpacked("engine"));
    const { mode } = await this.thread.ask("load", { packed, lzma, sizes, crc: crc32, mode: new URLSearchParams(location.search).get("fma") });
    this.mode = mode;
    await this.link.begin(content);
  }

  /** The initial network for a table. @param {string} name @returns {Choice} */
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

  /** Start a new run with the current settings, at step 0. */
  async open() {
    const { choice, table, menu } = this;
    Object.assign(this, { playing: false, race: undefined });
    const held = heldOut(table);
    this.operations.leave();
    this.landscape = undefined;
    const [training, test] = [parts(table, (row) => !held.has(row)), parts(table, (row) => held.has(row))];
    this.trainingRows = training.numbers;
    this.held = held;
    const slots = Object.fromEntries(menu.optimizers.map((/** @type {any} */ own) => [own.name, own.slots]));
    const learnt = Object.fromEntries(menu.activations.map((/** @type {any} */ own) => [own.name, own.parameters]));
    const layers = choice.layers.map((own) => ({ ...own, parameters: learnt[own.activation] }));
    const spec = { ...choice, layers, inputs: table.columns.length, shuffle: true, dtype: "f32", slots };
    this.spec = spec;
    this.chosen = { layer: Math.min(this.chosen.layer, layers.length - 1), neuron: 0, edge: 0 };
    byId("about").textContent = table.about ?? "";
    byId("about").hidden = !table.about;
    this.view.build(table.columns, choice.layers);
    this.view.arrange();
    this.plane.meet(table);
    this.controls.buildLayers();
    const plane = this.plane.fieldPoints();
    await this.show(await this.thread.ask("open", { spec, table: training, test, plane }));
  }

  /** Call a method of the worker, and show the snapshot that it returns. @param {string} verb @param {Record<string, any>} [rest] */
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
  seek(step) {
    this.playing = false;
    return this.ask("seek", { step: Math.max(0, step) });
  }

  /** @param {Partial<Choice>} settings that need no restart */
  async change(settings) {
    Object.assign(this.choice, settings);
    const playing = this.playing;
    await this.ask("change", { settings });
    this.playing = playing;
  }

  /** @param {(choice: Choice) => void} edit what needs another run */
  async restart(edit) {
    this.sketch = null;
    edit(this.choice);
    await this.open();
  }

  // -- tables of a person's own --------------------------------------------------------------------

  /** A name that no other table has. @param {string} name */
  freeName(name) {
    const taken = new Set(this.tables.map((own) => own.name.toLowerCase()));
    let free = name;
    for (let number = 2; taken.has(free.toLowerCase()); number++) free = `${name} (${number})`;
    return free;
  }

  /** @param {PageTable} table */
  keepTable(table) {
    this.tables = [...this.tables.filter((own) => own.name !== table.name), table];
    this.controls.buildTables();
  }

  /** Train on a table; for drawn points, the network stays the same. @param {PageTable} table */
  async addTable(table) {
    const before = this.table;
    const goesOn = table.drawn && before.drawn && before.classes.length === table.classes.length;
    this.keepTable(table);
    await this.restart((choice) => Object.assign(choice, goesOn ? {} : this.first(table.name)));
  }

  /** Points by hand; a network is trained on them once there are enough. @param {import("./your_table.js").DrawnPoint[]} points */
  async setPoints(points) {
    const missing = FEWEST_POINTS - points.length;
    if (missing <= 0) await this.addTable(drawnTable(points));
    else {
      this.sketch = points;
      this.plane.paintData();
      this.say(`${points.length} points are drawn; with ${missing} more a network is trained on them.`);
    }
    if (this.panel === "table") await this.showPanel();
  }

  /** @param {number} x @param {number} y @param {number} kind the class, or -2 to erase what is near */
  drawPoint(x, y, kind) {
    const points = this.sketch ?? (this.table.drawn ? pointsOf(this.table) : []);
    if (kind >= 0) return this.setPoints([...points, [x, y, kind]]);
    const far = (/** @type {number[]} */ [px, py]) => Math.hypot(px - x, py - y);
    const nearest = points.reduce((best, own) => (!best || far(own) < far(best) ? own : best), points[0]);
    if (!nearest || far(nearest) > 0.15 * this.plane.extent) return undefined;
    return this.setPoints(points.filter((own) => own !== nearest));
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
    this.say(stopped ? `Stopped: ${causeOf(stopped, this.spec.lr)}` : "", true);
    if (stopped) byId("message").append(" ", element("button", { onclick: () => this.seek(step - 1) }, `back to step ${step - 1}`));
    this.showTransport();
    this.showPictures();
    if (this.playing) return this.showLive();
    const [numbers, seal] = [await this.thread.ask("look"), await this.seal()];
    if (this.snapshot !== snapshot) return;
    this.numbers = numbers;
    if (!numbers.rows.includes(this.row)) this.row = numbers.rows[0];
    if (this.view.zoomed) this.view.showValues((column, neuron) => this.valueOf(column, neuron));
    byId("seal").replaceChildren("✓ same bits as Python", element("br"), element("code", {}, `W ${seal}`));
    if (!this.holding) await this.showPanel();
    this.plane.paintData();
    this.link.writeSoon();
    if (this.heard) this.heard({ step, loss: Number.isFinite(loss) ? loss : null, packed: base64(snapshot.weights), script: await this.script() });
  }

  /** Show a live panel again from time to time while a network trains. */
  async showLive() {
    const panel = PANELS.find((own) => own.name === this.panel);
    const now = performance.now();
    if (!panel?.live || now - this.looked < LIVE) return;
    this.looked = now;
    this.numbers = await this.thread.ask("look");
    if (this.playing && panel.name === this.panel) await panel.show(this, byId("panel"));
  }

  /** The first digits of the SHA-256 of W. */
  async seal() {
    if (!globalThis.crypto?.subtle) return "";
    const digest = await crypto.subtle.digest("SHA-256", this.snapshot.weights.buffer.slice(0));
    return hexadecimal(digest).slice(0, 8);
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
      const axis = table.columns.length === 1 ? 0 : this.plane.axes.indexOf(input);
      return axis < 0 ? 0 : this.plane.coordinate(i, axis);
    };
    this.view.show(weight, { side: SIDE, inputs, fields: snapshot.fields, extent: this.plane.extent }, this.chosen, (column, neuron) => this.valueOf(column, neuron));
    this.plane.paintData();
    this.plane.paintSurface();
    const now = performance.now();
    if (this.playing && now - this.curved < CURVE) return;
    this.curved = now;
    const last = Math.max(snapshot.reached, 1);
    byId("curve").replaceChildren(curves(snapshot.losses, snapshot.testLosses, snapshot.step, last, snapshot.changes));
    byId("changes").replaceChildren(...snapshot.changes.slice(-4).map((/** @type {any} */ own) => element("span", {}, `▲ ${own.step}: ${changeText(own.settings)}`)));
  }

  /** The value of a neuron or an input for the chosen row of the batch; null while a network trains. @param {number} column @param {number} neuron */
  valueOf(column, neuron) {
    const { numbers, snapshot, choice } = this;
    if (this.playing || numbers?.step !== snapshot.step || numbers.layers.length !== choice.layers.length) return null;
    const place = Math.max(0, numbers.rows.indexOf(this.row));
    const [values, width] = column ? [numbers.layers[column - 1].a, choice.layers[column - 1].width] : [numbers.x, this.table.columns.length];
    return values[place * width + neuron] ?? null;
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

  /** Show the chosen panel for the current step. */
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
    this.operations.mark();
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
    if (this.view.zoomed) this.view.showValues((column, neuron) => this.valueOf(column, neuron));
    void this.showPanel();
  }

  /** One weight by hand. @param {number} at @param {number} value */
  async setWeight(at, value) {
    const weights = Float32Array.from(this.snapshot.weights);
    weights[at] = value;
    this.holding = true; // the sliders stay as they are while one of them moves
    await this.ask("change", { weights });
    this.holding = false;
    noteTry(this);
  }

  /** Set up the network of a station of the lecture. @param {any} setup */
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

  /** Set up a network that fails, and train it. @param {any} own */
  async goWrong(own) {
    this.wrong = own;
    const { layers, output, loss, ...settings } = own.choice;
    if (loss && this.table.classes.length < 2) await this.restart((choice) => Object.assign(choice, this.first("moons")));
    await this.restart((choice) => {
      if (loss) this.controls.withLoss(choice, loss);
      const last = choice.layers[choice.layers.length - 1];
      const end = output && (loss || choice.loss === "HalfMSE") ? { ...last, activation: output } : last;
      Object.assign(choice, settings, { layers: [...layers.map((/** @type {any} */ l) => ({ ...l })), end] });
    });
    if (own.zero) await this.ask("change", { weights: new Float32Array(this.snapshot.weights.length) });
    await this.ask("train", { steps: own.steps });
  }

  /** @param {import("./network_view.js").Chosen|null} chosen null: only show the network again */
  choose(chosen) {
    if (chosen) this.chosen = { ...chosen };
    this.showPictures();
    void this.showPanel();
  }

  async stepOnce() {
    this.playing = false;
    await this.ask("pause");
    await this.ask("train", { steps: 1 });
  }

  /** A Python program that computes the current weights, bit for bit. */
  async script() {
    const { first, entries, step } = await this.thread.ask("history");
    return pythonScript(first, entries, step, this.table);
  }
}

/** @param {any} settings */
const changeText = (settings) => settings ? Object.entries(settings).map(([name, value]) => `${{ lr: "η", optimizer: "optimiser" }[name] ?? name} ${value}`).join(", ") : "weights by hand";

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
  link: () => thePage.link.made(),
};
const VERBS = ["train", "seek", "change", "open"];
/** Messages from and to a notebook that shows the page in a frame. */
addEventListener("message", async ({ source, data }) => {
  if (source !== parent || parent === window || !data?.glassnet) return;
  const { verb, value } = data.glassnet;
  await /** @type {any} */ (window).glassnet.ready;
  thePage.heard = (state) => parent.postMessage({ glassnet: state }, "*");
  if (VERBS.includes(verb)) await /** @type {any} */ (window).glassnet[verb](value);
  else await thePage.show(thePage.snapshot);
});
/** @type {any} */ (window).glassnet.ready.catch((/** @type {Error} */ error) => thePage.say(`The page cannot start: ${error.message}`, true));
