package verify

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"math/bits"
)

// mapBits is the length of a key: a fork stands at one of its bits, counted from the highest bit of its first byte.
const mapBits = 256

type mapHash [sha256.Size]byte

// Each kind of node is hashed behind a first byte of its own, so that none can pose as another.
const (
	mapEntryByte = 0x02
	mapForkByte  = 0x03
	mapEmptyByte = 0x04
)

// mapEntry is the last leaf of one subject.
type mapEntry struct {
	key       mapHash
	sequence  uint64
	leafIndex uint64
	leafHash  mapHash
}

func mapKey(subject string) mapHash { return sha256.Sum256([]byte(subject)) }

func (entry mapEntry) hash() mapHash {
	input := append([]byte{mapEntryByte}, entry.key[:]...)
	input = binary.BigEndian.AppendUint64(input, entry.sequence)
	input = binary.BigEndian.AppendUint64(input, entry.leafIndex)
	return sha256.Sum256(append(input, entry.leafHash[:]...))
}

func mapForkHash(bit int, left, right mapHash) mapHash {
	input := append([]byte{mapForkByte, byte(bit)}, left[:]...)
	return sha256.Sum256(append(input, right[:]...))
}

func emptyMapRoot() mapHash { return sha256.Sum256([]byte{mapEmptyByte}) }

func (hash mapHash) bit(at int) byte { return hash[at/8] >> (7 - at%8) & 1 }

// mapStep is one fork of a path: its bit, and the hash on the other side.
type mapStep struct {
	bit     int
	sibling mapHash
}

// rootOfPath is the root of the map in which key leads to this entry, its own or another's. It leads to no other entry
// there: bits fall from line to line, and the entry agrees with the key at each.
func rootOfPath(key mapHash, entry *mapEntry, path []mapStep) (mapHash, error) {
	if entry == nil {
		if len(path) > 0 {
			return mapHash{}, errors.New("head map: it is empty, and has forks")
		}
		return emptyMapRoot(), nil
	}
	hash, below := entry.hash(), mapBits
	for _, step := range path {
		if step.bit >= below {
			return mapHash{}, errors.New("head map: the bits of its path do not fall")
		}
		if below = step.bit; entry.key.bit(step.bit) != key.bit(step.bit) {
			return mapHash{}, errors.New("head map: its path parts from the key")
		}
		if key.bit(step.bit) == 0 {
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
	hash        mapHash
	entry       mapEntry // of a fork: one of those below it, since they agree in the bits before the fork's
	bit         int      // mapBits for an entry
	left, right *mapNode
}

func (m headMap) root() mapHash {
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
	case entry.entry.key.bit(node.bit) == 0:
		side, isNew := node.left.with(entry)
		return newFork(node.bit, side, node.right), isNew
	default:
		side, isNew := node.right.with(entry)
		return newFork(node.bit, node.left, side), isNew
	}
}

func newFork(bit int, one, other *mapNode) *mapNode {
	if one.entry.key.bit(bit) == 1 {
		one, other = other, one
	}
	return &mapNode{mapForkHash(bit, one.hash, other.hash), one.entry, bit, one, other}
}

// partingBit is the first bit in which two keys differ.
func partingBit(one, other mapHash) int {
	for at := range one {
		if difference := one[at] ^ other[at]; difference != 0 {
			return at*8 + bits.LeadingZeros8(difference)
		}
	}
	return mapBits
}

// lookUp gives the entry to which a key leads, and the forks above it from the entry up.
func (m headMap) lookUp(key mapHash) (*mapEntry, []mapStep) {
	if m.top == nil {
		return nil, nil
	}
	var path []mapStep
	node := m.top
	for node.bit < mapBits {
		near, far := node.left, node.right
		if key.bit(node.bit) == 1 {
			near, far = far, near
		}
		path = append([]mapStep{{node.bit, far.hash}}, path...)
		node = near
	}
	return &node.entry, path
}
