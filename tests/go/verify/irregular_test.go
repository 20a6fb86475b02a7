//go:build unix

package verify

import (
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// What is no regular file, each as somebody could hand it to an auditor: a pipe makes whoever opens it wait, a device has
// no end.
var irregular = map[string]func(path string) error{
	"a pipe":   func(path string) error { return syscall.Mkfifo(path, 0o644) },
	"a device": func(path string) error { return os.Symlink("/dev/zero", path) },
	"a folder": func(path string) error { return os.Mkdir(path, 0o755) },
	"a loop":   func(path string) error { return os.Symlink(path, path) },
}

func TestWhatIsNoRegularFileIsRefusedWithoutBeingOpened(t *testing.T) {
	for what, make := range irregular {
		path := filepath.Join(t.TempDir(), "file")
		must(t, make(path))
		_, err := openRegular(path, os.Stat, func(string) (*os.File, error) {
			t.Errorf("%s was opened", what)
			return nil, fs.ErrInvalid
		})
		expect(t, what, err, Undecided)
	}
}

func TestWhatIsNoRegularFileAnyMoreOnceItIsOpenIsRefused(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	must(t, os.WriteFile(file, nil, 0o644))
	_, err := openRegular(file, os.Stat, func(string) (*os.File, error) { return os.Open("/dev/zero") })
	expect(t, "a device in the place of a file", err, Undecided)
}

func TestNoCheckHangsOnWhatIsNoRegularFile(t *testing.T) {
	ledger, table := madeTable(t)
	public, trust := ledger.issue(t), t.TempDir()
	write(t, trust, "policy", []byte("quorum none\n"))
	write(t, trust, "writers", nil)
	write(t, trust, "changes", nil)
	changes := filepath.Join(trust, "changes")
	leaf, err := OpenLeaf(ledger.entries[1], ledger.trust, madeOrigin, 1)
	must(t, err)
	commit, err := leaf.OpenCommit(filepath.Join(table, commitName(1)))
	must(t, err)
	audited, err := AuditLedger(public, ledger.trust, nil)
	must(t, err)
	dataFile, commitFile := filepath.Join(table, "p=1/c"), filepath.Join(table, commitName(2))
	auditTable := func() error { _, err := AuditTable(table, audited, ""); return err }
	auditLedger := func() error { _, err := AuditLedger(public, ledger.trust, nil); return err }
	for path, check := range map[string]func() error{
		filepath.Join(table, commitName(0)):           auditTable,
		filepath.Join(table, commitName(1)):           auditTable,
		filepath.Join(table, "d"):                     auditTable,
		dataFile:                                      func() error { return commit.CheckData(dataFile) },
		commitFile:                                    func() error { _, err := leaf.OpenCommit(commitFile); return err },
		filepath.Join(public, "checkpoint"):           auditLedger,
		filepath.Join(public, "tile/0/000.p/4"):       auditLedger,
		filepath.Join(public, "tile/entries/000.p/4"): auditLedger,
		filepath.Join(trust, "policy"):                func() error { _, err := ReadTrust(trust); return err },
		filepath.Join(trust, "writers"):               func() error { _, err := ReadTrust(trust); return err },
		filepath.Join(trust, "epoch"):                 func() error { _, err := Follow(changes, trust); return err },
		changes:                                       func() error { _, err := Follow(changes, trust); return err },
	} {
		for what, make := range irregular {
			aside := path + ".aside"
			moved := os.Rename(path, aside)
			must(t, make(path))
			expect(t, what+" as "+path, promptly(t, path, check), Undecided)
			must(t, os.Remove(path))
			if moved == nil {
				must(t, os.Rename(aside, path))
			}
		}
	}
}

func TestNoCheckHangsOnAPipeInThePlaceOfAFolder(t *testing.T) {
	pipe, table := filepath.Join(t.TempDir(), "pipe"), t.TempDir()
	log := filepath.Join(table, deltaLog)
	must(t, syscall.Mkfifo(pipe, 0o644))
	must(t, syscall.Mkfifo(log, 0o644))
	for what, of := range map[string]struct {
		path  string
		check func() error
	}{
		"table":           {pipe, func() error { _, err := AuditTable(pipe, &Ledger{}, ""); return err }},
		"ledger":          {pipe, func() error { _, err := AuditLedger(pipe, &Trust{}, nil); return err }},
		"trust directory": {pipe, func() error { _, err := ReadTrust(pipe); return err }},
		"log":             {log, func() error { _, err := AuditTable(table, &Ledger{}, ""); return err }},
	} {
		expect(t, "a pipe as a "+what, promptly(t, of.path, of.check), Undecided)
	}
}

// promptly gives what a check finds. It fails as soon as the check waits for a writer of the pipe at path.
func promptly(t *testing.T, path string, check func() error) error {
	t.Helper()
	info, err := os.Lstat(path)
	must(t, err)
	if info.Mode().Type() != fs.ModeNamedPipe {
		return check()
	}
	found := make(chan error, 1)
	go func() { found <- check() }()
	// this waits for a reader: nobody is to become one
	writing := make(chan *os.File, 1)
	go func() {
		pipe, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			t.Error(err)
		}
		writing <- pipe
	}()
	select {
	case pipe := <-writing:
		t.Errorf("%s was opened", path)
		pipe.Close()
		return <-found
	case err := <-found:
		reader, opened := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
		must(t, opened)
		(<-writing).Close()
		reader.Close()
		return err
	}
}
