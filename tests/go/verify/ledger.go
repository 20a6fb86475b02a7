package verify

import (
	"errors"
	"fmt"
	"path/filepath"

	"golang.org/x/mod/sumdb/tlog"
)

// Ledger is what an audit of a whole ledger found.
type Ledger struct {
	Checkpoint *Checkpoint
	// Leaves has the leaves of each subject in their order.
	Leaves map[string][]*Leaf
}

// AuditLedger derives a ledger again from the folder of its public files: the root in two ways from the entries, every
// tile, every leaf with its place in its subject, and the head map that each heads leaf binds. With since, an older
// checkpoint, it also proves that the ledger has only grown.
func AuditLedger(directory string, trust *Trust, since []byte) (*Ledger, error) {
	files := publicFiles{filepath.Clean(directory)}
	raw, err := files.checkpoint()
	if err != nil {
		return nil, err
	}
	checkpoint, err := OpenCheckpoint(raw, trust.Policy)
	if err != nil {
		return nil, err
	}
	ledger := &Ledger{checkpoint, map[string][]*Leaf{}}
	var older *Checkpoint
	if since != nil {
		if older, err = openOlder(since, trust.Policy, checkpoint); err != nil {
			return nil, err
		}
	}
	grown, err := ledger.readEntries(files, trust)
	if err != nil {
		return nil, err
	}
	if err := grown.checkRoot(checkpoint.Tree); err != nil {
		return nil, err
	}
	if err := checkTiles(files, grown); err != nil {
		return nil, err
	}
	if err := checkProofs(files, checkpoint.Tree, grown); err != nil {
		return nil, err
	}
	if older != nil {
		return ledger, checkGrowth(files, older.Tree, checkpoint.Tree, grown)
	}
	return ledger, nil
}

// readEntries reads every entry bundle, holds each leaf against the ledger's one rule, and grows the tree.
func (ledger *Ledger) readEntries(files publicFiles, trust *Trust) (*tree, error) {
	grown, maps := newTree(), newHeadMaps()
	for size := ledger.Checkpoint.Tree.N; grown.size < size; {
		width := min(tileWidth, size-grown.size)
		bundle := tlog.Tile{H: tileHeight, L: entriesLevel, N: grown.size / tileWidth, W: int(width)}
		entries, err := files.entries(bundle)
		if err != nil {
			return nil, err
		}
		for _, entry := range entries {
			leaf, err := ledger.take(entry, grown.size, trust)
			if err == nil {
				err = maps.take(leaf, grown.size, ledger.Checkpoint.Origin)
			}
			if err != nil {
				return nil, fmt.Errorf("leaf %d: %w", grown.size, err)
			}
			if err := grown.append(entry); err != nil {
				return nil, err
			}
		}
	}
	return grown, nil
}

// take takes the leaf at an index by the one rule: within a subject, sequences count up from zero and each leaf names the
// one before.
func (ledger *Ledger) take(entry []byte, index int64, trust *Trust) (*Leaf, error) {
	leaf, err := OpenLeaf(entry, trust, ledger.Checkpoint.Origin, uint64(index))
	if err != nil {
		return nil, err
	}
	before := ledger.Leaves[leaf.Subject]
	due := len(before)
	if leaf.Sequence != uint64(due) {
		return nil, fmt.Errorf("%s: sequence %d where %d is due", leaf.Subject, leaf.Sequence, due)
	}
	if due > 0 && *leaf.parent != before[due-1].Hash {
		return nil, fmt.Errorf("%s sequence %d: its parent is not the leaf before", leaf.Subject, leaf.Sequence)
	}
	ledger.Leaves[leaf.Subject] = append(before, leaf)
	return leaf, nil
}

// checkTiles compares every tile with what the entries give.
func checkTiles(files publicFiles, grown *tree) error {
	for _, tile := range tlog.NewTiles(tileHeight, 0, grown.size) {
		stored, err := files.tile(tile)
		if err != nil {
			return err
		}
		derived, err := tlog.ReadTileData(tile, grown)
		if err != nil {
			return err
		}
		if string(stored) != string(derived) {
			return fmt.Errorf("%s differs from the entries", tilePath(tile))
		}
	}
	return nil
}

// checkProofs does what a client that reads only tiles does: it proves the first and the last leaf from them.
func checkProofs(files publicFiles, head tlog.Tree, grown *tree) error {
	if head.N == 0 {
		return nil
	}
	reader := tlog.TileHashReader(head, files)
	for _, index := range []int64{0, head.N - 1} {
		path, err := tlog.ProveRecord(head.N, index, reader)
		if err != nil {
			return err
		}
		leaf := grown.stored[tlog.StoredHashIndex(0, index)]
		if err := checkInclusion(head, index, leaf, path); err != nil {
			return err
		}
	}
	return nil
}

// openOlder reads the checkpoint that the auditor kept. If it cannot be used, nothing is said of the ledger.
func openOlder(raw []byte, policy *Policy, newer *Checkpoint) (*Checkpoint, error) {
	older, err := OpenCheckpoint(raw, policy)
	if err != nil {
		return nil, undecided(fmt.Errorf("the older checkpoint cannot be used: %w", err))
	}
	if older.Origin != newer.Origin {
		return nil, undecided(errors.New("the older checkpoint is of another ledger"))
	}
	if older.Tree.N > newer.Tree.N {
		return nil, fmt.Errorf("the ledger shrank from %d to %d leaves", older.Tree.N, newer.Tree.N)
	}
	return older, nil
}

// checkGrowth holds the older checkpoint against the entries, and proves the growth from tiles alone.
func checkGrowth(files publicFiles, older, newer tlog.Tree, grown *tree) error {
	root, err := tlog.TreeHash(older.N, grown)
	if err != nil {
		return err
	}
	if root != older.Hash {
		return fmt.Errorf("history was rewritten: at size %d the certified root was %v, now it is %v",
			older.N, older.Hash, root)
	}
	if older.N == 0 {
		return nil
	}
	path, err := tlog.ProveTree(newer.N, older.N, tlog.TileHashReader(newer, files))
	if err != nil {
		return err
	}
	return checkConsistency(older, newer, path)
}
