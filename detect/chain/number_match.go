package chain

// place returns what is left of the buffer from where a number is read, and its position.
func (c *Ctx) place(b *byteOp) (rest []byte, at int64, ok bool) {
	at = int64(b.offset.n)
	if b.offset.isVar {
		at = int64(int32(uint32(b.offset.value(&c.Vars))))
	}
	if b.relative {
		at += int64(c.pos)
	}
	if len(c.data) == 0 || at < 0 || at > int64(len(c.data)) {
		return nil, 0, false
	}
	return c.data[at:], at, true
}

// count returns how many bytes a number has.
func (c *Ctx) count(b *byteOp) int {
	n := b.bytes.value(&c.Vars)
	if n > maxDigits {
		return -1
	}
	return int(n)
}

func (b *byteOp) masked(v uint64) uint64 {
	if b.hasBitmask {
		v = v & b.bitmask >> b.shift
	}
	return v
}

func (b *byteOp) aligned(v uint64) uint64 {
	if a := uint64(b.align); a != 0 && v%a != 0 {
		v += a - v%a
	}
	return v
}

func (c *Ctx) byteTest(b *byteOp) Verdict {
	rest, _, ok := c.place(b)
	if !ok || b.relative && len(rest) == 0 {
		return NoMatch
	}
	v, _, ok := b.number(rest, c.count(b), b.Little || b.DCE && c.flags&DCELittle != 0)
	if !ok {
		return NoMatch
	}
	v = b.masked(v)
	w := b.value.value(&c.Vars)
	switch b.op {
	case Equal:
		ok = v == w
	case Less:
		ok = v < w
	case Greater:
		ok = v > w
	case LessEqual:
		ok = v <= w
	case GreaterEqual:
		ok = v >= w
	case And:
		ok = v&w != 0
	case Xor:
		ok = v^w != 0
	default:
		return NoMatch
	}
	if ok == b.negated {
		return NoMatch
	}
	return Match
}

func (c *Ctx) byteJump(b *byteOp) Verdict {
	rest, at, ok := c.place(b)
	n := c.count(b)
	if !ok || b.relative && n != 0 && len(rest) == 0 {
		return NoMatch
	}
	v, used, ok := b.number(rest, n, b.Little || b.DCE && c.flags&DCELittle != 0)
	if !ok {
		return NoMatch
	}
	jump := int64(b.aligned(b.masked(v)*b.multiplier)) + b.postOffset
	size := int64(len(c.data))
	var base int64
	switch {
	case b.fromBegin:
	case b.fromEnd:
		base = size
	default:
		base = at + int64(used)
	}
	// base is small: what overflows is beyond the end.
	if jump > size {
		return NoMatch
	}
	to := max(base+max(jump, -size-base), 0)
	if to > size {
		return NoMatch
	}
	c.pos = uint32(to)
	return Match
}

func (c *Ctx) byteExtract(b *byteOp) Verdict {
	rest, at, ok := c.place(b)
	if !ok || b.relative && len(rest) == 0 {
		return NoMatch
	}
	// With dce Suricata reads little-endian whatever the header says.
	v, used, ok := b.number(rest, c.count(b), b.Little || b.DCE)
	if !ok {
		return NoMatch
	}
	c.pos = uint32(at) + uint32(used)
	c.Vars[b.target%MaxVars] = b.aligned(v * b.multiplier)
	return Match
}

func (c *Ctx) byteMath(b *byteOp) Verdict {
	rest, at, ok := c.place(b)
	n := c.count(b)
	if !ok || b.relative && len(rest) == 0 || n < 1 || n > 10 || n > 4 && !b.String {
		return NoMatch
	}
	v, used, ok := b.number(rest, n, b.Little || b.DCE && c.flags&DCEBig == 0)
	if !ok {
		return NoMatch
	}
	w := b.value.value(&c.Vars)
	switch b.op {
	case Add:
		v += w
	case Subtract:
		v -= w
	case Divide:
		if w == 0 {
			return NoMatch
		}
		v /= w
	case Multiply:
		v *= w
	case ShiftLeft:
		v <<= w
	case ShiftRight:
		v >>= w
	}
	c.pos = uint32(at) + uint32(used)
	c.Vars[b.target%MaxVars] = b.masked(v)
	return Match
}
