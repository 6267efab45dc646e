package conf

import (
	"slices"
	"strings"
	"testing"
)

func TestCheck(t *testing.T) {
	tree := mustParse(t, header+`
stream:
  midstream: true
  memcap: 64mb
  midstraem: true
flow:
  memcap: 1
  hash-size: 2
vars:
  address-groups:
    ANY_NAME: any
outputs:
  - fast:
      enabled: yes
  - eve-log:
      filetpye: regular
      types:
        - alert
        - dns:
        - alrt
rule-files: [a.rules, b.rules]
ipfw:
dpdk:
  eal-params:
    whatever: 1
xyzzy: 1
`)
	done := func(p string) bool {
		switch p {
		case "stream.midstream", "vars", "outputs.eve-log.types.alert":
			return true
		}
		return strings.HasPrefix(p, "outputs.fast.")
	}
	notYet, unknown := tree.Check(done)
	var got []string
	for _, k := range notYet {
		got = append(got, k.Path)
	}
	want := []string{"stream.memcap", "flow", "outputs.eve-log.types.dns", "rule-files", "dpdk"}
	if !slices.Equal(got, want) {
		t.Errorf("not yet: %q\nwant     %q", got, want)
	}
	if s := Summary(notYet); s != "5 keys have no effect yet: stream.memcap, flow, outputs.eve-log.types.dns, rule-files, dpdk" {
		t.Errorf("summary: %s", s)
	}
	wantUnknown := []string{
		"test.yaml:7: unknown key stream.midstraem, did you mean stream.midstream?",
		"test.yaml:18: unknown key outputs.1.eve-log.filetpye, did you mean outputs.eve-log.filetype?",
		"test.yaml:22: unknown key outputs.1.eve-log.types.alrt, did you mean outputs.eve-log.types.alert?",
		"test.yaml:28: unknown key xyzzy",
	}
	got = nil
	for _, u := range unknown {
		got = append(got, u.String())
	}
	if !slices.Equal(got, wantUnknown) {
		t.Errorf("unknown:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(wantUnknown, "\n"))
	}
}

// Unknown keys show below a section that is done as a whole, too.
func TestCheckInsideDone(t *testing.T) {
	tree := mustParse(t, header+"flow:\n  memcpa: 1\n  memcap: 1\n")
	notYet, unknown := tree.Check(func(p string) bool { return p == "flow" })
	if len(notYet) != 0 || len(unknown) != 1 || unknown[0].Nearest != "flow.memcap" {
		t.Errorf("not yet %v, unknown %v", notYet, unknown)
	}
}

func TestExpand(t *testing.T) {
	got := expand("a.{b,c}.d.{e,f}")
	slices.Sort(got)
	if want := []string{"a.b.d.e", "a.b.d.f", "a.c.d.e", "a.c.d.f"}; !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	if n := len(Known()); n < 1000 {
		t.Errorf("the catalogue has only %d keys", n)
	}
	for _, p := range Known() {
		if strings.ContainsAny(p, "{}_ ,") {
			t.Errorf("catalogue: bad path %q", p)
		}
	}
}

func TestDistance(t *testing.T) {
	tests := []struct {
		a, b  string
		limit int
		want  int
	}{
		{"memcap", "memcap", 3, 0}, {"memcpa", "memcap", 3, 1}, {"memcap", "memcaps", 3, 1},
		{"abc", "xyz", 9, 3}, {"abc", "xyz", 2, 2}, {"", "ab", 5, 2},
	}
	for _, tt := range tests {
		t.Run(tt.a+" "+tt.b, func(t *testing.T) {
			if got := distance(tt.a, tt.b, tt.limit); got != tt.want {
				t.Errorf("got %d, want %d", got, tt.want)
			}
		})
	}
}
