package sentinel

import (
	"context"
	"errors"
	"io"
	"runtime"
	"sync"
	"sync/atomic"

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
}

const (
	loanFrames = 256 // frames a Read may lend
	loanCount  = 16  // loans that may be out at a time
	ringSlots  = 64  // shares that may wait for a worker
)

// loan is one batch of frames and how many workers are not done with it.
type loan struct {
	frames  [loanFrames]capture.Frame
	n       int
	first   uint64 // number of the first frame
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
	extra []datagram
	odd   []oddity
	ran   int // of extra
	seen  int // of odd
}

// oddity is what defrag found about a packet that is run elsewhere.
type oddity struct {
	at     uint16 // in index
	packet uint8
	events decode.EventSet
}

// datagram is a reassembled datagram on its way to the worker of its flow. The bytes are its own.
type datagram struct {
	data   []byte
	v6     bool
	index  uint16 // of the frame that completed it
	packet uint8  // of that frame's packets
}

// ring is a worker's queue of shares. A closed ring ends the worker.
type ring struct {
	shares chan *share
}

func (e *Engine) newReceiver(s capture.Source, workers []*ring) *receiver {
	r := &receiver{e: e, source: s, stack: decode.NewStack(e.set.decode), frags: defrag.New(e.set.defrag),
		hasher: flow.NewHasher(e.seed), workers: workers}
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
	for {
		if ctx.Err() != nil {
			return r.settle(nil)
		}
		l := r.take()
		n, err := r.source.Read(ctx, l.frames[:])
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
			if err == nil {
				r.collect(false)
			}
		}
		if err != nil {
			if errors.Is(err, io.EOF) || ctx.Err() != nil {
				err = nil
			}
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
	r.pub.captured(r.source.Stats())
}

// lend splits a loan by the workers of its packets' flows and hands the shares over.
func (r *receiver) lend(l *loan) {
	for _, s := range l.shares {
		s.n = 0
		clear(s.extra)
		s.extra, s.odd, s.ran, s.seen = s.extra[:0], s.odd[:0], 0, 0
	}
	for i := range l.n {
		r.split(l, i)
	}
	if r.pub.batches++; r.pub.batches%publishEvery == 0 {
		r.publish()
	}
	busy := int32(0)
	for _, s := range l.shares {
		if s.n > 0 || len(s.extra) > 0 {
			busy++
		}
	}
	l.pending.Store(busy)
	r.lent = append(r.lent, l)
	for w, s := range l.shares {
		if s.n > 0 || len(s.extra) > 0 {
			r.workers[w].shares <- s
		}
	}
}

// split finds the workers of one frame's packets. Datagrams are reassembled here: their fragments' flow is not known before.
func (r *receiver) split(l *loan, i int) {
	f := &l.frames[i]
	if f.Time > r.now {
		r.now = f.Time
	}
	n := r.stack.Decode(f)
	for k := 0; k < n; k++ {
		p := &r.stack.Packets[k]
		w := int(r.hasher.Hash(p) % uint32(len(r.workers)))
		s := l.shares[w]
		if s.n > 0 && s.index[s.n-1] == uint16(i) {
			s.mask[s.n-1] |= 1 << k
		} else {
			s.index[s.n], s.mask[s.n] = uint16(i), 1<<k
			s.n++
		}
		if p.Has(decode.Fragment) && !p.Has(decode.Invalid) {
			v6 := p.IPVersion == 6
			before := p.Events
			d, done := r.frags.Add(p, r.now)
			if p.Events != before {
				s.odd = append(s.odd, oddity{at: uint16(s.n - 1), packet: uint8(k), events: p.Events})
			}
			if !done {
				continue
			}
			// The inner flow decides; one decode more finds it.
			own := append([]byte(nil), d...)
			last := n
			if r.stack.DecodeDatagram(k, d, v6) > last {
				w = int(r.hasher.Hash(&r.stack.Packets[last]) % uint32(len(r.workers)))
			}
			l.shares[w].extra = append(l.shares[w].extra, datagram{data: own, v6: v6, index: uint16(i), packet: uint8(k)})
		}
	}
}

// work takes shares until the ring is closed.
func (w *worker) work(in *ring, wg *sync.WaitGroup) {
	defer wg.Done()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	setPanicOnFault()
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
			w.idle(w.now)
		}
	}
}

// share runs the packets of a share that are this worker's.
func (w *worker) share(s *share) {
	w.adopt()
	for i := 0; i < s.n; {
		i = w.runShare(s, i)
	}
	w.datagrams(s, loanFrames)
	w.tidy()
	l := s.loan
	if l.pending.Add(-1) == 0 {
		l.done <- struct{}{}
	}
}

func (w *worker) runShare(s *share, i int) (next int) {
	defer func() {
		if r := recover(); r != nil {
			w.caught(r, w.stream.Current())
			next = i + 1
		}
	}()
	for ; i < s.n; i++ {
		k := s.index[i]
		w.datagrams(s, int(k))
		// A copy: workers that share the frame each set a verdict of their own.
		f := s.loan.frames[k]
		if f.Time > w.now {
			w.now = f.Time
		}
		n := w.stack.Decode(&f)
		for ; s.seen < len(s.odd) && int(s.odd[s.seen].at) <= i; s.seen++ {
			if o := &s.odd[s.seen]; int(o.at) == i && int(o.packet) < n {
				w.stack.Packets[o.packet].Events.Merge(&o.events)
			}
		}
		if s.mask[i]&1 != 0 {
			w.frames++
			w.bytes += uint64(len(f.Data))
			if w.firstTime == 0 {
				w.firstTime = f.Time
			}
			w.lastTime = f.Time
		}
		w.packets(&f, n, s.mask[i], s.loan.first+uint64(k))
		if f.Verdict == capture.Drop {
			s.loan.drop[k].Store(true)
		}
	}
	return i
}

// datagrams runs the reassembled datagrams that frames up to the one at index completed.
func (w *worker) datagrams(s *share, index int) {
	for s.ran < len(s.extra) && int(s.extra[s.ran].index) <= index {
		d := &s.extra[s.ran]
		s.ran++
		w.guard(func() { w.datagram(s, d) })
	}
}

// datagram runs a datagram that the receiver has put together, and what it carries.
func (w *worker) datagram(s *share, d *datagram) {
	f := s.loan.frames[d.index]
	if f.Time > w.now {
		w.now = f.Time
	}
	n := w.stack.Decode(&f)
	all := w.stack.DecodeDatagram(int(d.packet), d.data, d.v6)
	w.packets(&f, all, ^uint32(0)<<n, s.loan.first+uint64(d.index))
	if f.Verdict == capture.Drop {
		s.loan.drop[d.index].Store(true)
	}
}
