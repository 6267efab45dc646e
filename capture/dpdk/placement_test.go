package dpdk

import (
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"sentinel/capture"
	"sentinel/internal/conf"
	"sentinel/internal/cpulist"
)

// twoSockets are two nodes of four physical cores with two threads each, numbered as Linux does: siblings are 8 apart.
func twoSockets() Topology {
	t := Topology{Nodes: 2}
	for id := range 16 {
		t.Cores = append(t.Cores, Core{ID: id, Node: id % 8 / 4, Sibling: id / 8})
	}
	return t
}

func isolate(t Topology, cpus ...int) Topology {
	for i := range t.Cores {
		t.Cores[i].Isolated = slices.Contains(cpus, t.Cores[i].ID)
	}
	return t
}

func small(n int) Topology {
	t := Topology{Nodes: 1}
	for id := range n {
		t.Cores = append(t.Cores, Core{ID: id})
	}
	return t
}

func TestPlace(t *testing.T) {
	for _, c := range []struct {
		name string
		top  Topology
		in   Placing
		want []int
		pin  bool
		says string // among reasons and warnings
	}{
		{"node 1", twoSockets(), Placing{Node: 1, Sources: 4}, []int{4, 5, 6, 7}, true, "NUMA node 1"},
		{"node 0 leaves core 0", twoSockets(), Placing{Node: 0, Sources: 3}, []int{1, 2, 3}, true, "core 0 is left"},
		{"siblings last on the node", twoSockets(), Placing{Node: 0, Sources: 5}, []int{1, 2, 3, 8, 9}, true, "2 of them are second threads"},
		{"the node is too small", twoSockets(), Placing{Node: 1, Sources: 9}, []int{4, 5, 6, 7, 12, 13, 14, 15, 1}, true, "1 sources are on another node"},
		{"node unknown", twoSockets(), Placing{Node: -1, Sources: 8}, []int{1, 2, 3, 4, 5, 6, 7, 8}, true, "not known"},
		{"isolated first", isolate(twoSockets(), 6, 7), Placing{Node: 1, Sources: 3}, []int{6, 7, 4}, true, "2 of them are isolated"},
		{"far isolated cores do not win", isolate(twoSockets(), 2, 3), Placing{Node: 1, Sources: 2}, []int{4, 5}, true, ""},
		{"threading section", twoSockets(), Placing{Node: 1, Sources: 2, Allowed: []int{0, 2, 5, 13}}, []int{5, 13}, true, "4 cores of the threading section"},
		{"the user's core 0", twoSockets(), Placing{Node: 0, Sources: 1, Allowed: []int{0}}, []int{0}, true, ""},
		{"cores in use come last", twoSockets(), Placing{Node: 1, Sources: 3, Used: map[int]bool{4: true, 5: true, 6: true}}, []int{7, 12, 13}, true, ""},
		{"all in use", small(2), Placing{Node: 0, Sources: 1, Used: map[int]bool{0: true, 1: true}}, []int{1}, true, "share a core"},
		{"fewer cores than sources", small(2), Placing{Node: -1, Sources: 3}, []int{0, 1, 0}, false, "1 sources share a core"},
		{"as many as sources", small(2), Placing{Node: 0, Sources: 2}, []int{0, 1}, false, "not bound"},
		{"one of two", small(2), Placing{Node: 0, Sources: 1}, []int{1}, true, "core 0 is left"},
		{"a single core", small(1), Placing{Node: 0, Sources: 1}, []int{0}, false, "not bound"},
		{"a wire's other side", twoSockets(), Placing{Node: 0, Sources: 2, Same: []int{5, 6}}, []int{5, 6}, true, "other side of the wire"},
		{"cores that are not there", small(2), Placing{Node: 0, Sources: 1, Allowed: []int{7}}, nil, false, "no core"},
		{"no cores at all", Topology{}, Placing{Node: 0, Sources: 1}, nil, false, "no core"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := place(c.top, c.in)
			if !slices.Equal(p.CPUs, c.want) || p.Pin != c.pin {
				t.Errorf("%v, bound %v; want %v, %v", p.CPUs, p.Pin, c.want, c.pin)
			}
			if said := strings.Join(append(p.Why, p.Warnings...), "\n"); !strings.Contains(said, c.says) || said == "" {
				t.Errorf("it says %q, want %q", said, c.says)
			}
		})
	}
}

