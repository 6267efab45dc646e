package tcp

import (
	"sentinel/decode"
	"sentinel/stream/flow"
)

// reassemble keeps the packet's data in stream d, and hands up what the packet releases: in IDS mode mostly data of the
// other direction, by its ACK.
func (x *step) reassemble(d flow.Dir) {
	t, ssn := x.t, x.ssn
	s := &ssn.Stream[d]
	own, other := false, true
	switch {
	case t.cfg.Inline, x.has(decode.RST):
		own, other = true, false
	case x.has(decode.FIN) && ssn.State > TimeWait:
		own, other = true, x.has(decode.ACK)
	case ssn.State == Closed:
		own = true
	case ssn.Flags&Async != 0:
		own, other = true, false
	}
	if other {
		swaps := ssn.swaps
		t.offer(x.u, ssn, d.Other(), x)
		if ssn.swaps != swaps {
			d = d.Other()
			s = &ssn.Stream[d]
			x.streams()
		}
	}
	if x.n > 0 && s.Flags&NoReassembly == 0 && !x.has(decode.RST) {
		if !x.keep(s, d) {
			x.out.Exceptions |= OnReassemblyMemcap
			return
		}
		x.out.Added = true
	}
	if own || s.Flags&(DepthReached|NoReassembly) == DepthReached {
		swaps := ssn.swaps
		t.offer(x.u, ssn, d, x)
		if ssn.swaps != swaps {
			x.streams()
		}
	}
}

// keep puts the packet's payload into stream s of direction d.
func (x *step) keep(s *Stream, d flow.Dir) bool {
	t, ssn := x.t, x.ssn
	if ssn.firstData == 0 {
		ssn.firstData = 1 + uint8(x.u.Dir)
	}
	if x.u.NoRoom {
		return false
	}
	x.policy(s)
	if ssn.Flags&AppDisabled != 0 && s.Flags&newRawDisabled != 0 {
		return true
	}
	urgent := &ssn.urgent[x.u.Dir]
	seq := x.seq - uint32(*urgent)
	n := x.n
	if x.has(decode.URG) && x.p.TCP.Urgent > 0 && uint32(x.p.TCP.Urgent) <= n &&
		(t.cfg.UrgentPolicy == UrgentOOB || t.cfg.UrgentPolicy == UrgentGap) {
		oob := t.cfg.UrgentPolicy == UrgentOOB
		if *urgent < 0xffff {
			if oob {
				*urgent++
			}
			if *urgent == 0xffff {
				x.event(decode.EvStreamReassemblyUrgentOobLimitReached)
			}
		} else if t.cfg.UrgentLimit == UrgentDrop {
			x.out.Drop = DropUrgent
			return true
		}
		if oob {
			t.count[CountUrgentOOB]++
		}
		// Only the last byte is urgent.
		if !oob || *urgent != 0xffff || t.cfg.UrgentLimit != UrgentInline {
			if x.p.TCP.Urgent == 1 && n == 1 {
				return true
			}
			n--
		}
	}
	size := x.withinDepth(s, seq, n)
	if s.Flags&DepthReached != 0 {
		x.event(decode.EvStreamReassemblyDepthReached)
		t.count[CountDepth]++
		x.out.Updated[x.u.Dir] = true
	}
	if size == 0 {
		return true
	}
	if x.hasTFO() && x.has(decode.SYN) {
		seq++
	}
	return x.insert(s, seq, x.p.Payload[:size:size])
}

// withinDepth returns n when the segment lies within the reassembly depth, else 0. Segments are taken whole or not at all.
func (x *step) withinDepth(s *Stream, seq, n uint32) uint32 {
	depth := x.ssn.Depth
	if depth == 0 {
		return n
	}
	if s.Flags&DepthReached != 0 {
		return 0
	}
	if gt(s.baseSeq, seq) && le(seq+n, s.baseSeq) {
		return 0
	}
	if s.offset(seq+n) > int64(depth) {
		s.Flags |= DepthReached
		return 0
	}
	if ge(seq, s.ISN) && lt(seq, s.ISN+depth) {
		return n
	}
	return 0
}

// maxOffers bounds how often data is offered for one packet; each offer but the last consumes something.
const maxOffers = 1 << 16

