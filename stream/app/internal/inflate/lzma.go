package inflate

// lzma decodes the .lzma container (LZMA SDK, lzma-specification). It wants to see the longest possible symbol before it
// decodes one, so that it never has to stop in the middle; at the stream's end the rest is decoded by finish.
type lzma struct {
	buf   []byte // input not yet used
	pos   int
	state uint8 // 0 header, 1 data, 2 ended, 3 damaged
	limit uint32

	lc, lp, pb uint
	dictSize   uint32
	size       uint64 // what is left; unknown = all bits set
	sized      bool

	dict []byte
	w    int
	from int
	full bool

	code, rng uint32
	st        uint32
	rep       [4]uint32
	short     bool // the input ran out inside a symbol

	lit        []uint16
	isMatch    [12 << 4]uint16
	isRep      [12]uint16
	isRepG0    [12]uint16
	isRepG1    [12]uint16
	isRepG2    [12]uint16
	isRep0Long [12 << 4]uint16
	posSlot    [4][64]uint16
	posSpecial [115]uint16
	align      [16]uint16
	lens, reps lengthCoder
	copyLen    uint32
	total      uint32 // bytes decoded, for the position bits
}

type lengthCoder struct {
	choice, choice2 uint16
	low, mid        [16][8]uint16
	high            [256]uint16
}

const (
	lzmaHeader  = 13
	lzmaInit    = 5  // bytes of the range coder's start
	lzmaSymbol  = 24 // no symbol needs more bytes of input
	lzmaHalf    = 1024
	lzmaMaxDict = 1 << 20
)

func (z *lzma) reset(limit uint32) {
	if limit == 0 || limit > 64<<20 {
		limit = lzmaMaxDict
	}
	z.buf, z.pos, z.state, z.limit = z.buf[:0], 0, 0, limit
	z.w, z.from, z.full, z.copyLen, z.total, z.st, z.short = 0, 0, false, 0, 0, 0, false
	z.rep = [4]uint32{}
}

func half(p []uint16) {
	for i := range p {
		p[i] = lzmaHalf
	}
}

func (l *lengthCoder) reset() {
	l.choice, l.choice2 = lzmaHalf, lzmaHalf
	for i := range l.low {
		half(l.low[i][:])
		half(l.mid[i][:])
	}
	half(l.high[:])
}

// header reads properties, dictionary size and length, and the first bytes of the range coder.
func (z *lzma) header(b []byte) bool {
	d := uint(b[0])
	if d >= 225 {
		return false
	}
	z.lc, d = d%9, d/9
	z.lp, z.pb = d%5, d/5
	z.dictSize = max(4096, uint32(b[1])|uint32(b[2])<<8|uint32(b[3])<<16|uint32(b[4])<<24)
	z.size = 0
	for i := 0; i < 8; i++ {
		z.size |= uint64(b[5+i]) << (8 * i)
	}
	z.sized = z.size != ^uint64(0)
	if b[13] != 0 {
		return false
	}
	z.rng = ^uint32(0)
	z.code = uint32(b[14])<<24 | uint32(b[15])<<16 | uint32(b[16])<<8 | uint32(b[17])
	// The window is never larger than the limit; a distance beyond it ends the stream as the limit demands.
	n := int(min(z.dictSize, z.limit))
	if cap(z.dict) < n {
		z.dict = make([]byte, n)
	}
	z.dict = z.dict[:n]
	k := 0x300 << (z.lc + z.lp)
	if cap(z.lit) < k {
		z.lit = make([]uint16, k)
	}
	z.lit = z.lit[:k]
	half(z.lit)
	half(z.isMatch[:])
	half(z.isRep[:])
	half(z.isRepG0[:])
	half(z.isRepG1[:])
	half(z.isRepG2[:])
	half(z.isRep0Long[:])
	for i := range z.posSlot {
		half(z.posSlot[i][:])
	}
	half(z.posSpecial[:])
	half(z.align[:])
	z.lens.reset()
	z.reps.reset()
	return true
}

