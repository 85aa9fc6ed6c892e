// Text with delimiters, as spreadsheets save and copy it, read strictly.
//
// In: text. Out: names and cells, as `glassnet.tables` reads them; an error names the faulty line.
// What only the command line can repair is refused here.

const DELIMITERS = [",", ";", "\t", "|", " "];
const RECORDS = 100; // from which the delimiter is found
const NUMBER = /^[-+]?\d*\.?\d+([eE][-+]?\d+)?$/;
const BLANKS = /^[ \t\r\n]+|[ \t\r\n]+$/g;

/** @typedef {{names: string[], rows: (string|null)[][]}} Cells rows of cells; null is a missing cell */

/** Why a page cannot read a table, in a sentence. */
export class TableError extends Error {}

/** @param {string} text @returns {Cells} */
export function readCsv(text) {
  if (text.includes("\0")) throw new TableError("this is not text: it contains a NUL byte");
  const own = text.replace(/^\uFEFF/, "");
  if (!own.trim()) throw new TableError("it is empty");
  if (/^\s*(<!doctype html|<html|<head|<body|<table|<\?xml)/i.test(own)) throw new TableError("this is a web page, not a table");
  const records = split(own, delimiterOf(own));
  const head = records[0].cells.map((cell) => cell.trim());
  if (/^(sep=|#)/i.test(head[0])) throw new TableError("its first line is not a line of names");
  if (records.length < 2) throw new TableError("it has a line of names but no rows below it");
  const first = records[1].cells;
  const isData = head.some((name) => /\d/.test(name.slice(0, 2))) && looksLikeData(head, first);
  const names = isData ? head.map((_, i) => `column ${i + 1}`) : unique(head);
  const body = isData ? records : records.slice(1);
  for (const { cells, line } of body) {
    if (cells.length !== names.length) throw new TableError(`line ${line} has ${cells.length} fields where the first line has ${names.length}`);
  }
  return { names, rows: body.map(({ cells }) => cells.map((cell) => cell.replace(BLANKS, "") || null)) };
}

/** The delimiter that gives the first records equally many fields, else the one that the first of them uses most. @param {string} text */
function delimiterOf(text) {
  const counts = DELIMITERS.map(() => /** @type {number[]} */ ([]));
  let inside = false;
  let filled = 0;
  let widths = DELIMITERS.map(() => 1);
  for (let i = 0; i <= text.length && counts[0].length < RECORDS; i++) {
    const sign = text[i];
    if (sign === '"') inside = !inside;
    const ends = i === text.length || (!inside && (sign === "\n" || sign === "\r"));
    if (ends && filled) {
      widths.forEach((width, k) => counts[k].push(width));
      [widths, filled] = [DELIMITERS.map(() => 1), 0];
    } else if (!ends) {
      filled += 1;
      const k = inside ? -1 : DELIMITERS.indexOf(sign);
      if (k >= 0) widths[k] += 1;
    }
  }
  let [best, score] = [",", [0, 0, 0]];
  counts.forEach((own, k) => {
    if (!own.length) return;
    const alike = own[0] > 1 && own.every((width) => width === own[0]);
    const now = [Number(alike), own[0], Math.max(...own)];
    const better = now.findIndex((v, i) => v !== score[i]);
    if (better >= 0 && now[better] > score[better] && (alike || DELIMITERS[k] !== " ")) [best, score] = [DELIMITERS[k], now];
  });
  return best;
}

/** Records without blank lines. @param {string} text @param {string} delimiter @returns {{cells: string[], line: number}[]} */
function split(text, delimiter) {
  /** @type {{cells: string[], line: number}[]} */ const found = [];
  let [at, line] = [0, 1];
  while (at < text.length) {
    const start = line;
    /** @type {string[]} */ const cells = [];
    let ended = false;
    while (!ended) {
      const { cell, next, lines } = field(text, at, delimiter, line);
      cells.push(cell);
      line += lines;
      at = next;
      ended = text[at] !== delimiter;
      at += 1;
    }
    if (text[at - 1] === "\r" && text[at] === "\n") at += 1;
    line += 1;
    if (cells.length > 1 || cells[0] !== "") found.push({ cells, line: start });
  }
  return found;
}

/** One field, and where it ends. @param {string} text @param {number} at @param {string} delimiter @param {number} line */
function field(text, at, delimiter, line) {
  const isEnd = (/** @type {number} */ i) => i >= text.length || text[i] === delimiter || text[i] === "\n" || text[i] === "\r";
  if (text[at] !== '"') {
    let next = at;
    while (!isEnd(next)) next += 1;
    const cell = text.slice(at, next);
    if (cell.includes('"')) throw new TableError(`line ${line} has a quote inside a field that does not begin with one`);
    return { cell, next, lines: 0 };
  }
  let close = text.indexOf('"', at + 1);
  while (close >= 0 && text[close + 1] === '"') close = text.indexOf('"', close + 2);
  if (close < 0) throw new TableError(`line ${line} opens a quote that is never closed`);
  if (!isEnd(close + 1)) throw new TableError(`line ${line} has a quote that closes before its field ends`);
  const cell = text.slice(at + 1, close).replaceAll('""', '"');
  return { cell, next: close + 1, lines: cell.split(/\r\n|\n|\r/).length - 1 };
}

/** Whether a first line is a row rather than names. @param {string[]} names @param {string[]} first */
function looksLikeData(names, first) {
  const numbers = names.map((name) => NUMBER.test(name));
  const alike = first.every((cell, i) => !numbers[i] || NUMBER.test(cell.trim()) || cell.trim() === "");
  if (!numbers.some(Boolean) || !alike || first.length !== names.length) return false;
  const points = names.filter((name, i) => numbers[i] && name.includes(".")).length;
  return points * 2 >= names.length || (points > 0 && numbers.every(Boolean));
}

/** Names that occur once each. @param {string[]} names */
function unique(names) {
  const taken = new Set(names);
  /** @type {Set<string>} */ const seen = new Set();
  return names.map((name, i) => {
    const plain = name.trim() ? name : `column ${i + 1}`;
    let own = plain;
    for (let number = 2; seen.has(own) || (own !== name && taken.has(own)); number++) own = `${plain} (${number})`;
    seen.add(own);
    return own;
  });
}
