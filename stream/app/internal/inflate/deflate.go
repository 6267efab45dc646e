package inflate

import "encoding/binary"

// Status is how a call of Decode ended.
type Status uint8

// The outcomes of Decode.
const (
	More    Status = iota // all input was taken, more is needed
	Full                  // the window must be emptied: call again with the rest of the input
	Done                  // the stream has ended; what follows is not part of it
	Corrupt               // damage: the output before it is good
)

const windowSize = 1 << 15

type deflateState uint8

const (
	blockHeader deflateState = iota
	storedLength
	storedData
	dynamicHeader
	lengthCodes
	codes
	symbols
	ended
	damaged
)

// deflate decodes raw deflate data (RFC 1951). The window is a ring: output is handed out when it wraps, and at the end of
// the input.
type deflate struct {
	win  []byte
	w    int // where the next byte goes
	from int // first byte not handed out yet
	wrap bool

	hold uint64
	nb   uint

	state deflateState
	last  bool
	left  int // bytes of a stored block, or of a match whose copy the end of the window cut
	dist  int

	nlit, ndist, nlen, idx int
	lens                   [320]uint8
	lit, dst               *table
	ownLit, ownDist        table
	lencode                table
}

func (z *deflate) reset() {
	if z.win == nil {
		z.win = make([]byte, windowSize)
	}
	z.w, z.from, z.wrap = 0, 0, false
	z.hold, z.nb = 0, 0
	z.state, z.last, z.left, z.dist = blockHeader, false, 0, 0
}

var lengthBase = [31]uint16{3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131,
	163, 195, 227, 258}
var lengthExtra = [31]uint8{0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0}
var distBase = [32]uint16{1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049,
	3073, 4097, 6145, 8193, 12289, 16385, 24577}
var distExtra = [32]uint8{0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13}
var lengthOrder = [19]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}

// decode takes from src and returns new output, which is valid until the next call, and how much of src it took.
func (z *deflate) decode(src []byte) (out []byte, n int, st Status) {
	p := 0
	for {
		// Fill the bit buffer: at least 56 bits while there is input, and no decision below needs more than 48.
		for z.nb <= 56 && p < len(src) {
			z.hold |= uint64(src[p]) << z.nb
			z.nb += 8
			p++
		}
		switch z.state {
		case blockHeader:
			if z.last {
				z.state = ended
				continue
			}
			if z.nb < 3 {
				return z.take(), p, More
			}
			z.last = z.hold&1 != 0
			kind := z.hold >> 1 & 3
			z.drop(3)
			switch kind {
			case 0:
				z.drop(z.nb & 7)
				z.state = storedLength
			case 1:
				z.lit, z.dst = fixedLit, fixedDist
				z.state = symbols
			case 2:
				z.state = dynamicHeader
			default:
				z.state = damaged
			}
		case storedLength:
			if z.nb < 32 {
				return z.take(), p, More
			}
			if uint16(z.hold) != ^uint16(z.hold>>16) {
				z.state = damaged
				continue
			}
			z.left = int(uint16(z.hold))
			z.drop(32)
			z.state = storedData
		case storedData:
			for z.left > 0 && z.nb >= 8 {
				if z.w == windowSize {
					return z.turn(), p, Full
				}
				z.win[z.w] = byte(z.hold)
				z.w++
				z.left--
				z.drop(8)
			}
			for z.left > 0 && p < len(src) {
				if z.w == windowSize {
					return z.turn(), p, Full
				}
				c := copy(z.win[z.w:], src[p:min(len(src), p+z.left)])
				z.w += c
				z.left -= c
				p += c
			}
			if z.left > 0 {
				return z.take(), p, More
			}
			z.state = blockHeader
		case dynamicHeader:
			if z.nb < 14 {
				return z.take(), p, More
			}
			z.nlit, z.ndist, z.nlen = int(z.hold&31)+257, int(z.hold>>5&31)+1, int(z.hold>>10&15)+4
			z.drop(14)
			if z.nlit > 286 || z.ndist > 30 {
				z.state = damaged
				continue
			}
			z.idx = 0
			clear(z.lens[:19])
			z.state = lengthCodes
		case lengthCodes:
			for z.idx < z.nlen && z.nb >= 3 {
				z.lens[lengthOrder[z.idx]] = uint8(z.hold & 7)
				z.idx++
				z.drop(3)
			}
			if z.idx < z.nlen {
				if p == len(src) {
					return z.take(), p, More
				}
				continue
			}
			if !z.lencode.build(z.lens[:19]) {
				z.state = damaged
				continue
			}
			z.idx = 0
			z.state = codes
		case codes:
			ok, more := z.readCodes()
			if !ok {
				z.state = damaged
			} else if more && p == len(src) {
				return z.take(), p, More
			}
		case symbols:
			var full bool
			p, full, st = z.run(src, p)
			if full {
				return z.turn(), p, Full
			}
			if st == More {
				return z.take(), p, More
			}
		case ended:
			// Whole bytes that are left in the buffer belong to what follows; they came from src.
			give := min(int(z.nb/8), p)
			z.nb, z.hold = 0, 0
			return z.take(), p - give, Done
		default:
			return z.take(), p, Corrupt
		}
	}
}

