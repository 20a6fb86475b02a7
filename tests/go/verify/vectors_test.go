package verify

import (
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

// readVectors reads a file of tests/vectors, whose make.py says what the fields mean. There have to be enough of them, or
// nothing is shown.
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

var statusOf = map[string]int{"VALID": Valid, "INVALID": Invalid, "UNDECIDED": Undecided}

// content of a vector: a text, or an object with the base64 of what is no text.
type content []byte

func (read *content) UnmarshalJSON(raw []byte) error {
	if raw[0] != '{' {
		var text string
		err := json.Unmarshal(raw, &text)
		*read = content(text)
		return err
	}
	var encoded struct{ Base64 string }
	if err := json.Unmarshal(raw, &encoded); err != nil {
		return err
	}
	var err error
	*read, err = base64.StdEncoding.DecodeString(encoded.Base64)
	return err
}

// proofVector is a vector of receipts or head proofs.
type proofVector struct {
	Name, Verdict, Reason string
	Policy, Writers       content
	Proof                 content
	Commit                content
	Data                  []struct {
		Path    string
		Content content
	}
	TableID   string `json:"table_id"`
	Size      uint64
	Sequence  *uint64
	LeafIndex *uint64 `json:"leaf_index"`
}

func TestSharedVectorsOfReceipts(t *testing.T) {
	tried := 0
	for _, file := range []string{"receipt.json", "signed.json", "certified.json", "trust.json"} {
		for _, vector := range readVectors[proofVector](t, file, 1) {
			// It is not told which table to expect, and data files without their commit file are a wrong command line.
			if vector.TableID != "" || vector.Reason == "needs_commit" {
				continue
			}
			tried++
			expect(t, file+", "+vector.Name, judgeReceipt(t, vector), statusOf[vector.Verdict])
		}
	}
	if tried < 250 {
		t.Errorf("only %d vectors", tried)
	}
}

func judgeReceipt(t *testing.T, vector proofVector) error {
	trust, err := ParseTrust(vector.Policy, vector.Writers)
	if err != nil {
		return undecided(err)
	}
	receipt, err := OpenReceipt(vector.Proof, trust)
	if err != nil || vector.Commit == nil {
		return err
	}
	commit, err := receipt.Leaf.CheckCommit(vector.Commit)
	if err != nil {
		return err
	}
	directory := t.TempDir()
	for _, file := range vector.Data {
		write(t, directory, file.Path, file.Content)
		if err := commit.CheckData(filepath.Join(directory, file.Path)); err != nil {
			return err
		}
	}
	return nil
}
