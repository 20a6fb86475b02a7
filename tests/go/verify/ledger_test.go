package verify

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/mod/sumdb/tlog"
)

func TestLedgersOfManySizes(t *testing.T) {
	for _, size := range []int{0, 1, 2, 255, 256, 257, 600} {
		ledger := makeLedger(t, size, 0, "quorum none")
		public := ledger.issue(t)
		found, err := AuditLedger(public, ledger.trust, nil)
		must(t, err)
		if found.Checkpoint.Tree.N != int64(size) || len(found.Leaves) != min(size, 3) {
			t.Errorf("%d leaves: %v, %d subjects", size, found.Checkpoint, len(found.Leaves))
		}
		for _, older := range []int{0, 1, size / 2, 256, size - 1, size} {
			if older < 0 || older > size {
				continue
			}
			_, err := AuditLedger(public, ledger.trust, ledger.checkpoint(t, older))
			expect(t, fmt.Sprintf("%d leaves since %d", size, older), err, Valid)
		}
	}
}

func TestAnotherHistoryIsNoticed(t *testing.T) {
	ledger, other := makeLedger(t, 300, 0, "quorum none"), makeLedger(t, 2, 0, "quorum none")
	other.add(t, "catalog", other.writer) // forks at leaf 2
	for len(other.entries) < 300 {
		other.add(t, "table/1", other.writer)
	}
	public := ledger.issue(t)
	for size, status := range map[int]int{1: Valid, 2: Valid, 3: Invalid, 256: Invalid, 300: Invalid} {
		_, err := AuditLedger(public, ledger.trust, other.checkpoint(t, size))
		expect(t, fmt.Sprintf("the fork's checkpoint of %d leaves", size), err, status)
	}
	_, err := AuditLedger(makeLedger(t, 299, 0, "quorum none").issue(t), ledger.trust, ledger.checkpoint(t, 300))
	expect(t, "a ledger that shrank", err, Invalid)
	_, err = AuditLedger(public, ledger.trust, []byte("no checkpoint"))
	expect(t, "an older checkpoint that is none", err, Undecided)
	elsewhere, key := makeKey(t, "elsewhere", "elsewhere")
	known, err := parseKey(key, typeEd25519)
	must(t, err)
	ledger.trust.Policy.Logs = append(ledger.trust.Policy.Logs, known)
	ledger.log = elsewhere
	_, err = AuditLedger(public, ledger.trust, ledger.sign(t, "elsewhere\n0\n"+encode(make([]byte, 32))+"\n"))
	expect(t, "an older checkpoint of another ledger", err, Undecided)
}

func TestConsistencyProofsAreChecked(t *testing.T) {
	grown := makeLedger(t, 40, 0, "quorum none").grown(t, 40)
	head := func(size int64) tlog.Tree {
		root, err := tlog.TreeHash(size, grown)
		must(t, err)
		return tlog.Tree{N: size, Hash: root}
	}
	for older := int64(1); older <= 40; older++ {
		path, err := tlog.ProveTree(40, older, grown)
		must(t, err)
		must(t, checkConsistency(head(older), head(40), path))
		forged := head(older)
		forged.Hash[0] ^= 1
		expect(t, "another old root", checkConsistency(forged, head(40), path), Invalid)
		for i := range path {
			path[i][31] ^= 1
			expect(t, "another hash in the path", checkConsistency(head(older), head(40), path), Invalid)
			path[i][31] ^= 1
		}
		expect(t, "a longer path", checkConsistency(head(older), head(40), append(path, tlog.Hash{})), Invalid)
	}
}

