package x509

import "strconv"

// element is a value with its tag (ITU-T X.690).
type element struct {
	class uint8 // 0 universal, 2 context-specific
	tag   uint32
	data  []byte
}

// The universal tags that are used.
const (
	tagInteger     = 2
	tagBitString   = 3
	tagOctetString = 4
	tagOID         = 6
	tagUTF8        = 12
	tagSequence    = 16
	tagSet         = 17
	tagUTCTime     = 23
	tagTime        = 24
	tagBMP         = 30
)

// next reads the element at the front of b. Lengths need not be minimal, but must be definite.
func next(b []byte) (e element, rest []byte, err Error) {
	if len(b) < 2 {
		return e, b, InvalidLength
	}
	e.class, e.tag = b[0]>>6, uint32(b[0]&0x1f)
	i := 1
	if e.tag == 0x1f {
		e.tag = 0
		for n := 0; ; n++ {
			if i >= len(b) {
				return e, b, InvalidLength
			}
			if n == 4 {
				return e, b, InvalidDER
			}
			e.tag = e.tag<<7 | uint32(b[i]&0x7f)
			i++
			if b[i-1]&0x80 == 0 {
				break
			}
		}
		if i >= len(b) {
			return e, b, InvalidLength
		}
	}
	size := int(b[i])
	i++
	if size >= 0x80 {
		n := size & 0x7f
		if n == 0 || n == 0x7f {
			return e, b, InvalidDER
		}
		if len(b)-i < n {
			return e, b, InvalidLength
		}
		size = 0
		for _, c := range b[i : i+n] {
			if size > 1<<24 {
				return e, b, InvalidDER
			}
			size = size<<8 | int(c)
		}
		i += n
	}
	if len(b)-i < size {
		return e, b, InvalidLength
	}
	e.data = b[i : i+size : i+size]
	return e, b[i+size:], OK
}

// expect reads an element of universal class with a certain tag.
func expect(b []byte, tag uint32) (data, rest []byte, err Error) {
	e, rest, err := next(b)
	if err == OK && (e.tag != tag || e.class != 0) {
		err = InvalidDER
	}
	return e.data, rest, err
}

// appendOID appends an object identifier in dotted form.
func appendOID(dst, oid []byte) []byte {
	var arc uint64
	first := true
	for _, c := range oid {
		arc = arc<<7 | uint64(c&0x7f)
		if c&0x80 != 0 {
			continue
		}
		if first {
			first = false
			top := min(arc/40, 2)
			dst = strconv.AppendUint(dst, top, 10)
			arc -= 40 * top
		}
		dst = append(dst, '.')
		dst = strconv.AppendUint(dst, arc, 10)
		arc = 0
	}
	return dst
}

const hexUpper = "0123456789ABCDEF"

func appendHex(dst, b []byte, sep byte) []byte {
	for i, c := range b {
		if i > 0 && sep != 0 {
			dst = append(dst, sep)
		}
		dst = append(dst, hexUpper[c>>4], hexUpper[c&15])
	}
	return dst
}
