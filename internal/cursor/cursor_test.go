package cursor

import (
	"bytes"
	"testing"
)

func TestReads(t *testing.T) {
	in := []byte{1, 2, 3, 4, 5, 6, 7, 8, 9}
	var u8 uint8
	var u16 uint16
	var u32 uint32
	var u64 uint64
	var b []byte
	var sub Cursor
	tests := []struct {
		name string
		in   []byte
		read func(c *Cursor) bool
		got  func() uint64
		want uint64
		size int
	}{
		{"u8", in, func(c *Cursor) bool { return c.U8(&u8) }, func() uint64 { return uint64(u8) }, 0x01, 1},
		{"u16", in, func(c *Cursor) bool { return c.U16(&u16) }, func() uint64 { return uint64(u16) }, 0x0102, 2},
		{"u24", in, func(c *Cursor) bool { return c.U24(&u32) }, func() uint64 { return uint64(u32) }, 0x010203, 3},
		{"u32", in, func(c *Cursor) bool { return c.U32(&u32) }, func() uint64 { return uint64(u32) }, 0x01020304, 4},
		{"u64", in, func(c *Cursor) bool { return c.U64(&u64) }, func() uint64 { return u64 }, 0x0102030405060708, 8},
		{"le16", in, func(c *Cursor) bool { return c.LE16(&u16) }, func() uint64 { return uint64(u16) }, 0x0201, 2},
		{"le24", in, func(c *Cursor) bool { return c.LE24(&u32) }, func() uint64 { return uint64(u32) }, 0x030201, 3},
		{"le32", in, func(c *Cursor) bool { return c.LE32(&u32) }, func() uint64 { return uint64(u32) }, 0x04030201, 4},
		{"le64", in, func(c *Cursor) bool { return c.LE64(&u64) }, func() uint64 { return u64 }, 0x0807060504030201, 8},
		{"bytes", in, func(c *Cursor) bool { return c.Bytes(&b, 5) }, func() uint64 { return uint64(len(b)) }, 5, 5},
		{"skip", in, func(c *Cursor) bool { return c.Skip(4) }, func() uint64 { return 0 }, 0, 4},
		{"sub", in, func(c *Cursor) bool { return c.Sub(&sub, 3) }, func() uint64 { return uint64(sub.Len()) }, 3, 3},
		{"vec8", in[2:], func(c *Cursor) bool { return c.Vec8(&sub) }, func() uint64 { return uint64(sub[0]) }, 4, 4},
		{"vec16", []byte{0, 2, 8, 9}, func(c *Cursor) bool { return c.Vec16(&sub) }, func() uint64 { return uint64(sub[1]) }, 9, 4},
		{"vec24", []byte{0, 0, 1, 8}, func(c *Cursor) bool { return c.Vec24(&sub) }, func() uint64 { return uint64(sub[0]) }, 8, 4},
		{"until", in, func(c *Cursor) bool { return c.Until(&b, 4) }, func() uint64 { return uint64(len(b)) }, 3, 4},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := Cursor(tt.in)
			if !tt.read(&c) {
				t.Fatal("failed with enough input")
			}
			if got := tt.got(); got != tt.want {
				t.Errorf("read %#x, want %#x", got, tt.want)
			}
			if used := len(tt.in) - c.Len(); used != tt.size {
				t.Errorf("advanced by %d, want %d", used, tt.size)
			}
			for n := range tt.size {
				c := Cursor(tt.in[:n:n])
				if tt.read(&c) {
					t.Errorf("succeeded with %d bytes of %d", n, tt.size)
				}
				if c.Len() != n {
					t.Errorf("a failed read took %d bytes", n-c.Len())
				}
			}
			if n := testing.AllocsPerRun(10, func() { c = tt.in; tt.read(&c) }); n != 0 {
				t.Errorf("%v allocations", n)
			}
		})
	}
}

// A slice that a parser appends to must not reach into what follows it.
func TestSlicesAreCapped(t *testing.T) {
	in := []byte{2, 1, 2, 3, 4, 5, 6, 7, 8}
	var b []byte
	var v Cursor
	c := Cursor(in)
	if !c.Vec8(&v) || !c.Bytes(&b, 2) {
		t.Fatal("failed with enough input")
	}
	_ = append(v, 0xee)
	_ = append(b, 0xee)
	r := c.Rest()
	if !bytes.Equal(r, []byte{5, 6, 7, 8}) || !c.Empty() {
		t.Errorf("rest is %v, empty %v", r, c.Empty())
	}
	if c.Bytes(&b, -1) || c.Skip(-1) {
		t.Error("a negative length succeeded")
	}
}

func FuzzCursor(f *testing.F) {
	f.Add([]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, []byte{9, 0, 0, 2, 1, 2})
	f.Fuzz(func(t *testing.T, ops, in []byte) {
		var u8 uint8
		var u16 uint16
		var u32 uint32
		var u64 uint64
		var b []byte
		var v Cursor
		c := Cursor(in)
		for _, op := range ops {
			before := c.Len()
			ok := false
			switch op % 12 {
			case 0:
				ok = c.U8(&u8)
			case 1:
				ok = c.U16(&u16)
			case 2:
				ok = c.U24(&u32)
			case 3:
				ok = c.U64(&u64)
			case 4:
				ok = c.LE16(&u16)
			case 5:
				ok = c.LE32(&u32)
			case 6:
				ok = c.Bytes(&b, int(int8(u8)))
			case 7:
				ok = c.Vec8(&v)
			case 8:
				ok = c.Vec16(&v)
			case 9:
				ok = c.Vec24(&v)
			case 10:
				ok = c.Until(&b, 0)
			case 11:
				ok = c.Skip(int(u16))
			}
			if c.Len() > before || !ok && c.Len() != before {
				t.Fatalf("op %d ok %v: %d left of %d", op, ok, c.Len(), before)
			}
		}
	})
}
