package tcp

import "sentinel/internal/mem"

const (
	// areaGap is how far behind an area data may lie and still be put into it.
	areaGap = 256 << 10
	// minArea and keepArea are the smallest area, and the largest that an idle stream keeps.
	minArea  = 2 << 10
	keepArea = 64 << 10
	// maxSpans bounds the list of islands behind holes, and so the work for a segment.
	maxSpans = 2048
)

// farArea is an area far beyond Stream.main.
type farArea struct {
	area
	next uint32
}

// spanRec is a span of known bytes behind Stream.known.
type spanRec struct {
	span
	next uint32
}

type stored uint8

const (
	storedOK stored = iota
	storedNoMem
	storedLimit
)

// store keeps data at offset off. Preconditions: off >= s.base.
func (t *Tracker) store(s *Stream, off uint64, data []byte) stored {
	if len(data) == 0 {
		return storedOK
	}
	end := off + uint64(len(data))
	a, r := t.place(s, off, end)
	if r != storedOK {
		return r
	}
	b := t.pool.Bytes(a.block)
	copy(b[off-a.off:], data)
	a.end = max(a.end, end)
	return t.know(s, off, end)
}

// place returns an area with memory for the bytes from off to end.
func (t *Tracker) place(s *Stream, off, end uint64) (*area, stored) {
	m := &s.main
	if m.block == 0 {
		m.off, m.end, m.size = s.base, s.base, 0
	}
	if end <= m.off+uint64(m.size) && s.far == 0 {
		return m, storedOK
	}
	if off <= m.off+uint64(m.size)+areaGap && (s.far == 0 || off < t.far.At(s.far).off) {
		return m, t.reach(s, m, &s.far, end)
	}
	link := &s.far
	var prev *farArea
	for *link != 0 {
		f := t.far.At(*link)
		if f.off > off {
			break
		}
		prev = f
		link = &f.next
	}
	if prev != nil && off <= prev.off+uint64(prev.size)+areaGap {
		return &prev.area, t.reach(s, &prev.area, &prev.next, end)
	}
	if t.cfg.MaxRegions != 0 && s.Regions >= t.cfg.MaxRegions || s.Regions == 0xffff {
		return nil, storedLimit
	}
	i := t.far.New()
	if i == 0 {
		return nil, storedNoMem
	}
	f := t.far.At(i)
	f.off, f.end, f.next = off, off, *link
	if r := t.reach(s, &f.area, &f.next, end); r != storedOK {
		t.far.Free(i)
		return nil, r
	}
	*link = i
	s.Regions++
	s.MaxRegions = max(s.MaxRegions, s.Regions)
	return &f.area, storedOK
}

// reach makes a large enough for bytes up to end, and takes in the following areas that these bytes touch, so that
// contiguous bytes always lie in one area.
func (t *Tracker) reach(s *Stream, a *area, next *uint32, end uint64) stored {
	need := end
	for i := *next; i != 0; {
		f := t.far.At(i)
		if f.off > need {
			break
		}
		need = max(need, f.end)
		i = f.next
	}
	if r := t.grow(s, a, need); r != storedOK {
		return r
	}
	b := t.pool.Bytes(a.block)
	for i := *next; i != 0; {
		f := t.far.At(i)
		if f.off > end {
			break
		}
		end = max(end, f.end)
		copy(b[f.off-a.off:], t.pool.Bytes(f.block)[:f.end-f.off])
		a.end = max(a.end, f.end)
		t.pool.Put(f.block)
		n := f.next
		t.far.Free(i)
		s.Regions--
		*next = n
		i = n
	}
	return storedOK
}

