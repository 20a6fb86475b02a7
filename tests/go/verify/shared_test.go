package verify

import (
	"encoding/base64"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/tlog"
)

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

// sharedVector is one of tests/vectors, whose make.py says what the fields mean.
type sharedVector struct {
	Name, Verdict, Reason string
	Policy, Writers       content
	Proof                 content
	Commit                content
	TableID               string `json:"table_id"`
	Size                  uint64
	Sequence              *uint64
	LeafIndex             *uint64 `json:"leaf_index"`
}

func sharedVectors(t *testing.T, file string) []sharedVector {
	t.Helper()
	raw, err := os.ReadFile("../../vectors/" + file)
	must(t, err)
	var vectors []sharedVector
	must(t, json.Unmarshal(raw, &vectors))
	return vectors
}

func leafHashOf(text string) mapHash { return mapHash(tlog.RecordHash([]byte(text))) }

// What Delta says inside a commit file, and the data files, are not looked at here.
var beyondGo = []string{"contradicts_leaf", "files_root_differs", "unknown_data_file", "data_differs", "needs_commit"}

func TestSharedVectorsOfReceipts(t *testing.T) {
	tried := 0
	for _, file := range []string{"receipt.json", "signed.json", "certified.json", "trust.json"} {
		for _, vector := range sharedVectors(t, file) {
			insideCommit := vector.Reason == "malformed" && strings.HasPrefix(vector.Name, "commit: ")
			if insideCommit || slices.Contains(beyondGo, vector.Reason) || vector.Reason == "another_table" {
				continue
			}
			tried++
			expect(t, file+", "+vector.Name, judgeReceipt(vector), statusOf[vector.Verdict])
		}
	}
	if tried < 150 {
		t.Errorf("only %d vectors", tried)
	}
}

func judgeReceipt(vector sharedVector) error {
	trust, err := ParseTrust(vector.Policy, vector.Writers)
	if err != nil {
		return undecided(err)
	}
	receipt, err := OpenReceipt(vector.Proof, trust)
	if err == nil && vector.Commit != nil {
		err = receipt.Leaf.CheckBody(vector.Commit)
	}
	return err
}
