package mpm

import (
	"errors"
	"testing"
)

// fake is an engine that only has a name.
type fake struct{ name, version string }

func (f fake) Name() string                 { return f.name }
func (f fake) Version() string              { return f.version }
func (fake) Compile([]Pattern) (Set, error) { return nil, errors.ErrUnsupported }
func (fake) Unmarshal([]byte) (Set, error)  { return nil, errors.ErrUnsupported }
func (fake) NewScanner() (Scanner, error)   { return nil, errors.ErrUnsupported }

func TestKey(t *testing.T) {
	base := []Pattern{{ID: 1, Data: []byte("ab")}, {ID: 2, Data: []byte("c")}}
	keys := map[[32]byte]string{}
	add := func(name string, e Engine, ps []Pattern) {
		t.Helper()
		k := Key(e, ps)
		if other, ok := keys[k]; ok {
			t.Errorf("%s has the key of %s", name, other)
		}
		keys[k] = name
	}
	e := fake{"a", "1"}
	add("base", e, base)
	add("engine", fake{"b", "1"}, base)
	add("version", fake{"a", "2"}, base)
	add("name and version moved", fake{"a1", ""}, base)
	add("fewer", e, base[:1])
	add("order", e, []Pattern{base[1], base[0]})
	add("bytes moved", e, []Pattern{{ID: 1, Data: []byte("a")}, {ID: 2, Data: []byte("bc")}})
	add("nocase", e, []Pattern{{ID: 1, Data: []byte("ab"), Nocase: true}, base[1]})
	add("offset", e, []Pattern{{ID: 1, Data: []byte("ab"), Offset: 1}, base[1]})
	add("depth", e, []Pattern{{ID: 1, Data: []byte("ab"), Depth: 9}, base[1]})
	add("regex", e, []Pattern{{ID: 1, Regex: "ab"}, base[1]})
	if Key(e, base) != Key(e, append([]Pattern(nil), base...)) {
		t.Error("equal patterns have different keys")
	}
}

func TestCompileAllReportsErrors(t *testing.T) {
	_, err := CompileAll(fake{"a", "1"}, [][]Pattern{{{ID: 1, Data: []byte("a")}}}, &Cache{Dir: t.TempDir()})
	if !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("got %v", err)
	}
}
