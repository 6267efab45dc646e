package dataset

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestSet(t *testing.T) {
	s, err := New(Config{}).Get(Spec{Name: "a", Type: String})
	if err != nil {
		t.Fatal(err)
	}
	a, b := []byte("a"), []byte("b")
	if !s.Add(a) || s.Add(a) || !s.Add(b) {
		t.Error("a value is new once")
	}
	if _, ok := s.Has(a); !ok {
		t.Error("an added value is not there")
	}
	if !s.Remove(a) || s.Remove(a) {
		t.Error("a value can be removed once")
	}
	if _, ok := s.Has(a); ok {
		t.Error("a removed value is there")
	}
	if !s.Add(a) || s.Len() != 2 {
		t.Error("a removed value cannot be added again")
	}
	if s.Add(nil) {
		t.Error("an empty value was added")
	}
	if n := testing.AllocsPerRun(100, func() { s.Has(b); s.Add(b) }); n != 0 {
		t.Errorf("looking a value up allocates %v times", n)
	}
}

// IP sets take both versions; hashes and IPv4 sets take values of their length only.
func TestTypes(t *testing.T) {
	for _, c := range []struct {
		t    Type
		size int
		want bool
	}{{IP, 4, true}, {IP, 16, true}, {IP, 5, false}, {IPv4, 4, true}, {IPv4, 16, false}, {MD5, 16, true}, {MD5, 32, false}, {SHA256, 32, true}, {String, 5, true}} {
		s, err := New(Config{}).Get(Spec{Name: "a", Type: c.t})
		if err != nil {
			t.Fatal(err)
		}
		if got := s.Add(make([]byte, c.size)); got != c.want {
			t.Errorf("type %d, %d bytes: %v, want %v", c.t, c.size, got, c.want)
		}
	}
}

func TestMemcap(t *testing.T) {
	// Suricata counts a row and a thousand values from the start: 104064 bytes leave no room for a string.
	s, err := New(Config{}).Get(Spec{Name: "a", Type: String, Memcap: 104064, HashSize: 1})
	if err != nil {
		t.Fatal(err)
	}
	if s.Add([]byte("x")) || s.Len() != 0 {
		t.Error("a value was added at the memcap")
	}
}

func TestFiles(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "deep", "state.csv")
	sets := New(Config{})
	s, err := sets.Get(Spec{Name: "a", Type: IP, Load: path, Save: path})
	if err != nil {
		t.Fatal("a state file may be absent:", err)
	}
	s.Add([]byte{192, 0, 2, 1})
	s.Add([]byte{0x20, 1, 0xd, 0xb8, 15: 1})
	if err := sets.Save(); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(path)
	if want := "192.0.2.1\n2001:0db8:0000:0000:0000:0000:0000:0001\n"; err != nil || string(got) != want {
		t.Errorf("%q %v, want %q", got, err, want)
	}
	if s, err = New(Config{}).Get(Spec{Name: "a", Type: IP, Load: path, Save: path}); err != nil || s.Len() != 2 {
		t.Errorf("what was saved does not load: %v", err)
	}
	for _, c := range []struct{ name, text, want string }{
		{"mix", "Zm9v\nYmFy,5\n", "Cannot mix dataset and datarep values for set x in"},
		{"encoding", "not base64\n", "bad base64 encoding x in"},
	} {
		file := filepath.Join(dir, c.name)
		if err := os.WriteFile(file, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		sets := New(Config{})
		if _, err := sets.Get(Spec{Name: "x", Type: String, Load: file}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
		if _, err := sets.Get(Spec{Name: "x", Type: String, Load: file}); err == nil || strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: the second complaint is %v", c.name, err)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add("Zm9v\nYmFy\n", uint8(String), false)
	f.Add("10.0.0.1,5\n", uint8(IP), true)
	f.Add("1d5920f4b44b27a802bd77c4f0536f5a,65536", uint8(MD5), true)
	f.Fuzz(func(t *testing.T, text string, kind uint8, reps bool) {
		s := newSet("x", Type(kind), "", "", 1<<20, 16)
		if err := s.read(strings.NewReader(text), "x", reps); err == nil {
			for i := range s.shards {
				for _, e := range s.shards[i].list {
					if v, why := s.Type.parse(s.Type.format(e.value)); why != "" || len(v) == 0 {
						t.Fatalf("%q does not come back: %s", e.value, why)
					}
				}
			}
		}
	})
}