// grow gives a room for bytes up to end.
func (t *Tracker) grow(s *Stream, a *area, end uint64) stored {
	if a.block != 0 && end <= a.off+uint64(a.size) {
		return storedOK
	}
	from := a.off // bytes before it are not needed any more
	if a == &s.main {
		from = max(from, s.base)
	}
	if end-from > mem.MaxBlock {
		return storedLimit
	}
	var live []byte
	if a.block != 0 && a.end > from {
		live = t.pool.Bytes(a.block)[from-a.off : a.end-a.off]
	}
	fits := a.block != 0 && end-from <= uint64(a.size)
	if !fits || len(live) > int(a.size)/2 {
		n := max(int(end-from), minArea)
		if a.block != 0 && len(live) > int(a.size)/2 && 2*int(a.size) <= mem.MaxBlock {
			n = max(n, 2*int(a.size))
		}
		b := t.pool.Get(n)
		if b == 0 && n > int(end-from) && !fits {
			b = t.pool.Get(int(end - from))
		}
		switch {
		case b != 0:
			d := t.pool.Bytes(b)
			copy(d, live)
			t.pool.Put(a.block)
			a.block, a.size = b, uint32(len(d))
			a.off, a.end = from, from+uint64(len(live))
			return storedOK
		case !fits:
			return storedNoMem
		}
	}
	copy(t.pool.Bytes(a.block), live)
	a.off, a.end = from, from+uint64(len(live))
	return storedOK
}

// know notes that the bytes from off to end are there.
func (t *Tracker) know(s *Stream, off, end uint64) stored {
	k := &s.known
	switch {
	case k.off == k.end:
		*k = span{off, end}
		return storedOK
	case off > k.end:
		return t.knowMore(s, off, end)
	case end < k.off:
		i := t.newSpan(s, *k)
		if i == 0 {
			return storedNoMem
		}
		t.spans.At(i).next = s.more
		if s.more == 0 {
			s.moreTail = i
		}
		s.more = i
		*k = span{off, end}
		return storedOK
	}
	k.off, k.end = min(k.off, off), max(k.end, end)
	for s.more != 0 {
		n := t.spans.At(s.more)
		if n.off > k.end {
			break
		}
		k.end = max(k.end, n.end)
		t.dropSpan(s, &s.more, 0)
	}
	return storedOK
}

func (t *Tracker) newSpan(s *Stream, x span) uint32 {
	if s.moreLen >= maxSpans {
		return 0
	}
	i := t.spans.New()
	if i != 0 {
		t.spans.At(i).span = x
		s.moreLen++
	}
	return i
}

// dropSpan frees the span that link points at; prev is the span that holds the link, 0 for the stream itself.
func (t *Tracker) dropSpan(s *Stream, link *uint32, prev uint32) {
	i := *link
	n := t.spans.At(i).next
	*link = n
	if n == 0 {
		s.moreTail = prev
	}
	if s.moreMark == i {
		s.moreMark = prev
	}
	t.spans.Free(i)
	s.moreLen--
}

func (t *Tracker) knowMore(s *Stream, off, end uint64) stored {
	prev := uint32(0)
	if s.moreTail != 0 && t.spans.At(s.moreTail).off <= off {
		prev = s.moreTail
	} else {
		i, steps := t.firstSpan(s, off), 0
		for ; i != 0; steps++ { // at most maxSpans steps
			r := t.spans.At(i)
			if r.off > off {
				break
			}
			prev, i = i, r.next
		}
		if steps > longWalk {
			s.moreMark = prev
		}
	}
	link := &s.more
	if prev != 0 {
		r := t.spans.At(prev)
		if off <= r.end {
			r.end = max(r.end, end)
			t.absorb(s, prev)
			return storedOK
		}
		link = &r.next
	}
	if *link != 0 {
		if r := t.spans.At(*link); r.off <= end {
			r.off, r.end = off, max(r.end, end)
			t.absorb(s, *link)
			return storedOK
		}
	}
	i := t.newSpan(s, span{off, end})
	if i == 0 {
		return storedLimit
	}
	t.spans.At(i).next = *link
	if *link == 0 {
		s.moreTail = i
	}
	*link = i
	return storedOK
}

// absorb joins span i with the following ones that it touches.
func (t *Tracker) absorb(s *Stream, i uint32) {
	r := t.spans.At(i)
	for r.next != 0 {
		n := t.spans.At(r.next)
		if n.off > r.end {
			return
		}
		r.end = max(r.end, n.end)
		t.dropSpan(s, &r.next, i)
	}
}

