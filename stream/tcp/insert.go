package tcp

import (
	"bytes"

	"sentinel/decode"
)

const (
	// coalesceAt is the number of segments from which on a segment that follows the last one is joined with it.
	coalesceAt = 1024
	// maxSegments bounds the list of segments. Beyond it data is kept without a record of its own: overlaps with it are
	// then not resolved by policy.
	maxSegments = 4096
)

// segment is a TCP segment that is kept: overlaps are resolved segment by segment.
type segment struct {
	seq, n     uint32
	prev, next uint32
}

func (t *Tracker) dropSegments(s *Stream) {
	for i := s.segHead; i != 0; {
		n := t.segments.At(i).next
		t.segments.Free(i)
		i = n
	}
	s.segHead, s.segTail, s.segMark, s.segLen = 0, 0, 0, 0
}

// dropOld frees the segments that lie before the base.
func (t *Tracker) dropOld(s *Stream) {
	for i := s.segHead; i != 0; {
		g := t.segments.At(i)
		if gt(g.seq+g.n, s.baseSeq) {
			return
		}
		n := g.next
		t.segments.Free(i)
		s.segLen--
		s.segHead = n
		if s.segMark == i {
			s.segMark = 0
		}
		if n == 0 {
			s.segTail = 0
		} else {
			t.segments.At(n).prev = 0
		}
		i = n
	}
}

// link puts segment i behind segment prev, or first when prev is 0.
func (t *Tracker) link(s *Stream, i, prev uint32) {
	g := t.segments.At(i)
	g.prev = prev
	if prev == 0 {
		g.next = s.segHead
		s.segHead = i
	} else {
		p := t.segments.At(prev)
		g.next = p.next
		p.next = i
	}
	if g.next == 0 {
		s.segTail = i
	} else {
		t.segments.At(g.next).prev = i
	}
	s.segLen++
}

func (t *Tracker) unlink(s *Stream, i uint32) {
	g := t.segments.At(i)
	if g.prev == 0 {
		s.segHead = g.next
	} else {
		t.segments.At(g.prev).next = g.next
	}
	if g.next == 0 {
		s.segTail = g.prev
	} else {
		t.segments.At(g.next).prev = g.prev
	}
	if s.segMark == i {
		s.segMark = g.prev
	}
	s.segLen--
	t.segments.Free(i)
}

// upTo reports whether the segment sorts at or before (seq, n).
func (g *segment) upTo(seq, n uint32) bool { return lt(g.seq, seq) || g.seq == seq && g.n <= n }

// before finds the last segment that sorts at or before (seq, n): by start, then by length. same is true when it is
// equal.
func (t *Tracker) before(s *Stream, seq, n uint32) (i uint32, same bool) {
	// It is looked for from the nearest of head, tail and the segment found last: else small segments that come out of order
	// would cost the square of their number.
	start, dist, back := s.segHead, int32(seq-t.segments.At(s.segHead).seq), false
	if d := int32(t.segments.At(s.segTail).seq - seq); d <= dist {
		start, dist, back = s.segTail, d, true
	}
	if s.segMark != 0 {
		g := t.segments.At(s.segMark)
		if d := int32(seq - g.seq); max(d, -d) < dist {
			start, back = s.segMark, !g.upTo(seq, n)
		}
	}
	if back {
		for i = start; i != 0 && !t.segments.At(i).upTo(seq, n); {
			i = t.segments.At(i).prev
		}
	} else {
		for j := start; j != 0 && t.segments.At(j).upTo(seq, n); j = t.segments.At(j).next {
			i = j
		}
	}
	s.segMark = i
	if i != 0 {
		g := t.segments.At(i)
		same = g.seq == seq && g.n == n
	}
	return i, same
}

// write stores data that begins at seq, without what lies before the base.
func (t *Tracker) write(s *Stream, seq uint32, data []byte) stored {
	off := s.offset(seq)
	if off < int64(s.base) {
		cut := int64(s.base) - off
		if cut >= int64(len(data)) {
			return storedOK
		}
		data = data[cut:]
		off = int64(s.base)
	}
	return t.store(s, uint64(off), data)
}

