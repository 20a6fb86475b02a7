package verify

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

const deltaLog = "_delta_log"

// Table is what an audit of a whole table found.
type Table struct {
	Subject  string
	Versions int
	// DataFiles are those that were hashed, Gone those that a version removed and that are there no more.
	DataFiles, Gone int
	// Unbound are files of the log that nothing in the ledger binds.
	Unbound []string
}

// AuditTable holds a table's folder against its leaves, in a ledger that has been audited: every version has its commit
// file, byte for byte, none was added or removed, and every data file that is there has the contents that its commits
// name. A table that was asked for by its id has to be the one.
func AuditTable(directory string, ledger *Ledger, tableID string) (*Table, error) {
	root, err := os.OpenRoot(directory)
	if err != nil {
		return nil, undecided(err)
	}
	defer root.Close()
	log, err := readLog(root)
	if err != nil {
		return nil, err
	}
	found, err := log.identify(root)
	switch {
	case err != nil:
		return nil, err
	case tableID == "":
		tableID = found
	case tableID != found:
		return nil, fmt.Errorf("the table here has the id %.60q, not %.60q", found, tableID)
	}
	table := &Table{Subject: tableSubject + tableID, Versions: len(log.versions), Unbound: log.unbound}
	leaves := ledger.Leaves[table.Subject]
	if len(leaves) == 0 {
		return nil, fmt.Errorf("%.60q was never notarized", table.Subject)
	}
	files := map[string]*fileHistory{}
	for version, leaf := range leaves {
		commit, err := checkVersion(root, leaf, uint64(version))
		if err != nil {
			return nil, err
		}
		follow(files, commit)
	}
	if last := log.versions[len(log.versions)-1]; last >= uint64(len(leaves)) {
		return nil, fmt.Errorf("%s: the ledger does not know this version", commitName(last))
	}
	for name, history := range files {
		if err := table.checkFile(root, name, history); err != nil {
			return nil, err
		}
	}
	return table, nil
}

// String says in words what was found.
func (table *Table) String() string {
	return fmt.Sprintf("%s: %d versions, %d data files, %d more that were removed and are gone", table.Subject,
		table.Versions, table.DataFiles, table.Gone)
}

// logFiles are the names in a table's log.
type logFiles struct {
	versions []uint64
	unbound  []string
}

var commitFileName = regexp.MustCompile(`\A[0-9]{20}\.json\z`)

func commitName(version uint64) string { return fmt.Sprintf("%s/%020d.json", deltaLog, version) }

func readLog(root *os.Root) (*logFiles, error) {
	entries, err := fs.ReadDir(root.FS(), deltaLog)
	if err != nil {
		return nil, undecided(err)
	}
	log := &logFiles{}
	for _, entry := range entries {
		name := entry.Name()
		switch {
		case commitFileName.MatchString(name):
			version, err := strconv.ParseUint(name[:20], 10, 63)
			if err != nil {
				return nil, fmt.Errorf("%s/%s: no table has such a version", deltaLog, name)
			}
			log.versions = append(log.versions, version)
		case isDerivedState(name):
			return nil, fmt.Errorf("%s/%.60q: DAB writes no such file, nothing binds it, and Delta readers believe it",
				deltaLog, name)
		default:
			log.unbound = append(log.unbound, path.Join(deltaLog, name))
		}
	}
	if len(log.versions) == 0 {
		return nil, undecided(errors.New("there is no commit file: this is no table, or all of its commits are gone"))
	}
	slices.Sort(log.versions)
	return log, nil
}

// isDerivedState says whether Delta readers take a file for the state of the table, in place of its commits.
func isDerivedState(name string) bool {
	return name == "_last_checkpoint" || name == "_sidecars" || strings.Contains(name, ".checkpoint.") ||
		strings.HasSuffix(name, ".compacted.json")
}

// identify gives the table id that the first commit file states. It only says which leaves to hold the files against.
func (log *logFiles) identify(root *os.Root) (string, error) {
	body, err := readBelow(root, commitName(log.versions[0]))
	if err != nil {
		return "", err
	}
	commit, err := parseCommit(body)
	if err != nil {
		return "", fmt.Errorf("%s: %w", commitName(log.versions[0]), err)
	}
	if commit.dab == nil {
		return "", undecided(fmt.Errorf("%s names no table id", commitName(log.versions[0])))
	}
	return commit.dab.tableID, nil
}

func readBelow(root *os.Root, name string) ([]byte, error) {
	file, err := openBelow(root, name)
	if err != nil {
		return nil, err
	}
	if file == nil {
		return nil, fmt.Errorf("%s is missing, though it was notarized", name)
	}
	defer file.Close()
	return readAll(file, name, CommitBytesMax)
}

func checkVersion(root *os.Root, leaf *Leaf, version uint64) (*Commit, error) {
	body, err := readBelow(root, commitName(version))
	if err != nil {
		return nil, err
	}
	commit, err := leaf.CheckCommit(body)
	if err != nil {
		return nil, err
	}
	if set := commit.setsTableID; set != nil && tableSubject+*set != leaf.Subject {
		return nil, fmt.Errorf("%s: its property %s is %.60q", commitName(version), tableIDProperty, *set)
	}
	return commit, nil
}

// fileHistory is what the versions say about one path.
type fileHistory struct {
	adds    []DataFile
	removed bool
}

// follow takes in what the next version does to the table's files.
func follow(files map[string]*fileHistory, commit *Commit) {
	for _, removed := range commit.removes {
		if history := files[removed]; history != nil {
			history.removed = true
		}
	}
	for _, add := range commit.Adds {
		if files[add.Path] == nil {
			files[add.Path] = &fileHistory{}
		}
		files[add.Path].adds = append(files[add.Path].adds, add)
		files[add.Path].removed = false
	}
}

func (table *Table) checkFile(root *os.Root, name string, history *fileHistory) error {
	file, err := openBelow(root, history.adds[0].stored)
	if err != nil {
		return err
	}
	if file == nil && history.removed {
		table.Gone++
		return nil
	}
	if file == nil {
		return fmt.Errorf("%.200q: the data file is missing", name)
	}
	defer file.Close()
	found, err := digestOf(file)
	if err != nil {
		return err
	}
	for _, add := range history.adds {
		if !found.is(add) {
			return fmt.Errorf("%.200q is not the data file that was added", name)
		}
	}
	table.DataFiles++
	return nil
}
