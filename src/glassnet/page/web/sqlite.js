// Database files of SQLite, as far as run files need them: tables are read, and written whole.
//
// In: bytes, or tables with their rows. Out: rows, or bytes that SQLite opens. In a damaged file
// no page is read twice, so that reading ends.

/**
 * @typedef {null|number|string|Uint8Array} Cell
 * @typedef {{name: string, sql: string, rows: Cell[][], rowid: number|null}} TableText rowid is the
 *   column that is the number of the row, -1 where none is; null for a table without such numbers,
 *   whose rows are in the order of their first column
 */

const SIZE = 4096; // bytes of a page
const LEAST = Math.floor(((SIZE - 12) * 32) / 255) - 23;
const MOST_OF_TABLE = SIZE - 35; // bytes of a row that lie in its page
const MOST_OF_INDEX = Math.floor(((SIZE - 12) * 64) / 255) - 23;
const HEADER = 100;
const MAGIC = "SQLite format 3\0";

/** @param {number} value a whole number, at least 0 */
function varint(value) {
  const bytes = [value % 128];
  for (let rest = Math.floor(value / 128); rest > 0; rest = Math.floor(rest / 128)) bytes.unshift((rest % 128) + 128);
  return bytes;
}

/** @param {number} value @param {number} count bytes, the most significant first */
const bigEndian = (value, count) => Array.from({ length: count }, (_, i) => Math.floor(value / 256 ** (count - 1 - i)) % 256);

/** @param {Cell[]} cells */
function recordOf(cells) {
  /** @type {number[]} */ const types = [];
  /** @type {Uint8Array[]} */ const parts = [];
  for (const cell of cells) {
    if (cell === null) types.push(0);
    else if (typeof cell === "number" && Number.isInteger(cell) && Math.abs(cell) < 2 ** 31) {
      types.push(4);
      parts.push(Uint8Array.from(bigEndian(cell < 0 ? cell + 2 ** 32 : cell, 4)));
    } else if (typeof cell === "number") {
      types.push(7);
      parts.push(new Uint8Array(new BigUint64Array(new Float64Array([cell]).buffer).buffer).reverse());
    } else {
      const bytes = typeof cell === "string" ? new TextEncoder().encode(cell) : cell;
      types.push(...varint(2 * bytes.length + (typeof cell === "string" ? 13 : 12)));
      parts.push(bytes);
    }
  }
  return joinedBytes([Uint8Array.from([...varint(types.length + 1), ...types]), ...parts]);
}

