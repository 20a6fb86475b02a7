package verify

import (
	"fmt"
	"strings"
	"testing"

	"github.com/transparency-dev/formats/witness"
	"golang.org/x/mod/sumdb/note"
)

// The two levels of groups that the tlog-policy specification shows.
func specPolicy(t *testing.T) (policy string, witnesses map[string]note.Signer) {
	t.Helper()
	witnesses = map[string]note.Signer{}
	for _, name := range []string{"X1", "X2", "X3", "Y1", "Y2", "Y3"} {
		signer, key := makeWitness(t, name+".example")
		witnesses[name] = signer
		policy += fmt.Sprintf("witness %s %s https://%s.example/\n", name, key, name)
	}
	return policy + "group X-witnesses 2 X1 X2 X3\n" +
		"group Y-witnesses any Y1 Y2 Y3\n" +
		"group X-and-Y all X-witnesses Y-witnesses\n" +
		"quorum X-and-Y\n", witnesses
}

func TestExampleOfTheTlogPolicySpecification(t *testing.T) {
	text, witnesses := specPolicy(t)
	log, key := makeKey(t, madeOrigin, "log")
	policy, err := ParsePolicy([]byte("log " + key + "\n" + text))
	must(t, err)
	published, err := witness.ParsePolicy([]byte(text))
	must(t, err)
	head := madeOrigin + "\n1\n" + strings.Repeat("A", 43) + "=\n"
	for cosigners, status := range map[string]int{
		"":                  Invalid,
		"X1":                Invalid,
		"X1 X2":             Invalid,
		"X1 Y1":             Invalid,
		"Y1 Y2 Y3":          Invalid,
		"X1 Y1 Y2 Y3":       Invalid,
		"X1 X3 Y2":          Valid,
		"Y3 X2 X3":          Valid,
		"X1 X2 X3 Y1 Y2 Y3": Valid,
	} {
		signers := []note.Signer{log}
		for name := range strings.FieldsSeq(cosigners) {
			signers = append(signers, witnesses[name])
		}
		signed, err := note.Sign(&note.Note{Text: head}, signers...)
		must(t, err)
		_, err = OpenCheckpoint(signed, policy)
		expect(t, "cosigned by "+cosigners, err, status)
		if published.Satisfied(signed) != (status == Valid) {
			t.Errorf("cosigned by %s: transparency-dev/formats judges otherwise", cosigners)
		}
	}
}

func TestNoPolicy(t *testing.T) {
	_, a := makeKey(t, "a", "a")
	_, b := makeWitness(t, "b")
	_, c := makeWitness(t, "c")
	both := "witness b " + b + "\nwitness c " + c + "\n"
	for _, good := range []string{
		"quorum none\n",
		"# nobody\n\n \tquorum\tnone \n",
		"log " + a + "\nquorum none\n",
		both + "quorum b\n",
		both + "group g any b c\nquorum b\n",
		both + "group g 2 b c\nquorum g\n",
		"witness \xff\xfe " + b + "\nquorum \xff\xfe\n",
	} {
		if _, err := ParsePolicy([]byte(good)); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	for _, bad := range []string{
		"",
		"quorum none",
		"quorum none\r\n",
		"quorum none\nquorum none\n",
		"quorum b\n" + both,
		both + "quorum d\n",
		both + "group g 0 b c\nquorum g\n",
		both + "group g 3 b c\nquorum g\n",
		both + "group g 02 b c\nquorum g\n",
		both + "group g any\nquorum g\n",
		both + "group g any none\nquorum g\n",
		both + "group g any b b\nquorum g\n",
		both + "group g any b\ngroup h all b c\nquorum h\n",
		both + "group b any c\nquorum b\n",
		both + "group none any b\nquorum none\n",
		"witness b " + b + "\nwitness d " + b + "\nquorum b\n",
		"witness none " + b + "\nquorum none\n",
		"log " + a + "\nlog " + a + "\nquorum none\n",
		"log " + b + "\nquorum none\n",
		"witness a " + a + "\nquorum a\n",
		"log " + a + " url url\nquorum none\n",
		"log\nquorum none\n",
		"logs " + a + "\nquorum none\n",
		"# \x7f\nquorum none\n",
	} {
		if _, err := ParsePolicy([]byte(bad)); err == nil {
			t.Errorf("accepted: %q", bad)
		}
	}
}

func TestNoWriters(t *testing.T) {
	_, a := makeKey(t, "a", "a")
	_, b := makeKey(t, "b", "b")
	_, again := makeKey(t, "again", "a")
	_, witness := makeWitness(t, "w")
	policy := "log " + b + "\nquorum none\n"
	for writers, good := range map[string]bool{
		"":                          true,
		"# nobody\n":                true,
		a + " *\n":                  true,
		a + " table/* catalog\n":    true,
		a + "\n":                    false,
		a + " *\n" + a + " *\n":     false,
		a + " *\n" + again + " *\n": false,
		b + " *\n":                  false, // the log's key
		witness + " *\n":            false,
		a + " ta*le\n":              false,
		a + " **\n":                 false,
		a + " übersicht\n":          false,
		a + " " + strings.Repeat("x", 256) + "\n": false,
	} {
		if _, err := ParseTrust([]byte(policy), []byte(writers)); (err == nil) != good {
			t.Errorf("%q: %v", writers, err)
		}
	}
}
