package tcp

import (
	"encoding/binary"

	"sentinel/decode"
)

// maxSACKs bounds the SACK list of a stream.
const maxSACKs = 256

// sack is a range behind LastAck that the receiver has (RFC 2018).
type sack struct {
	le, re uint32
	next   uint32
}

// sackBlock returns block i of the packet's SACK option.
func (x *step) sackBlock(i int) (le, re uint32, ok bool) {
	o := int(x.p.TCP.SACKOff) + 8*i
	if o+8 > len(x.p.L4) {
		return 0, 0, false
	}
	return binary.BigEndian.Uint32(x.p.L4[o:]), binary.BigEndian.Uint32(x.p.L4[o+4:]), true
}

func (x *step) sackBlocks() int {
	if x.p.TCP.Opts&decode.OptSACK == 0 {
		return 0
	}
	return min(int(x.p.TCP.SACKCount), 4) // more do not fit in a header
}

// takeSACK notes what the receiver has of s.
func (x *step) takeSACK(s *Stream) {
	n := x.sackBlocks()
	if n == 0 {
		return
	}
	var firstL, firstR uint32
	for i := range n {
		l, r, ok := x.sackBlock(i)
		if !ok {
			break
		}
		if firstL == 0 {
			firstL = l
		}
		if firstR == 0 {
			firstR = r
		}
		switch {
		case lt(l, x.ack): // duplicate (RFC 2883)
			x.out.Flags |= DSACK
		case i == 1:
			if ge(firstL, l) && le(firstR, r) {
				x.out.Flags |= DSACK
			}
		case le(r, s.LastAck), gt(r, s.NextWin), ge(l, r):
		case gt(l, s.LastAck+s.Window):
		default:
			x.t.addSACK(s, l, r)
		}
	}
	x.t.pruneSACK(s)
}

// addSACK inserts a range into the sorted list and joins what touches it.
func (t *Tracker) addSACK(s *Stream, l, r uint32) {
	link := &s.sacks
	for *link != 0 && lt(t.sacks.At(*link).re, l) {
		link = &t.sacks.At(*link).next
	}
	for *link != 0 { // ranges from here on end at or behind l
		i := *link
		k := t.sacks.At(i)
		if lt(r, k.le) {
			break
		}
		if lt(k.le, l) {
			l = k.le
		}
		if gt(k.re, r) {
			r = k.re
		}
		s.sackSize -= k.re - k.le
		*link = k.next
		t.sacks.Free(i)
		s.sackLen--
	}
	if s.sackLen >= maxSACKs {
		return
	}
	i := t.sacks.New()
	if i == 0 {
		return
	}
	*t.sacks.At(i) = sack{l, r, *link}
	*link = i
	s.sackSize += r - l
	s.sackLen++
}

// pruneSACK forgets ranges that LastAck has passed.
func (t *Tracker) pruneSACK(s *Stream) {
	for s.sacks != 0 {
		k := t.sacks.At(s.sacks)
		if !lt(k.re, s.LastAck) {
			if lt(k.le, s.LastAck) {
				s.sackSize -= s.LastAck - k.le
				k.le = s.LastAck
			}
			return
		}
		s.sackSize -= k.re - k.le
		n := k.next
		t.sacks.Free(s.sacks)
		s.sacks = n
		s.sackLen--
	}
}

func (t *Tracker) dropSACKs(s *Stream) {
	for s.sacks != 0 {
		n := t.sacks.At(s.sacks).next
		t.sacks.Free(s.sacks)
		s.sacks = n
	}
	s.sackSize, s.sackLen = 0, 0
}

// oldSACK reports whether the list has all ranges of the packet.
func (x *step) oldSACK(s *Stream) bool {
	for b := range x.sackBlocks() {
		l, r, ok := x.sackBlock(b)
		if !ok {
			return false
		}
		found := false
		for i := s.sacks; i != 0 && !found; {
			k := x.t.sacks.At(i)
			found = ge(l, k.le) && le(r, k.re)
			i = k.next
		}
		if !found {
			return false
		}
	}
	return true
}
