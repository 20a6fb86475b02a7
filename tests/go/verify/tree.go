package verify

import (
	"fmt"

	"github.com/transparency-dev/merkle/compact"
	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
	"golang.org/x/mod/sumdb/tlog"
)

// tree grows leaf by leaf in two independent implementations of RFC 6962: as all stored hashes of tlog, and as the
// compact range of transparency-dev/merkle.
type tree struct {
	size   int64
	stored []tlog.Hash
	edge   *compact.Range
}

func newTree() *tree {
	ranges := compact.RangeFactory{Hash: rfc6962.DefaultHasher.HashChildren}
	return &tree{edge: ranges.NewEmptyRange(0)}
}

// ReadHashes makes a tree a tlog.HashReader.
func (t *tree) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	hashes := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		if index >= int64(len(t.stored)) {
			return nil, fmt.Errorf("hash %d lies outside a tree of %d leaves", index, t.size)
		}
		hashes[i] = t.stored[index]
	}
	return hashes, nil
}

func (t *tree) append(entry []byte) error {
	hashes, err := tlog.StoredHashes(t.size, entry, t)
	if err != nil {
		return err
	}
	t.stored = append(t.stored, hashes...)
	t.size++
	return t.edge.Append(rfc6962.DefaultHasher.HashLeaf(entry), nil)
}

// checkRoot holds both roots against a checkpoint's.
func (t *tree) checkRoot(head tlog.Tree) error {
	first, err := tlog.TreeHash(t.size, t)
	if err != nil {
		return err
	}
	second, err := t.edge.GetRootHash(nil)
	if err != nil {
		return err
	}
	if t.size == 0 {
		second = rfc6962.DefaultHasher.EmptyRoot()
	}
	if t.size != head.N || first != head.Hash || tlog.Hash(second) != head.Hash {
		return fmt.Errorf("the leaves lead to the roots %v and %v, not to the certified %v",
			first, tlog.Hash(second), head.Hash)
	}
	return nil
}

// checkInclusion verifies an inclusion proof with both packages.
func checkInclusion(head tlog.Tree, index int64, leaf tlog.Hash, path []tlog.Hash) error {
	if err := tlog.CheckRecord(path, head.N, head.Hash, index, leaf); err != nil {
		return fmt.Errorf("inclusion of leaf %d in a tree of %d: %w", index, head.N, err)
	}
	return proof.VerifyInclusion(rfc6962.DefaultHasher, uint64(index), uint64(head.N), leaf[:], octets(path),
		head.Hash[:])
}

// checkConsistency verifies with both packages that the newer tree continues the older one.
func checkConsistency(older, newer tlog.Tree, path []tlog.Hash) error {
	if err := tlog.CheckTree(path, newer.N, newer.Hash, older.N, older.Hash); err != nil {
		return fmt.Errorf("consistency of %d leaves with %d: %w", older.N, newer.N, err)
	}
	return proof.VerifyConsistency(rfc6962.DefaultHasher, uint64(older.N), uint64(newer.N), octets(path),
		older.Hash[:], newer.Hash[:])
}

func octets(hashes []tlog.Hash) [][]byte {
	raw := make([][]byte, len(hashes))
	for i := range hashes {
		raw[i] = hashes[i][:]
	}
	return raw
}
