package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"dab/tests/go/verify"
)

func TestExitStatuses(t *testing.T) {
	trust := t.TempDir()
	for name, content := range map[string]string{"policy": "quorum none\n", "writers": "", "file": "no note"} {
		if err := os.WriteFile(filepath.Join(trust, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(trust, "file")
	for line, status := range map[string]int{
		"--help":                              verify.Valid,
		"":                                    wrongCommandLine,
		"audit " + file + " --trust " + trust: wrongCommandLine,
		"proof " + file:                       wrongCommandLine,
		"proof --trust " + trust:              wrongCommandLine,
		"proof " + file + " more --trust " + trust:                      wrongCommandLine,
		"ledger " + trust + " --trust " + trust + " -x":                 wrongCommandLine,
		"checkpoint " + file + " --since " + file + " --trust " + trust: wrongCommandLine,
		"head " + file + " --trust " + trust + " --commit " + file:      wrongCommandLine,
		"proof " + file + " --trust " + trust + " --table-id t":         wrongCommandLine,
		"head " + file + " --trust " + trust + " --table-id t":          verify.Invalid,
		"proof " + file + " --trust " + trust + " --data " + file:       wrongCommandLine,
		"table " + trust + " --trust " + trust:                          wrongCommandLine,
		"table " + trust + " --trust " + trust + " --ledger nowhere":    verify.Undecided,
		"fork " + file + " --trust " + trust:                            wrongCommandLine,
		"fork " + file + " " + file + " --trust " + trust:               verify.Undecided,
		"fork " + file + " nowhere --trust " + trust:                    verify.Undecided,
		"follow " + file + " --trust " + trust + " --since " + file:     wrongCommandLine,
		"follow " + file + " --trust " + trust:                          verify.Invalid,
		"follow nowhere --trust " + trust:                               verify.Undecided,
		"head nowhere --trust " + trust:                                 verify.Undecided,
		"checkpoint --trust " + trust + " " + file:                      verify.Invalid,
		"checkpoint " + file + " --trust " + trust:                      verify.Invalid,
		"proof " + file + " --trust=" + trust:                           verify.Invalid,
		"proof nowhere --trust " + trust:                                verify.Undecided,
		"proof " + file + " --trust nowhere":                            verify.Undecided,
		"ledger " + trust + " --trust " + trust:                         verify.Undecided,
		"ledger " + trust + " --trust " + trust + " --since nowhere":    verify.Undecided,
	} {
		var out, complaints bytes.Buffer
		if got := run(strings.Fields(line), &out, &complaints); got != status {
			t.Errorf("%q exits with %d instead of %d: %s%s", line, got, status, &out, &complaints)
		}
		if status != verify.Valid && (complaints.Len() == 0 || out.Len() != 0) {
			t.Errorf("%q does not say why: %s%s", line, &out, &complaints)
		}
	}
}
