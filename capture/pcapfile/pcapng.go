package pcapfile

import (
	"encoding/binary"
	"io"
	"math"
	"math/bits"

	"sentinel/capture"
)

// Block types of pcapng (draft-ietf-opsawg-pcapng) that carry or explain packets. All others are left out.
const (
	blockSection   = 0x0a0d0d0a
	blockInterface = 1
	blockPacket    = 2 // obsolete
	blockSimple    = 3
	blockEnhanced  = 6
)

const (
	byteOrderMagic = 0x1a2b3c4d
	optEnd         = 0
	optTSResol     = 9
	optTSOffset    = 14

	sectionLen = 28 // of the shortest section header block
	packetHead = 28 // of packet and enhanced packet block, up to the data
	simpleHead = 12

	// maxInterfaces bounds the memory that a section can ask for.
	maxInterfaces = 1 << 16
	// maxDescription bounds the part of an interface's block whose options are read.
	maxDescription = 64 << 10
)

// pcapng is what the present section of the file has said.
type pcapng struct {
	ifaces []iface
}

// iface is an interface of a section.
type iface struct {
	link   capture.LinkType
	snap   uint32 // 0 means no limit
	offset int64  // nanoseconds to add to times
	base2  bool
	exp    uint8  // a tick is 10^-exp or 2^-exp seconds
	mul    uint64 // nanoseconds a tick, for exp ≤ 9 of base 10
}

// firstSection checks that the file is really a pcapng file. The block itself is taken by nextBlock.
func (r *reader) firstSection() error {
	if err := r.need(sectionLen); err != nil {
		if err == io.EOF {
			return r.failf(ErrTruncated, "the section header has %d of %d bytes", r.end-r.pos, sectionLen)
		}
		r.format = unknown
		return err
	}
	magic := binary.LittleEndian.Uint32(r.cur.buf[r.pos+8:])
	if magic != byteOrderMagic && bits.ReverseBytes32(magic) != byteOrderMagic {
		return r.failf(ErrFormat, "no byte order in the section header")
	}
	return nil
}

// nextBlock takes a block of a pcapng file.
func (r *reader) nextBlock(f *capture.Frame) (bool, error) {
	if r.end-r.pos < 12 || r.skip > 0 {
		if err := r.need(12); err != nil {
			if err == io.EOF && (r.pos < r.end || r.skip > 0) {
				return false, r.failf(ErrTruncated, "the last block has %d bytes", r.end-r.pos)
			}
			return false, err
		}
	}
	typ := r.u32(0)
	if typ == blockSection {
		switch magic := binary.LittleEndian.Uint32(r.cur.buf[r.pos+8:]); {
		case magic == byteOrderMagic:
			r.big = false
		case bits.ReverseBytes32(magic) == byteOrderMagic:
			r.big = true
		default:
			return false, r.failf(ErrCorrupt, "no byte order in a section header")
		}
	}
	total := r.u32(4)
	if total < 12 || total%4 != 0 {
		return false, r.failf(ErrCorrupt, "a block of %d bytes", total)
	}
	switch typ {
	case blockEnhanced, blockPacket:
		return r.packet(f, typ, total)
	case blockSimple:
		return r.simple(f, total)
	case blockInterface:
		return false, r.describe(total)
	case blockSection:
		return false, r.section(total)
	}
	r.leave(0, total)
	return false, nil
}

// leave goes to the next block, done bytes of total being there already.
func (r *reader) leave(done int, total uint32) {
	r.pos += done
	r.skip = int64(total) - int64(done)
	if k := int64(r.end - r.pos); r.skip <= k {
		r.pos += int(r.skip)
		r.skip = 0
	}
}

// body makes sure that the first n bytes of a block of total bytes are there.
func (r *reader) body(n int, total uint32) error {
	if uint64(total) < uint64(n)+4 { // the length is repeated at the end
		return r.failf(ErrCorrupt, "a block of %d bytes is too short for its type", total)
	}
	if r.end-r.pos >= n {
		return nil
	}
	err := r.need(n)
	if err == io.EOF {
		return r.failf(ErrTruncated, "the last block has %d of %d bytes", r.end-r.pos, total)
	}
	return err
}

func (r *reader) section(total uint32) error {
	if err := r.body(sectionLen-4, total); err != nil {
		return err
	}
	if major := r.u16(12); major != 1 {
		return r.failf(ErrCorrupt, "version %d.%d of pcapng is not known", major, r.u16(14))
	}
	r.ng.ifaces = r.ng.ifaces[:0]
	r.leave(sectionLen-4, total)
	return nil
}

