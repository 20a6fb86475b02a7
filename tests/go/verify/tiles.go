package verify

import (
	"fmt"
	"path/filepath"
	"strings"

	"golang.org/x/mod/sumdb/tlog"
)

// Layout of C2SP tlog-tiles, in the terms of tlog: tiles of height 8, level -1 for the entries.
const (
	tileHeight     = 8
	tileWidth      = 1 << tileHeight
	entriesLevel   = -1
	tileBytesMax   = tileWidth * tlog.HashSize
	bundleBytesMax = tileWidth * (2 + 1<<16)
)

// publicFiles is the folder of a ledger's public files, and a tlog.TileReader.
type publicFiles struct{ directory string }

func (files publicFiles) checkpoint() ([]byte, error) {
	return ReadFile(filepath.Join(files.directory, "checkpoint"), NoteBytesMax)
}

// Height makes publicFiles a tlog.TileReader.
func (files publicFiles) Height() int { return tileHeight }

// ReadTiles makes publicFiles a tlog.TileReader.
func (files publicFiles) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	data := make([][]byte, len(tiles))
	for i, tile := range tiles {
		var err error
		if data[i], err = files.tile(tile); err != nil {
			return nil, err
		}
	}
	return data, nil
}

// SaveTiles makes publicFiles a tlog.TileReader. Nothing is kept: the files are here already.
func (files publicFiles) SaveTiles([]tlog.Tile, [][]byte) {}

// tile reads the hashes of one tile.
func (files publicFiles) tile(tile tlog.Tile) ([]byte, error) {
	raw, found, err := files.read(tile, tileBytesMax)
	if err != nil {
		return nil, err
	}
	if len(raw) != found.W*tlog.HashSize {
		return nil, fmt.Errorf("%s has %d bytes instead of %d hashes", tilePath(found), len(raw), found.W)
	}
	return raw[:tile.W*tlog.HashSize], nil
}

// entries reads one entry bundle.
func (files publicFiles) entries(tile tlog.Tile) ([][]byte, error) {
	raw, found, err := files.read(tile, bundleBytesMax)
	if err != nil {
		return nil, err
	}
	entries := make([][]byte, 0, found.W)
	for len(raw) >= 2 && len(entries) < found.W {
		length := 2 + (int(raw[0])<<8 | int(raw[1]))
		if length > len(raw) {
			break
		}
		entries = append(entries, raw[2:length])
		raw = raw[length:]
	}
	if len(entries) != found.W || len(raw) != 0 {
		return nil, fmt.Errorf("%s does not have %d whole entries", tilePath(found), found.W)
	}
	return entries[:tile.W], nil
}

// read reads a tile's file, or that of the full tile: a log may delete a partial one once the full one is there. If
// neither is there the log does not keep what its checkpoint promises, so that is invalid rather than undecided.
func (files publicFiles) read(tile tlog.Tile, bytesMax int64) ([]byte, tlog.Tile, error) {
	full := tile
	full.W = tileWidth
	for _, candidate := range []tlog.Tile{tile, full} {
		raw, err := ReadFile(filepath.Join(files.directory, tilePath(candidate)), bytesMax)
		if !isAbsent(err) {
			return raw, candidate, err
		}
	}
	return nil, tile, fmt.Errorf("%s is missing, though the checkpoint needs it", tilePath(tile))
}

// tilePath is the path of C2SP, which is that of tlog without the height and with another word for the entries.
func tilePath(tile tlog.Tile) string {
	path := strings.TrimPrefix(tile.Path(), fmt.Sprintf("tile/%d/", tile.H))
	if rest, data := strings.CutPrefix(path, "data/"); data {
		path = "entries/" + rest
	}
	return "tile/" + path
}
