package verify

import (
	"errors"
	"fmt"
	"strings"
)

// Policy says whose checkpoints count (C2SP tlog-policy). The parser in transparency-dev/formats is made for logs: it
// leaves out log lines and wants a URL for each witness, so this is one for readers.
type Policy struct {
	Logs      []Key
	Witnesses []Witness
	quorum    *rule
}

// Witness is a cosigner and its name within the policy.
type Witness struct {
	Name string
	Key
}

// rule is met by a witness that cosigned, or by a group of which enough members are met. A group of none asks for none.
type rule struct {
	witness   string
	threshold int
	members   []*rule
}

func (r *rule) met(cosigned map[string]bool) bool {
	if r.witness != "" {
		return cosigned[r.witness]
	}
	met := 0
	for _, member := range r.members {
		if member.met(cosigned) {
			met++
		}
	}
	return met >= r.threshold
}

// ParsePolicy reads the file policy of a trust directory.
func ParsePolicy(raw []byte) (*Policy, error) {
	lines, err := trustLines(raw)
	if err != nil {
		return nil, fmt.Errorf("policy: %w", err)
	}
	reader := policyReader{rules: map[string]*rule{}, grouped: map[string]bool{}}
	for _, line := range lines {
		if err := reader.line(line); err != nil {
			return nil, fmt.Errorf("policy: %.200q: %w", strings.Join(line, " "), err)
		}
	}
	if reader.quorum == nil {
		return nil, errors.New("policy: it has no quorum line")
	}
	return &reader.Policy, nil
}

// keys are those whose signatures on a checkpoint are checked.
func (policy *Policy) keys() []Key {
	keys := append([]Key{}, policy.Logs...)
	for _, witness := range policy.Witnesses {
		keys = append(keys, witness.Key)
	}
	return keys
}

type policyReader struct {
	Policy
	rules   map[string]*rule
	grouped map[string]bool
}

func (reader *policyReader) line(words []string) error {
	switch verb, rest := words[0], words[1:]; {
	case verb == "log" && (len(rest) == 1 || len(rest) == 2):
		key, err := reader.newKey(rest[0], typeEd25519)
		reader.Logs = append(reader.Logs, key)
		return err
	case verb == "witness" && (len(rest) == 2 || len(rest) == 3):
		key, err := reader.newKey(rest[1], typeCosignatureV1)
		if err != nil {
			return err
		}
		reader.Witnesses = append(reader.Witnesses, Witness{rest[0], key})
		return reader.define(rest[0], &rule{witness: rest[0]})
	case verb == "group" && len(rest) > 2:
		return reader.group(rest[0], rest[1], rest[2:])
	case verb == "quorum" && len(rest) == 1:
		return reader.setQuorum(rest[0])
	default:
		return errors.New("this is no line of a policy")
	}
}

func (reader *policyReader) newKey(vkey string, signatureType byte) (Key, error) {
	key, err := parseKey(vkey, signatureType)
	if err != nil {
		return Key{}, err
	}
	for _, other := range reader.keys() {
		if other.public == key.public {
			return Key{}, fmt.Errorf("it has the public key of %s", other.Name())
		}
	}
	return key, nil
}

func (reader *policyReader) define(name string, defined *rule) error {
	if reader.rules[name] != nil || name == "none" {
		return fmt.Errorf("%q is defined already", name)
	}
	reader.rules[name] = defined
	return nil
}

func (reader *policyReader) group(name, threshold string, members []string) error {
	group := &rule{}
	for _, member := range members {
		defined := reader.rules[member]
		if defined == nil || reader.grouped[member] {
			return fmt.Errorf("%q is not defined above, or in two groups", member)
		}
		reader.grouped[member] = true
		group.members = append(group.members, defined)
	}
	switch threshold {
	case "all":
		group.threshold = len(members)
	case "any":
		group.threshold = 1
	default:
		number, err := decodeNumber(threshold)
		if err != nil || number < 1 || number > uint64(len(members)) {
			return fmt.Errorf("%q of %d members cannot be asked for", threshold, len(members))
		}
		group.threshold = int(number)
	}
	return reader.define(name, group)
}

func (reader *policyReader) setQuorum(name string) error {
	if reader.quorum != nil {
		return errors.New("a second quorum line")
	}
	if reader.quorum = reader.rules[name]; name == "none" {
		reader.quorum = &rule{}
	}
	if reader.quorum == nil {
		return fmt.Errorf("%q is not defined above", name)
	}
	return nil
}
