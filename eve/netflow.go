package eve

import (
	"sentinel/decode"
	"sentinel/stream"
	"sentinel/stream/flow"
	"sentinel/stream/tcp"
)

// netflow writes the record of one direction of a flow.
func (w *Worker) netflow(l *logger, f *flow.Flow, s *stream.State, t *tcp.Session, d flow.Dir) {
	b := &w.b
	w.beginFlow(&l.common, f, d, "netflow")
	b.String("proto", ipProtoNames[f.Proto])
	switch f.Proto {
	case protoICMP, protoICMPv6:
		typ, code, rtyp, rcode := icmp(f)
		if d == flow.ToClient {
			typ, code = rtyp, rcode
		}
		b.Uint("icmp_type", typ)
		b.Uint("icmp_code", code)
	case protoESP:
		b.Uint("spi", uint64(f.SrcPort)<<16|uint64(f.DstPort))
	}
	proto := f.AppDir[d]
	if proto == flow.ProtoUnknown {
		proto = f.App
	}
	b.String("app_proto", w.o.name(proto))
	b.OpenObject("netflow")
	b.Uint("pkts", f.Pkts[d]+f.Bypassed[d].Pkts)
	b.Uint("bytes", f.Bytes[d]+f.Bypassed[d].Bytes)
	b.Time("start", f.Start, w.times)
	b.Time("end", f.Last, w.last)
	b.Uint("age", age(f))
	if d == flow.ToServer || f.Pkts[d] > 0 {
		b.Uint("min_ttl", uint64(f.TTL[d].Min))
		b.Uint("max_ttl", uint64(f.TTL[d].Max))
	}
	w.txCount(f, s)
	b.Close()
	if f.Proto == protoTCP {
		var seen decode.TCPFlags
		if t != nil {
			seen = t.Stream[d].Seen
		}
		b.OpenObject("tcp")
		hexFlags(b, "tcp_flags", seen)
		tcpFlags(b, seen)
		b.Close()
	}
	w.commonOptions(&l.common, nil, f, d == flow.ToClient)
	w.emit(l, TypeNetflow)
}
