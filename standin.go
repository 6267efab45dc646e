package sentinel

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync/atomic"
	"time"

	"sentinel/capture"
	"sentinel/internal/counter"
)

// unjudged counts the frames of inline sources that no worker has judged, and what became of them: Frame.Verdict says which.
type unjudged struct {
	stalls   atomic.Uint64
	stalled  [2]atomic.Uint64 // while a worker was stuck or dead: passed, dropped
	overflow [2]atomic.Uint64 // because too many frames were waiting for their worker
}

func (u *unjudged) register(r *counter.Registry) {
	r.Func("sentinel.inline.stalls", u.stalls.Load)
	for i, what := range []string{"passed", "dropped"} {
		r.Func("sentinel.inline.stalled_"+what, u.stalled[i].Load)
		r.Func("sentinel.inline.overflow_"+what, u.overflow[i].Load)
	}
}

// fallback is the verdict of frames that no worker has judged, and its index in unjudged.
func (e *Engine) fallback() (capture.Verdict, int) {
	if e.set.failOpen {
		return capture.Accept, 0
	}
	return capture.Drop, 1
}

// giveUp is how long a worker that is stuck is waited for when the run is to end.
const giveUp = 2 * time.Second

// attend puts the sources of an inline worker into custody. The result is to be deferred: it stands in for a worker that ends
// before its sources do.
func (w *worker) attend(ctx context.Context, taps []*tap) func() {
	if !w.e.ips || taps[0].clock != nil {
		return func() {}
	}
	w.ctx, w.taps = ctx, taps
	w.guarded.Store(newCustody())
	w.custody = w.guarded.Load()
	return func() {
		if w.done {
			return
		}
		r := recover()
		c := w.custody
		verdicts, lent, _ := c.take()
		c.state.Store(custodyTaken) // whatever it was: there is nobody else
		w.e.died(w.id, r)
		w.gone = true
		w.standIn(verdicts, lent)
	}
}

// died tells of a worker that has ended before its time.
func (e *Engine) died(id int, r any) {
	e.unjudged.stalls.Add(1)
	l := e.log.Error().Int("worker", id).Bytes("stack", debug.Stack())
	if r != nil {
		l = l.Interface("panic", fmt.Sprint(r))
	}
	l.Msg("a worker has died: until the end of the run its frames are " + e.fate())
}

// fate says what becomes of frames that nobody judges.
func (e *Engine) fate() string {
	if e.set.failOpen {
		return "forwarded uninspected (ips.fail-open is on)"
	}
	return "dropped (ips.fail-open is off)"
}

// relieve takes the sources away from a worker that is stuck, and stands in for it. It is false when they cannot be taken.
func (w *worker) relieve() bool {
	c := w.guarded.Load()
	if c == nil {
		return false
	}
	verdicts, lent, ok := c.take()
	if !ok {
		return false
	}
	w.e.unjudged.stalls.Add(1)
	go w.standIn(verdicts, lent)
	return true
}

// standIn gives frames that come for a worker the verdict of those that nobody judges, until the worker is back or the run ends.
//
// The frames that the worker holds go first, as sources want them back in order: with its verdicts where it has made them. It
// may still be looking at the next one, whose memory is the source's again then. What it reads there is bounds-checked like any
// frame, and what it makes of it is thrown away.
func (w *worker) standIn(verdicts int, lent bool) {
	c := w.guarded.Load()
	verdict, k := w.e.fallback()
	var frames [inlineFrames]capture.Frame
	if lent {
		for i := range w.lent[:w.held] {
			from := &w.lent[i]
			f := &frames[i]
			// Not the whole: the worker may be writing its verdict.
			f.Data, f.Time, f.WireLen, f.Link, f.Token = from.Data, from.Time, from.WireLen, from.Link, from.Token
			f.Iface, f.Queue = from.Iface, from.Queue
			if f.Verdict = verdict; i < verdicts {
				f.Verdict = from.Verdict
				f.Flags = from.Flags
			} else {
				w.e.unjudged.stalled[k].Add(1)
			}
		}
		if err := w.from.Release(frames[:w.held]); err != nil {
			w.e.log.Warn().Err(err).Msg("cannot release frames")
		}
	}
	var wait waiter
	var quit time.Time
	for {
		if c.wanted() {
			c.yield()
			return
		}
		if w.ctx.Err() != nil {
			if quit.IsZero() {
				quit = time.Now().Add(giveUp)
			} else if w.gone || time.Now().After(quit) {
				close(w.lost)
				return
			}
		}
		got := false
		for _, t := range w.taps {
			if t.over {
				continue
			}
			n, err := t.look(frames[:])
			for i := range frames[:n] {
				frames[i].Verdict = verdict
			}
			if n > 0 {
				got = true
				t.number += uint64(n)
				w.e.unjudged.stalled[k].Add(uint64(n))
				if rerr := t.Release(frames[:n]); err == nil {
					err = rerr
				}
			}
			if err != nil {
				t.over = true
			}
		}
		switch {
		case got:
			wait.found()
		case allOver(w.taps) || w.taps[0].poll == nil:
			time.Sleep(time.Millisecond)
		default:
			wait.wait(w.taps)
		}
	}
}

// look reads without waiting where the source can.
func (t *tap) look(frames []capture.Frame) (int, error) {
	if t.poll != nil {
		return t.poll.Poll(frames)
	}
	return t.Read(context.Background(), frames)
}

func allOver(taps []*tap) bool {
	for _, t := range taps {
		if !t.over {
			return false
		}
	}
	return true
}
