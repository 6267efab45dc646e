package capture

import (
	"strings"
	"testing"

	"sentinel/internal/conf"
)

// target is one whose element and defaults are those of a section as the configuration has it.
func target(t *testing.T, own, shared, root string) *Target {
	t.Helper()
	parse := func(text string) *conf.Node {
		if text == "" {
			return nil
		}
		c, _, err := conf.Parse([]byte(text+"\n"), "x.yaml")
		if err != nil {
			t.Fatal(err)
		}
		return c.Root()
	}
	return &Target{Name: "eth0", Root: parse(root), Own: parse(own), Shared: parse(shared), Auto: 3}
}

// The element of an interface goes before the element "default" (user guide, af-packet).
func TestInt(t *testing.T) {
	tests := []struct {
		name, own, shared string
		want              int64
		bad               bool
	}{
		{"neither", "", "", 7, false},
		{"own", "n: 5", "", 5, false},
		{"shared", "", "n: 6", 6, false},
		{"both", "n: 5", "n: 6", 5, false},
		{"own is empty", "n:", "n: 6", 7, false},
		{"too small", "n: 0", "", 0, true},
		{"too large", "n: 11", "", 0, true},
		{"no number", "n: many", "", 0, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := target(t, tt.own, tt.shared, "").Int("n", 7, 1, 10)
			if (err != nil) != tt.bad || !tt.bad && got != tt.want {
				t.Errorf("%d, %v, want %d", got, err, tt.want)
			}
		})
	}
}

func TestThreads(t *testing.T) {
	tests := []struct {
		name, own string
		one       bool
		want      int
		bad       bool
	}{
		{"nothing said", "", false, 3, false},
		{"auto", "threads: auto", false, 3, false},
		{"a number", "threads: 2", false, 2, false},
		{"single", "threads: 4", true, 1, false},
		{"none", "threads: 0", false, 0, true},
		{"more than the limit", "threads: 9", false, 0, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			x := target(t, tt.own, "", "")
			x.One = tt.one
			got, err := x.Threads(8)
			if (err != nil) != tt.bad || !tt.bad && got != tt.want {
				t.Errorf("%d, %v, want %d", got, err, tt.want)
			}
		})
	}
}

// The command line goes before the interface, and that before the whole configuration.
func TestFilterText(t *testing.T) {
	for _, tt := range []struct{ name, line, own, root, want string }{
		{"none", "", "", "", ""},
		{"configuration", "", "", "bpf-filter: c", "c"},
		{"interface", "", "bpf-filter: b", "bpf-filter: c", "b"},
		{"command line", "a", "bpf-filter: b", "bpf-filter: c", "a"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			x := target(t, tt.own, "", tt.root)
			x.Filter = tt.line
			if got := x.FilterText(); got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}

func TestCopyMode(t *testing.T) {
	for _, tt := range []struct {
		name, own, mode, to, bad string
		inline                   bool
	}{
		{"none", "", "none", "", "", false},
		{"tap", "{copy-mode: tap, copy-iface: eth1}", "tap", "eth1", "", false},
		{"ips", "{copy-mode: ips, copy-iface: eth1}", "ips", "eth1", "", true},
		{"nowhere to copy to", "copy-mode: ips", "", "", "needs copy-iface", true},
		{"unknown", "copy-mode: both", "", "", "unknown copy-mode", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			x := target(t, tt.own, "", "")
			mode, to, err := x.CopyMode()
			switch {
			case tt.bad != "":
				if err == nil || !strings.Contains(err.Error(), tt.bad) {
					t.Errorf("%v", err)
				}
			case err != nil || mode != tt.mode || to != tt.to:
				t.Errorf("%q %q, %v", mode, to, err)
			}
			if CopiesInline(x) != tt.inline {
				t.Errorf("inline: %v", !tt.inline)
			}
		})
	}
}
