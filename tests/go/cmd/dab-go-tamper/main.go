// dab-go-tamper changes bytes of everything that an auditor is handed, and counts what the verifier of this module says. It
// reads a folder with
//
//	trust/ public/ table/                                 a ledger and a table
//	receipt.tlog-proof commit.json data/ head.head-proof  proofs, and what one of them speaks of
//	changes before/                                       changes of members and writers, and whom to trust before them
//	fork/                                                 first, second and perhaps proof: evidence of a fork
//
// works on the files in place and leaves them as they were, and prints what was accepted, as JSON.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
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
	offsets := flag.Int("table-offsets", math.MaxInt, "offsets tried of each file of the table, evenly spread")
	flag.Parse()
	if flag.NArg() != 1 || *offsets < 1 {
		fmt.Fprintln(os.Stderr, "usage: dab-go-tamper [-table-offsets N] FOLDER")
		os.Exit(64)
	}
	tallies, err := tamper(flag.Arg(0), *offsets)
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(tallies)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// tamper changes every file in turn. The honest ones must be accepted, or nothing was shown.
func tamper(folder string, tableOffsets int) (map[string]tally, error) {
	given, err := open(folder)
	if err != nil {
		return nil, fmt.Errorf("the honest files are refused: %w", err)
	}
	tallies := map[string]tally{}
	err = filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name := filepath.ToSlash(strings.TrimPrefix(path, folder+string(filepath.Separator)))
		offsets := math.MaxInt
		if strings.HasPrefix(name, "table/") {
			offsets = tableOffsets
		}
		if check := given.checkOf(name); check != nil {
			tallies[name], err = campaign(path, offsets, check)
		}
		return err
	})
	return tallies, err
}

// campaign makes every change at the offsets of a file and puts the honest bytes back.
func campaign(path string, offsets int, check func() error) (tally, error) {
	found := tally{Accepted: []change{}}
	honest, err := os.ReadFile(path)
	if err != nil {
		return found, err
	}
	tried := min(len(honest), offsets)
	for number := range tried {
		at := number * len(honest) / tried
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
