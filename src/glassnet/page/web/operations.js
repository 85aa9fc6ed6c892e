// A step taken apart: every operation with its formula, its result and what it reads.
//
// In: a run. Out: the operations of its next step in the order in which they are computed, as plain
// data. The formulas are read from the graphs; values are those that the kernels have written.

/**
 * @typedef {import("./engine.js").Tensor} Tensor
 * @typedef {import("./engine.js").Opened} Opened
 * @typedef {import("./network.js").Step} NetworkStep
 * @typedef {{name: string, shape: number[], values: number[]}} Shown
 * @typedef {Shown & {phase: string, layer: number, formula: string, line: string, reads: Shown[]}} Operation
 */

const MOST = 400; // numbers of a value that are shown
/** @type {Record<string, string>} */
const INFIX = { add: "+", sub: "−", mul: "⊙", div: "/", matmul: "·", greater: ">", greater_equal: "≥", less: "<", less_equal: "≤", equal: "=" };
const PLAIN = ["broadcast", "reshape", "cast", "stop_gradient"]; // change no number
const CALL = /^%\d+ = (\w+)\(((?:%\d+(?:, )?)*)(.*)\) : /;

/** @param {import("./trainer.js").Trainer} trainer @returns {Operation[]} */
export function operations(trainer) {
  const { network, engine } = trainer;
  const step = network.look([...trainer.rows()]);
  const names = namesOf(network, step);
  let number = 0;
  return step.program.steps.map(({ opened, place, writes, part }) => {
    const known = names.get(writes.address);
    const name = known ?? `t${subscripted(++number)}`;
    names.set(writes.address, name);
    /** @type {Map<string, Tensor>} */ const reads = new Map();
    const formula = written(opened, place, names, reads, true);
    const show = (/** @type {string} */ own, /** @type {Tensor} */ t) => ({ name: own, shape: t.shape, values: numbers(engine, t) });
    return {
      ...part, ...show(name, writes), formula, line: opened.fragment.lines[place],
      reads: [...reads].map(([own, tensor]) => show(own, tensor)),
    };
  });
}

/** What the values of a step are called. @param {import("./network.js").Network} network @param {NetworkStep} step */
function namesOf(network, { values, updates, rows }) {
  /** @type {Map<number, string>} */ const names = new Map();
  const name = (/** @type {Tensor} */ tensor, /** @type {string} */ own) => names.has(tensor.address) || names.set(tensor.address, own);
  name(rows, "batch");
  name(values.x, "x");
  name(values.y, "y");
  if (network.data) {
    name(network.data.x, "X");
    name(network.data.y, "Y");
  }
  name(values.loss, "L");
  name(values.costs, "Lᵢ");
  const last = values.layers.length - 1;
  values.layers.forEach(({ z, a, da, dz, dweight, dbias, learnt }, i) => {
    const own = subscripted(i + 1);
    const output = i === last ? "ŷ" : "hgfedc"[i];
    name(z, z.address === a.address ? output : `z${own}`);
    name(a, output);
    name(da, `∂L/∂${output}`);
    name(dz, `∂L/∂z${own}`);
    name(dweight, `∂L/∂W${own}`);
    name(dbias, `∂L/∂b${own}`);
    for (const [learn, slope] of Object.entries(learnt)) name(slope, `∂L/∂${learn}${own}`);
  });
  /** @type {Record<string, string>} */ const short = { weight: "W", bias: "b" };
  for (const { name: own, layer, value, memory } of network.parameters) {
    const kind = own.split(".")[1];
    const letter = `${short[kind] ?? kind}${subscripted(layer + 1)}`;
    name(value, letter);
    for (const [slot, tensor] of Object.entries(memory)) name(tensor, `${slot}(${letter})`);
  }
  for (const [from, to] of updates) name(from, `new ${names.get(to.address)}`);
  name(network.lr, "η");
  name(network.step, "step");
  return names;
}

/**
 * A value as a formula: its name where it is kept, else what it is computed from.
 * @param {Opened} opened @param {number} place @param {Map<number, string>} names
 * @param {Map<string, Tensor>} reads gets what the formula reads @param {boolean} [whole] the formula of a kept value
 * @returns {string}
 */
function written(opened, place, names, reads, whole = false) {
  const { fragment, values } = opened;
  const kept = values[place];
  if (kept && !whole) return kept.shape.length || names.has(kept.address) ? read(kept, names, reads) : constant(opened, place);
  const match = CALL.exec(fragment.lines[place] ?? "");
  if (!match) return constant(opened, place);
  const [, op, inputs, rest] = match;
  const parts = inputs.split(", ").filter(Boolean).map((own) => written(opened, Number(own.slice(1)), names, reads));
  return formulaOf(op, parts, rest);
}

/** @param {Tensor} kept @param {Map<number, string>} names @param {Map<string, Tensor>} reads */
function read(kept, names, reads) {
  const name = names.get(kept.address) ?? "…";
  reads.set(name, kept);
  return name;
}

/** @param {string} op @param {string[]} parts @param {string} rest the attributes */
function formulaOf(op, parts, rest) {
  if (op in INFIX) return parts.join(` ${INFIX[op]} `);
  if (PLAIN.includes(op)) return parts[0];
  if (op === "transpose") return `${parts[0]}ᵀ`;
  if (op === "square") return `${parts[0]}²`;
  if (op === "neg") return `−${parts[0]}`;
  if (op === "sum") return `Σ ${parts[0]}${rest.includes("axes=(0,)") ? " over rows" : ""}`;
  if (op === "where") return `${parts[1]} where ${parts[0]}, else ${parts[2]}`;
  if (op === "take") return `the rows of ${parts[0]} with the numbers ${parts[1]}`;
  return `${op}(${parts.join(", ")})`;
}

/** @param {Opened} opened @param {number} place */
function constant({ fragment, sizes }, place) {
  const name = Object.keys(fragment.inputs).find((own) => fragment.inputs[own] === place);
  const number = name === undefined ? undefined : fragment.numbers[name];
  if (number === undefined) return name ?? "…";
  if (Array.isArray(number)) return `(${number.join(", ")})`;
  if (typeof number === "object") return String(sizes[number.size]);
  return String(Number(Number(number).toPrecision(6))).replace("-", "−");
}

/** @param {import("./engine.js").Engine} engine @param {Tensor} tensor */
function numbers(engine, tensor) {
  const view = engine.view(tensor);
  return Array.from(/** @type {ArrayLike<number|bigint>} */ (view.subarray(0, MOST)), Number);
}

const DIGITS = "₀₁₂₃₄₅₆₇₈₉";

/** @param {number} number */
const subscripted = (number) => [...String(number)].map((digit) => DIGITS[Number(digit)]).join("");
