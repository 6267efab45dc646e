package conf

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// Value returns the raw scalar, and whether there is one. Null counts as none.
func (n *Node) Value() (string, bool) {
	if n == nil || !n.hasValue {
		return "", false
	}
	return n.value, true
}

// Str returns the raw scalar, or def if there is none.
func (n *Node) Str(def string) string {
	if v, ok := n.Value(); ok {
		return v
	}
	return def
}

// Bool returns whether the scalar is a true word, or def if there is no scalar. As in the
// reference, any other word is false.
func (n *Node) Bool(def bool) bool {
	if v, ok := n.Value(); ok {
		return IsTrue(v)
	}
	return def
}

// StrictBool returns the scalar as a switch, or def if there is none, or an error if it is
// neither a true nor a false word.
func (n *Node) StrictBool(def bool) (bool, error) {
	v, ok := n.Value()
	switch {
	case !ok:
		return def, nil
	case IsTrue(v):
		return true, nil
	case IsFalse(v):
		return false, nil
	}
	return def, n.errorf("%q is not yes or no", v)
}

// IsTrue reports whether the scalar is there and a true word.
func (n *Node) IsTrue() bool { return n.Bool(false) }

// IsFalse reports whether the scalar is there and a false word.
func (n *Node) IsFalse() bool {
	v, ok := n.Value()
	return ok && IsFalse(v)
}

// Int returns the scalar as an integer in C's notation (decimal, 0x, leading 0), or def if there
// is no scalar.
func (n *Node) Int(def int64) (int64, error) {
	v, ok := n.Value()
	if !ok {
		return def, nil
	}
	i, ok := ParseInt(v)
	if !ok {
		return def, n.errorf("%q is not an integer", v)
	}
	return i, nil
}

// IntIn is Int with inclusive bounds.
func (n *Node) IntIn(def, low, high int64) (int64, error) {
	i, err := n.Int(def)
	if err == nil && n != nil && n.hasValue && (i < low || i > high) {
		return def, n.errorf("%d is not in %d-%d", i, low, high)
	}
	return i, err
}

// Float returns the scalar as a finite number, or def if there is none.
func (n *Node) Float(def float64) (float64, error) {
	v, ok := n.Value()
	if !ok {
		return def, nil
	}
	f, err := strconv.ParseFloat(v, 64)
	if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
		return def, n.errorf("%q is not a number", v)
	}
	return f, nil
}

// Size returns the scalar as a number of bytes, or def if there is none. See ParseSize.
func (n *Node) Size(def uint64) (uint64, error) {
	v, ok := n.Value()
	if !ok {
		return def, nil
	}
	s, ok := ParseSize(v)
	if !ok {
		return def, n.errorf("%q is not a size such as 512, 64kb, 10 MiB or 1gb", v)
	}
	return s, nil
}

// SizeMax is Size with an inclusive upper bound, for fields that are narrower than 64 bits.
func (n *Node) SizeMax(def, high uint64) (uint64, error) {
	s, err := n.Size(def)
	if err == nil && n != nil && n.hasValue && s > high {
		return def, n.errorf("%d is more than %d", s, high)
	}
	return s, err
}

// Percent returns "12.5%" or "12.5" as 12.5, or def if there is no scalar.
func (n *Node) Percent(def float64) (float64, error) {
	v, ok := n.Value()
	if !ok {
		return def, nil
	}
	f, err := strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(v), "%")), 64)
	if err != nil || !(f >= 0 && f <= 100) {
		return def, n.errorf("%q is not a percentage", v)
	}
	return f, nil
}

// Duration returns the scalar as a duration, or def if there is none. See ParseDuration.
func (n *Node) Duration(def time.Duration) (time.Duration, error) {
	v, ok := n.Value()
	if !ok {
		return def, nil
	}
	d, ok := ParseDuration(v)
	if !ok {
		return def, n.errorf("%q is not a duration such as 30, 10s or 1 day", v)
	}
	return d, nil
}

// Strings returns the scalars of a list, or a scalar as a list of one.
func (n *Node) Strings() []string {
	if n == nil {
		return nil
	}
	if len(n.children) == 0 {
		if n.hasValue {
			return []string{n.value}
		}
		return nil
	}
	out := make([]string, 0, len(n.children))
	for _, c := range n.children {
		if c.hasValue {
			out = append(out, c.value)
		}
	}
	return out
}

// IsTrue reports whether s is 1, yes, true or on, in any case.
func IsTrue(s string) bool { return oneOf(s, "1", "yes", "true", "on") }

