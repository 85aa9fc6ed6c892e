// One weight: its gradient and a central difference, its update with numbers, all its updates, and
// the rows with the largest gradients.

import { chart } from "./charts.js";
import { element, shown, term } from "./format.js";
import { nodeName, subscript } from "./network_view.js";

const MOST_PULLS = 5;

/** @type {import("./panels.js").Panel} */
export const weightPanel = {
  name: "weight",
  title: "One weight",
  async show(page, place) {
    const own = chosenWeight(page);
    const { life, difference, kink } = await page.thread.ask("weight", { at: own.at });
    const apart = Math.abs(difference - own.gradient);
    const agrees = apart <= 1e-4 * Math.abs(difference) + 1e-7;
    const verdict = kink ? "next to a kink, where the loss has no derivative" : agrees ? "✓ they agree" : `they differ by ${shown(apart)}`;
    place.replaceChildren(
      element("p", {}, `The weight ${own.name}; click a line of the network for another one, or press [ and ].`),
      element("div", { class: "three" },
        element("div", {}, element("h3", {}, "Its gradient"), gradientTable(own, difference, verdict), element("h3", {}, "Its update"), element("pre", {}, updateText(own, page))),
        element("div", {}, element("h3", {}, `Its updates: ${shown(life[0][1])} → ${shown(own.value)}`), chart([{ name: "w", points: life, colour: "var(--mark)" }], { label: `The weight from step 0 to ${life[life.length - 1][0]}, from ${shown(life[0][1])} to ${shown(own.value)}` })),
        element("div", {}, element("h3", {}, "Rows of this batch with the largest gradients"), pulls(page, own))),
    );
  },
};

/** The chosen weight with all its numbers. @param {any} page */
function chosenWeight(page) {
  const { chosen, spec, table, numbers } = page;
  const { width } = spec.layers[chosen.layer];
  const edge = chosen.edge ?? 0;
  const parameter = numbers.parameters.find((/** @type {any} */ p) => p.name === `linear${chosen.layer + 1}.weight`);
  const place = edge * width + chosen.neuron;
  const before = parameter.shape[0];
  const from = nodeName(chosen.layer, edge, table.columns, spec.layers.length, before);
  const to = nodeName(chosen.layer + 1, chosen.neuron, table.columns, spec.layers.length, width);
  const slots = Object.entries(parameter.slots).map(([slot, values]) => [slot, /** @type {any} */ (values).before[place], /** @type {any} */ (values).after[place]]);
  return {
    name: `w${subscript(edge + 1)} from ${from} to ${to}`, from, edge, before,
    value: parameter.value[place], gradient: parameter.gradient[place], next: parameter.next[place], slots,
    at: page.offset(chosen.layer) + place,
  };
}

/** @param {any} own @param {number} difference @param {string} verdict */
function gradientTable(own, difference, verdict) {
  const line = (/** @type {string} */ name, /** @type {string} */ value) => element("tr", {}, element("th", { scope: "row" }, name), element("td", {}, value));
  return element("table", { class: "plain" }, element("tbody", {},
    line("w", shown(own.value)), line("∂L/∂w, by the chain rule", shown(own.gradient)),
    line("(L(w + h) − L(w − h)) / 2h", shown(difference)), line("compared", verdict)));
}

/** The formulas of the optimiser, with the numbers of this step. @param {any} own @param {any} page */
function updateText(own, { menu, spec, numbers }) {
  const { formulas } = menu.optimizers.find((/** @type {any} */ o) => o.name === spec.optimizer);
  /** @type {Record<string, string>} */ const known = { w: term(own.value), g: term(own.gradient), "η": shown(spec.lr), t: String(numbers.count) };
  for (const [slot, before] of own.slots) known[slot] = term(before);
  const lines = formulas.flatMap((/** @type {string} */ formula) => {
    const [left, right] = formula.split(/ ← | = /);
    const filled = right.replace(/(?<![\p{L}\d.])[wgηtmvs](?![\p{L}\d\u0302])/gu, (name) => known[name] ?? name);
    const slot = own.slots.find((/** @type {any} */ s) => s[0] === left);
    const result = left === "w" ? own.next : slot?.[2];
    if (slot) known[left] = term(slot[2]);
    return [formula, `  = ${filled}`, ...(result === undefined ? [] : [`  = ${shown(result)}`])];
  });
  return ["g = ∂L/∂w", ...lines].join("\n");
}

/** @param {any} page @param {any} own */
function pulls({ numbers, chosen, spec, row: present }, own) {
  const { width } = spec.layers[chosen.layer];
  const { dz } = numbers.layers[chosen.layer];
  const inputs = chosen.layer ? numbers.layers[chosen.layer - 1].a : numbers.x;
  const parts = numbers.rows.map((/** @type {number} */ row, /** @type {number} */ i) => ({ row, slope: dz[i * width + chosen.neuron], input: inputs[i * own.before + own.edge] }))
    .map((/** @type {any} */ p) => ({ ...p, pull: p.slope * p.input }))
    .sort((/** @type {any} */ a, /** @type {any} */ b) => Math.abs(b.pull) - Math.abs(a.pull));
  const most = Math.max(1e-30, Math.abs(parts[0].pull));
  const rows = parts.slice(0, MOST_PULLS).map((/** @type {any} */ p) => {
    const bar = element("span", { class: p.pull > 0 ? "bar positive" : "bar", "aria-hidden": "true" });
    bar.style.width = `${(100 * Math.abs(p.pull)) / most}%`;
    const cells = [String(p.row), `${term(p.slope)}·${term(p.input)}`, shown(p.pull)].map((text) => element("td", {}, text));
    return element("tr", p.row === present ? { class: "on" } : {}, ...cells, element("td", { class: "bars" }, bar));
  });
  const head = element("tr", {}, ...["row", `∂L/∂z·${own.from}`, "∂L/∂w of the row", "relative size"].map((text) => element("th", {}, text)));
  return element("table", { class: "plain" }, element("thead", {}, head), element("tbody", {}, ...rows));
}
