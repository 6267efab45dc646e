package detect

import (
	"sentinel/detect/chain"
	"sentinel/stream"
)

// weak is a rule whose fast pattern is short or common, and must lie in a narrow window: comparing it there costs less than
// the hits that a multi-pattern matcher would report all over the traffic.
type weak struct {
	num      uint32
	from, to uint32 // window: where the pattern may begin, and where it must have ended
	min, max uint32 // payload length, from dsize
	packet   bool   // looked for in packets
	stream   bool   // looked for in the stream
	nocase   bool
	data     []byte // lower case with nocase
}

// weakWindow bounds the windows of weak patterns, in bytes.
const weakWindow = 128

// place works out where in a payload the pattern can be, from its own window or from those of the contents that it is relative to.
func (f *fastPattern) place(u *bufferUse) {
	elems := u.elems()
	for i, w := range chain.Windows(elems) {
		k := u.items[i].content
		if k != nil && k.HasDistance && (k.Distance.Var != "" || k.Distance.N < 0) {
			// In later pieces of a stream only the ends of windows move: one that goes back may then lie elsewhere.
			return
		}
		if k == f.elem {
			if !k.Chop && k.Offset.Var == "" && k.Depth.Var == "" {
				f.from, f.to = w.From, w.To
			}
			return
		}
	}
}

// elems returns the conditions of a buffer as a chain has them.
func (u *bufferUse) elems() []chain.Elem {
	elems := make([]chain.Elem, len(u.items))
	for i, x := range u.items {
		elems[i] = x.other
		if x.content != nil {
			elems[i] = &x.content.Content
		}
	}
	return elems
}

// packetReach is how far into a packet's payload the rule's fast pattern can end: by its window, or by dsize.
func packetReach(r *compiled) uint32 {
	end := ^uint32(0)
	if r.fast.to > 0 {
		end = r.fast.to
	}
	if r.flags&hasDsize != 0 {
		switch d := r.dsize; d.Mode {
		case UintEqual, UintLess, UintLessEqual:
			end = min(end, clip(d.Lo))
		case UintRange:
			end = min(end, clip(d.Hi))
		}
	}
	return end
}

// weakOf returns the rule's weak pattern; ok is false if the pattern belongs into a pattern set.
func weakOf(r *compiled, tcp bool) (x weak, ok bool) {
	f := r.fast
	if !common(f.elem.Data) || f.elem.Chop {
		return x, false
	}
	x = weak{num: r.num, from: f.from, to: f.to, max: ^uint32(0), data: f.data, nocase: f.nocase}
	if x.to == 0 {
		x.to = ^uint32(0)
	}
	x.packet = !tcp || r.flags&requirePacket != 0
	x.stream = tcp && (r.flags&requireStream != 0 || r.flags&requirePacket == 0)
	x.sizes(r)
	end := min(x.to, x.max)
	if x.stream {
		end = x.to
	}
	if end > weakWindow {
		return x, false
	}
	if x.nocase {
		x.data = lowered(x.data)
	}
	return x, true
}

// sizes takes the limits of the payload's length from dsize.
func (x *weak) sizes(r *compiled) {
	if r.flags&hasDsize == 0 {
		return
	}
	switch d := r.dsize; d.Mode {
	case UintEqual:
		x.min, x.max = clip(d.Lo), clip(d.Lo)
	case UintLess:
		x.max = clip(d.Lo)
	case UintRange:
		x.min, x.max = clip(d.Lo), clip(d.Hi)
	case UintGreater, UintGreaterEqual:
		x.min = clip(d.Lo)
	}
}

// anchor is a content of a payload that must lie within the first nearWindow bytes.
type anchor struct {
	data     []byte
	nocase   bool
	from, to uint32 // where it may begin, and where it must have ended
}

// anchorOf returns the longest content of a payload that must lie near the begin; nil if there is none.
func anchorOf(u *bufferUse) *anchor {
	var best *anchor
	for i, w := range chain.Windows(u.elems()) {
		k := u.items[i].content
		if k == nil || k.Negated || w.To == 0 || w.To > nearWindow || len(k.Data) == 0 {
			continue
		}
		if best == nil || len(k.Data) > len(best.data) {
			best = &anchor{data: k.Data, nocase: k.Nocase, from: w.From, to: w.To}
		}
	}
	return best
}

// weak makes the anchor a pattern that is compared in packets.
func (a *anchor) weak(r *compiled) weak {
	x := weak{num: r.num, from: a.from, to: a.to, max: ^uint32(0), packet: true, nocase: a.nocase, data: a.data}
	x.sizes(r)
	if a.nocase {
		x.data = lowered(a.data)
	}
	return x
}

