// Runs graphs: the kernels of a WebAssembly module, one call for each operation.
//
// In: a module, and fragments: texts of graphs with the calls that compute them. Out: programs, made
// of fragments that are joined by their values. There are no formulas here: operations are compiled.

/**
 * @typedef {{dtype: string, shape: number[], address: number}} Tensor
 * @typedef {{text: string, numbers: Record<string, any>, outputs: Record<string, number>,
 *   calls: [number, number[], (string|number)[], number][]}} FragmentText
 * @typedef {{dtype: string, shape: (string|number)[]}} NodeType
 * @typedef {{kernel: number, buffers: number[], sizes: (string|number)[], writes: number}} Call
 * @typedef {{inputs: Record<string, number>, nodes: NodeType[], lines: string[],
 *   numbers: Record<string, any>, outputs: Record<string, number>, calls: Call[]}} Fragment
 * @typedef {{phase: string, layer: number}} Part which part of a program an operation belongs to
 * @typedef {{run: Function, table: number, sizes: number, writes: Tensor, opened: Opened,
 *   place: number, part: Part}} Step
 */

const PAGE = 65536;
const BYTES = { f32: 4, f64: 8, i32: 4, i64: 8, bool: 1 };
const INPUT = /%(\d+) (\S+): (\w+)\[([^\]]*)\]/g;
const LINE = /^\s*%(\d+) = .* : (\w+)\[([^\]]*)\]$/;

/** @param {string} text @returns {(string|number)[]} */
const sizesOf = (text) =>
  text === "" ? [] : text.split(",").map((s) => (/^\d+$/.test(s) ? Number(s) : s));

/**
 * A fragment, read from the text of its graph.
 * @param {FragmentText} given @returns {Fragment}
 */
export function parseFragment(given) {
  const [head, ...lines] = given.text.split("\n");
  /** @type {NodeType[]} */ const nodes = [];
  /** @type {string[]} */ const shown = [];
  /** @type {Record<string, number>} */ const inputs = {};
  for (const [, place, name, dtype, shape] of head.matchAll(INPUT)) {
    inputs[name] = Number(place);
    nodes[Number(place)] = { dtype, shape: sizesOf(shape) };
  }
  for (const line of lines) {
    const match = LINE.exec(line);
    if (match) {
      nodes[Number(match[1])] = { dtype: match[2], shape: sizesOf(match[3]) };
      shown[Number(match[1])] = line.trim();
    }
  }
  const calls = given.calls.map(([kernel, buffers, sizes, writes]) => ({ kernel, buffers, sizes, writes }));
  return { inputs, nodes, lines: shown, numbers: given.numbers, outputs: given.outputs, calls };
}

/** Memory, kernels and fragments of one module. */
export class Engine {
  /**
   * @param {WebAssembly.Module} module
   * @param {{fragments: Record<string, FragmentText>, scratch: [number, ...number[]][][]}} library
   */
  constructor(module, library) {
    this.memory = new WebAssembly.Memory({ initial: 16 });
    const instance = new WebAssembly.Instance(module, { env: { __linear_memory: this.memory } });
    /** @type {Record<string, Function>} */
    this.kernels = /** @type {any} */ (instance.exports);
    this.library = library;
    /** @type {Record<string, Fragment>} */ this.parsed = {};
    /** @type {Map<string, Tensor>} */ this.constants = new Map();
    this.end = 1024;
    this.scratch = 0;
    this.scratchSize = 0;
  }

  /** @param {string} name @returns {Fragment} */
  fragment(name) {
    if (!(name in this.parsed)) {
      if (!(name in this.library.fragments)) throw new Error(`there is no fragment ${name}`);
      this.parsed[name] = parseFragment(this.library.fragments[name]);
    }
    return this.parsed[name];
  }

