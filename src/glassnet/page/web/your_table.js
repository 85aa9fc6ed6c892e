// A table of one's own: points drawn on the plane, text that is pasted, a file that is dropped.
//
// In: the page. Out: a panel, and tables of the page. Nothing leaves the machine.

import { isFile, openFile } from "./files.js";
import { byId, element } from "./format.js";
import { CLASS_COLOURS } from "./picture.js";

const LARGEST = 64e6; // bytes of a file
const MOST_SHOWN = 40; // columns that are listed
export const FEWEST_POINTS = 8; // points that a network is trained on

/** @typedef {{name: string, kind: string, about: string}} ColumnText */

/** @type {{name: string, title: string, show: (page: any, place: any) => void}} */
export const tablePanel = {
  name: "table",
  title: "Your data",
  show(page, place) {
    const given = page.given;
    place.replaceChildren(
      element("div", { class: "two" },
        element("div", {}, element("h3", {}, "A table"), ...tableFields(page), ...(given ? questions(page, given) : [])),
        element("div", {}, element("h3", {}, "Points by hand"), ...drawFields(page))),
    );
  },
};

// -- a table ---------------------------------------------------------------------------------------

/** @param {any} page */
function tableFields(page) {
  const field = element("textarea", { id: "paste", rows: 5, spellcheck: "false", placeholder: "width,height,kind\n1.2,3.4,a\n…" });
  const file = element("input", { type: "file", id: "file", accept: ".csv,.tsv,.txt,.run,.safetensors,text/csv,text/plain" });
  file.addEventListener("change", () => file.files[0] && readFile(page, file.files[0]));
  return [
    element("p", {}, "Paste rows with a first line of names, choose a file, or drop one anywhere on the page: a table, a run file, or the model file of a network. It is read in this browser and stays there."),
    element("label", { for: "paste" }, "Rows, as CSV or from a spreadsheet"), field,
    element("div", { class: "row" },
      element("button", { id: "read", onclick: () => give(page, field.value, "pasted table") }, "read these rows"),
      element("label", { for: "file" }, "or a file ", file)),
  ];
}

/** The questions about a table that was read: its target and its columns. @param {any} page @param {any} given */
function questions(page, given) {
  const names = given.names;
  const target = element("select", { id: "target" }, ...names.map((/** @type {string} */ name) => element("option", name === given.target ? { selected: true } : {}, name)));
  target.addEventListener("change", () => ask(page, { target: target.value, wanted: null }));
  const parts = [element("p", { role: "status" }, `${given.name}: ${given.rows} rows, ${names.length} columns.`), element("div", { class: "row" }, element("label", {}, "predict ", target))];
  if (given.error) return [...parts, element("p", { class: "neg", role: "alert" }, `${given.error}. The command “glassnet play TABLE --target COLUMN” may read more.`)];
  if (!given.columns) return parts;
  const lines = given.columns.slice(0, MOST_SHOWN).map((/** @type {ColumnText} */ own) => columnLine(page, given, own));
  const more = given.columns.length - lines.length;
  return [
    ...parts,
    element("table", { class: "plain columns" },
      element("thead", {}, element("tr", {}, ...["use", "column", "is", "values"].map((text) => element("th", {}, text)))),
      element("tbody", {}, ...lines)),
    ...(more > 0 ? [element("p", {}, `… and ${more} more columns`)] : []),
    ...given.notes.map((/** @type {string} */ note) => element("p", {}, `${note}.`)),
    element("div", { class: "row" }, element("button", { id: "use", class: "main wide-button", onclick: () => use(page, given.table) }, "train on this table")),
  ];
}

/** @param {any} page @param {any} given @param {ColumnText} own */
function columnLine(page, given, { name, kind, about }) {
  const usable = ["number", "category", "boolean"].includes(kind);
  const box = element("input", { type: "checkbox", "aria-label": `Use ${name}`, disabled: !usable, ...(usable && given.use(name) ? { checked: true } : {}) });
  box.addEventListener("change", () => {
    const wanted = given.columns.map((/** @type {ColumnText} */ c) => c.name).filter((/** @type {string} */ c) => (c === name ? box.checked : given.use(c)));
    void ask(page, { wanted });
  });
  return element("tr", {}, element("td", {}, box), element("th", { scope: "row" }, brief(name)), element("td", {}, kind), element("td", {}, brief(about)));
}

/** @param {string} text */
const brief = (text) => (text.length > 60 ? `${text.slice(0, 59)}…` : text);

/** @param {any} page @param {File} file */
export async function readFile(page, file) {
  if (file.size > LARGEST) return page.say(`${file.name} has ${Math.round(file.size / 1e6)} MB; the page reads at most ${LARGEST / 1e6} MB. “glassnet play ${file.name} --target COLUMN” reads larger files.`, true);
  try {
    const bytes = new Uint8Array(await file.arrayBuffer());
    if (isFile(bytes)) return await openBytes(page, bytes, file.name);
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    await give(page, text, file.name.replace(/\..*$/, "") || "table");
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    page.say(`${file.name} is not UTF-8 text; “glassnet play ${file.name} --target COLUMN” reads other encodings, and workbooks.`, true);
  }
}

