package pcapfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// file is a capture file that waits for its turn.
type file struct {
	path string
	size int64
	at   stamp
}

// stamp is the time a file was last modified, in nanoseconds since 1970.
type stamp int64

// maxDepth is how deep Recursive goes.
const maxDepth = 255

// maxNap is the longest time that Read may take without a packet.
const maxNap = 5 * time.Millisecond

// start decides between a file, a directory and standard input, and opens the first file.
func (s *Source) start(path string) error {
	if path == "-" {
		s.name, s.open = path, true
		s.reader.reset("standard input", newInput(os.Stdin))
		if err := s.reader.header(); err != nil && err != errWait {
			return err
		}
		return nil
	}
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("cannot open %s: %w", path, cause(err))
	}
	if !info.IsDir() {
		return s.openFile(file{path: path, size: regularSize(info)})
	}
	if s.opts.Recursive && s.opts.Continuous {
		return fmt.Errorf("cannot read %s: a directory is read either recursively or continuously", path)
	}
	s.dir = path
	return s.scan(time.Now())
}

func regularSize(info fs.FileInfo) int64 {
	if info.Mode().IsRegular() {
		return info.Size()
	}
	return 0
}

// cause takes the operation and the path off an error of package os, because the message names the path already.
func cause(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}

// openFile opens f and reads its header.
func (s *Source) openFile(f file) error {
	h, err := os.Open(f.path)
	if err != nil {
		return fmt.Errorf("cannot open %s: %w", f.path, cause(err))
	}
	s.name, s.open = f.path, true
	if s.dir == "" {
		s.total.Store(f.size)
	}
	s.reader.reset(f.path, newInput(h))
	if err := s.reader.header(); err != nil && err != errWait {
		s.reader.close()
		s.open = false
		return err
	}
	return nil
}

// advance opens the next file of a directory. It returns errWait if there is none yet, io.EOF if there will be none.
func (s *Source) advance() error {
	for len(s.files) > 0 {
		f := s.files[0]
		s.files = s.files[1:]
		err := s.openFile(f)
		if err == nil {
			return nil
		}
		s.report(err)
	}
	if !s.opts.Continuous || s.dir == "" {
		return io.EOF
	}
	now := time.Now()
	if now.Sub(s.polled) < s.opts.Poll {
		time.Sleep(maxNap)
		return errWait
	}
	if err := s.scan(now); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return io.EOF
		}
		return err
	}
	return errWait
}

// scan looks for files in the directory: all, or with Continuous those that are old enough and younger than the
// youngest one that was read. They are read from the oldest to the youngest, and by name where the times are equal.
func (s *Source) scan(now time.Time) error {
	s.polled = now
	before := stamp(1<<63 - 1)
	if s.opts.Continuous {
		before = stamp(now.Add(-s.opts.Delay).UnixNano())
	}
	root := filepath.Clean(s.dir)
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			if path == root {
				return err
			}
			s.report(fmt.Errorf("cannot read %s: %w", path, cause(err)))
			return nil
		}
		if d.IsDir() {
			if path != root && (!s.opts.Recursive || depth(root, path) > maxDepth) {
				return fs.SkipDir
			}
			return nil
		}
		if !d.Type().IsRegular() {
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return nil // gone in the meantime
		}
		at := stamp(info.ModTime().UnixNano())
		if at >= before || (s.opts.Continuous && at <= s.seen) {
			return nil
		}
		s.files = append(s.files, file{path, info.Size(), at})
		return nil
	})
	if err != nil {
		return fmt.Errorf("cannot read directory %s: %w", s.dir, cause(err))
	}
	slices.SortFunc(s.files, func(a, b file) int {
		if a.at != b.at {
			if a.at < b.at {
				return -1
			}
			return 1
		}
		return strings.Compare(a.path, b.path)
	})
	total := s.total.Load()
	for _, f := range s.files {
		total += f.size
		s.seen = max(s.seen, f.at)
	}
	s.total.Store(total)
	return nil
}

func depth(root, path string) int {
	return strings.Count(strings.TrimPrefix(path, root), string(filepath.Separator))
}
