package sink

import (
	"bytes"
	"errors"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

const (
	retryAfter  = 500 * time.Millisecond // between two attempts to connect
	writeWithin = 30 * time.Second       // a listener's patience when reading files
)

// socket is a Unix socket. A stream gets the lines as they come, a datagram socket each line as a datagram.
type socket struct {
	mu    sync.Mutex
	c     Config
	net   string
	conn  *net.UnixConn
	raw   syscall.RawConn
	tried time.Time
	rest  []byte // of a line that a stream took only half of
	lost  uint64
	told  bool
}

func openSocket(c Config, network string) *socket {
	s := &socket{c: c, net: network}
	s.connect()
	return s
}

func (s *socket) connect() bool {
	if s.conn != nil {
		return true
	}
	now := time.Now()
	if now.Sub(s.tried) < retryAfter {
		return false
	}
	s.tried = now
	conn, err := net.DialUnix(s.net, nil, &net.UnixAddr{Name: s.c.Path, Net: s.net})
	if err == nil {
		s.raw, err = conn.SyscallConn()
	}
	if err != nil {
		if !s.told {
			s.c.Warn("cannot connect to the socket %s: %v; trying again as events come", s.c.Path, err)
			s.told = true
		}
		return false
	}
	s.conn, s.rest, s.told = conn, s.rest[:0], false
	return true
}

func (s *socket) drop(err error) {
	s.c.Warn("the socket %s is gone: %v; trying again as events come", s.c.Path, err)
	s.conn.Close()
	s.conn, s.raw = nil, nil
	s.told = true
}

// send writes once. In live operation it does not wait: n may be less than len(b) with a nil error.
func (s *socket) send(b []byte) (n int, err error) {
	if s.c.Live() {
		n, err = writeNow(s.conn, s.raw, b)
	} else {
		_ = s.conn.SetWriteDeadline(time.Now().Add(writeWithin))
		n, err = s.conn.Write(b)
	}
	if errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.ENOBUFS) || errors.Is(err, os.ErrDeadlineExceeded) {
		err = nil
	}
	return max(n, 0), err
}

// Write implements Sink.
func (s *socket) Write(lines []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for attempt := 0; len(lines) > 0 && attempt < 2; attempt++ {
		if !s.connect() {
			break
		}
		var err error
		if s.net == "unix" {
			lines, err = s.stream(lines)
		} else {
			lines, err = s.datagrams(lines)
		}
		if err == nil {
			break
		}
		s.drop(err)
		s.tried = time.Time{} // once more, at once
		if attempt > 0 {
			s.tried = time.Now()
		}
	}
	s.lost += uint64(bytes.Count(lines, newline))
	return nil
}

// stream writes lines and returns those that were not taken.
func (s *socket) stream(lines []byte) ([]byte, error) {
	if len(s.rest) > 0 {
		n, err := s.send(s.rest)
		s.rest = append(s.rest[:0], s.rest[n:]...)
		if err != nil || len(s.rest) > 0 {
			return lines, err
		}
	}
	n, err := s.send(lines)
	if err != nil || n == len(lines) {
		return lines[n:], err
	}
	left := lines[n:]
	if n > 0 && lines[n-1] != '\n' {
		end := bytes.IndexByte(left, '\n') + 1
		s.rest = append(s.rest[:0], left[:end]...)
		left = left[end:]
	}
	return left, nil
}

// datagrams writes a datagram for each line and returns those that were not taken.
func (s *socket) datagrams(lines []byte) ([]byte, error) {
	for len(lines) > 0 {
		end := bytes.IndexByte(lines, '\n') + 1
		if end == 0 {
			end = len(lines)
		}
		n, err := s.send(lines[:end])
		switch {
		case errors.Is(err, syscall.EMSGSIZE):
			s.lost++
		case err != nil:
			return lines, err
		case n < end:
			s.lost++ // the listener is slow
		}
		lines = lines[end:]
	}
	return nil, nil
}

// Reopen implements Sink.
func (s *socket) Reopen() error { return nil }

// Lost implements Sink.
func (s *socket) Lost() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lost
}

// Close implements Sink.
func (s *socket) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn == nil {
		return nil
	}
	if len(s.rest) > 0 {
		_ = s.conn.SetWriteDeadline(time.Now().Add(time.Second))
		_, _ = s.conn.Write(s.rest)
	}
	err := s.conn.Close()
	s.conn = nil
	return err
}
