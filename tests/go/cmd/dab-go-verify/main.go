// dab-go-verify checks DAB's public files with Go's standard packages for transparency logs, without any code of DAB's.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"slices"

	"dab/tests/go/verify"
)

const usage = `Checks DAB's public files without DAB.

Usage:
  dab-go-verify checkpoint FILE --trust DIR
  dab-go-verify proof FILE --trust DIR [--commit FILE]
  dab-go-verify head FILE --trust DIR [--table-id ID]
  dab-go-verify ledger DIR --trust DIR [--since FILE]

Verbs:
  checkpoint  signatures of a checkpoint, and the quorum of its witnesses
  proof       one receipt (.tlog-proof); with its commit file, that too
  head        one head proof (.head-proof): which leaf of a subject is its last, or
              that it has none, among the ledger's first leaves
  ledger      every entry, leaf and tile below a folder of public files; with
              an older checkpoint, that the ledger only grew since

Exit status: 0 valid, 1 invalid, 2 undecided, 64 the command line is wrong.
`

// Told apart from every verdict.
const wrongCommandLine = 64

const commitBytesMax = 1 << 30

type options struct {
	operand, trust, commit, since, tableID string
}

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// run prints what was found and returns the exit status.
func run(arguments []string, out, complaints io.Writer) int {
	verbs := map[string]func(options, io.Writer) error{
		"checkpoint": checkpoint, "proof": proof, "head": head, "ledger": ledger,
	}
	if len(arguments) > 0 && slices.Contains([]string{"-h", "--help"}, arguments[0]) {
		fmt.Fprint(out, usage)
		return verify.Valid
	}
	var check func(options, io.Writer) error
	if len(arguments) > 0 {
		check = verbs[arguments[0]]
	}
	given, ok := options{}, check != nil
	if ok {
		given, ok = parse(arguments[0], arguments[1:])
	}
	if !ok {
		fmt.Fprint(complaints, usage)
		return wrongCommandLine
	}
	err := check(given, out)
	status := verify.ExitStatus(err)
	switch status {
	case verify.Valid:
		fmt.Fprintln(out, "VALID")
	case verify.Undecided:
		fmt.Fprintf(complaints, "UNDECIDED: %q\n", err)
	default:
		fmt.Fprintf(complaints, "INVALID: %q\n", err)
	}
	return status
}

// parse reads the operand and the options of a verb, in any order.
func parse(verb string, arguments []string) (options, bool) {
	var given options
	flags := flag.NewFlagSet(verb, flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&given.trust, "trust", "", "")
	switch verb {
	case "proof":
		flags.StringVar(&given.commit, "commit", "", "")
	case "head":
		flags.StringVar(&given.tableID, "table-id", "", "")
	case "ledger":
		flags.StringVar(&given.since, "since", "", "")
	}
	var operands []string
	for len(arguments) > 0 {
		if flags.Parse(arguments) != nil {
			return given, false
		}
		if arguments = flags.Args(); len(arguments) > 0 {
			operands, arguments = append(operands, arguments[0]), arguments[1:]
		}
	}
	if len(operands) != 1 || given.trust == "" {
		return given, false
	}
	given.operand = operands[0]
	return given, true
}

func checkpoint(given options, out io.Writer) error {
	trust, err := verify.ReadTrust(given.trust)
	if err != nil {
		return err
	}
	raw, err := verify.ReadFile(given.operand, verify.NoteBytesMax)
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
	trust, err := verify.ReadTrust(given.trust)
	if err != nil {
		return err
	}
	raw, err := verify.ReadFile(given.operand, verify.ReceiptBytesMax)
	if err != nil {
		return err
	}
	receipt, err := verify.OpenReceipt(raw, trust)
	if err != nil {
		return err
	}
	unchecked := "the commit file"
	if given.commit != "" {
		body, err := verify.ReadFile(given.commit, commitBytesMax)
		if err != nil {
			return err
		}
		if err := receipt.Leaf.CheckBody(body); err != nil {
			return err
		}
		unchecked = "the data files that the commit file adds"
	}
	fmt.Fprintf(out, "%v\n%v\nnot checked: %s\n", receipt, receipt.Checkpoint, unchecked)
	return nil
}

func head(given options, out io.Writer) error {
	trust, err := verify.ReadTrust(given.trust)
	if err != nil {
		return err
	}
	raw, err := verify.ReadFile(given.operand, verify.HeadProofBytesMax)
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
	found, err := verify.AuditLedger(given.operand, trust, since)
	if err != nil {
		return err
	}
	fmt.Fprintln(out, found.Checkpoint)
	subjects := make([]string, 0, len(found.Heads))
	for subject := range found.Heads {
		subjects = append(subjects, subject)
	}
	slices.Sort(subjects)
	for _, subject := range subjects {
		fmt.Fprintf(out, "%s: %d leaves\n", subject, found.Heads[subject].Sequence+1)
	}
	return nil
}
