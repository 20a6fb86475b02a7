package main

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"dab/tests/go/verify"
)

func TestExitStatuses(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.Mkdir("trust", 0o755); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{"trust/policy": "quorum none\n", "trust/writers": "", "file": "no note"} {
		if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for status, lines := range map[int][]string{
		verify.Valid: {"-h", "--help"},
		verify.Invalid: {
			"checkpoint file --trust trust",
			"checkpoint --trust trust file",
			"proof file --trust=trust",
			"head file --trust trust --table-id t",
			"follow file --trust trust --output new",
		},
		verify.Undecided: {
			"proof nowhere --trust trust",
			"proof file --trust nowhere",
			"head nowhere --trust trust",
			"ledger trust --trust trust",
			"ledger trust --trust trust --since nowhere",
			"table trust --trust trust --ledger nowhere",
			"fork file file --trust trust",
			"fork file nowhere --trust trust",
			"follow nowhere --trust trust",
		},
		wrongCommandLine: {
			"",
			"audit file --trust trust",
			"checkpoint file --since file --trust trust",
			"proof file",
			"proof --trust trust",
			"proof file more --trust trust",
			"proof file --trust trust --table-id t",
			"proof file --trust trust --data file",
			"head file --trust trust --commit file",
			"ledger trust --trust trust -x",
			"table trust --trust trust",
			"fork file --trust trust",
			"follow file --trust trust --since file",
			"follow file --trust trust --write",
		},
	} {
		for _, line := range lines {
			var out, complaints bytes.Buffer
			if got := run(strings.Fields(line), &out, &complaints); got != status {
				t.Errorf("%q exits with %d instead of %d: %s%s", line, got, status, &out, &complaints)
			}
			if status != verify.Valid && (complaints.Len() == 0 || out.Len() != 0) {
				t.Errorf("%q does not say why: %s%s", line, &out, &complaints)
			}
		}
	}
}

func TestATrustDirectoryIsWrittenOnceAndNeverOver(t *testing.T) {
	t.Chdir(t.TempDir())
	epoch := &verify.Epoch{Number: 2, Trust: &verify.Trust{Files: verify.TrustFiles{Policy: "p\n", Writers: "w\n"}}}
	if err := writeTrust("new", epoch); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"policy": "p\n", "writers": "w\n", "epoch": "2\n"} {
		if written, err := os.ReadFile("new/" + name); err != nil || string(written) != text {
			t.Errorf("%s: %q, %v", name, written, err)
		}
	}
	if err := writeTrust("new", epoch); verify.ExitStatus(err) != verify.Undecided {
		t.Errorf("it was written over: %v", err)
	}
}
