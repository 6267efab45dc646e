package file

import (
	"bytes"
	"testing"
)

func TestStreamSkip(t *testing.T) {
	var s Stream
	s.Reset(Limits{MinSize: 100, Window: 4})
	s.Append([]byte("before"))
	if _, _, _, ok := s.Window(false); ok {
		t.Fatal("less than the minimum is shown")
	}
	s.Skip(1000)
	s.Append([]byte("after"))
	s.Finish()
	b, off, eof, ok := s.Window(false)
	if !ok || !eof || off != 0 || string(b) != "beforeafter" {
		t.Errorf("window %q at %d, %v, %v", b, off, eof, ok)
	}
	if s.Size() != 1011 {
		t.Errorf("size %d", s.Size())
	}
}

func TestStreamTrim(t *testing.T) {
	var s Stream
	s.Reset(Limits{MinSize: 10, Window: 4})
	for i := range 100 {
		s.Append(bytes.Repeat([]byte{byte(i)}, 1<<14))
		s.Trim()
		if n := len(s.buf); n > 2<<16 {
			t.Fatalf("%d bytes are kept", n)
		}
	}
	b, off := s.All()
	if off+uint64(len(b)) != 100<<14 || b[len(b)-1] != 99 {
		t.Errorf("%d bytes at %d", len(b), off)
	}
	if _, off, _, ok := s.Window(false); !ok || off < 99<<14-1<<17 {
		t.Errorf("window at %d, %v", off, ok)
	}
}

// saver records what a file hands over.
type saver struct {
	bytes.Buffer
	closed int
}

func (s *saver) Close() error { s.closed++; return nil }

func TestFileSave(t *testing.T) {
	var f File
	f.Begin([]byte("x"), 0, Limits{})
	f.Append([]byte("abc"))
	s := &saver{}
	f.Save(s)
	f.Append([]byte("def"))
	f.Gap(3)
	f.Append([]byte("ghi"))
	if s.String() != "abcdefghi" {
		t.Errorf("saved %q", s.String())
	}
	f.Begin([]byte("y"), 0, Limits{})
	f.Append([]byte("other"))
	if s.closed != 1 || s.String() != "abcdefghi" {
		t.Errorf("closed %d times, %q", s.closed, s.String())
	}
}
