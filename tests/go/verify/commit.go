package verify

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/mod/sumdb/tlog"
)

const (
	// commitBytesMax is the length of the longest commit file that is read.
	commitBytesMax  = 256 << 20
	tableSubject    = "table/"
	tableIDProperty = "dab.tableId"
	blake3Tag       = "dab.blake3"
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

// selfDescription is what a commit says about itself, in commitInfo.dab.
type selfDescription struct {
	tableID  string
	version  uint64
	previous *tlog.Hash
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

func parseCommit(body []byte) (*Commit, error) {
	commit := &Commit{}
	for number, line := range lines(body) {
		if err := commit.take(line); err != nil {
			return nil, fmt.Errorf("line %d of the commit file: %w", number+1, err)
		}
	}
	if commit.infos > 1 || commit.metadata > 1 {
		return nil, errors.New("the commit file has a second commitInfo or metaData")
	}
	return commit, nil
}

// tableIDIn is the table id that a complete line at the beginning of a commit file states. Nothing of it is to be believed: it
// says which leaves to hold the table against. A line that cannot be read is an error only where the file is whole and no
// other line states an id.
func tableIDIn(start []byte, whole bool) (id string, stated bool, err error) {
	for number, line := range lines(start) {
		action, wrong := parseObject(line)
		if info, ok := action["commitInfo"].(jsonObject); ok {
			var dab *selfDescription
			if dab, wrong = parseSelfDescription(info); dab != nil && wrong == nil {
				return dab.tableID, true, nil
			}
		}
		if wrong != nil && whole && err == nil {
			err = fmt.Errorf("line %d of the commit file: %w", number+1, wrong)
		}
	}
	return "", false, err
}

func lines(body []byte) [][]byte {
	return bytes.Split(bytes.TrimSuffix(body, []byte("\n")), []byte("\n"))
}

// take reads the action of one line.
func (commit *Commit) take(line []byte) error {
	actions, err := parseObject(line)
	if err != nil {
		return err
	}
	if len(actions) != 1 {
		return fmt.Errorf("it has %d actions instead of one", len(actions))
	}
	for name, value := range actions {
		action, ok := value.(jsonObject)
		if !ok {
			return fmt.Errorf("%.60q is no object", name)
		}
		switch name {
		case "add":
			var add DataFile
			add, err = parseAdd(action)
			commit.Adds = append(commit.Adds, add)
		case "remove":
			var path string
			path, err = action.text("path")
			commit.removes = append(commit.removes, path)
		case "commitInfo":
			commit.infos++
			commit.dab, err = parseSelfDescription(action)
		case "metaData":
			commit.metadata++
			commit.setsTableID, err = parseTableID(action)
		}
	}
	return err
}

func parseSelfDescription(info jsonObject) (*selfDescription, error) {
	value, there := info["dab"]
	if !there {
		return nil, nil
	}
	dab, ok := value.(jsonObject)
	if !ok {
		return nil, errors.New("commitInfo.dab is no object")
	}
	said := &selfDescription{}
	var err error
	if said.tableID, err = dab.text("tableId"); err != nil {
		return nil, err
	}
	if said.version, err = dab.number("version"); err != nil {
		return nil, err
	}
	if dab["previous"] == nil {
		return said, nil
	}
	text, err := dab.text("previous")
	if err != nil {
		return nil, err
	}
	previous, err := decodeHash(text)
	if err != nil {
		return nil, fmt.Errorf("previous: %w", err)
	}
	said.previous = &previous
	return said, nil
}

// parseTableID reads the table id that a commit sets as a property of the table, if it does.
func parseTableID(metadata jsonObject) (*string, error) {
	configuration, _ := metadata["configuration"].(jsonObject)
	if _, there := configuration[tableIDProperty]; !there {
		return nil, nil
	}
	id, err := configuration.text(tableIDProperty)
	return &id, err
}

var hexDigest = regexp.MustCompile(`\A[0-9a-f]{64}\z`)

func parseAdd(action jsonObject) (add DataFile, err error) {
	if add.Path, err = action.text("path"); err != nil {
		return add, err
	}
	if add.stored, err = storedPath(add.Path); err != nil {
		return add, err
	}
	if add.size, err = action.number("size"); err != nil {
		return add, err
	}
	tags, _ := action["tags"].(jsonObject)
	if tag, there := tags[blake3Tag]; there {
		digest, _ := tag.(string)
		if !hexDigest.MatchString(digest) {
			return add, fmt.Errorf("%s of %.200q is no digest", blake3Tag, add.Path)
		}
		add.blake3 = digest
	}
	return add, nil
}
