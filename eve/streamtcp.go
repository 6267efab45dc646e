package eve

import (
	"encoding/binary"

	"sentinel/decode"
	"sentinel/internal/conf"
	"sentinel/stream"
	"sentinel/stream/flow"
	"sentinel/stream/tcp"
)

// streamLogger writes TCP packets with what tracking thinks of them and of their session.
type streamLogger struct {
	logger
	want tcp.PacketFlags // packets that have one of these
	all  bool
}

func (o *Output) addStream(n *conf.Node, l logger) {
	x := streamLogger{logger: l, all: n.Get("all").IsTrue()}
	for _, k := range []struct {
		key  string
		flag tcp.PacketFlags
	}{{"event-set", tcp.EventSet}, {"state-update", tcp.StateUpdate}, {"spurious-retransmission", tcp.SpuriousRetransmission},
		{"tcp-session-reuse", tcp.SessionReuse}} {
		if n.Get(k.key).IsTrue() {
			x.want |= k.flag
		}
	}
	o.streams = merge(o, o.streams, x, func(x *streamLogger) *logger { return &x.logger },
		func(a, b *streamLogger) bool { return a.want == b.want && a.all == b.all })
}

// streamPackets writes a TCP packet where it is wanted.
func (w *Worker) streamPackets(u *stream.Unit) {
	p := u.Packet
	pseudo := u.Has(stream.Pseudo) && p.Proto == protoTCP
	if !pseudo && (!p.Is(decode.HasTCP) || len(p.L4) < 20) {
		return
	}
	for i := range w.o.streams {
		l := &w.o.streams[i]
		switch {
		case pseudo && l.all:
			var made decode.Packet
			if w.madeTCP(u, &made) {
				w.streamPacket(u, l, &made)
			}
		case !pseudo && (l.all || u.TCP&l.want != 0):
			w.streamPacket(u, l, p)
		}
	}
}

// madeTCP sets the headers of a packet that was not on the wire, as far as events show them. It returns false when there is no
// session to make them of.
func (w *Worker) madeTCP(u *stream.Unit, p *decode.Packet) bool {
	b := w.pseudo(u)
	at := 20
	p.Layers = decode.HasIPv4 | decode.HasTCP
	if u.Packet.IPVersion == 6 {
		at = 40
		p.Layers = decode.HasIPv6 | decode.HasTCP
	}
	if len(b) < at+20 {
		return false
	}
	p.L3, p.L4 = b, b[at:]
	p.TCP = decode.TCP{Seq: binary.BigEndian.Uint32(p.L4[4:]), Ack: binary.BigEndian.Uint32(p.L4[8:]), Flags: decode.TCPFlags(p.L4[13]),
		Window: binary.BigEndian.Uint16(p.L4[14:])}
	return true
}

// streamPacket writes a packet, whose headers are those of p.
func (w *Worker) streamPacket(u *stream.Unit, l *streamLogger, p *decode.Packet) {
	b := &w.b
	say := func(s string) { b.ElemString(s) }
	w.begin(&l.common, u, asPacket, "stream_tcp")
	if u.Flow != nil {
		b.String("direction", u.Dir.String())
	}
	b.OpenObject("stream_tcp")
	b.OpenObject("packet")
	w.ipHeader(p)
	w.tcpHeader(p)
	b.OpenArray("flags")
	u.TCP.Names(say)
	b.Close()
	b.Close()
	b.OpenObject("session")
	if s := u.Session(); s != nil {
		b.String("state", s.State.String())
		if u.TCP&tcp.StateUpdate != 0 {
			b.String("pstate", s.Prev.String())
		}
		b.OpenObject("flags")
		b.OpenArray("flags")
		s.Flags.Names(say)
		b.Close()
		b.Close()
		for d, who := range [2]string{"client", "server"} {
			x := &s.Stream[d]
			b.OpenObject(who)
			b.Uint("isn", uint64(x.ISN))
			b.Uint("next_seq", uint64(x.NextSeq))
			b.Uint("last_ack", uint64(x.LastAck))
			b.Uint("next_win", uint64(x.NextWin))
			if x.Flags&tcp.NoReassembly == 0 {
				b.Uint("base_seq", uint64(x.BaseSeq()))
				b.Uint("segs_right_edge", uint64(x.RightSeq()))
			}
			b.Uint("window", uint64(x.Window))
			b.Uint("wscale", uint64(x.WScale))
			b.OpenArray("flags")
			x.Flags.Names(u.Flow.Has(flow.ProtoDoneTS.InDir(flow.Dir(d))), say)
			b.Close()
			b.Uint("seg_cnt", uint64(x.Segments()))
			b.Uint("sb_region_size", uint64(x.RegionSize()))
			b.Close()
		}
	}
	b.Close()
	if u.TCP&tcp.EventSet != 0 {
		b.OpenArray("events")
		for e, ok := u.Packet.Events.Next(0); ok; e, ok = u.Packet.Events.Next(e + 1) {
			if e.IsStream() {
				b.ElemString(e.Name())
			}
			if e == decode.Event(255) {
				break
			}
		}
		b.Close()
	}
	if u.Reason != stream.NotDropped && u.Reason < stream.DropReasonCount {
		b.String("reason", u.Reason.String())
	}
	b.Close()
	w.emit(&l.logger, TypeStream)
}
