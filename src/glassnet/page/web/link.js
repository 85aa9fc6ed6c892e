// The run as a link, and the page with its data as a file: both lead to the same step again.
//
// In: the page. Out: an address, text of a page; and what such an address or file describes.

import { checked } from "./choice.js";
import { byId, hexadecimal } from "./format.js";
import { floats } from "./thread.js";

const LONGEST = 12000; // letters of a link
const SMALL = 2048; // bytes of a table that a link carries
const MOST_STEPS = 2e6;
const QUIET = 400; // milliseconds without a change before the address is written
const SETTINGS = ["optimizer", "lr", "batch"];
// The file as it was before anything was added to it.
const SOURCE = `<!doctype html>\n${document.documentElement.outerHTML}\n`;

export class Link {
  /** @param {any} page */
  constructor(page) {
    this.page = page;
    this.timer = 0;
    this.ready = false;
  }

  /** Everything that leads to the present step. */
  async described() {
    const { first, entries, step } = await this.page.thread.ask("history");
    const names = ["table", "loss", "optimizer", "lr", "batch", "seed", "initializer"];
    const layers = first.layers.map((/** @type {any} */ own) => ({ activation: own.activation, width: own.width }));
    const made = { ...Object.fromEntries(names.map((name) => [name, first[name]])), layers };
    const changes = entries.filter((/** @type {any} */ own) => own.step <= step).map((/** @type {any} */ own) => ({
      step: own.step, ...(own.settings ? { settings: own.settings } : {}), ...(own.weights ? { weights: base64(own.weights) } : {}),
    }));
    return { ...made, step, entries: changes, digest: await this.page.seal() };
  }

  /** The part of the address behind #, or "" where it would be too long. */
  async made() {
    const { table } = this.page;
    /** @type {any} */ const state = await this.described();
    if (!table.builtIn) {
      if (4 * (table.x.length + table.y.length) <= SMALL) state.data = packedTable(table);
      else state.of = await digestOf(table);
    }
    const text = `#${encodeURIComponent(JSON.stringify(state))}`;
    return text.length <= LONGEST ? text : "";
  }

  /** Write the address once nothing has changed for a while. */
  writeSoon() {
    clearTimeout(this.timer);
    if (!this.ready || location.protocol === "about:") return; // a frame of a notebook has no address
    this.timer = setTimeout(async () => {
      const text = await this.made();
      if (text) history.replaceState(null, "", text);
    }, QUIET);
  }

  /** Open what the address says, else what the file says. @param {any} content */
  async begin(content) {
    const { page } = this;
    const first = content.state ?? null;
    let said = "";
    if (location.hash.length > 1) {
      try {
        await this.resume(JSON.parse(decodeURIComponent(location.hash.slice(1))), true);
        this.ready = true;
        return;
      } catch (error) {
        said = `The link does not describe a network (${error instanceof Error ? error.message : error}); the page is in its initial state.`;
        page.choice = page.first(content.start);
      }
    }
    if (first) await this.resume(first, false);
    else await page.open();
    if (said) page.say(said);
    this.ready = true;
  }

  /** @param {any} state @param {boolean} foreign whether anyone may have written it */
  async resume(state, foreign) {
    const { page } = this;
    if (state.data !== undefined) page.keepTable(unpackedTable(state.data, page.freeName(String(state.table))));
    const table = state.data !== undefined ? page.tables[page.tables.length - 1] : page.tableNamed(String(state.table));
    if (state.of !== undefined && state.of !== (await digestOf(table))) throw new Error(`it belongs to another table ${table.name}; open the page that was saved with it`);
    page.choice = checked(state, page.menu, page.first(table.name));
    const steps = state.step ?? 0;
    if (!Number.isSafeInteger(steps) || steps < 0 || steps > MOST_STEPS) throw new Error("the step is not a whole number");
    await page.open();
    const entries = (state.entries ?? []).map((/** @type {any} */ own) => checkedEntry(own, page));
    if (steps || entries.length) await page.ask("resume", { entries, step: steps });
    Object.assign(page.choice, Object.fromEntries(SETTINGS.map((name) => [name, page.spec[name]])));
    page.controls.buildSettings();
    const own = await page.seal();
    if (own && state.digest && own !== state.digest) page.say(`Step ${steps} had the digest ${state.digest} where this ${foreign ? "link" : "page"} was made, and has ${own} here: another version of glassnet made it.`, true);
  }

