package sentinel

import (
	"bytes"
	"context"
	"runtime"
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
// they were lent, as soon as their last share is done. Rings are bounded: a passive receiver that finds one full waits for it. An
// inline one must not hold the wire up for all because of one worker: what is too much for a worker, or comes while that is stuck,
// gets the verdict of frames that nobody judges.
type receiver struct {
	e       *Engine
	source  capture.Source
	tap     *tap
	inline  bool
	out     chan []byte // frames that workers want to be sent
	timer   *time.Timer
	copies  []capture.Frame // of a loan that a worker may still be looking at
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
	outFrames  = 256 // answers that may wait to be sent

	// overflowWait is how long an inline receiver waits for a worker that has too much before it passes that over.
	overflowWait = 10 * time.Millisecond
)

// loan is one batch of frames and how many workers are not done with it. But for pending and fate, workers only read it.
type loan struct {
	tap     *tap
	frames  [loanFrames]capture.Frame
	now     [loanFrames]int64 // the source's time at each frame
	n       int
	first   uint64     // number of the first frame
	frags   []fragment // by frame
	pending atomic.Int32
	fate    [loanFrames]atomic.Uint32
	marks   [loanFrames]atomic.Uint64 // with fateMarked: mask and mark
	shares  []*share
	revoked bool          // a worker may still have a share of it: it is not lent again
	done    chan struct{} // one token when pending reaches zero
}

// What workers have found about a frame, as bits of loan.fate.
const (
	fateDrop     = 1 << iota
	fateModified // in place
	fateMarked   // see loan.marks
)

// mark takes over the mark that rules gave a frame. Several workers may each have given it some bits.
func (l *loan) mark(k uint16, f *capture.Frame) {
	if f.MarkMask == 0 {
		return
	}
	for {
		old := l.marks[k].Load()
		x := capture.Frame{Mark: uint32(old), MarkMask: uint32(old >> 32)}
		x.SetMark(f.Mark, f.MarkMask)
		if l.marks[k].CompareAndSwap(old, uint64(x.MarkMask)<<32|uint64(x.Mark)) {
			break
		}
	}
	l.fate[k].Or(fateMarked)
}

func (l *loan) judge(k uint16, v capture.Verdict) {
	switch v {
	case capture.Drop:
		l.fate[k].Or(fateDrop)
	case capture.Modified:
		l.fate[k].Or(fateModified)
	}
}

// share is what one worker gets of a loan: frames by index, with the packets of each that are the worker's.
type share struct {
	loan  *loan
	state atomic.Uint32
	n     int
	index [loanFrames]uint16
	mask  [loanFrames]uint32
}

// The states of a share. A worker begins and finishes it; a receiver may take it away from one that does not get to it, or is stuck.
const (
	shareQueued = iota
	shareBusy
	shareDone
	shareRevoked
)

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
	worker *worker
	shares chan *share
	frames atomic.Int32 // that wait or are being judged
	full   atomic.Bool  // there were too many, and there still are
}

func (e *Engine) newReceiver(t *tap, workers []*ring) *receiver {
	r := &receiver{e: e, source: t.Source, tap: t, inline: e.ips && t.clock == nil, stack: decode.NewStack(e.set.decode), frags: defrag.New(e.set.defrag),
		hasher: flow.NewHasher(e.seed), workers: workers, panics: map[string]int{}}
	r.pub = publisher{c: e.counters, set: e.counters.reg.NewSet("RX")}
	for range loanCount {
		r.free = append(r.free, r.newLoan())
	}
	r.out = make(chan []byte, outFrames)
	r.timer = time.NewTimer(time.Hour)
	return r
}

func (r *receiver) newLoan() *loan {
	l := &loan{tap: r.tap, done: make(chan struct{}, 1)}
	for range r.workers {
		l.shares = append(l.shares, &share{loan: l})
	}
	return l
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
		from := r.source
		if r.inline && len(r.lent) > 0 && r.tap.poll != nil && ctx.Err() == nil {
			from = instant{r.tap.poll} // verdicts are awaited: to wait for frames would keep those back
		}
		n, more, err := d.read(from, l.frames[:])
		if n > 0 {
			if r.tap.described != nil {
				r.e.setFile(r.tap.described.File())
			}
			l.n = n
			l.first = r.number + 1
			r.number += uint64(n)
			r.lend(l)
		} else {
			r.free = append(r.free, l)
			r.await()
			r.collect(false)
		}
		r.send()
		if !more {
			return r.settle(err)
		}
	}
}

