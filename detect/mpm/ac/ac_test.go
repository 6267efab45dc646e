package ac

import (
	"bytes"
	"testing"

	"sentinel/detect/mpm"
	"sentinel/detect/mpm/mpmtest"
)

func TestEngine(t *testing.T) { mpmtest.Run(t, New()) }

func BenchmarkScan(b *testing.B) { mpmtest.Bench(b, New()) }

func TestRegexRefused(t *testing.T) {
	if _, err := New().Compile([]mpm.Pattern{{ID: 1, Regex: "a.b"}}); err == nil {
		t.Error("a regular expression is no error")
	}
}

func TestAllBytes(t *testing.T) {
	var ps []mpm.Pattern
	for i := range 256 {
		ps = append(ps, mpm.Pattern{ID: uint32(i), Data: []byte{byte(i), byte(i + 1)}})
	}
	s, err := New().Compile(ps)
	if err != nil {
		t.Fatal(err)
	}
	sc, _ := New().NewScanner()
	all := make([]byte, 257)
	for i := range all {
		all[i] = byte(i)
	}
	sc.Add(s, all)
	if sc.Run(); len(sc.Hits(0)) != 256 {
		t.Errorf("%d of 256 patterns", len(sc.Hits(0)))
	}
}

func FuzzScan(f *testing.F) {
	f.Add([]byte("abc"), []byte("bcd"), true, []byte("xABCDx"))
	f.Add([]byte("\x00"), []byte("\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01"), false, bytes.Repeat([]byte{0}, 20))
	sc, _ := New().NewScanner()
	f.Fuzz(func(t *testing.T, p, q []byte, nocase bool, data []byte) {
		ps := []mpm.Pattern{{ID: 1, Data: p, Nocase: nocase}, {ID: 2, Data: q}}
		s, err := New().Compile(ps)
		if err != nil {
			return
		}
		sc.Add(s, data)
		sc.Run()
		if got, want := len(sc.Hits(0)), len(mpmtest.Search(ps, data)); got != want {
			t.Errorf("%d hits, want %d", got, want)
		}
	})
}