// IsFalse reports whether s is 0, no, false or off, in any case.
func IsFalse(s string) bool { return oneOf(s, "0", "no", "false", "off") }

func oneOf(s string, words ...string) bool {
	for _, w := range words {
		if strings.EqualFold(s, w) {
			return true
		}
	}
	return false
}

// ParseInt reads an integer in C's notation: decimal, 0x for hexadecimal, a leading 0 for octal.
func ParseInt(s string) (int64, bool) {
	s = strings.TrimLeft(s, " \t\n\v\f\r")
	// Go has notations of its own: 1_000, 0b1, 0o7.
	lower := strings.ToLower(strings.TrimLeft(s, "+-"))
	if strings.Contains(s, "_") || strings.HasPrefix(lower, "0b") || strings.HasPrefix(lower, "0o") {
		return 0, false
	}
	i, err := strconv.ParseInt(s, 0, 64)
	if err != nil {
		return 0, false
	}
	return i, true
}

// ParseSize reads a number of bytes: digits with an optional fraction, and optionally kb, mb or gb in
// any case, or KiB, MiB or GiB. All of them are powers of 1024.
func ParseSize(s string) (uint64, bool) {
	s = strings.Trim(s, " \t\n\v\f\r")
	end := 0
	for end < len(s) && digit(s[end]) {
		end++
	}
	if end == 0 {
		return 0, false
	}
	if end+1 < len(s) && s[end] == '.' && digit(s[end+1]) {
		for end++; end < len(s) && digit(s[end]); {
			end++
		}
	}
	f, err := strconv.ParseFloat(s[:end], 64)
	if err != nil {
		return 0, false
	}
	unit := strings.TrimLeft(s[end:], " \t\n\v\f\r")
	switch {
	case unit == "":
	case strings.EqualFold(unit, "kb"), unit == "KiB":
		f *= 1 << 10
	case strings.EqualFold(unit, "mb"), unit == "MiB":
		f *= 1 << 20
	case strings.EqualFold(unit, "gb"), unit == "GiB":
		f *= 1 << 30
	default:
		return 0, false
	}
	if u, err := strconv.ParseUint(s, 10, 64); err == nil {
		return u, true // exact above 2^53
	}
	if f >= 1<<64 {
		return 0, false
	}
	return uint64(f), true
}

func digit(c byte) bool { return '0' <= c && c <= '9' }

// durationUnits are the units that a duration can have, in nanoseconds. A month is 30.44 days and a
// year 365.25 days.
var durationUnits = []struct {
	names string
	ns    uint64
}{
	{" nanos nsec ns ", 1},
	{" micros usec us µs ", 1e3},
	{" millis msec ms ", 1e6},
	{" seconds second secs sec s ", 1e9},
	{" minutes minute mins min m ", 60e9},
	{" hours hour hrs hr h ", 3600e9},
	{" days day d ", 86400e9},
	{" weeks week wks wk w ", 7 * 86400e9},
	{" months month ", 2630016e9},
	{" years year yrs yr y ", 31557600e9},
}

// ParseDuration reads a duration: a bare number of seconds, or numbers with units such as "2h 30min"
// or "1 day". Units may be in any case. Durations beyond 292 years are cut there.
func ParseDuration(s string) (time.Duration, bool) {
	s = strings.ToLower(strings.TrimSpace(s))
	if s == "" {
		return 0, false
	}
	var total uint64
	for first := true; s != ""; first = false {
		end := 0
		for end < len(s) && digit(s[end]) {
			end++
		}
		if end == 0 {
			return 0, false
		}
		v, err := strconv.ParseUint(s[:end], 10, 64)
		if err != nil {
			return 0, false
		}
		s = strings.TrimLeft(s[end:], " ")
		ns := uint64(0)
		if s == "" {
			if !first {
				return 0, false
			}
			ns = 1e9
		} else {
			end = 0
			for end < len(s) && !digit(s[end]) && s[end] != ' ' {
				end++
			}
			for _, u := range durationUnits {
				if strings.Contains(u.names, " "+s[:end]+" ") {
					ns = u.ns
				}
			}
			s = strings.TrimLeft(s[end:], " ")
		}
		if ns == 0 {
			return 0, false
		}
		if v > (math.MaxInt64-total)/ns {
			total = math.MaxInt64
			continue
		}
		total += v * ns
	}
	return time.Duration(total), true
}
