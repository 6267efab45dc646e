package eve

import (
	"errors"
	"strconv"

	"sentinel/decode"
	"sentinel/detect"
	"sentinel/internal/conf"
	"sentinel/stream"
	"sentinel/stream/app"
	"sentinel/stream/flow"
)

// alertOptions are the switches of the alert type.
type alertOptions struct {
	payload, payloadLength, payloadPrintable bool
	packet, tagged, verdict                  bool
	body, bodyPrintable                      bool // of HTTP
	metadata, rule, reference                bool // of the rule
	appLayer, flow                           bool
	buffer                                   int // payload-buffer-size
}

type alertLogger struct {
	logger
	alertOptions
	node     *conf.Node
	appFlags []uint64 // by protocol
}

func (o *Output) addAlert(n *conf.Node, l logger) error {
	on := func(key string) bool { return n.Get(key).IsTrue() }
	x := alertLogger{logger: l, node: n, alertOptions: alertOptions{
		payload: on("payload"), payloadLength: on("payload-length"), payloadPrintable: on("payload-printable"),
		packet: on("packet"), tagged: on("tagged-packets"), verdict: on("verdict"),
		body: on("http-body"), bodyPrintable: on("http-body-printable"),
	}}
	m := n.Get("metadata")
	if !m.IsFalse() {
		x.metadata = m.Get("rule.metadata").Bool(true)
		x.rule = m.Get("rule.raw").IsTrue()
		x.reference = m.Get("rule.reference").IsTrue()
		x.flow = m.Get("flow").Bool(true)
		x.appLayer = m.Get("app-layer").Bool(true)
	}
	if (x.body || x.bodyPrintable) && !x.appLayer {
		o.warn("alert: http-body needs metadata; bodies are not written")
	}
	size, err := n.Get("payload-buffer-size").SizeMax(4096, 1<<31-1)
	if err != nil {
		return err
	}
	if size == 0 {
		return errors.New("payload-buffer-size must not be 0")
	}
	x.buffer = int(size)
	if t := newXFF(n.Get("xff"), o.warn); t.set {
		x.common.xff = t
	}
	x.appFlags = make([]uint64, len(o.layouts))
	for id := range x.appFlags {
		if o.opt.Registry == nil {
			break
		}
		if p := o.opt.Registry.ByID(app.ProtoID(id)); p != nil && p.PrepareLog != nil {
			x.appFlags[id] = p.PrepareLog(n, o.warn)
		}
	}
	o.alerts = merge(o, o.alerts, x, func(x *alertLogger) *logger { return &x.logger },
		func(a, b *alertLogger) bool { return a.alertOptions == b.alertOptions && equalNodes(a.node, b.node) })
	return nil
}

// written reports whether an alert is to be seen.
func written(a *detect.Alert) bool {
	return a.Flags&detect.Suppressed == 0 && !a.Rule.NoAlert
}

// alerts writes the alerts of a packet in every form, and the packet itself where a rule has tagged it.
func (w *Worker) alerts(u *stream.Unit, alerts []detect.Alert) {
	o := w.o
	if len(o.fast) > 0 {
		for i := range alerts {
			if a := &alerts[i]; written(a) {
				w.fast(u, a)
			}
		}
	}
	for k := range o.alerts {
		l := &o.alerts[k]
		for i := range alerts {
			if a := &alerts[i]; written(a) {
				w.alert(u, l, a)
			}
		}
		if u.Has(stream.Tagged) && l.tagged {
			w.begin(&l.common, u, asPacket, "packet")
			w.packet(u, 0)
			w.emit(&l.logger, TypePacket)
		}
	}
}

