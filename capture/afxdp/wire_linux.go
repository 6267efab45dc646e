package afxdp

import (
	"fmt"
	"sync"

	"golang.org/x/sys/unix"

	"sentinel/internal/xdp"
)

// wire is the sockets of one source, and, inline, those of the source at the other end. All frames lie in one memory, so that one
// that came in at one end can go out at the other without being copied.
type wire struct {
	mu    sync.Mutex // guards rings and free lists: taken once a batch
	users int        // sources; guarded by the lock of waiting
	ends  [2][]*port
	mems  []*memory
	from  *halves
}

// halves are wires of which one end is still to be opened.
type halves struct {
	key   pair
	wires []*wire
}

// pair says which interface waits to be opened as the other end of which.
type pair struct {
	namespace uint64
	name, to  string
}

// waiting has the wires whose second interface was not opened yet. A source that ends is taken out under the same lock.
var waiting = struct {
	sync.Mutex
	at map[pair]*halves
}{at: map[pair]*halves{}}

func namespace() uint64 {
	var st unix.Stat_t
	if unix.Stat("/proc/thread-self/ns/net", &st) != nil {
		return 0
	}
	return st.Ino
}

// attempt is one way of binding sockets.
type attempt struct {
	name     string
	flags    uint16
	separate bool
}

// attempts lists the ways of binding, the best one first.
func attempts(o *Options, mode xdp.Mode, jumbo bool) (all []attempt, why string) {
	const parts, wakeup = unix.XDP_USE_SG, unix.XDP_USE_NEED_WAKEUP
	zero := []attempt{{"zero-copy", unix.XDP_ZEROCOPY | wakeup, false}}
	if jumbo {
		zero = []attempt{{"zero-copy", unix.XDP_ZEROCOPY | parts | wakeup, false}}
	}
	copied := []attempt{{"copy", unix.XDP_COPY | parts | wakeup, false}, {"copy", unix.XDP_COPY | wakeup, false}}
	switch {
	case o.Bind == BindZero:
		all = zero
	case o.Bind == BindCopy:
		all, why = copied, "force-bind-mode says so"
	case mode == xdp.Generic:
		all, why = copied, "generic mode has no other"
	default:
		all = append(zero, copied...)
	}
	if o.separate {
		for i := range all {
			all[i].separate = true
		}
	} else if o.CopyTo != "" {
		// Before Linux 5.10 sockets of different interfaces cannot share memory.
		for _, a := range all {
			a.separate = true
			all = append(all, a)
		}
	}
	return all, why
}

// build makes the sockets of all wires in the best way that works. why says why it is not a better one.
func build(o *Options, ends [2]device, n int, mode xdp.Mode) (wires []*wire, how attempt, why string, err error) {
	mtu := max(ends[0].mtu, ends[1].mtu)
	chunk := chunkFor(mtu)
	list, why := attempts(o, mode, mtu+linkBytes > chunk-headroom)
	var first error
	for _, a := range list {
		wires = wires[:0]
		err = nil
		for i := 0; i < n && err == nil; i++ {
			var w *wire
			if w, err = newWire(o, ends, i, n, chunk, a); err == nil {
				wires = append(wires, w)
			}
		}
		if err == nil {
			if first != nil {
				why = first.Error()
			}
			return wires, a, why, nil
		}
		for _, w := range wires {
			w.close()
		}
		if first == nil {
			first = fmt.Errorf("no %s: %w", a.name, err)
		}
	}
	return nil, attempt{}, "", first
}

// newWire makes the sockets of source number i of n.
func newWire(o *Options, ends [2]device, i, n, chunk int, a attempt) (*wire, error) {
	w := &wire{}
	mine := func(d device) (count int) {
		for q := i; q < d.queues; q += n {
			count++
		}
		return count
	}
	fresh := func(ports int) (*memory, error) {
		m, err := newMemory(ports*o.frames, chunk, o.Unaligned)
		if err != nil {
			return nil, fmt.Errorf("frame memory: %w", err)
		}
		w.mems = append(w.mems, m)
		return m, nil
	}
	var m *memory
	var err error
	for end, d := range ends {
		if d.name == "" {
			continue
		}
		if m == nil && !a.separate {
			m, err = fresh(mine(ends[0]) + mine(ends[1]))
		} else if a.separate {
			m, err = fresh(mine(d))
		}
		for q := i; q < d.queues && err == nil; q += n {
			var p *port
			if p, err = newPort(o, m, d, q, a.flags); err == nil {
				w.ends[end] = append(w.ends[end], p)
			}
		}
		if err != nil {
			w.close()
			return nil, err
		}
	}
	return w, nil
}

func (w *wire) close() {
	for _, end := range w.ends {
		for _, p := range end {
			p.close()
		}
	}
	for _, m := range w.mems {
		_ = m.close()
	}
}

// leave ends one source's part in the wire.
func (w *wire) leave() {
	waiting.Lock()
	defer waiting.Unlock()
	if w.users--; w.users > 0 {
		return
	}
	if h := w.from; h != nil && waiting.at[h.key] == h {
		delete(waiting.at, h.key)
	}
	w.close()
}

// claim returns the wires that wait for an interface to be opened, and joins them.
func claim(o *Options) []*wire {
	key := pair{namespace(), o.Interface, o.CopyTo}
	waiting.Lock()
	defer waiting.Unlock()
	h := waiting.at[key]
	if h == nil {
		return nil
	}
	delete(waiting.at, key)
	for _, w := range h.wires {
		if w.users == 0 {
			return nil
		}
	}
	for _, w := range h.wires {
		w.users++
	}
	return h.wires
}

// offer lets the other interface join.
func offer(o *Options, wires []*wire) {
	h := &halves{pair{namespace(), o.CopyTo, o.Interface}, wires}
	waiting.Lock()
	defer waiting.Unlock()
	for _, w := range wires {
		w.from = h
	}
	waiting.at[h.key] = h
}
