package sentinel

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"sentinel/capture"
	"sentinel/decode"
	"sentinel/stream/defrag"
	"sentinel/stream/flow"
)

// A receiver reads one source and hands frames to the workers of their flows:
//
//	source ──Read──▶ receiver ──jobs──▶ ring ──▶ worker 0 ──┐
//	                    │        ...     ring ──▶ worker n ──┤ loan.pending
//	                    ◀────── loans, oldest first ─────────┘
//
// What Read lent is a loan. Each worker counts a loan's pending shares down; the receiver releases loans in the order
// they were lent, as soon as their last share is done. Rings are bounded: a receiver that finds one full waits for it.
type receiver struct {
	e       *Engine
	source  capture.Source
	stack   *decode.Stack
	frags   *defrag.Table
	hasher  flow.Hasher
	workers []*ring
	free    []*loan
	lent    []*loan // in order of Read
	now     int64
	number  uint64
	pub     publisher
	panics  map[string]int
}

const (
	loanFrames = 256 // frames a Read may lend
	loanCount  = 16  // loans that may be out at a time
	ringSlots  = 64  // shares that may wait for a worker
)

// loan is one batch of frames and how many workers are not done with it. But for pending and drop, workers only read it.
type loan struct {
	frames  [loanFrames]capture.Frame
	now     [loanFrames]int64 // the source's time at each frame
	n       int
	first   uint64     // number of the first frame
	frags   []fragment // by frame
	pending atomic.Int32
	drop    [loanFrames]atomic.Bool
	shares  []*share
	done    chan struct{} // one token when pending reaches zero
}

// share is what one worker gets of a loan: frames by index, with the packets of each that are the worker's.
type share struct {
	loan  *loan
	n     int
	index [loanFrames]uint16
	mask  [loanFrames]uint32
}

// fragment is what the receiver's defrag made of a fragment: events, and with the last one the datagram. Workers put it on their
// stacks as the receiver did, so that the bits of a mask mean the same packets. The bytes are its own.
type fragment struct {
	data   []byte // nil = not complete
	v6     bool
	index  uint16 // of the frame
	packet uint8  // of that frame's stack
	events decode.EventSet
}

// ring is a worker's queue of shares. A closed ring ends the worker.
type ring struct {
	shares chan *share
}

func (e *Engine) newReceiver(s capture.Source, workers []*ring) *receiver {
	r := &receiver{e: e, source: s, stack: decode.NewStack(e.set.decode), frags: defrag.New(e.set.defrag),
		hasher: flow.NewHasher(e.seed), workers: workers, panics: map[string]int{}}
	r.pub = publisher{c: e.counters, set: e.counters.reg.NewSet("RX")}
	for range loanCount {
		l := &loan{done: make(chan struct{}, 1)}
		for range workers {
			l.shares = append(l.shares, &share{loan: l})
		}
		r.free = append(r.free, l)
	}
	return r
}

// run reads until the end of the source, or until ctx is done. It returns nil at the end.
func (r *receiver) run(ctx context.Context) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	r.e.pinReceiver(r)
	_, finite := r.source.(capture.Clock)
	d := drain{ctx: ctx, live: !finite}
	for {
		l := r.take()
		n, more, err := d.read(r.source, l.frames[:])
		if n > 0 {
			if described, ok := r.source.(capture.Described); ok {
				r.e.setFile(described.File())
			}
			l.n = n
			l.first = r.number + 1
			r.number += uint64(n)
			r.lend(l)
		} else {
			r.free = append(r.free, l)
			r.collect(false)
		}
		if !more {
			return r.settle(err)
		}
	}
}

// take returns a free loan; it waits for the oldest one when all are out.
func (r *receiver) take() *loan {
	r.collect(false)
	for len(r.free) == 0 {
		r.collect(true)
	}
	l := r.free[len(r.free)-1]
	r.free = r.free[:len(r.free)-1]
	return l
}

// collect releases the loans that are done, oldest first; with wait it waits for the oldest.
func (r *receiver) collect(wait bool) {
	for len(r.lent) > 0 {
		l := r.lent[0]
		if wait {
			<-l.done
		} else {
			select {
			case <-l.done:
			default:
				return
			}
		}
		wait = false
		for i := range l.n {
			if l.drop[i].Load() {
				l.frames[i].Verdict = capture.Drop
				l.drop[i].Store(false)
			}
		}
		if err := r.source.Release(l.frames[:l.n]); err != nil {
			r.e.log.Warn().Err(err).Msg("cannot release frames")
		}
		r.lent = append(r.lent[:0], r.lent[1:]...)
		r.free = append(r.free, l)
	}
}

// settle waits until every loan is released.
func (r *receiver) settle(err error) error {
	defer r.publish()
	for len(r.lent) > 0 {
		r.collect(true)
	}
	return err
}

// publish makes the receiver's counts visible.
func (r *receiver) publish() {
	r.pub.decoded(r.stack)
	f := &r.frags.Stats
	r.pub.fragments([9]uint64{f.Fragments4, f.Reassembled4, f.Fragments6, f.Reassembled6, f.MaxTrackers, f.MaxFrags, f.SoftReuse,
		f.HardReuse, f.Timeouts})
	r.pub.captured(r.pub.note(r.source, 0))
	r.pub.set.Put(r.pub.c.panics, r.pub.panics)
}

