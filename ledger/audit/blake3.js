// BLAKE3, the plain hash of 32 bytes, for input that comes in pieces. Browsers have SHA-256 and Ed25519, but not this.
//
//   const hasher = new Blake3(); hasher.update(bytes); hasher.update(more); hasher.digest()  ->  Uint8Array(32)
//
// Input is cut into chunks of 1024 bytes, a chunk into blocks of 64. The blocks of a chunk are compressed one behind
// the other; chunks are the leaves of a binary tree, whose left subtrees are always full. Written from the paper
// "BLAKE3: one function, fast everywhere".
"use strict";

const BLAKE3_BLOCK_BYTES = 64;
const BLAKE3_CHUNK_BYTES = 1024;

// Flags of a compression: where in a chunk and in the tree its block stands.
const BLAKE3_CHUNK_START = 1, BLAKE3_CHUNK_END = 2, BLAKE3_PARENT = 4, BLAKE3_ROOT = 8;

const BLAKE3_IV = Int32Array.of(
  0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19);

// Which message word each of the 16 inputs of a round's eight mixings takes, for seven rounds: each round permutes
// the order of the round before.
const BLAKE3_ORDER = (() => {
  const permutation = [2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8];
  const order = Uint8Array.from({ length: 7 * 16 }, (_, at) => at);
  for (let at = 16; at < order.length; at++) order[at] = order[at - at % 16 - 16 + permutation[at % 16]];
  return order;
})();

class Blake3 {
  #chunkValue = BLAKE3_IV.slice(); // chaining value of the chunk that is filling
  #chunks = 0; // complete chunks before it
  #blocks = 0; // blocks of it that have been compressed
  #block = new Uint8Array(BLAKE3_BLOCK_BYTES); // its last block, kept back: it may be the last of all
  #blockBytes = 0;
  #subtrees = []; // chaining values of full subtrees that wait for a right sibling, the largest first
  #words = new Int32Array(16);

  // Takes more input. A full block is compressed only when more follows, since the last one carries flags of its own.
  update(bytes) {
    let at = 0;
    while (at < bytes.length) {
      if (this.#blockBytes === BLAKE3_BLOCK_BYTES) this.#endBlock();
      if (this.#blockBytes === 0) at = this.#wholeBlocks(bytes, at);
      const taken = Math.min(BLAKE3_BLOCK_BYTES - this.#blockBytes, bytes.length - at);
      this.#block.set(bytes.subarray(at, at + taken), this.#blockBytes);
      this.#blockBytes += taken;
      at += taken;
    }
    return this;
  }

  // The hash of all input so far: the chunk at hand is merged with the waiting subtrees; the last merge is the root.
  digest() {
    this.#load(this.#block.fill(0, this.#blockBytes), 0);
    let value = this.#chunkValue.slice();
    const root = this.#subtrees.length === 0 ? BLAKE3_ROOT : 0;
    this.#compress(value, this.#chunks, this.#blockBytes, this.#startFlag() | BLAKE3_CHUNK_END | root);
    for (let left = this.#subtrees.length - 1; left >= 0; left--) {
      value = this.#parent(this.#subtrees[left], value, left === 0 ? BLAKE3_ROOT : 0);
    }
    const digest = new DataView(new ArrayBuffer(32));
    value.forEach((word, index) => digest.setInt32(4 * index, word, true));
    return new Uint8Array(digest.buffer);
  }

  // Compresses blocks straight from the input, as long as more input follows them.
  #wholeBlocks(bytes, at) {
    for (; bytes.length - at > BLAKE3_BLOCK_BYTES; at += BLAKE3_BLOCK_BYTES) this.#addBlock(bytes, at);
    return at;
  }

  #endBlock() {
    this.#addBlock(this.#block, 0);
    this.#blockBytes = 0;
  }

  #addBlock(bytes, at) {
    const last = this.#blocks === BLAKE3_CHUNK_BYTES / BLAKE3_BLOCK_BYTES - 1;
    this.#load(bytes, at);
    const flags = this.#startFlag() | (last ? BLAKE3_CHUNK_END : 0);
    this.#compress(this.#chunkValue, this.#chunks, BLAKE3_BLOCK_BYTES, flags);
    this.#blocks++;
    if (last) this.#endChunk();
  }

  // A complete chunk ends as many subtrees as its number, counted from one, has factors of two.
  #endChunk() {
    let value = this.#chunkValue;
    this.#chunks++;
    for (let count = this.#chunks; count % 2 === 0; count /= 2) value = this.#parent(this.#subtrees.pop(), value, 0);
    this.#subtrees.push(value);
    this.#chunkValue = BLAKE3_IV.slice();
    this.#blocks = 0;
  }

