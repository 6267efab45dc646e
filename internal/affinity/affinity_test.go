package affinity

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

func set(cpus ...int) (s Set) {
	for _, c := range cpus {
		s.Add(c)
	}
	return s
}

func TestParse(t *testing.T) {
	online, all := set(0, 1, 2, 3, 4, 5, 6, 7), set(0, 1, 2, 3)
	for _, tt := range []struct {
		words   []string
		want    string
		missing string
		bad     bool
	}{
		{words: nil, want: ""},
		{words: []string{"0"}, want: "0"},
		{words: []string{"all"}, want: "0-3"},
		{words: []string{"1-3"}, want: "1-3"},
		{words: []string{"0", "2-3", "5"}, want: "0,2-3,5"},
		{words: []string{"0,2-3,5"}, want: "0,2-3,5"},
		{words: []string{"5", "all", "nonsense"}, want: "0-3"}, // the reference stops at all
		{words: []string{"6-9"}, want: "6-7", missing: "8-9"},
		{words: []string{"3-1"}, bad: true},
		{words: []string{"-1"}, bad: true},
		{words: []string{"1-"}, bad: true},
		{words: []string{""}, bad: true},
		{words: []string{"one"}, bad: true},
		{words: []string{"0-4294967295"}, bad: true},
		{words: []string{"99999999999999999999"}, bad: true},
	} {
		t.Run(fmt.Sprint(tt.words), func(t *testing.T) {
			got, missing, err := Parse(tt.words, all, online)
			if got.String() != tt.want || missing.String() != tt.missing || (err != nil) != tt.bad {
				t.Errorf("%q, missing %q, %v", got, missing, err)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"all", "0-3,8", "1-", "9999999999", "-", "0-1023"} {
		f.Add(s)
	}
	online := set(0, 1, 2, 3)
	f.Fuzz(func(t *testing.T, s string) {
		got, _, err := Parse([]string{s}, online, online)
		if err != nil {
			return
		}
		if got.Minus(online).Len() > 0 {
			t.Errorf("%q gives %s", s, got)
		}
		if again, _, err := Parse([]string{got.String()}, online, online); got.Len() > 0 && (err != nil || again != got) {
			t.Errorf("%q: %s, and again %s, %v", s, got, again, err)
		}
	})
}

// machine is one with two nodes of four processors; eth0 and 0000:3b:00.0 are on node 1, virt0 says -1 and veth0 nothing, as
// interfaces without a device do.
func machine(t *testing.T) Machine {
	t.Helper()
	root := t.TempDir()
	for name, text := range map[string]string{
		"devices/system/cpu/online":                "0-7\n",
		"devices/system/node/node0/cpulist":        "0,2,4,6\n",
		"devices/system/node/node1/cpulist":        "1,3,5,7\n",
		"class/net/eth0/device/numa_node":          "1\n",
		"class/net/eth1/device/numa_node":          "0\n",
		"class/net/virt0/device/numa_node":         "-1\n",
		"class/net/veth0/mtu":                      "1500\n",
		"bus/pci/devices/0000:3b:00.0/numa_node":   "1\n",
		"devices/system/node/node2/cpulist":        "nonsense\n",
		"class/net/broken0/device/numa_node":       "what\n",
		"class/net/elsewhere0/device/numa_node":    "9\n",
		"devices/system/cpu/possible":              "0-63\n",
		"devices/system/node/has_normal_memory":    "0-1\n",
		"devices/system/cpu/cpu0/topology/core_id": "0\n",
	} {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	all := set(0, 1, 2, 3, 4, 5, 6, 7)
	return Machine{Sys: root, Online: all, Allowed: all}
}

func TestNode(t *testing.T) {
	m := machine(t)
	for _, tt := range []struct {
		iface string
		node  int
		ok    bool
	}{{"eth0", 1, true}, {"eth1", 0, true}, {"0000:3b:00.0", 1, true}, {"virt0", 0, false}, {"veth0", 0, false}, {"broken0", 0, false},
		{"none0", 0, false}, {"", 0, false}, {"../net/eth0", 0, false}} {
		if node, ok := m.Node(tt.iface); node != tt.node || ok != tt.ok {
			t.Errorf("%s: %d, %v", tt.iface, node, ok)
		}
	}
	for node, want := range map[int]string{0: "0,2,4,6", 1: "1,3,5,7", 2: "", 7: ""} {
		if s := m.NodeCPUs(node); s.String() != want {
			t.Errorf("node %d has %q", node, s)
		}
	}
}

func TestPlace(t *testing.T) {
	all := set(0, 1, 2, 3, 4, 5, 6, 7)
	for _, tt := range []struct {
		name    string
		family  Family
		auto    bool
		allowed Set
		ifaces  []string // of the threads, in turn
		want    []string // processors and priority
	}{
		{name: "exclusive takes turns", family: Family{CPUs: set(1, 3)}, ifaces: []string{"", "", ""}, want: []string{"1 medium", "3 medium", "1 medium"}},
		{name: "balanced shares", family: Family{CPUs: set(1, 3), Balanced: true, Default: High, Low: set(1)}, ifaces: []string{"", ""},
			want: []string{"1,3 high", "1,3 high"}},
		{name: "priorities by processor", family: Family{CPUs: set(0, 1, 2, 3), Low: set(0), Medium: set(1, 2), High: set(3), Default: Low},
			ifaces: []string{"", "", "", ""}, want: []string{"0 low", "1 medium", "2 medium", "3 high"}},
		{name: "default priority", family: Family{CPUs: set(5), High: set(3), Default: Low}, ifaces: []string{""}, want: []string{"5 low"}},
		{name: "an interface's own set", family: Family{CPUs: set(0, 1), Of: map[string]*Family{"eth0": {CPUs: set(6, 7), Default: High}}},
			ifaces: []string{"eth0", "eth1", "eth0", "eth1"}, want: []string{"6 high", "0 medium", "7 high", "1 medium"}},
		{name: "only what is allowed", family: Family{CPUs: set(0, 1, 2)}, allowed: set(2, 3), ifaces: []string{"", ""}, want: []string{"2 medium", "2 medium"}},
		{name: "nothing is allowed", family: Family{CPUs: set(0, 1), Default: High}, allowed: set(4, 5), ifaces: []string{""}, want: []string{"4-5 high"}},
		{name: "near the interface first", auto: true, family: Family{CPUs: set(0, 1, 2, 3)}, ifaces: []string{"eth0", "eth0", "eth0", "eth0", "eth0"},
			want: []string{"1 medium", "3 medium", "0 medium", "2 medium", "1 medium"}},
		{name: "two interfaces each near", auto: true, family: Family{CPUs: all}, ifaces: []string{"eth0", "eth1", "eth0", "eth1"},
			want: []string{"1 medium", "0 medium", "3 medium", "2 medium"}},
		{name: "where nobody knows", auto: true, family: Family{CPUs: set(0, 1)}, ifaces: []string{"veth0", "virt0"}, want: []string{"0 medium", "1 medium"}},
		{name: "a node without processors", auto: true, family: Family{CPUs: set(0, 1)}, ifaces: []string{"elsewhere0"}, want: []string{"0 medium"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := Planner{Machine: machine(t), AutoPin: tt.auto}
			if tt.allowed.Len() > 0 {
				p.Machine.Allowed = tt.allowed
			}
			for i, iface := range tt.ifaces {
				got := p.Place(&tt.family, iface)
				if s := got.CPUs.String() + " " + got.Priority.String(); s != tt.want[i] || got.Why == "" {
					t.Errorf("thread %d of %q: %s (%s), want %s", i, iface, s, got.Why, tt.want[i])
				}
			}
		})
	}
}
