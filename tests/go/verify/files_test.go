package verify

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

func TestFilesAreReadUpToTheirLimit(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	must(t, os.WriteFile(path, []byte("four"), 0o644))
	_, err := ReadFile(path, 4)
	expect(t, "a file as long as it may be", err, Valid)
	_, err = ReadFile(path, 3)
	expect(t, "a file that is too long", err, Invalid)
	_, err = ReadFile(path+"s", 4)
	expect(t, "a file that is not there", err, Undecided)
}

func TestNothingIsReadBeyondTheSizeNorOfAFileThatIsTooLong(t *testing.T) {
	endless := func(size int64) *regularFile {
		return &regularFile{io.NopCloser(zeros{}), "endless", size}
	}
	raw, err := endless(3).readWhole(3)
	if string(raw) != "\x00\x00\x00" || err != nil {
		t.Errorf("%q, %v", raw, err)
	}
	raw, err = endless(3).readStart(2)
	if string(raw) != "\x00\x00" || err != nil {
		t.Errorf("%q, %v", raw, err)
	}
	unreadable := &regularFile{io.NopCloser(iotest.ErrReader(errors.New("it was read"))), "unreadable", 5}
	_, err = unreadable.readWhole(4)
	expect(t, "a file that is too long", err, Invalid)
	_, err = (&Leaf{bytes: 4}).readCommit(unreadable)
	expect(t, "a commit file of another size", err, Invalid)
	found, err := digestOf(unreadable, []DataFile{{size: 4}})
	expect(t, "a data file of a size that nothing names", err, Valid)
	if found.is(DataFile{size: 4}) {
		t.Error("it is taken for another")
	}
}

// zeros never end.
type zeros struct{}

func (zeros) Read(into []byte) (int, error) {
	clear(into)
	return len(into), nil
}

func TestAFileThatStatesNoSizeButHasAnEndlessTextCountsAsEmpty(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("not Linux: no such files")
	}
	raw, err := ReadFile("/proc/self/maps", 1<<20)
	if len(raw) != 0 || err != nil {
		t.Errorf("%q, %v", raw, err)
	}
}

func TestATableIsKnownByTheBeginningOfItsFirstCommits(t *testing.T) {
	const id = `{"commitInfo":{"dab":{"tableId":"t","version":0}}}` + "\n"
	for what, table := range map[string]struct {
		commits []string
		bytes   int64 // to which the first is blown up
		status  int
	}{
		"its first line":                   {[]string{id}, 0, Valid},
		"behind another action":            {[]string{`{"protocol":{}}` + "\n" + id}, 0, Valid},
		"behind a line that is none":       {[]string{"\n" + id}, 0, Valid},
		"before what cannot be read":       {[]string{id}, 1 << 40, Valid},
		"cut off":                          {[]string{strings.Repeat(" ", identifyBytesMax-9) + id}, 0, Undecided},
		"a later commit":                   {[]string{"no JSON", `{"add":{}}`, id}, 0, Valid},
		"the last that is asked":           {append(slices.Repeat([]string{"{}"}, identifyCommitsMax-1), id), 0, Valid},
		"one too late":                     {append(slices.Repeat([]string{"{}"}, identifyCommitsMax), id), 0, Undecided},
		"nowhere":                          {[]string{`{"commitInfo":{}}`}, 0, Undecided},
		"nowhere, and a file is no commit": {[]string{"{}", "no JSON"}, 0, Invalid},
		"nowhere, and a file is empty":     {[]string{""}, 0, Invalid},
		"nowhere in so much":               {[]string{""}, 1 << 40, Undecided},
	} {
		directory := t.TempDir()
		for version, commit := range table.commits {
			write(t, directory, commitName(uint64(version)), []byte(commit))
		}
		if table.bytes > 0 {
			must(t, os.Truncate(filepath.Join(directory, commitName(0)), table.bytes))
		}
		folder, err := os.OpenRoot(directory)
		must(t, err)
		log, err := readLog(folder)
		must(t, err)
		found, err := log.identify(folder)
		expect(t, what, err, table.status)
		if (found == "t") != (table.status == Valid) {
			t.Errorf("%s: the id reads as %q", what, found)
		}
		must(t, folder.Close())
	}
}