// lowered returns p with ASCII letters in lower case.
func lowered(p []byte) []byte {
	low := make([]byte, len(p))
	for i, b := range p {
		low[i] = lower(b)
	}
	return low
}

func clip(n uint64) uint32 { return uint32(min(n, 1<<31)) }

func lower(b byte) byte {
	if 'A' <= b && b <= 'Z' {
		b += 'a' - 'A'
	}
	return b
}

// common reports whether a pattern is too short, or has too few distinct bytes, to tell traffic apart.
func common(p []byte) bool {
	if len(p) <= 4 {
		return true
	}
	var seen [256]bool
	n := 0
	for _, b := range p {
		if !seen[b] {
			seen[b] = true
			n++
		}
	}
	return n <= 2
}

// hit looks for the pattern in b, which begins at off of the stream.
func (x *weak) hit(b []byte, off uint64) bool {
	size := uint32(len(b))
	to := x.to
	if off != 0 && to != ^uint32(0) {
		// As a chain does: only the end of the window moves with the stream.
		if uint64(to) <= off {
			return false
		}
		if uint64(to) < off+uint64(size) {
			to -= uint32(off)
		}
	}
	to = min(to, size)
	n := uint32(len(x.data))
	if to < n {
		return false
	}
	first := x.data[0]
	for i := x.from; i <= to-n; i++ {
		c := b[i]
		if x.nocase {
			c = lower(c)
		}
		if c == first && x.same(b[i:i+n]) {
			return true
		}
	}
	return false
}

func (x *weak) same(b []byte) bool {
	if !x.nocase {
		return string(b) == string(x.data)
	}
	for i, c := range b {
		if lower(c) != x.data[i] {
			return false
		}
	}
	return true
}

// weakIndex has the weak patterns of a class: those that can only be at the very begin, in the order of their first bytes, and the
// others.
type weakIndex struct {
	begin []weak
	from  *[257]uint16 // index in begin by first byte; nil if there are none
	other []weak
}

func newWeakIndex(list []weak) (x weakIndex) {
	var by [256][]weak
	n := 0
	put := func(c byte, p weak) {
		by[c] = append(by[c], p)
		n++
	}
	for _, p := range list {
		if p.from != 0 || int(p.to) != len(p.data) || n >= 1<<15 {
			x.other = append(x.other, p)
			continue
		}
		c := p.data[0]
		put(c, p)
		if p.nocase && 'a' <= c && c <= 'z' {
			put(c-('a'-'A'), p)
		}
	}
	if n > 0 {
		x.from = new([257]uint16)
		for c := range by {
			x.begin = append(x.begin, by[c]...)
			x.from[c+1] = uint16(len(x.begin))
		}
	}
	return x
}

func (x *weakIndex) empty() bool { return x.from == nil && len(x.other) == 0 }

// with returns the patterns that begin with c.
func (x *weakIndex) with(c byte) []weak { return x.begin[x.from[c]:x.from[int(c)+1]] }

// weakRules finds the rules of the class whose weak pattern is where it should be.
func (w *Worker) weakRules(u *stream.Unit, cl *class, m mask) {
	p := u.Packet.Payload
	real := len(p) > 0 && !u.Has(stream.Pseudo)
	outside := real && !u.Has(stream.InStream)
	near := w.hasStream && len(w.streamData) > 0 && w.streamOff < weakWindow
	size := uint32(len(p))
	if cl.direct.from != nil {
		if real {
			l := cl.direct.with(p[0])
			for i := range l {
				x := &l[i]
				if (x.packet && size >= x.min && size <= x.max || x.stream && outside) && x.hit(p, 0) {
					w.weakFound(x.num, m)
				}
			}
		}
		if near && w.streamOff == 0 {
			l := cl.direct.with(w.streamData[0])
			for i := range l {
				if x := &l[i]; x.stream && x.hit(w.streamData, 0) {
					w.weakFound(x.num, m)
				}
			}
		}
	}
	for i := range cl.direct.other {
		x := &cl.direct.other[i]
		ok := false
		if x.packet && real && size >= x.min && size <= x.max {
			ok = x.hit(p, 0)
		}
		if !ok && x.stream {
			ok = near && x.hit(w.streamData, w.streamOff) || outside && x.hit(p, 0)
			for k := 0; !ok && k < len(w.moreStream); k++ {
				ok = x.hit(w.moreStream[k].data, w.moreStream[k].offset)
			}
		}
		if ok {
			w.weakFound(x.num, m)
		}
	}
}

// weakFound adds a rule whose weak pattern is there to those that are tried; the same one may come more than once.
func (w *Worker) weakFound(num uint32, m mask) {
	r := w.rs.rules[num]
	if len(r.tx) > 0 {
		w.found = append(w.found, num)
	} else if r.mask&m == r.mask {
		w.candidate(num)
	}
}
