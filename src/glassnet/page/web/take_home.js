// Export: a run or model file, a Python program, tables, the page itself, a link.

import { modelFile, runFile } from "./files.js";
import { element } from "./format.js";

/** @typedef {import("./choice.js").PageTable} PageTable */

/** @type {{name: string, title: string, show: (page: any, place: any) => Promise<void>}} */
export const takePanel = {
  name: "take",
  title: "Export",
  async show(page, place) {
    const script = await page.script();
    const save = (/** @type {string} */ label, /** @type {() => void} */ act) => element("button", { onclick: act }, label);
    const said = element("span", { role: "status" });
    const link = async () => {
      const text = await page.link.made();
      if (text) await navigator.clipboard?.writeText(location.href.replace(/#.*|$/, text));
      said.textContent = text ? "The link is copied." : "This network or its table is too large for a link; save the page.";
    };
    place.replaceChildren(
      element("p", {}, "The Python program computes the current weights again, bit for bit; the digest at the top of the page is the start of the SHA-256 of model.W. A model file is for gn.load, a run file for “glassnet step” and “glassnet resume”; the page opens both again. The link and the saved page return to this step by computing it again."),
      element("div", { class: "row" },
        save("run file", () => safely(page, async () => {
          const { bytes, epochs, rest } = await runFile(page);
          download(`${fileName(page)}.run`, bytes, "application/octet-stream");
          said.textContent = `The run file has ${epochs} epochs${rest ? `; the ${rest} steps after them are repeated when the run is resumed` : ""}.`;
        })),
        save("model file", () => safely(page, async () => download(`${fileName(page)}.safetensors`, await modelFile(page), "application/octet-stream"))),
        save("Python program", () => download("replay.py", script, "text/x-python")),
        save("this page with its data", async () => download("page.html", await page.link.saved(), "text/html")),
        save("copy the link", link), said),
      element("div", { class: "row" },
        save("steps as CSV", async () => download("steps.csv", stepsCsv(await page.thread.ask("record")), "text/csv")),
        save("weights as CSV", () => download("weights.csv", weightsCsv(page.numbers.parameters), "text/csv")),
        save("table as CSV", () => download(`${page.table.name}.csv`, tableCsv(page.table), "text/csv"))),
      element("pre", { class: "card code", tabindex: 0, "aria-label": "Python program" }, script),
    );
  },
};

/** Do it, or say why not. @param {any} page @param {() => Promise<void>} act */
async function safely(page, act) {
  try {
    await act();
  } catch (error) {
    page.say(error instanceof Error ? error.message : String(error), true);
  }
}

/** A name for a file. @param {any} page */
const fileName = ({ table }) => table.name.replace(/[^\w-]+/g, "-").replace(/^-+/, "").slice(0, 40) || "network";

/**
 * A Python program that does the run again.
 * @param {any} first @param {any[]} entries @param {number} step @param {PageTable} table
 */
export function pythonScript(first, entries, step, table) {
  const names = ["layers", "loss", "optimizer", "lr", "batch", "seed", "initializer"];
  const layers = first.layers.map((/** @type {any} */ own) => ({ activation: own.activation, width: own.width }));
  const changes = entries.map((own) => ({ ...own, ...(own.weights ? { weights: [...own.weights].map(short) } : {}) }));
  const run = { ...Object.fromEntries(names.map((name) => [name, first[name]])), layers, entries: changes };
  const lines = Object.entries(run).map(([name, value]) => `    "${name}": ${python(value)},`);
  return [
    `# The network of the page after ${step} steps, again: the same weights, bit by bit.`,
    "from glassnet.page.replay_page import replay", "", "run = {", `    "table": ${tableText(table)},`, ...lines, "}",
    `model = replay(run, steps=${step})`, "print(model.W)",
    '# import glassnet as gn; gn.save(model, "model.safetensors")  # as a model file', "",
  ].join("\n");
}

/** JSON that Python reads, too: there are no true, false and null in it. @param {any} value */
const python = (value) => JSON.stringify(value);

/** The shortest number that is the same in float32. @param {number} value */
function short(value) {
  for (let digits = 6; digits < 10; digits++) {
    const found = Number(value.toPrecision(digits));
    if (Math.fround(found) === value) return found;
  }
  return value;
}

/** @param {PageTable} table */
function tableText({ name, builtIn, columns, held, x, y }) {
  if (builtIn) return JSON.stringify(name);
  const width = columns.length;
  const rows = Array.from(y, (_, row) => JSON.stringify(Array.from(x.subarray(row * width, (row + 1) * width), short)));
  return `{\n        "x": [${rows.join(", ")}],\n        "y": ${JSON.stringify(Array.from(y, short))},${held ? `\n        "held": ${JSON.stringify(held)},` : ""}\n    }`;
}

/** A field of a CSV file. A text that a spreadsheet would take for a formula begins with a quote sign. @param {string} text */
const cell = (text) => {
  const own = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\n\r]/.test(own) ? `"${own.replaceAll('"', '""')}"` : own;
};

/**
 * The steps, as CSV: the loss of each batch before its update, the settings, and the weights that
 * the step began with.
 * @param {{names: string[], lines: {step: number, epoch: number, loss: number, lr: number, weights: ArrayLike<number>}[]}} record
 */
export function stepsCsv({ names, lines }) {
  const head = ["step", "epoch", "loss", "learning rate", ...names].map(cell).join(",");
  return [head, ...lines.map(({ step, epoch, loss, lr, weights }) => [step, epoch, loss, lr, ...Array.from(weights, short)].join(",")), ""].join("\n");
}

/** The table as the network gets it. @param {PageTable} table */
export function tableCsv({ columns, target, classes, x, y }) {
  const width = columns.length;
  const lines = Array.from(y, (truth, row) => [...Array.from(x.subarray(row * width, (row + 1) * width), short), classes.length ? cell(classes[truth]) : short(truth)].join(","));
  return [[...columns, target].map(cell).join(","), ...lines, ""].join("\n");
}

/** The parameters, as CSV. @param {{name: string, shape: number[], value: number[]}[]} parameters */
export function weightsCsv(parameters) {
  const lines = parameters.flatMap(({ name, shape, value }) =>
    value.map((number, i) => {
      const place = shape.length === 2 ? `${Math.floor(i / shape[1])},${i % shape[1]}` : `,${i}`;
      return `${name},${place},${short(number)}`;
    }),
  );
  return ["parameter,from,to,value", ...lines, ""].join("\n");
}

/** Let the browser save a file. @param {string} name @param {BlobPart} content @param {string} type */
export function download(name, content, type) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([content], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
