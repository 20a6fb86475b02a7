package verify

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/mod/sumdb/tlog"
)

const (
	forkProofHeader = "dab/fork-proof/v1"
	// ForkProofBytesMax is the length of the longest fork proof that is read.
	ForkProofBytesMax = 4096
)

// ForkError says that two checkpoints of one ledger cannot both be true, and which keys signed both.
type ForkError struct {
	Origin  string
	Size    int64
	Accused []string
}

func (fork *ForkError) Error() string {
	return fmt.Sprintf("the ledger %s forked: for size %d two roots were signed; believe no more: %s", fork.Origin, fork.Size,
		strings.Join(fork.Accused, ", "))
}

// CheckFork compares two checkpoints of one ledger, in either order; for two sizes, with the text of a fork proof. It
// gives a ForkError when they contradict each other and nothing when one tree extends the other; any other error means
// that nothing is shown, and wraps ErrUndecided. No quorum is asked for: it is the ledger that is on trial.
func CheckFork(first, second, proof []byte, policy *Policy) error {
	fork, err := compareNotes(first, second, proof, policy)
	if err != nil {
		return undecided(err)
	}
	if fork != nil {
		return fork
	}
	return nil
}

func compareNotes(first, second, proof []byte, policy *Policy) (*ForkError, error) {
	older, err := openAccused(first, policy)
	if err != nil {
		return nil, fmt.Errorf("the first checkpoint is no evidence: %w", err)
	}
	newer, err := openAccused(second, policy)
	if err != nil {
		return nil, fmt.Errorf("the second checkpoint is no evidence: %w", err)
	}
	if older.head.Origin != newer.head.Origin {
		return nil, errors.New("the two checkpoints are of two ledgers")
	}
	if older.head.Tree.N > newer.head.Tree.N {
		older, newer = newer, older
	}
	extended, err := isExtended(older.head.Tree, newer.head.Tree, proof)
	if extended || err != nil {
		return nil, err
	}
	fork := &ForkError{Origin: older.head.Origin, Size: older.head.Tree.N}
	for _, key := range policy.keys() {
		if older.signers[key.public] && newer.signers[key.public] {
			fork.Accused = append(fork.Accused, key.Name())
		}
	}
	return fork, nil
}

// isExtended says whether the newer tree extends the older one, where that is shown.
func isExtended(older, newer tlog.Tree, proof []byte) (bool, error) {
	if older.N == newer.N {
		return older.Hash == newer.Hash, nil
	}
	if proof == nil {
		return false, errors.New("two sizes cannot be compared without a fork proof")
	}
	shown, path, err := parseForkProof(proof)
	if err != nil {
		return false, err
	}
	if shown.N != older.N {
		return false, fmt.Errorf("the fork proof speaks of size %d, the older checkpoint of %d", shown.N, older.N)
	}
	if err := checkGrown(shown, newer, path); err != nil {
		return false, err
	}
	return shown.Hash == older.Hash, nil
}

// checkGrown is checkConsistency, and knows the tree of no leaves, which every tree extends.
func checkGrown(older, newer tlog.Tree, path []tlog.Hash) error {
	if older.N > 0 {
		return checkConsistency(older, newer, path)
	}
	empty, err := tlog.TreeHash(0, nil)
	if err != nil {
		return err
	}
	if older.Hash != empty || len(path) > 0 {
		return errors.New("a tree of no leaves has another root, and its growth needs no hash")
	}
	return nil
}

// parseForkProof reads the root that the newer tree has at the older size, and the consistency proof from there.
func parseForkProof(raw []byte) (shown tlog.Tree, path []tlog.Hash, err error) {
	malformed := errors.New("fork proof: it has not the form of " + forkProofHeader)
	text, whole := strings.CutSuffix(string(raw), "\n")
	lines := strings.Split(text, "\n")
	if !whole || len(raw) > ForkProofBytesMax || len(lines) < 3 || len(lines) > 3+proofHashesMax ||
		lines[0] != forkProofHeader {
		return shown, nil, malformed
	}
	size, named := strings.CutPrefix(lines[1], "size ")
	root, rooted := strings.CutPrefix(lines[2], "root ")
	number, err := decodeNumber(size)
	if !named || !rooted || err != nil || int64(number) < 0 {
		return shown, nil, malformed
	}
	shown.N = int64(number)
	hashes := make([]tlog.Hash, 0, len(lines)-2)
	for _, line := range append([]string{root}, lines[3:]...) {
		hash, err := decodeHash(line)
		if err != nil {
			return shown, nil, malformed
		}
		hashes = append(hashes, hash)
	}
	shown.Hash = hashes[0]
	return shown, hashes[1:], nil
}

// accused is a note that a log of the policy signed, and all keys of the policy that did.
type accused struct {
	head    *Checkpoint
	signers map[[32]byte]bool
}

// openAccused asks each key by itself: a wrong line of another key does not spoil its word.
func openAccused(raw []byte, policy *Policy) (*accused, error) {
	note := &accused{signers: map[[32]byte]bool{}}
	for _, key := range policy.keys() {
		opened, err := openNote(raw, []Key{key})
		if err != nil {
			continue
		}
		if _, err := policy.cosigners(opened.Sigs); err != nil {
			continue
		}
		head, err := parseCheckpoint(opened.Text)
		if err != nil {
			return nil, err
		}
		note.signers[key.public] = true
		if policy.logged(head.Origin, opened.Sigs) {
			note.head = head
		}
	}
	if note.head == nil {
		return nil, errors.New("no log of the policy with its origin signed it")
	}
	return note, nil
}
