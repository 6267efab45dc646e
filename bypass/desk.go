package bypass

import (
	"sync"
	"sync/atomic"
)

// Desk is where one worker leaves requests for the Manager and finds its mail. The worker's goroutine calls its methods; none
// of them waits for the Manager.
//
//	worker ──Ask, Leave──▶ ring ──▶ manager
//	   ▲                               │
//	   └──────── Collect ◀── mail ◀────┘
type Desk struct {
	m *Manager

	head atomic.Uint32 // where the manager reads
	tail atomic.Uint32 // where the worker writes
	ring [deskSlots]request

	backlog []request // of Leave, while the ring is full: these must not be lost

	mailed atomic.Bool
	mu     sync.Mutex
	mail   []Report // under mu
	read   []Report // the worker's, for the next exchange
}

// deskSlots is how many requests may wait, a power of two. The manager is woken at once and takes all that wait.
const deskSlots = 1024

// request is what a worker wants: a flow taken over, or given back.
type request struct {
	entry Entry
	flow  Flow
	leave bool
}

// Flow is how a worker finds a flow again: its place in the worker's table, and its id.
type Flow struct {
	Index uint32
	ID    uint64
}

// Event says what a Report is about.
type Event uint8

// The events. A flow that was asked for gets Taken or one of Refused, Full and Failed; one that was taken may get Counted any
// number of times, and Done as the last.
const (
	Taken   Event = iota // the flow is carried below
	Refused              // flows of this kind cannot be
	Full                 // there was no room
	Failed               // it did not work; the error was logged
	Counted              // packets since the last report
	Done                 // the flow is not carried below any more; the counts are the last
)

// Report is what becomes of a flow that a worker asked for.
type Report struct {
	Flow
	Event    Event
	Counters Counters // of Counted and Done; by direction of the entry that was asked for
}

// Ask asks for a flow to be taken over. It reports false when there is no room for the request.
func (d *Desk) Ask(e *Entry, f Flow) bool {
	r := d.slot()
	if r == nil {
		return false
	}
	r.entry, r.flow, r.leave = *e, f, false
	d.push()
	return true
}

// Leave asks for a flow back.
func (d *Desk) Leave(f Flow) {
	d.flush()
	if r := d.slot(); r != nil && len(d.backlog) == 0 {
		*r = request{flow: f, leave: true}
		d.push()
		return
	}
	d.backlog = append(d.backlog, request{flow: f, leave: true})
}

// slot returns the next free slot of the ring; nil when it is full.
func (d *Desk) slot() *request {
	t := d.tail.Load()
	if t-d.head.Load() >= deskSlots {
		return nil
	}
	return &d.ring[t%deskSlots]
}

func (d *Desk) push() {
	d.tail.Add(1)
	select {
	case d.m.wake <- struct{}{}:
	default:
	}
}

// flush moves what is in the backlog to the ring, as far as there is room.
func (d *Desk) flush() {
	n := 0
	for ; n < len(d.backlog); n++ {
		r := d.slot()
		if r == nil {
			break
		}
		*r = d.backlog[n]
		d.push()
	}
	if n > 0 {
		d.backlog = append(d.backlog[:0], d.backlog[n:]...)
	}
}

// Mail reports whether Collect has something to do. It is one atomic load.
func (d *Desk) Mail() bool { return d.mailed.Load() || len(d.backlog) > 0 }

// Collect hands the worker's mail to fn, oldest first.
func (d *Desk) Collect(fn func(*Report)) {
	d.flush()
	if !d.mailed.Load() {
		return
	}
	d.mu.Lock()
	d.mail, d.read = d.read[:0], d.mail
	d.mailed.Store(false)
	d.mu.Unlock()
	for i := range d.read {
		fn(&d.read[i])
	}
}

// post puts a report into the worker's mail. It is the manager's.
func (d *Desk) post(r Report) {
	d.mu.Lock()
	d.mail = append(d.mail, r)
	d.mailed.Store(true)
	d.mu.Unlock()
}
