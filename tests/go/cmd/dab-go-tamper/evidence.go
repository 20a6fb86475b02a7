package main

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"dab/tests/go/verify"
)

// evidence is a folder of what an auditor is handed.
type evidence struct {
	folder string
	// What the honest files say; a changed one must not say the same.
	ledger  *verify.Ledger
	epochs  []*verify.Epoch
	accused []string
}

var errOther = errors.New("it says something else than the honest files")

// open holds the honest files against one another: all must be accepted, or nothing is shown by what is refused.
func open(folder string) (*evidence, error) {
	given := &evidence{folder: folder}
	var err error
	if given.ledger, err = given.audited(); err != nil {
		return nil, err
	}
	if given.epochs, err = given.followed(); err != nil {
		return nil, err
	}
	fork, err := given.forked()
	if err != nil {
		return nil, err
	}
	given.accused = fork.Accused
	for _, check := range []func() error{given.all, given.table, given.changes, given.fork} {
		if err := check(); err != nil {
			return nil, err
		}
	}
	if len(given.epochs) == 0 || len(given.accused) == 0 {
		return nil, errors.New("there is no change to follow, or nobody is accused")
	}
	return given, nil
}

func (given *evidence) path(name string) string { return filepath.Join(given.folder, name) }

// checkOf is what reads a file, so what has to notice a change in it; none for a file that no verdict depends on.
func (given *evidence) checkOf(name string) func() error {
	switch {
	case name == "trust/policy" || name == "trust/writers":
		return given.all
	case name == "receipt.tlog-proof" || name == "commit.json" || strings.HasPrefix(name, "data/"):
		return given.receipt
	case name == "head.head-proof":
		return given.head
	case strings.HasPrefix(name, "public/"):
		return given.notarized
	case strings.HasPrefix(name, "table/"):
		return given.table
	case name == "changes":
		return given.changes
	case strings.HasPrefix(name, "fork/"):
		return given.fork
	default:
		return nil
	}
}

func (given *evidence) all() error {
	for _, check := range []func() error{given.receipt, given.head, given.notarized} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

func (given *evidence) receipt() error {
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
	commit, err := receipt.Leaf.OpenCommit(given.path("commit.json"))
	if err != nil {
		return err
	}
	for _, add := range commit.Adds {
		if err := commit.CheckData(given.path("data/" + add.Path)); err != nil {
			return err
		}
	}
	return nil
}

func (given *evidence) head() error {
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

func (given *evidence) audited() (*verify.Ledger, error) {
	trust, err := verify.ReadTrust(given.path("trust"))
	if err != nil {
		return nil, err
	}
	return verify.AuditLedger(given.path("public"), trust, nil)
}

func (given *evidence) notarized() error {
	_, err := given.audited()
	return err
}

// table is held against the honest ledger, which does not change with it.
func (given *evidence) table() error {
	_, err := verify.AuditTable(given.path("table"), given.ledger, "")
	return err
}

func (given *evidence) followed() ([]*verify.Epoch, error) {
	return verify.Follow(given.path("changes"), given.path("before"))
}

func (given *evidence) changes() error {
	epochs, err := given.followed()
	if err == nil && len(epochs) < len(given.epochs) {
		err = errOther
	}
	return err
}

// forked is what the fork's checkpoints convict of; an error where they show nothing.
func (given *evidence) forked() (*verify.ForkError, error) {
	trust, err := verify.ReadTrust(given.path("trust"))
	if err != nil {
		return nil, err
	}
	notes := map[string][]byte{}
	for _, name := range []string{"first", "second", "proof"} {
		raw, err := os.ReadFile(given.path("fork/" + name))
		if err == nil {
			notes[name] = raw
		} else if name != "proof" {
			return nil, err
		}
	}
	err = verify.CheckFork(notes["first"], notes["second"], notes["proof"], trust.Policy)
	var fork *verify.ForkError
	if errors.As(err, &fork) {
		return fork, nil
	}
	return nil, errors.Join(errOther, err)
}

// fork is evidence no more when a key less is convicted.
func (given *evidence) fork() error {
	fork, err := given.forked()
	if err == nil && !slices.Equal(fork.Accused, given.accused) {
		err = errOther
	}
	return err
}