// machineFiles are the files of a machine with two sockets, four threads each, of which CPU 7 is off and 3 isolated.
func machineFiles() fstest.MapFS {
	f := fstest.MapFS{
		"sys/devices/system/cpu/online":         {Data: []byte("0-6\n")},
		"sys/devices/system/cpu/isolated":       {Data: []byte("3\n")},
		"sys/devices/system/node/node0/cpulist": {Data: []byte("0-1,4-5\n")},
		"sys/devices/system/node/node1/cpulist": {Data: []byte("2-3,6-7\n")},
		"sys/devices/system/node/possible":      {Data: []byte("0-1\n")},
	}
	for c, s := range []string{"0,4", "1,5", "2,6", "3", "0,4", "1,5", "2,6"} {
		f["sys/devices/system/cpu/cpu"+string(rune('0'+c))+"/topology/thread_siblings_list"] = &fstest.MapFile{Data: []byte(s + "\n")}
	}
	return f
}

func TestTopology(t *testing.T) {
	got := readTopology(machineFiles(), func(cpu int) bool { return cpu != 3 && cpu != 1 })
	want := []Core{{0, 0, 0, false}, {2, 1, 0, false}, {3, 1, 0, true}, {4, 0, 1, false}, {5, 0, 1, false}, {6, 1, 1, false}}
	if got.Nodes != 2 || !slices.Equal(got.Cores, want) {
		t.Errorf("%+v", got)
	}
	if empty := readTopology(fstest.MapFS{}, nil); len(empty.Cores) != 0 || empty.Nodes != 1 {
		t.Errorf("nothing: %+v", empty)
	}
}

func TestCPULists(t *testing.T) {
	for in, want := range map[string]string{"": "", "0": "0", "0-3": "0-3", " 8, 0-1,2 ,2": "0-2,8", "5-5": "5", "1,3": "1,3"} {
		list, err := parseCPUs(in)
		if got := cpulist.Format(list); err != nil || got != want {
			t.Errorf("%q: %q, %v", in, got, err)
		}
	}
	for _, bad := range []string{"a", "3-1", "-1", "1-", "0-99999999", "1--2"} {
		if l, err := parseCPUs(bad); err == nil {
			t.Errorf("%q is taken for %v", bad, l)
		}
	}
}

func TestShare(t *testing.T) {
	top := readTopology(machineFiles(), nil) // node 0: 0, 1 and siblings 4, 5; node 1: 2, 3 and sibling 6
	const two = "dpdk:\n  interfaces:\n    - interface: a\n    - interface: b\n    - interface: default\n"
	const wire = "dpdk:\n  interfaces:\n    - {interface: a, copy-mode: ips, copy-iface: b}\n    - {interface: b, copy-mode: ips, copy-iface: a}\n"
	const affinity = `
threading:
  set-cpu-affinity: yes
  cpu-affinity:
    management-cpu-set:
      cpu: [ 0 ]
    worker-cpu-set:
      cpu: [ LIST ]
`
	for _, c := range []struct {
		name, text string
		auto, node int
		share      int
		allowed    []int
	}{
		{"two interfaces", two, 4, 0, 2, nil},
		{"a node has no more", two, 64, 0, 2, nil},
		{"node unknown", two, 64, -1, 4, nil},
		{"one worker", two, 1, 0, 1, nil},
		{"the sides of a wire are one", wire, 2, 0, 2, nil},
		{"threading", two + strings.Replace(affinity, "LIST", `"1-2", 3`, 1), 64, -1, 1, []int{1, 2, 3}},
		{"threading, all", wire + strings.Replace(affinity, "LIST", `"all"`, 1), 2, -1, 6, []int{1, 2, 3, 4, 5, 6}},
		{"threading, an old list", wire + "threading:\n  set-cpu-affinity: yes\n  cpu-affinity:\n    - management-cpu-set:\n        cpu: [ 0 ]\n    - worker-cpu-set:\n        cpu: [ 2, 3 ]\n", 9, 1, 2, []int{2, 3}},
		{"threading of the interface", two + strings.Replace(affinity, "LIST", `"all"`, 1) + "      interface-specific-cpu-set:\n        - interface: a\n          cpu: [ 6 ]\n", 2, -1, 1, []int{6}},
		{"threading switched off", two + strings.Replace(strings.Replace(affinity, "LIST", "1", 1), "yes", "no", 1), 4, -1, 2, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			tree, _, err := conf.Parse([]byte(c.text), "test.yaml")
			if err != nil {
				t.Fatal(err)
			}
			share, allowed, why := shareOf(&capture.Target{Name: "a", Root: tree.Root(), Auto: c.auto}, top, c.node)
			if share != c.share || !slices.Equal(allowed, c.allowed) || !strings.HasPrefix(why, "threads: auto is "+string(rune('0'+c.share))) {
				t.Errorf("%d of %v: %s", share, allowed, why)
			}
		})
	}
}

