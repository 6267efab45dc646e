package eve

import (
	"sentinel/decode"
	"sentinel/internal/jsonw"
	"sentinel/stream"
	"sentinel/stream/flow"
	"sentinel/stream/tcp"
)

// FlowEnd writes the record of a flow that has ended, and its two netflow records. s is nil without an application layer, t
// without a TCP session.
func (w *Worker) FlowEnd(f *flow.Flow, s *stream.State, t *tcp.Session) {
	o := w.o
	for i := range o.flows {
		w.flow(&o.flows[i], f, s, t)
	}
	for i := range o.netflows {
		w.netflow(&o.netflows[i], f, s, t, flow.ToServer)
		if f.Pkts[flow.ToClient]+f.Bypassed[flow.ToClient].Pkts > 0 {
			w.netflow(&o.netflows[i], f, s, t, flow.ToClient)
		}
	}
}

// beginFlow starts a record of a flow, as seen from the side that direction d begins at.
func (w *Worker) beginFlow(c *common, f *flow.Flow, d flow.Dir, event string) {
	b := &w.b
	b.Reset()
	b.CompressIPv6 = c.compress
	b.StartObject()
	b.Time("timestamp", max(w.now, f.Last), w.clock)
	w.flowID(f)
	w.iface(f.Iface)
	b.String("event_type", event)
	n := uint8(0)
	for _, id := range f.Tags {
		if id != 0 {
			n++
		}
	}
	w.vlan(&f.Tags, n)
	src, dst, sp, dp := &f.Src, &f.Dst, f.SrcPort, f.DstPort
	if d == flow.ToClient {
		src, dst, sp, dp = dst, src, dp, sp
	}
	ports := protoHasPorts(f.Proto)
	b.IP("src_ip", addrBytes(src, f.IPVersion))
	if ports {
		b.Uint("src_port", uint64(sp))
	}
	b.IP("dest_ip", addrBytes(dst, f.IPVersion))
	if ports {
		b.Uint("dest_port", uint64(dp))
	}
}

// icmp returns the types and codes of an ICMP flow's first packet, and of the answer to it.
func icmp(f *flow.Flow) (typ, code, rtyp, rcode uint64) {
	return uint64(f.SrcPort & 0xff), uint64(f.SrcPort >> 8), uint64(f.DstPort & 0xff), uint64(f.DstPort >> 8)
}

func (w *Worker) flow(l *logger, f *flow.Flow, s *stream.State, t *tcp.Session) {
	b := &w.b
	w.beginFlow(&l.common, f, flow.ToServer, "flow")
	b.Uint("ip_v", uint64(f.IPVersion))
	b.String("proto", ipProtoNames[f.Proto])
	switch f.Proto {
	case protoICMP, protoICMPv6:
		typ, code, rtyp, rcode := icmp(f)
		b.Uint("icmp_type", typ)
		b.Uint("icmp_code", code)
		if f.Pkts[flow.ToClient] > 0 {
			b.Uint("response_icmp_type", rtyp)
			b.Uint("response_icmp_code", rcode)
		}
	case protoESP:
		b.Uint("spi", uint64(f.SrcPort)<<16|uint64(f.DstPort))
	}
	w.appProto(f)
	b.OpenObject("flow")
	w.flowCounts(f)
	b.Time("end", f.Last, w.last)
	b.Uint("age", age(f))
	if f.Reason == flow.ReasonForced { // flows are evicted in emergency mode only
		b.Bool("emergency", true)
	}
	switch f.State {
	case flow.New:
		b.String("state", "new")
	case flow.Established:
		b.String("state", "established")
	case flow.Closed:
		b.String("state", "closed")
	case flow.LocalBypassed:
		b.String("state", "bypassed")
		b.String("bypass", "local")
	case flow.CaptureBypassed:
		b.String("state", "bypassed")
		b.String("bypass", "capture")
	}
	b.String("reason", reason(f))
	b.Bool("alerted", f.Has(flow.HasAlerts))
	if f.Has(flow.Elephant) {
		b.Bool("elephant", true)
		b.OpenArray("elephant_direction")
		if f.Has(flow.ElephantTS) {
			b.ElemString("toserver")
		}
		if f.Has(flow.ElephantTC) {
			b.ElemString("toclient")
		}
		b.Close()
	}
	switch {
	case f.Has(flow.ActionDrop):
		b.String("action", "drop")
	case f.Has(flow.ActionPass):
		b.String("action", "pass")
	}
	if f.Exception != 0 {
		w.exceptions(f.Exception)
	}
	w.txCount(f, s)
	b.Close()
	w.commonOptions(&l.common, nil, f, false)
	if f.Proto == protoTCP {
		w.flowTCP(t)
	}
	w.emit(l, TypeFlow)
}

