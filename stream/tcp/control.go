package tcp

import "sentinel/stream/flow"

// Swap exchanges client and server of the flow's session. The flow itself is the caller's; see [flow.Flow.Swap].
func (t *Tracker) Swap(f *flow.Flow) {
	if f.TCP == 0 {
		return
	}
	ssn := t.sessions.At(f.TCP)
	ssn.Stream[0], ssn.Stream[1] = ssn.Stream[1], ssn.Stream[0]
	ssn.urgent[0], ssn.urgent[1] = ssn.urgent[1], ssn.urgent[0]
	if ssn.firstData != 0 {
		ssn.firstData ^= 3
	}
	ssn.swaps++
}

// DisableApp ends the reassembly for the application layer, in both directions.
func (t *Tracker) DisableApp(f *flow.Flow) {
	if f.TCP != 0 {
		t.sessions.At(f.TCP).Flags |= AppDisabled
	}
}

// DisableAppDir ends the reassembly for the application layer in one direction.
func (t *Tracker) DisableAppDir(f *flow.Flow, d flow.Dir) {
	if f.TCP != 0 {
		t.sessions.At(f.TCP).Stream[d].Flags |= appOff
	}
}

// StopReassembly lets no more data of direction d in: rules look at what is there once more.
func (t *Tracker) StopReassembly(f *flow.Flow, d flow.Dir) {
	if f.TCP != 0 {
		ssn := t.sessions.At(f.TCP)
		ssn.Flags |= AppDisabled
		ssn.Stream[d].Flags |= newRawDisabled
	}
}

// DisableRaw ends the inspection of direction d by rules on the stream, after they have seen what is there.
func (t *Tracker) DisableRaw(f *flow.Flow, d flow.Dir) {
	if f.TCP != 0 {
		t.sessions.At(f.TCP).Stream[d].Flags |= newRawDisabled
	}
}

// BypassSession asks for the bypass of the rest of the session.
func (t *Tracker) BypassSession(f *flow.Flow) {
	if f.TCP != 0 {
		t.sessions.At(f.TCP).Flags |= bypassed
	}
}

// SetDepth raises the reassembly depth of a session; 0 takes the limit away. A smaller depth is ignored.
func (t *Tracker) SetDepth(f *flow.Flow, n uint32) {
	if f.TCP == 0 {
		return
	}
	if ssn := t.sessions.At(f.TCP); n > ssn.Depth || n == 0 {
		ssn.Depth = n
	}
}

// SetMinInspectDepth keeps n bytes before the raw progress for rules that look at body and stream together.
func (t *Tracker) SetMinInspectDepth(f *flow.Flow, d flow.Dir, n uint32) {
	if f.TCP != 0 {
		t.sessions.At(f.TCP).Stream[d].minInspect = n
	}
}

// TriggerRaw lets rules look at the stream at the next chance, however little data is new: a message is complete.
func (t *Tracker) TriggerRaw(f *flow.Flow, d flow.Dir) {
	if f.TCP != 0 {
		t.sessions.At(f.TCP).Stream[d].Flags |= triggerRaw
	}
}

// AppProgress returns the offset up to which the application layer is done.
func (t *Tracker) AppProgress(f *flow.Flow, d flow.Dir) uint64 {
	if f.TCP == 0 {
		return 0
	}
	return t.sessions.At(f.TCP).Stream[d].app
}

// Available returns the bytes of direction d that are kept: what protocol detection has to decide on.
func (t *Tracker) Available(f *flow.Flow, d flow.Dir) uint64 {
	if f.TCP == 0 {
		return 0
	}
	s := &t.sessions.At(f.TCP).Stream[d]
	n := s.known.end - s.known.off
	for i := s.more; i != 0; {
		r := t.spans.At(i)
		n += r.end - r.off
		i = r.next
	}
	return n
}

// NeedsFlush reports for both directions whether the end of the flow has work for parsers or rules.
func (t *Tracker) NeedsFlush(f *flow.Flow) (ts, tc bool) {
	if f.TCP == 0 {
		return false, false
	}
	ssn := t.sessions.At(f.TCP)
	if ssn.State >= Established && ssn.State != Closed {
		return true, true
	}
	return ssn.pending(0), ssn.pending(1)
}

func (ssn *Session) pending(d flow.Dir) bool {
	s := &ssn.Stream[d]
	if s.Flags&rawDisabled == 0 && s.right > s.raw {
		return true
	}
	return ssn.Flags&AppDisabled == 0 && s.contiguous() > s.app
}

// Flush hands the rest of direction d to the application layer, acknowledged or not, with the end of the stream. u.End is
// set. It is for the packets that end a flow: first for u.Dir = d, then for the other direction.
func (t *Tracker) Flush(u *Context, d flow.Dir) {
	u.End = true
	t.count[CountPseudo]++
	if u.Flow.TCP == 0 {
		return
	}
	ssn := t.sessions.At(u.Flow.TCP)
	t.offer(u, ssn, d, nil)
}

// Free forgets the session of f.
func (t *Tracker) Free(f *flow.Flow) {
	if f.TCP == 0 {
		return
	}
	ssn := t.sessions.At(f.TCP)
	if ssn.State < stateCount {
		t.count[endCounter[ssn.State]]++
	}
	if ssn.Flags&Liberal != 0 {
		t.count[CountEndLiberal]++
	}
	for d := range ssn.Stream {
		t.clear(&ssn.Stream[d])
		t.dropSACKs(&ssn.Stream[d])
	}
	t.dropQueue(ssn)
	t.sessions.Free(f.TCP)
	f.TCP = 0
}

// Drop frees the data of the session of f but keeps its state: for bypassed flows.
func (t *Tracker) Drop(f *flow.Flow) {
	if f.TCP == 0 {
		return
	}
	ssn := t.sessions.At(f.TCP)
	for d := range ssn.Stream {
		s := &ssn.Stream[d]
		s.Flags |= NoReassembly
		t.clear(s)
		t.dropSACKs(s)
	}
	t.dropQueue(ssn)
}
