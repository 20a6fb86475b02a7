package verify

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
)

// The shared vectors about points of small order. What is no text stands in them as an object, and is not needed here.
func vectorsOfSmallOrder(t *testing.T, file string) map[string]map[string]string {
	t.Helper()
	raw, err := os.ReadFile("../../vectors/" + file)
	must(t, err)
	var vectors []map[string]any
	must(t, json.Unmarshal(raw, &vectors))
	found := map[string]map[string]string{}
	for _, vector := range vectors {
		name := vector["name"].(string)
		if !strings.Contains(name, "small order") {
			continue
		}
		found[name] = map[string]string{}
		for _, field := range []string{"policy", "writers", "proof"} {
			found[name][field] = vector[field].(string)
		}
	}
	return found
}

func TestKeysOfSmallOrderAreRefused(t *testing.T) {
	vectors := vectorsOfSmallOrder(t, "trust.json")
	if len(vectors) != 16 {
		t.Errorf("%d vectors instead of 14 spellings, a witness and a writer", len(vectors))
	}
	for name, vector := range vectors {
		_, err := ParseTrust([]byte(vector["policy"]), []byte(vector["writers"]))
		if err == nil || !strings.Contains(err.Error(), "its order is small") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSignaturesWithAPointOfSmallOrderAreRefused(t *testing.T) {
	tried := 0
	for _, file := range []string{"certified.json", "signed.json"} {
		for name, vector := range vectorsOfSmallOrder(t, file) {
			trust, err := ParseTrust([]byte(vector["policy"]), []byte(vector["writers"]))
			must(t, err)
			_, err = OpenReceipt([]byte(vector["proof"]), trust)
			expect(t, name, err, Invalid)
			tried++
		}
	}
	if tried != 3 {
		t.Errorf("%d vectors instead of a log's, a witness's and a writer's", tried)
	}
}
