package verify

import (
	"bytes"
	"crypto/ed25519"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"github.com/transparency-dev/formats/proof"
	"golang.org/x/mod/sumdb/note"
)

func TestReceiptsOfEveryLeaf(t *testing.T) {
	for _, size := range []int{1, 2, 3, 7, 8, 13} {
		ledger := makeLedger(t, size, 0, "quorum none")
		for index := range size {
			receipt, err := OpenReceipt(ledger.receipt(t, index), ledger.trust)
			must(t, err)
			if receipt.Index != int64(index) || receipt.Checkpoint.Tree.N != int64(size) {
				t.Errorf("leaf %d of %d: %v in %v", index, size, receipt, receipt.Checkpoint)
			}
			must(t, receipt.Leaf.CheckBody([]byte("body")))
			expect(t, "another body", receipt.Leaf.CheckBody([]byte("bodz")), Invalid)
			expect(t, "another length", receipt.Leaf.CheckBody([]byte("bod")), Invalid)
			for _, change := range []func(*Leaf){
				func(leaf *Leaf) { leaf.bytes++ },
				func(leaf *Leaf) { leaf.blake3 = leaf.sha256 },
				func(leaf *Leaf) { leaf.sha256 = leaf.blake3 },
			} {
				bound := *receipt.Leaf
				change(&bound)
				expect(t, "a leaf of which one value differs", bound.CheckBody([]byte("body")), Invalid)
			}
			expect(t, "a longer body", receipt.Leaf.CheckBody([]byte("body\n")), Invalid)
		}
	}
}

func TestEveryChangedBitOfAReceiptIsNoticed(t *testing.T) {
	ledger := makeLedger(t, 5, 1, "quorum w1")
	honest := ledger.receipt(t, 2)
	_, err := OpenReceipt(honest, ledger.trust)
	must(t, err)
	for at := range honest {
		for bit := range 8 {
			forged := bytes.Clone(honest)
			forged[at] ^= 1 << bit
			if _, err := OpenReceipt(forged, ledger.trust); err == nil {
				t.Fatalf("accepted with bit %d of byte %d changed: %q", bit, at, forged)
			}
		}
	}
}

// What the parsers of the standard packages take and DAB's formats do not: each text has one spelling.
func TestOtherSpellingsOfAReceiptAreRefused(t *testing.T) {
	ledger := makeLedger(t, 5, 0, "quorum none")
	honest := string(ledger.receipt(t, 2))
	lastLine := honest[strings.LastIndex(honest, "—"):]
	for what, forged := range map[string]string{
		"line ends":             strings.Replace(honest, "\n\n", "\r\n\r\n", 1),
		"a leading zero":        strings.Replace(honest, "index 2", "index 02", 1),
		"stray bits":            strings.Replace(honest, "=\n\n", strayBits(honest), 1),
		"no last line end":      strings.TrimSuffix(honest, "\n"),
		"a signature repeated":  honest + lastLine,
		"a line end in base64":  strings.Replace(honest, "extra ", "extra \r", 1),
		"a blank line too many": honest + "\n",
	} {
		if forged == honest {
			t.Fatalf("%s: nothing was forged", what)
		}
		_, err := OpenReceipt([]byte(forged), ledger.trust)
		expect(t, what, err, Invalid)
	}
	var parsed proof.TLogProof
	must(t, parsed.Unmarshal([]byte(strings.Replace(honest, "index 2", "index 02", 1))))
	must(t, parsed.Unmarshal([]byte(strings.Replace(honest, "extra ", "extra \r", 1))))
}

// strayBits gives the end of the last hash of a proof with other bits in its padding.
func strayBits(receipt string) string {
	end := strings.Index(receipt, "=\n\n")
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	last := strings.IndexByte(alphabet, receipt[end-1])
	return string(alphabet[last^1]) + "\n\n"
}

func TestCheckpointsInOtherForms(t *testing.T) {
	ledger := makeLedger(t, 5, 0, "quorum none")
	root := encode(make([]byte, 32))
	for text, status := range map[string]int{
		madeOrigin + "\n5\n" + root + "\n":                                 Valid,
		madeOrigin + "\n0\n" + root + "\n":                                 Valid,
		madeOrigin + "\n9223372036854775807\n" + root + "\n":               Valid,
		madeOrigin + "\n9223372036854775808\n" + root + "\n":               Invalid,
		madeOrigin + "\n05\n" + root + "\n":                                Invalid,
		madeOrigin + "\n+5\n" + root + "\n":                                Invalid,
		madeOrigin + "\n5\n" + root + "\nextension\n":                      Invalid,
		madeOrigin + "\n5\n" + encode(make([]byte, 31)) + "\n":             Invalid,
		madeOrigin + "\n5\n" + strings.Replace(root, "A=", "B=", 1) + "\n": Invalid,
		madeOrigin + "\n5\n":                                               Invalid,
		"elsewhere\n5\n" + root + "\n":                                     Invalid,
	} {
		_, err := OpenCheckpoint(ledger.sign(t, text), ledger.trust.Policy)
		expect(t, text, err, status)
	}
}

