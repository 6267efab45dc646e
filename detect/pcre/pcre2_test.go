//go:build cgo

package pcre

import (
	"bytes"
	"testing"
)

const uses2 = true

func TestUngreedy(t *testing.T) {
	r, err := Compile("a+", Ungreedy)
	if err != nil {
		t.Fatal(err)
	}
	if _, to, ok := r.Match([]byte("aaa"), 0, newMatcher(t, DefaultLimits)); !ok || to != 1 {
		t.Errorf("ends at %d", to)
	}
}

func TestConfiguredLimits(t *testing.T) {
	m := newMatcher(t, Limits{Match: 1 << 30, Depth: 1 << 30})
	data := append(bytes.Repeat([]byte("a"), 16), 'c')
	for _, tt := range []struct {
		flags  Flags
		errors uint64
	}{{0, 1}, {ConfiguredLimits, 0}} {
		r, err := Compile("^(a+)+(b|d)(b|d)$", tt.flags)
		if err != nil {
			t.Fatal(err)
		}
		m.Errors = 0
		if _, _, ok := r.Match(append(data[:16:16], "bbbc"...), 0, m); ok || m.Errors != tt.errors {
			t.Errorf("flags %x: match %v, %d errors", tt.flags, ok, m.Errors)
		}
	}
}

func TestErrorPlace(t *testing.T) {
	_, err := Compile("ab(c", 0)
	if err == nil || err.Error() != "at offset 4: missing closing parenthesis" {
		t.Errorf("got %v", err)
	}
}

func TestMatchAllocates(t *testing.T) {
	m := newMatcher(t, DefaultLimits)
	r, err := Compile("(a+)b", 0)
	if err != nil {
		t.Fatal(err)
	}
	data := []byte("xxaab")
	sum := 0
	if n := testing.AllocsPerRun(100, func() {
		r.Match(data, 0, m)
		sum += len(m.Group(1))
		r.Match(data[:3], 0, m)
	}); n != 0 || sum != 2*101 {
		t.Errorf("%v allocations, %d bytes captured", n, sum)
	}
}

func BenchmarkMatch(b *testing.B) {
	m := newMatcher(b, DefaultLimits)
	r, err := Compile(`^/[a-z]{3,5}\.php\?id=\d+$`, 0)
	if err != nil {
		b.Fatal(err)
	}
	data := []byte("/gate.php?id=12345")
	for b.Loop() {
		if _, _, ok := r.Match(data, 0, m); !ok {
			b.Fatal("no match")
		}
	}
}
