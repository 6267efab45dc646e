package tcp

import (
	"sentinel/decode"
	"sentinel/stream/flow"
)

// rawCursor is where an inspection of the stream stands, between Raw and RawDone.
type rawCursor struct {
	pos, edge, progress uint64
	inline              bool
}

// RawReady reports whether rules should look at stream d now: enough is new, a message is complete, or the end has come.
// added is Outcome.Added of the packet.
func (t *Tracker) RawReady(u *Context, d flow.Dir, added bool) bool {
	if u.Flow.TCP == 0 {
		return false
	}
	ssn := t.sessions.At(u.Flow.TCP)
	s := &ssn.Stream[d]
	if s.segHead == 0 || s.Flags&(NoReassembly|rawDisabled) != 0 {
		return false
	}
	if t.cfg.Inline {
		return added && u.Packet != nil && len(u.Packet.Payload) > 0
	}
	return s.raw != s.right && t.rawDue(u, ssn, d)
}

func (t *Tracker) rawDue(u *Context, ssn *Session, d flow.Dir) bool {
	s := &ssn.Stream[d]
	return s.Flags&(DepthReached|triggerRaw|newRawDisabled) != 0 || ssn.State > TimeWait || u.End ||
		int64(s.ackedTo()-s.raw) >= int64(t.cfg.Chunk[d])
}

// Raw returns the bytes of stream d that rules should look at now, and their offset. Where bytes are missing there are
// several chunks: RawNext returns the others. ok is false when nothing is due (see RawReady). deep also returns bytes that
// rules have seen, as many as SetMinInspectDepth says; the fast patterns need not see those again. In IDS mode these are
// acknowledged bytes; inline a window around the packet. The slice is lent until the next call of the tracker.
func (t *Tracker) Raw(u *Context, d flow.Dir, deep bool) (data []byte, off uint64, ok bool) {
	if u.Flow.TCP == 0 {
		return nil, 0, false
	}
	ssn := t.sessions.At(u.Flow.TCP)
	s := &ssn.Stream[d]
	c := &t.cursor
	*c = rawCursor{pos: s.raw, edge: s.ackedTo(), progress: s.raw}
	if s.Flags&(NoReassembly|rawDisabled) != 0 {
		return nil, 0, false
	}
	if t.cfg.Inline {
		c.inline = true
		if u.Packet != nil && len(u.Packet.Payload) > 0 {
			return t.rawInline(u, s, d)
		}
		if !u.End {
			return nil, 0, false
		}
		// At the end of a flow everything was inspected when it came.
		return nil, 0, false
	}
	if !t.rawDue(u, ssn, d) {
		return nil, 0, false
	}
	if deep && s.Flags&triggerRaw != 0 && s.minInspect != 0 {
		c.pos = min(s.app-min(s.app, uint64(s.minInspect)), s.raw)
		c.progress = c.pos
	}
	if u.End {
		c.edge = max(c.edge, s.right)
	}
	return t.RawNext(u, d)
}

// RawNext returns the next chunk behind the one that Raw or RawNext returned last.
func (t *Tracker) RawNext(u *Context, d flow.Dir) (data []byte, off uint64, ok bool) {
	c := &t.cursor
	if u.Flow.TCP == 0 || c.inline {
		return nil, 0, false
	}
	s := &t.sessions.At(u.Flow.TCP).Stream[d]
	x, _, found := t.spanAt(s, c.pos)
	if !found {
		return nil, 0, false
	}
	off = max(x.off, c.pos)
	end := min(x.end, c.edge)
	if off >= end {
		return nil, 0, false
	}
	if off == c.progress {
		c.progress = end
	} else if off > c.progress {
		c.progress = off // a gap: what is behind it is looked at once more
	}
	c.pos = x.end
	return t.bytes(s, off, end), off, true
}

// rawInline returns the stream around the packet: as much before and behind it as the chunk size allows.
func (t *Tracker) rawInline(u *Context, s *Stream, d flow.Dir) (data []byte, off uint64, ok bool) {
	p := u.Packet
	n := uint64(len(p.Payload))
	chunk := uint64(t.cfg.Chunk[d])
	if chunk <= n || chunk/3*2 < n {
		chunk = n + chunk/3
	}
	seq := p.TCP.Seq
	if p.TCP.Opts&decode.OptFastOpen != 0 && p.TCP.Flags&decode.SYN != 0 {
		seq++
	}
	left := s.offset(seq)
	c := &t.cursor
	var x span
	found := false
	if left >= 0 {
		x, _, found = t.spanAt(s, uint64(left))
	}
	l := uint64(max(left, 0))
	r := l + n
	if !found || x.off > l || x.end < r {
		// The packet's data could not be kept.
		c.progress = max(c.progress, min(r, s.ackedTo()))
		return p.Payload, l, true
	}
	whole := s.more == 0
	if x.end-x.off > chunk {
		before, after := l-x.off, x.end-r
		half := (chunk - n) / 2
		switch {
		case after >= half && before >= half:
			before, after = half, half
		case after >= half:
			after = min(after, chunk-n-before)
		case before >= half:
			before = min(before, chunk-n-after)
		}
		x.off, x.end = l-before, r+after
	}
	switch acked := s.ackedTo(); {
	case whole:
		c.progress = x.end
	case s.raw < acked:
		c.progress = acked
		if x.off <= acked {
			c.progress = x.end
		}
	}
	return t.bytes(s, x.off, x.end), x.off, true
}

// RawDone notes that rules have looked at what Raw and RawNext returned for stream d.
func (t *Tracker) RawDone(u *Context, d flow.Dir) {
	if u.Flow.TCP == 0 {
		return
	}
	s := &t.sessions.At(u.Flow.TCP).Stream[d]
	if t.cursor.progress > s.raw {
		s.raw = t.cursor.progress
		s.Flags &^= triggerRaw
	}
	s.endRaw()
}

// RawSkip notes that no rule wants to look at stream d now, although RawReady was true.
func (t *Tracker) RawSkip(u *Context, d flow.Dir) {
	if u.Flow.TCP == 0 {
		return
	}
	ssn := t.sessions.At(u.Flow.TCP)
	s := &ssn.Stream[d]
	to := s.ackedTo()
	if ssn.Flags&AppDisabled == 0 {
		to = s.app
	}
	s.raw = max(s.raw, to)
	s.Flags &^= triggerRaw
	s.endRaw()
}

func (s *Stream) endRaw() {
	if s.Flags&newRawDisabled != 0 {
		s.Flags |= rawDisabled
	}
}