func (z *deflate) drop(n uint) {
	z.hold >>= n
	z.nb -= n
}

// take hands out what is new, up to the write position.
func (z *deflate) take() []byte {
	b := z.win[z.from:z.w:z.w]
	z.from = z.w
	return b
}

// turn hands out what is new up to the window's end and goes on at its start.
func (z *deflate) turn() []byte {
	b := z.win[z.from:windowSize:windowSize]
	z.w, z.from, z.wrap = 0, 0, true
	return b
}

// readCodes reads code lengths of the dynamic block's two codes. more says that the bits did not suffice.
func (z *deflate) readCodes() (ok, more bool) {
	total := z.nlit + z.ndist
	for z.idx < total {
		sym, n := z.lencode.look(z.hold)
		if n == 0 && z.nb >= 7 {
			return false, false
		}
		if n == 0 || n > z.nb {
			return true, true
		}
		if sym < 16 {
			z.lens[z.idx] = uint8(sym)
			z.idx++
			z.drop(n)
			continue
		}
		extra, base, prev := uint(2), 3, uint8(0)
		switch sym {
		case 16:
			if z.idx == 0 {
				return false, false
			}
			prev = z.lens[z.idx-1]
		case 17:
			extra = 3
		default:
			extra, base = 7, 11
		}
		if n+extra > z.nb {
			return true, true
		}
		rep := base + int(z.hold>>n&(1<<extra-1))
		if z.idx+rep > total {
			return false, false
		}
		for ; rep > 0; rep-- {
			z.lens[z.idx] = prev
			z.idx++
		}
		z.drop(n + extra)
	}
	if z.lens[256] == 0 {
		return false, false // a block that cannot end
	}
	if !z.ownLit.build(z.lens[:z.nlit]) || !z.ownDist.build(z.lens[z.nlit:total]) {
		return false, false
	}
	z.lit, z.dst = &z.ownLit, &z.ownDist
	z.state = symbols
	return true, false
}

// run decodes symbols until the block, the input or the window ends. A match is decoded as one unit: when its bits are not
// all there, nothing of it is taken.
func (z *deflate) run(src []byte, p int) (int, bool, Status) {
	hold, nb, w := z.hold, z.nb, z.w
	lit, dst, win := z.lit, z.dst, z.win
	left, dist := z.left, z.dist
	full := false
	st := Done // of this block, for now
loop:
	for {
		for left > 0 {
			if w == windowSize {
				full = true
				break loop
			}
			at := w - dist
			end := min(windowSize, w+left)
			if at < 0 {
				at += windowSize
				end = min(end, w+windowSize-at)
			}
			if dist >= end-w || at > w {
				c := copy(win[w:end], win[at:])
				w += c
				left -= c
				continue
			}
			for i := w; i < end; i++ {
				win[i] = win[at]
				at++
			}
			left -= end - w
			w = end
		}
		if nb < 48 {
			if len(src)-p >= 8 {
				hold |= binary.LittleEndian.Uint64(src[p:]) << nb
				k := (63 - nb) >> 3
				p += int(k)
				nb += k * 8
				hold &= 1<<nb - 1
			} else {
				for nb <= 56 && p < len(src) {
					hold |= uint64(src[p]) << nb
					nb += 8
					p++
				}
			}
		}
		sym, n := lit.look(hold)
		if n == 0 || n > nb {
			if nb < 15 && p == len(src) {
				st = More
			} else {
				z.state = damaged
			}
			break
		}
		if sym < 256 {
			if w == windowSize {
				full = true
				break
			}
			win[w] = byte(sym)
			w++
			hold >>= n
			nb -= n
			continue
		}
		if sym == 256 {
			hold >>= n
			nb -= n
			z.state = blockHeader
			break
		}
		sym -= 257
		if sym > 28 {
			z.state = damaged
			break
		}
		used := n + uint(lengthExtra[sym])
		length := int(lengthBase[sym]) + int(hold>>n&(1<<lengthExtra[sym]-1))
		var ds uint16
		ds, n = dst.look(hold >> used)
		if n == 0 || used+n > nb {
			if nb < used+15 && p == len(src) {
				st = More
			} else {
				z.state = damaged
			}
			break
		}
		used += n
		if ds > 29 {
			z.state = damaged
			break
		}
		d := int(distBase[ds]) + int(hold>>used&(1<<distExtra[ds]-1))
		used += uint(distExtra[ds])
		if used > nb {
			st = More
			break
		}
		if d > w && !z.wrap {
			z.state = damaged
			break
		}
		hold >>= used
		nb -= used
		left, dist = length, d
	}
	z.hold, z.nb, z.w = hold, nb, w
	z.left, z.dist = left, dist
	return p, full, st
}
