package counter

import (
	"strings"

	"sentinel/internal/jsonw"
)

// Snapshot is what the counters were at one moment. It is reused from one reading to the next, from
// which the differences come.
type Snapshot struct {
	Names   []string // as registered
	Total   Thread
	Threads []Thread // in the order of the sets
	tree    *group
}

// Thread is the values of one set, or the total.
type Thread struct {
	Name     string
	Values   []uint64 // by index in Snapshot.Names
	Previous []uint64 // at the reading before, or 0
	Has      []bool   // whether the thread counts this at all

	set *Set
}

// Snapshot reads all counters into dst. The values of a worker are as recent as the memory system makes
// them, and not of exactly the same moment.
func (r *Registry) Snapshot(dst *Snapshot) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := len(r.all)
	if len(dst.Names) != n {
		dst.Names = make([]string, n)
		for i := range r.all {
			dst.Names[i] = r.all[i].name
		}
		dst.tree = grow(dst.Names)
	}
	dst.Threads = dst.Threads[:min(len(dst.Threads), len(r.sets))]
	for i, s := range r.sets {
		if i == len(dst.Threads) {
			dst.Threads = append(dst.Threads, Thread{set: s})
		} else if dst.Threads[i].set != s { // another was retired
			dst.Threads[i] = Thread{set: s}
		}
		dst.Threads[i].Name = s.thread
	}
	dst.Total.Name = "Total"
	dst.Total.next(n)
	for i := range dst.Threads {
		dst.Threads[i].next(n)
	}
	for i := range r.all {
		e := &r.all[i]
		if e.kind == Func {
			dst.Total.Has[i] = true
			if e.read != nil {
				dst.Total.Values[i] = e.read()
			}
			continue
		}
		total, number := r.before(e.slot), uint64(0)
		if e.kind == Average && e.slot != 0 {
			number = r.before(e.slot + 1)
		}
		for k, s := range r.sets {
			t := &dst.Threads[k]
			if e.slot == 0 || !s.shows(e.name) {
				continue
			}
			t.Has[i], dst.Total.Has[i] = true, true
			v := load(&s.values[e.slot])
			t.Values[i] = v
			switch e.kind {
			case Max:
				total = max(total, v)
			case Average:
				c := load(&s.values[e.slot+1])
				t.Values[i] = mean(v, c)
				total += v
				number += c
			default:
				total += v
			}
		}
		if e.kind == Average {
			total = mean(total, number)
		}
		dst.Total.Values[i] = total
	}
}

func mean(sum, number uint64) uint64 {
	if number == 0 {
		return 0
	}
	return sum / number
}

// next makes the current values the previous ones.
func (t *Thread) next(n int) {
	t.Values, t.Previous = t.Previous, t.Values
	for len(t.Values) < n {
		t.Values = append(t.Values, 0)
	}
	for len(t.Previous) < n {
		t.Previous = append(t.Previous, 0)
	}
	for len(t.Has) < n {
		t.Has = append(t.Has, false)
	}
	clear(t.Values)
	clear(t.Has)
}

// Get returns a value of the total by name.
func (s *Snapshot) Get(name string) (uint64, bool) {
	for i, n := range s.Names {
		if n == name {
			return s.Total.Values[i], true
		}
	}
	return 0, false
}

// Format says how Members writes counters.
type Format struct {
	Deltas  bool // beside each counter NAME, NAME_delta since the last reading
	NoZeros bool // leave out counters that are 0
	// Group, if set, is called at the beginning of each object with the dotted name that it stands for,
	// to add members of its own.
	Group func(name string, b *jsonw.Builder)
}

// Members adds the counters of a thread to the open object, as nested objects: "a.b.c" becomes
// {"a":{"b":{"c":1}}}.
func (s *Snapshot) Members(b *jsonw.Builder, t *Thread, f Format) {
	if s.tree != nil {
		s.tree.write(b, t, &f)
	}
}

// group is the counters and groups of one prefix, in the order in which they were registered first.
type group struct {
	name, path string
	counter    int // index into Names, or -1 for a group
	items      []*group
}

func grow(names []string) *group {
	root := &group{counter: -1}
	groups := map[string]*group{"": root}
	for i, name := range names {
		g, at := root, 0
		for {
			dot := strings.IndexByte(name[at:], '.')
			if dot < 0 {
				break
			}
			path := name[:at+dot]
			sub := groups[path]
			if sub == nil {
				sub = &group{name: name[at : at+dot], path: path, counter: -1}
				groups[path] = sub
				g.items = append(g.items, sub)
			}
			g, at = sub, at+dot+1
		}
		g.items = append(g.items, &group{name: name[at:], counter: i})
	}
	return root
}

// write reports whether there was anything to write.
func (g *group) write(b *jsonw.Builder, t *Thread, f *Format) bool {
	some := false
	for _, c := range g.items {
		if c.counter < 0 {
			m := b.Mark()
			b.OpenObject(c.name)
			if f.Group != nil {
				f.Group(c.path, b)
			}
			if !c.write(b, t, f) {
				b.Rollback(m)
				continue
			}
			b.Close()
			some = true
			continue
		}
		v := t.Values[c.counter]
		if !t.Has[c.counter] || f.NoZeros && v == 0 {
			continue
		}
		some = true
		b.Uint(c.name, v)
		if f.Deltas {
			b.Key([]byte(c.name + "_delta"))
			b.ElemInt(int64(v - t.Previous[c.counter]))
		}
	}
	return some
}
