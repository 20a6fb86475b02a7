package verify

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
)

const (
	revokedWord     = "revoked"
	subjectBytesMax = 255
)

// Writer is a key and the subjects that it may write, as they stand in the file writers. Of a revoked key, the leaves
// below an index count.
type Writer struct {
	Key
	Globs       []string
	Revoked     bool
	RevokedFrom uint64
}

// counts says whether the writer's leaf at an index is one from before it was revoked.
func (writer Writer) counts(index uint64) bool {
	return !writer.Revoked || index < writer.RevokedFrom
}

func (writer Writer) allows(subject string) bool {
	return slices.ContainsFunc(writer.Globs, func(glob string) bool {
		prefix, open := strings.CutSuffix(glob, "*")
		return subject == glob || open && strings.HasPrefix(subject, prefix)
	})
}

// parseWriter reads the words of a line.
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

// isSubject says whether a text can be a subject: ASCII without spaces.
func isSubject(text string) bool {
	beyond := func(letter rune) bool { return letter <= ' ' || letter >= 0x7f }
	return text != "" && len(text) <= subjectBytesMax && strings.IndexFunc(text, beyond) < 0
}

// numberRevoked writes from which leaf on the keys count no more that a change revokes: in the text that is signed their
// lines have no index yet, since nobody knows it then.
func numberRevoked(writers string, from uint64) string {
	var numbered strings.Builder
	for line := range strings.Lines(writers) {
		words := wordsOf(line)
		if len(words) == 0 || words[0] != revokedWord || len(words) > 1 && isNumber(words[1]) {
			numbered.WriteString(line)
			continue
		}
		numbered.WriteString(revokedLine(strings.TrimPrefix(strings.TrimLeft(line, blanks), revokedWord), from))
	}
	return numbered.String()
}

// checkSuccession says whether every line of the writers before is there after a change: as it was, or revoked now.
func checkSuccession(before, after string, from uint64) error {
	later := strings.SplitAfter(after, "\n")
	for number, line := range strings.SplitAfter(before, "\n") {
		if line != "" && (number >= len(later) || later[number] != line && later[number] != revokedLine(line, from)) {
			return fmt.Errorf("line %d of the writers before is neither as it was nor revoked from leaf %d on", number+1, from)
		}
	}
	return nil
}

// revokedLine is the line of a key once it is revoked.
func revokedLine(line string, from uint64) string {
	return fmt.Sprintf("%s %d %s", revokedWord, from, strings.TrimLeft(line, blanks))
}

func isNumber(word string) bool {
	_, err := decodeNumber(word)
	return err == nil
}
