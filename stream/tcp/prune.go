package tcp

import "sentinel/stream/flow"

// Prune frees what nobody needs any more of stream d: what the application layer, rules and loggers are done with and the
// receiver has acknowledged. The worker calls it for the packet's direction, after rules and output have run.
func (t *Tracker) Prune(f *flow.Flow, d flow.Dir) {
	if f.TCP == 0 {
		return
	}
	ssn := t.sessions.At(f.TCP)
	s := &ssn.Stream[d]
	if s.Flags&NoReassembly != 0 {
		return
	}
	if s.Flags&DepthReached != 0 || ssn.Flags&AppDisabled != 0 && s.Flags&rawDisabled != 0 {
		s.Flags |= NoReassembly
		t.clear(s)
		return
	}
	if e := t.leftEdge(ssn, s, d); e > s.base {
		t.slide(s, e)
		s.app = max(s.app, s.base)
		s.raw = max(s.raw, s.base)
		s.log = max(s.log, s.base)
	}
	t.dropOld(s)
}

// leftEdge returns the offset of the first byte that somebody still needs.
func (t *Tracker) leftEdge(ssn *Session, s *Stream, d flow.Dir) uint64 {
	app := ssn.Flags&AppDisabled == 0 && s.Flags&appOff == 0
	raw := s.Flags&rawDisabled == 0
	var e uint64
	switch {
	case raw:
		e = s.raw
		if t.cfg.Inline { // the window around a packet reaches back
			e -= min(e, uint64(t.cfg.Chunk[d]))
		}
		if app && s.minInspect != 0 && ssn.State < Closed {
			e -= min(e, uint64(s.minInspect))
		}
		if app {
			e = min(e, s.app)
		}
	case app:
		e = s.app
	default:
		e = s.contiguous()
	}
	if t.cfg.KeepForLogger {
		if app || raw {
			e = min(e, s.log)
		} else {
			e = s.log
		}
	}
	if s.Flags&keepFrom != 0 {
		e = min(e, s.keep)
	}
	e = min(e, s.ackedTo())
	if t.cfg.CheckOverlap && !t.cfg.Inline {
		// Injected data may come late: keep a window of what is acknowledged, to compare with.
		w := uint64(s.Window)
		if w == 0 {
			w = 4096
		}
		e -= min(e, w)
	}
	return e
}

// Keep holds the bytes of direction d from offset off on, although the application layer has consumed them: frames still
// refer to them. Release ends that.
func (t *Tracker) Keep(f *flow.Flow, d flow.Dir, off uint64) {
	if f.TCP != 0 {
		s := &t.sessions.At(f.TCP).Stream[d]
		s.keep = off
		s.Flags |= keepFrom
	}
}

// Release ends Keep.
func (t *Tracker) Release(f *flow.Flow, d flow.Dir) {
	if f.TCP != 0 {
		t.sessions.At(f.TCP).Stream[d].Flags &^= keepFrom
	}
}

// LogProgress notes that loggers have seen direction d up to off. See [Config.KeepForLogger].
func (t *Tracker) LogProgress(f *flow.Flow, d flow.Dir, off uint64) {
	if f.TCP != 0 {
		s := &t.sessions.At(f.TCP).Stream[d]
		s.log = max(s.log, off)
	}
}

// Chunk returns the first contiguous bytes of direction d at or behind off, and where they begin. In IDS mode these are
// acknowledged bytes, unless all is set. The slice is lent until the tracker is given the next packet or prunes.
func (t *Tracker) Chunk(f *flow.Flow, d flow.Dir, off uint64, all bool) (data []byte, at uint64, ok bool) {
	if f.TCP == 0 {
		return nil, 0, false
	}
	s := &t.sessions.At(f.TCP).Stream[d]
	x, _, found := t.spanAt(s, off)
	if !found {
		return nil, 0, false
	}
	at = max(off, x.off)
	end := x.end
	if !all && !t.cfg.Inline {
		end = min(end, s.ackedTo())
	}
	if at >= end {
		return nil, 0, false
	}
	return t.bytes(s, at, end), at, true
}

// ForEach calls fn for each run of contiguous bytes of direction d from off on, until fn returns false. gap is the number
// of bytes missing before the run. See Chunk for all.
func (t *Tracker) ForEach(f *flow.Flow, d flow.Dir, off uint64, all bool, fn func(data []byte, gap uint64) bool) {
	first := true
	for range maxSpans + 2 {
		data, at, ok := t.Chunk(f, d, off, all)
		if !ok {
			return
		}
		gap := at - off
		if first && f.TCP != 0 {
			// What was pruned is not missing.
			gap = at - min(max(off, t.sessions.At(f.TCP).Stream[d].base), at)
			first = false
		}
		if !fn(data, gap) {
			return
		}
		off = at + uint64(len(data))
	}
}

// Window returns the last contiguous bytes of direction d, at most n, and their offset: for the stream payload of alerts.
func (t *Tracker) Window(f *flow.Flow, d flow.Dir, n int) (data []byte, off uint64) {
	for at := uint64(0); ; {
		b, o, ok := t.Chunk(f, d, at, false)
		if !ok {
			break
		}
		data, off = b, o
		at = o + uint64(len(b))
	}
	if len(data) > n {
		off += uint64(len(data) - n)
		data = data[len(data)-n:]
	}
	return data, off
}

// Edges are offsets of one direction that readers of its bytes go by.
type Edges struct {
	Base       uint64 // of the first byte that is kept
	App        uint64 // up to which the application layer is done
	Acked      uint64 // up to which the receiver has it
	Contiguous uint64 // behind the bytes that follow the base without a hole
	Usable     uint64 // the same, of what is acknowledged; inline of all
	Right      uint64 // behind the last byte that is kept
}

// Edges returns the edges of direction d; all are 0 without a session.
func (t *Tracker) Edges(f *flow.Flow, d flow.Dir) (x Edges) {
	if f.TCP == 0 {
		return x
	}
	s := &t.sessions.At(f.TCP).Stream[d]
	x = Edges{Base: s.base, App: s.app, Acked: s.ackedTo(), Contiguous: s.contiguous(), Right: s.right}
	x.Usable = x.Contiguous
	if !t.cfg.Inline {
		x.Usable = min(x.Usable, x.Acked)
	}
	return x
}

// Inline reports whether data goes up at once, unacknowledged.
func (t *Tracker) Inline() bool { return t.cfg.Inline }
