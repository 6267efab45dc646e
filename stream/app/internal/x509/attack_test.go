package x509

import (
	"bytes"
	"testing"
	"time"

	"sentinel/internal/growth"
)

// byteCost is the most that a byte of a certificate may cost.
const byteCost = time.Microsecond

// tlv encodes an element with a length of four bytes.
func tlv(tag byte, parts ...[]byte) []byte {
	b := bytes.Join(parts, nil)
	n := len(b)
	return append([]byte{tag, 0x84, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}, b...)
}

// TestAttacks holds the reader of certificates to linear work: one part of a certificate grows.
func TestAttacks(t *testing.T) {
	date := tlv(23, []byte("160229010203Z"))
	attribute := tlv(0x31, tlv(0x30, tlv(6, []byte{0x55, 4, 3}), tlv(12, []byte("a"))))
	// certificate builds one around a name and extensions.
	build := func(serial, name, names, more []byte) []byte {
		ext := tlv(0x30, tlv(6, []byte(oidSubjectAltName)), tlv(4, tlv(0x30, names)))
		return tlv(0x30, tlv(0x30, tlv(0xa0, []byte{2, 1, 2}), tlv(2, serial), tlv(0x30), tlv(0x30, name), tlv(0x30, date, date), tlv(0x30, name),
			tlv(0x30), tlv(0xa3, tlv(0x30, ext, more))), tlv(0x30), tlv(3))
	}
	one := []byte{1}
	tests := []struct {
		name string
		make func(n int) []byte
	}{
		{"serial number", func(n int) []byte { return build(make([]byte, n), nil, nil, nil) }},
		{"attributes", func(n int) []byte { return build(one, bytes.Repeat(attribute, n/len(attribute)+1), nil, nil) }},
		{"names", func(n int) []byte { return build(one, nil, bytes.Repeat([]byte{0x82, 1, 'a'}, n/3+1), nil) }},
		{"addresses", func(n int) []byte { return build(one, nil, tlv(0x87, make([]byte, n)), nil) }},
		{"extensions", func(n int) []byte {
			return build(one, nil, nil, bytes.Repeat(tlv(0x30, tlv(6, []byte{0x55, 0x1d, 1}), tlv(4)), n/20+1))
		}},
		{"identifier", func(n int) []byte {
			return build(one, tlv(0x31, tlv(0x30, tlv(6, bytes.Repeat([]byte{0xff}, n)), tlv(12))), nil, nil)
		}},
		{"arcs of an identifier", func(n int) []byte {
			return build(one, tlv(0x31, tlv(0x30, tlv(6, bytes.Repeat([]byte{0x7f}, n)), tlv(12))), nil, nil)
		}},
		{"text of two bytes", func(n int) []byte {
			return build(one, tlv(0x31, tlv(0x30, tlv(6, []byte{0x55, 4, 3}), tlv(30, bytes.Repeat([]byte{0, 'a'}, n/2)))), nil, nil)
		}},
		{"a length that does not end", func(n int) []byte { return append([]byte{0x30, 0xfe}, make([]byte, n)...) }},
		{"nothing but sequences", func(n int) []byte { return bytes.Repeat([]byte{0x30, 0x80}, n/2+1) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var c Cert
			size := 0
			got := growth.Linear(t, 1<<10, 1<<22, func(n int) func() {
				der := tt.make(n)
				size = len(der)
				return func() { c.Parse(der) }
			})
			if got.Per(size) > byteCost {
				t.Errorf("%v a byte", got.Per(size))
			}
		})
	}
	t.Run("what is built is a certificate", func(t *testing.T) {
		var c Cert
		if err := c.Parse(build(one, attribute, []byte{0x82, 1, 'a'}, nil)); err != OK || string(c.Subject()) != "CN=a" || c.Names() != 1 {
			t.Errorf("error %d, subject %q, %d names", err, c.Subject(), c.Names())
		}
	})
}
