package httprange

import (
	"bytes"
	"testing"
)

func TestParse(t *testing.T) {
	for _, c := range []struct {
		in   string
		want Range
		ok   bool
	}{
		{"bytes 10-20/200", Range{10, 20, 200}, true},
		{" bytes 30-68/*", Range{30, 68, -1}, true},
		{"bytes */100", Range{-1, -1, 100}, true},
		{"bytes 1/2", Range{}, false},
		{"bytes", Range{}, false},
		{"", Range{}, false},
		{"bytes 99999999999999999999-1/2", Range{}, false},
	} {
		r, ok := Parse([]byte(c.in))
		if ok != c.ok || ok && r != c.want {
			t.Errorf("%q: %v %v", c.in, r, ok)
		}
	}
}

func TestStore(t *testing.T) {
	s := NewStore(10000, 60)
	key := []byte("host/name")
	if s.Add(key, 10, 5, []byte("fgh"), 1) != nil || s.Add(key, 10, 0, []byte("abcdef"), 2) != nil {
		t.Fatal("too early")
	}
	if s.Add(key, 10, 5, []byte("fg"), 2) != nil {
		t.Fatal("a part of a part is nothing new")
	}
	if got := bytes.Join(s.Add(key, 10, 7, []byte("hij"), 3), nil); string(got) != "abcdefghij" {
		t.Fatalf("%q", got)
	}
	if len(s.items) != 0 || s.used != 0 {
		t.Error("the finished resource is kept")
	}
	s.Add(key, 10, 0, []byte("abcde"), 100)
	if s.Add(key, 10, 5, []byte("fghij"), 200) != nil {
		t.Error("a part that timed out was used")
	}
	if s.Add(key, 10, 8, []byte("xyz"), 200) != nil {
		t.Error("beyond the end")
	}
	if s.Add([]byte("big"), 1<<20, 0, make([]byte, 20000), 200) != nil || s.used > 10000 {
		t.Error("over the memory limit")
	}
}
