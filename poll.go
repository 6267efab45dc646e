package sentinel

import (
	"context"
	"errors"
	"io"
	"runtime"
	"time"
)

// inlineFrames bounds a batch of an inline worker: a frame waits for the verdicts of those that came with it.
const inlineFrames = 32

// Where only looking tells whether there are frames, a worker looks at once after it has found some, then ever more seldom.
const (
	minPause = 5 * time.Microsecond
	maxPause = 640 * time.Microsecond
	maxVain  = 3 // times that a descriptor may be ready for nothing before it is left alone for a while
)

// poll is a worker's loop over several sources: it looks at them in turn, and waits for all of them together.
func (w *worker) poll(ctx context.Context, taps []*tap) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	setPanicOnFault()
	w.e.pin(w, taps[0].Source)
	var (
		errs    []error
		wait    waiter
		live    = taps[0].clock == nil
		stop    = ending{ctx: ctx, live: live}
		ended   = w.attend(ctx, taps)
		expired bool
	)
	defer ended()
	frames := w.lent
	if w.e.ips {
		frames = frames[:inlineFrames]
	}
	for !allOver(taps) && !stop.over(expired) {
		got := false
		for _, t := range taps {
			if t.over {
				continue
			}
			n, err := t.poll.Poll(frames)
			if n > 0 {
				got = true
				stop.saw(frames[n-1].Time)
				if rerr := w.take(t, n); err == nil {
					err = rerr
				}
			}
			if err != nil {
				t.over = true
				if !errors.Is(err, io.EOF) {
					errs = append(errs, err)
				}
			}
		}
		if got {
			expired = false
			wait.found()
			continue
		}
		if expired = live && wait.wait(taps); expired || !live {
			now := time.Now().UnixNano()
			if !live {
				now = taps[0].clock.Now()
			}
			w.rest(now)
		}
	}
	w.close()
	w.done = true
	return errors.Join(errs...)
}

// take judges the first n frames of w.lent, gives them back, and does what is due after them.
func (w *worker) take(t *tap, n int) error {
	if t.described != nil {
		w.e.setFile(t.described.File())
	}
	frames, number := w.lent[:n], t.number
	t.number += uint64(n)
	if w.custody == nil {
		w.from = t
		w.batch(frames, number)
		w.sendReplies()
		return t.Release(frames)
	}
	w.pulse.begin()
	w.adopt()
	w.from, w.held = t, n
	w.custody.enter(custodyJudging)
	for i := 0; i < n; {
		i = w.run(frames, i, number)
	}
	if !w.custody.reach(n) || !w.custody.finish() {
		w.regain()
		return nil
	}
	w.sendReplies()
	err := t.Release(frames)
	w.custody.enter(custodyBusy)
	w.tidy()
	if !w.custody.finish() {
		w.regain()
		return err
	}
	w.pulse.end()
	return err
}

// rest does what is due when no packet comes.
func (w *worker) rest(now int64) {
	if w.custody == nil {
		w.idle(now)
		return
	}
	w.pulse.begin()
	w.custody.enter(custodyBusy)
	w.idle(now)
	if !w.custody.finish() {
		w.regain()
		return
	}
	w.pulse.end()
}

// regain waits for the sources that were taken away while the worker was stuck.
func (w *worker) regain() {
	w.pulse.end()
	w.nreplies = 0
	w.custody.ask()
}

// ending decides when a worker that polls stops because the run is to end: what a network had brought by then is still taken.
type ending struct {
	ctx   context.Context
	live  bool
	begun time.Time
	empty int
	newer bool
}

// saw is told the time of the last frame of a batch.
func (d *ending) saw(at int64) {
	if !d.begun.IsZero() {
		d.empty = 0
		d.newer = d.newer || at > d.begun.UnixNano()
	}
}

// over reports whether to stop; quiet says that nothing came for as long as a source may keep frames back.
func (d *ending) over(quiet bool) bool {
	switch {
	case d.ctx.Err() == nil:
		return false
	case !d.live:
		return true
	case d.begun.IsZero():
		d.begun = time.Now()
		return false
	}
	if quiet {
		d.empty++
	}
	return d.empty >= drainReads || d.newer && d.empty > 0 || time.Since(d.begun) > drainTime
}
