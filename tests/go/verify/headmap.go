package verify

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"math/bits"

	"golang.org/x/mod/sumdb/tlog"
)

// mapBits is the length of a key: a fork stands at one of its bits, counted from the highest bit of its first byte.
const mapBits = 256

// Each kind of node is hashed behind a first byte of its own, so that none can pose as another.
const (
	mapEntryByte = 0x02
	mapForkByte  = 0x03
	mapEmptyByte = 0x04
)

// mapEntry is the last leaf of one subject.
type mapEntry struct {
	key       tlog.Hash
	sequence  uint64
	leafIndex uint64
	leafHash  tlog.Hash
}

func mapKey(subject string) tlog.Hash { return sha256.Sum256([]byte(subject)) }

func (entry mapEntry) hash() tlog.Hash {
	input := append([]byte{mapEntryByte}, entry.key[:]...)
	input = binary.BigEndian.AppendUint64(input, entry.sequence)
	input = binary.BigEndian.AppendUint64(input, entry.leafIndex)
	return sha256.Sum256(append(input, entry.leafHash[:]...))
}

func mapForkHash(bit int, left, right tlog.Hash) tlog.Hash {
	input := append([]byte{mapForkByte, byte(bit)}, left[:]...)
	return sha256.Sum256(append(input, right[:]...))
}

func emptyMapRoot() tlog.Hash { return sha256.Sum256([]byte{mapEmptyByte}) }

func bitOf(key tlog.Hash, at int) byte { return key[at/8] >> (7 - at%8) & 1 }

// mapStep is one fork of a path: its bit, and the hash on the other side.
type mapStep struct {
	bit     int
	sibling tlog.Hash
}

// rootOfPath is the root of the map in which key leads to this entry, its own or another's. It leads to no other entry
// there: bits fall from line to line, and the entry agrees with the key at each.
func rootOfPath(key tlog.Hash, entry *mapEntry, path []mapStep) (tlog.Hash, error) {
	if entry == nil {
		if len(path) > 0 {
			return tlog.Hash{}, errors.New("head map: it is empty, and has forks")
		}
		return emptyMapRoot(), nil
	}
	hash, below := entry.hash(), mapBits
	for _, step := range path {
		if step.bit >= below {
			return tlog.Hash{}, errors.New("head map: the bits of its path do not fall")
		}
		if below = step.bit; bitOf(entry.key, step.bit) != bitOf(key, step.bit) {
			return tlog.Hash{}, errors.New("head map: its path parts from the key")
		}
		if bitOf(key, step.bit) == 0 {
			hash = mapForkHash(step.bit, hash, step.sibling)
		} else {
			hash = mapForkHash(step.bit, step.sibling, hash)
		}
	}
	return hash, nil
}

// headMap is a head map as it was at one size of the ledger; what comes later makes new ones of it.
type headMap struct {
	top      *mapNode
	subjects uint64
}

// mapNode is an entry, with neither side, or a fork. It never changes.
type mapNode struct {
	hash        tlog.Hash
	entry       mapEntry // of a fork: one of those below it, since they agree in the bits before the fork's
	bit         int      // mapBits for an entry
	left, right *mapNode
}

func (m headMap) root() tlog.Hash {
	if m.top == nil {
		return emptyMapRoot()
	}
	return m.top.hash
}

// with is the map in which a subject has this last leaf.
func (m headMap) with(entry mapEntry) headMap {
	top, isNew := m.top.with(&mapNode{hash: entry.hash(), entry: entry, bit: mapBits})
	if isNew {
		m.subjects++
	}
	m.top = top
	return m
}

func (node *mapNode) with(entry *mapNode) (*mapNode, bool) {
	if node == nil {
		return entry, true
	}
	parting := partingBit(node.entry.key, entry.entry.key)
	switch {
	case parting == mapBits && node.bit == mapBits:
		return entry, false
	case parting < node.bit:
		return newFork(parting, entry, node), true
	case bitOf(entry.entry.key, node.bit) == 0:
		side, isNew := node.left.with(entry)
		return newFork(node.bit, side, node.right), isNew
	default:
		side, isNew := node.right.with(entry)
		return newFork(node.bit, node.left, side), isNew
	}
}

func newFork(bit int, one, other *mapNode) *mapNode {
	if bitOf(one.entry.key, bit) == 1 {
		one, other = other, one
	}
	return &mapNode{mapForkHash(bit, one.hash, other.hash), one.entry, bit, one, other}
}

// partingBit is the first bit in which two keys differ.
func partingBit(one, other tlog.Hash) int {
	for at := range one {
		if difference := one[at] ^ other[at]; difference != 0 {
			return at*8 + bits.LeadingZeros8(difference)
		}
	}
	return mapBits
}
