package bypass

import (
	"bytes"
	"errors"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"sentinel/stream/flow"
)

// Manager does for workers what must not be done between packets: it asks an Offloader to take flows over, sweeps its
// counters, and mails them to the worker that owns the flow.
type Manager struct {
	o    Offloader
	opt  Options
	wake chan struct{}
	stop chan struct{}
	done chan struct{}

	mu    sync.Mutex
	desks []*Desk

	// The goroutine's own.
	flows   map[flow.Key]*holding // by canonical key
	byID    map[owner]*holding
	batch   []Entry
	asked   []owner // by entry of batch
	back    []Return
	leaving []*holding // by entry of back
	fails   int        // logged

	count [statCount]atomic.Uint64
	iface []ifaceStats // fixed at start
}

// Options are the settings of a Manager.
type Options struct {
	Interfaces []string             // by Frame.Iface
	Sweep      time.Duration        // between two sweeps; 0 = a second
	Warn       func(string, ...any) // nil = nobody is told
	// Tick is called with the time before each sweep, in the goroutine that calls the Offloader.
	Tick func(now int64)
}

// owner names a flow among all workers.
type owner struct {
	desk *Desk
	flow Flow
}

// holding is a flow that the offloader has.
type holding struct {
	owner
	key flow.Key
}

// batchLimit bounds the flows of one Install.
const batchLimit = 1024

// maxFailReports bounds the messages about flows that could not be taken.
const maxFailReports = 10

const (
	statTaken = iota
	statRefused
	statFull
	statFailed
	statReturned
	statSweeps
	statErrors
	statCount
)

type ifaceStats struct {
	held, success, fail [2]atomic.Uint64 // IPv4, IPv6
	pkts                atomic.Uint64
}

// NewManager returns a manager of an offloader, which it closes in the end. Start starts it.
func NewManager(o Offloader, opt Options) *Manager {
	if opt.Sweep <= 0 {
		opt.Sweep = time.Second
	}
	if opt.Warn == nil {
		opt.Warn = func(string, ...any) {}
	}
	return &Manager{o: o, opt: opt, wake: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{}),
		flows: map[flow.Key]*holding{}, byID: map[owner]*holding{}, iface: make([]ifaceStats, len(opt.Interfaces))}
}

// Desk returns a desk for one more worker.
func (m *Manager) Desk() *Desk {
	d := &Desk{m: m}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.desks = append(m.desks, d)
	return d
}

// Start starts the manager's goroutine.
func (m *Manager) Start() { go m.run() }

// Close gives all flows back, with their last counts in the workers' mail, and closes the offloader.
func (m *Manager) Close() error {
	close(m.stop)
	<-m.done
	return m.o.Close()
}

func (m *Manager) run() {
	defer close(m.done)
	t := time.NewTicker(m.opt.Sweep)
	defer t.Stop()
	for {
		select {
		case <-m.stop:
			m.guard(m.serve)
			m.guard(m.returnAll)
			return
		case <-m.wake:
			m.guard(m.serve)
		case now := <-t.C:
			m.guard(m.serve)
			m.guard(func() { m.sweep(now.UnixNano()) })
		}
	}
}

// guard runs f and survives a bug in it, or in the offloader. No flow waits for ever: those that were under way stay with the engine.
func (m *Manager) guard(f func()) {
	defer func() {
		r := recover()
		if r == nil {
			return
		}
		m.count[statErrors].Add(1)
		if m.fails++; m.fails <= maxFailReports {
			m.opt.Warn("a bug was caught, bypass goes on: %v\n%s", r, debug.Stack())
		}
		for i, o := range m.asked {
			if h := m.flows[canonical(m.batch[i].Key)]; h != nil && h.owner == o {
				delete(m.flows, canonical(h.key))
			}
			delete(m.byID, o)
			o.desk.post(Report{Flow: o.flow, Event: Failed})
		}
		for _, h := range m.leaving {
			delete(m.flows, canonical(h.key))
			h.desk.post(Report{Flow: h.flow, Event: Done})
		}
		m.batch, m.asked, m.back, m.leaving = m.batch[:0], m.asked[:0], m.back[:0], m.leaving[:0]
	}()
	f()
}

