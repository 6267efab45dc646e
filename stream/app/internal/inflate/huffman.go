package inflate

// fastBits is how many bits of a code the table resolves in one look-up; longer codes are rare and walked bit by bit.
const fastBits = 9

// table decodes one canonical Huffman code (RFC 1951, 3.2.2).
type table struct {
	fast  [1 << fastBits]uint16 // symbol<<4 | length; 0 = the code is longer, or not used
	count [16]uint16            // codes by length
	syms  [288]uint16           // symbols by code
	max   uint                  // longest code
}

// build makes the table from code lengths. It reports false for a set of lengths that is over-subscribed, or incomplete
// with more than one code.
func (t *table) build(lens []uint8) bool {
	t.count = [16]uint16{}
	for _, l := range lens {
		t.count[l&15]++
	}
	used := len(lens) - int(t.count[0])
	t.count[0] = 0
	left := 1
	t.max = 0
	var offs [16]uint16
	var next [16]uint32
	code := uint32(0)
	for l := 1; l < 16; l++ {
		left = left<<1 - int(t.count[l])
		if left < 0 {
			return false
		}
		if l < 15 {
			offs[l+1] = offs[l] + t.count[l]
		}
		code = (code + uint32(t.count[l-1])) << 1
		next[l] = code
		if t.count[l] > 0 {
			t.max = uint(l)
		}
	}
	if left > 0 && used > 1 {
		return false
	}
	clear(t.fast[:])
	for s, l := range lens {
		if l == 0 {
			continue
		}
		t.syms[offs[l]] = uint16(s)
		offs[l]++
		c := next[l]
		next[l]++
		if l > fastBits {
			continue
		}
		// Codes come most significant bit first, while the bit buffer is read from its low end.
		r := reverse(c, uint(l))
		e := uint16(s)<<4 | uint16(l)
		for i := r; i < 1<<fastBits; i += 1 << l {
			t.fast[i] = e
		}
	}
	return true
}

func reverse(c uint32, n uint) uint32 {
	r := uint32(0)
	for ; n > 0; n-- {
		r = r<<1 | c&1
		c >>= 1
	}
	return r
}

// slow walks a code that the fast table does not hold. n is 0 when no code begins so, or the bits do not suffice.
func (t *table) slow(hold uint64) (sym uint16, n uint) {
	code, first, index := 0, 0, 0
	for l := uint(1); l <= t.max; l++ {
		code |= int(hold & 1)
		hold >>= 1
		c := int(t.count[l])
		if code-c < first {
			return t.syms[index+code-first], l
		}
		index += c
		first = (first + c) << 1
		code <<= 1
	}
	return 0, 0
}

// look returns the symbol that the low bits of hold begin with, and its length; length 0 = no such code.
func (t *table) look(hold uint64) (sym uint16, n uint) {
	if e := t.fast[hold&(1<<fastBits-1)]; e != 0 {
		return e >> 4, uint(e & 15)
	}
	return t.slow(hold)
}

var fixedLit, fixedDist = fixed()

func fixed() (*table, *table) {
	var l [288]uint8
	for i := range l {
		switch {
		case i < 144:
			l[i] = 8
		case i < 256:
			l[i] = 9
		case i < 280:
			l[i] = 7
		default:
			l[i] = 8
		}
	}
	lit, dist := new(table), new(table)
	lit.build(l[:])
	var d [32]uint8
	for i := range d {
		d[i] = 5
	}
	dist.build(d[:])
	return lit, dist
}
