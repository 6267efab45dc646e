package pcapfile_test

import (
	"encoding/binary"
	"math"
	"testing"

	"sentinel/capture/pcapfile"
)

// blk wraps a body into a block of a type, padded to 32 bits.
func blk(o binary.AppendByteOrder, typ uint32, body []byte) []byte {
	pad := -len(body) & 3
	n := uint32(12 + len(body) + pad)
	b := o.AppendUint32(nil, typ)
	b = o.AppendUint32(b, n)
	b = append(b, body...)
	b = append(b, make([]byte, pad)...)
	return o.AppendUint32(b, n)
}

func section(o binary.AppendByteOrder) []byte {
	b := o.AppendUint32(nil, 0x1a2b3c4d)
	b = o.AppendUint16(b, 1)
	b = o.AppendUint16(b, 0)
	return blk(o, 0x0a0d0d0a, o.AppendUint64(b, math.MaxUint64))
}

func describe(o binary.AppendByteOrder, link uint16, snap uint32, opts ...[]byte) []byte {
	b := o.AppendUint16(nil, link)
	b = o.AppendUint16(b, 0)
	b = o.AppendUint32(b, snap)
	return blk(o, 1, append(b, cat(opts...)...))
}

func option(o binary.AppendByteOrder, code uint16, v ...byte) []byte {
	b := o.AppendUint16(nil, code)
	b = o.AppendUint16(b, uint16(len(v)))
	b = append(b, v...)
	return append(b, make([]byte, -len(v)&3)...)
}

func enhanced(o binary.AppendByteOrder, iface uint32, ticks uint64, wire uint32, data string, opts ...[]byte) []byte {
	b := o.AppendUint32(nil, iface)
	b = o.AppendUint32(b, uint32(ticks>>32))
	b = o.AppendUint32(b, uint32(ticks))
	b = o.AppendUint32(b, uint32(len(data)))
	b = o.AppendUint32(b, wire)
	b = append(b, data...)
	b = append(b, make([]byte, -len(data)&3)...)
	return blk(o, 6, append(b, cat(opts...)...))
}

func packet(o binary.AppendByteOrder, iface, drops uint16, ticks uint64, wire uint32, data string) []byte {
	b := o.AppendUint16(nil, iface)
	b = o.AppendUint16(b, drops)
	b = o.AppendUint32(b, uint32(ticks>>32))
	b = o.AppendUint32(b, uint32(ticks))
	b = o.AppendUint32(b, uint32(len(data)))
	b = o.AppendUint32(b, wire)
	return blk(o, 2, append(b, data...))
}

func simple(o binary.AppendByteOrder, wire uint32, data string) []byte {
	return blk(o, 3, append(o.AppendUint32(nil, wire), data...))
}

// shorten overwrites the captured length of a little-endian enhanced packet.
func shorten(b []byte, captured uint32) []byte {
	binary.LittleEndian.PutUint32(b[20:], captured)
	return b
}

