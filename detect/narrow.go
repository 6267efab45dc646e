package detect

import (
	"encoding/binary"
	"math/bits"
	"sync"
	"sync/atomic"

	"sentinel/detect/mpm"
)

// A class of traffic needs few of the patterns of its protocol: most rules are for other ports or addresses. A matcher is several times
// faster with fifty patterns than with five hundred, above all when the two-byte patterns of other ports are not among them. So a class
// that has enough traffic gets a database of its own patterns only, which classes with the same patterns share. It is made beside the
// workers; until it is there, they search with that of all patterns. What is found does not depend on it: rules whose header predicate
// does not hold for the class are no candidates either way.

const (
	// narrowAfter is how many bytes a class is searched in before it may get a database of its own: compiling one costs about as
	// much as it saves on some MiB. A search counts for narrowCall bytes more: large databases are seldom in the cache.
	narrowAfter = 1 << 20
	narrowCall  = 1 << 10
	// narrowWait is how many bytes later the worker looks whether it is there.
	narrowWait = 128 << 10
	// narrowMost is the number of patterns up to which the library has its fastest ways; narrowShare is the part of all patterns of
	// more than narrowMost that a class may have left, so that it is worth it.
	narrowMost  = 96
	narrowShare = 0.6
	// maxNarrowed bounds the databases of a set of rules.
	maxNarrowed = 512
)

// search is what a class is searched with.
type search struct {
	set   *payloadSet // nil = nothing
	left  int         // bytes until the next look for something better; 0 = this is what there is
	asked *narrowed
}

// narrowed is a database that is made, or being made.
type narrowed struct {
	patterns []mpm.Pattern
	set      payloadSet
	state    atomic.Uint32
}

// States of a narrowed.
const (
	narrowPending uint32 = iota
	narrowReady          // set may be used
	narrowFailed
)

// narrower makes databases for classes, one at a time. Its methods may be called from any worker.
type narrower struct {
	engine mpm.Engine
	cache  *mpm.Cache
	after  int // bytes; 0 = never

	mu      sync.Mutex
	made    map[string]*narrowed
	queue   []*narrowed
	running bool
	closed  bool
	wg      sync.WaitGroup
}

// ask returns the database of some patterns of base, which are those whose bits are set in key; nil if there are too many.
func (n *narrower) ask(base *payloadSet, key []byte, live []uint64) *narrowed {
	n.mu.Lock()
	defer n.mu.Unlock()
	if x, ok := n.made[string(key)]; ok {
		return x
	}
	if n.closed || n.engine == nil || len(n.made) >= maxNarrowed {
		return nil
	}
	x := &narrowed{set: payloadSet{reach: base.reach}}
	for i, word := range live {
		for ; word != 0; word &= word - 1 {
			id := i<<6 + bits.TrailingZeros64(word)
			p := base.patterns[id]
			p.ID = uint32(len(x.patterns))
			x.patterns = append(x.patterns, p)
			x.set.hits = append(x.set.hits, base.hits[id])
		}
	}
	if n.made == nil {
		n.made = map[string]*narrowed{}
	}
	n.made[string(key)] = x
	n.queue = append(n.queue, x)
	if !n.running {
		n.running = true
		n.wg.Go(n.run)
	}
	return x
}

// run makes what was asked for, and ends when there is nothing more.
func (n *narrower) run() {
	for {
		n.mu.Lock()
		if len(n.queue) == 0 || n.closed {
			n.queue, n.running = nil, false
			n.mu.Unlock()
			return
		}
		x := n.queue[0]
		n.queue = n.queue[1:]
		n.mu.Unlock()
		set, err := mpm.CompileOne(n.engine, x.patterns, n.cache)
		x.patterns = nil
		if err != nil {
			x.state.Store(narrowFailed) // the one with all patterns serves as well
			continue
		}
		x.set.set = set
		x.state.Store(narrowReady)
	}
}

// close gives the databases back. No worker may use them any more.
func (n *narrower) close() {
	n.mu.Lock()
	n.closed = true
	n.mu.Unlock()
	n.wg.Wait()
	for _, x := range n.made {
		if x.set.set != nil {
			x.set.set.Close()
		}
	}
	n.made = nil
}

// searchOf returns what a class is searched with at first: the database of the key, if it has a rule for the class.
func (w *Worker) searchOf(c *class, k payloadKey) search {
	if i := w.rs.space.sets[k]; i > 0 {
		s := &w.rs.payload[i-1]
		for _, h := range s.heads {
			if w.holds(c, h) {
				return search{set: s, left: w.rs.narrower.after}
			}
		}
	}
	return search{}
}

// narrow looks for a database with fewer patterns. It is called when a class has had some more traffic.
func (w *Worker) narrow(c *class, x *search) {
	if x.asked == nil {
		base := x.set
		live := make([]uint64, (len(base.patterns)+63)/64)
		n := 0
		for id, l := range base.hits {
			for _, num := range l {
				if w.holds(c, w.rs.rules[num].head) {
					live[id>>6] |= 1 << (id & 63)
					n++
					break
				}
			}
		}
		all := len(base.patterns)
		if n == all || n > narrowMost && float64(n) > narrowShare*float64(all) {
			x.left = 0
			return
		}
		key := binary.LittleEndian.AppendUint32(make([]byte, 0, 4+8*len(live)), base.num)
		for _, word := range live {
			key = binary.LittleEndian.AppendUint64(key, word)
		}
		if x.asked = w.rs.narrower.ask(base, key, live); x.asked == nil {
			x.left = 0
			return
		}
	}
	switch x.asked.state.Load() {
	case narrowPending:
		x.left = narrowWait
	case narrowReady:
		x.set, x.left, x.asked = &x.asked.set, 0, nil
	default:
		x.left, x.asked = 0, nil
	}
}
