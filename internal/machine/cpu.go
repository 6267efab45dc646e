package machine

import (
	"fmt"
	"slices"
	"strings"
)

// CPU is one processor as the kernel counts them: a core, or a thread of one.
type CPU struct {
	Number   int   `json:"number"`
	Core     int   `json:"core"`
	Package  int   `json:"package"`
	Node     int   `json:"numa_node"`
	Siblings []int `json:"siblings"` // the threads of its core, with itself
	Isolated bool  `json:"isolated"` // the kernel puts nothing on it by itself
	Allowed  bool  `json:"allowed"`  // this process may run on it
}

// Node is a NUMA node.
type Node struct {
	Number int         `json:"number"`
	CPUs   []int       `json:"cpus"`
	Huge   []HugePages `json:"huge_pages"`
}

// HugePages are the huge pages of one size.
type HugePages struct {
	Size  uint64 `json:"size"` // bytes
	Total uint64 `json:"total"`
	Free  uint64 `json:"free"`
}

const cpuFolder = "sys/devices/system/cpu"

// cpus lists the processors that are on.
func (s *System) cpus() []CPU {
	isolated := ParseList(s.text(cpuFolder, "isolated"))
	allowed := ParseList(s.field("proc/self/status", "Cpus_allowed_list:"))
	online := ParseList(s.text(cpuFolder, "online"))
	if len(online) == 0 {
		online = s.numbered("cpu", cpuFolder)
	}
	all := make([]CPU, 0, len(online))
	for _, n := range online {
		name := fmt.Sprint("cpu", n)
		c := CPU{Number: n, Core: int(s.number(-1, cpuFolder, name, "topology/core_id")), Package: int(s.number(-1, cpuFolder, name, "topology/physical_package_id")),
			Siblings: ParseList(s.text(cpuFolder, name, "topology/thread_siblings_list")), Isolated: slices.Contains(isolated, n),
			Allowed: len(allowed) == 0 || slices.Contains(allowed, n)}
		if len(c.Siblings) == 0 {
			c.Siblings = []int{n}
		}
		c.Node = -1
		if nodes := s.numbered("node", cpuFolder, name); len(nodes) > 0 {
			c.Node = nodes[0]
		}
		all = append(all, c)
	}
	return all
}

const nodeFolder = "sys/devices/system/node"

func (s *System) nodes() []Node {
	var all []Node
	for _, n := range s.numbered("node", nodeFolder) {
		name := fmt.Sprint("node", n)
		all = append(all, Node{Number: n, CPUs: ParseList(s.text(nodeFolder, name, "cpulist")), Huge: s.hugePages(nodeFolder, name, "hugepages")})
	}
	if len(all) == 0 { // a kernel without NUMA
		all = append(all, Node{CPUs: ParseList(s.text(cpuFolder, "online")), Huge: s.hugePages("sys/kernel/mm/hugepages")})
	}
	return all
}

func (s *System) hugePages(folder ...string) []HugePages {
	var all []HugePages
	for _, name := range s.names(folder...) {
		var kilobytes uint64
		if _, err := fmt.Sscanf(name, "hugepages-%dkB", &kilobytes); err != nil {
			continue
		}
		in := append(slices.Clone(folder), name)
		all = append(all, HugePages{Size: kilobytes << 10, Total: uint64(s.number(0, append(in, "nr_hugepages")...)),
			Free: uint64(s.number(0, append(in, "free_hugepages")...))})
	}
	slices.SortFunc(all, func(a, b HugePages) int { return int(int64(a.Size>>10) - int64(b.Size>>10)) })
	return all
}

// field returns what stands behind a word at the beginning of a line of a file.
func (s *System) field(file, word string) string {
	for _, line := range strings.Split(s.text(file), "\n") {
		if rest, ok := strings.CutPrefix(line, word); ok {
			return strings.TrimSpace(rest)
		}
	}
	return ""
}