// instant is a source that is never waited for.
type instant struct{ capture.Poller }

func (i instant) Read(_ context.Context, batch []capture.Frame) (int, error) { return i.Poll(batch) }

// awaitFor is how long an inline receiver waits for verdicts before it looks for frames again.
const awaitFor = 100 * time.Microsecond

// await waits for the verdicts of the oldest loan, where there are no frames to read meanwhile.
func (r *receiver) await() {
	if !r.inline || r.tap.poll == nil || len(r.lent) == 0 {
		return
	}
	l := r.lent[0]
	r.timer.Reset(awaitFor)
	select {
	case <-l.done:
		l.done <- struct{}{} // for collect
	case <-r.timer.C:
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
		if !r.isDone(l, wait) {
			return
		}
		wait = false
		frames := l.frames[:l.n]
		if l.revoked {
			r.copies = append(r.copies[:0], frames...)
			frames = r.copies
		}
		for i := range frames {
			fate := l.fate[i].Load()
			switch {
			case fate == 0:
				continue
			case fate&fateDrop != 0:
				frames[i].Verdict = capture.Drop
			case fate&fateModified != 0:
				frames[i].Verdict = capture.Modified
			}
			l.fate[i].Store(0)
			if fate&fateMarked != 0 {
				m := l.marks[i].Swap(0)
				frames[i].SetMark(uint32(m), uint32(m>>32))
			}
		}
		if err := r.source.Release(frames); err != nil {
			r.e.log.Warn().Err(err).Msg("cannot release frames")
		}
		r.lent = append(r.lent[:0], r.lent[1:]...)
		if l.revoked {
			l = r.newLoan()
		}
		r.free = append(r.free, l)
	}
}

// isDone reports whether all workers are done with a loan, or have lost it.
func (r *receiver) isDone(l *loan, wait bool) bool {
	select {
	case <-l.done:
		return true
	default:
	}
	if !r.inline {
		if wait {
			<-l.done
		}
		return wait
	}
	if r.revoke(l, false) {
		<-l.done
		return true
	}
	if !wait {
		return false
	}
	r.timer.Reset(overflowWait)
	select {
	case <-l.done:
		return true
	case <-r.timer.C:
	}
	r.send()
	if r.revoke(l, len(r.free) == 0) {
		<-l.done
		return true
	}
	return false
}

// revoke takes shares of a loan away from workers that are stuck and, with queued, those that no worker has begun. It reports whether
// there are no others.
func (r *receiver) revoke(l *loan, queued bool) bool {
	for i, s := range l.shares {
		if s.n == 0 {
			continue
		}
		stuck := r.workers[i].worker.stalled.Load()
		if (stuck || queued) && s.state.CompareAndSwap(shareQueued, shareRevoked) || stuck && s.state.CompareAndSwap(shareBusy, shareRevoked) {
			l.revoked = true
			r.fallBack(s, stuck)
			if l.pending.Add(-1) == 0 {
				l.done <- struct{}{}
				return true
			}
		}
	}
	return false
}

// fallBack gives the frames of a share the verdict of those that nobody judges.
func (r *receiver) fallBack(s *share, stuck bool) {
	verdict, k := r.e.fallback()
	n := &r.e.unjudged.overflow[k]
	if stuck {
		n = &r.e.unjudged.stalled[k]
	}
	for _, i := range s.index[:s.n] {
		s.loan.judge(i, verdict)
	}
	n.Add(uint64(s.n))
}

// send sends what workers want to be sent.
func (r *receiver) send() {
	for {
		select {
		case b := <-r.out:
			r.e.rejects.check(r.tap.back.Inject(b))
		default:
			return
		}
	}
}

// settle waits until every loan is released.
func (r *receiver) settle(err error) error {
	defer r.publish()
	for len(r.lent) > 0 {
		r.collect(true)
	}
	r.send()
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
	for i, s := range l.shares {
		if s.n > 0 {
			s.state.Store(shareQueued)
			r.hand(r.workers[i], s)
		}
	}
}

