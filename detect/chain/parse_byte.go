package chain

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// fields splits a value at its commas.
func fields(value string, least, most int) ([]string, error) {
	fs := strings.Split(value, ",")
	if len(fs) < least || len(fs) > most {
		return nil, fmt.Errorf("%d to %d values expected, not %d: %q", least, most, len(fs), value)
	}
	for i := range fs {
		fs[i] = strings.Trim(fs[i], " \t\r\n")
	}
	return fs, nil
}

// count parses how many bytes make a number.
func count(s string) (Num, error) {
	if isName(s) {
		return Num{Var: s}, nil
	}
	n, ok := integer(s, 10)
	if !ok || n < 0 || n > math.MaxUint32 {
		return Num{}, fmt.Errorf("malformed number of bytes %q", s)
	}
	return Num{N: n}, nil
}

// formatWord applies an option that byte_test and byte_jump share.
func (f *Format) formatWord(w string) (known bool, err error) {
	base := uint8(0)
	switch strings.ToLower(w) {
	case "string":
		f.String = true
	case "dec":
		base = 10
	case "hex":
		base = 16
	case "oct":
		base = 8
	case "big":
		f.Little = false
	case "little":
		f.Little = true
	case "dce":
		f.DCE = true
	default:
		return false, nil
	}
	if base != 0 {
		if f.Base != 0 && f.Base != base {
			return true, errors.New("more than one base")
		}
		f.Base = base
	}
	return true, nil
}

// valid checks what must fit together; endian says that big or little was written.
func (f *Format) valid(n Num, endian bool) error {
	if !f.String && f.Base != 0 {
		return errors.New("cannot use a base without \"string\"")
	}
	if n.Var == "" && f.String && n.N > maxDigits {
		return errors.New("cannot use more than 23 bytes with \"string\"")
	}
	if n.Var == "" && !f.String && n.N > 8 {
		return errors.New("cannot use more than 8 bytes without \"string\"")
	}
	if f.DCE && (f.String || endian) {
		return errors.New("dce excludes string, base and byte order")
	}
	return nil
}

// bitmask parses a mask as C writes numbers.
func bitmask(s string) (uint32, error) {
	v, n, ok := ascii(strings.Trim(s, " \t"), 0)
	if !ok || n == 0 || v > math.MaxUint32 {
		return 0, fmt.Errorf("malformed bitmask %q", s)
	}
	return uint32(v), nil
}

// argument splits "name value".
func argument(s string) (name, value string) {
	if i := strings.IndexAny(s, " \t"); i >= 0 {
		return strings.ToLower(s[:i]), strings.Trim(s[i:], " \t")
	}
	return strings.ToLower(s), ""
}

// ParseByteTest parses the value of byte_test: bytes, [!]operator, value, offset, and the options
// relative, string, dec, hex, oct, big, little, dce and bitmask.
func ParseByteTest(value string) (*ByteTest, error) {
	fs, err := fields(value, 4, 10)
	if err != nil {
		return nil, err
	}
	t := &ByteTest{}
	if t.Bytes, err = count(fs[0]); err != nil {
		return nil, err
	}
	op, negated := strings.CutPrefix(fs[1], "!")
	t.Negated = negated
	op = strings.Trim(op, " \t")
	if op == "" && negated {
		op = "="
	}
	ops := map[string]Op{"=": Equal, "<": Less, ">": Greater, "<=": LessEqual, ">=": GreaterEqual, "&": And, "^": Xor}
	if t.Op = ops[op]; t.Op == 0 {
		return nil, fmt.Errorf("invalid operator %q", fs[1])
	}
	if isName(fs[2]) {
		t.Value.Var = fs[2]
	} else {
		v, n, ok := ascii(fs[2], 0)
		if !ok || n == 0 || strings.ContainsAny(fs[2], " \t") {
			return nil, fmt.Errorf("malformed value %q", fs[2])
		}
		t.Value.N = int64(v)
	}
	if t.Offset, err = ParseNumber(fs[3], math.MinInt32, math.MaxInt32); err != nil {
		return nil, fmt.Errorf("malformed offset %q", fs[3])
	}
	endian := false
	for _, w := range fs[4:] {
		name, arg := argument(w)
		if name == "bitmask" {
			t.HasBitmask = true
			if t.Bitmask, err = bitmask(arg); err != nil {
				return nil, err
			}
			continue
		}
		if w == "relative" {
			t.Relative = true
			continue
		}
		endian = endian || name == "big" || name == "little"
		if known, err := t.formatWord(w); err != nil {
			return nil, err
		} else if !known {
			return nil, fmt.Errorf("unknown option %q", w)
		}
	}
	return t, t.valid(t.Bytes, endian)
}