func TestEveryFileIsNeededAndChecked(t *testing.T) {
	ledger := makeLedger(t, 260, 0, "quorum none")
	public := ledger.issue(t)
	var paths []string
	must(t, filepath.WalkDir(public, func(path string, entry fs.DirEntry, err error) error {
		if !entry.IsDir() {
			paths = append(paths, path)
		}
		return err
	}))
	if want := 1 + 2 + 2 + 1; len(paths) != want { // checkpoint, bundles, tiles of level 0 and 1
		t.Fatalf("%d public files instead of %d: %v", len(paths), want, paths)
	}
	for _, path := range paths {
		honest, err := os.ReadFile(path)
		must(t, err)
		longer := append(slices.Clone(honest), 0)
		for _, forged := range [][]byte{{}, honest[1:], honest[:len(honest)-1], longer} {
			must(t, os.WriteFile(path, forged, 0o644))
			_, err = AuditLedger(public, ledger.trust, nil)
			expect(t, fmt.Sprintf("%s with %d instead of %d bytes", path, len(forged), len(honest)), err, Invalid)
		}
		for at := 0; at < len(honest); at += 1 + len(honest)/8 {
			honest[at] ^= 0x10
			must(t, os.WriteFile(path, honest, 0o644))
			honest[at] ^= 0x10
			_, err = AuditLedger(public, ledger.trust, nil)
			expect(t, fmt.Sprintf("%s with byte %d changed", path, at), err, Invalid)
		}
		must(t, os.Remove(path))
		_, err = AuditLedger(public, ledger.trust, nil)
		if filepath.Base(path) == "checkpoint" {
			expect(t, "without a checkpoint", err, Undecided)
		} else {
			expect(t, path+" missing", err, Invalid)
		}
		must(t, os.WriteFile(path, honest, 0o644))
	}
	_, err := AuditLedger(public, ledger.trust, nil)
	must(t, err)
}

func TestAFileInThePlaceOfAFolderHoldsNoTiles(t *testing.T) {
	ledger := makeLedger(t, 3, 0, "quorum none")
	for _, folder := range []string{"tile", "tile/0", "tile/entries/000.p"} {
		public := ledger.issue(t)
		must(t, os.RemoveAll(filepath.Join(public, folder)))
		write(t, public, folder, nil)
		_, err := AuditLedger(public, ledger.trust, nil)
		expect(t, folder, err, Invalid)
	}
}

func TestAFullTileStandsInForAPartialOne(t *testing.T) {
	ledger := makeLedger(t, 260, 0, "quorum none")
	public := ledger.issue(t)
	write(t, public, "checkpoint", ledger.checkpoint(t, 250))
	_, err := AuditLedger(public, ledger.trust, nil)
	expect(t, "a checkpoint whose partial tile was deleted", err, Valid)
	must(t, os.Truncate(filepath.Join(public, "tile/0/000"), 8191))
	_, err = AuditLedger(public, ledger.trust, nil)
	expect(t, "a torn full tile", err, Invalid)
}

func TestTheRuleOfSubjects(t *testing.T) {
	for what, spoil := range map[string]func(*made){
		"sequence left out":  func(ledger *made) { ledger.lengths["table/0"]++ },
		"sequence again":     func(ledger *made) { ledger.lengths["table/0"]-- },
		"begins with one":    func(ledger *made) { ledger.lengths["table/9"]++ },
		"another parent":     func(ledger *made) { ledger.heads["table/0"] = ledger.heads["table/1"] },
		"written by the log": func(ledger *made) { ledger.writer = ledger.log },
	} {
		ledger := makeLedger(t, 7, 0, "quorum none")
		spoil(ledger)
		ledger.add(t, "table/0", ledger.writer)
		if what == "begins with one" {
			ledger.add(t, "table/9", ledger.writer)
		}
		_, err := AuditLedger(ledger.issue(t), ledger.trust, nil)
		expect(t, what, err, Invalid)
	}
}

func TestWhatCannotBeReadLeavesItUndecided(t *testing.T) {
	nowhere := filepath.Join(t.TempDir(), "nowhere")
	trust := t.TempDir()
	for _, made := range []struct{ what, policy string }{{"a torn policy", "quorum"}, {"no writers", "quorum none\n"}} {
		write(t, trust, "policy", []byte(made.policy))
		_, err := ReadTrust(trust)
		expect(t, made.what, err, Undecided)
	}
	write(t, trust, "writers", nil)
	_, err := ReadTrust(trust)
	expect(t, "a trust directory that trusts nobody", err, Valid)
	_, err = ReadTrust(nowhere)
	expect(t, "no trust directory", err, Undecided)
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the reason is lost: %v", err)
	}
	ledger := makeLedger(t, 1, 0, "quorum none")
	_, err = AuditLedger(nowhere, ledger.trust, nil)
	expect(t, "no ledger", err, Undecided)
	_, err = ReadFile(t.TempDir(), 10)
	expect(t, "a folder", err, Undecided)
}
