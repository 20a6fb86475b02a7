package verify

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
)

const (
	membersSubject = "members"
	epochOperation = "MEMBERS"
	epochHeader    = "dab/epoch/v1"
	epochBytesMax  = 56 << 10
	changeHeader   = "dab/epoch-change/v1"
)

// epochText is who holds a ledger together in one epoch. Members, policy and writers are whole lines.
type epochText struct {
	origin, members, policy, writers string
}

// parseEpoch reads the text of an epoch, which has one spelling.
func parseEpoch(text string) (*epochText, error) {
	malformed := errors.New("it has not the form of " + epochHeader)
	rest, found := strings.CutPrefix(text, epochHeader+"\norigin ")
	if !found || len(text) > epochBytesMax {
		return nil, malformed
	}
	epoch := &epochText{}
	if epoch.origin, rest, found = strings.Cut(rest, "\n"); !found {
		return nil, malformed
	}
	for _, part := range []struct {
		name  string
		lines *string
	}{{"members ", &epoch.members}, {"policy ", &epoch.policy}, {"writers ", &epoch.writers}} {
		var err error
		if *part.lines, rest, err = cutLines(rest, part.name); err != nil {
			return nil, malformed
		}
	}
	if rest != "" {
		return nil, malformed
	}
	return epoch, nil
}

// cutLines takes the lines that a count announces from the beginning of a text.
func cutLines(text, name string) (lines, rest string, err error) {
	announced, rest, _ := strings.Cut(text, "\n")
	count, found := strings.CutPrefix(announced, name)
	number, err := decodeNumber(count)
	if err != nil || !found || number > uint64(strings.Count(rest, "\n")) {
		return "", "", errors.New("there are not as many lines as announced")
	}
	end := 0
	for range number {
		end += strings.Index(rest[end:], "\n") + 1
	}
	return rest[:end], rest[end:], nil
}

// change is the step from one epoch to the next: the body of the leaf that begins it, and the receipt of that leaf.
type change struct {
	body, receipt []byte
	epoch         *epochText
	index         uint64
}

// parseChanges reads the file trust/changes of a node.
func parseChanges(raw []byte) ([]*change, error) {
	var changes []*change
	for len(raw) > 0 {
		next, rest, err := parseChange(raw)
		if err != nil {
			return nil, fmt.Errorf("change %d: %w", len(changes), err)
		}
		changes, raw = append(changes, next), rest
	}
	return changes, nil
}

func parseChange(raw []byte) (*change, []byte, error) {
	malformed := errors.New("it has not the form of " + changeHeader)
	header, rest, found := bytes.Cut(raw, []byte("\n"))
	if !found || string(header) != changeHeader {
		return nil, nil, malformed
	}
	lengths := make([]int, 2)
	for i, name := range []string{"epoch ", "receipt "} {
		var line []byte
		line, rest, _ = bytes.Cut(rest, []byte("\n"))
		value, found := strings.CutPrefix(string(line), name)
		length, err := decodeNumber(value)
		if !found || err != nil || length > ReceiptBytesMax {
			return nil, nil, malformed
		}
		lengths[i] = int(length)
	}
	if len(rest) < lengths[0]+lengths[1] {
		return nil, nil, malformed
	}
	read := &change{body: rest[:lengths[0]], receipt: rest[lengths[0]:][:lengths[1]]}
	opened, err := parseNote(read.body)
	if err != nil {
		return nil, nil, err
	}
	if read.epoch, err = parseEpoch(opened.Text); err != nil {
		return nil, nil, err
	}
	receipt, err := parseReceipt(read.receipt)
	if err != nil {
		return nil, nil, err
	}
	read.index = receipt.Index
	return read, rest[lengths[0]+lengths[1]:], nil
}

// certified checks that those whom trust names in an epoch have certified the change, and gives the receipt of its leaf.
func (next *change) certified(trust *Trust, epoch uint64) (*Receipt, error) {
	receipt, err := OpenReceipt(next.receipt, trust)
	if err != nil {
		return nil, err
	}
	leaf, checkpoint := receipt.Leaf, receipt.Checkpoint
	switch {
	case leaf.Subject != membersSubject || leaf.Operation != epochOperation || leaf.files.count > 0:
		return nil, errors.New("its leaf is none that begins an epoch")
	case leaf.CheckBody(next.body) != nil || next.epoch.origin != checkpoint.Origin:
		return nil, errors.New("its leaf does not bind the epoch")
	case leaf.Sequence != epoch:
		return nil, fmt.Errorf("it leads on from epoch %d, and the trusted one is %d", leaf.Sequence, epoch)
	// a node that certifies alone is succeeded by itself
	case next.epoch.members != "" && checkpoint.Tree.N != receipt.Index+1:
		return nil, errors.New("its checkpoint is not the last of the old members")
	}
	return receipt, nil
}
