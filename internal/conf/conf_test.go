package conf

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const header = "%YAML 1.1\n---\n"

func mustParse(t *testing.T, text string) *Tree {
	t.Helper()
	tree, _, err := Parse([]byte(text), "test.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

func dumpOf(t *testing.T, tree *Tree) string {
	t.Helper()
	var b strings.Builder
	if err := tree.Dump(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// The wanted dumps are what Suricata 8.0.7 prints with --dump-config, except where a case says so.
func TestDump(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"empty", header, ""},
		{"scalars", header + "a: yes\nb: 64 MiB\nc: \"0x10\"\nd: 010\n",
			"a = yes\nb = 64 MiB\nc = 0x10\nd = 010\n"},
		{"nulls", header + "a: ~\nb: \"~\"\nc: null\nd: 'null'\ne:\nf: \"\"\n",
			"a = (null)\nb = ~\nc = (null)\nd = null\ne = (null)\nf = \n"},
		{"underscores", header + "a_b: 1\nvars:\n  address-groups:\n    HOME_NET: any\n  port_groups:\n    HTTP_PORTS: 80\n",
			"a-b = 1\nvars = (null)\nvars.address-groups = (null)\nvars.address-groups.HOME_NET = any\n" +
				"vars.port-groups = (null)\nvars.port-groups.HTTP_PORTS = 80\n"},
		{"dotted keys", header + "a:\n  b: 1\na.c: 2\nd.e.f: 3\n",
			"a = (null)\na.b = 1\na.c = 2\nd = (null)\nd.e = (null)\nd.e.f = 3\n"},
		{"lists", header + "r:\n  - one\n  - two\nf: [x, ~]\n",
			"r = (null)\nr.0 = one\nr.1 = two\nf = (null)\nf.0 = x\nf.1 = (null)\n"},
		{"list of mappings", header + "outputs:\n  - fast:\n      enabled: yes\n  - my_log:\n  - stats\n",
			"outputs = (null)\noutputs.0 = fast\noutputs.0.fast = (null)\noutputs.0.fast.enabled = yes\n" +
				"outputs.1 = my-log\noutputs.1.my-log = (null)\noutputs.2 = stats\n"},
		{"list of interfaces", header + "af-packet:\n  - interface: eth0\n    threads: 2\n",
			"af-packet = (null)\naf-packet.0 = interface\naf-packet.0.interface = eth0\naf-packet.0.threads = 2\n"},
		{"the last duplicate wins, whole sections too", header + "a: 1\na: 2\np:\n  x: 1\np:\n  y: 2\nl: [1, 2]\nl: [3]\n",
			"a = 2\np = (null)\np.y = 2\nl = (null)\nl.0 = 3\n"},
		{"a dotted key keeps its section", header + "v:\n  h: 1\n  e: 2\nv.h: 3\n",
			"v = (null)\nv.h = 3\nv.e = 2\n"},
		// The reference drops aliases and mixes up what follows; we expand them.
		{"aliases", header + "a: &x\n  k: 1\nb: *x\n",
			"a = (null)\na.k = 1\nb = (null)\nb.k = 1\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := dumpOf(t, mustParse(t, tt.in)); got != tt.want {
				t.Errorf("got\n%s\nwant\n%s", got, tt.want)
			}
		})
	}
}

func TestErrors(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"version", "%YAML 9.9\n---\na: b\n", "test.yaml:1: the YAML version must be 1.1"},
		{"syntax", header + "a: [1\nb: 2\n", "test.yaml:"},
		{"a word only", header + "hello\n", "test.yaml:3: the configuration is not a mapping"},
		{"a list", header + "- a\n", "test.yaml:3: the configuration is not a mapping"},
		{"key is a list", header + "a: 1\n? [x]\n: y\n", "test.yaml:4: a key must be a plain word"},
		{"empty part", header + "a..b: 1\n", `test.yaml:3: key "a..b" has an empty part`},
		{"long key", header + "? " + strings.Repeat("k", 2000) + "\n: 1\n", "test.yaml:3: key is longer"},
		{"deep flow", header + "a: " + strings.Repeat("[", 200) + strings.Repeat("]", 200) + "\n", "test.yaml:3: nested deeper than 128"},
		{"very deep flow", header + "a: " + strings.Repeat("[", 50000), "test.yaml:3: exceeded max depth"},
		{"deep by dots", header + strings.Repeat("a.", 500) + "a: {b: 1}\n", "test.yaml:3: nested deeper than 128"},
		{"alias of itself", header + "a: &x\n  b: *x\n", "contains itself"},
		{"include of nothing", header + "include:\n", "test.yaml:3: include without a file name"},
		{"include of a mapping", header + "include: {a: b}\n", "test.yaml:3: include wants"},
		{"include of a missing file", header + "a: 1\ninclude: no-such.yaml\n", "test.yaml:4: include: cannot open"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, _, err := Parse([]byte(tt.in), "test.yaml")
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got error %v, want %q", err, tt.want)
			}
		})
	}
}

