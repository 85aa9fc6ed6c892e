// Files of glassnet: the run and the network of the page as files that the library opens, and runs
// and networks that are opened here.
//
// In: the page, bytes of a file. Out: bytes of a file, or a state as a link describes it.

import { hexadecimal } from "./format.js";
import { base64 } from "./link.js";
import { Database, joinedBytes, writtenDatabase } from "./sqlite.js";

const RUN = 0x676c6173; // the kind of database that a run file is
const TABLES = {
  run: "CREATE TABLE run(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
  history: "CREATE TABLE history(epoch INTEGER PRIMARY KEY, loss REAL, validation_loss REAL)",
  checkpoint: "CREATE TABLE checkpoint(\n  epoch INTEGER PRIMARY KEY, arrays TEXT NOT NULL, sha256 TEXT NOT NULL, content BLOB NOT NULL)",
  data: "CREATE TABLE data(name TEXT PRIMARY KEY, arrays TEXT NOT NULL, content BLOB NOT NULL)",
  result: "CREATE TABLE result(\n  one INTEGER PRIMARY KEY CHECK (one = 1), sha256 TEXT NOT NULL, content BLOB NOT NULL)",
};
const PACKS = ["InFolds", "Average"]; // the last layers of such
const MOST_INPUTS = 1024;
const MOST_NUMBERS = 1 << 18;
const DIGITS = 64; // of a SHA-256

/** @typedef {{name: string, dtype: string, shape: number[], values: any}} Array */

/** @param {Uint8Array|string} content */
async function sha256(content) {
  if (!globalThis.crypto?.subtle) throw new Error("this browser cannot compute SHA-256 here; open the page from disk or by https");
  const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
  return hexadecimal(await crypto.subtle.digest("SHA-256", /** @type {any} */ (bytes)));
}

/** @param {any} values a typed array */
const bytesOf = (values) => new Uint8Array(values.buffer, values.byteOffset, values.byteLength);

/** @param {any[]} items @param {string} name */
const named = (items, name) => items.find((own) => own.name === name);

// -- writing ---------------------------------------------------------------------------------------

/** The network as glassnet describes it. @param {any} first @param {any} page */
function describedNetwork(first, { menu, table }) {
  let before = table.columns.length;
  const layers = first.layers.flatMap((/** @type {any} */ own) => {
    const line = { class: "Linear", fan_in: before, fan_out: own.width, bias: true, initializer: first.initializer };
    before = own.width;
    const { data } = named(menu.activations, own.activation);
    return own.activation === "Identity" ? [line] : [line, "width" in data ? { ...data, width: own.width } : data];
  });
  return { class: "Sequential", layers, seed: first.seed, dtype: "float32" };
}

/** The names of parameters in a network of Python. @param {{name: string, layer: number}[]} parameters @param {any} first */
function pythonNames(parameters, first) {
  const own = (/** @type {number} */ layer) => first.layers[layer].activation;
  return parameters.map(({ name, layer }) => {
    if (name.startsWith("linear")) return name;
    const place = first.layers.slice(0, layer + 1).filter((/** @type {any} */ l) => l.activation === own(layer)).length;
    return `${own(layer).toLowerCase()}${place}.${name.split(".")[1]}`;
  });
}

/** The network as a model file, which `gn.load` opens. @param {any} page */
export async function modelFile(page) {
  const { first } = await page.thread.ask("history");
  const { parameters } = page.numbers;
  const names = pythonNames(parameters, first);
  /** @type {Record<string, any>} */ const header = {
    __metadata__: {
      format: "glassnet network", format_version: "1", numerics_version: String(page.menu.numerics), glassnet: page.menu.version,
      network: JSON.stringify(describedNetwork(first, page)), sha256: "0".repeat(DIGITS),
    },
  };
  let at = 0;
  parameters.forEach((/** @type {any} */ { shape, value }, /** @type {number} */ i) => {
    header[names[i]] = { dtype: "F32", shape, data_offsets: [at, (at += 4 * value.length)] };
  });
  let text = JSON.stringify(header);
  text += " ".repeat((8 - (text.length % 8)) % 8);
  const length = new Uint8Array(new BigUint64Array([BigInt(text.length)]).buffer);
  const weights = bytesOf(page.snapshot.weights);
  const put = (/** @type {string} */ head) => joinedBytes([length, new TextEncoder().encode(head), weights]);
  const digest = await sha256(put(text));
  return put(text.replace(`"sha256":"${"0".repeat(DIGITS)}"`, `"sha256":"${digest}"`));
}