// flowCounts adds the counts of a flow and when it began.
func (w *Worker) flowCounts(f *flow.Flow) {
	b := &w.b
	y := &f.Bypassed
	b.Uint("pkts_toserver", f.Pkts[0]+y[0].Pkts)
	b.Uint("pkts_toclient", f.Pkts[1]+y[1].Pkts)
	b.Uint("bytes_toserver", f.Bytes[0]+y[0].Bytes)
	b.Uint("bytes_toclient", f.Bytes[1]+y[1].Bytes)
	if y[0].Pkts|y[1].Pkts != 0 || f.State == flow.CaptureBypassed {
		b.OpenObject("bypassed")
		b.Uint("pkts_toserver", y[0].Pkts)
		b.Uint("pkts_toclient", y[1].Pkts)
		b.Uint("bytes_toserver", y[0].Bytes)
		b.Uint("bytes_toclient", y[1].Bytes)
		b.Close()
	}
	b.Time("start", f.Start, w.times)
}

func age(f *flow.Flow) uint64 {
	return uint64(max(f.Last/1e9-f.Start/1e9, 0))
}

func reason(f *flow.Flow) string {
	switch f.Reason {
	case flow.ReasonTCPReuse:
		return "tcp_reuse"
	case flow.ReasonForced:
		return "forced"
	case flow.ReasonShutdown:
		return "shutdown"
	case flow.ReasonTimeout:
		return "timeout"
	}
	return "unknown"
}

func (w *Worker) exceptions(set uint32) {
	b := &w.b
	b.OpenArray("exception_policy")
	for t := stream.TargetNone + 1; t < stream.TargetCount; t++ {
		if set&(1<<t) == 0 {
			continue
		}
		b.StartObject()
		b.String("target", stream.TargetNames[t])
		b.String("policy", w.o.opt.Policies[t].String())
		b.Close()
	}
	b.Close()
}

func (w *Worker) txCount(f *flow.Flow, s *stream.State) {
	if s == nil {
		return
	}
	if n := s.TxCount(); n > 0 {
		w.b.Uint("tx_cnt", n)
	}
}

func (w *Worker) flowTCP(t *tcp.Session) {
	b := &w.b
	b.OpenObject("tcp")
	var all, ts, tc decode.TCPFlags
	if t != nil {
		all, ts, tc = t.Seen, t.Stream[flow.ToServer].Seen, t.Stream[flow.ToClient].Seen
	}
	hexFlags(b, "tcp_flags", all)
	hexFlags(b, "tcp_flags_ts", ts)
	hexFlags(b, "tcp_flags_tc", tc)
	tcpFlags(b, all)
	if t != nil {
		b.String("state", t.State.String())
		if t.Stream[flow.ToClient].Gap() {
			b.Bool("tc_gap", true)
		}
		if t.Stream[flow.ToServer].Gap() {
			b.Bool("ts_gap", true)
		}
		b.Uint("ts_max_regions", uint64(t.Stream[flow.ToServer].MaxRegions))
		b.Uint("tc_max_regions", uint64(t.Stream[flow.ToClient].MaxRegions))
		if n := t.Urgent(flow.ToServer); n > 0 {
			b.Uint("ts_urgent_oob_data", uint64(n))
		}
		if n := t.Urgent(flow.ToClient); n > 0 {
			b.Uint("tc_urgent_oob_data", uint64(n))
		}
	}
	b.Close()
}

func hexFlags(b *jsonw.Builder, key string, f decode.TCPFlags) {
	const hex = "0123456789abcdef"
	text := [2]byte{hex[f>>4], hex[f&15]}
	b.Str(key, text[:])
}

func tcpFlags(b *jsonw.Builder, f decode.TCPFlags) {
	for _, x := range [...]struct {
		flag decode.TCPFlags
		name string
	}{{decode.SYN, "syn"}, {decode.FIN, "fin"}, {decode.RST, "rst"}, {decode.PSH, "psh"}, {decode.ACK, "ack"}, {decode.URG, "urg"},
		{decode.ECE, "ecn"}, {decode.CWR, "cwr"}} {
		if f&x.flag != 0 {
			b.Bool(x.name, true)
		}
	}
}