func TestCheckMemory(t *testing.T) {
	pages := func(total, free string) fstest.MapFS {
		return fstest.MapFS{
			"sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages":   {Data: []byte(total)},
			"sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages": {Data: []byte(free)},
			"proc/mounts": {Data: []byte("none / ext4 rw 0 0\nhugetlbfs /dev/hugepages hugetlbfs rw 0 0\n")},
		}
	}
	unmounted := pages("512\n", "512\n")
	delete(unmounted, "proc/mounts")
	none := func(string, string) int { return 0 }
	for _, c := range []struct {
		name       string
		files      fstest.MapFS
		eal        EAL
		left       func(string, string) int
		says, fail string
	}{
		{"enough", pages("512\n", "500\n"), EAL{}, none, "1000 of 1024 MiB of huge pages are free, about 132 MiB are wanted", ""},
		{"too few", pages("64\n", "32\n"), EAL{}, none, "64 MiB of huge pages are free, and about 132 MiB are wanted", ""},
		{"none reserved", pages("0\n", "0\n"), EAL{}, none, "", "no huge pages are reserved, and DPDK wants them: reserve about 132 MiB, as with sysctl vm.nr_hugepages=66, or set no-huge"},
		{"all in use", pages("64\n", "0\n"), EAL{}, none, "", "all huge pages (128 MiB) are in use"},
		{"left by the dead", pages("128\n", "0\n"), EAL{Prefix: "x"}, func(dir, prefix string) int {
			if dir == "/dev/hugepages" && prefix == "x" {
				return 256 << 20
			}
			return 0
		}, "256 of 256 MiB", ""},
		{"no kernel support", fstest.MapFS{}, EAL{}, none, "", "this kernel has no huge pages"},
		{"not mounted", unmounted, EAL{}, none, "", "not mounted"},
		{"in memory", unmounted, EAL{Args: []string{"--in-memory"}}, none, "1024 of 1024", ""},
		{"no-huge", pages("0\n", "0\n"), EAL{NoHuge: true}, none, "", ""},
		{"secondary", pages("0\n", "0\n"), EAL{Second: true}, none, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			said, err := checkMemory(c.files, &c.eal, 100<<20, c.left)
			if (err != nil) != (c.fail != "") || err != nil && !strings.Contains(err.Error(), c.fail) {
				t.Errorf("%v, want %q", err, c.fail)
			}
			if !strings.Contains(said, c.says) {
				t.Errorf("%q, want %q", said, c.says)
			}
		})
	}
}

// 4,096 descriptors and 2 threads, spread by software at worst.
func TestEstimate(t *testing.T) {
	tree, _, err := conf.Parse([]byte("dpdk:\n  interfaces:\n    - interface: a\n    - {interface: b, mempool-size: 1}\n"), "test.yaml")
	if err != nil {
		t.Fatal(err)
	}
	own, _ := tree.Get("dpdk.interfaces").Interface("a")
	got := estimate(&capture.Target{Name: "a", Root: tree.Root(), Own: own, Auto: 2})
	if got < 8192*2048 || got > 64<<20 {
		t.Errorf("%d bytes", got)
	}
}
