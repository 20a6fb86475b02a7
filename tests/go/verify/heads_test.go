package verify

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/tlog"
)

// mapOf is the head map of the first leaves.
func (ledger *made) mapOf(t *testing.T, size int) headMap {
	t.Helper()
	var heads headMap
	for index, entry := range ledger.entries[:size] {
		leaf, err := OpenLeaf(entry, ledger.trust, madeOrigin, 0)
		must(t, err)
		if leaf.Subject != headsSubject {
			heads = heads.with(mapEntry{mapKey(leaf.Subject), leaf.Sequence, uint64(index), leaf.Hash})
		}
	}
	return heads
}

// lookUp gives the entry to which a key leads, and the forks above it from the entry up.
func (m headMap) lookUp(key tlog.Hash) (*mapEntry, []mapStep) {
	if m.top == nil {
		return nil, nil
	}
	var path []mapStep
	node := m.top
	for node.bit < mapBits {
		near, far := node.left, node.right
		if bitOf(key, node.bit) == 1 {
			near, far = far, near
		}
		path = append([]mapStep{{node.bit, far.hash}}, path...)
		node = near
	}
	return &node.entry, path
}

func headsBody(size int, heads headMap) string {
	return fmt.Sprintf("dab/head-map/v1\norigin %s\nsize %d\nsubjects %d\nroot %v\n", madeOrigin, size, heads.subjects,
		heads.root())
}

// bind appends a heads leaf of the first leaves.
func (ledger *made) bind(t *testing.T, size int) {
	t.Helper()
	body := headsBody(size, ledger.mapOf(t, size))
	ledger.take(t, headsSubject, ledger.statementOf(headsSubject, body, headsOperation), ledger.writer)
}

// headProof is the proof of a subject's head among the first leaves, which the heads leaf at an index binds.
func (ledger *made) headProof(t *testing.T, subject string, size, bound int) []byte {
	t.Helper()
	heads, key := ledger.mapOf(t, size), mapKey(subject)
	entry, path := heads.lookUp(key)
	found := "none"
	switch {
	case entry != nil && entry.key == key:
		found = fmt.Sprintf("head %d %s", entry.leafIndex, encode(ledger.entries[entry.leafIndex]))
	case entry != nil:
		found = fmt.Sprintf("other %v %d %d %v", entry.key, entry.sequence, entry.leafIndex, entry.leafHash)
	}
	text := fmt.Sprintf("%s\nsubject %s\nsize %d\nsubjects %d\n%s\n", headProofHeader, subject, size, heads.subjects, found)
	for _, step := range path {
		text += fmt.Sprintf("%d %v\n", step.bit, step.sibling)
	}
	return append([]byte(text+"\n"), ledger.receipt(t, bound)...)
}

// What stands in the shared vectors was computed by others.
func TestSharedVectorsOfHeadProofs(t *testing.T) {
	for _, vector := range readVectors[proofVector](t, "heads.json", 100) {
		trust, err := ParseTrust(vector.Policy, vector.Writers)
		must(t, err)
		proof, err := OpenHeadProof(vector.Proof, trust)
		if err == nil && vector.TableID != "" {
			err = proof.CheckTable(vector.TableID)
		}
		expect(t, vector.Name, err, statusOf[vector.Verdict])
		if err != nil {
			continue
		}
		var sequence, index *uint64
		if proof.Leaf != nil {
			sequence, index = &proof.Leaf.Sequence, &proof.Index
		}
		if proof.Size != vector.Size || !same(sequence, vector.Sequence) || !same(index, vector.LeafIndex) {
			t.Errorf("%s: it reads as %v", vector.Name, proof)
		}
	}
}

func same(one, other *uint64) bool {
	return one == other || one != nil && other != nil && *one == *other
}

func someEntry(number int) mapEntry {
	name := fmt.Sprintf("table/%d", number)
	return mapEntry{mapKey(name), 0, uint64(number), mapKey("leaf of " + name)}
}

func TestHeadMapsOfKnownRoots(t *testing.T) {
	var heads headMap
	if root := heads.root(); hex.EncodeToString(root[:]) !=
		"e52d9c508c502347344d8c07ad91cbd6068afc75ff6292f062a09ca381c89e71" {
		t.Errorf("the empty map has the root %x", root[:])
	}
	for number := range 3 {
		// those that the verifier in Python pins too: leaf hashes of two numbers as text
		entry := someEntry(number)
		entry.leafHash = tlog.RecordHash(fmt.Appendf(nil, "%d 0", number))
		heads = heads.with(entry)
		want := []string{
			"35b809da0186c396f019a5f0bacef4bc18a3150733e390abb1310b5f65156627",
			"0316c6457f911ebf688e119fd03b986b66c069232e390bad694f7091229b55a0",
			"8a5cd175dea531ce59200db02a482910243de0998934caa6afe2d3e7b40573ff",
		}[number]
		if root := heads.root(); hex.EncodeToString(root[:]) != want {
			t.Errorf("the map of %d subjects has the root %x", number+1, root[:])
		}
	}
}