/** Open a run or a network, or say why not. @param {any} page @param {Uint8Array} bytes @param {string} name */
async function openBytes(page, bytes, name) {
  const before = { ...page.choice };
  try {
    await openFile(page, bytes, name.replace(/\..*$/, "") || "run");
  } catch (error) {
    const broken = error instanceof RangeError || error instanceof TypeError || error instanceof SyntaxError;
    page.say(`${name} is not opened: ${broken ? "it is damaged" : error instanceof Error ? error.message : error}.`, true);
    Object.assign(page.choice, before);
  }
}

/** Read a text, and ask what is to be predicted. @param {any} page @param {string} text @param {string} name */
export async function give(page, text, name) {
  try {
    const { names, rows } = await page.thread.ask("readTable", { text });
    page.given = { name, names, rows, use: () => true };
    page.say("");
    await ask(page, { target: names[names.length - 1], wanted: null });
  } catch (error) {
    page.say(`${name} cannot be read: ${error instanceof Error ? error.message : error}.`, true);
  }
}

/** @param {any} page @param {{target?: string, wanted?: string[]|null}} changed */
async function ask(page, changed) {
  const given = page.given;
  if (changed.target) given.target = changed.target;
  if (changed.wanted !== undefined) given.use = (/** @type {string} */ name) => !changed.wanted || changed.wanted.includes(name);
  const { target, name, columns } = given;
  const wanted = columns && changed.wanted !== null ? columns.map((/** @type {ColumnText} */ c) => c.name).filter(given.use) : null;
  try {
    const found = await page.thread.ask("tableOf", { target, name: page.freeName(name), wanted });
    // columns that are not wanted stay in the list, to be taken again
    Object.assign(given, found, { error: "", columns: wanted ? columns : found.columns });
  } catch (error) {
    Object.assign(given, { error: error instanceof Error ? error.message : String(error), columns: wanted ? columns : undefined, table: undefined });
  }
  await page.choosePanel("table");
}

/** @param {any} page @param {any} table */
async function use(page, table) {
  page.given = undefined;
  await page.addTable(table);
  await page.choosePanel("lines");
}

// -- points ----------------------------------------------------------------------------------------

/** @param {any} page */
function drawFields(page) {
  const drawn = page.table.drawn || page.sketch;
  const classes = ["0", "1", "2"];
  const choose = classes.map((name, i) => element("button", { "aria-pressed": String(page.pen === i), onclick: () => pick(page, i) }, dotOf(i), ` class ${name}`));
  const field = (/** @type {string} */ id, /** @type {string} */ label) => element("label", {}, `${label} `, element("input", { type: "number", id, step: "any", min: -1.9, max: 1.9, value: 0 }));
  const add = () => page.drawPoint(Number(byId("point-x").value), Number(byId("point-y").value), Math.max(0, page.pen));
  return [
    element("p", {}, drawn ? "Click on the plane under “Data” to add a point of the chosen class, or enter its coordinates." : "Choose a class, then click on the plane under “Data”. The first point starts a new table."),
    element("div", { class: "row" }, ...choose, element("button", { "aria-pressed": String(page.pen === -2), onclick: () => pick(page, -2) }, "erase")),
    element("div", { class: "row" }, field("point-x", "x₁"), field("point-y", "x₂"), element("button", { id: "point-add", onclick: add }, "add the point")),
    element("div", { class: "row" }, element("button", { id: "points-clear", onclick: () => page.setPoints([]) }, "remove all points"), element("button", { id: "points-copy", onclick: () => page.setPoints(pointsOf(page.table)), disabled: page.table.columns.length !== 2 || !page.table.classes.length || page.table.classes.length > 3 }, "start from the current points")),
  ];
}

/** @param {number} kind */
function dotOf(kind) {
  const made = element("span", { class: "dot", "aria-hidden": "true" });
  made.style.background = CLASS_COLOURS[kind];
  return made;
}

/** @param {any} page @param {number} kind */
function pick(page, kind) {
  page.pen = page.pen === kind ? -1 : kind;
  byId("points").classList.toggle("drawing", page.pen !== -1);
  return page.showPanel();
}

/** @typedef {[number, number, number]} DrawnPoint x₁, x₂ and the class */

/** @param {DrawnPoint[]} points */
export function drawnTable(points) {
  const most = Math.max(1, ...points.map(([, , kind]) => kind));
  return {
    name: "drawn", columns: ["x₁", "x₂"], target: "y", classes: Array.from({ length: most + 1 }, (_, i) => String(i)), rows: points.length,
    x: Float32Array.from(points.flatMap(([x, y]) => [x, y])), y: Float32Array.from(points, ([, , kind]) => kind), drawn: true,
  };
}

/** @param {import("./choice.js").PageTable} table @returns {DrawnPoint[]} */
export const pointsOf = ({ rows, x, y }) => Array.from({ length: rows }, (_, i) => [x[2 * i], x[2 * i + 1], y[i]]);
