package verify

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	cosignature "github.com/transparency-dev/formats/note"
	"golang.org/x/mod/sumdb/note"
)

// NoteBytesMax is the length of the longest note that is read.
const NoteBytesMax = 1 << 20

// Signature types of C2SP signed-note that DAB uses: logs and writers sign with the first, witnesses with the second.
const (
	typeEd25519       = 0x01
	typeCosignatureV1 = 0x04
)

// Key is a verifier key and the 32 bytes of its public key.
type Key struct {
	note.Verifier
	public [32]byte
}

// parseKey reads a vkey of one signature type. The packages read other types too, and the one for cosignatures takes
// any key id, so the key is written again and compared.
func parseKey(vkey string, signatureType byte) (Key, error) {
	_, rest, _ := strings.Cut(vkey, "+")
	_, material, _ := strings.Cut(rest, "+")
	raw, err := decodeBase64(material)
	if err != nil || len(raw) != 33 || raw[0] != signatureType {
		return Key{}, fmt.Errorf("%.120q is not a verifier key of type %#02x", vkey, signatureType)
	}
	read := note.NewVerifier
	if signatureType == typeCosignatureV1 {
		read = cosignature.NewVerifierForCosignatureV1
	}
	verifier, err := read(vkey)
	if err != nil {
		return Key{}, fmt.Errorf("%.120q: %w", vkey, err)
	}
	if fmt.Sprintf("%s+%08x+%s", verifier.Name(), verifier.KeyHash(), material) != vkey {
		return Key{}, fmt.Errorf("%.120q has a key id that does not fit", vkey)
	}
	return Key{verifier, [32]byte(raw[1:])}, nil
}

func (key Key) signed(signature note.Signature) bool {
	return signature.Name == key.Name() && signature.Hash == key.KeyHash()
}

// openNote is note.Open for these keys, as strict as DAB is: base64 has one spelling, and no known key signs twice.
// (note.Open ignores what else is signed by a key that it has seen.)
func openNote(raw []byte, keys []Key) (*note.Note, error) {
	if len(raw) > NoteBytesMax {
		return nil, errors.New("the note is too long")
	}
	verifiers := make([]note.Verifier, len(keys))
	for i, key := range keys {
		verifiers[i] = key
	}
	opened, err := note.Open(raw, note.VerifierList(verifiers...))
	if err != nil {
		return nil, err
	}
	type signer struct {
		name string
		id   uint32
	}
	lines := map[signer]int{}
	for line := range strings.Lines(string(raw[bytes.LastIndex(raw, []byte("\n\n"))+2:])) {
		name, blob, _ := strings.Cut(strings.TrimSuffix(strings.TrimPrefix(line, "— "), "\n"), " ")
		signature, err := decodeBase64(blob)
		if err != nil {
			return nil, err
		}
		lines[signer{name, binary.BigEndian.Uint32(signature)}]++
	}
	for _, signature := range opened.Sigs {
		if lines[signer{signature.Name, signature.Hash}] != 1 {
			return nil, fmt.Errorf("%s signed more than once", signature.Name)
		}
	}
	return opened, nil
}
