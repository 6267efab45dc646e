package pcapfile

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"time"

	"sentinel/capture"
)

// maxCaptured is the longest frame that is believed: twice what libpcap writes. A longer one means that the file is
// broken at that point, and that everything after it would be noise.
const maxCaptured = 256 << 10

// reader takes records out of one file. Between two calls buf[pos:end] of cur is what was read but not yet parsed.
type reader struct {
	name string
	in   input
	pool pool
	cur  *block
	pos  int
	end  int
	base int64 // offset in the file of the block's first byte
	skip int64 // bytes to leave out before the next record
	eof  bool

	writable bool

	format format
	big    bool // numbers are big-endian
	old    pcap
	ng     pcapng
	last   int64 // time of the last packet
}

// format is the kind of a file.
type format uint8

const (
	unknown format = iota
	classic
	nextGen
)

// reset starts on a new file. The blocks are kept: frames of the last file may still be lent.
func (r *reader) reset(name string, in input) {
	pool, last := r.pool, r.last
	if r.cur != nil && r.cur.lent == 0 {
		pool.free = append(pool.free, r.cur)
	}
	*r = reader{writable: r.writable, name: name, in: in, pool: pool, last: last, ng: pcapng{ifaces: r.ng.ifaces[:0]}}
}

func (r *reader) close() error {
	if r.in == nil {
		return nil
	}
	err := r.in.close()
	r.in = nil
	r.eof = true
	return err
}

func (r *reader) wait() {
	if r.in != nil && !r.eof {
		r.in.wait()
	} else {
		time.Sleep(time.Millisecond)
	}
}

// offset returns how far in the file the next record begins.
func (r *reader) offset() int64 { return r.base + int64(r.pos) }

// failf makes an error about the place that the reader is at.
func (r *reader) failf(kind error, why string, args ...any) error {
	return fmt.Errorf("%s: %w at offset %d: %s", r.name, kind, r.offset(), fmt.Sprintf(why, args...))
}

// need makes sure that n bytes are there to parse. It returns io.EOF if the file ends first, and errWait if they
// may come later.
func (r *reader) need(n int) error {
	for {
		if r.skip > 0 {
			k := min(r.skip, int64(r.end-r.pos))
			r.pos += int(k)
			r.skip -= k
		}
		if r.skip == 0 && r.end-r.pos >= n {
			return nil
		}
		if r.eof {
			return io.EOF
		}
		if err := r.room(n); err != nil {
			return err
		}
		k, err := r.in.read(r.cur.buf[r.end:])
		r.end += k
		switch err {
		case nil:
		case io.EOF:
			r.eof = true
		case errWait:
			return err
		default:
			return fmt.Errorf("%s: cannot read at offset %d: %w", r.name, r.base+int64(r.end), cause(err))
		}
		if r.skip > int64(r.end-r.pos) && !r.eof {
			r.pos, r.skip = r.end, r.skip-int64(r.end-r.pos)
			return errMore
		}
	}
}

// room makes space behind end for the rest of n bytes that begin at pos: in the same block if no frame of it is
// lent, else in another one.
func (r *reader) room(n int) error {
	if r.cur != nil && r.end < len(r.cur.buf) && r.pos+n <= len(r.cur.buf) {
		return nil
	}
	b := r.cur
	if b == nil || b.lent > 0 || len(b.buf) < n {
		if b = r.pool.get(n); b == nil {
			return errWait // the caller must release frames first
		}
	}
	if r.cur == nil {
		r.cur = b
		return nil
	}
	rest := copy(b.buf, r.cur.buf[r.pos:r.end])
	if b != r.cur && r.cur.lent == 0 {
		r.pool.free = append(r.pool.free, r.cur)
	}
	r.base += int64(r.pos)
	r.cur, r.pos, r.end = b, 0, rest
	return nil
}

// next takes the next record out of the file, and puts it into f if it is a packet.
func (r *reader) next(f *capture.Frame) (lent bool, err error) {
	switch r.format {
	case classic:
		return r.nextPacket(f)
	case nextGen:
		return r.nextBlock(f)
	}
	return false, r.header()
}

// lend fills in f: the packet's bytes are n at an offset of skip from the current position. A file is one interface,
// whatever pcapng says: it may have the two directions of a flow from two places.
func (r *reader) lend(f *capture.Frame, skip, n int, wire uint32, at int64, link capture.LinkType) {
	i := r.pos + skip
	*f = capture.Frame{
		Data:    r.cur.buf[i : i+n : i+n],
		Time:    at,
		WireLen: max(wire, uint32(n)),
		Link:    link,
		Token:   r.cur.id,
	}
	if wire > uint32(n) {
		f.Flags |= capture.Truncated
	}
	if r.writable {
		f.Flags |= capture.Writable
	}
	r.cur.lent++
	r.last = at
}

func (r *reader) u16(at int) uint16 {
	b := r.cur.buf[r.pos+at : r.pos+at+2]
	if r.big {
		return binary.BigEndian.Uint16(b)
	}
	return binary.LittleEndian.Uint16(b)
}

func (r *reader) u32(at int) uint32 {
	b := r.cur.buf[r.pos+at : r.pos+at+4]
	if r.big {
		return binary.BigEndian.Uint32(b)
	}
	return binary.LittleEndian.Uint32(b)
}

// header finds out what kind of file this is. It returns io.EOF for an empty file's end only after the format is
// known: a file without any byte is not a capture file.
func (r *reader) header() error {
	if err := r.need(4); err != nil {
		if err == io.EOF {
			return r.failf(ErrFormat, "%d bytes are too few", r.end-r.pos)
		}
		return err
	}
	b := r.cur.buf[r.pos : r.pos+4]
	magic := binary.LittleEndian.Uint32(b)
	if magic == blockSection {
		r.format = nextGen
		return r.firstSection()
	}
	var ok bool
	if r.old, ok = variant(magic); ok {
		return r.fileHeader()
	}
	r.big = true
	if r.old, ok = variant(binary.BigEndian.Uint32(b)); ok {
		return r.fileHeader()
	}
	r.big = false
	switch {
	case b[0] == 0x1f && b[1] == 0x8b:
		return r.failf(ErrFormat, "it is compressed with gzip")
	case magic == 0xfd2fb528:
		return r.failf(ErrFormat, "it is compressed with zstd")
	case magic == 0x184d2204:
		return r.failf(ErrFormat, "it is compressed with lz4")
	}
	return r.failf(ErrFormat, "it begins with % x", b)
}

// satAdd adds without wrapping.
func satAdd(a, b int64) int64 {
	c := a + b
	switch {
	case a > 0 && b > 0 && c < 0:
		return math.MaxInt64
	case a < 0 && b < 0 && c >= 0:
		return math.MinInt64
	}
	return c
}
