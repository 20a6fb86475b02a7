package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"dab/tests/go/verify"
)

func checkpoint(given options, out io.Writer) error {
	trust, raw, err := read(given, verify.NoteBytesMax)
	if err != nil {
		return err
	}
	found, err := verify.OpenCheckpoint(raw, trust.Policy)
	if err == nil {
		fmt.Fprintln(out, found)
	}
	return err
}

func proof(given options, out io.Writer) error {
	trust, raw, err := read(given, verify.ReceiptBytesMax)
	if err != nil {
		return err
	}
	receipt, err := verify.OpenReceipt(raw, trust)
	if err != nil {
		return err
	}
	unchecked := "the commit file"
	if given.commit != "" {
		if unchecked, err = contents(given, receipt); err != nil {
			return err
		}
	}
	fmt.Fprintf(out, "%v\n%v\nnot checked: %s\n", receipt, receipt.Checkpoint, unchecked)
	return nil
}

// contents holds a commit file and data files against a receipt, and says what was left out.
func contents(given options, receipt *verify.Receipt) (string, error) {
	commit, err := receipt.Leaf.OpenCommit(given.commit)
	if err != nil {
		return "", err
	}
	if commit == nil && len(given.data) > 0 {
		return "", errors.New("this leaf is none of a table, so it adds no data files")
	}
	for _, path := range given.data {
		if err := commit.CheckData(path); err != nil {
			return "", err
		}
	}
	if commit == nil {
		return "what this body says", nil
	}
	return fmt.Sprintf("all but %d of the %d data files that the commit adds", len(given.data), len(commit.Adds)), nil
}

func head(given options, out io.Writer) error {
	trust, raw, err := read(given, verify.HeadProofBytesMax)
	if err != nil {
		return err
	}
	found, err := verify.OpenHeadProof(raw, trust)
	if err != nil {
		return err
	}
	if given.tableID != "" {
		if err := found.CheckTable(given.tableID); err != nil {
			return err
		}
	}
	fmt.Fprintf(out, "%v\n%v\nnot checked: what was notarized after these %d leaves\n", found, found.Bound.Checkpoint,
		found.Size)
	return nil
}

func ledger(given options, out io.Writer) error {
	trust, err := verify.ReadTrust(given.trust)
	if err != nil {
		return err
	}
	var since []byte
	if given.since != "" {
		if since, err = verify.ReadFile(given.since, verify.NoteBytesMax); err != nil {
			return err
		}
	}
	found, err := verify.AuditLedger(given.operands[0], trust, since)
	if err != nil {
		return err
	}
	fmt.Fprintln(out, found.Checkpoint)
	subjects := make([]string, 0, len(found.Leaves))
	for subject := range found.Leaves {
		subjects = append(subjects, subject)
	}
	slices.Sort(subjects)
	for _, subject := range subjects {
		fmt.Fprintf(out, "%s: %d leaves\n", subject, len(found.Leaves[subject]))
	}
	return nil
}

func table(given options, out io.Writer) error {
	trust, err := verify.ReadTrust(given.trust)
	if err != nil {
		return err
	}
	notarized, err := verify.AuditLedger(given.ledger, trust, nil)
	if err != nil {
		return err
	}
	found, err := verify.AuditTable(given.operands[0], notarized, given.tableID)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%v\n%v\n", found, notarized.Checkpoint)
	for _, name := range found.Unbound {
		fmt.Fprintf(out, "not checked: %q, which nothing in the ledger binds\n", name)
	}
	return nil
}

func fork(given options, out io.Writer) error {
	trust, err := verify.ReadTrust(given.trust)
	if err != nil {
		return err
	}
	notes := make([][]byte, 2)
	for i, path := range given.operands {
		if notes[i], err = readEvidence(path, verify.NoteBytesMax); err != nil {
			return err
		}
	}
	var proof []byte
	if given.proof != "" {
		if proof, err = readEvidence(given.proof, verify.ForkProofBytesMax); err != nil {
			return err
		}
	}
	if err := verify.CheckFork(notes[0], notes[1], proof, trust.Policy); err != nil {
		return err
	}
	fmt.Fprintln(out, "the larger tree extends the smaller one: nothing contradicts")
	return nil
}

// readEvidence reads what may convict a ledger: a file that cannot be used convicts nobody.
func readEvidence(path string, bytesMax int64) ([]byte, error) {
	raw, err := verify.ReadFile(path, bytesMax)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", verify.ErrUndecided, err)
	}
	return raw, nil
}

func follow(given options, out io.Writer) error {
	epochs, err := verify.Follow(given.operands[0], given.trust)
	if err != nil {
		return err
	}
	for _, epoch := range epochs {
		fmt.Fprintln(out, epoch)
	}
	if len(epochs) == 0 {
		fmt.Fprintln(out, "the file has no later epoch than the trust directory")
	} else if given.output != "" {
		return writeTrust(given.output, epochs[len(epochs)-1])
	}
	return nil
}

// writeTrust makes a new trust directory of an epoch. One that is there is left as it is.
func writeTrust(directory string, epoch *verify.Epoch) error {
	err := os.Mkdir(directory, 0o755)
	for _, file := range []struct{ name, text string }{
		{"policy", epoch.Trust.Files.Policy}, {"writers", epoch.Trust.Files.Writers},
		{"epoch", fmt.Sprintf("%d\n", epoch.Number)},
	} {
		if err == nil {
			err = os.WriteFile(filepath.Join(directory, file.name), []byte(file.text), 0o644)
		}
	}
	if err != nil {
		// the changes hold, but whoever asked for the folder has not got it
		return fmt.Errorf("%w: %w", verify.ErrUndecided, err)
	}
	return nil
}

// read reads whom to trust, and the file that is to be checked.
func read(given options, bytesMax int64) (*verify.Trust, []byte, error) {
	trust, err := verify.ReadTrust(given.trust)
	if err != nil {
		return nil, nil, err
	}
	raw, err := verify.ReadFile(given.operands[0], bytesMax)
	return trust, raw, err
}