/**
 * The run as a run file, which `glassnet open`, `gn.resume` and the page itself open: its whole
 * epochs. A change of the learning rate is part of the schedule; other changes cannot be
 * recorded.
 * @param {any} page
 */
export async function runFile(page) {
  const { first, entries, step } = await page.thread.ask("history");
  const { spec, lr } = described(first, entries.filter((/** @type {any} */ own) => own.step <= step));
  const { each, last, history, states, parameters } = await page.thread.ask("epochs");
  const names = pythonNames(parameters, first);
  const { data } = named(page.menu.optimizers, spec.optimizer);
  const parts = await dataOf(page, spec.loss);
  const whole = step === last * each && last > 0;
  const values = {
    model: describedNetwork(first, page), loss: named(page.menu.losses, spec.loss).data, optimizer: { ...data, lr },
    callbacks: [], weighted: false, rows: parts[0].rows, columns: page.table.columns.length, names: page.table.columns,
    glassnet: page.menu.version, numerics_version: page.menu.numerics, epochs: whole ? last : last + 1, batch_size: spec.batch,
    seed: spec.seed, shuffle: true, validation: parts.length > 1 ? "given" : null, source: null,
    sha256: Object.fromEntries(parts.map(({ name, digest }) => [name, digest])),
    ...(whole ? { ended: { stopped: "epochs", seconds: 0, best_epoch: null } } : {}),
  };
  const checkpoints = await Promise.all(states.map((/** @type {any} */ own) => checkpointOf(own, parameters, names)));
  const weights = bytesOf(states[states.length - 1].weights);
  const rows = {
    run: Object.entries(values).map(([key, value]) => [key, JSON.stringify(value)]).sort(([a], [b]) => (a < b ? -1 : 1)),
    history,
    checkpoint: checkpoints,
    data: parts.map(({ name, arrays, content }) => [name, arrays, content]),
    result: whole ? [[1, await sha256(weights), weights]] : [],
  };
  const kinds = { run: null, history: 0, checkpoint: 0, data: -1, result: 0 };
  const tables = Object.entries(TABLES).map(([name, sql]) => {
    const key = /** @type {keyof typeof TABLES} */ (name);
    return { name, sql, rows: /** @type {any} */ (rows[key]), rowid: kinds[key] };
  });
  return { bytes: writtenDatabase(tables, RUN, 1), epochs: last, rest: step - last * each };
}

/** The settings of a run, and its learning rate, which may be another one from some step on. @param {any} first @param {any[]} entries */
function described(first, entries) {
  const spec = { ...first };
  /** @type {any} */ let lr = first.lr;
  const constant = (/** @type {any} */ rate) => (typeof rate === "number" ? { class: "Constant", lr: rate } : rate);
  for (const { step, settings, weights } of entries) {
    const others = Object.keys(settings ?? {}).filter((name) => name !== "lr" && settings[name] !== spec[name]);
    if (step > 0 && (weights || others.length)) {
      const what = weights ? "weights were set by hand" : `the ${others[0] === "batch" ? "batch size" : others[0]} was changed`;
      throw new Error(`At step ${step} ${what}, which a run file cannot record; save the page or the Python program instead, which repeat it.`);
    }
    Object.assign(spec, settings);
    if (settings?.lr === undefined) continue;
    lr = step === 0 ? settings.lr : { class: "Switched", first: constant(lr), step, then: constant(settings.lr), total: null };
  }
  if (JSON.stringify(lr).includes('"lr":0}') || lr === 0) throw new Error("A run file cannot have a learning rate of 0; save the page or the Python program instead.");
  return { spec, lr };
}

/** @param {any} state @param {{shape: number[], slots: string[]}[]} parameters @param {string[]} names */
async function checkpointOf({ epoch, weights, memory }, parameters, names) {
  let at = 0;
  const each = parameters.flatMap(({ shape, slots }, i) => slots.map((slot, place) => ({ place, head: [`${slot}.${names[i]}`, "float32", shape], values: memory[at++] })));
  const ordered = each.sort((a, b) => a.place - b.place); // slot by slot
  const content = joinedBytes([weights, ...ordered.map((own) => own.values)].map(bytesOf));
  return [epoch, JSON.stringify({ arrays: [["W", "float32", [weights.length]], ...ordered.map((own) => own.head)], notes: {} }), await sha256(content), content];
}

