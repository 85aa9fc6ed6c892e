// Pictures of numbers: fields over the plane, points, curves.

import { drawn, shown } from "./format.js";

const POSITIVE = [43, 108, 184];
const NEGATIVE = [217, 119, 43];
const MIDDLE = [246, 243, 238];
/** The colours of classes: told apart in print and by colour-blind people; shapes differ as well. */
export const CLASS_COLOURS = ["#b65b14", "#1f56a0", "#2e7d4f", "#7a3fb0", "#8a6d00", "#b3261e", "#00707a", "#5c6675", "#a03a7c", "#3d5a1e"];

/** The colour of a number between −1 and 1. @param {number} value @returns {number[]} */
export function colour(value) {
  const v = Number.isFinite(value) ? Math.max(-1, Math.min(1, value)) : 0;
  const end = v > 0 ? POSITIVE : NEGATIVE;
  const share = Math.abs(v) ** 0.8 * 0.94;
  return MIDDLE.map((m, i) => Math.round(m + (end[i] - m) * share));
}

/** The numbers that are shown as −1 and 1. @typedef {{middle: number, reach: number}} Scale */

/** A scale for a field: the middle is where an activation has its middle. @param {ArrayLike<number>} values @param {string} activation @returns {Scale} */
export function scaleOf(values, activation) {
  if (activation === "Sigmoid" || activation === "ParametricSigmoid") return { middle: 0.5, reach: 0.5 };
  if (activation === "Tanh") return { middle: 0, reach: 1 };
  let reach = 1e-6;
  for (let i = 0; i < values.length; i++) if (Number.isFinite(values[i])) reach = Math.max(reach, Math.abs(values[i]));
  return { middle: 0, reach };
}

/** A colour as a pixel of four bytes. @param {number[]} rgb */
const pixel = ([r, g, b]) => ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0;
const PALETTE = Uint32Array.from({ length: 256 }, (_, i) => pixel(colour(i / 127.5 - 1)));
const CLASS_PIXELS = CLASS_COLOURS.map((hex) => pixel([1, 3, 5].map((at) => Math.round(255 - (255 - parseInt(hex.slice(at, at + 2), 16)) * 0.45))));
/** @type {Map<number, {image: ImageData, pixels: Uint32Array, tile: OffscreenCanvas}>} */ const SQUARES = new Map();

/** What squares of a size are painted with, made once. @param {number} side */
function squareOfSide(side) {
  let found = SQUARES.get(side);
  if (!found) {
    const image = new ImageData(side, side);
    found = { image, pixels: new Uint32Array(image.data.buffer), tile: new OffscreenCanvas(side, side) };
    SQUARES.set(side, found);
  }
  return found;
}

/** The pixels of a square, on a canvas of its size or on a larger one. @param {HTMLCanvasElement} canvas @param {number} side */
function putSquare(canvas, side) {
  const { image, tile } = squareOfSide(side);
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  if (canvas.width === side) return context.putImageData(image, 0, 0);
  /** @type {any} */ (tile.getContext("2d")).putImageData(image, 0, 0);
  context.imageSmoothingEnabled = true;
  return context.drawImage(tile, 0, 0, canvas.width, canvas.height);
}

/**
 * A square field of numbers, row by row from the top.
 * @param {HTMLCanvasElement} canvas @param {number} side @param {(i: number) => number} at @param {Scale} scale
 */
export function paintField(canvas, side, at, { middle, reach }) {
  const { pixels } = squareOfSide(side);
  for (let i = 0; i < side * side; i++) {
    const v = (at(i) - middle) / reach;
    pixels[i] = PALETTE[Number.isFinite(v) ? Math.max(0, Math.min(255, Math.round(127.5 * (v + 1)))) : 128];
  }
  putSquare(canvas, side);
}

/**
 * Which class has the largest number, in the classes' colours.
 * @param {HTMLCanvasElement} canvas @param {number} side @param {ArrayLike<number>} values @param {number} classes
 */
export function paintClasses(canvas, side, values, classes) {
  const { pixels } = squareOfSide(side);
  for (let i = 0; i < side * side; i++) {
    let best = 0;
    for (let c = 1; c < classes; c++) if (values[i * classes + c] > values[i * classes + best]) best = c;
    pixels[i] = CLASS_PIXELS[best % CLASS_PIXELS.length];
  }
  putSquare(canvas, side);
}

/**
 * @typedef {{x: number, y: number, colour: string, kind: number, hollow: boolean, marked: boolean}} Point
 * Points on a canvas; x and y go from 0 to 1, y upwards.
 * @param {HTMLCanvasElement} canvas @param {Point[]} points @param {number} size
 */
