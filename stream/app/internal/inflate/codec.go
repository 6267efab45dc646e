package inflate

import (
	"errors"

	"github.com/andybalholm/brotli"
)

// Kind is a compressed format.
type Kind uint8

// The formats.
const (
	Deflate Kind = iota // raw (RFC 1951)
	Zlib                // RFC 1950; the checksum is not looked at
	Gzip                // RFC 1952; neither is its trailer
	Brotli              // RFC 7932
	LZMA                // the .lzma container
)

// Codec decodes one stream of one of the formats. The zero Codec must be Reset before use; its memory is kept for the next
// stream.
type Codec struct {
	kind  Kind
	head  headState
	flags uint8
	count int // of the header's current part
	took  int // bytes of a gzip header that ended in the last call
	z     deflate
	b     *brotliSource
	l     lzma
}

// Reset begins a stream. limit bounds the memory that an LZMA stream may ask for, in bytes.
func (c *Codec) Reset(k Kind, limit uint32) {
	c.kind, c.head, c.flags, c.count, c.took = k, headMagic, 0, 0, 0
	switch k {
	case Brotli:
		if c.b == nil {
			c.b = &brotliSource{out: make([]byte, 8192)}
			c.b.r = brotli.NewReader(c.b)
		} else {
			c.b.in, c.b.done = nil, false
			_ = c.b.r.Reset(c.b)
		}
	case LZMA:
		c.l.reset(limit)
	default:
		c.z.reset()
	}
}

// Decode decompresses from src. out is valid until the next call; n is how much of src was taken. Call it again with the
// rest while the status is Full. After Done and Corrupt the stream is over.
func (c *Codec) Decode(src []byte) (out []byte, n int, st Status) {
	c.took = 0
	switch c.kind {
	case Brotli:
		return c.b.decode(src)
	case LZMA:
		return c.l.decode(src)
	case Zlib, Gzip:
		if c.head != headDone {
			var ok bool
			if c.kind == Gzip {
				n, ok = c.gzipHeader(src)
			} else {
				n, ok = c.zlibHeader(src)
			}
			if !ok {
				return nil, n, Corrupt
			}
			if c.head != headDone {
				return nil, n, More
			}
			if c.kind == Gzip {
				c.took = n
			}
		}
	}
	out, m, st := c.z.decode(src[n:])
	return out, n + m, st
}

// Header is how many bytes of the last call's input ended a gzip header.
func (c *Codec) Header() int { return c.took }

// Finish hands out what could not be decoded before the end of the input was known. Call it again while the status is Full.
func (c *Codec) Finish() (out []byte, st Status) {
	if c.kind == LZMA {
		return c.l.finish()
	}
	return nil, Done
}

type headState uint8

const (
	headMagic headState = iota // the ten fixed bytes of gzip, the two of zlib
	headExtraLen
	headExtra
	headName
	headComment
	headCRC
	headDone
)

// zlibHeader reads the two bytes of RFC 1950.
func (c *Codec) zlibHeader(b []byte) (n int, ok bool) {
	for n < len(b) && c.count < 2 {
		v := b[n]
		n++
		c.count++
		if c.count == 1 {
			c.flags = v
			if v&0x0f != 8 || v>>4 > 7 {
				return 0, false
			}
			continue
		}
		if (uint(c.flags)<<8|uint(v))%31 != 0 || v&0x20 != 0 {
			return 0, false
		}
		c.head = headDone
	}
	return n, true
}

// gzipHeader reads the header of RFC 1952, which may come in pieces.
func (c *Codec) gzipHeader(b []byte) (n int, ok bool) {
	const crc, extra, name, comment = 2, 4, 8, 16
	next := func(s headState) { c.head, c.count = s, 0 }
	for n < len(b) {
		v := b[n]
		switch c.head {
		case headMagic:
			switch {
			case c.count == 0 && v != 0x1f, c.count == 1 && v != 0x8b, c.count == 2 && v != 8:
				return 0, false
			case c.count == 3:
				c.flags = v
			}
			n++
			if c.count++; c.count == 10 {
				next(headExtraLen)
				if c.flags&(crc|extra|name|comment) == 0 {
					c.head = headDone
					return n, true
				}
			}
		case headExtraLen:
			if c.flags&extra == 0 {
				next(headName)
				continue
			}
			n++
			if c.count&(1<<30) == 0 {
				c.count = 1<<30 | int(v)
			} else {
				c.count = c.count&0xff | int(v)<<8
				c.head = headExtra
			}
		case headExtra:
			k := min(c.count, len(b)-n)
			n += k
			if c.count -= k; c.count == 0 {
				next(headName)
			}
		case headName, headComment:
			bit := uint8(name)
			if c.head == headComment {
				bit = comment
			}
			if c.flags&bit == 0 {
				next(c.head + 1)
				continue
			}
			n++
			if v == 0 {
				next(c.head + 1)
			}
		case headCRC:
			if c.flags&crc == 0 {
				c.head = headDone
				return n, true
			}
			n++
			if c.count++; c.count == 2 {
				c.head = headDone
				return n, true
			}
		default:
			return n, true
		}
	}
	// A part that is absent needs no byte to be passed over.
	if c.head == headCRC && c.flags&crc == 0 {
		c.head = headDone
	}
	return n, true
}

// brotliSource feeds the library's reader with what there is: an empty read makes it keep its state and return.
type brotliSource struct {
	r    *brotli.Reader
	in   []byte
	out  []byte
	done bool
}

var errDry = errors.New("no more input for now")

// Read implements io.Reader for the library.
func (s *brotliSource) Read(p []byte) (int, error) {
	if len(s.in) == 0 {
		return 0, errDry
	}
	n := copy(p, s.in)
	s.in = s.in[n:]
	return n, nil
}

// brotliPiece is how much the library gets at a time: on damage it forgets the output of the piece.
const brotliPiece = 256

func (s *brotliSource) decode(src []byte) ([]byte, int, Status) {
	if s.done {
		return nil, 0, Done
	}
	piece := src[:min(len(src), brotliPiece)]
	s.in = piece
	n, err := s.r.Read(s.out)
	took := len(piece) - len(s.in)
	s.in = nil
	switch {
	case err == errDry && took < len(src):
		return s.out[:n:n], took, Full
	case err == errDry:
		return s.out[:n:n], took, More
	case err == nil && n > 0:
		return s.out[:n:n], took, Full
	case err == nil:
		s.done = true
		return nil, took, Done
	}
	s.done = n == 0
	return s.out[:n:n], took, Corrupt
}
