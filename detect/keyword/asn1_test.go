package keyword

import (
	"strings"
	"testing"

	"sentinel/detect/chain"
)

// x690 is the example of X.690 (07/2002), appendix A.3.
const x690 = "\x60\x81\x85\x61\x10\x1A\x04John\x1A\x01P\x1A\x05Smith\xA0\x0A\x1A\x08Director\x42\x01\x33\xA1\x0A\x43\x0819710917" +
	"\xA2\x12\x61\x10\x1A\x04Mary\x1A\x01T\x1A\x05Smith\xA3\x42\x31\x1F\x61\x11\x1A\x05Ralph\x1A\x01T\x1A\x05Smith\xA0\x0A\x43\x0819571111" +
	"\x31\x1F\x61\x11\x1A\x05Susan\x1A\x01B\x1A\x05Jones\xA0\x0A\x43\x0819590717"

func TestASN1(t *testing.T) {
	real257 := "\x09\x82\x01\x01" + strings.Repeat("\x05", 257)
	real256 := "\x09\x82\x01\x00" + strings.Repeat("\x05", 256)
	for _, c := range []struct {
		name, value, data string
		pos               int
		want              chain.Verdict
	}{
		{"too long", "oversize_length 132 absolute_offset 0", x690, 0, chain.Match},
		{"long enough", "oversize_length 133 absolute_offset 0", x690, 0, chain.NoMatch},
		{"ignores more bits than there are", "bitstring_overflow, absolute_offset 0", "\x03\x01\xff", 0, chain.Match},
		{"ignores few bits", "bitstring_overflow, absolute_offset 0", "\x03\x01\x07", 0, chain.NoMatch},
		{"long real", "double_overflow", real257, 0, chain.Match},
		{"real", "double_overflow", real256, 0, chain.NoMatch},
		{"in a sequence", "bitstring_overflow", "\x30\x03\x03\x01\xff", 0, chain.Match},
		{"in a sequence without length", "bitstring_overflow", "\x30\x80\x03\x01\xff\x00\x00", 0, chain.Match},
		{"in a broken sequence", "bitstring_overflow", "\x30\x05\x03\x01\xff\x02\x7f", 0, chain.NoMatch},
		{"before something broken", "bitstring_overflow", "\x03\x01\xff\x02\x7f", 0, chain.Match},
		{"behind the offset", "bitstring_overflow,absolute_offset 2", "ab\x03\x01\xff", 0, chain.Match},
		{"behind the match", "bitstring_overflow,relative_offset 1", "ab\x03\x01\xff", 1, chain.Match},
		{"before the match", "bitstring_overflow,relative_offset -2", "ab\x03\x01\xff", 4, chain.Match},
		{"offset before the buffer", "bitstring_overflow,relative_offset -5", "\x03\x01\xff", 1, chain.NoMatch},
		{"offset beyond the buffer", "bitstring_overflow,absolute_offset 3", "\x03\x01\xff", 0, chain.NoMatch},
		{"as many objects as are looked at", "bitstring_overflow", "\x03\x01\xff" + strings.Repeat("\x05\x00", 29), 0, chain.Match},
		{"one more", "bitstring_overflow", "\x03\x01\xff" + strings.Repeat("\x05\x00", 30), 0, chain.NoMatch},
		{"as deep as is looked at", "bitstring_overflow", nest(29), 0, chain.Match},
		{"deeper", "bitstring_overflow", nest(30), 0, chain.NoMatch},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, err := parseASN1(c.value)
			if err != nil {
				t.Fatal(err)
			}
			if got := a.Check([]byte(c.data), c.pos); got != c.want {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
	for _, v := range []string{"", "oversize_length", "oversize_length x", "oversize_length 4294967296", "absolute_offset 65536", "absolute_offset -1", "relative_offset 65536", "foo", "foo 1"} {
		if _, err := parseASN1(v); err == nil {
			t.Errorf("%q was accepted", v)
		}
	}
}

// nest puts a bit string into so many sequences.
func nest(n int) string {
	s := "\x03\x01\xff"
	for range n {
		s = "\x30" + string(rune(len(s))) + s
	}
	return s
}

func FuzzASN1(f *testing.F) {
	f.Add([]byte(x690))
	f.Add([]byte(nest(20)))
	f.Add([]byte("\x30\x80\x30\x80\x03\x01\xff\x00\x00\x00\x00"))
	f.Add([]byte("\x1f\x81\x01\x84\x7f\xff\xff\xff"))
	a, err := parseASN1("double_overflow, bitstring_overflow, relative_offset 1, oversize_length 2048")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		a.Check(b, 0)
		a.Check(b, len(b))
	})
}