export function paintPoints(canvas, points, size) {
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  for (const { x, y, colour: own, kind, hollow, marked } of points) {
    const [px, py] = [x * canvas.width, (1 - y) * canvas.height];
    context.beginPath();
    if (kind === 0) context.arc(px, py, size, 0, 7);
    else polygon(context, px, py, size * 1.2, kind === 1 ? 4 : kind + 1, kind === 1 ? Math.PI / 4 : -Math.PI / 2);
    context.fillStyle = hollow ? "#fff" : own;
    context.strokeStyle = hollow ? own : "#fff";
    context.lineWidth = hollow ? size * 0.5 : size * 0.25;
    context.fill();
    context.stroke();
    if (marked) {
      context.beginPath();
      context.arc(px, py, size * 2.1, 0, 7);
      context.strokeStyle = "#7a3fb0";
      context.lineWidth = size * 0.45;
      context.stroke();
    }
  }
}

/** @param {CanvasRenderingContext2D} context @param {number} x @param {number} y @param {number} size @param {number} corners @param {number} turn */
function polygon(context, x, y, size, corners, turn) {
  for (let i = 0; i < corners; i++) {
    const angle = turn + (2 * Math.PI * i) / corners;
    context.lineTo(x + size * Math.cos(angle), y + size * Math.sin(angle));
  }
  context.closePath();
}

/** An empty plane with its axes. @param {HTMLCanvasElement} canvas */
export function paintPlane(canvas) {
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  const { width, height } = canvas;
  context.clearRect(0, 0, width, height);
  context.strokeStyle = getComputedStyle(canvas).borderTopColor;
  context.lineWidth = 1.5;
  context.beginPath();
  context.moveTo(width / 2, 0);
  context.lineTo(width / 2, height);
  context.moveTo(0, height / 2);
  context.lineTo(width, height / 2);
  context.stroke();
}

/**
 * Two curves over steps, and a line at the present one.
 * @param {[number, number][]} training @param {[number, number][]} test @param {number} step @param {number} last
 * @param {{step: number}[]} changes of settings, which are marked
 */
export function curves(training, test, step, last, changes) {
  const [width, height, left, bottom] = [288, 128, 52, 20];
  const finite = [...training, ...test].map(([, loss]) => loss).filter(Number.isFinite);
  const top = Math.max(1e-9, ...finite);
  const end = Math.max(1, last, step);
  const x = (/** @type {number} */ s) => left + ((width - left - 8) * s) / end;
  const y = (/** @type {number} */ l) => 8 + (height - bottom - 8) * (1 - Math.min(l, top) / top);
  const path = (/** @type {[number, number][]} */ curve) =>
    curve.filter(([, loss]) => Number.isFinite(loss)).map(([s, loss], i) => `${i ? "L" : "M"}${x(s).toFixed(1)} ${y(loss).toFixed(1)}`).join("");
  const label = `Loss over ${end} steps, from ${shown(finite[0] ?? NaN)} to ${shown(finite.at(-1) ?? NaN)}`;
  const svg = drawn("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label });
  const text = (/** @type {number} */ tx, /** @type {number} */ ty, /** @type {string} */ what, anchor = "end") =>
    drawn("text", { x: tx, y: ty, "text-anchor": anchor, "font-size": 10.5, fill: "var(--soft)" }, what);
  svg.append(
    drawn("path", { d: `M${left} 8V${height - bottom}H${width - 8}`, fill: "none", stroke: "var(--line)" }),
    text(left - 5, 14, shown(top)), text(left - 5, height - bottom, "0"),
    text(left, height - 5, "0", "start"), text(width - 8, height - 5, String(end)),
    drawn("path", { d: path(training), fill: "none", stroke: "var(--ink)", "stroke-width": 1.4, opacity: 0.8 }),
    drawn("path", { d: path(test), fill: "none", stroke: "var(--pos)", "stroke-width": 1.8, "stroke-dasharray": "5 3" }),
    ...changes.map((own) => drawn("path", { d: `M${x(own.step)} ${height - bottom - 7}l4 7h-8z`, fill: "var(--mark)" })),
    drawn("line", { x1: x(step), x2: x(step), y1: 4, y2: height - bottom, stroke: "var(--mark)", "stroke-width": 1.5 }),
    text(width - 10, 16, "— batch", "end"), drawn("text", { x: width - 10, y: 29, "text-anchor": "end", "font-size": 10.5, fill: "var(--pos)" }, "- - held out"),
  );
  return svg;
}
