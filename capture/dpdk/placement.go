package dpdk

import (
	"cmp"
	"fmt"
	"slices"
)

// Core is one logical processor.
type Core struct {
	ID       int
	Node     int // NUMA node
	Sibling  int // 0 = the first thread of its physical core, 1 = the second …
	Isolated bool
}

// Topology is the machine's processors that the process may use, by ID.
type Topology struct {
	Cores []Core
	Nodes int
}

// Placement says on which core each source is read, and why.
type Placement struct {
	CPUs     []int // by source
	Pin      bool  // the sources' threads are to be bound to them
	Why      []string
	Warnings []string
}

// Placing is what a placement is made for.
type Placing struct {
	Node    int          // of the port; -1 = unknown
	Sources int          // to be placed
	Allowed []int        // cores of the threading section; nil = all, and the placement chooses
	Used    map[int]bool // cores that other sources have already
	Same    []int        // the placement of the other side of the wire, which the same threads read
}

// place gives each source a core. Those of the port's node come before others, on each node isolated cores before the rest and second
// threads of a physical core last, and cores that nobody polls before shared ones. The first core of the machine is left to everything else
// as long as the user has not chosen cores and others are there.
func place(t Topology, p Placing) Placement {
	var out Placement
	if len(p.Same) >= p.Sources && p.Sources > 0 {
		out.CPUs = slices.Clone(p.Same[:p.Sources])
		out.Why = append(out.Why, fmt.Sprintf("sources are on the cores of the other side of the wire: %v", out.CPUs))
		out.Pin = true
		return out
	}
	var list []Core
	for _, c := range t.Cores {
		if p.Allowed == nil || slices.Contains(p.Allowed, c.ID) {
			list = append(list, c)
		}
	}
	if len(list) == 0 || p.Sources < 1 {
		out.Warnings = append(out.Warnings, "no core of the threading section is there: sources are not bound to cores")
		return out
	}
	isolated := slices.ContainsFunc(list, func(c Core) bool { return c.Isolated })
	first := list[0].ID
	if p.Allowed == nil {
		for _, c := range list {
			if c.ID < first {
				first = c.ID
			}
		}
		if len(list) > p.Sources && !isolated {
			list = slices.DeleteFunc(list, func(c Core) bool { return c.ID == first })
		} else {
			first = -1
		}
	} else {
		first = -1
	}
	far := func(c Core) int {
		if p.Node < 0 || c.Node == p.Node {
			return 0
		}
		return 1
	}
	flag := func(b bool) int {
		if b {
			return 1
		}
		return 0
	}
	slices.SortStableFunc(list, func(a, b Core) int {
		return cmp.Or(cmp.Compare(flag(p.Used[a.ID]), flag(p.Used[b.ID])), cmp.Compare(far(a), far(b)),
			cmp.Compare(flag(!a.Isolated), flag(!b.Isolated)), cmp.Compare(a.Sibling, b.Sibling), cmp.Compare(a.ID, b.ID))
	})
	for i := range p.Sources {
		out.CPUs = append(out.CPUs, list[i%len(list)].ID)
	}
	used := list[:min(len(list), p.Sources)]
	out.Pin = len(t.Cores) > p.Sources || p.Allowed != nil

	where := "its NUMA node is not known"
	if p.Node >= 0 {
		where = fmt.Sprintf("the port is on NUMA node %d", p.Node)
	}
	from := fmt.Sprintf("%d cores of the machine", len(t.Cores))
	if p.Allowed != nil {
		from = fmt.Sprintf("%d cores of the threading section", len(list))
	}
	out.Why = append(out.Why, fmt.Sprintf("sources are read on cores %v: %s, %s on %d nodes", out.CPUs, where, from, max(t.Nodes, 1)))
	if first >= 0 {
		out.Why = append(out.Why, fmt.Sprintf("core %d is left to the rest of the program", first))
	}
	count := func(f func(Core) bool) (n int) {
		for _, c := range used {
			n += flag(f(c))
		}
		return n
	}
	if n := count(func(c Core) bool { return c.Isolated }); n > 0 {
		out.Why = append(out.Why, fmt.Sprintf("%d of them are isolated from the scheduler", n))
	}
	if n := count(func(c Core) bool { return far(c) > 0 }); n > 0 {
		out.Warnings = append(out.Warnings, fmt.Sprintf("node %d has too few cores: %d sources are on another node than the port", p.Node, n))
	}
	if n := count(func(c Core) bool { return c.Sibling > 0 }); n > 0 {
		out.Why = append(out.Why, fmt.Sprintf("%d of them are second threads of a physical core", n))
	}
	if n := count(func(c Core) bool { return p.Used[c.ID] }) + max(0, p.Sources-len(list)); n > 0 {
		out.Warnings = append(out.Warnings, fmt.Sprintf("%d sources share a core with another one: fewer threads would do as well", n))
	}
	if !out.Pin {
		out.Why = append(out.Why, "they are not bound, because no core would be left to the rest of the program")
	}
	return out
}

// nodeCores counts the physical cores of a node; of all nodes if it is not known.
func nodeCores(t Topology, node int) (n int) {
	for _, c := range t.Cores {
		if c.Sibling == 0 && (node < 0 || c.Node == node) {
			n++
		}
	}
	return n
}