  /** The address of so many new bytes. @param {number} size */
  reserve(size) {
    const start = (this.end + 63) & ~63;
    this.end = start + size;
    const missing = this.end + 64 - this.memory.buffer.byteLength;
    if (missing > 0) this.memory.grow(Math.ceil(missing / PAGE) + 16);
    return start;
  }

  /** The present end of used memory; `release` frees everything after it. */
  mark() {
    const { end, scratch, scratchSize } = this;
    return { end, scratch, scratchSize, constants: new Map(this.constants) };
  }

  /** @param {ReturnType<Engine["mark"]>} mark */
  release(mark) {
    Object.assign(this, { ...mark, constants: new Map(mark.constants) });
  }

  /** Call a function, and free the memory that it reserved. @template T @param {() => T} body @returns {T} */
  temporarily(body) {
    const mark = this.mark();
    try {
      return body();
    } finally {
      this.release(mark);
    }
  }

  /** @param {string} dtype @param {number[]} shape @returns {Tensor} */
  tensor(dtype, shape) {
    const size = shape.reduce((a, b) => a * b, 1);
    return { dtype, shape, address: this.reserve(size * BYTES[/** @type {keyof BYTES} */ (dtype)]) };
  }

  /** The numbers of a tensor, as a view of memory: valid until memory grows. @param {Tensor} t */
  view(t) {
    const size = t.shape.reduce((a, b) => a * b, 1);
    const kinds = { f32: Float32Array, f64: Float64Array, i32: Int32Array, i64: BigInt64Array, bool: Uint8Array };
    return new kinds[/** @type {keyof kinds} */ (t.dtype)](this.memory.buffer, t.address, size);
  }

  /** A tensor with these numbers. @param {string} dtype @param {number[]} shape @param {ArrayLike<any>} values */
  filled(dtype, shape, values) {
    const made = this.tensor(dtype, shape);
    /** @type {any} */ (this.view(made)).set(dtype === "i64" ? Array.from(values, BigInt) : values);
    return made;
  }

  /**
   * A number that a graph contains, shared by all that contain it.
   * @param {any} number @param {NodeType} type @param {Record<string, number>} sizes
   */
  constant(number, type, sizes) {
    const values = Array.isArray(number) ? number : [readNumber(number, sizes)];
    const key = `${type.dtype} ${values.join(" ")}`;
    let found = this.constants.get(key);
    if (!found) {
      const shape = Array.isArray(number) ? [number.length] : [];
      found = this.filled(type.dtype, shape, values);
      this.constants.set(key, found);
    }
    return found;
  }

  /**
   * Whether multiply-adds are rounded once. `h·W` for a row [1, a] and a column [c, b] is the chain
   * c, then a · b + c: for the numbers of the probe 0 unless it is fused.
   * @param {number[]} probe a, b and c
   */
  isFused([a, b, c]) {
    return this.temporarily(() => {
      const program = new Program(this);
      const inputs = {
        h: this.filled("f32", [1, 2], [1, a]),
        weight: this.filled("f32", [2, 1], [c, b]),
        bias: this.filled("f32", [1], [0]),
      };
      const z = program.open("linear", inputs, { n: 1, i: 2, o: 1 }).output("z");
      program.run();
      return /** @type {Float32Array} */ (this.view(z))[0] === 2 ** -24;
    });
  }

  /** Reserve the memory that a kernel needs besides its buffers. @param {number} kernel @param {bigint[]} sizes */
  room(kernel, sizes) {
    const parts = this.library.scratch[kernel];
    const size = parts.reduce((sum, [factor, ...dims]) => sum + dims.reduce((p, d) => p * Number(sizes[d]), factor), 0);
    if (size > this.scratchSize) {
      this.scratchSize = size;
      this.scratch = this.reserve(size);
    }
  }
}

/** @param {any} number @param {Record<string, number>} sizes */
function readNumber(number, sizes) {
  if (number !== null && typeof number === "object") return sizes[number.size];
  if (typeof number === "string") return { inf: Infinity, "-inf": -Infinity, nan: NaN }[number];
  return typeof number === "boolean" ? Number(number) : number;
}

