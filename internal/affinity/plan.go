package affinity

import (
	"fmt"
	"sync"
)

// Priority is how much a thread is preferred to others on its processor.
type Priority int8

// The priorities; each is a step of niceness.
const (
	Low    Priority = 2
	Medium Priority = 0
	High   Priority = -2
)

// String is the name of a priority in a configuration.
func (p Priority) String() string {
	switch p {
	case Low:
		return "low"
	case High:
		return "high"
	}
	return "medium"
}

// A Family is a group of threads with the same work, such as the workers.
type Family struct {
	CPUs     Set
	Balanced bool // its threads share all of its processors; else each is given one, in turn
	Threads  int  // how many there are to be; 0 = as many as processors
	Low      Set  // on these processors a thread that has one for itself has this priority,
	Medium   Set
	High     Set
	Default  Priority           // on the others this one
	Of       map[string]*Family // what is different for threads of an interface
}

func (f *Family) priority(cpu int) Priority {
	switch {
	case f.Low.Has(cpu):
		return Low
	case f.Medium.Has(cpu):
		return Medium
	case f.High.Has(cpu):
		return High
	}
	return f.Default
}

// For returns what holds for the threads of an interface.
func (f *Family) For(iface string) *Family {
	if o := f.Of[iface]; o != nil {
		return o
	}
	return f
}

// A Place is where a thread runs.
type Place struct {
	CPUs     Set
	Priority Priority
	Why      string
}

// A Planner gives out places. Its methods may be called from any goroutine.
type Planner struct {
	Machine Machine
	AutoPin bool // prefer processors of the node that an interface is attached to

	mu   sync.Mutex
	next map[*Family]int
	used map[*Family]*Set // by AutoPin
}

// Place gives a place to the next thread of a family that works for an interface; "" = for none in particular.
func (p *Planner) Place(f *Family, iface string) Place {
	p.mu.Lock()
	defer p.mu.Unlock()
	own := f.For(iface)
	why := "set of the family"
	if own != f {
		why = "set of " + iface
	}
	cpus := own.CPUs.And(p.Machine.Allowed)
	if cpus.Len() == 0 { // what is not allowed cannot be had
		return Place{p.Machine.Allowed, own.Default, why + " has no processor that the process may use: all that it may"}
	}
	if own.Balanced {
		return Place{cpus, own.Default, why + ", balanced"}
	}
	cpu, near := p.pick(own, cpus, iface)
	return Place{single(cpu), own.priority(cpu), why + ", one of its own" + near}
}

func single(cpu int) (s Set) {
	s.Add(cpu)
	return s
}

// pick chooses a processor of a set: the next one in turn, or with AutoPin first those near the interface that no thread has yet.
func (p *Planner) pick(f *Family, cpus Set, iface string) (cpu int, near string) {
	if p.next == nil {
		p.next, p.used = map[*Family]int{}, map[*Family]*Set{}
	}
	node, known := p.Machine.Node(iface)
	if !p.AutoPin || !known {
		list := cpus.List()
		cpu = list[p.next[f]%len(list)]
		p.next[f]++
		return cpu, ""
	}
	used := p.used[f]
	if used == nil {
		used = &Set{}
		p.used[f] = used
	}
	if cpus.Minus(*used).Len() == 0 {
		*used = Set{}
	}
	free := cpus.Minus(*used)
	near = fmt.Sprintf(", near %s on node %d", iface, node)
	choice := free.And(p.Machine.NodeCPUs(node))
	if choice.Len() == 0 {
		choice, near = free, fmt.Sprintf(", far from %s: node %d has none left", iface, node)
	}
	cpu = choice.List()[0]
	used.Add(cpu)
	return cpu, near
}
