package dataset

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func jsonSet(t *testing.T, text string, x Spec) (*Set, error) {
	t.Helper()
	x.Load = filepath.Join(t.TempDir(), "set.lst")
	if err := os.WriteFile(x.Load, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	x.Name = "bad"
	return New(Config{}).Get(x)
}

// The expectations are the user guide's (dataset with JSON).
func TestJSON(t *testing.T) {
	const guide = `{
    "time": "2024-12-21",
    "response": {
        "threats":
            [
                {"host": "toto.com", "origin": "japan"},
                {"host": "grenouille.com", "origin": "french", "n": 1.50, "deep": {"host": "x", "l": [1, null, true, "ä\n"]}}
            ]
    }
}`
	for _, c := range []struct {
		name, text string
		x          Spec
		value      string
		want       string
		missing    bool
	}{
		{name: "array inside", text: guide, x: Spec{Type: String, Format: JSON, ValueKey: "host", ArrayKey: "response.threats"},
			value: "toto.com", want: `{"host":"toto.com","origin":"japan"}`},
		{name: "order, numbers and strings stay", text: guide, x: Spec{Type: String, Format: JSON, ValueKey: "host", ArrayKey: "response.threats"},
			value: "grenouille.com", want: `{"host":"grenouille.com","origin":"french","n":1.50,"deep":{"host":"x","l":[1,null,true,"ä\n"]}}`},
		{name: "path to the value", text: guide, x: Spec{Type: String, Format: JSON, ValueKey: "deep.host", ArrayKey: "response.threats"},
			value: "x", want: `{"host":"grenouille.com","origin":"french","n":1.50,"deep":{"host":"x","l":[1,null,true,"ä\n"]}}`},
		{name: "elements without the key", text: guide, x: Spec{Type: String, Format: JSON, ValueKey: "deep.host", ArrayKey: "response.threats"},
			value: "toto.com", missing: true},
		{name: "key removed", text: guide, x: Spec{Type: String, Format: JSON, ValueKey: "host", ArrayKey: "response.threats", RemoveKey: true},
			value: "toto.com", want: `{"origin":"japan"}`},
		{name: "only the member itself is removed", text: guide, x: Spec{Type: String, Format: JSON, ValueKey: "deep.host", ArrayKey: "response.threats", RemoveKey: true},
			value: "x", want: `{"host":"grenouille.com","origin":"french","n":1.50,"deep":{"host":"x","l":[1,null,true,"ä\n"]}}`},
		{name: "array alone", text: `[{"ip":"10.16.1.11","test":"success"}]`, x: Spec{Type: IP, Format: JSON, ValueKey: "ip"},
			value: "\x0a\x10\x01\x0b", want: `{"ip":"10.16.1.11","test":"success"}`},
		{name: "lines", text: "{\"ip\": \"10.16.1.11\", \"a\": 1}\n\r\n{\"other\": 2}\n{\"ip\": \"2001:db8::1\", \"a\": 2}", x: Spec{Type: IP, Format: NDJSON, ValueKey: "ip"},
			value: "\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01", want: `{"ip":"2001:db8::1","a":2}`},
		{name: "IPv4", text: `{"ip":"1.2.3.4"}`, x: Spec{Type: IPv4, Format: NDJSON, ValueKey: "ip"}, value: "\x01\x02\x03\x04", want: `{"ip":"1.2.3.4"}`},
		{name: "MD5", text: `{"h":"900150983cd24fb0d6963f7d28e17f72"}`, x: Spec{Type: MD5, Format: NDJSON, ValueKey: "h"},
			value: "\x90\x01\x50\x98\x3c\xd2\x4f\xb0\xd6\x96\x3f\x7d\x28\xe1\x7f\x72", want: `{"h":"900150983cd24fb0d6963f7d28e17f72"}`},
		{name: "the first of equal values", text: "{\"h\":\"a\",\"n\":1}\n{\"h\":\"a\",\"n\":2}\n", x: Spec{Type: String, Format: NDJSON, ValueKey: "h"},
			value: "a", want: `{"h":"a","n":1}`},
		{name: "long contexts are left out", text: `{"h":"a","n":"` + strings.Repeat("x", MaxContext) + `"}`, x: Spec{Type: String, Format: NDJSON, ValueKey: "h"}, value: "a"},
		{name: "nothing left", text: `{"h":"a"}`, x: Spec{Type: String, Format: NDJSON, ValueKey: "h", RemoveKey: true}, value: "a", want: "{}"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, err := jsonSet(t, c.text, c.x)
			if err != nil {
				t.Fatal(err)
			}
			got, ok := s.Context([]byte(c.value))
			if ok == c.missing || string(got) != c.want {
				t.Errorf("%s %v, want %s", got, ok, c.want)
			}
		})
	}
}

