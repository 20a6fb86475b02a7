// The Merkle tree of RFC 6962 with SHA-256: roots, and the proof that a leaf is in one.
"use strict";

const PROOF_HASHES_MAX = 63;
const HASHES_AT_ONCE_MAX = 1024; // one at a time is slow, all at once holds much memory

// Root over leaf hashes: pairs level by level; an odd last one moves up unpaired.
async function treeHash(hashes) {
  while (hashes.length > 1) {
    const level = hashes;
    hashes = await hashEach(Math.ceil(level.length / 2), (at) => {
      const [left, right] = [level[2 * at], level[2 * at + 1]];
      return right === undefined ? left : nodeHash(left, right);
    });
  }
  return hashes[0] ?? sha256();
}

// The hashes that `hashAt` has at 0, 1, 2..., a block of them at once.
async function hashEach(length, hashAt) {
  const hashes = [];
  for (let start = 0; start < length; start += HASHES_AT_ONCE_MAX) {
    const block = Array.from({ length: Math.min(HASHES_AT_ONCE_MAX, length - start) }, (_, at) => hashAt(start + at));
    hashes.push(...await Promise.all(block));
  }
  return hashes;
}

// Follows an inclusion proof from a leaf's hash up. Returns the root that it leads to and the steps on the way, each
// with the side on which the sibling stands and the range of leaves below it.
async function followProof(leaf, index, size, proof) {
  const rejected = (why) => new Invalid("not_included", `inclusion proof does not hold: ${why}`);
  if (index >= size) throw rejected(`leaf ${index} is not in a tree of ${count(size, "leaf", "leaves")}`);
  let [hash, position, last, level] = [leaf, index, size - 1n, 0n];
  const steps = [];
  for (const sibling of proof) {
    // a node that is the last of its level and has no sibling moves up as it is
    while (position === last && position % 2n === 0n && last > 0n) {
      [position, last, level] = [position >> 1n, last >> 1n, level + 1n];
    }
    if (last === 0n) throw rejected("it has too many hashes");
    const onLeft = position % 2n === 1n;
    const first = (position ^ 1n) << level;
    const end = first + (1n << level) - 1n;
    hash = onLeft ? await nodeHash(sibling, hash) : await nodeHash(hash, sibling);
    steps.push({ sibling, onLeft, first, last: end < size ? end : size - 1n, hash });
    [position, last, level] = [position >> 1n, last >> 1n, level + 1n];
  }
  if (last !== 0n) throw rejected("it has too few hashes");
  return { root: hash, steps };
}
