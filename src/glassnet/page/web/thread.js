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

/** The bytes that the file carries under an id. @param {string} id */
export const bytesIn = (id) => Uint8Array.from(atob(byId(`bytes-${id}`).textContent.trim()), (letter) => letter.charCodeAt(0));

/** What they were before gzip. @param {string} id */
export function unpacked(id) {
  const stream = new Blob([bytesIn(id)]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).arrayBuffer();
}

/** @param {string} text */
export const floats = (text) => new Float32Array(Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer);
