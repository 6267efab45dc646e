package sentinel

import (
	"context"
	"errors"
	"io"
	"time"

	"sentinel/capture"
)

// drain decides when a source is not read any more. A file is left at once when the run is to end. What a network had brought by then
// is still taken: the kernel hands frames over late, in blocks.
type drain struct {
	ctx   context.Context
	live  bool
	begun time.Time // when the run was to end; zero = not yet
	empty int       // reads without a frame since
	taken int       // frames since
	newer bool      // a frame has come that is newer than begun, and no older one waits
}

// Bounds of what is read when the run is to end.
const (
	drainReads = 3 // without a frame; a block of AF_PACKET is handed over after 8 ms, and a read waits for 10 ms
	drainTime  = 250 * time.Millisecond
	// So many frames are taken even if that takes longer, on a machine that does much else: a port has about 4,096 descriptors.
	drainFrames = 1 << 14
	drainLimit  = 2 * time.Second
)

// read reads, unless it is over: then more is false, and err is the source's error, nil at its end or the run's.
func (d *drain) read(s capture.Source, batch []capture.Frame) (n int, more bool, err error) {
	ctx := d.ctx
	if ctx.Err() != nil {
		switch {
		case !d.live:
			return 0, false, nil
		case d.begun.IsZero():
			d.begun = time.Now()
		case d.newer || d.empty >= drainReads || d.tired():
			return 0, false, nil
		}
		ctx = context.WithoutCancel(ctx)
	}
	n, err = s.Read(ctx, batch)
	if !d.begun.IsZero() {
		d.saw(s, batch, n)
	}
	switch {
	case err == nil:
		return n, true, nil
	case d.ctx.Err() != nil && errors.Is(err, d.ctx.Err()):
		return n, true, nil // it was waiting
	case errors.Is(err, io.EOF) || d.ctx.Err() != nil:
		err = nil
	}
	return n, false, err
}

// saw notes what a read has brought since the run was to end.
func (d *drain) saw(s capture.Source, batch []capture.Frame, n int) {
	more := n == len(batch)
	if e, ok := s.(capture.Emptier); ok {
		more = !e.Emptied()
	}
	switch {
	case n > 0:
		d.empty = 0
		d.taken += n
		d.newer = !more && batch[n-1].Time > d.begun.UnixNano()
	case !more:
		d.empty++
	}
}

// tired says that frames have come for long enough.
func (d *drain) tired() bool {
	t := time.Since(d.begun)
	return t > drainTime && d.taken >= drainFrames || t > drainLimit
}
