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

// The first commits are searched for the table's id before anything binds them.
const (
	identifyCommitsMax = 16
	identifyBytesMax   = 1 << 20
)

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
	folder, err := openFolder(directory, os.Stat, os.OpenRoot)
	if err != nil {
		return nil, err
	}
	defer folder.Close()
	log, err := readLog(folder)
	if err != nil {
		return nil, err
	}
	found, err := log.identify(folder)
	switch {
	case tableID == "" && err != nil:
		return nil, err
	case tableID == "":
		tableID = found
	// whatever they state, commits that cannot be read are held against the leaves of the table that was asked for
	case err == nil && tableID != found:
		return nil, fmt.Errorf("the table here has the id %.60q, not %.60q", found, tableID)
	}
	table := &Table{Subject: tableSubject + tableID, Versions: len(log.versions), Unbound: log.unbound}
	leaves := ledger.Leaves[table.Subject]
	if len(leaves) == 0 {
		return nil, fmt.Errorf("%.60q was never notarized", table.Subject)
	}
	files := fileHistories{}
	for version, leaf := range leaves {
		commit, err := checkVersion(folder, leaf, uint64(version))
		if err != nil {
			return nil, err
		}
		files.take(commit)
	}
	if last := log.versions[len(log.versions)-1]; last >= uint64(len(leaves)) {
		return nil, fmt.Errorf("%s: the ledger does not know this version", commitName(last))
	}
	for name, history := range files {
		if err := table.checkFile(folder, name, history); err != nil {
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

func readLog(table *os.Root) (*logFiles, error) {
	folder, err := openFolder(deltaLog, table.Stat, table.OpenRoot)
	if err != nil {
		return nil, err
	}
	defer folder.Close()
	entries, err := fs.ReadDir(folder.FS(), ".")
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

// identify finds the table id that the first commits state, which says which leaves to hold the files against.
func (log *logFiles) identify(folder *os.Root) (string, error) {
	var unread error
	for _, version := range log.versions[:min(len(log.versions), identifyCommitsMax)] {
		id, stated, err := statedTableID(folder, version)
		if stated {
			return id, nil
		}
		// what contradicts itself weighs more than what cannot be read
		if err != nil && (unread == nil || ExitStatus(unread) == Undecided) {
			unread = fmt.Errorf("%s: %w", commitName(version), err)
		}
	}
	if unread == nil {
		unread = undecided(errors.New("the first commit files name no table id: DAB did not write them"))
	}
	return "", unread
}

func statedTableID(folder *os.Root, version uint64) (id string, stated bool, err error) {
	file, err := openBelow(folder, commitName(version))
	if err != nil || file == nil {
		return "", false, err
	}
	defer file.Close()
	start, err := file.readStart(identifyBytesMax)
	if err != nil {
		return "", false, err
	}
	return tableIDIn(start, file.size <= identifyBytesMax)
}

func checkVersion(folder *os.Root, leaf *Leaf, version uint64) (*Commit, error) {
	file, err := openBelow(folder, commitName(version))
	if err != nil {
		return nil, err
	}
	if file == nil {
		return nil, fmt.Errorf("%s is missing, though it was notarized", commitName(version))
	}
	defer file.Close()
	commit, err := leaf.readCommit(file)
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

// fileHistories are those of all files that any version added, by their paths as they stand in the actions.
type fileHistories map[string]*fileHistory

// take takes in what the next version does to the table's files.
func (files fileHistories) take(commit *Commit) {
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

func (table *Table) checkFile(folder *os.Root, name string, history *fileHistory) error {
	file, err := openBelow(folder, history.adds[0].stored)
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
	found, err := digestOf(file, history.adds)
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
