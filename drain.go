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
	newer bool      // a frame has come that is newer than begun
}

// Bounds of what is read when the run is to end.
const (
	drainReads = 3 // without a frame; a block of AF_PACKET is handed over after 8 ms, and a read waits for 10 ms
	drainTime  = 250 * time.Millisecond
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
		case d.newer && d.empty > 0 || d.empty >= drainReads || time.Since(d.begun) > drainTime:
			// The time of a frame may be that at which it was read (DPDK, AF_XDP): a newer one does not say that no older one waits.
			return 0, false, nil
		}
		ctx = context.WithoutCancel(ctx)
	}
	n, err = s.Read(ctx, batch)
	if !d.begun.IsZero() {
		if d.empty++; n > 0 {
			d.empty = 0
			d.newer = batch[n-1].Time > d.begun.UnixNano()
		}
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
