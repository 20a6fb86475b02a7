package verify

import (
	"encoding/hex"
	"fmt"
	"io"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"lukechampine.com/blake3"
)

// DataFile is a file that a commit adds to its table.
type DataFile struct {
	// Path as it stands in the action, percent-encoded.
	Path string
	// stored is the path below the table's folder.
	stored string
	size   uint64
	blake3 string // none in commits that DAB did not write
}

// CheckData holds a data file against the files that the commit adds, by as much of its path as is known: those count
// which share the most segments with it, from the end.
func (commit *Commit) CheckData(path string) error {
	given, most := segments(path), 0
	var candidates []DataFile
	for _, add := range commit.Adds {
		shared := max(sharedSegments(add.Path, given), sharedSegments(add.stored, given))
		if shared > most {
			most, candidates = shared, nil
		}
		if shared > 0 && shared == most {
			candidates = append(candidates, add)
		}
	}
	if len(candidates) == 0 {
		return fmt.Errorf("%.200q: the commit adds no file of this name", path)
	}
	file, err := openFile(path)
	if err != nil {
		return err
	}
	defer file.Close()
	found, err := digestOf(file, candidates)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(candidates, found.is) {
		return fmt.Errorf("%.200q is not the data file that the commit adds", path)
	}
	return nil
}

// fileDigest is what a file was found to be.
type fileDigest struct {
	size   uint64
	blake3 string // none where the size decides
}

func (found fileDigest) is(add DataFile) bool {
	return found == fileDigest{add.size, add.blake3}
}

// digestOf hashes a file as it streams, since data files need not fit into memory; but none of a size that no action
// names, however large.
func digestOf(file *regularFile, adds []DataFile) (fileDigest, error) {
	found := fileDigest{size: uint64(file.size)}
	if !slices.ContainsFunc(adds, func(add DataFile) bool { return add.size == found.size }) {
		return found, nil
	}
	hasher := blake3.New(32, nil)
	if _, err := io.Copy(hasher, io.LimitReader(file, file.size)); err != nil {
		return found, undecided(err)
	}
	found.blake3 = hex.EncodeToString(hasher.Sum(nil))
	return found, nil
}

// segments of a path as an operating system writes it, the last one first.
func segments(path string) []string {
	parts := strings.Split(filepath.ToSlash(path), "/")
	slices.Reverse(parts)
	return parts
}

func sharedSegments(path string, given []string) int {
	shared := 0
	for i, segment := range segments(path) {
		if i >= len(given) || given[i] != segment {
			break
		}
		shared++
	}
	return shared
}

var urlScheme = regexp.MustCompile(`\A[A-Za-z][A-Za-z0-9+.-]*:`)

// storedPath is a path of an action, percent-decoded once. Those that could lead outside the table's folder, or be read
// in two ways, are refused.
func storedPath(path string) (string, error) {
	stored := percentDecoded(path)
	if !utf8.ValidString(stored) {
		return "", fmt.Errorf("the path %.200q does not decode to UTF-8", path)
	}
	for _, spelling := range []string{path, stored} {
		if strings.ContainsFunc(spelling, unicode.IsControl) || strings.Contains(spelling, `\`) {
			return "", fmt.Errorf("the path %.200q has a control character or a backslash", path)
		}
		if urlScheme.MatchString(spelling) {
			return "", fmt.Errorf("the path %.200q is a URL", path)
		}
		if slices.ContainsFunc(strings.Split(spelling, "/"), leadsElsewhere) {
			return "", fmt.Errorf("the path %.200q is absolute or has an empty, . or .. segment", path)
		}
	}
	return stored, nil
}

func leadsElsewhere(segment string) bool { return segment == "" || segment == "." || segment == ".." }

// percentDecoded decodes %XX. A percent sign without two hex digits stands for itself, which url.PathUnescape refuses.
func percentDecoded(path string) string {
	var decoded strings.Builder
	for at := 0; at < len(path); at++ {
		if path[at] == '%' && at+2 < len(path) {
			if octet, err := strconv.ParseUint(path[at+1:at+3], 16, 8); err == nil {
				decoded.WriteByte(byte(octet))
				at += 2
				continue
			}
		}
		decoded.WriteByte(path[at])
	}
	return decoded.String()
}
