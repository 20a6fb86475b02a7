package verify

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/tlog"
	"lukechampine.com/blake3"
)

func TestObjectsOfJSONAreReadStrictly(t *testing.T) {
	object, err := parseObject([]byte(` {"a":[1,-2.5e3,{"b":null}],"c":"\ud83d\ude00 \\ud800 \"","d":18446744073709551615} `))
	must(t, err)
	if text, err := object.text("c"); err != nil || text != "😀 \\ud800 \"" {
		t.Errorf("c reads as %q, %v", text, err)
	}
	if number, err := object.number("d"); err != nil || number != 1<<64-1 {
		t.Errorf("d reads as %d, %v", number, err)
	}
	deep := strings.Repeat("[", jsonDepthMax-1) + strings.Repeat("]", jsonDepthMax-1)
	if _, err := parseObject([]byte(`{"a":` + deep + `}`)); err != nil {
		t.Errorf("as deep as may be: %v", err)
	}
	for _, text := range []string{
		``, `[]`, `{} {}`, `{"a":1,}`, `{"a":1 "b":2}`, `{"a":[1,]}`, `{a:1}`, `{"a":01}`, `{"a":1e999}`, `{"a":NaN}`,
		`{"a":1,"a":1}`, `{"a":1,"\u0061":1}`, `{"a":[{"b":{"c":1,"c":2}}]}`, "{\"a\":\"\xff\"}", "{\"a\":\"\n\"}",
		`{"a":"\ud800"}`, `{"a":"\ud800\ud800"}`, `{"a":"\udc00"}`, `{"\ud83dx":1}`, `{"a":"\ud83d\n"}`, `{"a":[` + deep + `]}`,
	} {
		if object, err := parseObject([]byte(text)); err == nil {
			t.Errorf("accepted: %q as %v", text, object)
		}
	}
	for _, number := range []string{`1.0`, `1e2`, `-1`, `-0`, `"1"`, `null`, `18446744073709551616`} {
		object, err := parseObject([]byte(`{"a":` + number + `}`))
		must(t, err)
		if size, err := object.number("a"); err == nil {
			t.Errorf("%s is taken for %d", number, size)
		}
	}
}

func TestPathsLeadNowhereElse(t *testing.T) {
	for path, stored := range map[string]string{
		"a": "a", "p=1/a": "p=1/a", "p=a%2520b/é%20c": "p=a%20b/é c", "t=10:20/a": "t=10:20/a", "100%": "100%",
		"%2": "%2", "%zz": "%zz", "...": "...", "%252e%252e/a": "%2e%2e/a",
	} {
		if found, err := storedPath(path); err != nil || found != stored {
			t.Errorf("%q is stored as %q, %v", path, found, err)
		}
	}
	for _, path := range []string{
		"", "/a", "a//b", "a/", "./a", "../a", "a/../b", "a/..", "%2e%2e/a", "a/%2E./b", "..%2fa", "%2fa", "a%2f%2fb",
		"s3://b/a", "file:a", "C:a", "C%3Aa", `a\b`, "a%5cb", "a\x00b", "a%00b", "a\nb", "%ff", "a\u0085b",
	} {
		if found, err := storedPath(path); err == nil {
			t.Errorf("%q is stored as %q", path, found)
		}
	}
}

// version is a commit of a made table: lines of JSON, and the files that they add as (path, contents).
type version struct {
	lines []string
	files [][2]string
}

// table writes the versions of a table and notarizes each.
func (ledger *made) table(t *testing.T, directory string, versions ...version) {
	t.Helper()
	for number, made := range versions {
		previous := "null"
		if number > 0 {
			previous = `"` + ledger.heads["table/t"].String() + `"`
		}
		lines := append([]string{fmt.Sprintf(`{"commitInfo":{"dab":{"tableId":"t","version":%d,"previous":%s}}}`,
			number, previous)}, made.lines...)
		root, files := newTree(), "-"
		for _, file := range made.files {
			digest := blake3.Sum256([]byte(file[1]))
			lines = append(lines, fmt.Sprintf(`{"add":{"path":%q,"size":%d,"tags":{"dab.blake3":"%x"}}}`, file[0],
				len(file[1]), digest))
			must(t, root.append(fmt.Appendf(nil, "%s\x00%d\x00%x\n", file[0], len(file[1]), digest)))
			stored, err := storedPath(file[0])
			must(t, err)
			write(t, directory, stored, []byte(file[1]))
		}
		if len(made.files) > 0 {
			hash, err := tlog.TreeHash(root.size, root)
			must(t, err)
			files = fmt.Sprintf("rfc6962-sha256:%x %d", hash[:], root.size)
		}
		body := strings.Join(lines, "\n") + "\n"
		write(t, directory, commitName(uint64(number)), []byte(body))
		statement := strings.Replace(ledger.statementOf("table/t", body, "WRITE"), "files -", "files "+files, 1)
		ledger.take(t, "table/t", statement, ledger.writer)
	}
}

// madeTable is a table of three versions, of which the last removes one of its two files.
func madeTable(t *testing.T) (*made, string) {
	t.Helper()
	ledger, directory := makeLedger(t, 0, 0, "quorum none"), t.TempDir()
	ledger.table(t, directory,
		version{lines: []string{`{"metaData":{"id":"x","configuration":{"dab.tableId":"t"}}}`}},
		version{files: [][2]string{{"a%20b.parquet", "first"}, {"p=1/c", "second"}}},
		version{lines: []string{`{"remove":{"path":"p=1/c"}}`}, files: [][2]string{{"d", ""}, {"q/e", "third"}}},
	)
	ledger.add(t, "table/1", ledger.writer)
	return ledger, directory
}