/** @param {Uint8Array[]} parts */
export function joinedBytes(parts) {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** A database of one writer. */
class Writer {
  constructor() {
    /** @type {Uint8Array[]} */ this.pages = [new Uint8Array(SIZE)];
  }

  /** The number of a new page. @param {Uint8Array} content */
  add(content) {
    this.pages.push(content);
    return this.pages.length;
  }

  /** The cell of a row in a page; what does not fit goes to overflow pages. @param {Uint8Array} record @param {number[]} head @param {number} most */
  cell(record, head, most) {
    const size = record.length;
    if (size <= most) return Uint8Array.from([...head, ...record]);
    const kept = LEAST + ((size - LEAST) % (SIZE - 4));
    const inside = kept <= most ? kept : LEAST;
    let next = 0;
    const starts = [];
    for (let at = inside; at < size; at += SIZE - 4) starts.push(at);
    for (const at of starts.reverse()) {
      const page = new Uint8Array(SIZE);
      page.set(bigEndian(next, 4));
      page.set(record.subarray(at, at + SIZE - 4), 4);
      next = this.add(page);
    }
    return joinedBytes([Uint8Array.from(head), record.subarray(0, inside), Uint8Array.from(bigEndian(next, 4))]);
  }

  /** @param {number} kind @param {Uint8Array[]} cells @param {number} [right] the last page below @param {number} [start] */
  page(kind, cells, right, start = 0) {
    const page = new Uint8Array(SIZE);
    const head = start + (right === undefined ? 8 : 12);
    let end = SIZE;
    cells.forEach((own, i) => {
      end -= own.length;
      page.set(own, end);
      page.set(bigEndian(end, 2), head + 2 * i);
    });
    page.set([kind, 0, 0, ...bigEndian(cells.length, 2), ...bigEndian(end, 2), 0, ...(right === undefined ? [] : bigEndian(right, 4))], start);
    return page;
  }

  /** Cells by pages. @param {{cell: Uint8Array, key: number[]}[]} cells @param {number} [more] bytes of each cell */
  groups(cells, more = 0) {
    /** @type {{cell: Uint8Array, key: number[]}[][]} */ const groups = [[]];
    let room = SIZE - 12;
    for (const own of cells) {
      if (own.cell.length + 2 + more > room) {
        groups.push([]);
        room = SIZE - 12;
      }
      groups[groups.length - 1].push(own);
      room -= own.cell.length + 2 + more;
    }
    return groups;
  }

  /** A table with numbered rows; the page where it begins. @param {{record: Uint8Array, number: number}[]} rows */
  table(rows) {
    let level = this.groups(rows.map(({ record, number }) => ({
      cell: this.cell(record, [...varint(record.length), ...varint(number)], MOST_OF_TABLE), key: varint(number),
    }))).map((group) => ({ at: this.add(this.page(13, group.map((own) => own.cell))), key: group[group.length - 1]?.key ?? [0] }));
    while (level.length > 1) {
      const cells = level.map(({ at, key }) => ({ cell: Uint8Array.from([...bigEndian(at, 4), ...key]), key }));
      level = this.groups(cells).map((group) => {
        const last = group[group.length - 1];
        const right = last.cell.subarray(0, 4).reduce((sum, byte) => 256 * sum + byte, 0);
        return { at: this.add(this.page(5, group.slice(0, -1).map((own) => own.cell), right)), key: last.key };
      });
    }
    return level[0].at;
  }

  /** @param {{left: number, cell: Uint8Array}[]} group @param {number|undefined} right the last page below */
  indexPage(group, right) {
    const inner = right !== undefined;
    const cells = group.map((own) => (inner ? joinedBytes([Uint8Array.from(bigEndian(own.left, 4)), own.cell]) : own.cell));
    return this.add(this.page(inner ? 2 : 10, cells, right));
  }

  /** Rows in the order of their keys. @param {Uint8Array[]} records */
  index(records) {
    let level = records.map((record) => ({ left: 0, cell: this.cell(record, varint(record.length), MOST_OF_INDEX), key: [] }));
    /** @type {number|undefined} */ let right;
    for (;;) {
      const inner = right !== undefined; // the first level has no pages below
      const groups = /** @type {(typeof level)[]} */ (this.groups(level, 4));
      const ends = groups.slice(0, -1).map((group) => /** @type {typeof level[0]} */ (group.pop())); // go one level up
      const below = right;
      const rights = groups.map((_, i) => (inner ? ends[i]?.left ?? below : undefined));
      const pages = groups.map((group, i) => this.indexPage(group, rights[i]));
      if (pages.length === 1) return pages[0];
      level = ends.map((own, i) => ({ ...own, left: pages[i] }));
      right = pages[pages.length - 1];
    }
  }
}

/**
 * A database with these tables.
 * @param {TableText[]} tables @param {number} application @param {number} version
 */
export function writtenDatabase(tables, application, version) {
  const writer = new Writer();
  /** @type {{record: Uint8Array, number: number}[]} */ const schema = [];
  const enter = (/** @type {string} */ kind, /** @type {string} */ name, /** @type {string} */ table, /** @type {number} */ root, /** @type {string|null} */ sql) =>
    schema.push({ record: recordOf([kind, name, table, root, sql]), number: schema.length + 1 });
  for (const { name, sql, rows, rowid } of tables) {
    if (rowid === null) enter("table", name, name, writer.index(rows.map(recordOf)), sql);
    else {
      const numbered = rows.map((row, i) => ({ record: recordOf(row.map((cell, at) => (at === rowid ? null : cell))), number: rowid < 0 ? i + 1 : Number(row[rowid]) }));
      enter("table", name, name, writer.table(numbered), sql);
      if (rowid < 0) enter("index", `sqlite_autoindex_${name}_1`, name, writer.index(rows.map((row, i) => recordOf([row[0], i + 1]))), null);
    }
  }
  const first = writer.page(13, schema.map(({ record, number }) => writer.cell(record, [...varint(record.length), number], MOST_OF_TABLE)), undefined, HEADER);
  const four = (/** @type {number[]} */ ...numbers) => numbers.flatMap((own) => bigEndian(own, 4));
  first.set(new TextEncoder().encode(MAGIC));
  first.set([...bigEndian(SIZE, 2), 1, 1, 0, 64, 32, 32, ...four(1, writer.pages.length, 0, 0, 1, 4, 0, 0, 1, version, 0, application)], 16);
  first.set(four(1, 3046001), 92);
  writer.pages[0] = first;
  return joinedBytes(writer.pages);
}

/** A database that is read. */
export class Database {
  /** @param {Uint8Array} bytes */
  constructor(bytes) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (!Database.is(bytes)) throw new Error("it is not a database of SQLite");
    const size = this.view.getUint16(16);
    this.size = size === 1 ? 65536 : size;
    this.usable = this.size - bytes[20];
    if (this.size < 512 || this.usable < 480 || bytes.length % this.size) throw new Error("it is damaged: its pages have no size");
    this.application = this.view.getUint32(68);
    /** @type {Map<string, number>} */ this.roots = new Map();
    for (const [kind, name, , root] of this.rows(1)) if (kind === "table") this.roots.set(String(name), Number(root));
  }

  /** @param {Uint8Array} bytes */
  static is(bytes) {
    return bytes.length >= 512 && new TextDecoder("latin1").decode(bytes.subarray(0, 16)) === MAGIC;
  }

  /** The rows of a table; the number of a row stands where the row has none. @param {string} name */
  table(name) {
    const root = this.roots.get(name);
    return root === undefined ? [] : this.rows(root);
  }

  /** @param {number} root @returns {Cell[][]} */
  rows(root) {
    /** @type {Cell[][]} */ const found = [];
    this.walk(root, new Set(), found);
    return found;
  }

  /** @param {number} page @param {Set<number>} seen @param {Cell[][]} found */
  walk(page, seen, found) {
    const start = (page - 1) * this.size;
    if (!(page >= 1) || start >= this.bytes.length || seen.has(page)) throw new Error("it is damaged: a page is missing or used twice");
    seen.add(page);
    const head = page === 1 ? HEADER : 0;
    const kind = this.bytes[start + head];
    const inner = kind === 5 || kind === 2;
    if (!inner && kind !== 13 && kind !== 10) throw new Error("it is damaged: a page does not belong to a table");
    const count = this.view.getUint16(start + head + 3);
    for (let i = 0; i < count; i++) {
      let at = start + this.view.getUint16(start + head + (inner ? 12 : 8) + 2 * i);
      if (inner) this.walk(this.view.getUint32(at), seen, found);
      if (inner) at += 4;
      if (kind !== 5) found.push(this.row(at, kind === 13, seen));
    }
    if (inner) this.walk(this.view.getUint32(start + head + 8), seen, found);
  }

  /** @param {number} at @param {boolean} numbered @param {Set<number>} seen */
  row(at, numbered, seen) {
    let [size, next] = this.varint(at);
    let number = 0;
    if (numbered) [number, next] = this.varint(next);
    const most = numbered ? this.usable - 35 : Math.floor(((this.usable - 12) * 64) / 255) - 23;
    const least = Math.floor(((this.usable - 12) * 32) / 255) - 23;
    if (size > this.bytes.length) throw new Error("it is damaged: a row is longer than the file");
    const kept = least + ((size - least) % (this.usable - 4));
    const inside = size <= most ? size : kept <= most ? kept : least;
    const parts = [this.bytes.subarray(next, next + inside)];
    let page = size > inside ? this.view.getUint32(next + inside) : 0;
    for (let rest = size - inside; rest > 0; rest -= this.usable - 4) {
      const start = (page - 1) * this.size;
      if (!(page >= 1) || start >= this.bytes.length || seen.has(page)) throw new Error("it is damaged: a row has no end");
      seen.add(page);
      parts.push(this.bytes.subarray(start + 4, start + 4 + Math.min(rest, this.usable - 4)));
      page = this.view.getUint32(start);
    }
    return cellsOf(joinedBytes(parts), number);
  }

  /** @param {number} at @returns {[number, number]} the number and where it ends */
  varint(at) {
    return varintAt(this.bytes, at);
  }
}

