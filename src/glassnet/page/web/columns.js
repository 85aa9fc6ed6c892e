// What the columns of a table are, and how they become inputs: as `glassnet fit` does it.
//
// In: cells. Out: a table for the page, with the same numbers as `glassnet play TABLE` gives. A column
// that only Python reads (dates, units, decimal commas) is left out, with a note.

import { TableError } from "./csv.js";

/**
 * @typedef {{name: string, kind: string, about: string, doubtful?: boolean, values?: Float64Array,
 *   texts?: (string|null)[]}} Column values are NaN where a cell is missing
 * @typedef {{names: string[], x: Float64Array[]}} Encoded input by input
 */

const SURE = "na n/a n.a. #n/a #na nan null (null) <na> \\n - -- --- ? #value! #ref!".split(" ");
const ALSO = "n.a none nil . .. * missing unknown undefined tbd nd n.d. k.a. n/d #div/0! #num!".split(" ");
const GAPS = new Set([...SURE, ...ALSO, "not available", "not applicable", "no data", "not known", "no value"]);
const SURE_GAPS = new Set(SURE);
const BOOLEANS = [["false", "true"], ["no", "yes"], ["f", "t"], ["n", "y"]];
const NUMERAL = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/;
const CODE = /^[+-]?0\d+$/;
const PADDED = /^[+-]?0\d/;
const CODED = /^\d+[A-Za-z]\d+$/;
// whatever may be a date, and whatever may be a number with signs around it: more than Python takes
const MONTH = "(?:jan|ene|gen|feb|fév|fev|mar|mär|mae|mrz|apr|avr|abr|juin|jun|giu|juil|jul|lug|may|mai|mag|aug|aoû|aou|ago|sep|set|okt|oct|ott|nov|dec|dez|déc|dic)";
const DATE_LIKE = new RegExp(`^\\s*(?:(?:mon|tue|wed|thu|fri|sat|sun|mo|di|mi|do|fr|sa|so)[a-z]*\\.?,?\\s+)?(?:\\d|q\\d|${MONTH}).*`, "i");
const DATE_PART = new RegExp(`\\d[-/. ]\\d|(?:^|\\D)\\d{4}(?:\\D|$)|(?:19|20)\\d{6}|${MONTH}`, "i");
const LEADS = new Set(["", ..."us usd eur gbp chf jpy inr rs cad aud sek nok dkk pln czk cny rmb kr below under lessthan upto atmost unter bis above over morethan atleast über ab".split(" ")]);
const ID_NAME = /((^|[_\s.-])(id|uid|uuid|guid|rowid|rownames?)|^index|^no\.?|^nr\.?)$/i;
const ID_CASE = /[a-z](Id|ID)$/;
const COUNTER = /^((row|line|record)? ?(number|num|nummer)?|unnamed(:? ?\d+)?|column 1|#|idx|seq)$/i;
const TIME_NAME = /time|date|epoch|stamp|created|updated|(^|_)ts$|_at$/i;
const LONG = 200; // letters of a cell that a page shows as a class or a value
export const MOST_INPUTS = 8;
const MOST_ROWS = 1000;
const MOST_CLASSES = 10;
const FEWEST_ROWS = 10;
const MOST_LEVELS = 100;
const RARE = 3;
const CLIP = 3;

/** @param {string} a @param {string} b by code points, as Python compares */
function byPoints(a, b) {
  const [p, q] = [[...a], [...b]];
  for (let i = 0; i < Math.min(p.length, q.length); i++) {
    const apart = /** @type {number} */ (p[i].codePointAt(0)) - /** @type {number} */ (q[i].codePointAt(0));
    if (apart) return apart;
  }
  return p.length - q.length;
}

/** The count of each text. @param {(string|null)[]} cells */
function counted(cells) {
  /** @type {Map<string, number>} */ const counts = new Map();
  for (const cell of cells) if (cell !== null) counts.set(cell, (counts.get(cell) ?? 0) + 1);
  return counts;
}

/** @param {Iterable<number>} numbers */
const total = (numbers) => [...numbers].reduce((sum, n) => sum + n, 0);

/** Texts that mean missing; NA does not among two-letter codes. @param {string[]} texts @param {Set<string>} words */
function gapWords(texts, words) {
  const found = texts.filter((text) => words.has(text.toLowerCase()));
  const others = texts.filter((text) => !words.has(text.toLowerCase()));
  const codes = others.filter((text) => /^[A-Z]{2}$/.test(text)).length;
  return new Set(others.length && codes * 2 >= others.length ? found.filter((text) => text !== "NA") : found);
}

/** Whether texts are the two words of a pair. @param {string[]} texts */
function isBoolean(texts) {
  const words = new Set(texts.map((text) => text.toLowerCase()));
  return words.size === 2 && BOOLEANS.some((pair) => pair.every((word) => words.has(word)));
}

const isPlain = (/** @type {string} */ text) => NUMERAL.test(text) && !PADDED.test(text);

/**
 * What a column is, from all of its cells.
 * @param {string} name @param {(string|null)[]} cells @param {boolean} target targets are not dates
 * @returns {Column}
 */
export function decide(name, cells, target) {
  const counts = counted(cells);
  const texts = [...counts.keys()];
  const doubt = (/** @type {string} */ about) => ({ name, kind: "left out", about, doubtful: true });
  if (!texts.length) return { name, kind: "empty", about: "no value in any row" };
  if (texts.some((text) => text.length > LONG)) return doubt("long texts");
  if (texts.every(isPlain)) return target || !meansTime(name, cells) ? numberColumn(name, cells, new Set(), target) : doubt("numbers that may be dates");
  const gaps = gapWords(texts, GAPS);
  const rest = texts.filter((text) => !gaps.has(text));
  if (!rest.length) return { name, kind: "empty", about: "no value in any row" };
  if (isBoolean(rest)) return { name, kind: target ? "category" : "boolean", about: rest.sort(byPoints).join(", "), texts: without(cells, gaps) };
  if (texts.some((text) => /^[+-]?inf(inity)?$/i.test(text))) return doubt("infinite numbers");
  const found = mixed(rest, counts, target);
  if (found === "words") return wordColumn(name, cells, counts, target);
  if (typeof found === "string") return doubt(found);
  return numberColumn(name, cells, new Set([...gaps, ...found]), target);
}

/**
 * What texts that are not all plain numbers are: "words"; or a list of those that mean missing among
 * numbers; or a description of what only Python reads.
 * @param {string[]} rest @param {Map<string, number>} counts @param {boolean} target @returns {string|string[]}
 */
function mixed(rest, counts, target) {
  const cellsOf = (/** @type {string[]} */ own) => total(own.map((text) => /** @type {number} */ (counts.get(text))));
  const all = cellsOf(rest);
  if (!target && cellsOf(rest.filter((text) => /\d/.test(text) && DATE_LIKE.test(text) && DATE_PART.test(text))) * 10 >= 9 * all && !rest.every((t) => isPlain(t) && !/^\d{1,2}\.\d{4}$|^(19|20)\d{6}$/.test(t))) return "texts that may be dates";
  if (rest.some((text) => CODE.test(text))) return "words";
  const could = rest.filter((text) => /\d/.test(text) && LEADS.has(text.slice(0, text.search(/[.,]?\d/)).toLowerCase().replace(/[^\p{L}]/gu, "")));
  const strange = rest.filter((text) => !could.includes(text));
  const odd = cellsOf(strange);
  if (cellsOf(could) * 2 < all || !(odd * 10 <= all || (strange.length <= 5 && odd * 2 <= all))) return "words";
  const sure = could.every((text) => isPlain(text) && !/[eE]-/.test(text) && !CODED.test(text)) && !strange.some((text) => /\d/.test(text));
  return sure ? strange : "numbers with signs, units or ranges";
}

/** @param {(string|null)[]} cells @param {Set<string>} gaps */
const without = (cells, gaps) => cells.map((cell) => (cell === null || gaps.has(cell) ? null : cell));

/** Whether whole numbers are dates or seconds since 1970. @param {string} name @param {(string|null)[]} cells */
function meansTime(name, cells) {
  const present = cells.filter((cell) => cell !== null).map(Number);
  const [low, high] = extremes(present);
  if (present.length < 2 || low === high || !present.every(Number.isInteger)) return false;
  const days = low >= 19000101 && high <= 21001231 && present.every((v) => {
    const [month, day] = [Math.floor(v / 100) % 100, v % 100];
    return month >= 1 && month <= 12 && day >= 1 && day <= 31;
  });
  const timed = [1, 1e-3].some((factor) => low * factor >= 946684800 && high * factor <= 2208988800);
  return days || (timed && TIME_NAME.test(name));
}

/** @param {ArrayLike<number>} values */
function extremes(values) {
  let [low, high] = [Infinity, -Infinity];
  for (let i = 0; i < values.length; i++) {
    low = Math.min(low, values[i]);
    high = Math.max(high, values[i]);
  }
  return [low, high];
}

/** @param {string} name @param {(string|null)[]} cells @param {Set<string>} gaps @param {boolean} target @returns {Column} */
function numberColumn(name, cells, gaps, target) {
  const values = Float64Array.from(cells, (cell) => (cell === null || gaps.has(cell) ? NaN : Number(cell)));
  const present = values.filter((v) => !Number.isNaN(v));
  if (!present.length) return { name, kind: "empty", about: "no value in any row" };
  const [low, high] = extremes(present);
  if (Math.max(-low, high) >= 2 ** 53) return { name, kind: "left out", about: "numbers of more digits than a float64 holds", doubtful: true };
  const about = `${Number(low.toPrecision(6))} … ${Number(high.toPrecision(6))}`;
  if (!target && present.length === values.length) {
    if (low === high) return { name, kind: "constant", about: `always ${low}` };
    if (namesRows(name, present)) return { name, kind: "identifier", about, values };
  }
  return { name, kind: "number", about, values };
}

/** Whole numbers that only name the rows. @param {string} name @param {Float64Array} values */
function namesRows(name, values) {
  if (!values.every(Number.isInteger) || new Set(values).size < values.length) return false;
  const steps = Array.from(values.subarray(1), (v, i) => v - values[i]);
  const called = ID_NAME.test(name) || ID_CASE.test(name);
  if (values.length > 1 && steps.every((v) => v === 1)) return called || COUNTER.test(name);
  return called && !(steps.every((v) => v > 0) || steps.every((v) => v < 0));
}

/** The same for texts that differ in case and blanks only. @param {string} text */
const spelling = (text) => text.toLowerCase().replaceAll("ß", "ss").replaceAll("ς", "σ").split(/\s+/).filter(Boolean).join(" ");

/** @param {string} name @param {(string|null)[]} cells @param {Map<string, number>} counts @param {boolean} target @returns {Column} */
function wordColumn(name, cells, counts, target) {
  const gaps = gapWords([...counts.keys()], SURE_GAPS);
  const own = new Map([...counts].filter(([text]) => !gaps.has(text)));
  if (!own.size) return { name, kind: "empty", about: "no value in any row" };
  /** @type {Map<string, string[]>} */ const groups = new Map();
  for (const text of own.keys()) groups.set(spelling(text), [...(groups.get(spelling(text)) ?? []), text]);
  const present = total(own.values());
  const about = `${groups.size} different values`;
  if (!target) {
    if (own.size === 1 && present === cells.length) return { name, kind: "constant", about: "always the same" };
    if (groups.size === present || (groups.size > 20 && groups.size * 2 > present)) return { name, kind: "identifier", about };
  }
  const count = (/** @type {string} */ text) => /** @type {number} */ (own.get(text));
  /** @type {Map<string, string>} */ const one = new Map();
  for (const group of groups.values()) {
    const [best] = group.sort((a, b) => count(b) - count(a) || byPoints(a, b));
    for (const text of group) one.set(text, best);
  }
  return { name, kind: "category", about, texts: without(cells, gaps).map((cell) => (cell === null ? null : /** @type {string} */ (one.get(cell)))) };
}

// -- from cells to inputs --------------------------------------------------------------------------

/** The element of sorted numbers at a share of them. @param {Float64Array} sorted @param {number} share */
function quantile(sorted, share) {
  const place = sorted.length * share - 1;
  const before = Math.floor(place);
  return sorted[Math.min(sorted.length - 1, Math.max(0, place > before ? before + 1 : before))];
}

/** @param {string} name @param {Float64Array} values @returns {Encoded} */
function encodeNumbers(name, values) {
  const sorted = values.filter((v) => !Number.isNaN(v)).sort();
  const flag = sorted.length < values.length;
  const [lowest, low, centre, high, highest] = sorted.length ? [0.01, 0.25, 0.5, 0.75, 0.99].map((share) => quantile(sorted, share)) : [0, 0, 0, 0, 0];
  const spread = Math.max(high - low, highest / 4 - lowest / 4);
  const scale = spread || sorted[sorted.length - 1] / 2 - sorted[0] / 2 || 1;
  const x = values.map((v) => {
    const scaled = Math.max(-1e9, Math.min(1e9, ((Number.isNaN(v) ? centre : v) - centre) / scale));
    return scaled / Math.sqrt(1 + (scaled / CLIP) * (scaled / CLIP));
  });
  const missing = values.map((v) => Number(Number.isNaN(v)));
  return flag ? { names: [name, `${name} missing`], x: [x, missing] } : { names: [name], x: [x] };
}

/** @param {string} name @param {(string|null)[]} texts @returns {Encoded} */
function encodeBooleans(name, texts) {
  const values = Float64Array.from(texts, (text) => {
    const pair = BOOLEANS.find((own) => text !== null && own.includes(text.toLowerCase()));
    return pair && text !== null ? 2 * pair.indexOf(text.toLowerCase()) - 1 : 0;
  });
  const missing = Float64Array.from(texts, (text) => Number(text === null));
  return texts.includes(null) ? { names: [name, `${name} missing`], x: [values, missing] } : { names: [name], x: [values] };
}

/** @param {string} name @param {(string|null)[]} texts @returns {Encoded} */
function encodeCategory(name, texts) {
  const counts = counted(texts);
  const lost = texts.length - total(counts.values());
  const of = (/** @type {string} */ level) => /** @type {number} */ (counts.get(level));
  const ranked = [...counts.keys()].sort((a, b) => of(b) - of(a) || byPoints(a, b));
  const levels = ranked.slice(0, MOST_LEVELS).filter((level) => of(level) >= RARE).sort(byPoints);
  const rare = total(counts.values()) > total(levels.map(of));
  const names = levels.map((level) => `${name}=${level}`);
  if (lost) names.push(`${name} missing`);
  if (rare) names.push(`${name} unknown`);
  const x = names.map(() => new Float64Array(texts.length));
  texts.forEach((text, row) => {
    const known = text === null ? (lost ? levels.length : -1) : levels.indexOf(text);
    const place = known >= 0 ? known : names.length - 1;
    if (place >= 0) x[place][row] = 1;
  });
  return { names, x };
}

/** @param {Column} column @param {number[]} rows @returns {Encoded} */
function encode({ name, kind, values, texts }, rows) {
  if (values) return encodeNumbers(name, Float64Array.from(rows, (row) => values[row]));
  const own = rows.map((row) => /** @type {(string|null)[]} */ (texts)[row]);
  return kind === "boolean" ? encodeBooleans(name, own) : encodeCategory(name, own);
}

// -- the target ------------------------------------------------------------------------------------

/**
 * The target: names of classes and the class of each row, or numbers; NaN where a row has none.
 * @param {Column} column @returns {{classes: string[], truth: Float64Array}}
 */
function targetOf({ name, kind, about, values, texts, doubtful }) {
  if (doubtful) throw new TableError(`the target “${name}” holds ${about}, which only Python reads`);
  if (kind === "empty") throw new TableError(`the target “${name}” has no value in any row`);
  /** @type {string[]} */ let classes;
  /** @type {(string|null)[]} */ let labels = texts ?? [];
  if (values) {
    const different = [...new Set(values.filter((v) => !Number.isNaN(v)))].sort((a, b) => a - b);
    if (different.some((v) => Math.abs(v) > 1e100)) throw new TableError(`the target “${name}” has numbers beyond 1e100`);
    if (different.length === 1) throw new TableError(`the target “${name}” is the same in every row`);
    if (different.length > 20 || !different.every(Number.isInteger)) {
      if (different[different.length - 1] - different[0] < 1e-100) throw new TableError(`the values of the target “${name}” are too close to each other`);
      return { classes: [], truth: values };
    }
    classes = different.map((v) => String(v + 0));
    labels = Array.from(values, (v) => (Number.isNaN(v) ? null : String(v + 0)));
  } else classes = [...counted(labels).keys()].sort(byPoints);
  if (classes.length === 1) throw new TableError(`the target “${name}” is the same in every row`);
  const present = labels.filter((label) => label !== null).length;
  if (classes.length > 2 && classes.length * 2 > present) throw new TableError(`the target “${name}” has ${classes.length} different texts in ${present} rows, too many to be classes`);
  if (classes.length > MOST_CLASSES) throw new TableError(`the target “${name}” has ${classes.length} classes; the page has at most ${MOST_CLASSES} outputs`);
  const places = new Map(classes.map((label, i) => [label, i]));
  return { classes, truth: Float64Array.from(labels, (label) => (label === null ? NaN : /** @type {number} */ (places.get(label)))) };
}

/** A sum that is rounded once, as `math.fsum`. @param {Iterable<number>} numbers */
export function exactSum(numbers) {
  /** @type {number[]} */ const partials = [];
  for (let x of numbers) {
    let kept = 0;
    for (let y of partials) {
      if (Math.abs(x) < Math.abs(y)) [x, y] = [y, x];
      const high = x + y;
      const low = y - (high - x);
      if (low) partials[kept++] = low;
      x = high;
    }
    partials.length = kept;
    partials.push(x);
  }
  let n = partials.length;
  if (!n) return 0;
  let high = partials[--n];
  let low = 0;
  while (n > 0 && !low) {
    const [x, y] = [high, partials[--n]];
    high = x + y;
    low = y - (high - x);
  }
  if (n > 0 && low < 0 === partials[n - 1] < 0 && low * partials[n - 1] !== 0) {
    const twice = 2 * low;
    if (high + twice - high === twice) high += twice;
  }
  return high;
}

/** Distances from the mean in standard deviations. @param {Float64Array} values */
function standardised(values) {
  const mean = exactSum(values) / values.length;
  const scale = Math.sqrt(exactSum(values.map((v) => (v - mean) * (v - mean))) / values.length) || 1;
  return values.map((v) => (v - mean) / scale);
}

/** The inputs with the largest share of variance that the target explains, in their order. @param {Float32Array[]} x @param {Float64Array} y @param {number} classes */
function telling(x, y, classes) {
  const sum = (/** @type {Float64Array} */ v) => v.reduce((s, own) => s + own, 0);
  const centred = (/** @type {Float64Array} */ v) => {
    const mean = sum(v) / v.length;
    return v.map((own) => own - mean);
  };
  const goals = (classes ? Array.from({ length: classes }, (_, k) => y.map((own) => Number(own === k))) : [y]).map(centred);
  const squares = (/** @type {Float64Array} */ v) => Math.sqrt(sum(v.map((own) => own * own)));
  const shares = x.map((column) => {
    const own = centred(Float64Array.from(column));
    return Math.max(...goals.map((goal) => {
      const spread = squares(own) * squares(goal);
      return spread > 0 ? Math.abs(sum(own.map((v, i) => v * goal[i]))) / spread : 0;
    }));
  });
  const order = shares.map((_, i) => i).sort((a, b) => shares[b] - shares[a] || a - b);
  return order.slice(0, MOST_INPUTS).sort((a, b) => a - b);
}

/**
 * A table of the page from cells.
 * @param {import("./csv.js").Cells} cells @param {string} target @param {string} label
 * @param {string[]|null} wanted the columns to use, by default all
 */
export function tableOf({ names, rows: body }, target, label, wanted) {
  const column = (/** @type {string} */ name) => body.map((row) => row[names.indexOf(name)]);
  if (!names.includes(target)) throw new TableError(`there is no column “${target}”`);
  const goal = targetOf(decide(target, column(target), true));
  let columns = names.filter((name) => name !== target && (!wanted || wanted.includes(name))).map((name) => decide(name, column(name), false));
  columns = withoutPoints(columns, column);
  let used = columns.filter(({ kind }) => ["number", "category", "boolean"].includes(kind));
  if (!used.length) used = columns.filter(({ kind, values }) => kind === "identifier" && values);
  if (!used.length) throw new TableError(`there is no column to predict “${target}” from`);
  const known = Array.from(goal.truth.keys()).filter((row) => !Number.isNaN(goal.truth[row]));
  if (known.length < FEWEST_ROWS) throw new TableError(`${known.length} rows with a target are too few; at least ${FEWEST_ROWS} are needed`);
  const rows = known.length > MOST_ROWS ? evenly(known) : known;
  const encoded = used.map((own) => encode(own, rows));
  const inputs = encoded.flatMap((own) => own.names);
  const x = encoded.flatMap((own) => own.x.map((v) => Float32Array.from(v)));
  const truth = Float64Array.from(rows, (row) => goal.truth[row]);
  const y = goal.classes.length ? truth : standardised(truth);
  const chosen = x.length > MOST_INPUTS ? telling(x, y, goal.classes.length) : x.map((_, i) => i);
  const notes = [];
  const doubtful = columns.filter((own) => own.doubtful);
  if (doubtful.length) notes.push(`left out, since only Python reads them: ${listed(doubtful.map(({ name, about }) => `${name} (${about})`))}`);
  if (rows.length < known.length) notes.push(`${rows.length} of ${known.length} rows are used, spread evenly`);
  if (chosen.length < inputs.length) notes.push(`${chosen.length} of ${inputs.length} inputs are used, those that explain most of ${target}`);
  const table = {
    name: label, columns: chosen.map((i) => inputs[i]), target, classes: goal.classes, rows: rows.length,
    x: Float32Array.from(rows.flatMap((_, row) => chosen.map((i) => x[i][row]))), y: Float32Array.from(y),
  };
  return { table, notes, columns: columns.map(({ name, kind, about }) => ({ name, kind, about })), exact: !doubtful.length };
}

/** In a table with decimal commas, 1.413 may be 1413. @param {Column[]} columns @param {(name: string) => (string|null)[]} cellsOf */
function withoutPoints(columns, cellsOf) {
  const commas = columns.some((own) => own.doubtful && cellsOf(own.name).some((cell) => /\d,\d/.test(cell ?? "")));
  if (!commas) return columns;
  return columns.map((own) => {
    const pointed = cellsOf(own.name).filter((cell) => cell?.includes("."));
    const thousands = own.kind === "number" && pointed.length && pointed.every((cell) => /^[-+]?[1-9]\d{0,2}(\.\d{3})+$/.test(cell ?? ""));
    return thousands ? { name: own.name, kind: "left out", about: "points that may be thousands separators", doubtful: true } : own;
  });
}

/** @param {number[]} rows */
function evenly(rows) {
  const step = (rows.length - 1) / (MOST_ROWS - 1);
  return Array.from({ length: MOST_ROWS }, (_, i) => rows[i === MOST_ROWS - 1 ? rows.length - 1 : Math.floor(i * step)]);
}

/** @param {string[]} items */
const listed = (items) => (items.length > 5 ? `${items.slice(0, 5).join(", ")} and ${items.length - 5} more` : items.join(", "));