// longWalk is the number of spans from which on the end of a walk is remembered: the next one often goes there, too.
const longWalk = 8

// firstSpan returns the span behind known with which a walk to offset off begins; 0 = there is none.
func (t *Tracker) firstSpan(s *Stream, off uint64) uint32 {
	if s.moreMark != 0 && t.spans.At(s.moreMark).off <= off {
		return s.moreMark
	}
	return s.more
}

// spanAt returns the first span that ends behind off, and the one behind it.
func (t *Tracker) spanAt(s *Stream, off uint64) (x, next span, ok bool) {
	i := s.more
	if x = s.known; x.end <= off || x.off == x.end {
		i = t.firstSpan(s, off)
		for steps := 0; ; steps++ {
			if i == 0 {
				return span{}, span{}, false
			}
			r := t.spans.At(i)
			if x = r.span; x.end > off {
				if steps > longWalk {
					s.moreMark = i
				}
				i = r.next
				break
			}
			i = r.next
		}
	}
	if i != 0 {
		next = t.spans.At(i).span
	}
	return x, next, true
}

// knows reports whether any byte from off to end is there.
func (t *Tracker) knows(s *Stream, off, end uint64) bool {
	x, _, ok := t.spanAt(s, off)
	return ok && x.off < end
}

// bytes returns the bytes from off to end, which are known and contiguous.
func (t *Tracker) bytes(s *Stream, off, end uint64) []byte {
	a := &s.main
	for i := s.far; i != 0; {
		f := t.far.At(i)
		if f.off > off {
			break
		}
		a = &f.area
		i = f.next
	}
	i, j := off-a.off, end-a.off
	return t.pool.Bytes(a.block)[i:j:j]
}

// at returns the contiguous bytes at off; when there are none but further on, the length of the hole.
func (t *Tracker) at(s *Stream, off uint64) (data []byte, hole uint64) {
	x, _, ok := t.spanAt(s, off)
	switch {
	case !ok:
		return nil, 0
	case x.off > off:
		return nil, x.off - off
	}
	return t.bytes(s, off, x.end), 0
}

// contiguous returns the end of the bytes that follow the base without a hole.
func (s *Stream) contiguous() uint64 {
	if s.known.off == s.base && s.known.end > s.base {
		return s.known.end
	}
	return s.base
}

// slide forgets the bytes before offset to.
func (t *Tracker) slide(s *Stream, to uint64) {
	if to <= s.base {
		return
	}
	s.baseSeq += uint32(to - s.base)
	s.base = to
	for s.known.end <= to && s.known.off != s.known.end {
		s.known = span{}
		if s.more != 0 {
			s.known = t.spans.At(s.more).span
			t.dropSpan(s, &s.more, 0)
		}
	}
	s.known.off = max(s.known.off, min(to, s.known.end))
	for s.far != 0 {
		f := t.far.At(s.far)
		if f.off > to {
			break
		}
		t.pool.Put(s.main.block)
		s.main = f.area
		n := f.next
		t.far.Free(s.far)
		s.far = n
		s.Regions--
	}
	if m := &s.main; m.block != 0 && m.end <= to {
		if m.size > keepArea {
			t.pool.Put(m.block)
			*m = area{}
		} else {
			m.off, m.end = to, to
		}
	}
}

// clear forgets all bytes and segments.
func (t *Tracker) clear(s *Stream) {
	t.dropSegments(s)
	for s.more != 0 {
		t.dropSpan(s, &s.more, 0)
	}
	s.known = span{}
	for s.far != 0 {
		f := t.far.At(s.far)
		t.pool.Put(f.block)
		n := f.next
		t.far.Free(s.far)
		s.far = n
	}
	t.pool.Put(s.main.block)
	s.main = area{}
	s.Regions, s.MaxRegions, s.moreTail = 1, 1, 0
}
