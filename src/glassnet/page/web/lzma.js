// What Python's lzma has packed (LZMA, lc=3, lp=0, pb=0, no header): a range coder that learns how
// likely each bit is, and repetitions of what came before, however far back.
//
// In: packed bytes and how many they were. Out: those.

const HALF = 1024; // of 2048: how likely a bit is 0, before any was seen

/** @param {number} size */
const evenOdds = (size) => new Uint16Array(size).fill(HALF);

/** Bits from packed bytes. */
class Bits {
  /** @param {Uint8Array} bytes */
  constructor(bytes) {
    this.bytes = bytes;
    this.at = 5;
    this.range = 0xffffffff;
    this.code = new DataView(bytes.buffer, bytes.byteOffset).getUint32(1);
  }

  refill() {
    if (this.range >= 0x1000000) return;
    this.range = (this.range << 8) >>> 0;
    this.code = ((this.code << 8) | this.bytes[this.at++]) >>> 0;
  }

  /** @param {Uint16Array} odds @param {number} i */
  bit(odds, i) {
    const bound = (this.range >>> 11) * odds[i];
    const zero = this.code < bound;
    if (zero) {
      this.range = bound;
      odds[i] += (2048 - odds[i]) >> 5;
    } else {
      this.range -= bound;
      this.code -= bound;
      odds[i] -= odds[i] >> 5;
    }
    this.refill();
    return zero ? 0 : 1;
  }

  /** So many bits that are as likely as not. @param {number} count */
  even(count) {
    let value = 0;
    for (let i = 0; i < count; i++) {
      this.range >>>= 1;
      const one = this.code >= this.range;
      if (one) this.code -= this.range;
      value = 2 * value + Number(one);
      this.refill();
    }
    return value;
  }

  /** A number of so many bits, the highest first. @param {Uint16Array} odds @param {number} count @param {number} [base] */
  tree(odds, count, base = 0) {
    let node = 1;
    for (let i = 0; i < count; i++) node = 2 * node + this.bit(odds, base + node);
    return node - 2 ** count;
  }

  /** A number of so many bits, the lowest first. @param {Uint16Array} odds @param {number} count @param {number} [base] */
  reversed(odds, count, base = 0) {
    let [node, value] = [1, 0];
    for (let i = 0; i < count; i++) {
      const bit = this.bit(odds, base + node);
      node = 2 * node + bit;
      value += bit << i;
    }
    return value;
  }
}

/** The length of a repetition. */
class Length {
  constructor() {
    this.choice = evenOdds(2);
    this.low = evenOdds(8);
    this.middle = evenOdds(8);
    this.high = evenOdds(256);
  }

  /** @param {Bits} bits */
  of(bits) {
    if (!bits.bit(this.choice, 0)) return 2 + bits.tree(this.low, 3);
    return bits.bit(this.choice, 1) ? 18 + bits.tree(this.high, 8) : 10 + bits.tree(this.middle, 3);
  }
}

/** @param {Uint8Array} packed @param {number} size */
export function unlzma(packed, size) {
  const bits = new Bits(packed);
  const out = new Uint8Array(size);
  const literals = evenOdds(8 * 0x300);
  const [isMatch, isRepeat, notFirst, isLong, notSecond, notThird] = Array.from({ length: 6 }, () => evenOdds(12));
  const [slots, special, align] = [4 * 64, 115, 16].map(evenOdds);
  const [length, again] = [new Length(), new Length()];
  let [r0, r1, r2, r3] = [0, 0, 0, 0]; // how far back the latest repetitions were
  let state = 0; // what the latest steps were
  for (let at = 0; at < size; ) {
    if (!bits.bit(isMatch, state)) {
      out[at] = literal(bits, literals, state < 7 ? -1 : out[at - 1 - r0], at ? out[at - 1] : 0);
      at += 1;
      state = state < 4 ? 0 : state < 10 ? state - 3 : state - 6;
      continue;
    }
    let count = 1;
    if (!bits.bit(isRepeat, state)) {
      count = length.of(bits);
      [r0, r1, r2, r3] = [distance(bits, Math.min(count - 2, 3), slots, special, align), r0, r1, r2];
      state = state < 7 ? 7 : 10;
    } else {
      const older = bits.bit(notFirst, state);
      if (!older && !bits.bit(isLong, state)) state = state < 7 ? 9 : 11;
      else {
        if (older) {
          if (!bits.bit(notSecond, state)) [r0, r1] = [r1, r0];
          else if (!bits.bit(notThird, state)) [r0, r1, r2] = [r2, r0, r1];
          else [r0, r1, r2, r3] = [r3, r0, r1, r2];
        }
        count = again.of(bits);
        state = state < 7 ? 8 : 11;
      }
    }
    if (r0 >= at) throw new Error("the file is damaged");
    for (const end = Math.min(at + count, size); at < end; at++) out[at] = out[at - 1 - r0];
  }
  return out;
}

/** A byte. @param {Bits} bits @param {Uint16Array} odds @param {number} match the byte that stood here in the last repetition, or -1 @param {number} before */
function literal(bits, odds, match, before) {
  const base = 0x300 * (before >> 5);
  let symbol = 1;
  for (let i = 7; match >= 0 && symbol < 0x100; i--) {
    const wanted = (match >> i) & 1;
    const bit = bits.bit(odds, base + ((1 + wanted) << 8) + symbol);
    symbol = 2 * symbol + bit;
    if (bit !== wanted) break;
  }
  while (symbol < 0x100) symbol = 2 * symbol + bits.bit(odds, base + symbol);
  return symbol & 255;
}

/** How far back a repetition is. @param {Bits} bits @param {number} of the length of the repetition @param {Uint16Array} slots @param {Uint16Array} special @param {Uint16Array} align */
function distance(bits, of, slots, special, align) {
  const slot = bits.tree(slots, 6, 64 * of);
  if (slot < 4) return slot;
  const count = (slot >> 1) - 1;
  const start = (2 + (slot & 1)) * 2 ** count;
  if (slot < 14) return start + bits.reversed(special, count, start - slot);
  return start + 16 * bits.even(count - 4) + bits.reversed(align, 4);
}

/** The CRC-32 of bytes, as zlib has it. @param {Uint8Array} bytes */
export function crc32(bytes) {
  const table = Int32Array.from({ length: 256 }, (_, n) => {
    let c = n;
    for (let k = 0; k < 8; k++) c = c & 1 ? -306674912 ^ (c >>> 1) : c >>> 1;
    return c;
  });
  let crc = -1;
  for (const byte of bytes) crc = table[(crc ^ byte) & 255] ^ (crc >>> 8);
  return (crc ^ -1) >>> 0;
}
