package tcp

import (
	"encoding/binary"
	"testing"
	"time"

	"sentinel/decode"
	"sentinel/internal/growth"
	"sentinel/stream/flow"
)

// blow is a packet of an attack: the client's segment at an offset into its stream, then the server's ACK up to ack, if that is
// not 0.
type blow struct {
	off, n uint32
	ack    uint32
	sack   [2]uint32 // a range in the ACK
}

// scatter spreads 0 to n-1, a power of two, so that neighbours are far apart.
func scatter(i, n uint32) uint32 {
	var r uint32
	for b := uint32(1); b < n; b <<= 1 {
		r <<= 1
		if i&b != 0 {
			r |= 1
		}
	}
	return r
}

// packetCost is the most that a segment may cost. Islands, segments and ranges have bounds, below which a hostile sender may make
// the tracker walk all there are.
const packetCost = 50 * time.Microsecond

// TestAttacks holds the tracker to linear work: with more segments, holes and SACK ranges than it keeps.
func TestAttacks(t *testing.T) {
	tests := []struct {
		name string
		from int
		at   func(i, n uint32) blow
	}{
		{"in order", 0, func(i, n uint32) blow { return blow{off: 10 * i, n: 10, ack: 10 * (i + 1)} }},
		{"in order, without ACKs", 1 << 13, func(i, n uint32) blow { return blow{off: i % 4000, n: 1} }},
		{"holes", 1 << 13, func(i, n uint32) blow { return blow{off: 2 * i % 10000, n: 1} }},
		{"holes that are filled from behind", 1 << 13, func(i, n uint32) blow {
			if i < n/2 {
				return blow{off: 2 * i % 10000, n: 1}
			}
			return blow{off: (2*(n-i) + 1) % 10000, n: 1}
		}},
		{"backwards", 1 << 13, func(i, n uint32) blow { return blow{off: 2 * (n - i) % 10000, n: 2} }},
		{"scattered", 1 << 13, func(i, n uint32) blow { return blow{off: scatter(i%8192, 8192), n: 1} }},
		{"scattered with holes", 1 << 13, func(i, n uint32) blow { return blow{off: 2 * scatter(i%4096, 4096), n: 1} }},
		{"each overlaps the one before", 1 << 13, func(i, n uint32) blow { return blow{off: i % 9000, n: 1000} }},
		{"the same again", 1 << 13, func(i, n uint32) blow { return blow{off: 100, n: 1000} }},
		{"a long one, then short ones", 1 << 13, func(i, n uint32) blow {
			if i == 0 {
				return blow{off: 1, n: 8000}
			}
			return blow{off: 1 + i%7900, n: 1 + i%3}
		}},
		{"a long one over short ones behind holes", 1 << 13, func(i, n uint32) blow {
			switch {
			case i < 2000:
				return blow{off: 1 + 2*i, n: 1}
			case i < 4000:
				return blow{off: 8000 + i, n: 1}
			}
			return blow{off: 10000 - i%2, n: 2000 + i%2}
		}},
		{"an ACK for many holes", 1 << 13, func(i, n uint32) blow {
			b := blow{off: 2*i + 1, n: 1}
			if i%2000 == 1999 {
				b.ack = 2*i + 2
			}
			return b
		}},
		{"SACK ranges", 1 << 12, func(i, n uint32) blow {
			return blow{off: 1 + i%1000, n: 1, ack: 1, sack: [2]uint32{2 + 2*(i%2000), 3 + 2*(i%2000)}}
		}},
	}
	for _, inline := range []bool{false, true} {
		name := "passive"
		if inline {
			name = "inline"
		}
		t.Run(name, func(t *testing.T) {
			for _, tt := range tests {
				t.Run(tt.name, func(t *testing.T) {
					cfg := DefaultConfig()
					cfg.Inline = inline
					r := newRig(t, cfg)
					r.tr.app = &sink{}
					var f flow.Flow
					c := growth.Linear(t, max(tt.from, 16), 1<<15, func(n int) func() {
						if f.TCP != 0 {
							r.tr.Free(&f)
						}
						f = flow.Flow{}
						a := newAssault(r.tr, &f)
						return func() {
							for i := range uint32(n) {
								a.strike(tt.at(i, uint32(n)))
							}
						}
					})
					if c.Per(c.N) > packetCost {
						t.Errorf("%v a segment", c.Per(c.N))
					}
					r.tr.Free(&f)
				})
			}
		})
	}
}

// assault is an open session whose client is hostile.
type assault struct {
	tr   *Tracker
	p    decode.Packet
	u    Context
	body []byte
	l4   []byte
}

func newAssault(tr *Tracker, f *flow.Flow) *assault {
	a := &assault{tr: tr, body: make([]byte, 1<<14), l4: make([]byte, 64)}
	for i := range a.body {
		a.body[i] = byte(i)
	}
	a.u = Context{Packet: &a.p, Flow: f}
	a.send(0, decode.SYN, 0, 0, nil)
	a.send(1, decode.SYN|decode.ACK, 0, 1, nil)
	a.send(0, decode.ACK, 1, 1, nil)
	tr.SetDepth(f, 0)
	return a
}

// send passes a packet through the tracker as a worker does. The numbers are the wire's: both sides begin at 0.
func (a *assault) send(d flow.Dir, fl decode.TCPFlags, seq, ack uint32, data []byte) {
	opts, off, count := a.p.TCP.Opts, a.p.TCP.SACKOff, a.p.TCP.SACKCount
	a.p = decode.Packet{Time: 1e9, TCP: decode.TCP{Flags: fl, Seq: seq, Ack: ack, Window: win, Opts: opts, SACKOff: off, SACKCount: count},
		Payload: data, L4: a.l4}
	a.u.Dir = d
	o := a.tr.Packet(&a.u)
	if a.tr.RawReady(&a.u, d, o.Added) {
		for _, _, ok := a.tr.Raw(&a.u, d, false); ok; _, _, ok = a.tr.RawNext(&a.u, d) {
		}
		a.tr.RawDone(&a.u, d)
	}
	a.tr.Prune(a.u.Flow, d)
}

func (a *assault) strike(b blow) {
	a.p.TCP.Opts = 0
	a.send(0, decode.ACK|decode.PSH, 1+b.off, 1, a.body[:b.n])
	if b.ack == 0 {
		return
	}
	if b.sack[1] != 0 {
		a.p.TCP.Opts, a.p.TCP.SACKOff, a.p.TCP.SACKCount = decode.OptSACK, 20, 1
		binary.BigEndian.PutUint32(a.l4[20:], 1+b.sack[0])
		binary.BigEndian.PutUint32(a.l4[24:], 1+b.sack[1])
	}
	a.send(1, decode.ACK, 1, 1+b.ack, nil)
}
