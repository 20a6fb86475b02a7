package verify

import (
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"strings"
)

const (
	revokedWord     = "revoked"
	trustBytesMax   = 1 << 20
	subjectBytesMax = 255
)

// Trust is what an auditor got once: whose checkpoints count, and who may write what.
type Trust struct {
	Policy  *Policy
	Writers []Writer
}

// Writer is a key and the subjects that it may write, as they stand in the file writers. Of a revoked key, the leaves
// below an index count.
type Writer struct {
	Key
	Globs       []string
	Revoked     bool
	RevokedFrom uint64
}

// ReadTrust reads the files policy and writers of a trust directory. Whoever cannot say what they trust cannot decide.
func ReadTrust(directory string) (*Trust, error) {
	policy, writers, err := readTrustTexts(directory)
	if err != nil {
		return nil, err
	}
	trust, err := ParseTrust(policy, writers)
	if err != nil {
		return nil, undecided(err)
	}
	return trust, nil
}

func readTrustTexts(directory string) (policy, writers []byte, err error) {
	if policy, err = ReadFile(filepath.Join(directory, "policy"), trustBytesMax); err != nil {
		return nil, nil, undecided(err)
	}
	if writers, err = ReadFile(filepath.Join(directory, "writers"), trustBytesMax); err != nil {
		return nil, nil, undecided(err)
	}
	return policy, writers, nil
}

// ParseTrust reads the contents of these two files. One key has one role.
func ParseTrust(policy, writers []byte) (*Trust, error) {
	parsed, err := ParsePolicy(policy)
	if err != nil {
		return nil, err
	}
	lines, err := words(writers)
	if err != nil {
		return nil, fmt.Errorf("writers: %w", err)
	}
	trust, roles := &Trust{Policy: parsed}, parsed.keys()
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

func parseWriter(line []string) (Writer, error) {
	if line[0] == revokedWord {
		return parseRevoked(line[1:])
	}
	key, err := parseKey(line[0], typeEd25519)
	if err != nil {
		return Writer{}, err
	}
	globs := line[1:]
	if len(globs) == 0 {
		return Writer{}, fmt.Errorf("%s may write no subject", key.Name())
	}
	for _, glob := range globs {
		if strings.Contains(strings.TrimSuffix(glob, "*"), "*") || !isSubject(glob) {
			return Writer{}, fmt.Errorf("%s: %.60q is no subject, and * may stand only at its end", key.Name(), glob)
		}
	}
	return Writer{Key: key, Globs: globs}, nil
}

// parseRevoked reads what stands behind the word revoked: a leaf index, and what stands in the line of any key.
func parseRevoked(line []string) (Writer, error) {
	if len(line) < 2 || line[1] == revokedWord {
		return Writer{}, errors.New("a revoked key lacks its leaf index or itself")
	}
	from, err := decodeNumber(line[0])
	if err == nil && from > math.MaxInt64 {
		err = fmt.Errorf("%d is beyond every tree", from)
	}
	if err != nil {
		return Writer{}, err
	}
	writer, err := parseWriter(line[1:])
	writer.Revoked, writer.RevokedFrom = true, from
	return writer, err
}

// counts says whether the writer's leaf at an index is one from before it was revoked.
func (writer Writer) counts(index uint64) bool {
	return !writer.Revoked || index < writer.RevokedFrom
}

func (writer Writer) allows(subject string) bool {
	for _, glob := range writer.Globs {
		prefix, open := strings.CutSuffix(glob, "*")
		if subject == glob || open && strings.HasPrefix(subject, prefix) {
			return true
		}
	}
	return false
}

// isSubject says whether a text can be a subject: ASCII without spaces.
func isSubject(text string) bool {
	beyond := func(letter rune) bool { return letter <= ' ' || letter >= 0x7f }
	return text != "" && len(text) <= subjectBytesMax && strings.IndexFunc(text, beyond) < 0
}
