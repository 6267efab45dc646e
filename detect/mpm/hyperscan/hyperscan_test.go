package hyperscan

import (
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"sentinel/detect/mpm"
	"sentinel/detect/mpm/mpmtest"
)

func newEngine(t testing.TB) mpm.Engine {
	t.Helper()
	if !Available {
		t.Skip("this build is without cgo")
	}
	e, err := New()
	if err != nil {
		t.Skip(err)
	}
	return e
}

func TestEngine(t *testing.T) { mpmtest.Run(t, newEngine(t)) }

func BenchmarkScan(b *testing.B) { mpmtest.Bench(b, newEngine(b)) }

func TestUnavailable(t *testing.T) {
	if Available {
		t.Skip("this build has cgo")
	}
	if _, err := New(); err == nil {
		t.Error("no error without cgo")
	}
}

func TestRegex(t *testing.T) {
	e := newEngine(t)
	s, err := e.Compile([]mpm.Pattern{{ID: 1, Regex: `^a.?b$`, Nocase: true}, {ID: 2, Regex: `(a)\1`}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if got := hits(t, e, s, []byte("AxB")); !slices.Equal(got, []uint32{1}) {
		t.Errorf("got %v", got)
	}
	if _, err := e.Compile([]mpm.Pattern{{ID: 77, Regex: "a(b"}}); err == nil {
		t.Error("a broken expression compiles")
	}
}

func hits(t *testing.T, e mpm.Engine, s mpm.Set, data []byte) []uint32 {
	t.Helper()
	sc, err := e.NewScanner()
	if err != nil {
		t.Fatal(err)
	}
	defer sc.Close()
	sc.Add(s, data)
	if err := sc.Run(); err != nil {
		t.Fatal(err)
	}
	h := slices.Clone(sc.Hits(0))
	slices.Sort(h)
	return h
}

func TestMarshal(t *testing.T) {
	e := newEngine(t)
	ps := mpmtest.Patterns(rand.New(rand.NewPCG(5, 5)), 200)
	s, err := e.Compile(ps)
	if err != nil {
		t.Fatal(err)
	}
	b, err := s.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	data := []byte("aAb\x00\x00BzZ.\\\n@[aab")
	want := hits(t, e, s, data)
	s.Close()
	s.Close()
	if hits(t, e, s, data) != nil {
		t.Error("a closed set matches")
	}
	again, err := e.Unmarshal(b)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if got := hits(t, e, again, data); !slices.Equal(got, want) || len(want) == 0 {
		t.Errorf("got %v, want %v", got, want)
	}
	for _, cut := range []int{1, len(b) / 2, len(b) - 1} {
		if s, err := e.Unmarshal(b[:cut]); err == nil {
			s.Close()
			t.Errorf("%d of %d bytes load", cut, len(b))
		}
	}
	b[len(b)/2] ^= 1
	if s, err := e.Unmarshal(b); err == nil {
		s.Close()
		t.Error("a damaged database loads")
	}
}

// counting counts what is compiled and loaded.
type counting struct {
	mpm.Engine
	version          string
	compiled, loaded int
}

func (c *counting) Version() string { return c.Engine.Version() + c.version }

func (c *counting) Compile(ps []mpm.Pattern) (mpm.Set, error) {
	c.compiled++
	return c.Engine.Compile(ps)
}

func (c *counting) Unmarshal(b []byte) (mpm.Set, error) {
	s, err := c.Engine.Unmarshal(b)
	if err == nil {
		c.loaded++
	}
	return s, err
}

func TestCache(t *testing.T) {
	e := &counting{Engine: newEngine(t)}
	cache := &mpm.Cache{Dir: filepath.Join(t.TempDir(), "cache")}
	lists := [][]mpm.Pattern{{{ID: 1, Data: []byte("one")}}}
	step := func(name string, compiled, loaded int) {
		t.Helper()
		e.compiled, e.loaded = 0, 0
		sets, err := mpm.CompileAll(e, lists, cache)
		if err != nil {
			t.Fatal(err)
		}
		if e.compiled != compiled || e.loaded != loaded {
			t.Errorf("%s: %d compiled and %d loaded, want %d and %d", name, e.compiled, e.loaded, compiled, loaded)
		}
		if got := hits(t, e.Engine, sets[0], []byte("xone")); !slices.Equal(got, []uint32{1}) {
			t.Errorf("%s: hits %v", name, got)
		}
		for _, s := range sets {
			s.Close()
		}
	}
	file := func() string {
		t.Helper()
		names, _ := filepath.Glob(filepath.Join(cache.Dir, "*"))
		if len(names) != 1 {
			t.Fatalf("files %v", names)
		}
		return names[0]
	}
	step("cold", 1, 0)
	step("warm", 0, 1)
	b, err := os.ReadFile(file())
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)-1] ^= 1
	if err := os.WriteFile(file(), b, 0o600); err != nil {
		t.Fatal(err)
	}
	step("damaged", 1, 0)
	step("mended", 0, 1)
	if err := os.Truncate(file(), 10); err != nil {
		t.Fatal(err)
	}
	step("cut", 1, 0)
	old := time.Now().Add(-8 * 24 * time.Hour)
	first := file()
	if err := os.Chtimes(first, old, old); err != nil {
		t.Fatal(err)
	}
	e.version = "next"
	step("other version", 1, 0)
	if file() == first {
		t.Error("the unused file is still there")
	}
	cache.Dir = filepath.Join(file(), "not-a-directory")
	step("no directory", 1, 0)
}

func TestCompileAll(t *testing.T) {
	e := newEngine(t)
	sets, err := mpm.CompileAll(e, [][]mpm.Pattern{nil, {{ID: 1, Data: []byte("a")}}}, nil)
	if err != nil || sets[0] != nil || sets[1] == nil {
		t.Fatalf("%v, %v", sets, err)
	}
	sets[1].Close()
	if _, err := mpm.CompileAll(e, [][]mpm.Pattern{{{ID: 1, Data: []byte("a")}}, {{ID: 2}}}, nil); err == nil || errors.Is(err, mpm.ErrEmpty) {
		t.Errorf("got %v", err)
	}
}
