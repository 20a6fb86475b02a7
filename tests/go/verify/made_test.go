package verify

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	cosignature "github.com/transparency-dev/formats/note"
	"github.com/transparency-dev/formats/proof"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
	"lukechampine.com/blake3"
)

const madeOrigin = "ledger.example/made"

// seed gives each key its own repeatable bytes.
type seed string

func (s seed) Read(into []byte) (int, error) {
	digest := sha256.Sum256([]byte(s))
	return copy(into, digest[:]), nil
}

func makeKey(t *testing.T, name, from string) (note.Signer, string) {
	t.Helper()
	secret, public, err := note.GenerateKey(seed(from), name)
	must(t, err)
	signer, err := note.NewSigner(secret)
	must(t, err)
	return signer, public
}

func makeWitness(t *testing.T, name string) (note.Signer, string) {
	t.Helper()
	secret, public, err := note.GenerateKey(seed(name), name)
	must(t, err)
	signer, err := cosignature.NewSignerForCosignatureV1(secret)
	must(t, err)
	public, err = cosignature.VKeyToCosignatureV1(public)
	must(t, err)
	return signer, public
}

// made is a ledger with its keys in hand, written with the standard packages.
type made struct {
	log, writer note.Signer
	witnesses   []note.Signer
	trust       *Trust
	entries     [][]byte
	heads       map[string]tlog.Hash
	lengths     map[string]int
}

// makeLedger makes a ledger of some leaves on three subjects. The policy's quorum is one line, with groups before it.
func makeLedger(t *testing.T, leaves, witnesses int, quorum string) *made {
	t.Helper()
	log, logKey := makeKey(t, madeOrigin, "log")
	writer, writerKey := makeKey(t, madeOrigin+"/writer", "writer")
	ledger := &made{log: log, writer: writer, heads: map[string]tlog.Hash{}, lengths: map[string]int{}}
	policy := fmt.Sprintf("# who is trusted\nlog %s\n", logKey)
	for i := range witnesses {
		witness, key := makeWitness(t, fmt.Sprintf("witness%d.example", i+1))
		ledger.witnesses = append(ledger.witnesses, witness)
		policy += fmt.Sprintf("witness w%d %s\n", i+1, key)
	}
	var err error
	ledger.trust, err = ParseTrust([]byte(policy+quorum+"\n"), []byte(writerKey+" *\n"))
	must(t, err)
	for i := range leaves {
		ledger.add(t, fmt.Sprintf("table/%d", i%3), ledger.writer)
	}
	return ledger
}

// statement is the text of the next leaf of a subject.
func (ledger *made) statement(subject string) string {
	return ledger.statementOf(subject, "body", "INSERT")
}

func (ledger *made) statementOf(subject, body, operation string) string {
	parent, length := "-", ledger.lengths[subject]
	if length > 0 {
		parent = ledger.heads[subject].String()
	}
	return fmt.Sprintf("dab/leaf/v1\norigin %s\nsubject %s\nsequence %d\nparent %s\nbody blake3:%x sha256:%x %d\nfiles -\n"+
		"operation %s\n", madeOrigin, subject, length, parent, blake3.Sum256([]byte(body)), sha256.Sum256([]byte(body)),
		len(body), operation)
}

func (ledger *made) add(t *testing.T, subject string, writer note.Signer) {
	t.Helper()
	ledger.take(t, subject, ledger.statement(subject), writer)
}

// take appends a leaf, whatever it says, as the subject's next.
func (ledger *made) take(t *testing.T, subject, statement string, writer note.Signer) {
	t.Helper()
	entry, err := note.Sign(&note.Note{Text: statement}, writer)
	must(t, err)
	ledger.entries = append(ledger.entries, entry)
	ledger.heads[subject] = tlog.RecordHash(entry)
	ledger.lengths[subject]++
}

// grown is the tree of the first leaves.
func (ledger *made) grown(t *testing.T, size int) *tree {
	t.Helper()
	grown := newTree()
	for _, entry := range ledger.entries[:size] {
		must(t, grown.append(entry))
	}
	return grown
}

func (ledger *made) checkpoint(t *testing.T, size int) []byte {
	t.Helper()
	root, err := tlog.TreeHash(int64(size), ledger.grown(t, size))
	must(t, err)
	return ledger.sign(t, fmt.Sprintf("%s\n%d\n%s\n", madeOrigin, size, root))
}

func (ledger *made) sign(t *testing.T, text string) []byte {
	t.Helper()
	signed, err := note.Sign(&note.Note{Text: text}, append([]note.Signer{ledger.log}, ledger.witnesses...)...)
	must(t, err)
	return signed
}

func (ledger *made) receipt(t *testing.T, index int) []byte {
	t.Helper()
	size := len(ledger.entries)
	path, err := tlog.ProveRecord(int64(size), int64(index), ledger.grown(t, size))
	must(t, err)
	receipt := proof.TLogProof{
		ExtraData: ledger.entries[index], Index: uint64(index), Checkpoint: ledger.checkpoint(t, size),
	}
	for _, hash := range path {
		receipt.Hashes = append(receipt.Hashes, hash)
	}
	return receipt.Marshal()
}

// issue writes the public files and returns their folder.
func (ledger *made) issue(t *testing.T) string {
	t.Helper()
	directory, size := t.TempDir(), len(ledger.entries)
	grown := ledger.grown(t, size)
	for _, tile := range tlog.NewTiles(tileHeight, 0, int64(size)) {
		hashes, err := tlog.ReadTileData(tile, grown)
		must(t, err)
		write(t, directory, tilePath(tile), hashes)
		if tile.L > 0 {
			continue
		}
		var bundle []byte
		for _, entry := range ledger.entries[tile.N*tileWidth:][:tile.W] {
			bundle = binary.BigEndian.AppendUint16(bundle, uint16(len(entry)))
			bundle = append(bundle, entry...)
		}
		tile.L = entriesLevel
		write(t, directory, tilePath(tile), bundle)
	}
	write(t, directory, "checkpoint", ledger.checkpoint(t, size))
	return directory
}

func write(t *testing.T, directory, path string, content []byte) {
	t.Helper()
	path = filepath.Join(directory, path)
	must(t, os.MkdirAll(filepath.Dir(path), 0o755))
	must(t, os.WriteFile(path, content, 0o644))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// expect fails unless an error stands for this verdict.
func expect(t *testing.T, what string, err error, status int) {
	t.Helper()
	if ExitStatus(err) != status {
		t.Errorf("%s: verdict %d instead of %d: %v", what, ExitStatus(err), status, err)
	}
}

func encode(raw []byte) string { return base64.StdEncoding.EncodeToString(raw) }
