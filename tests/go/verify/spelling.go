package verify

import (
	"encoding/base64"
	"fmt"
	"strconv"

	"golang.org/x/mod/sumdb/tlog"
)

// decodeBase64 reads padded base64 in its one spelling. The standard decoder alone takes stray bits in the padding and
// line ends anywhere.
func decodeBase64(text string) ([]byte, error) {
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil || base64.StdEncoding.EncodeToString(raw) != text {
		return nil, fmt.Errorf("%.60q is not canonical base64", text)
	}
	return raw, nil
}

// decodeHash reads the base64 of a hash.
func decodeHash(text string) (tlog.Hash, error) {
	raw, err := decodeBase64(text)
	if err != nil || len(raw) != tlog.HashSize {
		return tlog.Hash{}, fmt.Errorf("%.60q is no hash", text)
	}
	return tlog.Hash(raw), nil
}

// decodeNumber reads a decimal number without sign or leading zeros.
func decodeNumber(text string) (uint64, error) {
	number, err := strconv.ParseUint(text, 10, 64)
	if err != nil || strconv.FormatUint(number, 10) != text {
		return 0, fmt.Errorf("%.60q is not a canonical number", text)
	}
	return number, nil
}
