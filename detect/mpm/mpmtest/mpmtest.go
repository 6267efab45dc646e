// Package mpmtest tests any engine of package mpm against a plain search. It must know no engine.
package mpmtest

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"sentinel/detect/mpm"
)

// Run tests an engine.
func Run(t *testing.T, e mpm.Engine) {
	t.Run("random", func(t *testing.T) { random(t, e) })
	t.Run("bad", func(t *testing.T) { bad(t, e) })
	t.Run("batch", func(t *testing.T) { batch(t, e) })
	t.Run("allocations", func(t *testing.T) { allocations(t, e) })
}

// Search is the plain search: the IDs of the patterns that data holds, sorted.
func Search(ps []mpm.Pattern, data []byte) []uint32 {
	var ids []uint32
	for i := range ps {
		p := &ps[i]
		for at := int(p.Offset); at+len(p.Data) <= len(data); at++ {
			if end := at + len(p.Data); p.Depth != 0 && end > int(p.Depth) {
				break
			}
			if equal(data[at:at+len(p.Data)], p.Data, p.Nocase) {
				ids = append(ids, p.ID)
				break
			}
		}
	}
	slices.Sort(ids)
	return ids
}

func equal(a, b []byte, nocase bool) bool {
	for i := range a {
		x, y := a[i], b[i]
		if nocase && 'A' <= x && x <= 'Z' {
			x += 'a' - 'A'
		}
		if nocase && 'A' <= y && y <= 'Z' {
			y += 'a' - 'A'
		}
		if x != y {
			return false
		}
	}
	return true
}

// alphabet is small, so that patterns overlap, and holds what is special to engines.
var alphabet = []byte("aAbBzZ\x00\x00\xff\n.\\@[`{")

func randomBytes(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = alphabet[r.IntN(len(alphabet))]
	}
	return b
}

// Patterns returns n random patterns with all features of literals.
func Patterns(r *rand.Rand, n int) []mpm.Pattern {
	ps := make([]mpm.Pattern, n)
	for i := range ps {
		p := &ps[i]
		p.ID = uint32(i)*7 + 3
		p.Data = randomBytes(r, 1+r.IntN(4))
		if r.IntN(5) == 0 {
			p.Data = randomBytes(r, 1+r.IntN(20))
		}
		if i > 0 && r.IntN(10) == 0 { // the same bytes under another ID
			p.Data = ps[r.IntN(i)].Data
		}
		p.Nocase = r.IntN(2) == 0
		if r.IntN(6) == 0 {
			p.Offset = uint32(r.IntN(20))
		}
		if r.IntN(6) == 0 {
			p.Depth = p.Offset + uint32(len(p.Data)+r.IntN(20))
		}
	}
	return ps
}

func random(t *testing.T, e mpm.Engine) {
	sc := scanner(t, e)
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 1))
		ps := Patterns(r, 1+r.IntN(60))
		s, err := e.Compile(ps)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		var datas [][]byte
		for range 1 + r.IntN(30) {
			d := randomBytes(r, r.IntN(100))
			if r.IntN(3) == 0 { // make long patterns occur
				p := ps[r.IntN(len(ps))].Data
				d = append(d, p...)
			}
			datas = append(datas, d)
			if job := sc.Add(s, d); job != len(datas)-1 {
				t.Fatalf("seed %d: job %d instead of %d", seed, job, len(datas)-1)
			}
		}
		if err := sc.Run(); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		for i, d := range datas {
			if err := same(sc.Hits(i), Search(ps, d)); err != nil {
				t.Fatalf("seed %d, %q: %v", seed, d, err)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func same(hits, want []uint32) error {
	got := slices.Clone(hits)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		return fmt.Errorf("hits %v, want %v", got, want)
	}
	return nil
}

func scanner(t testing.TB, e mpm.Engine) mpm.Scanner {
	t.Helper()
	sc, err := e.NewScanner()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { sc.Close() })
	return sc
}

