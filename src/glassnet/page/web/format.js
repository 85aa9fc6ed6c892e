// Numbers as text, and elements of the page. Names from files are set as text, never as markup.

const SVG = "http://www.w3.org/2000/svg";

/** A number with four significant digits and a real minus sign. @param {number} value */
export function shown(value) {
  if (Number.isNaN(value)) return "not a number";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  const size = Math.abs(value);
  const text = size !== 0 && (size < 1e-4 || size >= 1e6) ? value.toExponential(2) : String(Number(value.toPrecision(4)));
  return text.replace(/-/g, "−");
}

/** A whole number with thin spaces between thousands. @param {number} value */
export const counted = (value) => String(value).replace(/\B(?=(\d{3})+$)/g, " ");

/** A number in brackets where it is negative, to stand in a sum. @param {number} value */
export const term = (value) => (value < 0 ? `(${shown(value)})` : shown(value));

/**
 * An element with attributes, listeners (on…) and content.
 * @param {string} name @param {Record<string, any>} [attributes] @param {...(Node|string)} content
 * @returns {any}
 */
export function element(name, attributes = {}, ...content) {
  const made = document.createElement(name);
  set(made, attributes);
  made.append(...content);
  return made;
}

/**
 * @param {string} name @param {Record<string, any>} [attributes] @param {...(Node|string)} content
 * @returns {any}
 */
export function drawn(name, attributes = {}, ...content) {
  const made = document.createElementNS(SVG, name);
  set(made, attributes);
  made.append(...content);
  return made;
}

/** @param {Element} made @param {Record<string, any>} attributes */
function set(made, attributes) {
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (value === true) made.setAttribute(key, "");
    else if (value !== false && value !== undefined) made.setAttribute(key, String(value));
  }
}

/** @param {string} id @returns {any} */
export const byId = (id) => document.getElementById(id);

/** Bytes as hexadecimal digits. @param {ArrayBuffer} bytes */
export const hexadecimal = (bytes) => [...new Uint8Array(bytes)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
