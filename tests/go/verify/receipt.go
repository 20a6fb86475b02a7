package verify

import (
	"bytes"
	"errors"
	"fmt"
	"math"

	"github.com/transparency-dev/formats/proof"
	"golang.org/x/mod/sumdb/tlog"
)

const proofHashesMax = 63

// ReceiptBytesMax is the length of the longest receipt that is read.
const ReceiptBytesMax = NoteBytesMax + 16<<10

// Receipt is a C2SP tlog-proof with DAB's leaf in extra; it exists only if all of it holds.
type Receipt struct {
	Leaf       *Leaf
	Index      int64
	Checkpoint *Checkpoint
}

// OpenReceipt checks a .tlog-proof file: checkpoint and quorum, inclusion of the leaf, and the leaf's writer.
func OpenReceipt(raw []byte, trust *Trust) (*Receipt, error) {
	parsed, err := parseReceipt(raw)
	if err != nil {
		return nil, err
	}
	checkpoint, err := OpenCheckpoint(parsed.Checkpoint, trust.Policy)
	if err != nil {
		return nil, err
	}
	path := make([]tlog.Hash, len(parsed.Hashes))
	for i, hash := range parsed.Hashes {
		path[i] = hash
	}
	leafHash := tlog.RecordHash(parsed.ExtraData)
	if err := checkInclusion(checkpoint.Tree, int64(parsed.Index), leafHash, path); err != nil {
		return nil, err
	}
	leaf, err := OpenLeaf(parsed.ExtraData, trust, checkpoint.Origin, parsed.Index)
	if err != nil {
		return nil, err
	}
	return &Receipt{leaf, int64(parsed.Index), checkpoint}, nil
}

// String says in words what was proved.
func (receipt *Receipt) String() string {
	leaf := receipt.Leaf
	return fmt.Sprintf("%s sequence %d: %s, leaf %d, written by %s",
		leaf.Subject, leaf.Sequence, leaf.Operation, receipt.Index, leaf.Writer)
}

// parseReceipt reads the form of a receipt. Nothing of it has been checked then.
func parseReceipt(raw []byte) (*proof.TLogProof, error) {
	var parsed proof.TLogProof
	if err := parsed.Unmarshal(raw); err != nil {
		return nil, err
	}
	// The parser takes other line ends and spellings of numbers and base64 as well.
	if !bytes.Equal(parsed.Marshal(), raw) {
		return nil, errors.New("receipt: it is not in canonical form")
	}
	if len(parsed.Hashes) > proofHashesMax || parsed.Index > math.MaxInt64 {
		return nil, errors.New("receipt: it has too many hashes or an impossible index")
	}
	return &parsed, nil
}
