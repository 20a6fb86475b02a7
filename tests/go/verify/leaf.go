package verify

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"

	"golang.org/x/mod/sumdb/tlog"
	"lukechampine.com/blake3"
)

// Limits of DAB's leaf.
const (
	leafBytesMax      = 4096
	operationBytesMax = 64
)

var leafText = regexp.MustCompile(`\Adab/leaf/v1\n` +
	`origin ([^\n]+)\n` +
	`subject ([^\n]+)\n` +
	`sequence ([0-9]+)\n` +
	`parent (-|[^\s-]{44})\n` +
	`body blake3:([0-9a-f]{64}) sha256:([0-9a-f]{64}) ([0-9]+)\n` +
	`files (?:-|rfc6962-sha256:([0-9a-f]{64}) ([1-9][0-9]*))\n` +
	`operation ([!-~]+(?: [!-~]+)*)\n\z`)

// Leaf is one statement of the ledger; it exists only if its form is right and a writer of its subject signed it.
type Leaf struct {
	Subject   string
	Sequence  uint64
	Operation string
	Writer    string
	Hash      tlog.Hash
	parent    *tlog.Hash
	blake3    string
	sha256    string
	bytes     uint64
	files     filesRoot
}

// filesRoot is the root over the data files that a commit adds, in hexadecimal digits, and their number; 0 of none.
type filesRoot struct {
	root  string
	count uint64
}

// OpenLeaf reads the entry at an index of the ledger with this origin.
func OpenLeaf(raw []byte, trust *Trust, origin string, index uint64) (*Leaf, error) {
	if len(raw) > leafBytesMax {
		return nil, errors.New("leaf: it is too long")
	}
	keys := make([]Key, len(trust.Writers))
	for i, writer := range trust.Writers {
		keys[i] = writer.Key
	}
	opened, err := openNote(raw, keys)
	if err != nil {
		return nil, fmt.Errorf("leaf: %w", err)
	}
	if len(opened.Sigs) != 1 || len(opened.UnverifiedSigs) != 0 {
		return nil, errors.New("leaf: it is not signed by one key")
	}
	leaf, err := parseLeaf(opened.Text, origin)
	if err != nil {
		return nil, fmt.Errorf("leaf: %w", err)
	}
	leaf.Hash = tlog.RecordHash(raw)
	for _, writer := range trust.Writers {
		if !writer.signed(opened.Sigs[0]) {
			continue
		}
		if !writer.counts(index) {
			return nil, fmt.Errorf("leaf: %s is revoked from leaf %d on", writer.Name(), writer.RevokedFrom)
		}
		if writer.allows(leaf.Subject) {
			leaf.Writer = writer.Name()
		}
	}
	if leaf.Writer == "" {
		return nil, fmt.Errorf("leaf: %s may not write %s", opened.Sigs[0].Name, leaf.Subject)
	}
	return leaf, nil
}

// CheckBody holds a body, for a table the commit file, against the leaf's length and both digests. What it says is not
// looked at.
func (leaf *Leaf) CheckBody(body []byte) error {
	first, second := blake3.Sum256(body), sha256.Sum256(body)
	if uint64(len(body)) != leaf.bytes || hex.EncodeToString(first[:]) != leaf.blake3 ||
		hex.EncodeToString(second[:]) != leaf.sha256 {
		return fmt.Errorf("%s sequence %d: the commit file is not the notarized one", leaf.Subject, leaf.Sequence)
	}
	return nil
}

func parseLeaf(text, origin string) (*Leaf, error) {
	found := leafText.FindStringSubmatch(text)
	if found == nil || !isSubject(found[2]) || len(found[10]) > operationBytesMax {
		return nil, errors.New("it has not the form of dab/leaf/v1")
	}
	if found[1] != origin {
		return nil, fmt.Errorf("it was made for the ledger %q, not for %q", found[1], origin)
	}
	leaf := &Leaf{Subject: found[2], blake3: found[5], sha256: found[6], Operation: found[10]}
	var err error
	if leaf.Sequence, err = decodeNumber(found[3]); err != nil {
		return nil, err
	}
	if leaf.bytes, err = decodeNumber(found[7]); err != nil {
		return nil, err
	}
	if leaf.files.root = found[8]; leaf.files.root != "" {
		if leaf.files.count, err = decodeNumber(found[9]); err != nil {
			return nil, err
		}
	}
	if found[4] != "-" {
		parent, err := decodeHash(found[4])
		if err != nil {
			return nil, fmt.Errorf("parent: %w", err)
		}
		leaf.parent = &parent
	}
	if (leaf.Sequence == 0) != (leaf.parent == nil) {
		return nil, fmt.Errorf("sequence %d and parent do not fit", leaf.Sequence)
	}
	return leaf, nil
}