// hand puts a share into a worker's ring.
func (r *receiver) hand(in *ring, s *share) {
	in.frames.Add(int32(s.n))
	if !r.inline {
		in.shares <- s
		return
	}
	if !in.worker.stalled.Load() && r.room(in, int32(s.n)) {
		select {
		case in.shares <- s:
			return
		default: // other receivers were faster
		}
	}
	in.frames.Add(-int32(s.n))
	r.fallBack(s, in.worker.stalled.Load())
	s.state.Store(shareRevoked) // the worker has never seen it
	if l := s.loan; l.pending.Add(-1) == 0 {
		l.done <- struct{}{}
	}
}

// room reports whether a worker can take n more frames, which are counted already: no more than max-pending-packets may wait for it. It
// is waited for, but not again before it has got rid of half of what it has.
func (r *receiver) room(in *ring, n int32) bool {
	limit := int32(r.e.set.maxPending)
	low := func() bool {
		have := in.frames.Load() - n
		return have <= 0 || have+n <= limit && len(in.shares) < ringSlots
	}
	if in.full.Load() && in.frames.Load()-n > limit/2 {
		return false
	}
	if low() {
		in.full.Store(false)
		return true
	}
	for end := time.Now().Add(overflowWait); time.Now().Before(end); {
		time.Sleep(100 * time.Microsecond)
		if low() {
			return true
		}
	}
	in.full.Store(true)
	return false
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
func (w *worker) work(in *ring) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if w.e.ips && w.live {
		defer w.mourn()
	}
	setPanicOnFault()
	w.e.pin(w, nil)
	idle := newTicker()
	defer idle.Stop()
	for {
		select {
		case s, ok := <-in.shares:
			if !ok {
				w.close()
				w.done = true
				return
			}
			w.share(in, s)
		case <-idle.C:
			now := w.now
			if w.live {
				now = time.Now().UnixNano()
			}
			w.pulse.begin()
			w.idle(now)
			w.awake()
		}
	}
}

// mourn survives the death of an inline worker's goroutine: from now on its frames are nobody's.
func (w *worker) mourn() {
	if w.done {
		return
	}
	r := recover()
	w.gone = true
	w.stalled.Store(true)
	w.e.died(w.id, r)
}

// awake says that the worker has got through a piece of work, whatever was thought of it meanwhile.
func (w *worker) awake() {
	w.pulse.end()
	if w.stalled.Load() {
		w.stalled.Store(false)
	}
}

// share runs the packets of a share that are this worker's.
func (w *worker) share(in *ring, s *share) {
	n := int32(s.n) // a share that is revoked is not changed any more
	if !s.state.CompareAndSwap(shareQueued, shareBusy) {
		in.frames.Add(-n)
		return
	}
	w.pulse.begin()
	w.adopt()
	l := s.loan
	w.from = l.tap
	for i := 0; i < s.n; {
		i = w.runShare(s, i)
	}
	w.handReplies()
	in.frames.Add(-n)
	// Given back before the rest is done: the frames do not wait for that.
	if s.state.CompareAndSwap(shareBusy, shareDone) && l.pending.Add(-1) == 0 {
		l.done <- struct{}{}
	}
	w.tidy()
	w.awake()
}

// handReplies gives the answers of a share to who may use the sources.
func (w *worker) handReplies() {
	for i := range w.replies[:w.nreplies] {
		r := &w.replies[i]
		to := r.from.receiver
		if r.onward {
			to = r.from.onward
		}
		if w.e.rejects.own(r) && to != nil {
			select {
			case to.out <- bytes.Clone(r.frame):
				w.pub.answers++
			default:
				w.pub.unanswered++
			}
			r.from = nil
		}
	}
	w.sendReplies()
}

func (w *worker) runShare(s *share, i int) (next int) {
	defer func() {
		if r := recover(); r != nil {
			if w.caught(r, true) {
				s.loan.judge(s.index[i], capture.Drop)
			}
			next = i + 1
		}
	}()
	l := s.loan
	for ; i < s.n; i++ {
		if s.state.Load() != shareBusy {
			return s.n // taken away
		}
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
		l.judge(k, f.Verdict)
		l.mark(k, &f)
	}
	return i
}
