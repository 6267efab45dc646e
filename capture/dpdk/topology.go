package dpdk

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	"sentinel/capture"
	"sentinel/internal/conf"
	"sentinel/internal/cpulist"
)

// maxCPU bounds numbers of processors in lists.
const maxCPU = 1 << 12

// readTopology reads the processors that are online below root, of which the process may use those that may answers for; nil = all.
func readTopology(root fs.FS, may func(cpu int) bool) Topology {
	text := func(name string) string {
		b, err := fs.ReadFile(root, name)
		if err != nil {
			return ""
		}
		return strings.TrimSpace(string(b))
	}
	const base = "sys/devices/system"
	isolated, _ := parseCPUs(text(base + "/cpu/isolated"))
	node := map[int]int{}
	t := Topology{Nodes: 1}
	if entries, err := fs.ReadDir(root, base+"/node"); err == nil {
		found := 0
		for _, e := range entries {
			n, err := strconv.Atoi(strings.TrimPrefix(e.Name(), "node"))
			if err != nil || !strings.HasPrefix(e.Name(), "node") {
				continue
			}
			cpus, _ := parseCPUs(text(path.Join(base, "node", e.Name(), "cpulist")))
			for _, c := range cpus {
				node[c] = n
			}
			found++
		}
		t.Nodes = max(found, 1)
	}
	online, _ := parseCPUs(text(base + "/cpu/online"))
	for _, id := range online {
		c := Core{ID: id, Node: node[id], Isolated: slices.Contains(isolated, id)}
		siblings, _ := parseCPUs(text(fmt.Sprintf("%s/cpu/cpu%d/topology/thread_siblings_list", base, id)))
		if i := slices.Index(siblings, id); i > 0 {
			c.Sibling = i
		}
		if may == nil || may(id) || c.Isolated {
			t.Cores = append(t.Cores, c)
		}
	}
	return t
}

// parseCPUs reads a list such as 0-3,8.
func parseCPUs(s string) ([]int, error) {
	var list []int
	for _, part := range strings.Split(s, ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		low, high, err := cpulist.Range(part)
		if err != nil || high >= maxCPU {
			return nil, fmt.Errorf("%q is not a list of processors such as 0-3,8", s)
		}
		for c := low; c <= high; c++ {
			list = append(list, c)
		}
	}
	slices.Sort(list)
	return slices.Compact(list), nil
}

// workerCPUs returns the cores that the threading section gives to the workers of an interface; nil = it gives none.
func workerCPUs(root *conf.Node, name string, t Topology) []int {
	threading := root.Get("threading")
	if !threading.Get("set-cpu-affinity").Bool(false) {
		return nil
	}
	set := threading.Get("cpu-affinity.worker-cpu-set")
	own, _ := set.Get("interface-specific-cpu-set").Interface(name)
	n := set.Get("cpu")
	if own != nil {
		n = own.Get("cpu")
	}
	var list []int
	for _, s := range n.Strings() {
		if s == "all" {
			list = nil
			for _, c := range t.Cores {
				list = append(list, c.ID)
			}
			// As Suricata does: management threads keep theirs.
			rest, _ := parseCPUs(strings.Join(threading.Get("cpu-affinity.management-cpu-set.cpu").Strings(), ","))
			if left := slices.DeleteFunc(slices.Clone(list), func(c int) bool { return slices.Contains(rest, c) }); len(left) > 0 {
				list = left
			}
			return list
		}
		more, err := parseCPUs(s)
		if err != nil {
			return nil // who reads the section complains
		}
		list = append(list, more...)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// shareOf says how many sources an interface gets on auto, and which cores the user has chosen for them (nil = none): each interface
// has an equal share, and the two sides of a wire count as one, because the same threads read both.
func shareOf(t *capture.Target, top Topology, node int) (share int, allowed []int, why string) {
	allowed = workerCPUs(t.Root, t.Name, top)
	total, of := max(t.Auto, 1), "workers"
	if allowed != nil {
		total, of = len(allowed), "cores of the threading section"
	}
	ports, sides := 0, 0
	_, def := t.Root.Get("dpdk.interfaces").Interface(t.Name)
	for _, n := range t.Root.Get("dpdk.interfaces").Children() {
		name := n.Get("interface").Str("")
		if name == "" || name == "default" {
			continue
		}
		peer := capture.Target{Name: name, Own: n, Shared: def}
		if mode, _, _ := peer.CopyMode(); mode != "none" {
			sides++
		} else {
			ports++
		}
	}
	ports = max(ports+(sides+1)/2, 1)
	share = max(total/ports, 1)
	why = fmt.Sprintf("threads: auto is %d: %d %s for %d interfaces", share, total, of, ports)
	if local := nodeCores(top, node); allowed == nil && local > 0 && local < share {
		share = local
		why = fmt.Sprintf("threads: auto is %d, the physical cores of the port's node %d", share, node)
	}
	return share, allowed, why
}