func (z *lzma) decode(src []byte) ([]byte, int, Status) {
	n := len(src)
	if z.pos > 0 {
		z.buf = z.buf[:copy(z.buf, z.buf[z.pos:])]
		z.pos = 0
	}
	z.buf = append(z.buf, src...)
	st := z.run(false)
	if st == Full && len(z.buf)-z.pos > 0 {
		return z.take(), n, Full
	}
	return z.take(), n, st
}

// finish decodes what was kept back for want of input. Call it until it is not Full.
func (z *lzma) finish() ([]byte, Status) {
	st := z.run(true)
	return z.take(), st
}

func (z *lzma) take() []byte {
	b := z.dict[z.from:z.w:z.w]
	if z.w == len(z.dict) && z.w > 0 {
		z.w, z.full = 0, true
	}
	z.from = z.w
	return b
}

func (z *lzma) run(end bool) Status {
	for {
		switch z.state {
		case 0:
			if len(z.buf) < lzmaHeader+lzmaInit {
				return More
			}
			if !z.header(z.buf) {
				z.state = 3
				continue
			}
			z.pos = lzmaHeader + lzmaInit
			z.state = 1
		case 1:
			if z.w == len(z.dict) {
				return Full
			}
			if z.copyLen > 0 {
				z.copyMatch()
				continue
			}
			if z.sized && z.size == 0 {
				z.state = 2
				continue
			}
			if len(z.buf)-z.pos < lzmaSymbol && !end {
				return More
			}
			if !z.symbol() {
				if z.short {
					return More
				}
				if z.state == 1 {
					z.state = 3
				}
			}
		case 2:
			return Done
		default:
			return Corrupt
		}
	}
}

func (z *lzma) bit(p *uint16) uint32 {
	v := uint32(*p)
	bound := (z.rng >> 11) * v
	var b uint32
	if z.code < bound {
		*p = uint16(v + (2048-v)>>5)
		z.rng = bound
	} else {
		*p = uint16(v - v>>5)
		z.code -= bound
		z.rng -= bound
		b = 1
	}
	z.norm()
	return b
}

func (z *lzma) norm() {
	if z.rng >= 1<<24 {
		return
	}
	z.rng <<= 8
	var v uint32
	if z.pos < len(z.buf) {
		v = uint32(z.buf[z.pos])
		z.pos++
	} else {
		z.short = true
	}
	z.code = z.code<<8 | v
}

func (z *lzma) direct(n uint) uint32 {
	v := uint32(0)
	for ; n > 0; n-- {
		z.rng >>= 1
		z.code -= z.rng
		t := 0 - z.code>>31
		z.code += z.rng & t
		v = v<<1 + t + 1
		z.norm()
	}
	return v
}

func (z *lzma) tree(p []uint16, bits uint) uint32 {
	m := uint32(1)
	for i := uint(0); i < bits; i++ {
		m = m<<1 | z.bit(&p[m])
	}
	return m - 1<<bits
}

func (z *lzma) reverseTree(p []uint16, bits uint) uint32 {
	m, v := uint32(1), uint32(0)
	for i := uint(0); i < bits; i++ {
		b := z.bit(&p[m])
		m = m<<1 | b
		v |= b << i
	}
	return v
}

func (z *lzma) length(l *lengthCoder, pos uint32) uint32 {
	if z.bit(&l.choice) == 0 {
		return z.tree(l.low[pos][:], 3)
	}
	if z.bit(&l.choice2) == 0 {
		return 8 + z.tree(l.mid[pos][:], 3)
	}
	return 16 + z.tree(l.high[:], 8)
}

// back returns the byte at a distance, from 1.
func (z *lzma) back(d uint32) byte {
	i := z.w - int(d)
	if i < 0 {
		i += len(z.dict)
	}
	if i < 0 {
		return 0
	}
	return z.dict[i]
}