func TestEveryKeyLeadsToItsEntryAndTheOrderOfLeavesDoesNotMatter(t *testing.T) {
	for count := 1; count < 40; count++ {
		var heads, backwards headMap
		for number := range count {
			heads = heads.with(mapEntry{key: someEntry(number).key}).with(someEntry(number))
			backwards = backwards.with(someEntry(count - 1 - number))
		}
		if heads.root() != backwards.root() || heads.subjects != uint64(count) {
			t.Fatalf("%d subjects in another order give another map", count)
		}
		for number := range count + 10 {
			wanted := someEntry(number)
			entry, path := heads.lookUp(wanted.key)
			root, err := rootOfPath(wanted.key, entry, path)
			must(t, err)
			if root != heads.root() || (*entry == wanted) != (number < count) {
				t.Fatalf("table/%d of %d leads elsewhere", number, count)
			}
			for other := range count {
				theirs, way := heads.lookUp(someEntry(other).key)
				root, err := rootOfPath(wanted.key, theirs, way)
				if theirs.key != entry.key && err == nil && root == heads.root() {
					t.Fatalf("table/%d of %d also leads to table/%d", number, count, other)
				}
			}
		}
	}
}

// One path may show of several subjects that they have no leaf, so about another such subject the proof is as true.
func TestEveryChangedBitOfAHeadProofIsNoticed(t *testing.T) {
	ledger := makeLedger(t, 9, 1, "quorum w1")
	ledger.bind(t, 9)
	ledger.add(t, "catalog", ledger.writer)
	for _, subject := range []string{"table/1", "table/7"} {
		honest := ledger.headProof(t, subject, 9, 9)
		proof, err := OpenHeadProof(honest, ledger.trust)
		must(t, err)
		if isThere := subject == "table/1"; (proof.Leaf != nil) != isThere || proof.Size != 9 {
			t.Errorf("it reads as %v", proof)
		}
		for at := range honest {
			for bit := range 8 {
				forged := bytes.Clone(honest)
				forged[at] ^= 1 << bit
				found, err := OpenHeadProof(forged, ledger.trust)
				if err == nil && (found.Leaf != nil || found.Subject == subject || strings.HasPrefix(found.Subject, "table/0")) {
					t.Fatalf("%s: accepted with bit %d of byte %d changed: %v", subject, bit, at, found)
				}
			}
		}
		for end := range honest {
			_, err := OpenHeadProof(honest[:end], ledger.trust)
			expect(t, "a head proof that was cut off", err, Invalid)
		}
	}
}

func TestTheAuditOfALedgerDerivesWhatItsHeadsLeavesBind(t *testing.T) {
	ledger := makeLedger(t, 0, 0, "quorum none")
	ledger.bind(t, 0)
	for number := range 40 {
		ledger.add(t, fmt.Sprintf("table/%d", number%7), ledger.writer)
		if number%11 == 5 {
			ledger.bind(t, len(ledger.entries)-number%3)
		}
	}
	found, err := AuditLedger(ledger.issue(t), ledger.trust, nil)
	must(t, err)
	if count := len(found.Leaves[headsSubject]); count != 5 {
		t.Errorf("%d heads leaves", count)
	}
}

func TestTheAuditOfALedgerFindsAHeadsLeafThatLies(t *testing.T) {
	right := func(ledger *made, size int) string { return headsBody(size, ledger.mapOf(t, size)) }
	for what, lie := range map[string]func(*made) (body, operation string){
		"another root": func(l *made) (string, string) { return headsBody(6, l.mapOf(t, 3)), headsOperation },
		"another count": func(l *made) (string, string) {
			return strings.Replace(right(l, 6), "subjects 3", "subjects 4", 1), headsOperation
		},
		"going back":      func(l *made) (string, string) { return right(l, 5), headsOperation },
		"as before":       func(l *made) (string, string) { return right(l, 6), headsOperation },
		"not a map":       func(l *made) (string, string) { return "nothing", headsOperation },
		"another purpose": func(l *made) (string, string) { return right(l, 7), "WRITE" },
		"too late": func(l *made) (string, string) {
			body := right(l, 7)
			for range mapWindowLeaves {
				l.add(t, "table/0", l.writer)
			}
			return body, headsOperation
		},
		"the last that may be": func(l *made) (string, string) {
			body := right(l, 7)
			for len(l.entries) < 7+mapWindowLeaves-1 {
				l.add(t, "table/0", l.writer)
			}
			return body, headsOperation
		},
	} {
		ledger := makeLedger(t, 6, 0, "quorum none")
		ledger.bind(t, 6)
		body, operation := lie(ledger)
		ledger.take(t, headsSubject, ledger.statementOf(headsSubject, body, operation), ledger.writer)
		_, err := AuditLedger(ledger.issue(t), ledger.trust, nil)
		verdict := Invalid
		if what == "the last that may be" {
			verdict = Valid
		}
		expect(t, what, err, verdict)
	}
}
