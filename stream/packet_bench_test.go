package stream

import (
	"testing"

	"sentinel/capture"
	"sentinel/decode"
	"sentinel/internal/conf"
	"sentinel/stream/app"
	"sentinel/stream/flow"
	"sentinel/stream/tcp"
)

// quiet does nothing with what an engine tells it.
type quiet struct{ ended []flow.Flow }

func (q *quiet) Run(u *Unit) {
	if u.Packet.DstPort == 7 { // as the keyword bypass does
		u.Action |= BypassFlow
	}
}
func (q *quiet) FlowEnd(f *flow.Flow, _ *State, _ *tcp.Session) { q.ended = append(q.ended, *f) }
func (q *quiet) TxFree(*flow.Flow, *app.Tx)                     {}
func (q *quiet) FlowFree(*flow.Flow)                            {}

func quietEngine(tb testing.TB, c flow.Config) (*Engine, *quiet) {
	tree, _, err := conf.Parse(nil, "test")
	if err != nil {
		tb.Fatal(err)
	}
	q := &quiet{}
	e, err := New(Config{Registry: app.NewRegistry(nil, nil), Root: tree.Root(), Flow: c, TCP: tcp.DefaultConfig(), IPS: true}, q)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(e.Close)
	return e, q
}

// udpPacket is a packet of a flow by the client's port and the server's.
func udpPacket(sp, dp uint16, at int64) *decode.Packet {
	return &decode.Packet{Parent: -1, Time: at, IPVersion: 4, Proto: 17, Layers: decode.HasIPv4 | decode.HasUDP, Src: decode.Addr{10, 0, 0, 1},
		Dst: decode.Addr{10, 0, 0, 2}, SrcPort: sp, DstPort: dp, TTL: 64, Data: make([]byte, 100), Frame: &capture.Frame{Link: capture.LinkEthernet}}
}

// BenchmarkPacket is what a datagram of one of a thousand flows costs without parser and rules.
func BenchmarkPacket(b *testing.B) {
	for name, port := range map[string]uint16{"inspected": 9, "bypassed": 7} {
		b.Run(name, func(b *testing.B) {
			e, _ := quietEngine(b, flow.Config{Prealloc: 2000})
			p := udpPacket(1, port, 1e18)
			i := uint16(0)
			for b.Loop() {
				i++
				p.SrcPort = 1000 + i%1000
				e.Process(p, 1, p.Time)
			}
		})
	}
}
