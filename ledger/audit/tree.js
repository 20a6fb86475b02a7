// The Merkle tree of RFC 6962 with SHA-256: roots, and the proof that a leaf is in one.
"use strict";

const PROOF_HASHES_MAX = 63;

// Root over leaf hashes: pairs level by level; an odd last one moves up unpaired.
async function treeHash(hashes) {
  while (hashes.length > 1) {
    const parents = [];
    for (let at = 0; at + 1 < hashes.length; at += 2) parents.push(await nodeHash(hashes[at], hashes[at + 1]));
    if (hashes.length % 2 === 1) parents.push(hashes.at(-1));
    hashes = parents;
  }
  return hashes[0] ?? sha256();
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