// insert keeps a segment. It reports false when that failed for want of memory.
func (x *step) insert(s *Stream, seq uint32, data []byte) bool {
	t := x.t
	n := uint32(len(data))
	end := seq + n
	if le(end, s.baseSeq) {
		return true // can happen on lossy links
	}
	off := s.offset(seq)
	prev, same, overlap := s.segTail, false, false
	if prev != 0 {
		if off < int64(s.right) {
			prev, same = t.before(s, seq, n)
			overlap = same || t.knows(s, uint64(max(off, int64(s.base))), uint64(off+int64(n)))
		} else if l := t.segments.At(prev); s.segLen >= coalesceAt && seq == l.seq+l.n {
			if r := t.write(s, seq, data); r != storedOK {
				return x.insertFailed(r)
			}
			l.n += n
			s.longest = max(s.longest, l.n)
			s.right = max(s.right, uint64(s.offset(end)))
			return true
		}
	}
	i := prev
	if !same {
		i = 0
		if s.segLen < maxSegments {
			if i = t.segments.New(); i == 0 {
				return x.noSegment()
			}
			t.count[CountSegmentFromPool]++
			g := t.segments.At(i)
			g.seq, g.n = seq, n
			t.link(s, i, prev)
		}
	}
	s.longest = max(s.longest, n)
	oldRight := s.right
	s.right = max(s.right, uint64(max(s.offset(end), 0)))
	var r stored
	if !overlap {
		if r = t.write(s, seq, data); r == storedOK {
			return true
		}
		x.insertFailed(r)
	} else {
		t.count[CountOverlap]++
		r = x.merge(s, seq, data, prev, i, same)
		if r == storedOK {
			return true
		}
		if r == storedNoMem {
			t.count[CountSegmentMemcap]++
			x.event(decode.EvStreamReassemblyInsertMemcap)
		} else {
			x.event(decode.EvStreamReassemblyInsertLimit)
		}
		t.count[CountInsertOverlapFail]++
	}
	if !same && i != 0 {
		t.unlink(s, i)
		s.right = oldRight
	}
	return false
}

func (x *step) insertFailed(r stored) bool {
	x.t.count[CountInsertFail]++
	if r == storedNoMem {
		x.t.count[CountSegmentMemcap]++
		x.ssn.Flags |= Liberal
	}
	return false
}

func (x *step) noSegment() bool {
	x.t.count[CountSegmentMemcap]++
	x.event(decode.EvStreamReassemblyNoSegment)
	x.ssn.Flags |= Liberal
	return false
}

// merge keeps a segment that overlaps others. The policy of the receiver says which data counts; inline the old data
// does, and the packet is changed to carry it.
func (x *step) merge(s *Stream, seq uint32, data []byte, prev, self uint32, same bool) stored {
	t := x.t
	buf := t.scratch[:len(data)]
	copy(buf, data)
	differs := false
	if same {
		x.overlap(s, t.segments.At(prev), seq, data, buf)
	}
	end := seq + uint32(len(data))
	first := prev
	next := s.segHead
	if prev != 0 {
		next = t.segments.At(prev).next
	}
	if same {
		first = t.segments.At(prev).prev
	}
	for i := first; i != 0; { // at most maxSegments steps
		g := t.segments.At(i)
		if le(g.seq+s.longest, seq) {
			break // none before can reach this far
		}
		if gt(g.seq+g.n, seq) {
			differs = x.overlap(s, g, seq, data, buf) || differs
		}
		i = g.prev
	}
	for i := next; i != 0; {
		g := t.segments.At(i)
		if i != self {
			if le(end, g.seq) {
				break
			}
			differs = x.overlap(s, g, seq, data, buf) || differs
		}
		i = g.next
	}
	if differs {
		x.event(decode.EvStreamReassemblyOverlapDifferentData)
		t.count[CountOverlapDiff]++
	}
	return t.write(s, seq, buf)
}

// overlap resolves the overlap of data at seq with segment g in buf. It reports whether they differ, when asked to look.
func (x *step) overlap(s *Stream, g *segment, seq uint32, data, buf []byte) bool {
	t := x.t
	from, to := seq, seq+uint32(len(data))
	if gt(g.seq, from) {
		from = g.seq
	}
	if gt(s.baseSeq, from) {
		from = s.baseSeq
	}
	if e := g.seq + g.n; lt(e, to) {
		to = e
	}
	if !lt(from, to) {
		return false
	}
	off := uint64(s.offset(from))
	sp, _, ok := t.spanAt(s, off)
	if !ok || sp.off > off {
		return false
	}
	old := t.bytes(s, off, min(sp.end, off+uint64(to-from)))
	i := int(from - seq)
	mine := data[i : i+len(old)]
	differs := true
	if t.cfg.Inline {
		if bytes.Equal(old, mine) {
			return false
		}
		if t.cfg.CheckOverlap {
			x.event(decode.EvStreamReassemblyOverlapDifferentData)
		}
		x.p.Rewrite(i, old) // in the packet itself: data is the head of its payload
		x.out.Modified = true
		copy(buf[i:], old)
		return t.cfg.CheckOverlap
	}
	if t.cfg.CheckOverlap {
		differs = !bytes.Equal(old, mine)
	}
	if differs && !s.Policy.keepsNew(seq, seq+uint32(len(data)), g.seq, g.seq+g.n) {
		copy(buf[i:], old)
	}
	return t.cfg.CheckOverlap && differs
}
