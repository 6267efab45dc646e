package chain

import (
	"fmt"
	"math"
	"strings"
)

// ascii reads a number as C's strtoull does: blanks, a sign, a prefix that fits the base, digits. It
// returns how many bytes that took, 0 if there is no number; overflow is told by ok. A minus makes the
// two's complement.
func ascii(s string, base int) (v uint64, n int, ok bool) {
	i := 0
	for i < len(s) && (s[i] == ' ' || s[i] >= '\t' && s[i] <= '\r') {
		i++
	}
	minus := false
	if i < len(s) && (s[i] == '-' || s[i] == '+') {
		minus = s[i] == '-'
		i++
	}
	if (base == 0 || base == 16) && i+2 < len(s) && s[i] == '0' && s[i+1]|0x20 == 'x' && digit(s[i+2]) < 16 {
		i += 2
		base = 16
	}
	if base == 0 {
		base = 10
		if i < len(s) && s[i] == '0' {
			base = 8
		}
	}
	from, over := i, false
	b := uint64(base)
	for ; i < len(s); i++ {
		d := uint64(digit(s[i]))
		if d >= b {
			break
		}
		if v > (math.MaxUint64-d)/b {
			over = true
		}
		v = v*b + d
	}
	if i == from {
		return 0, 0, true
	}
	if over {
		return math.MaxUint64, i, false
	}
	if minus {
		v = -v
	}
	return v, i, true
}

func digit(c byte) byte {
	switch {
	case c >= '0' && c <= '9':
		return c - '0'
	case c|0x20 >= 'a' && c|0x20 <= 'z':
		return c | 0x20 - 'a' + 10
	}
	return 255
}

// integer reads a whole signed text.
func integer(s string, base int) (int64, bool) {
	s = strings.Trim(s, " \t")
	minus := strings.HasPrefix(s, "-")
	v, n, ok := ascii(strings.TrimPrefix(s, "-"), base)
	if !ok || n == 0 || n != len(strings.TrimPrefix(s, "-")) || v > math.MaxInt64 || minus && strings.HasPrefix(s[1:], "-") {
		return 0, false
	}
	if minus {
		return -int64(v), true
	}
	return int64(v), true
}

// isName reports whether a text is taken for a variable.
func isName(s string) bool { return s != "" && (s[0]|0x20 >= 'a' && s[0]|0x20 <= 'z') }

// ParseNumber parses the value of offset, depth, distance and within: a variable, or a number, decimal,
// octal or hexadecimal, in the given bounds.
func ParseNumber(s string, least, most int64) (Num, error) {
	s = strings.Trim(s, " \t")
	if isName(s) {
		return Num{Var: s}, nil
	}
	n, ok := integer(s, 0)
	if !ok || n < least || n > most {
		return Num{}, fmt.Errorf("invalid value %q: a variable or a number between %d and %d expected", s, least, most)
	}
	return Num{N: n}, nil
}

// MaxDistance bounds the values of distance and within, and MaxOffset those of offset and depth.
const (
	MaxDistance = 1 << 20
	MaxOffset   = math.MaxUint16
)

// number reads nbytes at the start of b, as f says; used is how many of them a number in ASCII took.
func (f *Format) number(b []byte, nbytes int, little bool) (v uint64, used int, ok bool) {
	if uint(nbytes) > uint(len(b)) {
		return 0, 0, false
	}
	if f.String {
		switch {
		case nbytes > maxDigits:
			return 0, 0, false
		case nbytes == 0: // to Suricata this means: as far as it goes
			return ascii0(b, int(f.Base))
		}
		return asciiBytes(b[:nbytes], int(f.Base))
	}
	if nbytes > 8 {
		return 0, 0, false
	}
	b = b[:nbytes]
	if little {
		for i := len(b) - 1; i >= 0; i-- {
			v = v<<8 | uint64(b[i])
		}
	} else {
		for _, c := range b {
			v = v<<8 | uint64(c)
		}
	}
	return v, nbytes, true
}

// maxDigits is how long a number in ASCII may be: 64 bits in octal, and a zero.
const maxDigits = 23

// asciiBytes is ascii for bytes of a buffer; no number is not ok.
func asciiBytes(b []byte, base int) (uint64, int, bool) {
	// The conversion does not allocate: at most maxDigits bytes, and the string does not escape.
	v, n, ok := ascii(string(b), base)
	return v, n, ok && n > 0
}

// ascii0 is asciiBytes for a number that ends where its digits do, within a bound of ours.
func ascii0(b []byte, base int) (uint64, int, bool) {
	blanks := 0
	for blanks < len(b) && (b[blanks] == ' ' || b[blanks] >= '\t' && b[blanks] <= '\r') {
		blanks++
	}
	b = b[blanks:]
	v, n, ok := asciiBytes(b[:min(len(b), 32)], base)
	return v, n + blanks, ok
}

// shift is how far a masked value moves right: by the zeros at the end of the mask.
func shift(mask uint32) uint8 {
	n := uint8(0)
	for ; mask != 0 && mask&1 == 0; mask >>= 1 {
		n++
	}
	return n
}
