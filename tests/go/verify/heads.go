package verify

import (
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"
)

// The leaves by which the ledger binds its head map.
const (
	headsSubject   = "heads"
	headsOperation = "HEADS"
	// Fewer leaves than this lie between those that a heads leaf covers and itself.
	mapWindowLeaves = 1024
)

// headsText is what a heads leaf binds by its digests.
type headsText struct {
	origin         string
	size, subjects uint64
	root           tlog.Hash
}

// isBoundBy says whether a leaf is one of the ledger's own, and binds this text.
func (said headsText) isBoundBy(leaf *Leaf) bool {
	body := fmt.Appendf(nil, "dab/head-map/v1\norigin %s\nsize %d\nsubjects %d\nroot %v\n",
		said.origin, said.size, said.subjects, said.root)
	return leaf.Subject == headsSubject && leaf.Operation == headsOperation && leaf.files.count == 0 &&
		leaf.CheckBody(body) == nil
}

// headMaps are the maps that the next heads leaf may bind, grown along the ledger.
type headMaps struct {
	current headMap
	recent  []headsText // of the last sizes, the newest last
	covered int64       // leaves that the last heads leaf covers, -1 before the first
}

func newHeadMaps() *headMaps {
	return &headMaps{recent: []headsText{{root: emptyMapRoot()}}, covered: -1}
}

// take takes the leaf at an index: a heads leaf has to bind a map of leaves before it, others change the map.
func (maps *headMaps) take(leaf *Leaf, index int64, origin string) error {
	if leaf.Subject == headsSubject {
		size, err := maps.coveredBy(leaf, origin)
		if err != nil {
			return err
		}
		maps.covered = size
	} else {
		entry := mapEntry{mapKey(leaf.Subject), leaf.Sequence, uint64(index), leaf.Hash}
		maps.current = maps.current.with(entry)
	}
	size := uint64(index) + 1
	maps.recent = append(maps.recent, headsText{origin, size, maps.current.subjects, maps.current.root()})
	if len(maps.recent) > mapWindowLeaves {
		maps.recent = maps.recent[1:]
	}
	return nil
}

// coveredBy finds how many leaves a heads leaf covers. It has digests only, so sizes are tried, the likeliest first.
func (maps *headMaps) coveredBy(leaf *Leaf, origin string) (int64, error) {
	for i := len(maps.recent) - 1; i >= 0; i-- {
		said := maps.recent[i]
		said.origin = origin
		if int64(said.size) <= maps.covered {
			break
		}
		if said.isBoundBy(leaf) {
			return int64(said.size), nil
		}
	}
	return 0, errors.New("the heads leaf binds no head map of the leaves before it")
}