/** @param {Uint8Array} bytes @param {number} at @returns {[number, number]} */
function varintAt(bytes, at) {
  let value = 0;
  for (let i = 0; i < 8; i++) {
    const byte = bytes[at + i];
    value = 128 * value + (byte & 127);
    if (byte < 128) return [value, at + i + 1];
  }
  return [256 * value + bytes[at + 8], at + 9];
}

/** @param {Uint8Array} record @param {number} number of the row @returns {Cell[]} */
function cellsOf(record, number) {
  const view = new DataView(record.buffer, record.byteOffset, record.byteLength);
  let [end, at] = varintAt(record, 0);
  let body = end;
  /** @type {Cell[]} */ const cells = [];
  while (at < end) {
    let type = 0;
    [type, at] = varintAt(record, at);
    const size = type >= 12 ? Math.floor((type - 12) / 2) : [0, 1, 2, 3, 4, 6, 8, 8, 0, 0][type] ?? NaN;
    if (!(body + size <= record.length)) throw new Error("it is damaged: a row is cut off");
    const bytes = record.subarray(body, body + size);
    if (type === 0) cells.push(cells.length ? null : number);
    else if (type === 7) cells.push(view.getFloat64(body));
    else if (type >= 12) cells.push(type % 2 ? new TextDecoder().decode(bytes) : bytes);
    else cells.push(type === 8 ? 0 : type === 9 ? 1 : bytes.reduce((sum, byte, i) => 256 * sum + (i === 0 && byte > 127 ? byte - 256 : byte), 0));
    body += size;
  }
  return cells;
}