func (z *lzma) has(d uint32) bool {
	return uint64(d) <= uint64(z.w) || z.full && uint64(d) <= uint64(len(z.dict))
}

func (z *lzma) put(b byte) {
	z.dict[z.w] = b
	z.w++
	z.size--
	z.total++
}

func (z *lzma) copyMatch() {
	for z.copyLen > 0 && z.w < len(z.dict) {
		if z.sized && z.size == 0 {
			z.copyLen = 0
			return
		}
		z.put(z.back(z.rep[0] + 1))
		z.copyLen--
	}
}

// symbol decodes one symbol. It reports false for damage, the end, or when the input ran out; then nothing is put out.
func (z *lzma) symbol() bool {
	pos := z.total & (1<<z.pb - 1)
	if z.bit(&z.isMatch[z.st<<4+pos]) == 0 {
		return z.literal()
	}
	var n uint32
	if z.bit(&z.isRep[z.st]) != 0 {
		if z.total == 0 {
			return false
		}
		if z.bit(&z.isRepG0[z.st]) == 0 {
			if z.bit(&z.isRep0Long[z.st<<4+pos]) == 0 {
				if z.short || !z.has(z.rep[0]+1) {
					return false
				}
				if z.st < 7 {
					z.st = 9
				} else {
					z.st = 11
				}
				z.put(z.back(z.rep[0] + 1))
				return true
			}
		} else {
			var d uint32
			if z.bit(&z.isRepG1[z.st]) == 0 {
				d = z.rep[1]
			} else {
				if z.bit(&z.isRepG2[z.st]) == 0 {
					d = z.rep[2]
				} else {
					d = z.rep[3]
					z.rep[3] = z.rep[2]
				}
				z.rep[2] = z.rep[1]
			}
			z.rep[1] = z.rep[0]
			z.rep[0] = d
		}
		n = z.length(&z.reps, pos)
		if z.st < 7 {
			z.st = 8
		} else {
			z.st = 11
		}
	} else {
		z.rep[3], z.rep[2], z.rep[1] = z.rep[2], z.rep[1], z.rep[0]
		n = z.length(&z.lens, pos)
		if z.st < 7 {
			z.st = 7
		} else {
			z.st = 10
		}
		z.rep[0] = z.distance(n)
		if z.rep[0] == ^uint32(0) && !z.short {
			z.state = 2 // the end marker
			return false
		}
	}
	if z.short || !z.has(z.rep[0]+1) {
		return false
	}
	z.copyLen = n + 2
	return true
}

func (z *lzma) literal() bool {
	prev := uint32(0)
	if z.total > 0 {
		prev = uint32(z.back(1))
	}
	at := 0x300 * ((z.total&(1<<z.lp-1))<<z.lc + prev>>(8-z.lc))
	p := z.lit[at : at+0x300]
	m := uint32(1)
	if z.st >= 7 {
		match := uint32(z.back(z.rep[0] + 1))
		for m < 0x100 {
			mb := match >> 7 & 1
			match <<= 1
			b := z.bit(&p[(1+mb)<<8+m])
			m = m<<1 | b
			if mb != b {
				break
			}
		}
	}
	for m < 0x100 {
		m = m<<1 | z.bit(&p[m])
	}
	if z.short {
		return false
	}
	switch {
	case z.st < 4:
		z.st = 0
	case z.st < 10:
		z.st -= 3
	default:
		z.st -= 6
	}
	z.put(byte(m))
	return true
}

func (z *lzma) distance(n uint32) uint32 {
	slot := z.tree(z.posSlot[min(n, 3)][:], 6)
	if slot < 4 {
		return slot
	}
	bits := uint(slot>>1 - 1)
	d := (2 | slot&1) << bits
	if slot < 14 {
		// The special position codes of one slot begin one before their first entry, because trees count from 1.
		return d + z.reverseTree(z.posSpecial[d-slot:], bits)
	}
	d += z.direct(bits-4) << 4
	return d + z.reverseTree(z.align[:], 4)
}