// ParseByteJump parses the value of byte_jump: bytes, offset, and the options relative, multiplier,
// big, little, string, dec, hex, oct, align, from_beginning, from_end, post_offset, dce and bitmask.
func ParseByteJump(value string) (*ByteJump, error) {
	fs, err := fields(value, 2, 11)
	if err != nil {
		return nil, err
	}
	j := &ByteJump{Multiplier: 1}
	if j.Bytes, err = count(fs[0]); err != nil {
		return nil, err
	}
	if isName(fs[1]) {
		j.Offset.Var = fs[1]
	} else {
		n, ok := integer(fs[1], 10)
		if !ok || n < -65535 || n > 65535 {
			return nil, fmt.Errorf("malformed offset %q", fs[1])
		}
		j.Offset.N = n
	}
	endian := false
	for _, w := range fs[2:] {
		name, arg := argument(w)
		n, isNumber := integer(arg, 10)
		switch {
		case w == "relative":
			j.Relative = true
		case name == "align" && arg == "":
			j.Align = true
		case name == "from_beginning" && arg == "":
			j.FromBegin = true
		case name == "from_end" && arg == "":
			j.FromEnd = true
		case name == "multiplier":
			if !isNumber || n < 1 || n > 65535 {
				return nil, fmt.Errorf("malformed multiplier %q", arg)
			}
			j.Multiplier = uint16(n)
		case name == "post_offset":
			if !isNumber || n < -65535 || n > 65535 {
				return nil, fmt.Errorf("malformed post_offset %q", arg)
			}
			j.PostOffset = int32(n)
		case name == "bitmask":
			j.HasBitmask = true
			if j.Bitmask, err = bitmask(arg); err != nil {
				return nil, err
			}
			if j.Bitmask == 0 {
				return nil, errors.New("Invalid bitmask value: 0")
			}
		default:
			endian = endian || name == "big" || name == "little"
			if known, err := j.formatWord(w); err != nil {
				return nil, err
			} else if !known {
				return nil, fmt.Errorf("unknown option %q", w)
			}
		}
	}
	if j.FromBegin && j.FromEnd {
		return nil, errors.New("from_end and from_beginning exclude each other")
	}
	if j.DCE && (j.FromBegin || j.FromEnd) {
		return nil, errors.New("dce excludes from_beginning and from_end")
	}
	return j, j.valid(j.Bytes, endian)
}

// token returns the first word of s.
func token(s string) string {
	s = strings.TrimLeft(s, " \t\r\n")
	if i := strings.IndexAny(s, "\n\r\t,;: "); i >= 0 {
		s = s[:i]
	}
	return s
}

// once complains about an option that is there a second time.
func once(seen map[string]bool, name string) error {
	if seen[name] {
		return fmt.Errorf("%s is there twice", name)
	}
	seen[name] = true
	return nil
}

// ParseByteExtract parses the value of byte_extract: bytes, offset, name, and the options relative,
// multiplier, big, little, dce, string, dec, hex, oct and align.
func ParseByteExtract(value string) (*ByteExtract, error) {
	fs, err := fields(value, 3, 10)
	if err != nil {
		return nil, err
	}
	x := &ByteExtract{Multiplier: 1}
	n, err := strconv.ParseUint(fs[0], 10, 8)
	if err != nil {
		return nil, fmt.Errorf("invalid number of bytes %q", fs[0])
	}
	x.Bytes = uint8(n)
	o, err := strconv.ParseInt(fs[1], 10, 16)
	if err != nil {
		return nil, fmt.Errorf("invalid offset %q", fs[1])
	}
	x.Offset = int32(o)
	if x.Name = token(fs[2]); x.Name == "" {
		return nil, errors.New("the name of the variable is missing")
	}
	seen := map[string]bool{}
	for _, w := range fs[3:] {
		name, arg := argument(w)
		kind := name
		switch name {
		case "big", "little", "dce":
			kind = "byte order"
			x.Little, x.DCE = name == "little", name == "dce"
		case "oct", "dec", "hex":
			kind = "base"
			if !seen["string"] {
				return nil, errors.New("string must come before the base")
			}
			x.Base = map[string]uint8{"oct": 8, "dec": 10, "hex": 16}[name]
		case "relative":
			x.Relative = true
		case "string":
			x.String = true
		case "align":
			v, err := strconv.ParseUint(arg, 10, 8)
			if err != nil || v != 2 && v != 4 {
				return nil, fmt.Errorf("invalid align %q: 2 or 4 expected", arg)
			}
			x.Align = uint8(v)
		case "multiplier":
			v, err := strconv.ParseUint(arg, 10, 32)
			if err != nil || v == 0 || v > math.MaxUint16 {
				return nil, fmt.Errorf("invalid multiplier %q: 1 to 65535 expected", arg)
			}
			x.Multiplier = uint16(v)
		case "slice":
			return nil, errors.New("slice is not supported")
		default:
			return nil, fmt.Errorf("unknown option %q", w)
		}
		if err := once(seen, kind); err != nil {
			return nil, err
		}
	}
	most := uint8(8)
	if x.String {
		if seen["byte order"] {
			return nil, errors.New("string excludes a byte order")
		}
		if x.Base == 0 {
			x.Base = 10
		}
		most = map[uint8]uint8{8: 23, 10: 20, 16: 14}[x.Base]
	}
	if x.Bytes > most {
		return nil, fmt.Errorf("cannot extract more than %d bytes", most)
	}
	return x, nil
}

