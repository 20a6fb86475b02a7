// Package verify checks DAB's public files without any code of DAB's: signatures with golang.org/x/mod/sumdb/note and
// github.com/transparency-dev/formats, trees with golang.org/x/mod/sumdb/tlog and github.com/transparency-dev/merkle.
// What is written here is what these packages leave to their callers: the trust directory, DAB's leaf, its head map,
// commit files and tables, and the rule that every text has one spelling.
//
// Every check gives an error. One that wraps ErrUndecided means that nothing was found wrong, but something that would
// decide cannot be read; any other means that the evidence contradicts what it claims.
package verify

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
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

// ReadFile reads a file of at most bytesMax bytes. One that cannot be read leaves it undecided, a longer one is invalid.
func ReadFile(path string, bytesMax int64) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, undecided(err)
	}
	defer file.Close()
	return readAll(file, path, bytesMax)
}

func readAll(file io.Reader, path string, bytesMax int64) ([]byte, error) {
	raw, err := io.ReadAll(io.LimitReader(file, bytesMax+1))
	if err != nil {
		return nil, undecided(err)
	}
	if int64(len(raw)) > bytesMax {
		return nil, fmt.Errorf("%s is longer than %d bytes", path, bytesMax)
	}
	return raw, nil
}

// decodeBase64 reads padded base64 in its one spelling. The standard decoder alone takes stray bits in the padding and
// line ends anywhere.
func decodeBase64(text string) ([]byte, error) {
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil || base64.StdEncoding.EncodeToString(raw) != text {
		return nil, fmt.Errorf("%.60q is not canonical base64", text)
	}
	return raw, nil
}

// decodeNumber reads a decimal number without sign or leading zeros.
func decodeNumber(text string) (uint64, error) {
	number, err := strconv.ParseUint(text, 10, 64)
	if err != nil || strconv.FormatUint(number, 10) != text {
		return 0, fmt.Errorf("%.60q is not a canonical number", text)
	}
	return number, nil
}
