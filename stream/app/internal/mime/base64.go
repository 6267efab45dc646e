package mime

// decoder decodes base64 in pieces. Bytes outside of the alphabet are skipped (RFC 2045, 6.8).
type decoder struct {
	tmp [4]byte
	n   int
	bad bool // padding where it cannot be; nothing is decoded any more
}

const noDigit = 0xff

var digits = func() (t [256]byte) {
	for i := range t {
		t[i] = noDigit
	}
	for i, c := range "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/" {
		t[c] = byte(i)
	}
	return t
}()

// decode appends what b decodes to. It returns false for misplaced padding; then nothing is appended.
func (d *decoder) decode(dst, b []byte) ([]byte, bool) {
	start := len(dst)
	if d.bad {
		return dst, len(b) == 0
	}
	for _, c := range b {
		if digits[c] == noDigit && c != '=' {
			continue
		}
		d.tmp[d.n] = c
		if d.n++; d.n < 4 {
			continue
		}
		d.n = 0
		v0, v1, v2, v3 := digits[d.tmp[0]], digits[d.tmp[1]], digits[d.tmp[2]], digits[d.tmp[3]]
		switch {
		case v0 == noDigit || v1 == noDigit || v2 != noDigit && v3 == noDigit && d.tmp[3] != '=':
			d.bad = true
			return dst[:start], false
		case v2 == noDigit:
			dst = append(dst, v0<<2|v1>>4)
		case v3 == noDigit:
			dst = append(dst, v0<<2|v1>>4, v1<<4|v2>>2)
		default:
			dst = append(dst, v0<<2|v1>>4, v1<<4|v2>>2, v2<<6|v3)
		}
	}
	return dst, true
}

// flush appends what an unfinished group decodes to when it is padded.
func (d *decoder) flush(dst []byte) []byte {
	if d.n == 0 {
		return dst
	}
	dst, _ = d.decode(dst, []byte("===")[:4-d.n])
	return dst
}
