package sentinel

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
	"sync/atomic"

	"sentinel/capture"
	"sentinel/decode"
	"sentinel/detect"
	"sentinel/eve"
	"sentinel/stream"
	"sentinel/stream/app"
	"sentinel/stream/defrag"
	"sentinel/stream/flow"
	"sentinel/stream/tcp"
)

// worker takes its share of the packets all the way: decode, defrag, stream, detection, output. One goroutine owns it.
type worker struct {
	e      *Engine
	id     int
	stack  *decode.Stack
	frags  *defrag.Table
	stream *stream.Engine
	detect *detect.Worker // of the packet's tenant; nil with detection switched off
	bench  bench
	out    *eve.Worker
	live   bool // time goes on without packets
	now    int64
	count  uint64 // frames, for pcap_cnt
	pub    publisher
	pulse  pulse
	panics map[string]int
	tally  tally
	mail   mailbox

	// What an inline worker has of its sources, and who may touch them.
	lent    []capture.Frame
	from    *tap // where the frames of the present batch came from; nil = handed over, or injected
	held    int  // how many of lent are
	custody *custody
	guarded atomic.Pointer[custody] // the same, for the watchdog
	taps    []*tap
	ctx     context.Context
	done    bool          // it has ended as it should
	gone    bool          // it has died
	lost    chan struct{} // closed when it is given up
	stalled atomic.Bool   // it is stuck, or dead: receivers do without it

	replies  []reply // answers to what was rejected, of the present batch
	nreplies int
	desk     *desk      // nil = nothing carries bypassed flows
	told     *toldHosts // nil = no host was dropped early

	events decode.EventCounts

	span          span
	frames, bytes uint64
	dropped       uint64
}

// span is the time between the first packet and the last, in nanoseconds since 1970; 0 = none.
type span struct{ first, last int64 }

func (s *span) add(o span) {
	if s.first == 0 || o.first != 0 && o.first < s.first {
		s.first = o.first
	}
	s.last = max(s.last, o.last)
}

// expireBatch bounds the flows that end after one batch, so that no batch takes long.
const expireBatch = 256

func (e *Engine) newWorker(id int) (*worker, error) {
	w := &worker{e: e, id: id, stack: decode.NewStack(e.set.decode), frags: defrag.New(e.set.defrag), panics: map[string]int{}, tally: tally{},
		lent: make([]capture.Frame, loanFrames), lost: make(chan struct{})}
	cfg := e.streamConfig()
	cfg.Flow.Worker = uint8(id)
	var err error
	if w.stream, err = stream.New(cfg, w); err != nil {
		return nil, err
	}
	w.out = e.out.NewWorker(id)
	w.out.SetVars(&flowVars{w: w})
	for id := flow.ProtoFirst; int(id) < e.reg.Len(); id++ {
		w.stream.SetLoggers(id, e.out.Mask(id))
	}
	w.wantFrames(nil)
	w.adopt()
	w.capMemory()
	w.pub = e.counters.publisher(w)
	return w, nil
}

// Run implements stream.Runner.
func (w *worker) Run(u *stream.Unit) {
	var alerts []detect.Alert
	if w.detect != nil {
		if w.bench.judged.tenants {
			w.summon(u.Flow, u.Packet)
		}
		alerts = w.detect.Inspect(u)
		if len(alerts) > 0 {
			w.tally.add(alerts)
		}
		w.out.Dropper = w.detect.Dropper()
		if u.DropSource >= 0 {
			w.dropHost(u)
		}
	}
	w.out.Packet(u, alerts)
}

// FlowEnd implements stream.Runner.
func (w *worker) FlowEnd(f *flow.Flow, s *stream.State, t *tcp.Session) {
	if w.tenancy() {
		w.sit(f.Tenant)
	}
	w.out.FlowEnd(f, s, t)
}

// TxFree implements stream.Runner.
func (w *worker) TxFree(f *flow.Flow, tx *app.Tx) {
	if w.detect != nil {
		if w.bench.judged.tenants {
			w.sit(f.Tenant)
		}
		w.detect.TxFree(f, tx)
	}
}

// FlowFree implements stream.Runner.
func (w *worker) FlowFree(f *flow.Flow) {
	if w.detect != nil {
		if w.bench.judged.tenants {
			w.sit(f.Tenant)
		}
		w.detect.FlowFree(f)
	}
}

// batch takes frames all the way and sets their verdicts. number is the count of the first frame in its source.
func (w *worker) batch(frames []capture.Frame, number uint64) {
	w.pulse.begin()
	w.adopt()
	for i := 0; i < len(frames); {
		i = w.run(frames, i, number)
	}
	w.tidy()
	w.pulse.end()
}

// tidy ends what has timed out and hands events to the sinks.
func (w *worker) tidy() {
	w.readMail()
	n := expireBatch
	if w.custody != nil {
		n = inlineFrames // those that come meanwhile wait; there are no more new flows than frames
	}
	w.guard(func() { w.stream.Expire(w.now, n) })
	w.out.Flush()
	w.pub.publish(w, false)
	w.mail.open(w)
}

