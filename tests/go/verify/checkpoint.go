package verify

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/transparency-dev/formats/log"
	cosignature "github.com/transparency-dev/formats/note"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// Checkpoint is the signed head of a tree; it exists only if a trusted log signed it and the quorum cosigned it.
type Checkpoint struct {
	Origin    string
	Tree      tlog.Tree
	Cosigners []Cosigner
}

// Cosigner is a witness of the policy and when it cosigned, by its own clock.
type Cosigner struct {
	Name string
	Time time.Time
}

// OpenCheckpoint reads a signed checkpoint and holds it against the policy.
func OpenCheckpoint(raw []byte, policy *Policy) (*Checkpoint, error) {
	opened, err := openNote(raw, policy.keys())
	if err != nil {
		return nil, fmt.Errorf("checkpoint: %w", err)
	}
	checkpoint, err := parseCheckpoint(opened.Text)
	if err != nil {
		return nil, fmt.Errorf("checkpoint: %w", err)
	}
	if !policy.logged(checkpoint.Origin, opened.Sigs) {
		return nil, fmt.Errorf("checkpoint: no trusted log with the origin %q signed it", checkpoint.Origin)
	}
	if checkpoint.Cosigners, err = policy.cosigners(opened.Sigs); err != nil {
		return nil, fmt.Errorf("checkpoint: %w", err)
	}
	cosigned := map[string]bool{}
	for _, cosigner := range checkpoint.Cosigners {
		cosigned[cosigner.Name] = true
	}
	if !policy.quorum.met(cosigned) {
		return nil, fmt.Errorf("checkpoint: the quorum is not reached, only %d witnesses cosigned", len(cosigned))
	}
	return checkpoint, nil
}

// String says in words who certified what.
func (checkpoint *Checkpoint) String() string {
	who := "it certifies alone"
	if len(checkpoint.Cosigners) > 0 {
		names := make([]string, len(checkpoint.Cosigners))
		for i, cosigner := range checkpoint.Cosigners {
			names[i] = fmt.Sprintf("%s at %d", cosigner.Name, cosigner.Time.Unix())
		}
		who = "cosigned by " + strings.Join(names, ", ")
	}
	return fmt.Sprintf("checkpoint of %s: %d leaves, %s", checkpoint.Origin, checkpoint.Tree.N, who)
}

// parseCheckpoint reads the three lines. Extension lines, which C2SP advises against, are refused as DAB refuses them.
func parseCheckpoint(text string) (*Checkpoint, error) {
	var parsed log.Checkpoint
	extensions, err := parsed.Unmarshal([]byte(text))
	if err != nil {
		return nil, err
	}
	if len(extensions) > 0 {
		return nil, errors.New("it has extension lines")
	}
	if string(parsed.Marshal()) != text || parsed.Size > math.MaxInt64 || len(parsed.Hash) != tlog.HashSize {
		return nil, errors.New("its size or its root is not in canonical form")
	}
	return &Checkpoint{Origin: parsed.Origin, Tree: tlog.Tree{N: int64(parsed.Size), Hash: tlog.Hash(parsed.Hash)}}, nil
}

// logged says whether a log whose name is the origin is among the signers.
func (policy *Policy) logged(origin string, signatures []note.Signature) bool {
	for _, log := range policy.Logs {
		for _, signature := range signatures {
			if log.Name() == origin && log.signed(signature) {
				return true
			}
		}
	}
	return false
}

// cosigners are the witnesses among the signers. The packages leave the limit of their times to the caller.
func (policy *Policy) cosigners(signatures []note.Signature) ([]Cosigner, error) {
	var cosigners []Cosigner
	for _, witness := range policy.Witnesses {
		for _, signature := range signatures {
			if !witness.signed(signature) {
				continue
			}
			when, err := cosignature.CoSigV1Timestamp(signature)
			if err != nil || when.Unix() < 0 {
				return nil, fmt.Errorf("the cosignature of %s has no possible time", witness.Name)
			}
			cosigners = append(cosigners, Cosigner{witness.Name, when})
		}
	}
	return cosigners, nil
}