// lend splits a loan by the workers of its packets' flows and hands the shares over.
func (r *receiver) lend(l *loan) {
	for _, s := range l.shares {
		s.n = 0
	}
	clear(l.frags)
	l.frags = l.frags[:0]
	for i := 0; i < l.n; {
		i = r.splitFrom(l, i)
	}
	if r.pub.batches++; r.pub.batches%publishEvery == 0 {
		r.publish()
	}
	busy := int32(0)
	for _, s := range l.shares {
		if s.n > 0 {
			busy++
		}
	}
	r.lent = append(r.lent, l)
	l.pending.Store(busy)
	if busy == 0 { // a bug was caught in each of its frames
		l.done <- struct{}{}
		return
	}
	for w, s := range l.shares {
		if s.n > 0 {
			r.workers[w].shares <- s
		}
	}
}

// splitFrom splits frames from i on and returns where to go on: the end, or behind a frame in which a bug was caught.
func (r *receiver) splitFrom(l *loan, i int) (next int) {
	defer func() {
		if v := recover(); v != nil {
			r.caught(v)
			next = i + 1
		}
	}()
	for ; i < l.n; i++ {
		r.split(l, i)
	}
	return i
}

// caught counts and logs a bug in decoding. The frame goes the way that its source sends it without a verdict.
func (r *receiver) caught(v any) {
	r.pub.panics++
	place := panicPlace()
	if r.panics[place]++; r.panics[place] == 1 && len(r.panics) <= maxPanicReports {
		r.e.logPanic(place, v)
	}
}

// split finds the workers of one frame's packets. Datagrams are reassembled here: the flow of what they carry is not known
// before.
func (r *receiver) split(l *loan, i int) {
	f := &l.frames[i]
	if f.Time > r.now {
		r.now = f.Time
	}
	l.now[i] = r.now
	n := r.stack.Decode(f)
	for k := 0; k < n; k++ {
		p := &r.stack.Packets[k]
		s := l.shares[r.hasher.Hash(p)%uint32(len(r.workers))]
		if s.n == 0 || s.index[s.n-1] != uint16(i) {
			s.index[s.n], s.mask[s.n] = uint16(i), 0
			s.n++
		}
		s.mask[s.n-1] |= 1 << k
		if p.Has(decode.Fragment) && !p.Has(decode.Invalid) {
			was := p.Events
			x := fragment{v6: p.IPVersion == 6, index: uint16(i), packet: uint8(k)}
			d, done := r.frags.Add(p, r.now)
			if done {
				x.data = append([]byte(nil), d...)
				n = r.stack.DecodeDatagram(k, x.data, x.v6)
			}
			if x.events = p.Events; done || x.events != was {
				l.frags = append(l.frags, x)
			}
		}
	}
}

// fragments adds what the receiver has made of frame i to a worker's stack of n packets, and returns the new number.
func (l *loan) fragments(st *decode.Stack, i uint16, n int) int {
	for j := range l.frags { // few
		x := &l.frags[j]
		if x.index != i || int(x.packet) >= n {
			continue
		}
		if x.data != nil {
			n = st.DecodeDatagram(int(x.packet), x.data, x.v6)
		}
		st.Packets[x.packet].Events = x.events
	}
	return n
}

// work takes shares until the ring is closed.
func (w *worker) work(in *ring, wg *sync.WaitGroup) {
	defer wg.Done()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	setPanicOnFault()
	w.e.pin(w, nil)
	idle := newTicker()
	defer idle.Stop()
	for {
		select {
		case s, ok := <-in.shares:
			if !ok {
				w.close()
				return
			}
			w.share(s)
		case <-idle.C:
			now := w.now
			if w.live {
				now = time.Now().UnixNano()
			}
			w.idle(now)
		}
	}
}

// share runs the packets of a share that are this worker's.
func (w *worker) share(s *share) {
	w.pulse.begin()
	w.adopt()
	for i := 0; i < s.n; {
		i = w.runShare(s, i)
	}
	w.tidy()
	w.pulse.end()
	l := s.loan
	if l.pending.Add(-1) == 0 {
		l.done <- struct{}{}
	}
}

func (w *worker) runShare(s *share, i int) (next int) {
	defer func() {
		if r := recover(); r != nil {
			if w.caught(r, true) {
				s.loan.drop[s.index[i]].Store(true)
			}
			next = i + 1
		}
	}()
	l := s.loan
	for ; i < s.n; i++ {
		k := s.index[i]
		// A copy: workers that share the frame each set a verdict of their own.
		f := l.frames[k]
		w.now = max(w.now, l.now[k])
		n := w.stack.Decode(&f)
		if len(l.frags) > 0 {
			n = l.fragments(w.stack, k, n)
		}
		if s.mask[i]&1 != 0 {
			w.frames++
			w.bytes += uint64(len(f.Data))
			if w.span.first == 0 {
				w.span.first = f.Time
			}
			w.span.last = f.Time
		}
		w.packets(&f, n, s.mask[i], l.first+uint64(k))
		if f.Verdict == capture.Drop {
			l.drop[k].Store(true)
		}
	}
	return i
}
