package defrag

import (
	"math/bits"
	"testing"
	"time"

	"sentinel/capture"
	"sentinel/decode"
	"sentinel/internal/growth"
)

// packetCost is the most that a fragment may cost: a datagram has up to 8,191 of eight bytes, which a hostile sender may make the
// table walk.
const packetCost = 100 * time.Microsecond

// TestAttacks holds the table to linear work.
func TestAttacks(t *testing.T) {
	const whole = 2000 // fragments of eight bytes in a datagram
	eight := make([]byte, 8)
	at := func(k int) part { return part{off: 8 * k, more: true, data: eight} }
	tests := []struct {
		name string
		from int
		frag func(i int) (id uint16, p part)
	}{
		{"in order", 2 * whole, func(i int) (uint16, part) { return uint16(i / whole), at(i % whole) }},
		{"backwards", 2 * whole, func(i int) (uint16, part) { return uint16(i / whole), at(whole - i%whole) }},
		{"holes", 2 * whole, func(i int) (uint16, part) { return uint16(i / whole), at(2 * i % whole) }},
		{"scattered", 2 * 2048, func(i int) (uint16, part) {
			return uint16(i / 2048), at(int(bits.Reverse16(uint16(i)<<5)) % whole)
		}},
		{"the last one again", 2 * whole, func(i int) (uint16, part) { return 1, at(min(i, whole)) }},
		{"the first and the last again", 2 * whole, func(i int) (uint16, part) {
			if i < whole {
				return 1, at(i)
			}
			return 1, at(i % 2 * (whole - 1))
		}},
		{"long ones over short ones", 2 * whole, func(i int) (uint16, part) {
			if i%whole < whole-10 {
				return uint16(i / whole), at(2 * i % whole)
			}
			return uint16(i / whole), part{off: 0, more: true, data: make([]byte, 1400)}
		}},
		{"each overlaps the one before", 2 * whole, func(i int) (uint16, part) {
			return uint16(i / whole), part{off: 8 * (i % 1800), more: true, data: make([]byte, 1400)}
		}},
		{"nearly whole", 2 * whole, func(i int) (uint16, part) {
			k := i % whole
			return uint16(i / whole), part{off: 8 * (k + 1), more: k != whole/2, data: eight}
		}},
		{"many datagrams", 1 << 15, func(i int) (uint16, part) { return uint16(i), at(1 + i>>16) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := decode.NewStack(decode.DefaultConfig())
			c := growth.Linear(t, tt.from, 4*tt.from, func(n int) func() {
				packets := make([][]byte, n)
				for i := range packets {
					id, p := tt.frag(i)
					packets[i] = v4Fragment(id, 17, p)
				}
				table := New(Config{})
				return func() {
					for i, b := range packets {
						s.Decode(&capture.Frame{Data: b, Link: capture.LinkRaw, Time: int64(i)})
						table.Add(&s.Packets[0], int64(i))
					}
				}
			})
			if c.Per(c.N) > packetCost {
				t.Errorf("%v a fragment", c.Per(c.N))
			}
		})
	}
}