  #startFlag() {
    return this.#blocks === 0 ? BLAKE3_CHUNK_START : 0;
  }

  #parent(left, right, root) {
    this.#words.set(left, 0);
    this.#words.set(right, 8);
    const value = BLAKE3_IV.slice();
    this.#compress(value, 0, BLAKE3_BLOCK_BYTES, BLAKE3_PARENT | root);
    return value;
  }

  #load(bytes, at) {
    for (let word = 0; word < 16; word++, at += 4) {
      this.#words[word] = bytes[at] | bytes[at + 1] << 8 | bytes[at + 2] << 16 | bytes[at + 3] << 24;
    }
  }

  // The compression function, on the words at hand. Replaces the chaining value. The state of 16 words is
  // held in variables rather than in an array, and each mixing is written out: engines run it three times as fast.
  #compress(value, counter, blockBytes, flags) {
    const m = this.#words, order = BLAKE3_ORDER;
    let s0 = value[0], s1 = value[1], s2 = value[2], s3 = value[3];
    let s4 = value[4], s5 = value[5], s6 = value[6], s7 = value[7];
    let s8 = BLAKE3_IV[0], s9 = BLAKE3_IV[1], sa = BLAKE3_IV[2], sb = BLAKE3_IV[3];
    let sc = counter | 0, sd = counter / 2 ** 32 | 0, se = blockBytes, sf = flags;
    for (let at = 0; at < order.length; at += 16) {
      // the columns
      s0 = s0 + s4 + m[order[at]] | 0; sc ^= s0; sc = sc >>> 16 | sc << 16;
      s8 = s8 + sc | 0; s4 ^= s8; s4 = s4 >>> 12 | s4 << 20;
      s0 = s0 + s4 + m[order[at + 1]] | 0; sc ^= s0; sc = sc >>> 8 | sc << 24;
      s8 = s8 + sc | 0; s4 ^= s8; s4 = s4 >>> 7 | s4 << 25;
      s1 = s1 + s5 + m[order[at + 2]] | 0; sd ^= s1; sd = sd >>> 16 | sd << 16;
      s9 = s9 + sd | 0; s5 ^= s9; s5 = s5 >>> 12 | s5 << 20;
      s1 = s1 + s5 + m[order[at + 3]] | 0; sd ^= s1; sd = sd >>> 8 | sd << 24;
      s9 = s9 + sd | 0; s5 ^= s9; s5 = s5 >>> 7 | s5 << 25;
      s2 = s2 + s6 + m[order[at + 4]] | 0; se ^= s2; se = se >>> 16 | se << 16;
      sa = sa + se | 0; s6 ^= sa; s6 = s6 >>> 12 | s6 << 20;
      s2 = s2 + s6 + m[order[at + 5]] | 0; se ^= s2; se = se >>> 8 | se << 24;
      sa = sa + se | 0; s6 ^= sa; s6 = s6 >>> 7 | s6 << 25;
      s3 = s3 + s7 + m[order[at + 6]] | 0; sf ^= s3; sf = sf >>> 16 | sf << 16;
      sb = sb + sf | 0; s7 ^= sb; s7 = s7 >>> 12 | s7 << 20;
      s3 = s3 + s7 + m[order[at + 7]] | 0; sf ^= s3; sf = sf >>> 8 | sf << 24;
      sb = sb + sf | 0; s7 ^= sb; s7 = s7 >>> 7 | s7 << 25;
      // the diagonals
      s0 = s0 + s5 + m[order[at + 8]] | 0; sf ^= s0; sf = sf >>> 16 | sf << 16;
      sa = sa + sf | 0; s5 ^= sa; s5 = s5 >>> 12 | s5 << 20;
      s0 = s0 + s5 + m[order[at + 9]] | 0; sf ^= s0; sf = sf >>> 8 | sf << 24;
      sa = sa + sf | 0; s5 ^= sa; s5 = s5 >>> 7 | s5 << 25;
      s1 = s1 + s6 + m[order[at + 10]] | 0; sc ^= s1; sc = sc >>> 16 | sc << 16;
      sb = sb + sc | 0; s6 ^= sb; s6 = s6 >>> 12 | s6 << 20;
      s1 = s1 + s6 + m[order[at + 11]] | 0; sc ^= s1; sc = sc >>> 8 | sc << 24;
      sb = sb + sc | 0; s6 ^= sb; s6 = s6 >>> 7 | s6 << 25;
      s2 = s2 + s7 + m[order[at + 12]] | 0; sd ^= s2; sd = sd >>> 16 | sd << 16;
      s8 = s8 + sd | 0; s7 ^= s8; s7 = s7 >>> 12 | s7 << 20;
      s2 = s2 + s7 + m[order[at + 13]] | 0; sd ^= s2; sd = sd >>> 8 | sd << 24;
      s8 = s8 + sd | 0; s7 ^= s8; s7 = s7 >>> 7 | s7 << 25;
      s3 = s3 + s4 + m[order[at + 14]] | 0; se ^= s3; se = se >>> 16 | se << 16;
      s9 = s9 + se | 0; s4 ^= s9; s4 = s4 >>> 12 | s4 << 20;
      s3 = s3 + s4 + m[order[at + 15]] | 0; se ^= s3; se = se >>> 8 | se << 24;
      s9 = s9 + se | 0; s4 ^= s9; s4 = s4 >>> 7 | s4 << 25;
    }
    value[0] = s0 ^ s8; value[1] = s1 ^ s9; value[2] = s2 ^ sa; value[3] = s3 ^ sb;
    value[4] = s4 ^ sc; value[5] = s5 ^ sd; value[6] = s6 ^ se; value[7] = s7 ^ sf;
  }
}