  /** The page as a file, with its data and its run. */
  async saved() {
    const { page } = this;
    const tables = page.tables.filter((/** @type {any} */ own) => !own.drawn || own.rows).map((/** @type {any} */ own) => ({ ...own, x: base64(own.x), y: base64(own.y) }));
    const content = { ...page.content, tables, panel: page.panel, start: page.choice.table, state: await this.described() };
    const packed = new Blob([JSON.stringify(content)]).stream().pipeThrough(new CompressionStream("gzip"));
    const bytes = new Uint8Array(await new Response(packed).arrayBuffer());
    const old = byId("bytes-content").textContent;
    const at = SOURCE.lastIndexOf(old);
    return SOURCE.slice(0, at) + base64(bytes) + SOURCE.slice(at + old.length);
  }
}

/** A change with nothing in it that the page does not offer. @param {any} own @param {any} page */
function checkedEntry({ step, settings, weights }, page) {
  const count = page.snapshot.weights.length;
  const made = weights === undefined ? undefined : floats(String(weights));
  const right = Number.isSafeInteger(step) && step >= 0 &&
    (made === undefined || (made.length === count && made.every(Number.isFinite)));
  if (!right) throw new Error("a change is not one that the page makes");
  const changed = settings && Object.fromEntries(SETTINGS.filter((name) => name in settings).map((name) => [name, settings[name]]));
  if (changed) checked({ ...page.choice, ...changed }, page.menu, page.choice);
  return { step, ...(changed ? { settings: changed } : {}), ...(made ? { weights: made } : {}) };
}

/** @param {Float32Array|Uint8Array} numbers */
export function base64(numbers) {
  const bytes = new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength);
  let text = "";
  for (let i = 0; i < bytes.length; i += 8192) text += String.fromCharCode(...bytes.subarray(i, i + 8192));
  return btoa(text);
}

/** @param {import("./choice.js").PageTable} table */
function packedTable({ columns, target, classes, drawn, held, x, y }) {
  return { columns, target, classes, ...(drawn ? { drawn } : {}), ...(held ? { held } : {}), x: base64(x), y: base64(y) };
}

/** A table from a link, in which everything fits together. @param {any} given @param {string} name @returns {import("./choice.js").PageTable} */
function unpackedTable({ columns, target, classes, drawn, held, x, y }, name) {
  const texts = (/** @type {any} */ own, /** @type {number} */ least, /** @type {number} */ most) => Array.isArray(own) && own.length >= least && own.length <= most && own.every((text) => typeof text === "string");
  if (!texts(columns, 1, 16) || !texts(classes, 0, 10) || typeof target !== "string") throw new Error("its table has no names");
  const [inputs, truth] = [floats(String(x)), floats(String(y))];
  const rows = truth.length;
  const right = rows > 0 && inputs.length === rows * columns.length && [...inputs, ...truth].every(Number.isFinite) &&
    (!classes.length || truth.every((v) => Number.isInteger(v) && v >= 0 && v < classes.length)) &&
    (held === undefined || (Array.isArray(held) && held.every((row) => Number.isInteger(row) && row >= 0 && row < rows)));
  if (!right) throw new Error("its table is damaged");
  return { name, columns, target, classes, rows, x: inputs, y: truth, ...(drawn ? { drawn: true } : {}), ...(held ? { held } : {}) };
}

/** @param {import("./choice.js").PageTable} table */
async function digestOf({ columns, x, y }) {
  if (!globalThis.crypto?.subtle) return "";
  const bytes = await new Blob([JSON.stringify(columns), /** @type {any} */ (x), /** @type {any} */ (y)]).arrayBuffer();
  return hexadecimal(await crypto.subtle.digest("SHA-256", bytes)).slice(0, 16);
}