// run takes frames from i on and returns where to go on: the end, or behind a frame in which a bug was caught.
func (w *worker) run(frames []capture.Frame, i int, number uint64) (next int) {
	defer func() {
		if r := recover(); r != nil {
			if w.caught(r, true) {
				frames[i].Verdict = capture.Drop
			}
			next = i + 1
		}
	}()
	for ; i < len(frames); i++ {
		if w.custody != nil && !w.custody.reach(i) {
			return len(frames)
		}
		w.frame(&frames[i], number+uint64(i))
	}
	return i
}

// guard runs f and survives a bug in it.
func (w *worker) guard(f func()) {
	defer func() {
		if r := recover(); r != nil {
			w.caught(r, false)
		}
	}()
	f()
}

// maxPanicReports bounds how many different places are logged with their stack.
const maxPanicReports = 100

// caught counts a bug, logs it once a place, and takes its flow out of inspection. inPacket says that it came with a frame;
// caught reports whether that is to be dropped.
func (w *worker) caught(r any, inPacket bool) (drop bool) {
	place := panicPlace()
	if w.panics[place]++; w.panics[place] == 1 && len(w.panics) <= maxPanicReports {
		w.e.logPanic(place, r)
	}
	u := w.stream.Current()
	w.stream.Quarantine()
	w.bench.each((*detect.Worker).Recover)
	if !inPacket || u == nil {
		return false
	}
	if drop = w.e.ips && u.Action&(stream.DropPacket|stream.DropFlow|stream.RejectSrc|stream.RejectDst) != 0; drop {
		w.dropped++
		w.pub.blocked++
	}
	return drop
}

// logPanic tells of a bug that was caught. It is called by what recovers.
func (e *Engine) logPanic(place string, r any) {
	e.log.Error().Str("place", place).Interface("panic", fmt.Sprint(r)).Bytes("stack", debug.Stack()).
		Msg("a bug was caught; the flow is not inspected any more, the engine goes on")
}

// panicPlace names the line that panicked.
func panicPlace() string {
	pc := make([]uintptr, 32)
	frames := runtime.CallersFrames(pc[:runtime.Callers(2, pc)])
	panicked := false
	for {
		f, more := frames.Next()
		in := strings.HasPrefix(f.Function, "runtime.")
		if panicked && !in {
			return f.Function
		}
		panicked = panicked || in && f.Function == "runtime.gopanic"
		if !more {
			return "unknown"
		}
	}
}

// frame takes one frame all the way.
func (w *worker) frame(f *capture.Frame, number uint64) {
	w.frames++
	w.bytes += uint64(len(f.Data))
	if f.Time > w.now {
		w.now = f.Time
	}
	if w.span.first == 0 {
		w.span.first = f.Time
	}
	w.span.last = f.Time
	n := w.stack.Decode(f)
	n = w.reassemble(n)
	w.packets(f, n, ^uint32(0), number)
}

// reassemble adds the datagrams that fragments among the first n packets complete.
func (w *worker) reassemble(n int) int {
	for i := 0; i < n; i++ {
		p := &w.stack.Packets[i]
		if !p.Has(decode.Fragment) || p.Has(decode.Invalid) {
			continue
		}
		if d, done := w.frags.Add(p, w.now); done {
			n = w.stack.DecodeDatagram(i, d, p.IPVersion == 6)
		}
	}
	return n
}

// packets runs those of the stack's first n packets that mask names: what a tunnel carries goes before the tunnel's own
// packet, as the frame's verdict depends on it.
func (w *worker) packets(f *capture.Frame, n int, mask uint32, number uint64) {
	var acts stream.Action
	for i := n - 1; i >= 0; i-- {
		if mask&(1<<i) == 0 {
			continue
		}
		p := &w.stack.Packets[i]
		w.stream.InnerDropped = i == 0 && acts&stream.DropPacket != 0
		u := w.stream.Process(p, number, w.now)
		w.events.Add(&p.Events)
		acts |= u.Action
		if u.Action&(stream.RejectSrc|stream.RejectDst) != 0 {
			w.answer(f, p, u)
		}
		if u.Has(stream.Modified) && f.Flags&capture.Writable != 0 {
			f.Verdict = capture.Modified
		}
		if i == 0 {
			w.pub.judged(u)
			if u.Flow != nil && u.Flow.State >= flow.LocalBypassed && f.Verdict == capture.Accept {
				f.Verdict = capture.Bypass // a mark, where the source has one
			}
		}
	}
	if acts&dropping != 0 && w.e.ips {
		f.Verdict = capture.Drop
		w.dropped++
	}
}

// dropping are the actions that keep a packet from going on.
const dropping = stream.DropPacket | stream.DropFlow | stream.RejectSrc | stream.RejectDst

// idle does what is due when no packet comes.
func (w *worker) idle(now int64) {
	if now > w.now {
		w.now = now
	}
	w.adopt()
	w.tidy()
}

// close ends all flows, as at the end of a capture, and hands the last events to the sinks.
func (w *worker) close() {
	w.adopt()
	w.reclaim()
	for done := false; !done; { // a bug takes its flow with it
		w.guard(func() {
			w.stream.Shutdown()
			done = true
		})
	}
	w.out.Flush()
	w.pub.publish(w, true)
}

// free gives the worker's memory back. Nothing more may be asked of it than its times.
func (w *worker) free() {
	w.stream.Close()
	w.bench.each((*detect.Worker).Close)
	w.e.judges.release(w.bench.judged)
	w.bench = bench{}
}

// alerts says how often each rule has alerted.
func (w *worker) alerts() tally { return w.tally }
