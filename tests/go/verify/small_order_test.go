package verify

import (
	"strings"
	"testing"
)

// vectorsOfSmallOrder are the shared vectors about points of small order.
func vectorsOfSmallOrder(t *testing.T, file string) []proofVector {
	t.Helper()
	var found []proofVector
	for _, vector := range readVectors[proofVector](t, file, 1) {
		if strings.Contains(vector.Name, "small order") {
			found = append(found, vector)
		}
	}
	return found
}

func TestKeysOfSmallOrderAreRefused(t *testing.T) {
	vectors := vectorsOfSmallOrder(t, "trust.json")
	if len(vectors) != 16 {
		t.Errorf("%d vectors instead of 14 spellings, a witness and a writer", len(vectors))
	}
	for _, vector := range vectors {
		_, err := ParseTrust(vector.Policy, vector.Writers)
		if err == nil || !strings.Contains(err.Error(), "its order is small") {
			t.Errorf("%s: %v", vector.Name, err)
		}
	}
}

func TestSignaturesWithAPointOfSmallOrderAreRefused(t *testing.T) {
	tried := 0
	for _, file := range []string{"certified.json", "signed.json"} {
		for _, vector := range vectorsOfSmallOrder(t, file) {
			expect(t, vector.Name, judgeReceipt(t, vector), Invalid)
			tried++
		}
	}
	if tried != 3 {
		t.Errorf("%d vectors instead of a log's, a witness's and a writer's", tried)
	}
}
