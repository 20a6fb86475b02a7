package verify

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/tlog"
)

// readVectors reads a file of tests/vectors, whose make.py says what the fields mean.
func readVectors[T any](t *testing.T, file string, atLeast int) []T {
	t.Helper()
	raw, err := os.ReadFile("../../vectors/" + file)
	must(t, err)
	var vectors []T
	must(t, json.Unmarshal(raw, &vectors))
	if len(vectors) < atLeast {
		t.Fatalf("%s: only %d vectors", file, len(vectors))
	}
	return vectors
}

// tlog has another word for the entries, and the height of tiles in their paths.
func tlogPath(path string) string {
	rest := strings.TrimPrefix(path, "tile/")
	if below, found := strings.CutPrefix(rest, "entries/"); found {
		rest = "data/" + below
	}
	return fmt.Sprintf("tile/%d/%s", tileHeight, rest)
}

// What x/mod takes for paths beyond C2SP: levels above 63, and its own word for the entries.
var wrongElsewhere = []string{"tile/64/067", "tile/256/067", "tile/data/067"}

func TestSharedVectorsOfPaths(t *testing.T) {
	type vector struct {
		Path, Verdict string
		Level         *int
		Index         int64
		Width         int
	}
	for _, vector := range readVectors[vector](t, "paths.json", 200) {
		read, err := tlog.ParseTilePath(tlogPath(vector.Path))
		if vector.Verdict != "VALID" {
			if err == nil && !slices.Contains(wrongElsewhere, vector.Path) {
				t.Errorf("%q names the tile %v", vector.Path, read)
			}
			continue
		}
		must(t, err)
		wanted := tlog.Tile{H: tileHeight, L: entriesLevel, N: vector.Index, W: vector.Width}
		if vector.Level != nil {
			wanted.L = *vector.Level
		}
		if read != wanted || tilePath(wanted) != vector.Path {
			t.Errorf("%q: %v has the path %q, and it names %v", vector.Path, wanted, tilePath(wanted), read)
		}
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
			if epoch.Number != told.Epoch || epoch.Members != told.Members || epoch.Policy != told.Policy ||
				epoch.Writers != told.Writers {
				t.Errorf("%s: it reads as %v", vector.Name, epoch)
			}
		}
	}
}
