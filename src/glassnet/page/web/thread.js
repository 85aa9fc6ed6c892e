// The thread that computes, and what the file carries.

import { byId } from "./format.js";

/** The thread that computes. */
export class Thread {
  /** @param {string} code @param {(snapshot: any) => void} heard */
  constructor(code, heard) {
    const url = URL.createObjectURL(new Blob([code], { type: "text/javascript" }));
    this.worker = new Worker(url);
    this.next = 0;
    /** @type {Map<number, [(value: any) => void, (error: Error) => void]>} */ this.waiting = new Map();
    this.worker.onmessage = ({ data }) => {
      if (data.snapshot) return heard(data.snapshot);
      const [resolve, reject] = /** @type {any} */ (this.waiting.get(data.id));
      this.waiting.delete(data.id);
      if (data.error) reject(new Error(data.error));
      else resolve(data.result);
    };
    this.worker.onerror = (event) => {
      for (const [, reject] of this.waiting.values()) reject(new Error(event.message || "the thread that computes has failed"));
      this.waiting.clear();
    };
  }

  /** @param {string} verb @param {Record<string, any>} [rest] @returns {Promise<any>} */
  ask(verb, rest = {}) {
    const id = this.next++;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, [resolve, reject]);
      this.worker.postMessage({ id, verb, ...rest });
    });
  }
}

/** What the file carries under an id. @param {string} id */
export function unpacked(id) {
  const binary = atob(byId(`bytes-${id}`).textContent.trim());
  const bytes = Uint8Array.from(binary, (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).arrayBuffer();
}

const PARTS = 20; // into which a module is cut

/** Two modules that lie in turns, part by part; `woven` of document.py. @param {ArrayBuffer} both @param {[number, number]} sizes */
export function unwoven(both, sizes) {
  const made = sizes.map((size) => new Uint8Array(size));
  let at = 0;
  for (let i = 0; i < PARTS; i++) {
    for (const own of made) {
      const [from, to] = [i, i + 1].map((k) => Math.floor((own.length * k) / PARTS));
      own.set(new Uint8Array(both, at, to - from), from);
      at += to - from;
    }
  }
  return made;
}

/** @param {string} text */
export const floats = (text) => new Float32Array(Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer);
