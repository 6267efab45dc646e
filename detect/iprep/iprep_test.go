package iprep

import (
	"net/netip"
	"strings"
	"testing"
)

func load(t *testing.T, cats, scores string) *Table {
	t.Helper()
	x := &Table{}
	for _, err := range append(x.Categories(strings.NewReader(cats)), x.Load(strings.NewReader(scores))...) {
		t.Fatal(err)
	}
	return x
}

// The expectations are the user guide's: a host's own entry counts before the networks, and of those the smallest.
func TestScore(t *testing.T) {
	x := load(t, "1,BadHosts,Known bad hosts\n2,CnC,Command and control\n",
		"ip,category,score\n10.0.0.1,1,20\n10.0.0.0/8,1,5\n10.0.0.0/24,1,7\n2001:db8::/32,2,127\n2001:db8::1,2,0\n")
	if c := x.Category("CnC"); c != 2 {
		t.Fatalf("category CnC is %d, want 2", c)
	}
	if c := x.Category("nothing"); c != 0 {
		t.Errorf("an unknown category is %d, want 0", c)
	}
	for _, c := range []struct {
		addr string
		cat  uint8
		want uint8
		ok   bool
	}{
		{"10.0.0.1", 1, 20, true},
		{"10.0.0.1", 2, 0, true},
		{"10.0.0.2", 1, 7, true},
		{"10.0.1.2", 1, 5, true},
		{"11.0.0.1", 1, 0, false},
		{"10.0.0.2", 2, 0, false},
		{"2001:db8::1", 2, 0, true},
		{"2001:db8::2", 2, 127, true},
		{"10.0.0.2", 200, 0, false},
	} {
		got, ok := x.Score(netip.MustParseAddr(c.addr), c.cat)
		if got != c.want || ok != c.ok {
			t.Errorf("%s in %d: %d %v, want %d %v", c.addr, c.cat, got, ok, c.want, c.ok)
		}
	}
	if n := testing.AllocsPerRun(100, func() { x.Score(netip.AddrFrom4([4]byte{10, 0, 0, 2}), 1) }); n != 0 {
		t.Errorf("a lookup allocates %v times", n)
	}
}

func TestBadLines(t *testing.T) {
	x := &Table{}
	for _, line := range []string{"#8.8.8.8,10,100", "1.2.3.4", "1.2.3.4,1", "1.2.3.4,60,1", "1.2.3.4,1,128", "1.2.3.4/33,1,1", "fe80::1%eth0,1,1", "x,1,1"} {
		if errs := x.Load(strings.NewReader(line)); len(errs) != 1 {
			t.Errorf("%q: %v, want one error", line, errs)
		}
	}
	for _, line := range []string{"60,A,b", "x,A,b", "1", "1,"} {
		if errs := x.Categories(strings.NewReader(line)); len(errs) != 1 {
			t.Errorf("%q: %v, want one error", line, errs)
		}
	}
}

func FuzzLoad(f *testing.F) {
	f.Add("1,BadHosts,Known bad hosts\n", "10.0.0.0/24,1,7\n10.0.0.1,1,20\n")
	f.Add("0,,", "::/0,59,127\nip,1,1")
	f.Fuzz(func(t *testing.T, cats, scores string) {
		x := &Table{}
		x.Categories(strings.NewReader(cats))
		x.Load(strings.NewReader(scores))
		x.Score(netip.MustParseAddr("10.0.0.1"), x.Category("BadHosts"))
	})
}