// Ten levels of ten aliases each would be ten thousand million values.
func TestAliasBomb(t *testing.T) {
	var b strings.Builder
	b.WriteString(header + "l0: &l0 [x, x, x, x, x, x, x, x, x, x]\n")
	for i := range 9 {
		b.WriteString("l" + string(rune('1'+i)) + ": &l" + string(rune('1'+i)) + " [")
		b.WriteString(strings.Repeat("*l"+string(rune('0'+i))+", ", 10) + "]\n")
	}
	start := time.Now()
	_, _, err := Parse([]byte(b.String()), "bomb.yaml")
	if err == nil || !strings.Contains(err.Error(), "more than 1048576 values") {
		t.Errorf("got error %v", err)
	}
	if d := time.Since(start); d > 20*time.Second {
		t.Errorf("took %v", d)
	}
}

func TestWarnings(t *testing.T) {
	_, w, err := Parse([]byte("a_b: 1\nc: 1\nc: 2\n"), "w.yaml")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"w.yaml:1: a configuration should begin with the lines %YAML 1.1 and ---",
		"w.yaml:1: a_b is deprecated, use a-b",
		"w.yaml:3: c is defined again, the value of w.yaml:2 is dropped",
	}
	var got []string
	for _, x := range w {
		got = append(got, x.String())
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func write(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestIncludes(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "one.yaml", header+"k: one\nonly1: 1\n")
	write(t, dir, "two.yaml", header+"k: two\n")
	write(t, dir, "vars.yaml", header+"HOME_NET: 10.0.0.0/8\n")
	write(t, dir, "sub/deep.yaml", header+"include: beside.yaml\n")
	write(t, dir, "sub/beside.yaml", header+"beside: yes\n")
	write(t, dir, "last.yaml", header+"k: last\nsec:\n  new: 1\n")
	main := write(t, dir, "main.yaml", header+`
k: main
include: [one.yaml, two.yaml]
vars:
  address-groups:
    EXTERNAL_NET: any
    include: vars.yaml
tagged: !include vars.yaml
list:
  - include: two.yaml
sec:
  old: 1
sub:
  include: sub/deep.yaml
`)
	tree, _, err := Load(main, Options{Include: []string{"last.yaml"}, Set: []string{"only1=set"}})
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct{ path, want string }{
		{"k", "last"},
		{"only1", "set"},
		{"vars.address-groups.HOME_NET", "10.0.0.0/8"},
		{"vars.address-groups.EXTERNAL_NET", "any"},
		{"tagged.HOME-NET", "10.0.0.0/8"},
		{"list.0.k", "two"},
		{"sec.new", "1"},
		{"sec.old", "missing"},
		{"sub.beside", "yes"},
	}
	for _, tt := range tests {
		t.Run(tt.path, func(t *testing.T) {
			if got := tree.Get(tt.path).Str("missing"); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
	if pos := tree.Get("vars.address-groups.HOME_NET").Pos(); pos != filepath.Join(dir, "vars.yaml")+":3" {
		t.Errorf("position %s", pos)
	}
	if n := len(tree.Files()); n != 9 {
		t.Errorf("%d files read", n)
	}
}

func TestIncludeCycle(t *testing.T) {
	dir := t.TempDir()
	a := write(t, dir, "a.yaml", header+"include: b.yaml\n")
	write(t, dir, "b.yaml", header+"x:\n  include: a.yaml\n")
	if _, _, err := Load(a, Options{}); err == nil || !strings.Contains(err.Error(), "includes itself") {
		t.Errorf("got error %v", err)
	}
	// No file includes itself here, but there are 2^20 inclusions.
	for i := range 20 {
		next := "l" + string(rune('a'+i+1)) + ".yaml"
		write(t, dir, "l"+string(rune('a'+i))+".yaml", header+"x:\n  include: "+next+"\ny:\n  include: "+next+"\n")
	}
	write(t, dir, "lu.yaml", header)
	if _, _, err := Load(filepath.Join(dir, "la.yaml"), Options{}); err == nil || !strings.Contains(err.Error(), "more than 512 files") {
		t.Errorf("got error %v", err)
	}
	if _, _, err := Load(dir, Options{}); err == nil || !strings.Contains(err.Error(), "directory") {
		t.Errorf("a directory: %v", err)
	}
}

func TestSet(t *testing.T) {
	const base = header + `
outputs:
  - fast:
      enabled: yes
  - eve-log:
      enabled: yes
      types:
        - alert:
            payload: no
        - dns
af-packet:
  - interface: eth0
    threads: 1
  - interface: default
stream:
  midstream: false
empty:
`
	tests := []struct{ name, arg, path, want string }{
		{"plain", "stream.midstream=true", "stream.midstream", "true"},
		{"blanks", "stream.midstream =  true", "stream.midstream", "true"},
		{"equal sign in value", "a.b=c=d", "a.b", "c=d"},
		{"empty value", "a.b=", "a.b", ""},
		{"underscore", "stream.checksum_validation=no", "stream.checksum-validation", "no"},
		{"variable", "vars.address-groups.HOME_NET=any", "vars.address-groups.HOME_NET", "any"},
		{"by index", "outputs.1.eve-log.enabled=no", "outputs.1.eve-log.enabled", "no"},
		{"by name", "outputs.eve-log.enabled=no", "outputs.1.eve-log.enabled", "no"},
		{"index read by name", "outputs.1.eve-log.enabled=no", "outputs.eve-log.enabled", "no"},
		{"names twice", "outputs.eve-log.types.alert.payload=yes", "outputs.1.eve-log.types.0.alert.payload", "yes"},
		{"scalar element gets a mapping", "outputs.eve-log.types.dns.enabled=no", "outputs.1.eve-log.types.1.dns.enabled", "no"},
		{"new element by name", "outputs.eve-log.types.tls.extended=yes", "outputs.1.eve-log.types.2.tls.extended", "yes"},
		{"its name", "outputs.eve-log.types.tls.extended=yes", "outputs.1.eve-log.types.2", "tls"},
		{"new element by index", "outputs.7.syslog.enabled=yes", "outputs.syslog.enabled", "yes"},
		{"interface by index", "af-packet.0.threads=4", "af-packet.eth0.threads", "4"},
		{"interface by name", "af-packet.eth0.threads=4", "af-packet.0.threads", "4"},
		{"new interface", "af-packet.2.interface=eth7", "af-packet.eth7.interface", "eth7"},
		{"new list", "rule-files.0=a.rules", "rule-files.0", "a.rules"},
		{"below null", "empty.x=1", "empty.x", "1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tree := mustParse(t, base)
			if err := tree.Set(tt.arg); err != nil {
				t.Fatal(err)
			}
			if got := tree.Get(tt.path).Str("missing"); got != tt.want {
				t.Errorf("got %q, want %q in\n%s", got, tt.want, dumpOf(t, tree))
			}
		})
	}
	for _, arg := range []string{"", "a", "=b", "a..b=c", ".a=b", strings.Repeat("a.", 200) + "b=c", strings.Repeat("a", 5000) + "=b"} {
		if err := New().Set(arg); err == nil {
			t.Errorf("--set %.20s was accepted", arg)
		}
	}
}

// What --set said stands, whatever is read afterwards.
func TestSetIsFinal(t *testing.T) {
	tree := New()
	for _, s := range []string{"a=cli", "s.x=cli", "l.1=cli", "outputs.0.fast.enabled=cli"} {
		if err := tree.Set(s); err != nil {
			t.Fatal(err)
		}
	}
	l := &loader{tree: tree}
	err := l.bytes(tree.root, []byte(header+"a: file\ns:\n  x: file\n  y: file\nl: [f0, f1, f2]\noutputs:\n  - fast:\n      enabled: file\n      append: file\n"), "f.yaml", 0)
	if err != nil {
		t.Fatal(err)
	}
	want := "a = cli\ns = (null)\ns.x = cli\ns.y = file\nl = (null)\nl.0 = f0\nl.1 = cli\nl.2 = f2\n" +
		"outputs = (null)\noutputs.0 = fast\noutputs.0.fast = (null)\noutputs.0.fast.enabled = cli\noutputs.0.fast.append = file\n"
	if got := dumpOf(t, tree); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if err := tree.Set("a=again"); err != nil || tree.Get("a").Str("") != "again" {
		t.Error("a later --set must win")
	}
}

func TestLoadAt(t *testing.T) {
	file := write(t, t.TempDir(), "tenant.yaml", header+"vars:\n  address-groups:\n    HOME_NET: any\n")
	tree := mustParse(t, header+"multi-detect:\n  enabled: yes\n")
	if _, err := tree.LoadAt("multi-detect.3", file); err != nil {
		t.Fatal(err)
	}
	if _, err := tree.LoadAt("", file); err != nil || !tree.Root().Has("vars.address-groups.HOME_NET") {
		t.Errorf("loading at the root: %v", err)
	}
	if got := tree.Get("multi-detect.3.vars.address-groups.HOME_NET").Str(""); got != "any" {
		t.Errorf("got %q in\n%s", got, dumpOf(t, tree))
	}
}

func TestEntries(t *testing.T) {
	tree := mustParse(t, header+"types:\n  - alert:\n      payload: yes\n  - dns\n  - http_x:\n  - ~\n")
	if err := tree.Set("types.1.dns.formats.0=grouped"); err != nil {
		t.Fatal(err)
	}
	var got []string
	for name, body := range tree.Get("types").Entries() {
		got = append(got, name+" "+body.Get("payload").Str("-")+" "+body.Get("formats.0").Str("-"))
	}
	if want := "alert yes -,dns - grouped,http-x - -"; strings.Join(got, ",") != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestInterface(t *testing.T) {
	tree := mustParse(t, header+"af-packet:\n  - interface: eth0\n    threads: 2\n  - interface: default\n    threads: 9\n    defrag: no\n")
	own, def := tree.Get("af-packet").Interface("eth0")
	if First("threads", own, def).Str("") != "2" || First("defrag", own, def).Str("") != "no" || First("x", own, def) != nil {
		t.Error("the interface's own keys come first, then the defaults")
	}
	own, def = tree.Get("af-packet").Interface("eth9")
	if own != nil || First("threads", own, def).Str("") != "9" {
		t.Error("an interface without an element has the defaults")
	}
}

func TestBigSectionLookup(t *testing.T) {
	var b strings.Builder
	b.WriteString(header + "s:\n")
	for i := range 100 {
		b.WriteString("  k" + strings.Repeat("x", i) + ": 1\n")
	}
	b.WriteString("s.k: 2\n")
	tree := mustParse(t, b.String())
	if n := len(tree.Get("s").Children()); n != 100 {
		t.Errorf("%d children", n)
	}
	if !tree.Root().Has("s.kxxx") || tree.Root().Has("s.kyyy") || tree.Get("s.k").Str("") != "2" {
		t.Error("lookups through the index are wrong")
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(header+"a: &x [1, {b: *x}]\nc.d: ~\ninclude: /dev/null\n"), "a.0.b=1")
	f.Add([]byte(header+"outputs:\n  - fast:\n      enabled: yes\n  - eve_log: {types: [alert, dns: {}]}\n"), "outputs.eve-log.types.dns.x=y")
	f.Add([]byte("? [a]\n: b\n<<: *c\n"), "=")
	f.Add([]byte(header+"a: |\n  b\n\tc: 'd\n"), "vars.address-groups.A_B=1")
	f.Fuzz(func(t *testing.T, data []byte, set string) {
		if strings.Contains(string(data), "include") { // the fuzzer has no business with our files
			return
		}
		tree, _, err := Parse(data, "fuzz.yaml")
		if err != nil {
			return
		}
		before := dumpOf(t, tree)
		if again := dumpOf(t, mustParse(t, string(data))); again != before {
			t.Fatal("reading twice gives two trees")
		}
		tree.Check(func(string) bool { return false })
		if tree.Set(set) == nil {
			path, value, _ := strings.Cut(set, "=")
			path, value = strings.TrimRight(path, " \t\n\v\f\r"), strings.TrimLeft(value, " \t\n\v\f\r")
			if got, ok := tree.Get(path).Value(); !ok || got != value {
				t.Fatalf("set %q, got %q in\n%s", set, got, dumpOf(t, tree))
			}
		}
	})
}
