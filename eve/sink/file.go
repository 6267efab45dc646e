package sink

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"sentinel/internal/conf"
)

// file is a regular file, or the standard output.
type file struct {
	mu    sync.Mutex
	c     Config
	f     *os.File // nil after a reopening that failed
	err   error    // why f is nil
	std   bool
	lost  uint64
	every time.Duration
	align bool // rotate at full minutes, hours or days
	next  time.Time
}

func openFile(c Config) (*file, error) {
	s := &file{c: c}
	switch c.Rotate {
	case "":
	case "minute":
		s.every, s.align = time.Minute, true
	case "hour":
		s.every, s.align = time.Hour, true
	case "day":
		s.every, s.align = 24*time.Hour, true
	default:
		d, ok := conf.ParseDuration(c.Rotate)
		if !ok || d < time.Second {
			return nil, fmt.Errorf("rotate-interval %q is not minute, hour, day or a duration", c.Rotate)
		}
		s.every = d
	}
	if c.Path == "-" || c.Path == "/dev/stdout" {
		s.f, s.std, s.every = os.Stdout, true, 0
		return s, nil
	}
	if err := s.open(c.Truncate); err != nil {
		return nil, err
	}
	return s, nil
}

func (s *file) open(truncate bool) error {
	now := time.Now()
	path := strftime(s.c.Path, now)
	if dir := filepath.Dir(path); dir != "." {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return fmt.Errorf("cannot make the folder of %s: %w", path, err)
		}
	}
	flags := os.O_WRONLY | os.O_CREATE | os.O_APPEND
	if truncate {
		flags |= os.O_TRUNC
	}
	f, err := os.OpenFile(path, flags, 0o644)
	if err != nil {
		return fmt.Errorf("cannot open %s: %w", path, err)
	}
	if s.c.Mode != 0 {
		if err := f.Chmod(s.c.Mode); err != nil {
			s.c.Warn("cannot change the mode of %s: %v", path, err)
		}
	}
	s.f, s.err = f, nil
	s.plan(now)
	return nil
}

// plan sets the time of the next rotation.
func (s *file) plan(now time.Time) {
	if s.every == 0 {
		return
	}
	s.next = now.Add(s.every)
	if !s.align {
		return
	}
	y, m, d := now.Date()
	switch s.every {
	case time.Minute:
		s.next = now.Truncate(time.Minute).Add(time.Minute)
	case time.Hour:
		s.next = time.Date(y, m, d, now.Hour()+1, 0, 0, 0, now.Location())
	default:
		s.next = time.Date(y, m, d+1, 0, 0, 0, 0, now.Location())
	}
}

// Write implements Sink.
func (s *file) Write(lines []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.every > 0 && !time.Now().Before(s.next) {
		if err := s.reopen(); err != nil {
			s.count(lines)
			return err
		}
	}
	if s.f == nil {
		s.count(lines)
		return s.err
	}
	n, err := s.f.Write(lines)
	if err == nil {
		return nil
	}
	// A torn line would spoil the next one: it is taken back.
	whole := bytes.LastIndexByte(lines[:n], '\n') + 1
	if torn := int64(n - whole); torn > 0 {
		if st, serr := s.f.Stat(); serr == nil && st.Mode().IsRegular() && st.Size() >= torn {
			_ = s.f.Truncate(st.Size() - torn)
		}
	}
	s.count(lines[whole:])
	return fmt.Errorf("cannot write: %w", err)
}

func (s *file) count(lines []byte) { s.lost += uint64(bytes.Count(lines, newline)) }

var newline = []byte{'\n'}

// Reopen implements Sink.
func (s *file) Reopen() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reopen()
}

func (s *file) reopen() error {
	if s.std {
		return nil
	}
	old := s.f
	if err := s.open(false); err != nil {
		// Better the old file than none.
		s.plan(time.Now())
		if old == nil {
			s.err = err
		}
		return err
	}
	if old != nil {
		return old.Close()
	}
	return nil
}

// Lost implements Sink.
func (s *file) Lost() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lost
}

// Close implements Sink.
func (s *file) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.std || s.f == nil {
		return nil
	}
	err := s.f.Close()
	s.f, s.err = nil, os.ErrClosed
	return err
}
