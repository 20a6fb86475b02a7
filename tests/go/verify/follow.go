package verify

import (
	"fmt"
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
	Members   int
	Trust     *Trust
	Certified *Checkpoint
}

// Follow checks the changes in a file, each by those who were the members before it, from the epoch of a trust directory
// on, and gives the epochs that they begin. Of changes of which one does not hold, nothing is believed.
func Follow(path, directory string) ([]*Epoch, error) {
	trust, err := ReadTrust(directory)
	if err != nil {
		return nil, err
	}
	raw, err := ReadFile(path, changesBytesMax)
	if err != nil {
		return nil, err
	}
	changes, err := parseChanges(raw)
	if err != nil {
		return nil, err
	}
	number, err := readEpoch(directory)
	if isAbsent(err) {
		number, err = epochOf(trust.Files, changes), nil
	}
	if err != nil {
		return nil, undecided(err)
	}
	return followChanges(&Epoch{Number: number, Trust: trust}, changes)
}

// String says in words who certified the epoch.
func (epoch *Epoch) String() string {
	who := "a node alone"
	if epoch.Members > 0 {
		who = fmt.Sprintf("%d members", epoch.Members)
	}
	return fmt.Sprintf("epoch %d, %s; %v", epoch.Number, who, epoch.Certified)
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
	writers := numberRevoked(change.epoch.writers, from)
	next, err := ParseTrust([]byte(change.epoch.policy), []byte(writers))
	if err != nil {
		return nil, err
	}
	members := strings.Count(change.epoch.members, "\n")
	if members == 0 {
		// it has no policy to hand over: whom else its auditor wants to cosign is none of its affairs
		next.Policy, next.Files.Policy = now.Trust.Policy, now.Trust.Files.Policy
	}
	if err := checkSuccession(now.Trust.Files.Writers, writers, from); err != nil {
		return nil, err
	}
	return &Epoch{now.Number + 1, members, next, receipt.Checkpoint}, nil
}

// readEpoch reads the number that a trust directory says it is of.
func readEpoch(directory string) (uint64, error) {
	raw, err := ReadFile(filepath.Join(directory, "epoch"), epochFileBytesMax)
	if err != nil {
		return 0, err
	}
	return decodeNumber(strings.TrimRight(string(raw), "\n"))
}

// epochOf is the epoch that a trust directory has the files of, or else the one that the ledger was founded with.
func epochOf(now TrustFiles, changes []*change) uint64 {
	for last := len(changes) - 1; last >= 0; last-- {
		epoch, from := changes[last].epoch, changes[last].index+1
		if (epoch.members == "" || epoch.policy == now.Policy) && numberRevoked(epoch.writers, from) == now.Writers {
			return uint64(last) + 1
		}
	}
	return 0
}
