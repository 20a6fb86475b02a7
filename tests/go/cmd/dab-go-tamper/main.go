// dab-go-tamper changes bytes of everything that an auditor is handed, at every offset, and counts what the verifier of
// this module says. It reads a folder with trust/, public/, receipt.tlog-proof, commit.json and head.head-proof, works on
// the files in place and leaves them as they were, and prints what was accepted, as JSON.
package main

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"dab/tests/go/verify"
)

// tally is what became of the changes of one file.
type tally struct {
	Tried    int      `json:"tried"`
	Accepted []change `json:"accepted"`
}

type change struct {
	Offset int    `json:"offset"`
	Change string `json:"change"`
}

// changes are what is done to the byte at an offset.
var changes = []struct {
	name  string
	apply func(honest []byte, at int) []byte
}{
	{"a bit flipped", func(honest []byte, at int) []byte { return replaced(honest, at, honest[at]^1<<(at%8)) }},
	{"all bits flipped", func(honest []byte, at int) []byte { return replaced(honest, at, ^honest[at]) }},
	{"removed", func(honest []byte, at int) []byte { return spliced(honest[:at], honest[at+1:]) }},
	{"doubled", func(honest []byte, at int) []byte { return spliced(honest[:at+1], honest[at:]) }},
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: dab-go-tamper FOLDER")
		os.Exit(64)
	}
	tallies, err := tamper(evidence{os.Args[1]})
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(tallies)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// tamper changes every file in turn. The honest ones must be accepted, or nothing was shown.
func tamper(given evidence) (map[string]tally, error) {
	if err := given.all(); err != nil {
		return nil, fmt.Errorf("the honest files are refused: %w", err)
	}
	tallies := map[string]tally{}
	err := filepath.WalkDir(given.folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name := filepath.ToSlash(strings.TrimPrefix(path, given.folder+string(filepath.Separator)))
		if check := given.checkOf(name); check != nil {
			tallies[name], err = campaign(path, check)
		}
		return err
	})
	return tallies, err
}

// campaign makes every change at every offset of a file and puts the honest bytes back.
func campaign(path string, check func() error) (tally, error) {
	found := tally{Accepted: []change{}}
	honest, err := os.ReadFile(path)
	if err != nil {
		return found, err
	}
	for at := range honest {
		for _, made := range changes {
			if err := os.WriteFile(path, made.apply(honest, at), 0o644); err != nil {
				return found, err
			}
			found.Tried++
			if check() == nil {
				found.Accepted = append(found.Accepted, change{at, made.name})
			}
		}
	}
	return found, os.WriteFile(path, honest, 0o644)
}

// evidence is a folder of what an auditor is handed.
type evidence struct{ folder string }

func (given evidence) path(name string) string { return filepath.Join(given.folder, name) }

// checkOf is what reads a file, so what has to notice a change in it; none for a file that no verdict depends on.
func (given evidence) checkOf(name string) func() error {
	switch {
	case name == "trust/policy" || name == "trust/writers":
		return given.all
	case name == "receipt.tlog-proof" || name == "commit.json":
		return given.receipt
	case name == "head.head-proof":
		return given.head
	case strings.HasPrefix(name, "public/"):
		return given.ledger
	default:
		return nil
	}
}

func (given evidence) all() error {
	for _, check := range []func() error{given.receipt, given.head, given.ledger} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

func (given evidence) receipt() error {
	trust, err := verify.ReadTrust(given.path("trust"))
	if err != nil {
		return err
	}
	raw, err := verify.ReadFile(given.path("receipt.tlog-proof"), verify.ReceiptBytesMax)
	if err != nil {
		return err
	}
	receipt, err := verify.OpenReceipt(raw, trust)
	if err != nil {
		return err
	}
	body, err := os.ReadFile(given.path("commit.json"))
	if err != nil {
		return err
	}
	return receipt.Leaf.CheckBody(body)
}

func (given evidence) head() error {
	trust, err := verify.ReadTrust(given.path("trust"))
	if err != nil {
		return err
	}
	raw, err := verify.ReadFile(given.path("head.head-proof"), verify.HeadProofBytesMax)
	if err != nil {
		return err
	}
	_, err = verify.OpenHeadProof(raw, trust)
	return err
}

func (given evidence) ledger() error {
	trust, err := verify.ReadTrust(given.path("trust"))
	if err != nil {
		return err
	}
	_, err = verify.AuditLedger(given.path("public"), trust, nil)
	return err
}

func replaced(honest []byte, at int, by byte) []byte {
	forged := spliced(honest)
	forged[at] = by
	return forged
}

func spliced(parts ...[]byte) []byte {
	var whole []byte
	for _, part := range parts {
		whole = append(whole, part...)
	}
	return whole
}
