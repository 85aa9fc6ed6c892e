// The controls around the pictures: data, transport, settings, layers, keys.
//
// In: the page. Out: elements that act on it.

import { MOST_LAYERS } from "./choice.js";
import { byId, element } from "./format.js";
import { PANELS } from "./panels.js";
import { CLASS_COLOURS } from "./picture.js";
import { readFile } from "./your_table.js";

/** @typedef {import("./choice.js").Choice} Choice */

const MOST_NEURONS = 8;

export class Controls {
  /** @param {import("./app.js").Page} page */
  constructor(page) {
    this.page = page;
  }

  buildControls() {
    const { menu } = this.page;
    byId("version").textContent = `glassnet ${menu.version}.`;
    this.buildTables();
    byId("play").onclick = () => this.page.togglePlay();
    byId("next").onclick = () => this.page.stepOnce();
    byId("back").onclick = () => this.page.seek(this.page.snapshot.step - 1);
    byId("reset").onclick = () => this.page.seek(0);
    byId("time").oninput = () => this.page.seek(Number(byId("time").value));
    byId("tabs").append(...PANELS.map((own) => element("button", { role: "tab", id: `tab-${own.name}`, "aria-controls": "panel", "aria-selected": "false", onclick: () => this.page.choosePanel(own.name) }, own.title)));
    byId("tabs").addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => this.turnTabs(event));
    addEventListener("keydown", (event) => this.key(event));
    addEventListener("resize", () => this.page.view.arrange());
    byId("zoom").onclick = () => this.zoom();
    byId("hall").onclick = () => this.toggleHall();
    byId("keys").onclick = () => byId("help").showModal();
    byId("points").addEventListener("click", (/** @type {MouseEvent} */ event) => {
      if (this.page.pen !== -1) void this.page.drawPoint(...this.page.plane.clicked(event), this.page.pen);
    });
    addEventListener("dragover", (event) => event.preventDefault());
    addEventListener("drop", (event) => {
      event.preventDefault();
      const file = event.dataTransfer?.files[0];
      if (file) void readFile(this.page, file);
    });
    this.buildSettings();
  }

  buildTables() {
    const buttons = this.page.tables.map((/** @type {{name: string}} */ { name }) => {
      const choose = () => this.page.restart((/** @type {Choice} */ choice) => Object.assign(choice, this.page.first(name), { seed: choice.seed }));
      const shown = name.length > 24 ? `${name.slice(0, 23)}…` : name;
      return element("button", { onclick: choose, "data-table": name, "aria-pressed": "false" }, shown);
    });
    byId("tables").replaceChildren(...buttons);
  }

  zoom() {
    byId("zoom").setAttribute("aria-pressed", String(this.page.view.zoom()));
  }

  /** Large type and high contrast, for a lecture hall. */
  toggleHall() {
    const on = document.documentElement.classList.toggle("hall");
    byId("hall").setAttribute("aria-pressed", String(on));
    this.page.view.build(this.page.table.columns, this.page.choice.layers);
    this.page.view.arrange();
    this.page.showPictures();
    void this.page.showPanel();
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

  buildSettings() {
    const { menu, choice } = this.page;
    const names = (/** @type {any[]} */ items) => items.map((own) => own.name ?? own);
    byId("settings").replaceChildren(
      this.numberField("learning rate", "lr", { min: 0, step: "any" }, (lr) => this.page.change({ lr })),
      this.numberField("batch size", "batch", { min: 1, step: 1 }, (batch) => this.page.change({ batch: Math.max(1, Math.round(batch)) })),
      this.menuField("optimiser", names(menu.optimizers), choice.optimizer, (optimizer) => this.page.change({ optimizer })),
      this.menuField("loss", names(menu.losses).filter((name) => this.fits(name)), choice.loss, (loss) => this.page.restart((own) => this.withLoss(own, loss))),
      this.menuField("initial weights", menu.initializers, choice.initializer, (initializer) => this.page.restart((own) => Object.assign(own, { initializer }))),
      this.numberField("seed", "seed", { min: 0, step: 1 }, (seed) => this.page.restart((own) => Object.assign(own, { seed: Math.max(0, Math.round(seed)) }))),
    );
  }

  /** Whether a loss takes the labels of the table. @param {string} loss */
  fits(loss) {
    const classes = this.page.table.classes.length;
    if (loss === "CrossEntropy" || loss === "Hinge") return classes > 1;
    if (loss === "BCEWithLogits") return classes === 2;
    if (loss === "PoissonNLL") return classes === 2;
    return classes <= 2;
  }

  /** The last layer that goes with a loss. @param {Choice} choice @param {string} loss */
  withLoss(choice, loss) {
    const classes = this.page.table.classes.length;
    const last = choice.layers[choice.layers.length - 1];
    const raw = ["CrossEntropy", "Hinge", "BCEWithLogits", "PoissonNLL"].includes(loss);
    const width = loss === "CrossEntropy" ? classes : loss === "Hinge" && classes > 2 ? classes : 1;
    Object.assign(last, { width, activation: raw || !classes ? "Identity" : "Sigmoid" });
    choice.loss = loss;
  }

  /** @param {string} label @param {"lr"|"batch"|"seed"} key @param {Record<string, any>} attributes @param {(value: number) => void} act */
  numberField(label, key, attributes, act) {
    const field = element("input", { type: "number", value: this.page.choice[key], ...attributes });
    field.addEventListener("change", () => {
      const value = Number(field.value);
      if (field.value !== "" && Number.isFinite(value) && value >= 0) act(value);
      else field.value = String(this.page.choice[key]);
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
    const { choice, table, menu } = this.page;
    for (const button of byId("tables").children) button.setAttribute("aria-pressed", String(button.dataset.table === table.name));
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
      const field = element("select", { "aria-label": `Input ${label}` }, ...this.page.table.columns.map((name, i) => element("option", { value: i, ...(i === this.page.plane.axes[axis] ? { selected: true } : {}) }, name)));
      field.addEventListener("change", () => {
        const other = this.page.plane.axes[1 - axis];
        const own = Number(field.value);
        if (own === other) this.page.plane.axes[1 - axis] = this.page.plane.axes[axis];
        this.page.plane.axes[axis] = own;
        void this.page.open();
      });
      return element("label", {}, `${label} `, field);
    });
  }

  /** @param {{activation: string, width: number}} layer @param {number} number @param {any} menu */
  layerColumn(layer, number, menu) {
    const last = number === this.page.choice.layers.length - 1;
    const names = menu.activations.map((/** @type {any} */ own) => own.name);
    const options = names.map((/** @type {string} */ name) => element("option", name === layer.activation ? { selected: true } : {}, name));
    const select = element("select", { "aria-label": last ? "Activation of the output" : `Activation of layer ${number + 1}` }, ...options);
    select.addEventListener("change", () => this.page.restart((choice) => (choice.layers[number].activation = select.value)));
    if (last) return element("div", {}, "output", select);
    const resize = (/** @type {number} */ by) => this.page.restart((choice) => (choice.layers[number].width += by));
    const buttons = [
      element("button", { "aria-label": `One neuron less in layer ${number + 1}`, disabled: layer.width <= 1, onclick: () => resize(-1) }, "−"),
      element("button", { "aria-label": `One neuron more in layer ${number + 1}`, disabled: layer.width >= MOST_NEURONS, onclick: () => resize(1) }, "+"),
      element("button", { "aria-label": `Remove layer ${number + 1}`, onclick: () => this.page.restart((choice) => choice.layers.splice(number, 1)) }, "✕"),
    ];
    return element("div", {}, element("div", { class: "pair" }, ...buttons), select);
  }

  addLayer() {
    return this.page.restart((choice) => choice.layers.splice(choice.layers.length - 1, 0, { activation: "Tanh", width: 3 }));
  }

  /** Another row of the batch. @param {number} by */
  turnRow(by) {
    const { numbers, row } = this.page;
    const count = numbers?.rows.length ?? 0;
    if (count) this.page.pickRow(numbers.rows[(numbers.rows.indexOf(row) + by + count) % count]);
  }

  /** Another input of the chosen neuron. @param {number} by */
  turnEdge(by) {
    const { chosen, choice, table } = this.page;
    const count = chosen.layer ? choice.layers[chosen.layer - 1].width : table.columns.length;
    this.page.choose({ ...chosen, edge: ((chosen.edge ?? 0) + by + count) % count });
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    const target = /** @type {HTMLElement} */ (event.target);
    if (event.ctrlKey || event.metaKey || event.altKey || ["INPUT", "SELECT", "TEXTAREA"].includes(target.tagName) || byId("help").open) return;
    const { page } = this;
    /** @type {Record<string, () => any>} */ const acts = {
      ArrowRight: () => page.stepOnce(), ArrowLeft: () => page.seek(page.snapshot.step - 1), 0: () => page.seek(0),
      o: () => page.operations.next(), u: () => page.operations.undo(),
      j: () => this.turnRow(1), k: () => this.turnRow(-1), "[": () => this.turnEdge(-1), "]": () => this.turnEdge(1),
      n: () => this.zoom(), a: () => page.operations.animate(),
      p: () => this.toggleHall(), "?": () => byId("help").showModal(),
    };
    const act = event.key === " " && target.tagName !== "BUTTON" ? () => this.page.togglePlay() : acts[event.key];
    if (act) {
      event.preventDefault();
      void act();
    }
  }
}

/** @param {string} colour */
function dot(colour) {
  const made = element("span", { class: "dot", "aria-hidden": "true" });
  made.style.background = colour;
  return made;
}