// serve carries out all requests that wait.
func (m *Manager) serve() {
	m.mu.Lock()
	desks := m.desks // only ever appended to
	m.mu.Unlock()
	for more := true; more; {
		more = false
		for _, d := range desks {
			h, t := d.head.Load(), d.tail.Load()
			for ; h != t; h++ {
				r := d.ring[h%deskSlots]
				d.head.Store(h + 1) // whatever comes of it, it is not done twice
				o := owner{d, r.flow}
				switch {
				case r.leave:
					m.install() // it may be about one of these
					m.giveBack(o)
				case m.flows[canonical(r.entry.Key)] != nil:
					// Another flow has the name: one that ended, and whose counts are still to be fetched, or the engine tells flows
					// apart that look alike on the wire.
					d.post(Report{Flow: r.flow, Event: Full})
					m.count[statFull].Add(1)
				default:
					m.batch, m.asked = append(m.batch, r.entry), append(m.asked, o)
				}
				if len(m.batch) == batchLimit {
					m.install()
				}
			}
			if h != d.tail.Load() {
				more = true
			}
		}
		m.install()
		m.remove()
	}
}

// install has the offloader take the flows of the batch.
func (m *Manager) install() {
	if len(m.batch) == 0 {
		return
	}
	// The same name twice in one batch: the second one waits.
	for i := range m.batch {
		e := &m.batch[i]
		k := canonical(e.Key)
		if m.flows[k] != nil {
			e.Err = errTwice
			continue
		}
		m.flows[k] = &holding{m.asked[i], e.Key}
	}
	m.o.Install(m.batch)
	for i := range m.batch {
		e, o := &m.batch[i], m.asked[i]
		s, v := m.stats(e.Iface), version(&e.Key)
		if e.Err == nil {
			m.byID[o] = m.flows[canonical(e.Key)]
			m.count[statTaken].Add(1)
			if s != nil {
				s.success[v].Add(1)
				s.held[v].Add(1)
			}
			o.desk.post(Report{Flow: o.flow, Event: Taken})
			continue
		}
		if e.Err != errTwice {
			delete(m.flows, canonical(e.Key))
		}
		if s != nil {
			s.fail[v].Add(1)
		}
		r := Report{Flow: o.flow}
		switch {
		case errors.Is(e.Err, ErrFull) || e.Err == errTwice:
			r.Event = Full
			m.count[statFull].Add(1)
		case errors.Is(e.Err, ErrUnsupported):
			r.Event = Refused
			m.count[statRefused].Add(1)
		default:
			r.Event = Failed
			m.count[statFailed].Add(1)
			if m.fails++; m.fails <= maxFailReports {
				m.opt.Warn("cannot offload a flow: %v; it stays with the engine", e.Err)
			}
		}
		o.desk.post(r)
	}
	m.batch, m.asked = m.batch[:0], m.asked[:0]
}

// errTwice marks an entry whose name another one of the batch has. Offloaders pass over entries with an error.
var errTwice = errors.New("another flow has the same name")

// giveBack lets a flow be taken from the offloader, with the others of the round.
func (m *Manager) giveBack(o owner) {
	h := m.byID[o]
	if h == nil {
		o.desk.post(Report{Flow: o.flow, Event: Done}) // never leave a flow waiting
		return
	}
	delete(m.byID, o)
	m.back, m.leaving = append(m.back, Return{Key: h.key}), append(m.leaving, h)
	if len(m.back) == batchLimit {
		m.remove()
	}
}

