// Package verify checks DAB's public files without any code of DAB's: signatures with golang.org/x/mod/sumdb/note and
// github.com/transparency-dev/formats, trees with golang.org/x/mod/sumdb/tlog and github.com/transparency-dev/merkle.
// What is written here is what these packages leave to their callers: the trust directory, DAB's leaf, its head map,
// commit files and tables, and the rule that every text has one spelling.
//
// Every check gives an error. One that wraps ErrUndecided means that nothing was found wrong, but something that would
// decide cannot be read; any other means that the evidence contradicts what it claims.
package verify

import (
	"errors"
	"fmt"
)

// ErrUndecided is in an error's chain when a file that would decide cannot be used.
var ErrUndecided = errors.New("undecided")

// Exit statuses, the same as those of dab-verify.
const (
	Valid     = 0
	Invalid   = 1
	Undecided = 2
)

// ExitStatus is the verdict that an error stands for.
func ExitStatus(err error) int {
	switch {
	case err == nil:
		return Valid
	case errors.Is(err, ErrUndecided):
		return Undecided
	default:
		return Invalid
	}
}

func undecided(err error) error {
	return fmt.Errorf("%w: %w", ErrUndecided, err)
}