/** Rows that are trained on, and rows that are held out, as a run file has them. @param {any} page @param {string} loss */
function dataOf(page, loss) {
  const { table, held } = page;
  const width = table.columns.length;
  const of = (/** @type {boolean} */ apart) => Array.from({ length: table.rows }, (_, i) => i).filter((row) => held.has(row) === apart);
  const whole = ["CrossEntropy", "Hinge"].includes(loss);
  return Promise.all([["training", of(false)], ["validation", of(true)]].filter(([, rows]) => rows.length).map(async ([name, rows]) => {
    const numbers = /** @type {number[]} */ (rows);
    const x = new Float32Array(numbers.length * width);
    numbers.forEach((row, i) => x.set(table.x.subarray(row * width, (row + 1) * width), i * width));
    const y = whole ? Int32Array.from(numbers, (row) => table.y[row]) : Float32Array.from(numbers, (row) => table.y[row]);
    const n = numbers.length;
    const [kind, shape, tuple] = whole ? ["int32", [n], `(${n},)`] : ["float32", [n, 1], `(${n}, 1)`];
    const line = (/** @type {string} */ text) => new TextEncoder().encode(text);
    const digest = await sha256(joinedBytes([line(`x float32 (${n}, ${width})\n`), bytesOf(x), line(`y ${kind} ${tuple}\n`), bytesOf(y)]));
    return { name: String(name), rows: n, digest, arrays: JSON.stringify([["x", "float32", [n, width]], ["y", kind, shape]]), content: joinedBytes([bytesOf(x), bytesOf(y)]) };
  }));
}

// -- reading ---------------------------------------------------------------------------------------

/** Whether bytes are those of a file of glassnet. @param {Uint8Array} bytes */
export const isFile = (bytes) => Database.is(bytes) || (bytes.length > 10 && bytes[8] === 123 && bytes[7] === 0 && bytes[6] === 0);

/** The run or the network of a file, opened. @param {any} page @param {Uint8Array} bytes @param {string} name */
export async function openFile(page, bytes, name) {
  const { table, state } = Database.is(bytes) ? await openedRun(page, bytes, page.freeName(name)) : await openedModel(page, bytes);
  if (table) page.keepTable(table);
  await page.link.resume({ ...state, table: (table ?? page.table).name }, false);
}

/** @param {boolean} right @param {string} what */
function unless(right, what) {
  if (!right) throw new Error(`it ${what}, which the page cannot show`);
}

/** @param {any} page @param {Uint8Array} bytes @param {string} name */
async function openedRun(page, bytes, name) {
  const file = new Database(bytes);
  if (file.application !== RUN) throw new Error("it is a database, but not a run file");
  const values = Object.fromEntries(file.table("run").map(([key, value]) => [key, JSON.parse(String(value))]));
  const states = file.table("checkpoint").sort(([a], [b]) => Number(a) - Number(b));
  unless(states.length > 0 && values.model !== undefined, "holds no step");
  unless(states[0][0] === 0, "continues another training");
  unless(values.numerics_version === page.menu.numerics, `has numerics version ${values.numerics_version} (the page ${page.menu.numerics})`);
  unless(values.estimator === undefined && values.shuffle === true && !values.weighted, "was recorded by an estimator, without shuffling or with weights of rows");
  const weights = await Promise.all(states.map(weightsOf));
  const layers = layersOf(page.menu, values.model);
  const { optimizer, lr, changes } = ruleOf(page.menu, values.optimizer);
  const loss = alikeIn(page.menu.losses, values.loss);
  unless(loss !== undefined, `has the loss ${values.loss?.class}`);
  const table = await tableOfRun(page, file, values, name);
  const rows = table.rows - (table.held?.length ?? 0);
  const steps = Number(states[states.length - 1][0]) * Math.ceil(rows / Math.min(values.batch_size, rows));
  const digest = (await sha256(bytesOf(weights[weights.length - 1]))).slice(0, 8);
  const entries = [{ step: 0, weights: base64(weights[0]) }, ...changes];
  return { table, state: { layers, loss, optimizer, lr, batch: values.batch_size, seed: values.seed, initializer: "glorot_uniform", step: steps, entries, digest } };
}