// remove takes the flows of the batch from the offloader.
func (m *Manager) remove() {
	if len(m.back) == 0 {
		return
	}
	m.o.Remove(m.back)
	now := time.Now().UnixNano()
	for i, h := range m.leaving {
		r := &m.back[i]
		if r.Err != nil {
			m.count[statErrors].Add(1)
			if m.fails++; m.fails <= maxFailReports {
				m.opt.Warn("cannot take a flow back: %v", r.Err)
			}
		}
		c := &r.Counters
		if !c.Zero() && c.Last == 0 {
			c.Last = now
		}
		delete(m.flows, canonical(h.key))
		m.count[statReturned].Add(1)
		if s := m.stats(h.key.Iface); s != nil {
			s.held[version(&h.key)].Add(^uint64(0))
		}
		m.counted(h, c)
		h.desk.post(Report{Flow: h.flow, Event: Done, Counters: *c})
	}
	m.back, m.leaving = m.back[:0], m.leaving[:0]
}

// returnAll takes all flows back.
func (m *Manager) returnAll() {
	for o := range m.byID {
		m.giveBack(o)
	}
	m.remove()
}

func (m *Manager) sweep(now int64) {
	if m.opt.Tick != nil {
		m.opt.Tick(now)
	}
	m.count[statSweeps].Add(1)
	if len(m.flows) == 0 {
		return
	}
	err := m.o.Sweep(now, func(k flow.Key, c Counters) {
		h := m.flows[canonical(k)]
		if h == nil || c.Zero() {
			return
		}
		if c.Last == 0 {
			c.Last = now
		}
		m.counted(h, &c)
		h.desk.post(Report{Flow: h.flow, Event: Counted, Counters: c})
	})
	if err != nil {
		m.count[statErrors].Add(1)
		if m.fails++; m.fails <= maxFailReports {
			m.opt.Warn("cannot read the counters of offloaded flows: %v", err)
		}
	}
}

func (m *Manager) counted(h *holding, c *Counters) {
	if s := m.stats(h.key.Iface); s != nil {
		s.pkts.Add(c.Pkts[0] + c.Pkts[1])
	}
}

// canonical returns a key that is the same whoever sent first.
func canonical(k flow.Key) flow.Key {
	if c := bytes.Compare(k.Src[:], k.Dst[:]); c > 0 || c == 0 && k.SrcPort > k.DstPort {
		k.Src, k.Dst, k.SrcPort, k.DstPort = k.Dst, k.Src, k.DstPort, k.SrcPort
	}
	return k
}

func (m *Manager) stats(iface uint16) *ifaceStats {
	if int(iface) < len(m.iface) {
		return &m.iface[iface]
	}
	return nil
}

// version is 0 for IPv4 and 1 for IPv6.
func version(k *flow.Key) int {
	if k.IPVersion == 6 {
		return 1
	}
	return 0
}

// Stats are totals of a Manager.
type Stats struct {
	Taken, Refused, Full, Failed, Returned, Errors uint64
}

// Stats returns the totals.
func (m *Manager) Stats() Stats {
	c := func(i int) uint64 { return m.count[i].Load() }
	return Stats{Taken: c(statTaken), Refused: c(statRefused), Full: c(statFull), Failed: c(statFailed), Returned: c(statReturned),
		Errors: c(statErrors)}
}

// InterfaceStats are the flows of one interface, by IP version (0 = IPv4, 1 = IPv6): carried below now, taken over since the
// start, and refused; and the packets that were counted below.
type InterfaceStats struct {
	Name                string
	Held, Success, Fail [2]uint64
	Pkts                uint64
}

// Interfaces returns the counts by interface.
func (m *Manager) Interfaces() []InterfaceStats {
	out := make([]InterfaceStats, len(m.iface))
	for i := range m.iface {
		s := &m.iface[i]
		out[i].Name, out[i].Pkts = m.opt.Interfaces[i], s.pkts.Load()
		for v := range s.held {
			out[i].Held[v], out[i].Success[v], out[i].Fail[v] = s.held[v].Load(), s.success[v].Load(), s.fail[v].Load()
		}
	}
	return out
}