func auditMade(t *testing.T, ledger *made, directory, id string) (*Table, error) {
	t.Helper()
	found, err := AuditLedger(ledger.issue(t), ledger.trust, nil)
	must(t, err)
	return AuditTable(directory, found, id)
}

func TestATableIsHeldAgainstItsLeaves(t *testing.T) {
	ledger, directory := madeTable(t)
	for _, id := range []string{"", "t"} {
		found, err := auditMade(t, ledger, directory, id)
		must(t, err)
		if found.String() != "table/t: 3 versions, 4 data files, 0 more that were removed and are gone" {
			t.Errorf("it reads as %v", found)
		}
	}
	_, err := auditMade(t, ledger, directory, "another")
	expect(t, "another table", err, Invalid)
	_, err = auditMade(t, ledger, t.TempDir(), "")
	expect(t, "no table", err, Undecided)
	must(t, os.Remove(filepath.Join(directory, "p=1/c")))
	write(t, directory, "_delta_log/x.crc", nil)
	found, err := auditMade(t, ledger, directory, "")
	must(t, err)
	if found.Gone != 1 || fmt.Sprint(found.Unbound) != "[_delta_log/x.crc]" {
		t.Errorf("%v, unbound %v", found, found.Unbound)
	}
}

func TestChangesOfATableAreNoticed(t *testing.T) {
	first, last := commitName(0), commitName(2)
	for what, forge := range map[string]func(directory string){
		"a data file's byte":       func(d string) { write(t, d, "a b.parquet", []byte("firsu")) },
		"a data file's end":        func(d string) { write(t, d, "a b.parquet", []byte("first!")) },
		"a data file that is gone": func(d string) { must(t, os.Remove(filepath.Join(d, "d"))) },
		"a removed file's byte":    func(d string) { write(t, d, "p=1/c", []byte("seconD")) },
		"a commit that is gone":    func(d string) { must(t, os.Remove(filepath.Join(d, first))) },
		"the last commit gone":     func(d string) { must(t, os.Remove(filepath.Join(d, last))) },
		"a commit more":            func(d string) { write(t, d, commitName(3), []byte("{}\n")) },
		"a commit's byte":          func(d string) { write(t, d, last, []byte("{}\n")) },
		"what Delta readers trust": func(d string) { write(t, d, "_delta_log/_last_checkpoint", nil) },
		"a file as its folder": func(d string) {
			must(t, os.RemoveAll(filepath.Join(d, "q")))
			write(t, d, "q", nil)
		},
		"a link that leads away": func(d string) {
			must(t, os.Remove(filepath.Join(d, "d")))
			write(t, filepath.Dir(d), "outside", nil)
			must(t, os.Symlink("../outside", filepath.Join(d, "d")))
		},
	} {
		ledger, directory := madeTable(t)
		forge(directory)
		_, err := auditMade(t, ledger, directory, "t")
		status := Invalid
		if what == "a link that leads away" {
			status = Undecided
		}
		expect(t, what, err, status)
	}
}

func TestATablePropertyNamesTheTable(t *testing.T) {
	ledger, directory := makeLedger(t, 0, 0, "quorum none"), t.TempDir()
	ledger.table(t, directory, version{lines: []string{`{"metaData":{"configuration":{"dab.tableId":"u"}}}`}})
	_, err := auditMade(t, ledger, directory, "")
	expect(t, "the id of another table", err, Invalid)
}

func TestADataFileIsKnownByTheEndOfItsPath(t *testing.T) {
	ledger, directory := madeTable(t)
	leaf, err := OpenLeaf(ledger.entries[1], ledger.trust, madeOrigin, 1)
	must(t, err)
	body, err := os.ReadFile(filepath.Join(directory, commitName(1)))
	must(t, err)
	commit, err := leaf.CheckCommit(body)
	must(t, err)
	must(t, commit.CheckData(filepath.Join(directory, "a b.parquet")))
	must(t, commit.CheckData(filepath.Join(directory, "p=1/c")))
	elsewhere := t.TempDir()
	write(t, elsewhere, "c", []byte("second"))
	must(t, commit.CheckData(filepath.Join(elsewhere, "c")))
	write(t, elsewhere, "c", []byte("Second"))
	expect(t, "other contents", commit.CheckData(filepath.Join(elsewhere, "c")), Invalid)
	expect(t, "another name", commit.CheckData(filepath.Join(elsewhere, "x")), Invalid)
	expect(t, "a file that is not there", commit.CheckData(filepath.Join(elsewhere, "p=1/c")), Undecided)
}

func TestABodyThatIsNoTablesIsNotLookedInto(t *testing.T) {
	ledger := makeLedger(t, 0, 0, "quorum none")
	ledger.add(t, "catalog", ledger.writer)
	leaf, err := OpenLeaf(ledger.entries[0], ledger.trust, madeOrigin, 0)
	must(t, err)
	if commit, err := leaf.CheckCommit([]byte("body")); commit != nil || err != nil {
		t.Errorf("%v, %v", commit, err)
	}
	_, err = leaf.CheckCommit([]byte("bodY"))
	expect(t, "another body", err, Invalid)
}
