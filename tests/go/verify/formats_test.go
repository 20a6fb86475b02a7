package verify

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/mod/sumdb/tlog"
)

// This verifier makes paths and reads none from anybody, so what is no path is no question to it: only the vectors of the
// tiles that have one are.
func TestSharedVectorsOfPaths(t *testing.T) {
	type vector struct {
		Path, Verdict string
		Level         *int
		Index         int64
		Width         int
	}
	made := 0
	for _, vector := range readVectors[vector](t, "paths.json", 250) {
		if vector.Verdict != "VALID" {
			continue
		}
		made++
		tile := tlog.Tile{H: tileHeight, L: entriesLevel, N: vector.Index, W: vector.Width}
		if vector.Level != nil {
			tile.L = *vector.Level
		}
		if path := tilePath(tile); path != vector.Path {
			t.Errorf("%v has the path %q instead of %q", tile, path, vector.Path)
		}
	}
	if made < 190 {
		t.Errorf("only %d vectors", made)
	}
}

func TestSharedVectorsOfTiles(t *testing.T) {
	type vector struct {
		Name, Verdict string
		Width         int
		Bytes         content
		Hashes        []string
	}
	for _, vector := range readVectors[vector](t, "tiles.json", 10) {
		tile := tlog.Tile{H: tileHeight, L: 0, N: 0, W: vector.Width}
		directory := t.TempDir()
		write(t, directory, tilePath(tile), vector.Bytes)
		raw, err := publicFiles{directory}.tile(tile)
		expect(t, vector.Name, err, statusOf[vector.Verdict])
		var found []string
		for hash := range slices.Chunk(raw, tlog.HashSize) {
			found = append(found, encode(hash))
		}
		if !slices.Equal(found, vector.Hashes) {
			t.Errorf("%s: it reads as %v", vector.Name, found)
		}
	}
}

func TestSharedVectorsOfBundles(t *testing.T) {
	type vector struct {
		Name, Verdict string
		Width         int
		Bytes         content
		Entries       []content
	}
	for _, vector := range readVectors[vector](t, "bundles.json", 15) {
		bundle := tlog.Tile{H: tileHeight, L: entriesLevel, N: 0, W: vector.Width}
		directory := t.TempDir()
		write(t, directory, tilePath(bundle), vector.Bytes)
		entries, err := publicFiles{directory}.entries(bundle)
		expect(t, vector.Name, err, statusOf[vector.Verdict])
		same := func(one []byte, other content) bool { return string(one) == string(other) }
		if !slices.EqualFunc(entries, vector.Entries, same) {
			t.Errorf("%s: it has %d entries", vector.Name, len(entries))
		}
	}
}

func TestSharedVectorsOfConsistencyProofs(t *testing.T) {
	type head struct {
		Size int64
		Root string
	}
	type vector struct {
		Name, Verdict string
		Old, New      head
		Hashes        []string
	}
	for _, vector := range readVectors[vector](t, "consistency.json", 100) {
		trees := make([]tlog.Tree, 2)
		for i, head := range []head{vector.Old, vector.New} {
			root, err := decodeHash(head.Root)
			must(t, err)
			trees[i] = tlog.Tree{N: head.Size, Hash: root}
		}
		var path []tlog.Hash
		var err error
		for _, text := range vector.Hashes {
			var sibling tlog.Hash
			if sibling, err = decodeHash(text); err != nil {
				break
			}
			path = append(path, sibling)
		}
		if err == nil {
			err = checkGrown(trees[0], trees[1], path)
		}
		expect(t, vector.Name, err, statusOf[vector.Verdict])
	}
}

func TestSharedVectorsOfForks(t *testing.T) {
	type vector struct {
		Name, Verdict        string
		Policy, Writers      content
		First, Second, Proof content
		Accused              []string
	}
	for _, vector := range readVectors[vector](t, "forks.json", 50) {
		trust, err := ParseTrust(vector.Policy, vector.Writers)
		if err != nil {
			err = undecided(err)
		} else {
			err = CheckFork(vector.First, vector.Second, vector.Proof, trust.Policy)
		}
		expect(t, vector.Name, err, statusOf[vector.Verdict])
		var fork *ForkError
		if errors.As(err, &fork); fork != nil && !slices.Equal(fork.Accused, vector.Accused) {
			t.Errorf("%s: it accuses %v", vector.Name, fork.Accused)
		}
	}
}

func TestSharedVectorsOfChanges(t *testing.T) {
	type vector struct {
		Name, Verdict   string
		Policy, Writers content
		Changes         content
		Epoch           *uint64
		Epochs          []struct {
			Epoch           uint64
			Members         int
			Policy, Writers string
		}
	}
	for _, vector := range readVectors[vector](t, "changes.json", 70) {
		directory := t.TempDir()
		write(t, directory, "policy", vector.Policy)
		write(t, directory, "writers", vector.Writers)
		write(t, directory, "changes", vector.Changes)
		if vector.Epoch != nil {
			write(t, directory, "epoch", fmt.Appendln(nil, *vector.Epoch))
		}
		found, err := Follow(filepath.Join(directory, "changes"), directory)
		expect(t, vector.Name, err, statusOf[vector.Verdict])
		if len(found) != len(vector.Epochs) {
			t.Errorf("%s: %d epochs", vector.Name, len(found))
			continue
		}
		for i, told := range vector.Epochs {
			epoch := found[i]
			if epoch.Number != told.Epoch || epoch.Members != told.Members ||
				epoch.Trust.Files != (TrustFiles{told.Policy, told.Writers}) {
				t.Errorf("%s: it reads as %v", vector.Name, epoch)
			}
		}
	}
}