func compile(t testing.TB, e mpm.Engine, ps ...mpm.Pattern) mpm.Set {
	t.Helper()
	s, err := e.Compile(ps)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func bad(t *testing.T, e mpm.Engine) {
	for name, ps := range map[string][]mpm.Pattern{
		"none":         nil,
		"empty":        {{ID: 1}},
		"ID twice":     {{ID: 1, Data: []byte("a")}, {ID: 1, Data: []byte("b")}},
		"does not fit": {{ID: 1, Data: []byte("abc"), Offset: 2, Depth: 4}},
	} {
		if s, err := e.Compile(ps); err == nil {
			s.Close()
			t.Errorf("%s: no error", name)
		}
	}
	for _, b := range [][]byte{nil, {0}, bytes.Repeat([]byte{0xff}, 4096)} {
		if _, err := e.Unmarshal(b); err == nil {
			t.Errorf("%d bytes of nonsense are a set", len(b))
		}
	}
}

// batch tests sizes around the bounds of a batch, many jobs, several sets, and misuse.
func batch(t *testing.T, e mpm.Engine) {
	sc := scanner(t, e)
	a := compile(t, e, mpm.Pattern{ID: 1, Data: []byte("needle")}, mpm.Pattern{ID: 2, Data: []byte("x"), Nocase: true})
	b := compile(t, e, mpm.Pattern{ID: 9, Data: []byte("edl")})
	if sc.Hits(0) != nil {
		t.Error("hits before any job")
	}
	if err := sc.Run(); err != nil {
		t.Error(err)
	}
	for range 3 {
		var want [][]uint32
		add := func(s mpm.Set, size int) {
			d := make([]byte, size)
			if size >= 6 {
				copy(d[size-6:], "needle")
			}
			if job := sc.Add(s, d); job != len(want) {
				t.Fatalf("job %d instead of %d", job, len(want))
			}
			clear(d) // it is ours again
			switch {
			case size < 6 || s == nil:
				want = append(want, nil)
			case s == a:
				want = append(want, []uint32{1})
			default:
				want = append(want, []uint32{9})
			}
		}
		for _, size := range []int{0, 6, 100, 4095, 4096, 5, 16 << 10, 100 << 10, 1500} {
			add(a, size)
			add(nil, size)
			add(b, size)
		}
		for range 300 {
			add(a, 1460)
			add(b, 64)
		}
		if err := sc.Run(); err != nil {
			t.Fatal(err)
		}
		for i := range want {
			if err := same(sc.Hits(i), want[i]); err != nil {
				t.Fatalf("job %d: %v", i, err)
			}
		}
		if sc.Hits(len(want)) != nil || sc.Hits(-1) != nil {
			t.Error("hits of jobs that are not there")
		}
	}
	for n := range mpm.MaxJobs + 1 {
		if job := sc.Add(a, []byte("x")); job != n && (job != -1 || n < mpm.MaxJobs) {
			t.Fatalf("job %d is %d", n, job)
		}
	}
	if err := sc.Run(); err != nil || len(sc.Hits(mpm.MaxJobs-1)) != 1 {
		t.Errorf("the last of many jobs: %v, %v", sc.Hits(mpm.MaxJobs-1), err)
	}
	sc.Add(other{}, []byte("x"))
	if sc.Run() == nil {
		t.Error("another engine's set is no error")
	}
	if sc.Adopt(other{}) == nil {
		t.Error("another engine's set is adopted")
	}
}

type other struct{}

func (other) Size() int                { return 0 }
func (other) Marshal() ([]byte, error) { return nil, nil }
func (other) Close() error             { return nil }

func allocations(t *testing.T, e mpm.Engine) {
	sc := scanner(t, e)
	s := compile(t, e, mpm.Pattern{ID: 1, Data: []byte("needle")}, mpm.Pattern{ID: 2, Data: []byte("GET "), Nocase: true})
	small, large := []byte("get /needle HTTP/1.1"), bytes.Repeat([]byte("needle in a haystack "), 300)
	sum := 0
	if n := testing.AllocsPerRun(100, func() {
		sc.Add(s, small)
		sc.Add(s, large)
		sc.Add(nil, small)
		if sc.Run() == nil {
			sum += len(sc.Hits(0)) + len(sc.Hits(1))
		}
	}); n != 0 {
		t.Errorf("%v allocations a batch", n)
	}
	if sum != 3*101 {
		t.Errorf("%d hits in all", sum)
	}
}

// Bench measures scans of buffers of one size with 2,000 patterns, one and sixteen a batch.
func Bench(b *testing.B, e mpm.Engine) {
	r := rand.New(rand.NewPCG(1, 1))
	const letters = "abcdefghijklmnopqrstuvwxyz/.=-_%0123456789"
	word := func(n int) []byte {
		w := make([]byte, n)
		for i := range w {
			w[i] = letters[r.IntN(len(letters))]
		}
		return w
	}
	ps := make([]mpm.Pattern, 2000)
	for i := range ps {
		ps[i] = mpm.Pattern{ID: uint32(i), Data: word(5 + r.IntN(15)), Nocase: i%2 == 0}
	}
	s := compile(b, e, ps...)
	sc := scanner(b, e)
	for _, size := range []int{64, 1460} {
		data := word(size)
		for _, jobs := range []int{1, 16} {
			b.Run(fmt.Sprintf("size=%d/jobs=%d", size, jobs), func(b *testing.B) {
				b.SetBytes(int64(size * jobs))
				for b.Loop() {
					for range jobs {
						sc.Add(s, data)
					}
					if err := sc.Run(); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