// alert writes one alert.
func (w *Worker) alert(u *stream.Unit, l *alertLogger, a *detect.Alert) {
	b, p, f := &w.b, u.Packet, u.Flow
	s := sidesOf(p, false)
	var xff []byte
	if x := &l.common.xff; x.on && f != nil {
		var t app.Transaction
		if a.Flags&detect.FromTx != 0 {
			t = a.Tx
		}
		if xff = w.forwarded(x, u.App, t); xff != nil && x.overwrite {
			s.xff, s.xffDst = xff, u.Dir == flow.ToClient // and it is in alert.xff, too
		}
	}
	w.beginWith(&l.common, u, &s, false, "alert")
	w.alertHeader(u, l.alertOptions, a, &s, xff)
	if p.Root() != nil {
		w.tunnel(u)
	}
	if f != nil && p.IsIP() {
		if a.Flags&detect.FromTx != 0 && a.Tx != nil && u.App != nil && u.App.Proto != nil {
			tx := a.Tx.Base()
			if l.appLayer {
				w.states(u.App, tx)
				w.context(u, u.App, a.Tx, l.node, l.appFlags[u.App.ID], l)
			}
			if l.metadata {
				w.txFileList(tx, u.Dir)
			}
		}
		w.appProto(f)
		b.String("direction", u.Dir.String())
		if l.flow {
			w.alertFlow(u, &s)
		}
	}
	if p.IsIP() && (l.payload || l.payloadLength || l.payloadPrintable) {
		w.alertPayload(u, l, a)
	}
	if a.Flags&detect.FromFrame != 0 && f != nil && u.App != nil {
		w.alertFrame(u, u.App, a.Frame, l.buffer)
	}
	if l.packet {
		w.packet(u, 0)
	}
	if l.verdict {
		w.verdict(u)
	}
	w.emit(&l.logger, TypeAlert)
}

// blocked says what an alert's action did to the packet.
func (w *Worker) blocked(u *stream.Unit, a *detect.Alert) bool {
	if a.Flags&detect.RateFiltered != 0 {
		return u.Action&(stream.DropPacket|stream.DropFlow|stream.RejectSrc|stream.RejectDst) != 0
	}
	return a.Action.Rejects() || a.Action.Drops() && w.o.opt.IPS
}

// alertHeader adds the alert object and what stands beside it.
func (w *Worker) alertHeader(u *stream.Unit, o alertOptions, a *detect.Alert, s *sides, xff []byte) {
	b, r := &w.b, a.Rule
	if a.Flags&detect.FromTx != 0 {
		id := a.TxID
		if a.Tx != nil {
			id = a.Tx.Base().ID
		}
		b.Uint("tx_id", max(id, 1)-1)
	}
	if a.Flags&detect.TxGuessed != 0 {
		b.Bool("tx_guessed", true)
	}
	b.OpenObject("alert")
	if w.blocked(u, a) {
		b.String("action", "blocked")
	} else {
		b.String("action", "allowed")
	}
	b.Uint("gid", uint64(r.GID))
	b.Uint("signature_id", uint64(r.SID))
	b.Uint("rev", uint64(r.Rev))
	b.String("signature", r.Msg)
	b.String("category", r.ClassText)
	b.Uint("severity", uint64(r.Priority))
	if w.Tenant != 0 {
		b.Uint("tenant_id", uint64(w.Tenant))
	}
	if r.Target != detect.NoTarget && s != nil && u.Packet.IsIP() {
		w.targets(u.Packet, r.Target, s)
	}
	if o.reference && len(r.References) > 0 {
		b.OpenArray("references")
		for i := range r.References {
			b.ElemString(r.References[i].URL)
		}
		b.Close()
	}
	if o.metadata && len(r.Metadata) > 0 {
		w.ruleMetadata(r.Metadata)
	}
	if len(a.Context) > 0 {
		b.OpenObject("context")
		for i := range a.Context {
			if v := &a.Context[i]; v.JSON {
				b.Raw(v.Name, v.Value)
			} else {
				b.Str(v.Name, v.Value)
			}
		}
		b.Close()
	}
	if o.rule {
		b.String("rule", r.Raw)
	}
	if xff != nil {
		b.Str("xff", xff)
	}
	b.Close()
}

