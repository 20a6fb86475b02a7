package verify

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"unicode/utf8"
)

// jsonDepthMax is how deep objects and lists may stand within each other.
const jsonDepthMax = 127

// jsonObject has objects, lists ([]any), strings, json.Numbers, bools and nils.
type jsonObject map[string]any

// parseObject reads one object of JSON. encoding/json alone takes the last of two equal keys, so a text that has them
// could say one thing here and another to the next reader, and it puts another character where half of one stands.
func parseObject(text []byte) (jsonObject, error) {
	if !utf8.Valid(text) || !json.Valid(text) || hasHalfCharacter(text) {
		return nil, errors.New("it is no JSON")
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	value, err := readValue(decoder, 0)
	if err != nil {
		return nil, err
	}
	if _, err := decoder.Token(); err != io.EOF {
		return nil, errors.New("something follows the JSON")
	}
	if object, ok := value.(jsonObject); ok {
		return object, nil
	}
	return nil, errors.New("it is no object of JSON")
}

func readValue(decoder *json.Decoder, depth int) (any, error) {
	token, err := decoder.Token()
	if err != nil {
		return nil, err
	}
	switch token := token.(type) {
	case json.Delim:
		if depth >= jsonDepthMax {
			return nil, errors.New("its JSON nests too deep")
		}
		if token == '[' {
			return readList(decoder, depth)
		}
		return readObject(decoder, depth)
	case json.Number:
		_, err := strconv.ParseFloat(token.String(), 64)
		return token, err
	default:
		return token, nil
	}
}

func readList(decoder *json.Decoder, depth int) (any, error) {
	list := []any{}
	for decoder.More() {
		value, err := readValue(decoder, depth+1)
		if err != nil {
			return nil, err
		}
		list = append(list, value)
	}
	_, err := decoder.Token()
	return list, err
}

func readObject(decoder *json.Decoder, depth int) (any, error) {
	object := jsonObject{}
	for decoder.More() {
		token, err := decoder.Token()
		if err != nil {
			return nil, err
		}
		key := token.(string) // the text is valid, so what stands there is a key
		if _, twice := object[key]; twice {
			return nil, fmt.Errorf("the key %.60q stands twice in one object", key)
		}
		if object[key], err = readValue(decoder, depth+1); err != nil {
			return nil, err
		}
	}
	_, err := decoder.Token()
	return object, err
}

// hasHalfCharacter says whether a valid text of JSON escapes one half of a surrogate pair without the other.
func hasHalfCharacter(text []byte) bool {
	for at := 0; at < len(text); at++ {
		if text[at] != '\\' {
			continue
		}
		at++
		unit := escapedUnit(text[at-1:])
		switch {
		case unit >= 0xd800 && unit < 0xdc00:
			low := escapedUnit(text[at+5:])
			if low < 0xdc00 || low > 0xdfff {
				return true
			}
			at += 10
		case unit >= 0xdc00 && unit <= 0xdfff:
			return true
		}
	}
	return false
}

// escapedUnit is the unit of UTF-16 that a text escapes at its beginning, or -1.
func escapedUnit(text []byte) int64 {
	if len(text) < 6 || text[0] != '\\' || text[1] != 'u' {
		return -1
	}
	unit, err := strconv.ParseInt(string(text[2:6]), 16, 32)
	if err != nil {
		return -1
	}
	return unit
}

// text is the string under a key.
func (object jsonObject) text(key string) (string, error) {
	if text, ok := object[key].(string); ok {
		return text, nil
	}
	return "", fmt.Errorf("%s is no string", key)
}

// number is the whole number from 0 under a key, with all its digits.
func (object jsonObject) number(key string) (uint64, error) {
	if number, ok := object[key].(json.Number); ok {
		return decodeNumber(number.String())
	}
	return 0, fmt.Errorf("%s is no whole number from 0", key)
}
