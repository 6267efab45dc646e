package cursor

import (
	"bytes"
	"encoding/binary"
)

// Cursor is what is left to read. Its methods take from the front and report whether there was
// enough; if not, the cursor stays where it is. Reads chain with ||:
//
//	if !c.U8(&kind) || !c.U16(&n) || !c.Bytes(&body, int(n)) { ... }
//
// Slices handed out are capped and belong to the owner of the input.
type Cursor []byte

// U8 reads one byte.
func (c *Cursor) U8(v *uint8) bool {
	b := *c
	if len(b) < 1 {
		return false
	}
	*v = b[0]
	*c = b[1:]
	return true
}

// U16 reads two bytes, big-endian.
func (c *Cursor) U16(v *uint16) bool {
	b := *c
	if len(b) < 2 {
		return false
	}
	*v = binary.BigEndian.Uint16(b)
	*c = b[2:]
	return true
}

// U24 reads three bytes, big-endian.
func (c *Cursor) U24(v *uint32) bool {
	b := *c
	if len(b) < 3 {
		return false
	}
	*v = uint32(b[0])<<16 | uint32(b[1])<<8 | uint32(b[2])
	*c = b[3:]
	return true
}

// U32 reads four bytes, big-endian.
func (c *Cursor) U32(v *uint32) bool {
	b := *c
	if len(b) < 4 {
		return false
	}
	*v = binary.BigEndian.Uint32(b)
	*c = b[4:]
	return true
}

// U64 reads eight bytes, big-endian.
func (c *Cursor) U64(v *uint64) bool {
	b := *c
	if len(b) < 8 {
		return false
	}
	*v = binary.BigEndian.Uint64(b)
	*c = b[8:]
	return true
}

// LE16 reads two bytes, little-endian.
func (c *Cursor) LE16(v *uint16) bool {
	b := *c
	if len(b) < 2 {
		return false
	}
	*v = binary.LittleEndian.Uint16(b)
	*c = b[2:]
	return true
}

// LE24 reads three bytes, little-endian.
func (c *Cursor) LE24(v *uint32) bool {
	b := *c
	if len(b) < 3 {
		return false
	}
	*v = uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16
	*c = b[3:]
	return true
}

// LE32 reads four bytes, little-endian.
func (c *Cursor) LE32(v *uint32) bool {
	b := *c
	if len(b) < 4 {
		return false
	}
	*v = binary.LittleEndian.Uint32(b)
	*c = b[4:]
	return true
}

// LE64 reads eight bytes, little-endian.
func (c *Cursor) LE64(v *uint64) bool {
	b := *c
	if len(b) < 8 {
		return false
	}
	*v = binary.LittleEndian.Uint64(b)
	*c = b[8:]
	return true
}

// Bytes reads n bytes without copying them. A negative n fails.
func (c *Cursor) Bytes(v *[]byte, n int) bool {
	b := *c
	if uint(n) > uint(len(b)) {
		return false
	}
	*v = b[:n:n]
	*c = b[n:]
	return true
}

// Sub reads n bytes as a cursor of their own.
func (c *Cursor) Sub(v *Cursor, n int) bool { return c.Bytes((*[]byte)(v), n) }

// Vec8 reads a one-byte length and as many bytes.
func (c *Cursor) Vec8(v *Cursor) bool {
	b := *c
	if len(b) < 1 || len(b)-1 < int(b[0]) {
		return false
	}
	n := 1 + int(b[0])
	*v, *c = b[1:n:n], b[n:]
	return true
}

// Vec16 reads a two-byte big-endian length and as many bytes.
func (c *Cursor) Vec16(v *Cursor) bool {
	b := *c
	if len(b) < 2 {
		return false
	}
	n := 2 + int(binary.BigEndian.Uint16(b))
	if n > len(b) {
		return false
	}
	*v, *c = b[2:n:n], b[n:]
	return true
}

// Vec24 reads a three-byte big-endian length and as many bytes.
func (c *Cursor) Vec24(v *Cursor) bool {
	b := *c
	if len(b) < 3 {
		return false
	}
	n := 3 + int(b[0])<<16 + int(b[1])<<8 + int(b[2])
	if n > len(b) {
		return false
	}
	*v, *c = b[3:n:n], b[n:]
	return true
}

// Until reads up to the first sep, which is skipped and not part of v. Without a sep it fails.
func (c *Cursor) Until(v *[]byte, sep byte) bool {
	b := *c
	n := bytes.IndexByte(b, sep)
	if n < 0 {
		return false
	}
	*v, *c = b[:n:n], b[n+1:]
	return true
}

// Skip drops n bytes. A negative n fails.
func (c *Cursor) Skip(n int) bool {
	b := *c
	if uint(n) > uint(len(b)) {
		return false
	}
	*c = b[n:]
	return true
}

// Rest takes all that is left.
func (c *Cursor) Rest() []byte {
	b := *c
	*c = b[len(b):]
	return b[:len(b):len(b)]
}

// Len returns how many bytes are left.
func (c Cursor) Len() int { return len(c) }

// Empty reports whether nothing is left.
func (c Cursor) Empty() bool { return len(c) == 0 }
