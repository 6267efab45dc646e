package chain

import (
	"fmt"
	"math"
	"strings"
)

// SizeMode is a comparison of BSize.
type SizeMode uint8

// The comparisons; the ranges exclude both ends, as does NotBetween's complement.
const (
	SizeEqual SizeMode = iota
	SizeNotEqual
	SizeLess
	SizeLessEqual
	SizeGreater
	SizeGreaterEqual
	SizeBetween
	SizeNotBetween
	SizeMask    // size & A == B
	SizeNotMask // size & A != B
)

// BSize compares the size of the whole buffer, what came before the window included.
type BSize struct {
	Mode SizeMode
	A, B uint64
}

// ParseBSize parses the value of bsize: 10, =10, !10, <10, <=10, >10, >=10, 10<>20, 10-20, !10-20,
// &0x0f=3; numbers may be hexadecimal or have a unit such as kb.
func ParseBSize(s string) (BSize, error) {
	bad := func() (BSize, error) { return BSize{}, fmt.Errorf("cannot parse the size %q", s) }
	t := strings.Trim(s, " ")
	rest, ok := strings.CutPrefix(t, "&")
	if ok {
		a, rest, ok := sizeNumber(strings.TrimLeft(rest, " "))
		rest = strings.TrimLeft(rest, " ")
		mode := SizeMask
		if strings.HasPrefix(rest, "!") {
			mode, rest = SizeNotMask, rest[1:]
		}
		rest, eq := strings.CutPrefix(rest, "=")
		b, rest, ok2 := sizeNumber(strings.TrimLeft(rest, " "))
		if !ok || !eq || !ok2 || rest != "" || a&b != b {
			return bad()
		}
		return BSize{mode, a, b}, nil
	}
	for _, m := range [...]struct {
		sign string
		mode SizeMode
	}{{">=", SizeGreaterEqual}, {"<=", SizeLessEqual}, {">", SizeGreater}, {"<", SizeLess}, {"!=", SizeNotEqual}, {"!", SizeNotEqual}, {"=", SizeEqual}, {"", SizeEqual}} {
		rest, ok := strings.CutPrefix(t, m.sign)
		if !ok {
			continue
		}
		a, rest, ok := sizeNumber(strings.TrimLeft(rest, " "))
		if !ok {
			return bad()
		}
		rest = strings.TrimLeft(rest, " ")
		if rest == "" {
			// What is always or never true is a mistake.
			switch {
			case (m.mode == SizeLess || m.mode == SizeGreaterEqual) && a == 0,
				(m.mode == SizeLessEqual || m.mode == SizeGreater) && a == math.MaxUint64:
				return bad()
			}
			return BSize{m.mode, a, 0}, nil
		}
		mode := SizeBetween
		switch m.sign {
		case "!":
			mode = SizeNotBetween
		case "":
		default:
			return bad()
		}
		tail, ok := strings.CutPrefix(rest, "<>")
		if !ok {
			tail, ok = strings.CutPrefix(rest, "-")
		}
		b, tail, ok2 := sizeNumber(strings.TrimLeft(tail, " "))
		if !ok || !ok2 || tail != "" || b <= a || b-a <= 1 {
			return bad()
		}
		return BSize{mode, a, b}, nil
	}
	return bad()
}

// sizeNumber takes a number with an optional unit off the start of s.
func sizeNumber(s string) (v uint64, rest string, ok bool) {
	base := 10
	if strings.HasPrefix(s, "0x") {
		s, base = s[2:], 16
	}
	n := 0
	for n < len(s) && int(digit(s[n])) < base {
		n++
	}
	v, used, ok := ascii(s[:n], base)
	if !ok || used != n || n == 0 {
		return 0, s, false
	}
	rest = s[n:]
	if base == 16 {
		return v, rest, true
	}
	for _, u := range [...]struct {
		name string
		size uint64
	}{{"kib", 1 << 10}, {"kb", 1 << 10}, {"mib", 1 << 20}, {"mb", 1 << 20}, {"gib", 1 << 30}, {"gb", 1 << 30}} {
		if len(rest) >= len(u.name) && strings.EqualFold(rest[:len(u.name)], u.name) {
			if v > math.MaxUint64/u.size {
				return 0, s, false
			}
			return v * u.size, rest[len(u.name):], true
		}
	}
	return v, rest, true
}

// Holds reports whether a size satisfies the comparison.
func (z *BSize) Holds(n uint64) bool {
	switch z.Mode {
	case SizeEqual:
		return n == z.A
	case SizeNotEqual:
		return n != z.A
	case SizeLess:
		return n < z.A
	case SizeLessEqual:
		return n <= z.A
	case SizeGreater:
		return n > z.A
	case SizeGreaterEqual:
		return n >= z.A
	case SizeBetween:
		return n > z.A && n < z.B
	case SizeNotBetween:
		return n <= z.A || n >= z.B
	case SizeMask:
		return n&z.A == z.B
	case SizeNotMask:
		return n&z.A != z.B
	}
	return false
}

// check decides about a buffer that may still grow, unless it is at its end.
func (z *BSize) check(n uint64, end bool) Verdict {
	if z.Holds(n) {
		return Match
	}
	switch z.Mode {
	case SizeLess, SizeLessEqual:
		return GiveUp
	case SizeGreater, SizeGreaterEqual:
		if end {
			return GiveUp
		}
	case SizeEqual:
		if n > z.A || end {
			return GiveUp
		}
	case SizeBetween:
		if n >= z.B || end {
			return GiveUp
		}
	}
	return NoMatch
}
