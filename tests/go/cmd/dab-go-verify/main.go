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
  dab-go-verify proof FILE --trust DIR [--commit FILE [--data FILE]...]
  dab-go-verify head FILE --trust DIR [--table-id ID]
  dab-go-verify ledger DIR --trust DIR [--since FILE]
  dab-go-verify table DIR --trust DIR --ledger DIR [--table-id ID]
  dab-go-verify fork FIRST SECOND --trust DIR [--proof FILE]
  dab-go-verify follow FILE --trust DIR [--output DIR]

Verbs:
  checkpoint  signatures of a checkpoint, and the quorum of its witnesses
  proof       one receipt (.tlog-proof); with its commit file and data files,
              those too
  head        one head proof (.head-proof): which leaf of a subject is its last, or
              that it has none, among the ledger's first leaves
  ledger      every entry, leaf and tile below a folder of public files; with
              an older checkpoint, that the ledger only grew since
  table       a ledger as above, and a table's folder against it: every commit
              file, and the contents of every data file
  fork        two checkpoints of one ledger: do they contradict each other?
  follow      changes of members and writers (trust/changes): whom to trust
              now; --output makes a folder with their policy and writers

Exit status: 0 valid, 1 invalid, 2 undecided, 64 the command line is wrong.
`

// Told apart from every verdict.
const wrongCommandLine = 64

type options struct {
	operands                                             []string
	trust, commit, since, tableID, ledger, proof, output string
	data                                                 []string
}

// verb is one check of the command line: what it takes, and what it does.
type verb struct {
	check    func(options, io.Writer) error
	operands int
	takes    []string
	needs    []string
}

var verbs = map[string]verb{
	"checkpoint": {check: checkpoint, operands: 1},
	"proof":      {check: proof, operands: 1, takes: []string{"commit", "data"}},
	"head":       {check: head, operands: 1, takes: []string{"table-id"}},
	"ledger":     {check: ledger, operands: 1, takes: []string{"since"}},
	"table":      {check: table, operands: 1, takes: []string{"table-id", "ledger"}, needs: []string{"ledger"}},
	"fork":       {check: fork, operands: 2, takes: []string{"proof"}},
	"follow":     {check: follow, operands: 1, takes: []string{"output"}},
}

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// run prints what was found and returns the exit status.
func run(arguments []string, out, complaints io.Writer) int {
	if len(arguments) > 0 && slices.Contains([]string{"-h", "--help"}, arguments[0]) {
		fmt.Fprint(out, usage)
		return verify.Valid
	}
	given, check := parse(arguments)
	if check == nil {
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

// parse reads a verb, its operands and its options, in any order. There is no check for a wrong command line.
func parse(arguments []string) (options, func(options, io.Writer) error) {
	var given options
	if len(arguments) == 0 || verbs[arguments[0]].check == nil {
		return given, nil
	}
	verb := verbs[arguments[0]]
	flags := flag.NewFlagSet(arguments[0], flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&given.trust, "trust", "", "")
	values := map[string]*string{
		"commit": &given.commit, "since": &given.since, "table-id": &given.tableID, "ledger": &given.ledger,
		"proof": &given.proof, "output": &given.output,
	}
	for _, name := range verb.takes {
		if name == "data" {
			flags.Func(name, "", func(path string) error { given.data = append(given.data, path); return nil })
		} else {
			flags.StringVar(values[name], name, "", "")
		}
	}
	arguments = arguments[1:]
	for len(arguments) > 0 {
		if flags.Parse(arguments) != nil {
			return given, nil
		}
		if arguments = flags.Args(); len(arguments) > 0 {
			given.operands, arguments = append(given.operands, arguments[0]), arguments[1:]
		}
	}
	missing := func(name string) bool { return *values[name] == "" }
	wrong := len(given.operands) != verb.operands || given.trust == "" || slices.ContainsFunc(verb.needs, missing) ||
		len(given.data) > 0 && given.commit == ""
	if wrong {
		return given, nil
	}
	return given, verb.check
}
