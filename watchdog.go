package sentinel

import (
	"runtime"
	"sync/atomic"
	"time"
)

// pulse tells a watchdog whether a worker is at work, and whether it still was in the same piece of work when it looked before. The
// value is odd at work.
type pulse struct{ n atomic.Uint64 }

func (p *pulse) begin() { p.n.Add(1) }
func (p *pulse) end()   { p.n.Add(1) }

// stallLimit is how long a passive worker may take for one batch before that is told: no batch of 256 frames takes a second.
const stallLimit = 10 * time.Second

// watch looks after the workers of a run until stop is closed. A loop without an end cannot be broken from outside; that it is there,
// and where, is logged once a stall.
func (e *Engine) watch(workers []*worker, limit time.Duration, stop <-chan struct{}) {
	type look struct {
		n     uint64
		since time.Time
		told  bool
	}
	last := make([]look, len(workers))
	t := time.NewTicker(limit / 4)
	defer t.Stop()
	for {
		var now time.Time
		select {
		case <-stop:
			return
		case now = <-t.C:
		}
		for i, w := range workers {
			l := &last[i]
			if n := w.pulse.n.Load(); n != l.n || n%2 == 0 {
				if l.told {
					e.stalled.Add(-1)
					e.log.Warn().Int("worker", w.id).Msg("the worker goes on")
				}
				*l = look{n: n, since: now}
				continue
			}
			if l.told || now.Sub(l.since) < limit {
				continue
			}
			l.told = true
			e.stalled.Add(1)
			fate := "a worker does not get on: a loop in the engine, or an output that blocks"
			if w.pub.handedOff && e.ips && w.live {
				w.stalled.Store(true)
				e.unjudged.stalls.Add(1)
				if w.pulse.n.Load() != l.n { // just then
					w.stalled.Store(false)
				}
			}
			if w.stalled.Load() || w.relieve() {
				fate += "; its frames are " + e.fate()
			}
			stacks := make([]byte, 256<<10)
			stacks = stacks[:runtime.Stack(stacks, true)]
			e.log.Error().Int("worker", w.id).Dur("for", now.Sub(l.since)).Bytes("stack", stacks).
				Msg(fate)
		}
	}
}

// watched runs f with the workers watched.
func (e *Engine) watched(workers []*worker, f func()) {
	stop, done := make(chan struct{}), make(chan struct{})
	limit := e.opt.stall
	if limit <= 0 {
		if limit = stallLimit; e.ips {
			limit = e.set.stall
		}
	}
	go func() {
		defer close(done)
		e.watch(workers, limit, stop)
	}()
	f()
	close(stop)
	<-done
	e.stalled.Store(0)
}

// Stalled reports whether a worker does not get on with its packets, for the watchdog of a service manager.
func (e *Engine) Stalled() bool { return e.stalled.Load() > 0 }
