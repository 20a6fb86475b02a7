package verify

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
)

const trustBytesMax = 1 << 20

// Trust is what an auditor got once: whose checkpoints count, and who may write what.
type Trust struct {
	Policy  *Policy
	Writers []Writer
	// Files are what it was read from.
	Files TrustFiles
}

// TrustFiles are the contents of the files policy and writers of a trust directory.
type TrustFiles struct {
	Policy, Writers string
}

// ReadTrust reads the files policy and writers of a trust directory. Whoever cannot say what they trust cannot decide.
func ReadTrust(directory string) (*Trust, error) {
	var files [2][]byte
	for i, name := range []string{"policy", "writers"} {
		var err error
		if files[i], err = ReadFile(filepath.Join(directory, name), trustBytesMax); err != nil {
			return nil, undecided(err)
		}
	}
	trust, err := ParseTrust(files[0], files[1])
	if err != nil {
		return nil, undecided(err)
	}
	return trust, nil
}

// ParseTrust reads the contents of these two files. One key has one role.
func ParseTrust(policy, writers []byte) (*Trust, error) {
	parsed, err := ParsePolicy(policy)
	if err != nil {
		return nil, err
	}
	lines, err := trustLines(writers)
	if err != nil {
		return nil, fmt.Errorf("writers: %w", err)
	}
	trust := &Trust{Policy: parsed, Files: TrustFiles{string(policy), string(writers)}}
	roles := parsed.keys()
	for _, line := range lines {
		writer, err := parseWriter(line)
		if err != nil {
			return nil, fmt.Errorf("writers: %w", err)
		}
		for _, other := range roles {
			if other.public == writer.public {
				return nil, fmt.Errorf("writers: %s has the public key of %s", writer.Name(), other.Name())
			}
		}
		roles = append(roles, writer.Key)
		trust.Writers = append(trust.Writers, writer)
	}
	return trust, nil
}

// trustLines splits a trust file into lines and these into words, without comments. Octets above 0x7f mean nothing special.
func trustLines(raw []byte) ([][]string, error) {
	if len(raw) > 0 && !bytes.HasSuffix(raw, []byte("\n")) {
		return nil, errors.New("the last line does not end")
	}
	for _, octet := range raw {
		if octet < 0x20 && octet != '\t' && octet != '\n' || octet == 0x7f {
			return nil, fmt.Errorf("it has the control character %#02x", octet)
		}
	}
	var lines [][]string
	for line := range strings.Lines(string(raw)) {
		words := wordsOf(line)
		if len(words) > 0 && !strings.HasPrefix(words[0], "#") {
			lines = append(lines, words)
		}
	}
	return lines, nil
}

const blanks = " \t"

// wordsOf splits one line, with its end or without.
func wordsOf(line string) []string {
	isBlank := func(letter rune) bool { return strings.ContainsRune(blanks, letter) }
	return strings.FieldsFunc(strings.TrimSuffix(line, "\n"), isBlank)
}
