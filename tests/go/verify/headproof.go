package verify

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
)

const headProofHeader = "dab/head-proof/v1"

// HeadProofBytesMax is the length of the longest head proof that is read.
const HeadProofBytesMax = ReceiptBytesMax + 2*leafBytesMax + 64*mapBits

// HeadProof shows which leaf of a subject was its last; it exists only if all of it holds.
type HeadProof struct {
	Subject string
	// Size is how many leaves it speaks about, the first of the ledger.
	Size uint64
	// Leaf is the last leaf of the subject among them, at Index; nil where there is none.
	Leaf  *Leaf
	Index uint64
	// Bound is the receipt of the heads leaf.
	Bound *Receipt
}

// headLines are the lines of a head proof before its receipt, each value read.
type headLines struct {
	subject        string
	size, subjects uint64
	leaf           []byte    // of head
	index          uint64    // of head
	other          *mapEntry // of other
	path           []mapStep
}

// OpenHeadProof checks a .head-proof file: the receipt of the heads leaf, that this leaf binds the map to which the path
// leads, and that the subject's leaf is the one in the map.
func OpenHeadProof(raw []byte, trust *Trust) (*HeadProof, error) {
	head, receipt, found := bytes.Cut(raw, []byte("\n\n"))
	if !found || len(raw) > HeadProofBytesMax {
		return nil, errors.New("head proof: it has no empty line, or is too long")
	}
	lines, err := parseHeadLines(strings.Split(string(head), "\n"))
	if err != nil {
		return nil, fmt.Errorf("head proof: %w", err)
	}
	bound, err := OpenReceipt(receipt, trust)
	if err != nil {
		return nil, err
	}
	proof := &HeadProof{Subject: lines.subject, Size: lines.size, Index: lines.index, Bound: bound}
	entry, key := lines.other, mapKey(lines.subject)
	if lines.leaf != nil {
		if proof.Leaf, err = OpenLeaf(lines.leaf, trust, bound.Checkpoint.Origin, lines.index); err != nil {
			return nil, err
		}
		entry = &mapEntry{key, proof.Leaf.Sequence, lines.index, proof.Leaf.Hash}
	}
	switch {
	case lines.subject == headsSubject:
		return nil, errors.New("head proof: the subject heads is in no head map")
	case proof.Leaf != nil && proof.Leaf.Subject != lines.subject:
		return nil, fmt.Errorf("head proof: its leaf is of %s, not of %s", proof.Leaf.Subject, lines.subject)
	case proof.Leaf == nil && entry != nil && entry.key == key:
		return nil, errors.New("head proof: it denies the entry that it shows")
	case lines.size > uint64(bound.Index):
		return nil, fmt.Errorf("head proof: leaf %d cannot speak about the first %d leaves", bound.Index, lines.size)
	case entry != nil && entry.leafIndex >= lines.size:
		return nil, fmt.Errorf("head proof: leaf %d is not among the first %d", entry.leafIndex, lines.size)
	}
	root, err := rootOfPath(key, entry, lines.path)
	if err != nil {
		return nil, err
	}
	said := headsText{bound.Checkpoint.Origin, lines.size, lines.subjects, root}
	if !said.isBoundBy(bound.Leaf) {
		return nil, errors.New("head proof: the heads leaf does not bind the map to which the path leads")
	}
	return proof, nil
}

// CheckTable holds the subject against the table that was asked for.
func (proof *HeadProof) CheckTable(id string) error {
	if proof.Subject != tableSubject+id {
		return fmt.Errorf("the head proof is for %s, not for table %s", proof.Subject, id)
	}
	return nil
}

// String says in words what was proved.
func (proof *HeadProof) String() string {
	what := "no leaf of it"
	if leaf := proof.Leaf; leaf != nil {
		what = fmt.Sprintf("sequence %d, leaf %d, written by %s", leaf.Sequence, proof.Index, leaf.Writer)
	}
	return fmt.Sprintf("%s among the first %d leaves: %s", proof.Subject, proof.Size, what)
}

func parseHeadLines(lines []string) (*headLines, error) {
	if len(lines) < 5 || len(lines) > 5+mapBits || lines[0] != headProofHeader {
		return nil, errors.New("it has not the form of " + headProofHeader)
	}
	values := make([]string, 3)
	for i, field := range []string{"subject ", "size ", "subjects "} {
		value, found := strings.CutPrefix(lines[1+i], field)
		if !found {
			return nil, fmt.Errorf("no line says %s", field)
		}
		values[i] = value
	}
	read := &headLines{subject: values[0]}
	if !isSubject(read.subject) {
		return nil, fmt.Errorf("%.60q is no subject", read.subject)
	}
	var err error
	if read.size, err = decodeNumber(values[1]); err != nil {
		return nil, err
	}
	if read.subjects, err = decodeNumber(values[2]); err != nil {
		return nil, err
	}
	if err = read.parseFound(strings.Split(lines[4], " ")); err != nil {
		return nil, err
	}
	for _, line := range lines[5:] {
		step, err := parseStep(line)
		if err != nil {
			return nil, err
		}
		read.path = append(read.path, step)
	}
	return read, nil
}

// parseFound reads the line that begins with head, other or none.
func (read *headLines) parseFound(words []string) (err error) {
	switch {
	case words[0] == "head" && len(words) == 3:
		if read.index, err = decodeNumber(words[1]); err != nil {
			return err
		}
		read.leaf, err = decodeBase64(words[2])
	case words[0] == "other" && len(words) == 5:
		read.other, err = parseMapEntry(words[1:])
	case words[0] == "none" && len(words) == 1:
	default:
		err = errors.New("a line says neither head, nor other, nor none")
	}
	return err
}

func parseMapEntry(words []string) (entry *mapEntry, err error) {
	entry = &mapEntry{}
	if entry.key, err = decodeHash(words[0]); err != nil {
		return nil, err
	}
	if entry.sequence, err = decodeNumber(words[1]); err != nil {
		return nil, err
	}
	if entry.leafIndex, err = decodeNumber(words[2]); err != nil {
		return nil, err
	}
	entry.leafHash, err = decodeHash(words[3])
	return entry, err
}

func parseStep(line string) (step mapStep, err error) {
	number, sibling, _ := strings.Cut(line, " ")
	bit, err := decodeNumber(number)
	if err != nil || bit >= mapBits {
		return step, fmt.Errorf("%.60q is no fork of a head map", line)
	}
	step.bit = int(bit)
	step.sibling, err = decodeHash(sibling)
	return step, err
}
