package pcre

import (
	"bytes"
	"os"
	"reflect"
	"strings"
	"sync"
	"testing"

	"sentinel/rules"
)

func newMatcher(t testing.TB, l Limits) *Matcher {
	t.Helper()
	m, err := NewMatcher(l)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	return m
}

// TestMatch has what PCRE says of these expressions, for both engines.
func TestMatch(t *testing.T) {
	tests := []struct {
		name, re string
		flags    Flags
		data     string
		start    int
		from, to int // -1: no match
	}{
		{"user guide", "[0-9]{6}", 0, "ab123456", 0, 2, 8},
		{"case", "abc", 0, "ABC", 0, -1, 0},
		{"nocase", "abc", Caseless, "xABC", 0, 1, 4},
		{"dot", "a.b", 0, "a\nb", 0, -1, 0},
		{"dotall", "a.b", DotAll, "a\nb", 0, 0, 3},
		{"not multiline", "^b", 0, "a\nb", 0, -1, 0},
		{"multiline", "^b", Multiline, "a\nb", 0, 2, 3},
		{"extended", "a b # c", Extended, "ab", 0, 0, 2},
		{"anchored", "b", Anchored, "ab", 0, -1, 0},
		{"anchored at start", "b", Anchored, "ab", 1, 1, 2},
		{"dollar before newline", "a$", 0, "a\n", 0, 0, 1},
		{"dollar at end only", "a$", DollarEndOnly, "a\n", 0, -1, 0},
		{"start", "a", 0, "aba", 1, 2, 3},
		{"look back before start", "(?<=a)b", 0, "ab", 1, 1, 2},
		{"caret is not start", "^b", 0, "ab", 1, -1, 0},
		{"high bytes", `\xe9[\x80-\xff]+`, 0, "x\xe9\xff\x80y", 0, 1, 4},
		{"high bytes are no letters", `\w`, 0, "\xe9\xb5", 0, -1, 0},
		{"high bytes are no blanks", `\s`, 0, "\x85\xa0", 0, -1, 0},
		{"high bytes have no case", "\xe9", Caseless, "\xc9", 0, -1, 0},
		{"high byte as it is", "\xe9.", 0, "\xe9\xe8", 0, 0, 2},
		{"NUL", `a\x00b`, 0, "a\x00b", 0, 0, 3},
		{"empty data", "^$", 0, "", 0, 0, 0},
		{"start at the end", "$", 0, "ab", 2, 2, 2},
		{"start beyond", "a", 0, "a", 2, -1, 0},
		{"back reference without captures", `(a|b)\1`, NoAutoCapture, "abb", 0, 1, 3},
		{"escaped slash", `a\/b`, 0, "a/b", 0, 0, 3},
		{"class with bracket", `[]a]+`, 0, "x]a", 0, 1, 3},
		{"posix class", `[[:digit:]x]+`, 0, "a1x", 0, 1, 3},
		{"lookahead", `a(?!b)`, 0, "abac", 0, 2, 3},
		{"named back reference", `(?P<q>['"])a(?P=q)`, NoAutoCapture, `"a"`, 0, 0, 3},
		{"short escape", `[\x2\x61]+`, 0, "\x02ab", 0, 0, 2},
		{"horizontal blank", `a\hb`, 0, "a\tb", 0, 0, 3},
	}
	m := newMatcher(t, DefaultLimits)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, err := Compile(tt.re, tt.flags)
			if err != nil {
				t.Fatal(err)
			}
			from, to, ok := r.Match([]byte(tt.data), tt.start, m)
			if ok != (tt.from >= 0) || ok && (from != tt.from || to != tt.to) {
				t.Errorf("got %d, %d, %v", from, to, ok)
			}
			if ok && !bytes.Equal(m.Group(0), []byte(tt.data[from:to])) {
				t.Errorf("group 0 is %q", m.Group(0))
			}
		})
	}
	if m.Errors != 0 {
		t.Errorf("%d errors", m.Errors)
	}
}

