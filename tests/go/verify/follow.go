package verify

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
)

const (
	changesBytesMax   = 16 << 20
	epochFileBytesMax = 32
)

// Epoch is whom to trust once a change of members and writers has been followed.
type Epoch struct {
	Number uint64
	// Members are how many replicas certify; none where a node does so alone.
	Members         int
	Policy, Writers string
	Trust           *Trust
	Certified       *Checkpoint
}

// Follow checks the changes in a file, each by those who were the members before it, from the epoch of a trust directory
// on, and gives the epochs that they begin. Of changes of which one does not hold, nothing is believed.
func Follow(path, directory string) ([]*Epoch, error) {
	policy, writers, err := readTrustTexts(directory)
	if err != nil {
		return nil, err
	}
	trust, err := ParseTrust(policy, writers)
	if err != nil {
		return nil, undecided(err)
	}
	raw, err := ReadFile(path, changesBytesMax)
	if err != nil {
		return nil, err
	}
	changes, err := parseChanges(raw)
	if err != nil {
		return nil, err
	}
	now := &Epoch{Policy: string(policy), Writers: string(writers), Trust: trust}
	if now.Number, err = readEpoch(directory); errors.Is(err, fs.ErrNotExist) {
		now.Number, err = epochOf(now, changes), nil
	}
	if err != nil {
		return nil, undecided(err)
	}
	return followChanges(now, changes)
}

func followChanges(now *Epoch, changes []*change) ([]*Epoch, error) {
	var epochs []*Epoch
	for number, change := range changes {
		if uint64(number) < now.Number {
			continue
		}
		next, err := now.followedBy(change)
		if err != nil {
			return nil, fmt.Errorf("change %d: %w", number, err)
		}
		epochs, now = append(epochs, next), next
	}
	return epochs, nil
}

// followedBy is the epoch that a change begins.
func (now *Epoch) followedBy(change *change) (*Epoch, error) {
	receipt, err := change.certified(now.Trust, now.Number)
	if err != nil {
		return nil, err
	}
	from := uint64(receipt.Index) + 1
	next := &Epoch{
		Number:    now.Number + 1,
		Members:   strings.Count(change.epoch.members, "\n"),
		Policy:    change.epoch.policy,
		Writers:   numberRevoked(change.epoch.writers, from),
		Certified: receipt.Checkpoint,
	}
	said, err := ParseTrust([]byte(next.Policy), []byte(next.Writers))
	if err != nil {
		return nil, err
	}
	if next.Trust = said; next.Members == 0 {
		// it has no policy to hand over: whom else its auditor wants to cosign is none of its affairs
		next.Policy, next.Trust = now.Policy, &Trust{now.Trust.Policy, said.Writers}
	}
	return next, checkSuccession(now.Writers, next.Writers, from)
}

// readEpoch reads the number that a trust directory says it is of.
func readEpoch(directory string) (uint64, error) {
	raw, err := ReadFile(filepath.Join(directory, "epoch"), epochFileBytesMax)
	if err != nil {
		return 0, err
	}
	return decodeNumber(strings.TrimRight(string(raw), "\n"))
}

// epochOf is the epoch whose texts a trust directory has, or else the one that the ledger was founded with.
func epochOf(now *Epoch, changes []*change) uint64 {
	for last := len(changes) - 1; last >= 0; last-- {
		epoch, from := changes[last].epoch, changes[last].index+1
		if (epoch.members == "" || epoch.policy == now.Policy) && numberRevoked(epoch.writers, from) == now.Writers {
			return uint64(last) + 1
		}
	}
	return 0
}

// numberRevoked writes from which leaf on the keys count no more that a change revokes: in the text that is signed their
// lines have no index yet, since nobody knows it then.
func numberRevoked(writers string, from uint64) string {
	var numbered strings.Builder
	for line := range strings.Lines(writers) {
		words := strings.FieldsFunc(line, isBlank)
		if len(words) == 0 || words[0] != revokedWord || len(words) > 1 && isNumber(words[1]) {
			numbered.WriteString(line)
			continue
		}
		rest := strings.TrimPrefix(strings.TrimLeftFunc(line, isBlank), revokedWord)
		fmt.Fprintf(&numbered, "%s %d %s", revokedWord, from, strings.TrimLeft(rest, " \t"))
	}
	return numbered.String()
}

func isBlank(letter rune) bool { return letter == ' ' || letter == '\t' || letter == '\n' }

func isNumber(word string) bool {
	_, err := decodeNumber(word)
	return err == nil
}

// checkSuccession says whether every line of the writers before is there after a change: as it was, or revoked now.
func checkSuccession(before, after string, from uint64) error {
	later := strings.SplitAfter(after, "\n")
	for number, line := range strings.SplitAfter(before, "\n") {
		revoked := fmt.Sprintf("%s %d %s", revokedWord, from, strings.TrimLeft(line, " \t"))
		if line != "" && (number >= len(later) || later[number] != line && later[number] != revoked) {
			return fmt.Errorf("line %d of the writers before is neither as it was nor revoked from leaf %d on", number+1, from)
		}
	}
	return nil
}

// String says in words who certified the epoch.
func (epoch *Epoch) String() string {
	who := "a node alone"
	if epoch.Members > 0 {
		who = fmt.Sprintf("%d members", epoch.Members)
	}
	return fmt.Sprintf("epoch %d, %s; %v", epoch.Number, who, epoch.Certified)
}