func (r *reader) describe(total uint32) error {
	if total < 20 {
		return r.failf(ErrCorrupt, "an interface description of %d bytes", total)
	}
	n := int(min(total, maxDescription)) - 4
	if err := r.body(n, total); err != nil {
		return err
	}
	if len(r.ng.ifaces) >= maxInterfaces {
		return r.failf(ErrCorrupt, "more than %d interfaces in a section", maxInterfaces)
	}
	i := iface{link: capture.LinkType(r.u16(8)), snap: r.u32(12), exp: 6, mul: 1000}
	for at := 16; at+4 <= n; {
		code, l := r.u16(at), int(r.u16(at+2))
		at += 4
		if code == optEnd || l > n-at {
			break
		}
		switch {
		case code == optTSResol && l == 1:
			i.resolution(r.cur.buf[r.pos+at])
		case code == optTSOffset && l == 8:
			i.offset = r.seconds(at)
		}
		at += (l + 3) &^ 3
	}
	r.ng.ifaces = append(r.ng.ifaces, i)
	r.leave(n, total)
	return nil
}

// resolution takes the option if_tsresol: a negative power of 10, or of 2 if the highest bit is set.
func (i *iface) resolution(b byte) {
	i.base2, i.exp, i.mul = b&0x80 != 0, b&0x7f, 0
	if !i.base2 && i.exp <= 9 {
		i.mul = pow10(9 - i.exp)
	}
}

// pow10 returns 10^n for n ≤ 19.
func pow10(n uint8) uint64 {
	p := uint64(1)
	for range n {
		p *= 10
	}
	return p
}

// seconds reads a signed number of seconds at an offset from the position, as nanoseconds.
func (r *reader) seconds(at int) int64 {
	var s int64
	if r.big {
		s = int64(binary.BigEndian.Uint64(r.cur.buf[r.pos+at:]))
	} else {
		s = int64(binary.LittleEndian.Uint64(r.cur.buf[r.pos+at:]))
	}
	const limit = math.MaxInt64 / int64(1e9)
	return max(min(s, limit), -limit) * 1e9
}

// time turns ticks into nanoseconds since 1970. What is out of range becomes the nearest time that is not.
func (i *iface) time(ticks uint64) int64 {
	var hi, lo uint64
	switch {
	case i.mul != 0:
		hi, lo = bits.Mul64(ticks, i.mul)
	case i.base2:
		hi, lo = bits.Mul64(ticks, 1e9)
		if i.exp >= 64 {
			hi, lo = 0, hi>>(i.exp-64)
		} else {
			hi, lo = hi>>i.exp, lo>>i.exp|hi<<(64-i.exp)
		}
	case i.exp-9 <= 19:
		lo = ticks / pow10(i.exp-9)
	}
	if hi != 0 || lo > math.MaxInt64 {
		lo = math.MaxInt64
	}
	return satAdd(int64(lo), i.offset)
}

// packet takes an enhanced packet block, or the obsolete packet block, which differs in the first word only.
func (r *reader) packet(f *capture.Frame, typ, total uint32) (bool, error) {
	if err := r.body(packetHead, total); err != nil {
		return false, err
	}
	id := r.u32(8)
	if typ == blockPacket {
		id = uint32(r.u16(8))
	}
	captured, wire := r.u32(20), r.u32(24)
	if captured > maxCaptured {
		return false, r.failf(ErrCorrupt, "a packet of %d bytes, more than %d", captured, maxCaptured)
	}
	if id >= uint32(len(r.ng.ifaces)) {
		return false, r.failf(ErrCorrupt, "a packet of interface %d, which is not described", id)
	}
	n := int(captured)
	if err := r.body(packetHead+n, total); err != nil {
		return false, err
	}
	i := &r.ng.ifaces[id]
	at := i.time(uint64(r.u32(12))<<32 | uint64(r.u32(16)))
	r.lend(f, packetHead, n, wire, at, i.link)
	r.leave(packetHead+n, total)
	return true, nil
}

// simple takes a simple packet block: it is of the section's first interface and has no time of its own, so it gets
// that of the packet before it.
func (r *reader) simple(f *capture.Frame, total uint32) (bool, error) {
	if err := r.body(simpleHead, total); err != nil {
		return false, err
	}
	if len(r.ng.ifaces) == 0 {
		return false, r.failf(ErrCorrupt, "a packet before any interface is described")
	}
	i := &r.ng.ifaces[0]
	wire := r.u32(8)
	captured := min(wire, total-simpleHead-4)
	if i.snap != 0 {
		captured = min(captured, i.snap)
	}
	if captured > maxCaptured {
		return false, r.failf(ErrCorrupt, "a packet of %d bytes, more than %d", captured, maxCaptured)
	}
	n := int(captured)
	if err := r.body(simpleHead+n, total); err != nil {
		return false, err
	}
	r.lend(f, simpleHead, n, wire, r.last, i.link)
	r.leave(simpleHead+n, total)
	return true, nil
}
