package counter

import (
	"fmt"
	"slices"
	"strings"
	"sync"
)

// Kind says how a counter's values become one.
type Kind uint8

const (
	Sum     Kind = iota // counts; the total is the sum
	Gauge               // a level that each worker sets; the total is the sum
	Average             // the mean of what was observed, over all workers in the total
	Max                 // the largest value seen; the total is the largest
	Func                // read from a function when asked; it has a total only
)

// ID is a registered counter. The zero ID is valid and counts into the void.
type ID uint32

// spare is how many slots a set has for counters that are registered after it was made.
const spare = 512

type entry struct {
	name string
	kind Kind
	slot uint32 // in a set's values; an average has two, the sum and the number
	read func() uint64
}

// Registry holds the names of all counters and the sets that count them. Its methods may be called from
// any goroutine.
type Registry struct {
	mu     sync.Mutex
	all    []entry
	byName map[string]int
	groups map[string]bool // prefixes of names, which cannot be names themselves
	slots  uint32          // used so far; slot 0 is the void
	sets   []*Set
	past   []uint64 // totals of retired sets, by slot
}

// NewRegistry returns an empty registry.
func NewRegistry() *Registry {
	return &Registry{byName: map[string]int{}, groups: map[string]bool{}, slots: 1}
}

// Register adds a counter under a dotted name, or returns the one that has the name. It panics if the
// name is in use for another kind or is both a counter and a group of counters, since names are ours.
func (r *Registry) Register(name string, kind Kind) ID { return r.register(name, kind, nil) }

// Func adds a counter that a function gives, such as the memory that a shared table uses. The function
// may be called from any goroutine.
func (r *Registry) Func(name string, read func() uint64) { r.register(name, Func, read) }

func (r *Registry) register(name string, kind Kind, read func() uint64) ID {
	r.mu.Lock()
	defer r.mu.Unlock()
	if i, ok := r.byName[name]; ok {
		e := &r.all[i]
		if e.kind != kind {
			panic(fmt.Sprintf("counter: %s is registered as two kinds", name))
		}
		if kind == Func {
			e.read = read
		}
		return ID(e.slot)
	}
	bad := name == "" || r.groups[name]
	for i := 0; i < len(name); i++ {
		if name[i] == '.' {
			_, taken := r.byName[name[:i]]
			bad = bad || taken || i == 0 || i == len(name)-1 || name[i-1] == '.'
		}
	}
	if bad {
		panic(fmt.Sprintf("counter: %q cannot be a name", name))
	}
	for i := 0; i < len(name); i++ {
		if name[i] == '.' {
			r.groups[name[:i]] = true
		}
	}
	e := entry{name: name, kind: kind, read: read, slot: r.slots}
	switch kind {
	case Func:
		e.slot = 0
	case Average:
		r.slots += 2
	default:
		r.slots++
	}
	r.byName[name] = len(r.all)
	r.all = append(r.all, e)
	for _, s := range r.sets {
		if int(r.slots) > len(s.values) { // no set can count it
			r.all[len(r.all)-1].slot = 0
			e.slot = 0
		}
	}
	return ID(e.slot)
}

// Names returns the names of all counters, as registered.
func (r *Registry) Names() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	names := make([]string, len(r.all))
	for i := range r.all {
		names[i] = r.all[i].name
	}
	return names
}

// NewSet returns a set of all counters for one goroutine, a thread in the eyes of users. If prefixes are
// given, readers see only counters in these groups from it.
func (r *Registry) NewSet(thread string, prefixes ...string) *Set {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := &Set{thread: thread, prefixes: prefixes, values: make([]uint64, r.slots+spare)}
	r.sets = append(r.sets, s)
	return s
}

// Retire forgets a set whose goroutine has ended. What it counted stays in the totals, but for its levels.
func (r *Registry) Retire(s *Set) {
	r.mu.Lock()
	defer r.mu.Unlock()
	i := slices.Index(r.sets, s)
	if i < 0 {
		return
	}
	r.sets = slices.Delete(r.sets, i, i+1)
	r.past = append(r.past, make([]uint64, max(0, int(r.slots)-len(r.past)))...)
	for i := range r.all {
		e := &r.all[i]
		switch {
		case e.slot == 0 || !s.shows(e.name) || int(e.slot) >= len(s.values):
		case e.kind == Max:
			r.past[e.slot] = max(r.past[e.slot], s.values[e.slot])
		case e.kind == Sum:
			r.past[e.slot] += s.values[e.slot]
		case e.kind == Average:
			r.past[e.slot] += s.values[e.slot]
			r.past[e.slot+1] += s.values[e.slot+1]
		}
	}
}

// before returns what retired sets have counted.
func (r *Registry) before(slot uint32) uint64 {
	if int(slot) < len(r.past) {
		return r.past[slot]
	}
	return 0
}

// shows reports whether readers see a counter of this name from the set.
func (s *Set) shows(name string) bool {
	if len(s.prefixes) == 0 {
		return true
	}
	for _, p := range s.prefixes {
		if rest, ok := strings.CutPrefix(name, p); ok && (rest == "" || rest[0] == '.') {
			return true
		}
	}
	return false
}