/** W of a checkpoint. @param {any[]} row */
async function weightsOf([, head, digest, content]) {
  if ((await sha256(content)) !== digest) throw new Error("it is damaged: a checkpoint does not match its SHA-256");
  const found = arraysOf(JSON.parse(head).arrays, content).find((own) => own.name === "W");
  unless(found?.dtype === "float32", "is not of float32");
  return /** @type {Float32Array} */ (found?.values);
}

/** @param {[string, string, number[]][]} heads @param {Uint8Array} content @returns {Array[]} */
function arraysOf(heads, content) {
  /** @type {Record<string, any>} */ const kinds = { float32: Float32Array, float64: Float64Array, int32: Int32Array, int64: BigInt64Array, bool: Uint8Array, uint8: Uint8Array };
  let at = 0;
  return heads.map(([name, dtype, shape]) => {
    unless(dtype in kinds, `holds ${dtype}`);
    const kind = kinds[dtype];
    const size = shape.reduce((a, b) => a * b, kind.BYTES_PER_ELEMENT);
    if (!(at + size <= content.length)) throw new Error("it is damaged: an array is cut off");
    const values = new kind(content.slice(at, at + size).buffer);
    at += size;
    return { name, dtype, shape, values };
  });
}

/** The name of the entry of a menu with these settings. @param {any[]} menu @param {any} own @returns {string|undefined} */
function alikeIn(menu, own) {
  const found = menu.find(({ data }) => own && data.class === own.class && Object.keys(own).every((key) => key === "width" || key === "lr" || JSON.stringify(own[key]) === JSON.stringify(data[key])));
  return found?.name;
}

/** Activation and width of each layer. @param {any} menu @param {any} model */
function layersOf(menu, model) {
  unless(model?.class === "Sequential" && model.dtype === "float32", "is not a Sequential of float32");
  if (model.layers.some((/** @type {any} */ own) => PACKS.includes(own.class))) throw new Error("it is an ensemble of networks; “glassnet play FILE” opens one of them");
  /** @type {{activation: string, width: number}[]} */ const layers = [];
  for (const own of model.layers) {
    const last = layers[layers.length - 1];
    if (own.class === "Linear") {
      unless(own.bias === true, "has a Linear without a bias");
      layers.push({ activation: "Identity", width: own.fan_out });
    } else {
      const activation = alikeIn(menu.activations, own);
      unless(activation !== undefined, `has the layer ${String(own.class).slice(0, 40)}`);
      unless(last?.activation === "Identity", "has two activations in a row");
      last.activation = String(activation);
    }
  }
  unless(layers.length > 0 && layers.length <= 7 && layers.every((own) => own.width <= 256) && layers[layers.length - 1].width <= 10, "has more layers, neurons or outputs than the page");
  return layers;
}

/** Name and rate of an optimiser, and the changes of the rate on the way. @param {any} menu @param {any} own */
function ruleOf(menu, own) {
  const optimizer = alikeIn(menu.optimizers, own);
  unless(optimizer !== undefined, `has the optimiser ${String(own?.class).slice(0, 40)} with other settings`);
  const { lr, changes } = ratesOf(own.lr);
  return { optimizer, lr, changes };
}

/** @param {any} rate @returns {{lr: number, changes: {step: number, settings: {lr: number}}[]}} */
function ratesOf(rate) {
  if (typeof rate === "number") return { lr: rate, changes: [] };
  if (rate?.class === "Constant") return { lr: rate.lr, changes: [] };
  unless(rate?.class === "Switched" && rate.then?.class === "Constant", `has the schedule ${String(rate?.class).slice(0, 40)}`);
  const first = ratesOf(rate.first);
  return { lr: first.lr, changes: [...first.changes.filter((own) => own.step < rate.step), { step: rate.step, settings: { lr: rate.then.lr } }] };
}