// ruleMetadata adds the metadata of a rule as readers know it: keys in order of the alphabet, the last value first.
func (w *Worker) ruleMetadata(m []detect.KeyValues) {
	b := &w.b
	b.OpenObject("metadata")
	last := -1
	for range m {
		next := -1
		for i := range m {
			if (last < 0 || before(m, last, i)) && (next < 0 || before(m, i, next)) {
				next = i
			}
		}
		if next < 0 {
			break
		}
		last = next
		b.Key([]byte(m[next].Key))
		b.StartArray()
		for i := len(m[next].Values) - 1; i >= 0; i-- {
			b.ElemString(m[next].Values[i])
		}
		b.Close()
	}
	b.Close()
}

// before orders the keys of metadata: without case, then as they were written.
func before(m []detect.KeyValues, i, j int) bool {
	a, b := m[i].Key, m[j].Key
	for k := 0; k < len(a) && k < len(b); k++ {
		if x, y := lower(a[k]), lower(b[k]); x != y {
			return x < y
		}
	}
	return len(a) < len(b) || len(a) == len(b) && i < j
}

func lower(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}

// targets adds who attacks whom, by the rule's target keyword.
func (w *Worker) targets(p *decode.Packet, t detect.Target, s *sides) {
	b := &w.b
	ports := protoHasPorts(p.Proto)
	side := func(key string, src bool) {
		b.OpenObject(key)
		if src {
			w.addr("ip", s.src, p.IPVersion, s.srcXFF())
			if ports {
				b.Uint("port", uint64(s.srcPort))
			}
		} else {
			w.addr("ip", s.dst, p.IPVersion, s.dstXFF())
			if ports {
				b.Uint("port", uint64(s.dstPort))
			}
		}
		b.Close()
	}
	side("source", t == detect.DestIP)
	side("target", t == detect.SrcIP)
}

// tunnel adds the packet that carries this one.
func (w *Worker) tunnel(u *stream.Unit) {
	b, r := &w.b, u.Packet.Root()
	b.OpenObject("tunnel")
	if r.IsIP() {
		b.IP("src_ip", addrBytes(&r.Src, r.IPVersion))
		b.Uint("src_port", uint64(r.SrcPort))
		b.IP("dest_ip", addrBytes(&r.Dst, r.IPVersion))
		b.Uint("dest_port", uint64(r.DstPort))
		b.String("proto", ipProtoNames[r.Proto])
	}
	b.Uint("depth", uint64(u.Packet.Depth))
	if u.Count != 0 {
		b.Uint("pcap_cnt", u.Count)
	}
	b.String("pkt_src", sourceOf(r))
	b.Close()
}

// states adds how far the transaction is.
func (w *Worker) states(s *stream.State, tx *app.Tx) {
	p := s.Proto
	if tx.Type > 0 && int(tx.Type) < len(p.Types) {
		w.b.String("sub_state", p.Types[tx.Type])
	}
	for d, key := range [2]string{"ts_progress", "tc_progress"} {
		names := p.States[d]
		if at := int(s.Progress(tx, app.Dir(d))); at < len(names) {
			w.b.String(key, names[at])
		}
	}
}

// appProto adds what the flow speaks.
func (w *Worker) appProto(f *flow.Flow) {
	b, o := &w.b, w.o
	if f.App != flow.ProtoUnknown {
		b.String("app_proto", o.name(f.App))
	}
	if x := f.AppDir[flow.ToServer]; x != flow.ProtoUnknown && x != f.App {
		b.String("app_proto_ts", o.name(x))
	}
	if x := f.AppDir[flow.ToClient]; x != flow.ProtoUnknown && x != f.App {
		b.String("app_proto_tc", o.name(x))
	}
	if x := f.AppOrig; x != flow.ProtoUnknown && x != f.App {
		b.String("app_proto_orig", o.name(x))
	}
	if x := f.AppExpect; x != flow.ProtoUnknown && x != f.App {
		b.String("app_proto_expected", o.name(x))
	}
}