func TestGroups(t *testing.T) {
	m := newMatcher(t, DefaultLimits)
	r, err := Compile("(a)(x)?(?P<flow_n>b+)", 0)
	if err != nil {
		t.Fatal(err)
	}
	if r.Groups() != 3 {
		t.Errorf("%d groups", r.Groups())
	}
	if _, _, ok := r.Match([]byte("cabbc"), 0, m); !ok {
		t.Fatal("no match")
	}
	if string(m.Group(1)) != "a" || m.Group(2) != nil || string(m.Group(3)) != "bb" || m.Group(4) != nil || m.Group(-1) != nil || m.Group(1000) != nil {
		t.Errorf("groups %q %q %q", m.Group(1), m.Group(2), m.Group(3))
	}
	if _, _, ok := r.Match([]byte("x"), 0, m); ok || m.Group(0) != nil {
		t.Error("groups of the match before")
	}
}

func TestCompileErrors(t *testing.T) {
	for _, re := range []string{"a(b", "[a", "a{2,1}", "*"} {
		if _, err := Compile(re, 0); err == nil || len(err.Error()) < 10 {
			t.Errorf("%s: %v", re, err)
		}
	}
}

func TestRunaway(t *testing.T) {
	m := newMatcher(t, DefaultLimits)
	r, err := Compile("^(a+)+(b|c)(b|c)$", 0)
	if err != nil {
		t.Fatal(err)
	}
	data := append(bytes.Repeat([]byte("a"), 40), "bcd"...)
	if _, _, ok := r.Match(data, 0, m); ok || m.Errors != 1 {
		t.Errorf("match %v, %d errors", ok, m.Errors)
	}
}

func TestShared(t *testing.T) {
	r, err := Compile("(a+)b", 0)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 4 {
		m := newMatcher(t, DefaultLimits)
		wg.Go(func() {
			for range 200 {
				if from, to, ok := r.Match([]byte("xaab"), 0, m); !ok || from != 1 || to != 4 {
					t.Errorf("got %d, %d, %v", from, to, ok)
					return
				}
			}
		})
	}
	wg.Wait()
}

