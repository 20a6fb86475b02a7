package verify

import (
	"bytes"
	"crypto/ed25519"
	"encoding/binary"
	"encoding/hex"
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

// Verify is the packages' check, but for signatures whose point R has a small order: those could fit several texts.
// R stands in the first half of the last 64 bytes, with a cosignature's time before them.
func (key Key) Verify(msg, sig []byte) bool {
	return len(sig) >= ed25519.SignatureSize && !smallOrder(sig[len(sig)-ed25519.SignatureSize:][:32]) &&
		key.Verifier.Verify(msg, sig)
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
	if smallOrder(raw[1:]) {
		return Key{}, fmt.Errorf("%.120q is no safe public key, its order is small", vkey)
	}
	return Key{verifier, [32]byte(raw[1:])}, nil
}

// The points of the curve whose order is 1, 2, 4 or 8, in every spelling of 32 bytes but for the sign, the highest bit.
var smallOrderPoints = map[string]bool{
	"00" + strings.Repeat("00", 31):                                    true,
	"01" + strings.Repeat("00", 31):                                    true,
	"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05": true,
	"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a": true,
	"ec" + strings.Repeat("ff", 30) + "7f":                             true,
	"ed" + strings.Repeat("ff", 30) + "7f":                             true, // 0 and 1 again, plus the field's prime
	"ee" + strings.Repeat("ff", 30) + "7f":                             true,
}

func smallOrder(point []byte) bool {
	unsigned := [32]byte(point)
	unsigned[31] &= 0x7f
	return smallOrderPoints[hex.EncodeToString(unsigned[:])]
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
	lines, err := signers(raw)
	if err != nil {
		return nil, err
	}
	for _, signature := range opened.Sigs {
		if lines[signer{signature.Name, signature.Hash}] != 1 {
			return nil, fmt.Errorf("%s signed more than once", signature.Name)
		}
	}
	return opened, nil
}

// parseNote reads a note of which no signature is looked at yet.
func parseNote(raw []byte) (*note.Note, error) {
	if len(raw) > NoteBytesMax {
		return nil, errors.New("the note is too long")
	}
	_, err := note.Open(raw, note.VerifierList())
	var unverified *note.UnverifiedNoteError
	if !errors.As(err, &unverified) {
		return nil, err
	}
	if _, err := signers(raw); err != nil {
		return nil, err
	}
	return unverified.Note, nil
}

// signer is whom a signature line names.
type signer struct {
	name string
	id   uint32
}

// signers counts the lines of each signer of a note that note.Open has read.
func signers(raw []byte) (map[signer]int, error) {
	lines := map[signer]int{}
	for line := range strings.Lines(string(raw[bytes.LastIndex(raw, []byte("\n\n"))+2:])) {
		name, blob, _ := strings.Cut(strings.TrimSuffix(strings.TrimPrefix(line, "— "), "\n"), " ")
		signature, err := decodeBase64(blob)
		if err != nil {
			return nil, err
		}
		lines[signer{name, binary.BigEndian.Uint32(signature)}]++
	}
	return lines, nil
}
