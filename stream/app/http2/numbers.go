package http2

import (
	"errors"
	"strconv"
	"strings"

	"sentinel/stream/app"
)

// nth returns the value of the i-th frame of a direction that has one.
func nth(get func(f *frame) (uint64, bool)) func(tx app.Transaction, d app.Dir, i int) (uint64, bool) {
	return func(tx app.Transaction, d app.Dir, i int) (uint64, bool) {
		t, ok := tx.(*Tx)
		if !ok {
			return 0, false
		}
		for j := range t.frames[d] {
			v, ok := get(&t.frames[d][j])
			if !ok {
				continue
			}
			if i == 0 {
				return v, true
			}
			i--
		}
		return 0, false
	}
}

func numbers() []app.Number {
	var out []app.Number
	for _, n := range []app.Number{
		{Name: "http2.frametype", Doc: "type of a frame", Bits: 8, Names: frameTypes,
			Get: nth(func(f *frame) (uint64, bool) { return uint64(f.kind), true })},
		{Name: "http2.errorcode", Doc: "error code of a frame", Bits: 32, Names: errorCodes,
			Get: nth(func(f *frame) (uint64, bool) { return uint64(f.value), f.marks&hasCode != 0 })},
		{Name: "http2.priority", Doc: "weight of a priority", Bits: 8,
			Get: nth(func(f *frame) (uint64, bool) { return uint64(f.weight), f.marks&hasPriority != 0 })},
		{Name: "http2.window", Doc: "increment of a window update", Bits: 32,
			Get: nth(func(f *frame) (uint64, bool) { return uint64(f.value), f.marks&hasWindow != 0 })},
	} {
		n.List = true
		for d := app.ToServer; d <= app.ToClient; d++ {
			n.At = at(d, typeStream, complete)
			out = append(out, n)
			n.At = at(d, typeGlobal, 1)
			out = append(out, n)
		}
	}
	for d := app.ToServer; d <= app.ToClient; d++ {
		out = append(out, app.Number{Name: "http2.size_update", Doc: "size of the table of header fields", Bits: 64,
			At: at(d, typeStream, headers), Get: sizeUpdate})
	}
	return out
}

func sizeUpdate(tx app.Transaction, d app.Dir, i int) (uint64, bool) {
	t, ok := tx.(*Tx)
	if !ok {
		return 0, false
	}
	for j := range t.blocks[d] {
		if t.blocks[d][j].kind == blockSize {
			if i == 0 {
				return t.blocks[d][j].size, true
			}
			i--
		}
	}
	return 0, false
}

func matches() []app.Match {
	var out []app.Match
	for d := app.ToServer; d <= app.ToClient; d++ {
		for _, sub := range []uint8{typeStream, typeGlobal} {
			out = append(out, app.Match{Name: "http2.settings", Doc: "a setting, and its value", At: at(d, sub, 0), Setup: setupSettings})
		}
	}
	return out
}

// interval is a condition on a number: low ≤ n ≤ high, or its opposite.
type interval struct {
	low, high uint64
	not, any  bool
}

func (i interval) has(n uint64) bool {
	return i.any || (n >= i.low && n <= i.high) != i.not
}

// parseInterval reads "5", "=5", "!5", ">5", ">=5", "<5", "<=5", "1-5", "1<>5"; ranges leave their ends out.
func parseInterval(s string) (interval, error) {
	const most = 1<<32 - 1
	s = strings.TrimSpace(s)
	if s == "" {
		return interval{any: true}, nil
	}
	num := func(s string) (uint64, error) { return strconv.ParseUint(strings.TrimSpace(s), 0, 32) }
	bad := errors.New("expected a number or a range of numbers")
	for _, op := range []string{">=", "<=", "!=", ">", "<", "!", "="} {
		if !strings.HasPrefix(s, op) {
			continue
		}
		n, err := num(s[len(op):])
		if err != nil {
			return interval{}, bad
		}
		switch op {
		case ">=":
			return interval{low: n, high: most}, nil
		case "<=":
			return interval{high: n}, nil
		case ">":
			return interval{low: n + 1, high: most}, nil
		case "<":
			if n == 0 {
				return interval{}, bad
			}
			return interval{high: n - 1}, nil
		case "!", "!=":
			return interval{low: n, high: n, not: true}, nil
		}
		return interval{low: n, high: n}, nil
	}
	for _, sep := range []string{"<>", "-"} {
		if a, b, ok := strings.Cut(s, sep); ok {
			low, err1 := num(a)
			high, err2 := num(b)
			if err1 != nil || err2 != nil || high < low+2 {
				return interval{}, bad
			}
			return interval{low: low + 1, high: high - 1}, nil
		}
	}
	n, err := num(s)
	if err != nil {
		return interval{}, bad
	}
	return interval{low: n, high: n}, nil
}

func setupSettings(value string) (func(tx app.Transaction, d app.Dir) bool, string, error) {
	value = strings.TrimSpace(value)
	n := strings.IndexAny(value, " <>=")
	if n < 0 {
		n = len(value)
	}
	name := strings.ToUpper(value[:n])
	id := uint16(0)
	for i, s := range settingNames {
		if s[0] == name && name != "" {
			id = uint16(i)
		}
	}
	if id == 0 {
		return nil, "", errors.New("unknown setting " + strconv.Quote(value[:n]))
	}
	want, err := parseInterval(value[n:])
	if err != nil {
		return nil, "", err
	}
	test := func(tx app.Transaction, d app.Dir) bool {
		t, ok := tx.(*Tx)
		if !ok {
			return false
		}
		for _, s := range t.settings[d] {
			if s.id == id && want.has(uint64(s.value)) {
				return true
			}
		}
		return false
	}
	return test, name + " " + strings.TrimSpace(value[n:]), nil
}
