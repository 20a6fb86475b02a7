package verify

import (
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/mod/sumdb/tlog"
)

const (
	// commitBytesMax is the length of the longest commit file that is read.
	commitBytesMax = 256 << 20
	tableSubject   = "table/"
)

// Commit is what a commit file of a table says about data files (Delta transaction log protocol, section "Actions").
type Commit struct {
	Adds []DataFile
	// removes are paths as they stand in the actions.
	removes     []string
	dab         *selfDescription
	setsTableID *string
	infos       int
	metadata    int
}

// OpenCommit reads a commit file and holds it against the leaf as CheckCommit does.
func (leaf *Leaf) OpenCommit(path string) (*Commit, error) {
	file, err := openFile(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return leaf.readCommit(file)
}

// CheckCommit holds a commit file against the leaf: its length and both digests, then the table, version and
// predecessor that it names, and the root over the files that it adds. Bodies of other subjects are not looked into:
// for them there is no commit.
func (leaf *Leaf) CheckCommit(body []byte) (*Commit, error) {
	if err := leaf.CheckBody(body); err != nil {
		return nil, err
	}
	tableID, isTable := strings.CutPrefix(leaf.Subject, tableSubject)
	if !isTable {
		return nil, nil
	}
	commit, err := parseCommit(body)
	if err == nil {
		err = commit.describes(tableID, leaf)
	}
	if err == nil {
		err = leaf.checkFiles(commit.Adds)
	}
	if err != nil {
		return nil, fmt.Errorf("%s sequence %d: %w", leaf.Subject, leaf.Sequence, err)
	}
	return commit, nil
}

// readCommit reads no file but one that is as long as the leaf says.
func (leaf *Leaf) readCommit(file *regularFile) (*Commit, error) {
	if uint64(file.size) != leaf.bytes {
		return nil, fmt.Errorf("%s sequence %d: the commit file has %d bytes instead of %d", leaf.Subject, leaf.Sequence,
			file.size, leaf.bytes)
	}
	body, err := file.readWhole(commitBytesMax)
	if err != nil {
		return nil, err
	}
	return leaf.CheckCommit(body)
}

// describes says whether a commit speaks about itself as its leaf does.
func (commit *Commit) describes(tableID string, leaf *Leaf) error {
	dab := commit.dab
	switch {
	case dab == nil:
		return errors.New("the commit file has no commitInfo.dab")
	case dab.tableID != tableID || dab.version != leaf.Sequence || (dab.previous == nil) != (leaf.parent == nil) ||
		dab.previous != nil && *dab.previous != *leaf.parent:
		return errors.New("commitInfo.dab names another table, version or previous leaf")
	}
	return nil
}

// checkFiles makes the root over the files that a commit adds: one line for each, in the order of their bytes.
func (leaf *Leaf) checkFiles(adds []DataFile) error {
	lines := make([]string, len(adds))
	paths := map[string]bool{}
	for i, add := range adds {
		if add.blake3 == "" {
			return fmt.Errorf("%.200q has no tag %s", add.Path, blake3Tag)
		}
		if paths[add.Path] {
			return fmt.Errorf("it adds %.200q twice", add.Path)
		}
		paths[add.Path] = true
		lines[i] = fmt.Sprintf("%s\x00%d\x00%s\n", add.Path, add.size, add.blake3)
	}
	slices.Sort(lines)
	grown := newTree()
	for _, line := range lines {
		if err := grown.append([]byte(line)); err != nil {
			return err
		}
	}
	found := filesRoot{count: uint64(len(lines))}
	if len(lines) > 0 {
		root, err := tlog.TreeHash(grown.size, grown)
		if err != nil {
			return err
		}
		if err := grown.checkRoot(tlog.Tree{N: grown.size, Hash: root}); err != nil {
			return err
		}
		found.root = hex.EncodeToString(root[:])
	}
	if found != leaf.files {
		return errors.New("the list of added files is not the notarized one: its root differs")
	}
	return nil
}