// ParseByteMath parses the value of byte_math: bytes n, offset n, oper x, rvalue n, result name, in any
// order, and the options relative, endian, string, dce and bitmask.
func ParseByteMath(value string) (*ByteMath, error) {
	fs, err := fields(value, 5, 10)
	if err != nil {
		return nil, err
	}
	m := &ByteMath{}
	seen := map[string]bool{}
	for _, w := range fs {
		name, arg := argument(w)
		if err := once(seen, name); err != nil {
			return nil, err
		}
		switch name {
		case "bytes":
			t := token(arg)
			if n, err := strconv.ParseUint(t, 10, 64); err != nil {
				m.Bytes.Var = t
			} else if n < 1 || n > 10 {
				return nil, fmt.Errorf("invalid number of bytes %q: 1 to 10 expected", arg)
			} else {
				m.Bytes.N = int64(n)
			}
		case "offset":
			n, err := strconv.ParseInt(arg, 10, 32)
			if err != nil || n < -65535 || n > 65535 {
				return nil, fmt.Errorf("invalid offset %q: -65535 to 65535 expected", arg)
			}
			m.Offset = int32(n)
		case "oper":
			ops := map[string]Op{"+": Add, "-": Subtract, "/": Divide, "*": Multiply, "<<": ShiftLeft, ">>": ShiftRight}
			if m.Op = ops[arg]; m.Op == 0 {
				return nil, fmt.Errorf("unknown operator %q", arg)
			}
		case "rvalue":
			t := token(arg)
			if n, err := strconv.ParseUint(t, 10, 64); err != nil {
				m.Value.Var = t
			} else if n > math.MaxUint32 {
				return nil, fmt.Errorf("invalid rvalue %q: 32 bits expected", arg)
			} else {
				m.Value.N = int64(n)
			}
			if t == "" {
				return nil, errors.New("the rvalue is missing")
			}
		case "result":
			if m.Name = arg; arg == "" {
				return nil, errors.New("the name of the result is missing")
			}
		case "relative":
			m.Relative = true
		case "endian":
			switch arg {
			case "big", "little", "dce":
				m.Little, m.DCE = arg == "little", arg == "dce"
			default:
				return nil, fmt.Errorf("invalid endian %q", arg)
			}
		case "dce":
			m.DCE = true
		case "string":
			m.String = true
			if m.Base = map[string]uint8{"hex": 16, "dec": 10, "oct": 8}[arg]; m.Base == 0 {
				return nil, fmt.Errorf("invalid string %q: hex, dec or oct expected", arg)
			}
		case "bitmask":
			t := strings.TrimPrefix(strings.TrimPrefix(arg, "0x"), "0X")
			v, err := strconv.ParseUint(t, 16, 32)
			if err != nil {
				return nil, fmt.Errorf("invalid bitmask %q", arg)
			}
			m.HasBitmask, m.Bitmask = true, uint32(v)
		default:
			return nil, fmt.Errorf("unknown option %q", w)
		}
	}
	for _, name := range [...]string{"bytes", "offset", "oper", "rvalue", "result"} {
		if !seen[name] {
			return nil, fmt.Errorf("%s is missing", name)
		}
	}
	if seen["endian"] && seen["dce"] {
		return nil, errors.New("the byte order is there twice")
	}
	if m.Bytes.Var == "" && m.Bytes.N == 0 || m.Bytes.N > 4 && (m.Op == ShiftLeft || m.Op == ShiftRight) {
		return nil, errors.New("1 to 4 bytes can be shifted")
	}
	return m, nil
}

// ParseIsDataAt parses the value of isdataat: [!]position, and the options relative and rawbytes.
func ParseIsDataAt(value string) (*IsDataAt, error) {
	v := strings.Trim(value, " \t")
	d := &IsDataAt{}
	d.Negated = strings.HasPrefix(v, "!")
	fs, err := fields(strings.TrimPrefix(v, "!"), 1, 3)
	if err != nil {
		return nil, err
	}
	if isName(fs[0]) {
		d.At.Var = fs[0]
	} else {
		n, ok := integer(fs[0], 10)
		if !ok || n < 0 || n > math.MaxUint16 {
			return nil, fmt.Errorf("the position %q is out of range", fs[0])
		}
		d.At.N = n
	}
	for i, w := range fs[1:] {
		if w != [...]string{"relative", "rawbytes"}[i] {
			return nil, fmt.Errorf("unknown option %q: relative, then rawbytes expected", w)
		}
		d.Relative = true
	}
	return d, nil
}
