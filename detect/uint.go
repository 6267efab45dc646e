package detect

import (
	"sentinel/detect/chain"
	"strconv"
	"strings"
)

// UintMode is how an integer is compared.
type UintMode uint8

// The comparisons.
const (
	UintEqual UintMode = iota
	UintNotEqual
	UintLess
	UintLessEqual
	UintGreater
	UintGreaterEqual
	UintRange    // Lo < x < Hi
	UintNotRange // not that
	UintMask     // x & Lo == Hi
	UintNotMask  // x & Lo != Hi
)

// Uint is a comparison of an unsigned integer, in Suricata's syntax (user guide, integer keywords).
type Uint struct {
	Mode   UintMode
	Lo, Hi uint64
}

// Match reports whether x satisfies the comparison.
func (u Uint) Match(x uint64) bool {
	switch u.Mode {
	case UintEqual:
		return x == u.Lo
	case UintNotEqual:
		return x != u.Lo
	case UintLess:
		return x < u.Lo
	case UintLessEqual:
		return x <= u.Lo
	case UintGreater:
		return x > u.Lo
	case UintGreaterEqual:
		return x >= u.Lo
	case UintRange:
		return x > u.Lo && x < u.Hi
	case UintNotRange:
		return x <= u.Lo || x >= u.Hi
	case UintMask:
		return x&u.Lo == u.Hi
	default:
		return x&u.Lo != u.Hi
	}
}

// ParseUint reads a comparison of an integer of so many bits: 5, !5, >5, >=5, <5, <=5, 3-7, 3<>7, !3-7, &mask=value, and the
// names of an enumeration. Ranges exclude their ends.
func ParseUint(s string, bits int, names map[string]uint64) (Uint, error) {
	s = strings.TrimSpace(s)
	most := ^uint64(0)
	if bits < 64 {
		most = 1<<bits - 1
	}
	if names != nil {
		not, word := strings.CutPrefix(s, "!")
		_ = word
		if v, ok := names[strings.ToLower(strings.TrimSpace(not))]; ok {
			if word {
				return Uint{Mode: UintNotEqual, Lo: v}, nil
			}
			return Uint{Lo: v}, nil
		}
	}
	num := func(t string) (uint64, error) {
		t = strings.TrimSpace(t)
		v, err := parseNumber(t)
		if err != nil {
			return 0, problem("invalid integer '" + t + "'")
		}
		if v > most {
			return 0, problem("integer '" + t + "' is out of range")
		}
		return v, nil
	}
	one := func(m UintMode, t string) (Uint, error) {
		v, err := num(t)
		return Uint{Mode: m, Lo: v}, err
	}
	switch {
	case s == "":
		return Uint{}, problem("an integer is missing")
	case strings.HasPrefix(s, "<="):
		u, err := one(UintLessEqual, s[2:])
		if err == nil && u.Lo == most {
			return u, problem("the comparison is always true")
		}
		return u, err
	case strings.HasPrefix(s, ">="):
		u, err := one(UintGreaterEqual, s[2:])
		if err == nil && u.Lo == 0 {
			return u, problem("the comparison is always true")
		}
		return u, err
	case s[0] == '<':
		u, err := one(UintLess, s[1:])
		if err == nil && u.Lo == 0 {
			return u, problem("no integer is less than 0")
		}
		return u, err
	case s[0] == '>':
		u, err := one(UintGreater, s[1:])
		if err == nil && u.Lo == most {
			return u, problem("no integer is greater")
		}
		return u, err
	case s[0] == '&', strings.HasPrefix(s, "!&"):
		m := UintMask
		if s[0] == '!' {
			m, s = UintNotMask, s[1:]
		}
		l, r, ok := strings.Cut(s[1:], "=")
		if n, cut := strings.CutSuffix(l, "!"); cut && ok {
			l = n
			if m == UintMask {
				m = UintNotMask
			} else {
				m = UintMask
			}
		}
		lo, err := num(l)
		if err != nil {
			return Uint{}, err
		}
		if !ok { // "&x": some bit of x is set
			if m == UintMask {
				return Uint{Mode: UintNotMask, Lo: lo}, nil
			}
			return Uint{Mode: UintMask, Lo: lo}, nil
		}
		hi, err := num(r)
		return Uint{Mode: m, Lo: lo, Hi: hi}, err
	}
	mode := UintRange
	t := s
	if s[0] == '!' {
		mode, t = UintNotRange, strings.TrimSpace(s[1:])
		if strings.HasPrefix(t, "=") {
			t = t[1:]
		}
	}
	l, r, ok := strings.Cut(t, "<>")
	if !ok {
		l, r, ok = strings.Cut(t, "-")
	}
	if ok {
		lo, err := num(l)
		if err != nil {
			return Uint{}, err
		}
		hi, err := num(r)
		if err != nil {
			return Uint{}, err
		}
		if hi <= lo || hi-lo < 2 {
			return Uint{}, problem("the range '" + s + "' holds no integer")
		}
		return Uint{Mode: mode, Lo: lo, Hi: hi}, nil
	}
	if mode == UintNotRange {
		return one(UintNotEqual, t)
	}
	return one(UintEqual, strings.TrimPrefix(t, "="))
}

// parseNumber reads a decimal or hexadecimal number with the units kb, mib and the like.
func parseNumber(t string) (uint64, error) {
	low := strings.ToLower(t)
	unit := uint64(1)
	for _, u := range [...]struct {
		suffix string
		n      uint64
	}{{"kib", 1 << 10}, {"mib", 1 << 20}, {"gib", 1 << 30}, {"kb", 1 << 10}, {"mb", 1 << 20}, {"gb", 1 << 30}} {
		if strings.HasPrefix(low, "0x") {
			break
		}
		if n, ok := strings.CutSuffix(low, u.suffix); ok {
			low, unit = strings.TrimSpace(n), u.n
			break
		}
	}
	base := 10
	if h, ok := strings.CutPrefix(low, "0x"); ok {
		low, base = h, 16
	}
	v, err := strconv.ParseUint(low, base, 64)
	if err != nil {
		return 0, err
	}
	if v > ^uint64(0)/unit {
		return 0, strconv.ErrRange
	}
	return v * unit, nil
}

// problem is an error that is a reason only.
type problem string

func (p problem) Error() string { return string(p) }

// Size is the comparison as one of a buffer's length.
func (u Uint) Size() chain.BSize { return chain.BSize{Mode: chain.SizeMode(u.Mode), A: u.Lo, B: u.Hi} }