/** Fragments joined by their values: every value has its own place in memory and stays there. */
export class Program {
  /** @param {Engine} engine */
  constructor(engine) {
    this.engine = engine;
    /** @type {Step[]} */ this.steps = [];
    /** @type {Part} */ this.part = { phase: "", layer: 0 }; // of what is added next
  }

  /** What is added from here on belongs to this part. @param {string} phase @param {number} [layer] */
  enter(phase, layer = 0) {
    this.part = { phase, layer };
  }

  /**
   * A fragment with values for some of its inputs, not yet computed.
   * @param {string} name @param {Record<string, Tensor>} inputs @param {Record<string, number>} sizes
   */
  open(name, inputs, sizes) {
    return new Opened(this, this.engine.fragment(name), { ...inputs }, sizes);
  }

  run() {
    const scratch = this.engine.scratch;
    for (const step of this.steps) step.run(step.table, step.sizes, scratch);
  }
}

/** One use of a fragment in a program: its values, as far as they have been asked for. */
export class Opened {
  /**
   * @param {Program} program @param {Fragment} fragment
   * @param {Record<string, Tensor>} inputs @param {Record<string, number>} sizes
   */
  constructor(program, fragment, inputs, sizes) {
    this.program = program;
    this.fragment = fragment;
    this.sizes = sizes;
    /** @type {(Tensor|undefined)[]} */ this.values = [];
    /** @type {Map<number, Call>} */
    this.calls = new Map(fragment.calls.map((call) => [call.writes, call]));
    this.give(inputs);
  }

  /** Give inputs their values. @param {Record<string, Tensor>} inputs */
  give(inputs) {
    for (const [name, value] of Object.entries(inputs)) {
      if (!(name in this.fragment.inputs)) throw new Error(`the fragment has no input ${name}`);
      this.values[this.fragment.inputs[name]] = value;
    }
    return this;
  }

  /**
   * The value of an output; what computes it is added to the program. With `into` it is written
   * there.
   * @param {string} name @param {Tensor} [into]
   */
  output(name, into) {
    const place = this.fragment.outputs[name];
    if (place === undefined) throw new Error(`the fragment has no output ${name}`);
    return this.need(place, into);
  }

  /** @param {number} place @param {Tensor} [into] @returns {Tensor} */
  need(place, into) {
    const known = this.values[place];
    if (known) return known;
    const { engine } = this.program;
    const type = this.fragment.nodes[place];
    const call = this.calls.get(place);
    if (!call) return (this.values[place] = this.given(place, type));
    for (const other of call.buffers) if (other !== place) this.need(other);
    const shape = type.shape.map((s) => this.size(s));
    const made = (this.values[place] = into ?? engine.tensor(type.dtype, shape));
    const sizes = call.sizes.map((s) => BigInt(this.size(s)));
    engine.room(call.kernel, sizes);
    const buffers = call.buffers.map((b) => /** @type {Tensor} */ (this.values[b]));
    this.program.steps.push({
      run: engine.kernels[`k${call.kernel}`],
      table: engine.filled("i32", [buffers.length], buffers.map((b) => b.address)).address,
      sizes: engine.filled("i64", [sizes.length], sizes).address,
      writes: made,
      opened: this,
      place,
      part: this.program.part,
    });
    return made;
  }

  /** A number of the graph. @param {number} place @param {NodeType} type */
  given(place, type) {
    const { inputs, numbers } = this.fragment;
    const name = Object.keys(inputs).find((own) => inputs[own] === place);
    if (name === undefined || !(name in numbers)) throw new Error(`input ${name} has no value`);
    return this.program.engine.constant(numbers[name], type, this.sizes);
  }

  /** @param {string|number} size */
  size(size) {
    const found = typeof size === "number" ? size : this.sizes[size];
    if (found === undefined) throw new Error(`the size ${size} is not given`);
    return found;
  }
}
