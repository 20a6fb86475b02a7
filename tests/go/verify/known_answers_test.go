package verify

import (
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// Known answers: examples of the specifications, and one checkpoint of a public log.

const (
	specKey  = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
	specNote = "This is an example message.\n\n" +
		"— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
)

func TestKeyAndNoteOfTheSignedNoteSpecification(t *testing.T) {
	key, err := parseKey(specKey, typeEd25519)
	must(t, err)
	if key.Name() != "example.com/foo" || key.KeyHash() != 0x530d903a {
		t.Errorf("the key reads as %s, %08x", key.Name(), key.KeyHash())
	}
	opened, err := openNote([]byte(specNote), []Key{key})
	must(t, err)
	if opened.Text != "This is an example message.\n" {
		t.Errorf("the text reads as %q", opened.Text)
	}
	for _, forged := range []string{
		strings.Replace(specNote, "an example", "no example", 1),
		strings.Replace(specNote, "Uw2QOkn", "Uw2QOkm", 1),
		strings.Replace(specNote, "neyaQM=", "neyaQN=", 1),
		specNote + specNote[strings.Index(specNote, "—"):],
	} {
		if _, err := openNote([]byte(forged), []Key{key}); err == nil {
			t.Errorf("accepted: %q", forged)
		}
	}
}

func TestOtherSpellingsOfAKeyAreRefused(t *testing.T) {
	witness := "remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2"
	if _, err := parseKey(witness, typeCosignatureV1); err != nil {
		t.Error(err)
	}
	for _, forged := range []struct {
		vkey          string
		signatureType byte
	}{
		{specKey, typeCosignatureV1},
		{witness, typeEd25519},
		{strings.Replace(specKey, "foo", "fop", 1), typeEd25519},
		{strings.Replace(specKey, "530d", "530D", 1), typeEd25519},
		{strings.Replace(specKey, "3U2k", "3U2l", 1), typeEd25519},
		{strings.TrimPrefix(specKey, "example.com/foo"), typeEd25519},
		{strings.TrimSuffix(specKey, "k"), typeEd25519},
		{specKey + "\n", typeEd25519},
		{"", typeEd25519},
		// the package for cosignatures does not look at the key id
		{strings.Replace(witness, "da77ade7", "da77ade8", 1), typeCosignatureV1},
		{strings.Replace(witness, "da77ade7", "zzzzzzzz", 1), typeCosignatureV1},
	} {
		if _, err := parseKey(forged.vkey, forged.signatureType); err == nil {
			t.Errorf("accepted as type %d: %q", forged.signatureType, forged.vkey)
		}
	}
}

// A checkpoint of a public staging log, cosigned by public witnesses. It also has a signature of a type that is unknown
// here, by a key with the log's name, which is to be ignored.
const publicCheckpoint = `arche2025h1.staging.ct.transparency.dev
1432088532
U7WM79jrzyhGZ5/GUBTpM7NzwdyfFx61t3RovgcC4Ro=

— arche2025h1.staging.ct.transparency.dev zTM8sQAAAZ5W0WdjBAMARjBEAiBjW5IQf9pvsYLfQFX6hoGREPMHbdQ3urbllzalApkptQIgIpwtEroeW2BXaHAI4kJXFbon5Ch9MNL5zRNZ55lvGt0=
— arche2025h1.staging.ct.transparency.dev ui8GwCF1+kWqZrxGdhj4aX3gcw7XUlXQQabg/27lefwhUkzbC3NygNI75MdhL1bfTW9g8Ei59RA23oHP7Ry1k3ZFWwQ=
— witness1.smartit.nu/witness1 pIyCDwAAAABqEiEghIp82KWebrw7/oHQwlTAm3g2RKS4+eebl8eO0WH+/iEcxZ75W3u5hNI7TOQtmJbqmNWVuE0tgh0XwzdZsDsUAQ==
— remora.n621.de 2net5wAAAABqEiEgPlfF3V06o0Y+fHM+J5J9s27wgxxcOVSpZ/2g/KSiXCg9DEZI+aVCIobWX9sXTynk5XeU/zZ0WBxtqB0DrAWfBw==
`

const publicPolicy = `log arche2025h1.staging.ct.transparency.dev+ba2f06c0+AU0vHmlGCS/PdN8b2OaGmKprLI8HKM+dJ472xgFYh15f
witness a witness1.smartit.nu/witness1+a48c820f+BPSFWg9G6KPiO7QPryYO5Xq4oYJJ+kAvLKLSimDhoxMO
witness b remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2
group both all a b
quorum both
`

func TestCheckpointOfAPublicLogWithItsWitnesses(t *testing.T) {
	policy, err := ParsePolicy([]byte(publicPolicy))
	must(t, err)
	checkpoint, err := OpenCheckpoint([]byte(publicCheckpoint), policy)
	must(t, err)
	want := "checkpoint of arche2025h1.staging.ct.transparency.dev: 1432088532 leaves, cosigned by a at 1779573024, " +
		"b at 1779573024"
	if checkpoint.String() != want {
		t.Errorf("it reads as %s", checkpoint)
	}
	for _, change := range [][2]string{
		{"1432088532", "1432088533"},             // text
		{"ui8GwCF1", "ui8GwCF2"},                 // the log's signature
		{"2net5wAAAABqEi", "2net5wAAAABqEj"},     // a witness's time
		{"zZ0WBxt", "zZ0WBxu"},                   // a witness's signature
		{"— remora.n621.de", "— remora.n622.de"}, // no quorum
	} {
		_, err := OpenCheckpoint([]byte(strings.Replace(publicCheckpoint, change[0], change[1], 1)), policy)
		expect(t, change[1], err, Invalid)
	}
}

func TestCosignatureExampleNamesItsTime(t *testing.T) {
	const blob = "jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA=="
	witness := Witness{"w1", Key{Verifier: named{"witness.example.com/w1", 0x8d66cf3f}}}
	policy := &Policy{Witnesses: []Witness{witness}}
	cosigners, err := policy.cosigners([]note.Signature{{Name: "witness.example.com/w1", Hash: 0x8d66cf3f, Base64: blob}})
	must(t, err)
	if len(cosigners) != 1 || cosigners[0].Time.Unix() != 1679315147 {
		t.Errorf("cosigners: %v", cosigners)
	}
}

// named is a key of which the specification shows only name and id.
type named struct {
	name string
	id   uint32
}

func (key named) Name() string                { return key.name }
func (key named) KeyHash() uint32             { return key.id }
func (key named) Verify(msg, sig []byte) bool { return false }

func TestTilesOfTheTlogTilesSpecification(t *testing.T) {
	got := map[string]int{}
	partial := map[string]int{}
	for _, tile := range tlog.NewTiles(tileHeight, 0, 70_000) {
		level := fmt.Sprint("level ", tile.L)
		if tile.W == tileWidth {
			got[level]++
		} else {
			partial[level] = tile.W
		}
	}
	if want := "map[level 0:273 level 1:1] map[level 0:112 level 1:17 level 2:1]"; fmt.Sprint(got, partial) != want {
		t.Errorf("a tree of 70,000 leaves has %v full and %v partial tiles, not %s", got, partial, want)
	}
	for want, tile := range map[string]tlog.Tile{
		"tile/0/x001/x234/067":           {H: tileHeight, L: 0, N: 1234067, W: tileWidth},
		"tile/entries/x001/x234/067.p/5": {H: tileHeight, L: entriesLevel, N: 1234067, W: 5},
		"tile/1/000.p/17":                {H: tileHeight, L: 1, N: 0, W: 17},
		"tile/10/999":                    {H: tileHeight, L: 10, N: 999, W: tileWidth},
	} {
		if path := tilePath(tile); path != want {
			t.Errorf("%v has the path %s, not %s", tile, path, want)
		}
	}
}

func TestRootsOfCertificateTransparency(t *testing.T) {
	// the leaves and roots that Certificate Transparency's implementations share as their test
	leaves := []string{"", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"}
	roots := map[int64]string{
		0: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
		1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
		8: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
	}
	grown := newTree()
	check := func() {
		if want, known := roots[grown.size]; known {
			root, err := hex.DecodeString(want)
			must(t, err)
			must(t, grown.checkRoot(tlog.Tree{N: grown.size, Hash: tlog.Hash(root)}))
			root[0] ^= 1
			expect(t, "another root", grown.checkRoot(tlog.Tree{N: grown.size, Hash: tlog.Hash(root)}), Invalid)
		}
	}
	check()
	for _, leaf := range leaves {
		raw, err := hex.DecodeString(leaf)
		must(t, err)
		must(t, grown.append(raw))
		check()
	}
}