func TestParseSuricata(t *testing.T) {
	tests := []struct {
		name, in string
		want     Spec
	}{
		{"plain", `"/abc/"`, Spec{Regex: "abc", Flags: NoAutoCapture}},
		{"unquoted", `/abc/i`, Spec{Regex: "abc", Flags: NoAutoCapture | Caseless}},
		{"negated", `! "/a\/b/Ri"`, Spec{Regex: `a\/b`, Flags: NoAutoCapture | Caseless, Negated: true, Relative: true}},
		{"all flags", `"/a/ismxAEGO"`, Spec{Regex: "a", Flags: NoAutoCapture | Caseless | DotAll | Multiline | Extended | Anchored | DollarEndOnly | Ungreedy | ConfiguredLimits}},
		{"buffer", `"/a/UU"`, Spec{Regex: "a", Flags: NoAutoCapture, Buffer: 'U'}},
		{"rawbytes", `"/a/B"`, Spec{Regex: "a", Flags: NoAutoCapture, RawBytes: true}},
		{"slashes inside", `"/a/b/U"`, Spec{Regex: "a/b", Flags: NoAutoCapture, Buffer: 'U'}},
		{"escaped backslash before the end", `"/a\\/"`, Spec{Regex: `a\\`, Flags: NoAutoCapture}},
		{"user guide", `"/([a-z]+)\/[a-z]+\/(.+)\/(.+)\/changelog$/UR, flow:ua/ubuntu/repo,flow:ua/ubuntu/pkg/base,     flow:ua/ubuntu/pkg/version"`,
			Spec{Regex: `([a-z]+)\/[a-z]+\/(.+)\/(.+)\/changelog$`, Relative: true, Buffer: 'U',
				Captures: []Capture{{FlowVar, "ua/ubuntu/repo", 1}, {FlowVar, "ua/ubuntu/pkg/base", 2}, {FlowVar, "ua/ubuntu/pkg/version", 3}}}},
		{"key and value", `"/^([A-Z]+) (.*)\r\n/, pkt:key,pkt:value"`,
			Spec{Regex: `^([A-Z]+) (.*)\r\n`, Captures: []Capture{{PktKeyValue, "", 1}}}},
		{"part of the expression", `"/(flow:.*)\r\n/R"`, Spec{Regex: `(flow:.*)\r\n`, Flags: NoAutoCapture, Relative: true}},
		{"named group", `"/(?P<flow_http_ua>.*)x(?P<other>y)(?P<pkt_z>z)/"`,
			Spec{Regex: `(?P<flow_http_ua>.*)x(?P<other>y)(?P<pkt_z>z)`, Flags: NoAutoCapture, Captures: []Capture{{FlowVar, "http_ua", 1}, {PktVar, "z", 2}}}},
		{"alert", `"/(a)/, alert:b"`, Spec{Regex: "(a)", Captures: []Capture{{AlertVar, "b", 1}}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ParseSuricata(tt.in)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got %+v\nwant %+v", got, tt.want)
			}
			if tt.want.Flags&Ungreedy != 0 {
				return // not in plain Go
			}
			if _, err := got.Compile(); err != nil {
				t.Error(err)
			}
		})
	}
	for _, bad := range []string{"", "abc", `"/abc"`, "/a/q", "/a/BU", "/a/UB", "/a/UH", "/A/W", "/(a)/, flow:", "/(a)/, pkt:value", "/(a)/, pkt:key,flow:x",
		"/" + strings.Repeat("(?P<flow_a>a)", 9) + "/", "/a/" + strings.Repeat("i", 64)} {
		if s, err := ParseSuricata(bad); err == nil {
			t.Errorf("%q parses: %+v", bad, s)
		}
	}
	s, err := ParseSuricata("/([a-z]+)/HR, flow:somecapture, pkt:anothercap")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Compile(); err == nil {
		t.Error("more names than groups compile")
	}
}

const etOpen = "../../../shared/rules/et-open.rules"

func TestEmergingThreats(t *testing.T) {
	if _, err := os.Stat(etOpen); err != nil {
		t.Skip("the Emerging Threats ruleset is not beside the project")
	}
	rs, errs := rules.ParseFile(etOpen)
	if len(errs) > 0 {
		t.Fatal(errs[0])
	}
	n, failed := 0, 0
	for i := range rs {
		for _, o := range rs[i].Options {
			if o.Name != "pcre" {
				continue
			}
			n++
			s, err := ParseSuricata(o.Value)
			if err == nil {
				_, err = s.Compile()
			}
			if err != nil {
				failed++
				if uses2 {
					t.Errorf("line %d: %s: %v", rs[i].Line, o.Value, err)
				}
			}
		}
	}
	if n < 5000 || failed*100 > n { // plain Go does not know all of PCRE
		t.Errorf("%d of %d expressions failed", failed, n)
	}
}

func FuzzParseSuricata(f *testing.F) {
	f.Add(`!"/a(b)\/c/Ri, flow:x,pkt:key,pkt:value"`, []byte("ab/c"))
	f.Add(`"/(?P<flow_a>[^\x80-\xff]+)$/smxAEO"`, []byte("\x00\xff"))
	f.Fuzz(func(t *testing.T, value string, data []byte) {
		s, err := ParseSuricata(value)
		if err != nil {
			return
		}
		r, err := s.Compile()
		if err != nil {
			return
		}
		m := newMatcher(t, Limits{100, 100})
		for at := 0; at >= 0; {
			from, to, ok := r.Match(data, at, m)
			if !ok {
				break
			}
			if from < 0 || to < from || to > len(data) {
				t.Fatalf("match from %d to %d of %d", from, to, len(data))
			}
			for _, c := range s.Captures {
				m.Group(c.Group)
			}
			at = max(from, at) + 1
		}
	})
}