func (w *Worker) alertFlow(u *stream.Unit, s *sides) {
	b, v := &w.b, u.Packet.IPVersion
	b.OpenObject("flow")
	w.flowCounts(u.Flow)
	x := *s
	if u.Dir == flow.ToClient {
		x = sides{src: s.dst, dst: s.src, srcPort: s.dstPort, dstPort: s.srcPort, xff: s.xff, xffDst: !s.xffDst}
	}
	w.addr("src_ip", x.src, v, x.srcXFF())
	w.addr("dest_ip", x.dst, v, x.dstXFF())
	if protoHasPorts(u.Packet.Proto) && s.srcPort > 0 {
		b.Uint("src_port", uint64(x.srcPort))
		b.Uint("dest_port", uint64(x.dstPort))
	}
	b.Close()
}

// alertPayload adds the packet's payload, or the stream's where the alert is about that.
func (w *Worker) alertPayload(u *stream.Unit, l *alertLogger, a *detect.Alert) {
	b, data := &w.b, u.Packet.Payload
	if u.Packet.Has(decode.Pseudo) {
		data = nil
	}
	write := func(data []byte) {
		if l.payload && len(data) > 0 {
			b.Base64("payload", data)
		}
		if l.payloadLength {
			b.Uint("payload_length", uint64(len(data)))
		}
		if l.payloadPrintable && len(data) > 0 {
			b.Printable("payload_printable", data)
		}
	}
	ofStream := u.Packet.Proto == protoTCP && u.Flow != nil && a.Flags&(detect.FromState|detect.FromStream) != 0
	if !ofStream {
		write(data)
		b.Uint("stream", 0)
		return
	}
	if s := w.streamPayload(u, l.buffer); len(s) > 0 {
		write(s)
	} else if len(data) > 0 {
		write(data)
	}
	b.Uint("stream", 1)
}

// streamPayload collects what is kept of the stream in the packet's direction, up to limit bytes. Holes are named.
func (w *Worker) streamPayload(u *stream.Unit, limit int) []byte {
	out := w.stash[:0]
	ssn := u.Session()
	if ssn == nil {
		return nil
	}
	s := &ssn.Stream[u.Dir]
	at := s.Base()
	acked := at + uint64(max(int32(s.LastAck-s.ISN-1-uint32(at)), 0)) // inline, more than that is there
	for range 4096 {
		data, off, ok := u.Tracker().Chunk(u.Flow, u.Dir, at, false)
		if !ok || len(out) >= limit || off >= acked {
			break
		}
		data = data[:min(uint64(len(data)), acked-off)]
		if off > at {
			out = append(out, '[')
			out = strconv.AppendUint(out, off-at, 10)
			out = append(out, " bytes missing]"...)
		}
		at = off + uint64(len(data))
		out = append(out, data[:min(len(data), max(limit-len(out), 0))]...)
	}
	out = out[:min(len(out), limit)]
	w.stash = out
	return out
}

// verdict adds what became of the packet.
func (w *Worker) verdict(u *stream.Unit) {
	b, a := &w.b, u.Action
	b.OpenObject("verdict")
	switch reject := a & (stream.RejectSrc | stream.RejectDst); {
	case reject != 0:
		action := "alert"
		if w.o.opt.IPS {
			action = "drop"
		}
		b.String("action", action)
		switch reject {
		case stream.RejectSrc:
			b.String("reject_target", "to_client")
		case stream.RejectDst:
			b.String("reject_target", "to_server")
		default:
			b.String("reject_target", "both")
		}
		b.OpenArray("reject")
		switch u.Packet.Proto {
		case protoUDP, protoICMP, protoICMPv6:
			b.ElemString("icmp-prohib")
		case protoTCP:
			b.ElemString("tcp-reset")
		}
		b.Close()
	case a&(stream.DropPacket|stream.DropFlow) != 0 && w.o.opt.IPS:
		b.String("action", "drop")
	case a&(stream.PassPacket|stream.PassFlow) != 0:
		b.String("action", "pass")
	default:
		b.String("action", "alert")
	}
	b.Close()
}