func TestLeavesInOtherForms(t *testing.T) {
	ledger := makeLedger(t, 4, 0, "quorum none")
	honest := ledger.statement("table/0")
	stranger, _ := makeKey(t, madeOrigin+"/writer", "stranger")
	for _, change := range []struct{ old, by string }{
		{"dab/leaf/v1", "dab/leaf/v2"},
		{"origin ledger", "origin another.ledger"},
		{"subject table/0", "subject table /0"},
		{"subject table/0", "subject " + strings.Repeat("x", 256)},
		{"subject table/0", "subject"},
		{"sequence 2", "sequence 02"},
		{"sequence 2", "sequence -2"},
		{"sequence 2", "sequence 0"},
		{"sequence 2", "sequence 18446744073709551616"},
		{"parent ", "parent -"},
		{" 4\n", " 04\n"},
		{"blake3:", "blake2:"},
		{"sha256:", "SHA256:"},
		{"files -", "files"},
		{"files -", "files rfc6962-sha256:" + strings.Repeat("0", 64) + " 0"},
		{"files -", "files rfc6962-sha256:" + strings.Repeat("0", 64) + " 99999999999999999999"},
		{"INSERT", "INSERT "},
		{"INSERT", "INSERT  INTO"},
		{"INSERT", "EINFÜGEN"},
		{"INSERT", strings.Repeat("x", 65)},
		{"INSERT\n", "INSERT\nfurther -\n"},
		{"files -\n", ""},
	} {
		text := strings.Replace(honest, change.old, change.by, 1)
		if text == honest {
			t.Fatalf("nothing was forged: %v", change)
		}
		entry, err := note.Sign(&note.Note{Text: text}, ledger.writer)
		must(t, err)
		_, err = OpenLeaf(entry, ledger.trust, madeOrigin, 0)
		expect(t, change.by, err, Invalid)
	}
	for name, signers := range map[string][]note.Signer{
		"a stranger":  {stranger},
		"both":        {ledger.writer, stranger},
		"the log":     {ledger.log},
		"writer, log": {ledger.writer, ledger.log},
	} {
		entry, err := note.Sign(&note.Note{Text: honest}, signers...)
		must(t, err)
		_, err = OpenLeaf(entry, ledger.trust, madeOrigin, 0)
		expect(t, "signed by "+name, err, Invalid)
	}
	ledger.trust.Writers[0].Globs = []string{"table/1*", "catalog"}
	entry, err := note.Sign(&note.Note{Text: honest}, ledger.writer)
	must(t, err)
	_, err = OpenLeaf(entry, ledger.trust, madeOrigin, 0)
	expect(t, "by a writer of other subjects", err, Invalid)
	ledger.trust.Writers[0].Globs = []string{"catalog", "table/0"}
	_, err = OpenLeaf(entry, ledger.trust, madeOrigin, 0)
	expect(t, "by its writer", err, Valid)
}

func TestLimits(t *testing.T) {
	ledger := makeLedger(t, 1, 0, "quorum none")
	long, key := makeKey(t, strings.Repeat("x", leafBytesMax), "long")
	trust, err := ParseTrust([]byte("quorum none\n"), []byte(key+" *\n"))
	must(t, err)
	entry, err := note.Sign(&note.Note{Text: ledger.statement("table/0")}, long)
	must(t, err)
	_, err = OpenLeaf(entry, trust, madeOrigin, 0)
	expect(t, "a leaf that is too long", err, Invalid)
	_, err = openNote(ledger.sign(t, strings.Repeat("x", NoteBytesMax)+"\n"), ledger.trust.Policy.Logs)
	expect(t, "a note that is too long", err, Invalid)
}

// timeless cosigns at a time that no clock shows; the package's own signer knows only the present.
type timeless struct {
	note.Signer
	key  ed25519.PrivateKey
	time uint64
}

func (signer timeless) Sign(text []byte) ([]byte, error) {
	message := fmt.Appendf(nil, "cosignature/v1\ntime %d\n%s", signer.time, text)
	return append(binary.BigEndian.AppendUint64(nil, signer.time), ed25519.Sign(signer.key, message)...), nil
}

func TestTimesOfCosignatures(t *testing.T) {
	ledger := makeLedger(t, 1, 1, "quorum w1")
	secret := make([]byte, ed25519.SeedSize)
	_, err := seed("witness1.example").Read(secret)
	must(t, err)
	for time, status := range map[uint64]int{0: Valid, 1679315147: Valid, 1<<63 - 1: Valid, 1 << 63: Invalid} {
		ledger.witnesses[0] = timeless{ledger.witnesses[0], ed25519.NewKeyFromSeed(secret), time}
		_, err := OpenCheckpoint(ledger.checkpoint(t, 1), ledger.trust.Policy)
		expect(t, fmt.Sprintf("cosigned at %d", time), err, status)
	}
}