// offer hands data of direction d to the application layer. x is nil at the end of a flow.
func (t *Tracker) offer(u *Context, ssn *Session, d flow.Dir, x *step) {
	s := &ssn.Stream[d]
	if ssn.Flags&AppDisabled != 0 || s.Flags&(NoReassembly|appOff|offering) != 0 {
		return
	}
	if (!s.hasData() || s.right <= s.app) && (ssn.State >= Closing || u.End) {
		// Nothing left. The end may have come.
		t.give(u, ssn, d, nil, ssn.State == Closed || u.End, x)
		return
	}
	lastGap := false
	for range maxOffers {
		s = &ssn.Stream[d]
		data, hole := t.at(s, s.app)
		if lastGap && len(data) == 0 && hole == 0 {
			return
		}
		lastGap = false
		all := len(data)
		if !t.cfg.Inline && !(u.End && (ssn.State < Closed || ssn.Flags&ClosedByRST != 0)) {
			// Only what the receiver has acknowledged.
			if acked := s.ackedTo(); s.app <= acked {
				data = data[:min(uint64(len(data)), acked-s.app)]
				hole = min(hole, acked-s.app)
			}
		}
		ended := ssn.State == Closed || u.End
		switch {
		case hole > 0 && t.isGap(ssn, s):
			if !t.giveGap(u, ssn, d, hole, x) {
				return
			}
			lastGap = true
			continue
		case s.Flags&DepthReached != 0:
		case all == 0 || len(data) == 0 && !ended:
			// Where data waits behind a hole that nobody has acknowledged, the end is not told: it is not known where it is.
			return
		}
		if uint32(len(data)) < s.need && (!u.End || ssn.State < Closed) {
			sp, next, _ := t.spanAt(s, s.app)
			if next.end == 0 || s.ackedTo() <= sp.end || len(data) == 0 {
				return
			}
			// What is missing will not come: skip the rest of what the application layer waits for.
			s.need -= uint32(len(data))
			s.app += uint64(len(data))
			continue
		}
		s.need = 0
		depth := s.Flags&DepthReached != 0
		before := s.app
		swaps := ssn.swaps
		t.give(u, ssn, d, data, ended && s.app+uint64(len(data)) >= s.right, x)
		if ssn.swaps != swaps {
			d = d.Other()
		}
		s = &ssn.Stream[d]
		if s.app == before || depth || u.Flow.Has(flow.ProtoChange) || ssn.Flags&AppDisabled != 0 || s.Flags&(NoReassembly|appOff) != 0 {
			return
		}
	}
}

// give calls App.Data.
func (t *Tracker) give(u *Context, ssn *Session, d flow.Dir, data []byte, eof bool, x *step) {
	s := &ssn.Stream[d]
	if s.Flags&eofSent != 0 {
		if len(data) == 0 {
			return
		}
		eof = false
	}
	if len(data) == 0 && !eof && s.Flags&DepthReached == 0 {
		return
	}
	if eof {
		s.Flags |= eofSent
	}
	swaps := ssn.swaps
	s.Flags |= offering
	consumed, need := t.app.Data(u, d, data, s.app, eof)
	if ssn.swaps != swaps { // the streams changed places
		s = &ssn.Stream[d.Other()]
	}
	s.Flags &^= offering
	if consumed > len(data) || eof {
		consumed = len(data) // nothing is offered again behind the end
	}
	if consumed > 0 {
		s.app += uint64(consumed)
	}
	s.need = 0
	if need > 0 {
		s.need = uint32(min(need, 1<<30))
	}
	if x != nil {
		x.out.Updated[d] = true
	}
}

// isGap reports whether the hole at the application layer's progress will not be filled: the receiver has acknowledged
// beyond it. A FIN takes a sequence number, too.
func (t *Tracker) isGap(ssn *Session, s *Stream) bool {
	acked := s.ackedTo()
	if ssn.State >= FinWait1 && acked > 0 {
		acked--
	}
	return acked > s.app
}

// giveGap reports a gap of n bytes.
func (t *Tracker) giveGap(u *Context, ssn *Session, d flow.Dir, n uint64, x *step) bool {
	s := &ssn.Stream[d]
	swaps := ssn.swaps
	s.Flags |= offering
	more := t.app.Gap(u, d, s.app, n)
	if ssn.swaps != swaps {
		s = &ssn.Stream[d.Other()]
	}
	s.Flags &^= offering
	if x != nil {
		x.event(decode.EvStreamReassemblySeqGap)
		x.out.Updated[d] = true
	} else if u.Packet != nil {
		u.Packet.Events.Set(decode.EvStreamReassemblySeqGap)
	}
	s.Flags |= HasGap
	t.count[CountGap]++
	ssn.Flags |= Liberal
	if !more {
		return false
	}
	s.app += n
	s.need -= uint32(min(uint64(s.need), n))
	return ssn.Flags&AppDisabled == 0 && s.Flags&appOff == 0
}

// Offer hands data of direction d to the application layer that is due but was held back. App.Data may call it for the
// other direction, once it knows the protocol.
func (t *Tracker) Offer(u *Context, d flow.Dir) {
	if u.Flow.TCP != 0 {
		t.offer(u, t.sessions.At(u.Flow.TCP), d, nil)
	}
}

// FirstData returns the direction in which data was sent first. ok is false when there was none.
func (t *Tracker) FirstData(f *flow.Flow) (d flow.Dir, ok bool) {
	if f.TCP == 0 || t.sessions.At(f.TCP).firstData == 0 {
		return 0, false
	}
	return flow.Dir(t.sessions.At(f.TCP).firstData - 1), true
}
