package verify

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// ReadFile reads a file of at most bytesMax bytes. One that cannot be read, or is no regular file, leaves it undecided; a
// longer one is invalid.
func ReadFile(path string, bytesMax int64) ([]byte, error) {
	file, err := openFile(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return file.readWhole(bytesMax)
}

// regularFile is an open file. Its size is known before a byte is read, so one of the wrong size costs nothing, however
// large; and nothing beyond its size is read, since files of some systems state none and never end.
type regularFile struct {
	io.ReadCloser
	path string
	size int64
}

func openFile(path string) (*regularFile, error) {
	return openRegular(path, os.Stat, os.Open)
}

// openBelow opens a file below a folder, which no link leads out of; nil where there is none.
func openBelow(folder *os.Root, path string) (*regularFile, error) {
	file, err := openRegular(filepath.FromSlash(path), folder.Stat, folder.Open)
	if isAbsent(err) {
		return nil, nil
	}
	return file, err
}

// isAbsent says whether there is nothing of a file's name, be it that a file stands where its folder should.
func isAbsent(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}

type statFunc func(path string) (fs.FileInfo, error)

func openRegular(path string, stat statFunc, open func(string) (*os.File, error)) (*regularFile, error) {
	// asked before it is opened: opening a pipe would wait for somebody who writes to it
	if info, err := stat(path); err != nil || !info.Mode().IsRegular() {
		return nil, notRegular(path, err)
	}
	file, err := open(path)
	if err != nil {
		return nil, undecided(err)
	}
	// asked again of what was opened: another file may stand there by now
	info, err := file.Stat()
	if err != nil || !info.Mode().IsRegular() {
		file.Close()
		return nil, notRegular(path, err)
	}
	return &regularFile{file, path, info.Size()}, nil
}

func notRegular(path string, err error) error {
	if err == nil {
		err = fmt.Errorf("%.200q is no regular file", path)
	}
	return undecided(err)
}

// openFolder, too, asks before it opens: os.OpenRoot opens a pipe and sees only then that it is no folder.
func openFolder(path string, stat statFunc, open func(string) (*os.Root, error)) (*os.Root, error) {
	info, err := stat(path)
	if err == nil && !info.IsDir() {
		err = fmt.Errorf("%.200q is no folder", path)
	}
	if err != nil {
		return nil, undecided(err)
	}
	folder, err := open(path)
	if err != nil {
		return nil, undecided(err)
	}
	return folder, nil
}

// readWhole reads a file of at most bytesMax bytes.
func (file *regularFile) readWhole(bytesMax int64) ([]byte, error) {
	if file.size > bytesMax {
		return nil, fmt.Errorf("%.200q has %d bytes, more than the limit of %d", file.path, file.size, bytesMax)
	}
	return file.readStart(bytesMax)
}

// readStart reads the first bytesMax bytes, or all if there are fewer.
func (file *regularFile) readStart(bytesMax int64) ([]byte, error) {
	raw, err := io.ReadAll(io.LimitReader(file, min(file.size, bytesMax)))
	if err != nil {
		return nil, undecided(err)
	}
	return raw, nil
}
