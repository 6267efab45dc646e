package defrag

import (
	"encoding/binary"

	"sentinel/decode"
)

// fragment is the part of a datagram that a packet carries.
type fragment struct {
	start, end uint32
	data       []byte
	more       bool
}

// insert adds a fragment's bytes to its datagram where the policy lets it. It reports whether the fragment overlaps
// earlier ones, and false when memory ran out.
//
//	old      [aaaaaa)   [bbb)          [cccc)
//	new           [nnnnnnnnnnnnnnnnn)
//	runs of n     a keeps its end, or is cut; b keeps its place, or goes; what is left of n goes between
func (t *Table) insert(i uint32, p *decode.Packet, f *fragment, now int64) (overlap, ok bool) {
	if f.start == f.end {
		return false, true
	}
	s := &t.store
	k := &t.trackers[i]
	accepted := false
	cur := f.start
	prev := none
	q := k.first
	// Most fragments follow the one before them. Without this, many small ones would cost the square of their number.
	if r := k.recent; r != none && s.pieces[r].end <= f.start {
		prev, q = r, s.pieces[r].next
	}
	for q != none {
		o := &s.pieces[q]
		if o.end <= f.start {
			prev, q = q, o.next
			continue
		}
		if o.start >= f.end {
			break
		}
		overlap = true
		a, b := max(f.start, o.start), min(f.end, o.end)
		if !k.policy.newWins(f.start, f.end, o.from, o.to) {
			if cur < a {
				if prev = t.run(i, p, f, prev, cur, a, now); prev == none {
					return overlap, false
				}
				accepted = true
			}
			cur = b
			prev, q = q, s.pieces[q].next
			continue
		}
		k.covered -= b - a
		switch {
		case o.start < a && o.end > b:
			rest := *o
			rest.start = b
			r := s.newPiece(rest)
			if r == none {
				return overlap, false
			}
			o = &s.pieces[q] // newPiece may have moved them
			o.end = a
			o.next = r
			prev, q = q, r
		case o.start < a:
			o.end = a
			prev, q = q, o.next
		case o.end > b:
			o.start = b
		default:
			next := o.next
			if prev == none {
				k.first = next
			} else {
				s.pieces[prev].next = next
			}
			if k.recent == q {
				k.recent = none
			}
			s.freeOne(q)
			q = next
		}
	}
	if cur < f.end {
		if t.run(i, p, f, prev, cur, f.end, now) == none {
			return overlap, false
		}
		accepted = true
	}
	// Of several last fragments the first one counts.
	if accepted && !f.more && k.length == unknown {
		k.length = f.end
	}
	return overlap, true
}

// run adds bytes a to b of a fragment as a piece behind prev, and returns it, or none when memory ran out.
func (t *Table) run(i uint32, p *decode.Packet, f *fragment, prev uint32, a, b uint32, now int64) uint32 {
	s := &t.store
	k := &t.trackers[i]
	v := piece{start: a, end: b, from: f.start, to: f.end}
	if prev == none {
		v.next = k.first
	} else {
		v.next = s.pieces[prev].next
	}
	n := s.newPiece(v)
	if n == none {
		return none
	}
	if prev == none {
		k.first = n
	} else {
		s.pieces[prev].next = n
	}
	k.recent = n
	k.covered += b - a
	for data := f.data[a-f.start : b-f.start]; len(data) > 0; {
		pg := t.pageOf(i, a/pageSize, now)
		if pg == none {
			return none
		}
		c := copy(s.bytes(pg)[a%pageSize:], data)
		data = data[c:]
		a += uint32(c)
	}
	if v.start == 0 && !t.keepHeader(i, p, now) {
		return none
	}
	return n
}

// pageOf returns the page that holds part no of a datagram, a new one if need be. To find memory it gives up on other
// datagrams, the oldest first.
func (t *Table) pageOf(i, no uint32, now int64) uint32 {
	s := &t.store
	k := &t.trackers[i]
	for pg := k.pages; pg != none; pg = s.pages[pg].next {
		if s.pages[pg].no == no {
			return pg
		}
	}
	pg := t.newPage(i, now)
	if pg == none {
		return none
	}
	s.pages[pg] = page{next: k.pages, no: no}
	k.pages = pg
	return pg
}

func (t *Table) newPage(i uint32, now int64) uint32 {
	for {
		if pg := t.store.newPage(); pg != none {
			return pg
		}
		if !t.reuse(now, i) {
			return none
		}
	}
}

// keepHeader keeps the header of the fragment whose first byte is the datagram's. It belongs to whoever wins that byte.
func (t *Table) keepHeader(i uint32, p *decode.Packet, now int64) bool {
	k := &t.trackers[i]
	head := p.L3[:p.IPHeaderLen]
	nextAt := 0
	var nextType uint8
	if p.IPVersion == 6 {
		at, prev := p.FragmentHeader()
		if at < 40 || at+8 > len(p.L3) {
			return false
		}
		head = p.L3[:at]
		nextType = p.L3[at]
		// The next header field is the first byte of an extension header, the seventh of the fixed one.
		nextAt = prev
		if prev == 0 {
			nextAt = 6
		}
	}
	if len(head) > pageSize {
		return false
	}
	if k.header == none {
		if k.header = t.newPage(i, now); k.header == none {
			return false
		}
	}
	copy(t.store.bytes(k.header), head)
	k.headLen = uint16(len(head))
	k.nextAt, k.nextType = uint16(nextAt), nextType
	return true
}

// complete reports whether all data of a datagram is there. Bytes behind the last fragment do not belong to it.
func (t *Table) complete(k *tracker) bool {
	n := uint32(0)
	for q := k.first; q != none && n < k.length; {
		o := &t.store.pieces[q]
		if o.start > n {
			return false
		}
		n, q = o.end, o.next
	}
	return n >= k.length
}

// datagram builds the packet that was fragmented, or returns nil when it would be too long.
func (t *Table) datagram(k *tracker) []byte {
	n := k.length
	total := uint32(k.headLen) + n
	limit := uint32(65535)
	if k.key.version == 6 {
		limit += 40
	}
	if total > limit {
		return nil
	}
	b := t.out[t.outN]
	if cap(b) < int(total) {
		b = make([]byte, max(total, 2048))
		t.out[t.outN] = b
	}
	t.outN = (t.outN + 1) % len(t.out)
	b = b[:total:total]
	head := b[:k.headLen]
	copy(head, t.store.bytes(k.header))
	data := b[k.headLen:]
	for pg := k.pages; pg != none; pg = t.store.pages[pg].next {
		if at := t.store.pages[pg].no * pageSize; at < n {
			copy(data[at:], t.store.bytes(pg))
		}
	}
	if k.key.version == 6 {
		binary.BigEndian.PutUint16(head[4:], uint16(total-40))
		head[k.nextAt] = k.nextType
		return b
	}
	// RFC 1624: a header checksum that was wrong stays wrong.
	sum := uint32(^binary.BigEndian.Uint16(head[10:]))
	sum += uint32(^binary.BigEndian.Uint16(head[2:])) + uint32(^binary.BigEndian.Uint16(head[6:]))
	binary.BigEndian.PutUint16(head[2:], uint16(total))
	binary.BigEndian.PutUint16(head[6:], 0)
	sum += total
	sum = sum>>16 + sum&0xffff
	sum = sum>>16 + sum&0xffff
	binary.BigEndian.PutUint16(head[10:], ^uint16(sum))
	return b
}
