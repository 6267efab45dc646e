package eve

import (
	"encoding/binary"
	"math/bits"
	"strings"

	"sentinel/decode"
	"sentinel/detect"
	"sentinel/internal/conf"
	"sentinel/stream"
	"sentinel/stream/flow"
)

// dropOptions are the switches of the drop type.
type dropOptions struct {
	alerts, verdict, all bool
}

type dropLogger struct {
	logger
	dropOptions
}

func (o *Output) addDrop(n *conf.Node, l logger) error {
	x := dropLogger{logger: l, dropOptions: dropOptions{alerts: n.Get("alerts").IsTrue(), verdict: n.Get("verdict").IsTrue()}}
	switch f := n.Get("flows").Str("start"); {
	case strings.EqualFold(f, "all"):
		x.all = true
	case !strings.EqualFold(f, "start"):
		o.warn("drop: flows %q is not start or all; using start", f)
	}
	o.drops = merge(o, o.drops, x, func(x *dropLogger) *logger { return &x.logger },
		func(a, b *dropLogger) bool { return a.dropOptions == b.dropOptions })
	return nil
}

// drops writes that a packet was dropped. Of a flow that is dropped as a whole one packet a direction is enough, unless all
// are wanted.
func (w *Worker) drops(u *stream.Unit, alerts []detect.Alert) {
	if u.Has(stream.Pseudo) {
		return
	}
	f := u.Flow
	news := f == nil || w.Dropper != nil || u.Reason == stream.DropRules || u.Reason == stream.DropThreshold
	if f != nil && f.Has(flow.ActionDrop) {
		once := flow.DropLoggedTS.InDir(u.Dir)
		if !f.Has(once) {
			news = true
		}
		f.Flags |= once
	}
	for i := range w.o.drops {
		if l := &w.o.drops[i]; l.all || news {
			w.drop(u, l, alerts)
		}
	}
}

func (w *Worker) drop(u *stream.Unit, l *dropLogger, alerts []detect.Alert) {
	b, p := &w.b, u.Packet
	s := sidesOf(p, false)
	w.beginWith(&l.common, u, &s, false, "drop")
	if u.Flow != nil {
		b.String("direction", u.Dir.String())
	}
	b.OpenObject("drop")
	w.ipHeader(p)
	switch h := p.L4; {
	case p.Is(decode.HasTCP) && len(h) >= 20:
		w.tcpHeader(p)
	case p.Is(decode.HasUDP) && len(h) >= 8:
		b.Uint("udplen", uint64(binary.BigEndian.Uint16(h[4:])))
	case p.Is(decode.HasICMPv4):
		// Readers know these with their bytes the other way round.
		b.Uint("icmp_id", uint64(bits.ReverseBytes16(p.ICMPID)))
		b.Uint("icmp_seq", uint64(bits.ReverseBytes16(p.ICMPSeq)))
	}
	if u.Reason != stream.NotDropped && u.Reason < stream.DropReasonCount {
		b.String("reason", u.Reason.String())
	}
	b.Close()
	if l.verdict {
		w.verdict(u)
	}
	if l.alerts {
		by := w.Dropper
		for i := range alerts {
			if a := &alerts[i]; a.Action.Drops() {
				by = a
				break
			}
		}
		if by != nil {
			w.alertHeader(u, alertOptions{}, by, &s, nil)
		}
	}
	w.emit(&l.logger, TypeDrop)
}

// ipHeader adds the members of an IP header.
func (w *Worker) ipHeader(p *decode.Packet) {
	b := &w.b
	switch h := p.L3; {
	case p.Is(decode.HasIPv4) && len(h) >= 20:
		b.Uint("len", uint64(binary.BigEndian.Uint16(h[2:])))
		b.Uint("tos", uint64(h[1]))
		b.Uint("ttl", uint64(h[8]))
		b.Uint("ipid", uint64(binary.BigEndian.Uint16(h[4:])))
	case p.Is(decode.HasIPv6) && len(h) >= 40:
		first := binary.BigEndian.Uint32(h)
		b.Uint("len", uint64(binary.BigEndian.Uint16(h[4:])))
		b.Uint("tc", uint64(first>>20&0xff))
		b.Uint("hoplimit", uint64(h[7]))
		b.Uint("flowlbl", uint64(first&0xfffff))
	}
}

// tcpHeader adds the members of a TCP header. Preconditions: it has been decoded, and p.L4 has 20 bytes.
func (w *Worker) tcpHeader(p *decode.Packet) {
	b, t := &w.b, &p.TCP
	b.Uint("tcpseq", uint64(t.Seq))
	b.Uint("tcpack", uint64(t.Ack))
	b.Uint("tcpwin", uint64(t.Window))
	b.Bool("syn", t.Flags&decode.SYN != 0)
	b.Bool("ack", t.Flags&decode.ACK != 0)
	b.Bool("psh", t.Flags&decode.PSH != 0)
	b.Bool("rst", t.Flags&decode.RST != 0)
	b.Bool("urg", t.Flags&decode.URG != 0)
	b.Bool("fin", t.Flags&decode.FIN != 0)
	b.Uint("tcpres", uint64(p.L4[12]&0x0f))
	b.Uint("tcpurgp", uint64(t.Urgent))
}