func TestPcapng(t *testing.T) {
	offset := func(o binary.AppendByteOrder, s int64) []byte {
		return option(o, 14, o.AppendUint64(nil, uint64(s))...)
	}
	res := func(b byte) []byte { return option(le, 9, b) }
	one := func(ticks uint64, opts ...[]byte) []byte {
		return cat(section(le), describe(le, 1, 0, opts...), enhanced(le, 0, ticks, 1, "x"))
	}
	at := func(ns int64) []want { return []want{{"x", ns, 1, 1, false}} }
	tests := []struct {
		name string
		file []byte
		want []want
	}{
		{"little-endian", cat(section(le), describe(le, 1, 0), enhanced(le, 0, 1_000_001, 5, "abc")), []want{{"abc", 1_000_001_000, 5, 1, true}}},
		{"big-endian", cat(section(be), describe(be, 1, 0), enhanced(be, 0, 1_000_001, 3, "abc")), []want{{"abc", 1_000_001_000, 3, 1, false}}},
		{"two interfaces", cat(section(le), describe(le, 1, 0), describe(le, 113, 0, res(9)), enhanced(le, 1, 7, 1, "a"), enhanced(le, 0, 7, 1, "b")),
			[]want{{"a", 7, 1, 113, false}, {"b", 7000, 1, 1, false}}},
		{"sections of different byte order", cat(section(le), describe(le, 1, 0), enhanced(le, 0, 1, 1, "a"), section(be), describe(be, 101, 0), enhanced(be, 0, 2, 1, "b")),
			[]want{{"a", 1000, 1, 1, false}, {"b", 2000, 1, 101, false}}},
		{"simple packets take the time before", cat(section(le), describe(le, 1, 4), enhanced(le, 0, 3, 1, "a"), simple(le, 3, "bcd"), simple(le, 9, "efgh")),
			[]want{{"a", 3000, 1, 1, false}, {"bcd", 3000, 3, 1, false}, {"efgh", 3000, 9, 1, true}}},
		{"obsolete packet", cat(section(be), describe(be, 1, 0), describe(be, 101, 0), packet(be, 1, 0xffff, 1<<32|5, 3, "abc")),
			[]want{{"abc", (1<<32 + 5) * 1000, 3, 101, false}}},
		{"unknown blocks", cat(section(le), blk(le, 4, []byte("names")), describe(le, 1, 0), blk(le, 5, make([]byte, 600_000)), enhanced(le, 0, 1, 1, "a"), blk(le, 0x80000bad, nil), enhanced(le, 0, 2, 1, "b")),
			[]want{{"a", 1000, 1, 1, false}, {"b", 2000, 1, 1, false}}},
		{"packet options", cat(section(le), describe(le, 1, 0), enhanced(le, 0, 1, 5, "abcde", option(le, 1, []byte("a comment")...), option(le, 0)), enhanced(le, 0, 2, 1, "b")),
			[]want{{"abcde", 1000, 5, 1, false}, {"b", 2000, 1, 1, false}}},
		{"options longer than a block of memory", cat(section(le), describe(le, 1, 0), enhanced(le, 0, 1, 1, "a", make([]byte, 400_000)), enhanced(le, 0, 2, 1, "b")),
			[]want{{"a", 1000, 1, 1, false}, {"b", 2000, 1, 1, false}}},
		{"milliseconds", one(5, res(3)), at(5_000_000)},
		{"seconds", one(5, res(0)), at(5_000_000_000)},
		{"picoseconds", one(5_999, res(12)), at(5)},
		{"10^-127", one(math.MaxUint64, res(127)), at(0)},
		{"2^-10", one(1536, res(0x8a)), at(1_500_000_000)},
		{"2^-32", one(3<<31, res(0xa0)), at(1_500_000_000)},
		{"2^-64", one(1<<63, res(0xc0)), at(500_000_000)},
		{"2^-127", one(math.MaxUint64, res(0xff)), at(0)},
		{"2^0", one(2, res(0x80)), at(2_000_000_000)},
		{"offset", one(5, offset(le, 100), res(9)), at(100_000_000_005)},
		{"negative offset", one(5_000_000_000, option(le, 2, []byte("eth0")...), offset(le, -2), res(9), option(le, 0)), at(3_000_000_000)},
		{"largest time", one(math.MaxUint64), at(math.MaxInt64)},
		{"largest time and offset", one(math.MaxUint64, offset(le, math.MaxInt64)), at(math.MaxInt64)},
		{"smallest offset", one(0, offset(le, math.MinInt64)), at(-(math.MaxInt64 / 1_000_000_000) * 1_000_000_000)},
		{"option behind the end is not read", one(5, option(le, 0), res(9)), at(5000)},
		{"option runs past the block", one(5, []byte{9, 0, 200, 0, 9, 0, 0, 0}), at(5000)},
		{"no packet", section(le), nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := fromBytes(t, tt.file, pcapfile.Options{})
			if err != nil {
				t.Fatal(err)
			}
			check(t, got, tt.want)
		})
	}
}
