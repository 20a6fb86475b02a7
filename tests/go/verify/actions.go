package verify

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"

	"golang.org/x/mod/sumdb/tlog"
)

const (
	tableIDProperty = "dab.tableId"
	blake3Tag       = "dab.blake3"
)

// selfDescription is what a commit says about itself, in commitInfo.dab.
type selfDescription struct {
	tableID  string
	version  uint64
	previous *tlog.Hash
}

func parseCommit(body []byte) (*Commit, error) {
	commit := &Commit{}
	for number, line := range linesOf(body) {
		if err := commit.take(line); err != nil {
			return nil, fmt.Errorf("line %d of the commit file: %w", number+1, err)
		}
	}
	if commit.infos > 1 || commit.metadata > 1 {
		return nil, errors.New("the commit file has a second commitInfo or metaData")
	}
	return commit, nil
}

// tableIDIn is the table id that a complete line at the beginning of a commit file states. Nothing of it is to be believed:
// it says which leaves to hold the table against. A line that cannot be read is an error only where the file is whole and
// no other line states an id.
func tableIDIn(start []byte, whole bool) (id string, stated bool, err error) {
	for number, line := range linesOf(start) {
		dab, wrong := selfDescriptionIn(line)
		if dab != nil {
			return dab.tableID, true, nil
		}
		if wrong != nil && whole && err == nil {
			err = fmt.Errorf("line %d of the commit file: %w", number+1, wrong)
		}
	}
	return "", false, err
}

func selfDescriptionIn(line []byte) (*selfDescription, error) {
	actions, err := parseObject(line)
	if err != nil {
		return nil, err
	}
	info, _ := actions["commitInfo"].(jsonObject)
	return parseSelfDescription(info)
}

func linesOf(body []byte) [][]byte {
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