func TestJSONErrors(t *testing.T) {
	lines, file := Spec{Type: String, Format: NDJSON, ValueKey: "h"}, Spec{Type: String, Format: JSON, ValueKey: "h"}
	with := func(x Spec, t Type, array string) Spec {
		x.Type, x.ArrayKey = t, array
		return x
	}
	for _, c := range []struct {
		name, text string
		x          Spec
		want       string
	}{
		{"no value anywhere", "{\"a\":1}\n", lines, "No valid entries for key 'h' found in the file"},
		{"empty file", "", lines, "No valid entries"},
		{"empty array", "[]", file, "No valid entries"},
		{"number", "{\"h\":\"a\"}\n{\"h\":5}\n", lines, "set.lst:2: dataset: bad failed to get value because it is not a string"},
		{"null", `[{"h":"a"},{"h":null}]`, file, "element 1: bad failed to get value because it is not a string"},
		{"broken line", "{\"h\":\"a\"}\n{\"h\":\n", lines, "set.lst:2: dataset: Invalid json"},
		{"broken file", "[\n{\"h\":\n]", file, "error on line 3"},
		{"two values", "[] []", file, "can't load JSON"},
		{"not UTF-8", "{\"h\":\"a\",\"x\":\"\xff\"}", lines, "not UTF-8"},
		{"file not UTF-8", "[\"\xff\"]", file, "not UTF-8"},
		{"no array", `{"h":"a"}`, file, "not an array"},
		{"null for an array", `null`, file, "not an array"},
		{"no such array", `{"h":"a"}`, with(file, String, "b.c"), "failed to get key 'b.c'"},
		{"path through a string", `{"b":"a"}`, with(file, String, "b.c"), "failed to get key 'b.c'"},
		{"address", `{"h":"1.2.3"}`, with(lines, IP, ""), "invalid Ipv6 value '1.2.3'"},
		{"hash", `{"h":"12"}`, with(lines, SHA256, ""), "bad hash '12'"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := jsonSet(t, c.text, c.x); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
	t.Run("no file", func(t *testing.T) {
		x := lines
		x.Name, x.Load = "x", filepath.Join(t.TempDir(), "none")
		if _, err := New(Config{}).Get(x); err == nil || !strings.Contains(err.Error(), "cannot read") {
			t.Error(err)
		}
	})
	t.Run("memcap", func(t *testing.T) {
		x := lines
		x.Memcap, x.HashSize = row+prealloc*overhead+15, 1
		if _, err := jsonSet(t, `{"h":"0123456789"}`, x); err == nil || !strings.Contains(err.Error(), "memcap") {
			t.Error(err)
		}
	})
}

// Rules that share a set must agree on it.
func TestJSONShared(t *testing.T) {
	load := filepath.Join(t.TempDir(), "set.lst")
	if err := os.WriteFile(load, []byte(`{"h":"a"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	sets := New(Config{})
	x := Spec{Name: "x", Type: String, Load: load, Format: NDJSON, ValueKey: "h"}
	if _, err := sets.Get(x); err != nil {
		t.Fatal(err)
	}
	y := x
	y.RemoveKey = true
	if _, err := sets.Get(y); err == nil || !strings.Contains(err.Error(), "remove_key mismatch") {
		t.Error(err)
	}
	y = x
	y.Format = JSON
	if _, err := sets.Get(y); err == nil || !strings.Contains(err.Error(), "another format") {
		t.Error(err)
	}
	if _, err := sets.Get(Spec{Name: "x"}); err != nil {
		t.Error("a rule that only names the set:", err)
	}
}

func TestAddJSON(t *testing.T) {
	s := newSet("x", String, "", "", 0, 16)
	before := s.used.Load()
	for _, c := range []struct {
		value, context string
		want           Outcome
	}{
		{"YQ==", `{"city": "Mountain View"}`, Done},
		{"YQ==", `{"city": "Paris"}`, Already},
		{"Yg==", `"text"`, Done},
		{"Yw==", `7`, Done},
		{"ZA==", `{`, Failed},
		{"*", `{}`, Failed},
		{"ZQ==", "\"" + strings.Repeat("x", MaxContext) + "\"", Failed},
		{"ZQ==", "", Failed},
		{"ZQ==", "\"\xff\"", Failed},
	} {
		if got := s.AddJSON(c.value, c.context); got != c.want {
			t.Errorf("%s %.40s: %v, want %v", c.value, c.context, got, c.want)
		}
	}
	if got, ok := s.Context([]byte("a")); !ok || string(got) != `{"city":"Mountain View"}` {
		t.Errorf("%s", got)
	}
	s.Remove([]byte("a"))
	s.Clear()
	if s.used.Load() != before || s.Len() != 0 {
		t.Errorf("%d bytes are lost", s.used.Load()-before)
	}
}

// What is asked for is the name, and then what follows each dot that no other one precedes (user guide, match subdomain).
func TestDomain(t *testing.T) {
	s := newSet("x", String, "", "", 0, 16)
	s.Add([]byte(".evil.com"))
	s.Add([]byte("plain.org"))
	for _, c := range []struct {
		name string
		want bool
	}{
		{".evil.com", true}, {".mail.evil.com", true}, {".a.b.evil.com", true}, {"mail.evil.com", true}, {"evil.com", false}, {".notevil.com", false},
		{".evil.com.org", false}, {"plain.org", true}, {"www.plain.org", false}, {"x..evil.com", false}, {"", false}, {".", false},
		{strings.Repeat("a.", 126) + "evil.com", true}, {strings.Repeat("a.", 127) + "evil.com", false}, {strings.Repeat(".", 99) + "evil.com", false},
	} {
		if _, ok := s.Domain([]byte(c.name)); ok != c.want {
			t.Errorf("%.40q (%d bytes): %v", c.name, len(c.name), ok)
		}
	}
	name := []byte(".a.b.evil.com")
	if n := testing.AllocsPerRun(100, func() { s.Domain(name) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzReadJSON(f *testing.F) {
	f.Add(`[{"h":"a","n":1},{"h":"b"}]`, "h", "", uint8(String), false, true)
	f.Add(`{"r":{"t":[{"h":"10.0.0.1"}]}}`, "h", "r.t", uint8(IP), false, false)
	f.Add("{\"a\":{\"h\":\"a\"}}\n{\"a\":2}\n", "a.h", "", uint8(String), true, true)
	f.Add(`{"h":"900150983cd24fb0d6963f7d28e17f72","h":"x"}`, "h", "", uint8(MD5), true, true)
	f.Fuzz(func(t *testing.T, text, key, array string, kind uint8, lines, remove bool) {
		x := Spec{Load: "x", Format: JSON, ValueKey: key, ArrayKey: array, RemoveKey: remove}
		if lines {
			x.Format = NDJSON
		}
		s := newSet("x", Type(kind%6), "", "", 1<<20, 16)
		_ = s.readJSON(strings.NewReader(text), &x)
		for i := range s.shards {
			for _, e := range s.shards[i].list {
				if e.json != nil && s.AddJSON("YQ==", string(e.json)) == Failed && s.Type == String {
					t.Fatalf("%q is kept, and is no JSON", e.json)
				}
			}
		}
	})
}