/** The rows that were trained on, and after them those that were held out. @param {any} page @param {Database} file @param {any} values @param {string} name */
async function tableOfRun(page, file, values, name) {
  const data = Object.fromEntries(file.table("data").map(([key, heads, content]) => [String(key), Object.fromEntries(arraysOf(JSON.parse(String(heads)), /** @type {Uint8Array} */ (content)).map((own) => [own.name, own]))]));
  const all = data.training;
  unless(all?.x?.dtype === "float32" && all.x.shape.length === 2 && all.y !== undefined, "does not hold its rows");
  const [rows, inputs] = all.x.shape;
  unless(inputs <= MOST_INPUTS && rows * inputs <= MOST_NUMBERS, `has ${rows} rows of ${inputs} inputs`);
  const fraction = typeof values.validation === "number" ? await page.thread.ask("heldOut", { rows, count: roundEven(values.validation * rows), seed: values.seed }) : [];
  const apart = new Set(fraction);
  const parts = [{ of: all, rows: Array.from({ length: rows }, (_, i) => i).filter((i) => !apart.has(i)) }, { of: all, rows: fraction }];
  if (data.validation) parts.push({ of: data.validation, rows: Array.from({ length: data.validation.x.shape[0] }, (_, i) => i) });
  const each = all.y.values.length / rows;
  unless(each === 1, `has ${each} targets`);
  const x = Float32Array.from(parts.flatMap(({ of, rows: own }) => own.flatMap((/** @type {number} */ row) => [...of.x.values.subarray(row * inputs, (row + 1) * inputs)])));
  const y = Float32Array.from(parts.flatMap(({ of, rows: own }) => own.map((/** @type {number} */ row) => Number(of.y.values[row]))));
  const count = parts[0].rows.length;
  const whole = all.y.dtype !== "float32" && all.y.dtype !== "float64";
  const classes = whole ? Array.from({ length: Math.max(...y) + 1 }, (_, i) => String(i)) : [];
  const columns = values.names?.length === inputs ? values.names.map(String) : Array.from({ length: inputs }, (_, i) => `x${i + 1}`);
  return { name, columns, target: "y", classes, rows: y.length, x, y, held: Array.from({ length: y.length - count }, (_, i) => count + i) };
}

/** As Python rounds. @param {number} v */
const roundEven = (v) => (v % 1 === 0.5 ? 2 * Math.round(v / 2) : Math.round(v));

/** The network of a file on the table that is shown. @param {any} page @param {Uint8Array} bytes */
async function openedModel(page, bytes) {
  const length = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
  if (8 + length > bytes.length) throw new Error("it is damaged: its header is cut off");
  const text = new TextDecoder().decode(bytes.subarray(8, 8 + length));
  const digest = /"sha256":"([0-9a-f]{64})"/.exec(text)?.[1] ?? "";
  const blank = text.replace(`"sha256":"${digest}"`, `"sha256":"${"0".repeat(DIGITS)}"`);
  const seal = await sha256(joinedBytes([bytes.subarray(0, 8), new TextEncoder().encode(blank), bytes.subarray(8 + length)]));
  if (!digest || digest !== seal) throw new Error("it is damaged, or not a model file of glassnet");
  const { __metadata__: about, ...tensors } = JSON.parse(text);
  if (about.format !== "glassnet network") throw new Error("it is the model of a table, which reads columns: open it by “glassnet play MODEL --rows TABLE”");
  const network = JSON.parse(about.network);
  const layers = layersOf(page.menu, network);
  const inputs = network.layers[0].fan_in;
  const { table } = page;
  const outputs = layers[layers.length - 1].width;
  const wanted = table.classes.length > 2 ? table.classes.length : 1;
  const fits = inputs === table.columns.length && (outputs === wanted || outputs === table.classes.length);
  if (!fits) throw new Error(`it takes ${inputs} inputs to ${outputs} outputs, and ${table.name} has ${table.columns.length} columns and ${table.classes.length || "no"} classes; choose a table that fits first`);
  const values = new Float32Array(bytes.slice(8 + length).buffer);
  unless(Object.values(tensors).every((own) => own.dtype === "F32"), "is not of float32");
  const first = page.first(table.name);
  const loss = outputs > 1 ? "CrossEntropy" : first.loss;
  const state = { ...first, layers, loss, step: 0, entries: [{ step: 0, weights: base64(values) }], digest: (await sha256(bytesOf(values))).slice(0, 8) };
  return { table: null, state };
}
