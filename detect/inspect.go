package detect

import (
	"slices"

	"sentinel/decode"
	"sentinel/detect/chain"
	"sentinel/stream"
	"sentinel/stream/app"
	"sentinel/stream/flow"
)

// Inspect judges a packet: it sets the packet's and the flow's actions and returns the alerts to be written, which are
// valid until the next call.
func (w *Worker) Inspect(u *stream.Unit) []Alert {
	w.alerts = w.alerts[:0]
	w.dropper = Alert{}
	f := u.Flow
	if f != nil && f.Has(flow.ActionDrop) {
		return nil
	}
	if u.Has(stream.NoPacketInspect) || len(w.rs.rules) == 0 || f != nil && f.Has(flow.ActionPass) {
		w.skipTx(u)
		return nil
	}
	c := &w.ctx
	*c = Ctx{Unit: u, Packet: u.Packet, Flow: f, Dir: u.Dir, Now: u.Now, State: u.App, Worker: w}
	w.queue, w.found = w.queue[:0], w.found[:0]
	w.pktStamp++
	w.pktVars, w.contexts, w.alertVars = w.pktVars[:0], w.contexts[:0], w.alertVars[:0]
	w.captured, w.replacing = w.captured[:0], w.replacing[:0]
	if f != nil {
		if f.Generation != w.rs.Generation {
			w.renew(f, u.App)
		}
	}
	if f == nil || u.Has(stream.FirstInDir) {
		w.ipOnly()
	}
	cl := w.classOf(u)
	if cl.key.link != linkNone {
		m := w.packetMask(u)
		w.gather(u, cl)
		w.packetRules(u, cl, m)
		if len(w.frameRuns) > 0 {
			w.frameRules(u, cl)
		}
		if len(w.txRuns) > 0 {
			w.transactions(u, cl)
		}
	}
	w.finalise(u)
	w.cleanUp()
	return w.alerts
}

// renew forgets what the flow remembers of another generation of rules: classes, variables (flowbits too, as in Suricata) and how
// far its transactions were judged. Bits of hosts and pairs of hosts stay.
func (w *Worker) renew(f *flow.Flow, s *stream.State) {
	first := f.Generation == 0
	f.Generation = w.rs.Generation
	f.Flags &^= flow.GroupsDoneTS | flow.GroupsDoneTC
	if first {
		return
	}
	if f.Detect != 0 {
		fs := &w.flows[f.Detect]
		fs.epoch = [2]uint32{}
		fs.vars.reset()
		fs.limits = fs.limits[:0]
	}
	if s == nil {
		return
	}
	for id := uint64(0); ; {
		t, ok := s.Next(id)
		if !ok {
			return
		}
		b := t.Base()
		id = b.ID
		w.TxFree(f, b)
		b.Inspected = [2]uint8{}
	}
}

// inSession reports whether a TCP packet belongs to a session that is established, or was. Pseudo packets always do.
func inSession(u *stream.Unit) bool { return u.Has(stream.StreamEstablished | stream.Pseudo) }

// appOf is the application protocol that rules see with a packet.
func appOf(u *stream.Unit) flow.ProtoID {
	f := u.Flow
	if f == nil || u.Packet.Proto == protoTCP && !inSession(u) {
		return flow.ProtoUnknown
	}
	return f.App
}

// classOf finds the class of a packet. For packets of a flow it is remembered in the flow, by direction.
func (w *Worker) classOf(u *stream.Unit) *class {
	f, p := u.Flow, u.Packet
	a := appOf(u)
	if f == nil || p.Proto != f.Proto || p.Proto != protoTCP && p.Proto != protoUDP && p.Proto != protoSCTP {
		return w.classes[w.class(w.keyOf(u, a))]
	}
	s := w.state(f)
	d := u.Dir
	if s.epoch[d] == w.epoch && s.classApp[d] == a && f.Has(flow.GroupsDoneTS.InDir(d)) {
		return w.classes[s.class[d]]
	}
	sp, dp, src, dst := f.SrcPort, f.DstPort, &f.Src, &f.Dst
	if d == flow.ToClient {
		sp, dp, src, dst = dp, sp, dst, src
	}
	k := classKey{proto: f.Proto, version: f.IPVersion, dir: d, app: a}
	sx := w.rs.space
	k.src, k.dst = sx.addr(src, f.IPVersion), sx.addr(dst, f.IPVersion)
	k.sp, k.dp = sx.port[sp], sx.port[dp]
	id := w.class(k)
	s.class[d], s.classApp[d], s.epoch[d] = id, a, w.epoch
	f.Flags |= flow.GroupsDoneTS.InDir(d)
	return w.classes[id]
}

// keyOf is the class key of a packet by itself.
func (w *Worker) keyOf(u *stream.Unit, a flow.ProtoID) classKey {
	p := u.Packet
	k := classKey{src: noPiece, dst: noPiece, sp: noPiece, dp: noPiece, dir: u.Dir, app: a, proto: p.Proto, version: p.IPVersion}
	if !p.IsIP() || p.Proto == 0 && p.Has(decode.Invalid) {
		k.proto, k.version = 0, 0
		switch {
		case p.Is(decode.HasARP) && !p.Has(decode.Invalid):
			k.link = linkARP
		case p.Is(decode.HasEthernet) && p.Events.Empty():
			k.link = linkEther
		case !p.Events.Empty():
			k.link = linkEvents
		default:
			k.link = linkNone
		}
		return k
	}
	sx := w.rs.space
	k.src, k.dst = sx.addr(&p.Src, p.IPVersion), sx.addr(&p.Dst, p.IPVersion)
	if (p.Proto == protoTCP || p.Proto == protoUDP || p.Proto == protoSCTP) && !p.Has(decode.Fragment) {
		k.sp, k.dp = sx.port[p.SrcPort], sx.port[p.DstPort]
	}
	return k
}

// packetMask is what the packet has of what rules may need.
func (w *Worker) packetMask(u *stream.Unit) mask {
	p := u.Packet
	var m mask
	pseudo := u.Has(stream.Pseudo)
	if !pseudo {
		m |= maskReal
	}
	w.streamData, w.streamOff, w.hasStream, w.moreStream = nil, 0, false, w.moreStream[:0]
	if u.Flow != nil && p.Proto == protoTCP && inSession(u) {
		w.streamData, w.streamOff, w.hasStream = w.raw(u)
		if ssn := u.Session(); w.hasStream && ssn != nil && (ssn.Stream[u.Dir].Regions > 1 || u.Has(stream.EndOfFlow)) {
			w.rawChunks(u)
		}
	}
	if !u.Has(stream.NoPayloadInspect) && len(p.Payload) > 0 || w.hasStream {
		m |= maskPayload
	} else {
		m |= maskNoPayload
	}
	if !p.Events.Empty() || u.LayerEvents != 0 || u.App != nil && !u.App.Events.Empty() {
		m |= maskEvents
	}
	if !pseudo && p.Is(decode.HasTCP) {
		if p.TCP.Flags&(decode.SYN|decode.RST|decode.FIN) != 0 {
			m |= maskInitFlags
		}
		if p.TCP.Flags&(decode.URG|decode.ECE|decode.CWR) != 0 {
			m |= maskUnusualFlags
		}
	}
	if u.Flow != nil {
		m |= maskFlow
	}
	return m
}

// maxRawChunks bounds the pieces of stream that lie between gaps.
const maxRawChunks = 64

// rawChunks keeps the pieces of the stream behind its gaps. They are copied: each is lent until the next is asked for.
func (w *Worker) rawChunks(u *stream.Unit) {
	w.rawBuf = append(w.rawBuf[:0], w.streamData...)
	w.streamData = w.rawBuf[:len(w.rawBuf):len(w.rawBuf)]
	for range maxRawChunks {
		b, off, ok := u.RawNext()
		if !ok {
			return
		}
		n := len(w.rawBuf)
		w.rawBuf = append(w.rawBuf, b...)
		w.moreStream = append(w.moreStream, chunk{data: w.rawBuf[n:len(w.rawBuf):len(w.rawBuf)], offset: off})
	}
}

// candidate adds a rule to those that will be tried, once.
func (w *Worker) candidate(num uint32) {
	m := uint64(1) << (num & 63)
	if w.seen[num>>6]&m == 0 {
		w.seen[num>>6] |= m
		w.cand = append(w.cand, num)
	}
}

// candidatesOf adds the rules that a scan found, as far as their header predicates hold.
func (w *Worker) candidatesOf(j *job, cl *class) {
	for _, id := range w.scan.Hits(j.id) {
		for _, num := range j.hits[id] {
			if w.holds(cl, w.rs.rules[num].head) {
				w.candidate(num)
			}
		}
	}
}

// gather collects the buffers that this packet brings, and scans them in one batch.
func (w *Worker) gather(u *stream.Unit, cl *class) {
	w.jobs, w.txRuns = w.jobs[:0], w.txRuns[:0]
	p := u.Packet
	if !u.Has(stream.NoPayloadInspect) && (len(p.Payload) > 0 || w.hasStream) && w.scan != nil {
		real := len(p.Payload) > 0 && !u.Has(stream.Pseudo)
		if real {
			w.addJob(cl, &cl.packet, p.Payload)
			if s := cl.near.set; s != nil {
				w.addJob(cl, &cl.near, p.Payload[:min(len(p.Payload), s.reach)])
			}
		}
		if cl.stream.set != nil {
			if w.hasStream && len(w.streamData) > 0 {
				w.addJob(cl, &cl.stream, w.streamData)
			}
			for i := range w.moreStream {
				w.addJob(cl, &cl.stream, w.moreStream[i].data)
			}
			if real && !u.Has(stream.InStream) {
				w.addJob(cl, &cl.stream, p.Payload)
			}
		}
	}
	w.gatherTx(u, cl)
	if u.App != nil && u.Flow != nil && len(u.App.Frames(u.Dir)) > 0 {
		w.gatherFrames(u, cl)
	}
	if len(w.jobs) > 0 || len(w.frameJobs) > 0 {
		// After an error hits may be missing; the rules that were found are still right.
		_ = w.scan.Run()
	}
}

func (w *Worker) addJob(cl *class, x *search, b []byte) {
	s := x.set
	if s == nil {
		return
	}
	if x.left > 0 {
		if x.left -= len(b) + narrowCall; x.left <= 0 {
			w.narrow(cl, x)
		}
	}
	if id := w.scan.Add(s.set, b); id >= 0 {
		w.jobs = append(w.jobs, job{id: id, hits: s.hits, run: -1})
	}
}

// packetRules tries the rules on the packet and its stream, in order.
func (w *Worker) packetRules(u *stream.Unit, cl *class, m mask) {
	rs := w.rs
	for _, num := range cl.always {
		if k := rs.rules[num].mask; k&m == k {
			w.candidate(num)
		}
	}
	for i := range w.jobs {
		j := &w.jobs[i]
		if j.run >= 0 {
			continue
		}
		for _, id := range w.scan.Hits(j.id) {
			for _, num := range j.hits[id] {
				r := rs.rules[num]
				if !w.holds(cl, r.head) {
					continue
				}
				if len(r.tx) > 0 {
					w.found = append(w.found, num)
				} else if r.mask&m == r.mask {
					w.candidate(num)
				}
			}
		}
	}
	if !cl.direct.empty() && !u.Has(stream.NoPayloadInspect) {
		w.weakRules(u, cl, m)
	}
	w.Counters[CountMatchList] += uint64(len(w.cand))
	slices.Sort(w.cand)
	for _, num := range w.cand {
		w.seen[num>>6] &^= 1 << (num & 63)
		w.packetRule(u, rs.rules[num])
	}
	w.cand = w.cand[:0]
}

// packetRule tries one rule whose header predicate and mask hold.
func (w *Worker) packetRule(u *stream.Unit, r *compiled) {
	if r.typ == TypePacket && u.Has(stream.EndOfFlow) {
		return
	}
	c := &w.ctx
	if r.flags&hasDsize != 0 && (u.Has(stream.Pseudo) || !r.dsize.Match(uint64(len(u.Packet.Payload)))) {
		return
	}
	if r.flags&hookFlowStart != 0 && !u.Has(stream.FirstInDir) {
		return
	}
	c.Rule, c.Type, c.Alert = &r.meta, r.typ, 0
	w.captured, w.replacing = w.captured[:0], w.replacing[:0]
	if r.flags&needFlowVar != 0 && (c.Flow == nil || c.Flow.Detect == 0 || w.flows[c.Flow.Detect].vars.empty()) {
		return
	}
	if r.payload != nil && !w.payloadMatches(u, r) {
		return
	}
	if !w.matches(r) {
		return
	}
	for i := range r.pkt {
		if !w.packetBuffer(&r.pkt[i]) {
			return
		}
	}
	w.matched(r)
	tx, id := w.guessTx(u, r)
	w.push(r, c.Alert, tx, id)
}

// payloadMatches looks for the rule's content in the stream, and in the packet where the rule or the packet ask for it.
func (w *Worker) payloadMatches(u *stream.Unit, r *compiled) bool {
	c := &w.ctx
	if r.flags&requireStream != 0 && !r.payload.replaces {
		if w.hasStream && len(w.streamData) > 0 && w.onStream(u, r.payload) {
			c.Alert |= FromStream
			return true
		}
		if r.flags&requirePacket == 0 && u.Has(stream.InStream) || r.flags&requireStreamOnly != 0 {
			return false
		}
	}
	return w.onPacket(u, r.payload)
}

// onStream looks at the reassembled stream.
func (w *Worker) onStream(u *stream.Unit, p *program) bool {
	var flags chain.Flags
	if u.Has(stream.EndOfFlow) {
		flags |= chain.End
	}
	if p.match(&w.ctx, w.streamData, w.streamOff, flags) {
		return true
	}
	for i := range w.moreStream {
		if x := &w.moreStream[i]; p.match(&w.ctx, x.data, x.offset, flags) {
			return true
		}
	}
	return false
}

// onPacket looks at the packet's payload.
func (w *Worker) onPacket(u *stream.Unit, p *program) bool {
	if u.Has(stream.Pseudo) || len(u.Packet.Payload) == 0 || u.Has(stream.NoPayloadInspect) {
		return false
	}
	if !p.match(&w.ctx, u.Packet.Payload, 0, chain.End) {
		return false
	}
	if p.replaces {
		w.replacing = append(w.replacing, w.chain.Replacements...)
	}
	return true
}

// matches tries the conditions on packet and flow.
func (w *Worker) matches(r *compiled) bool {
	for _, m := range r.matches {
		if !m.Match(&w.ctx) {
			return false
		}
	}
	return true
}

// matched does what the rule asks for when it has matched.
func (w *Worker) matched(r *compiled) {
	if len(w.captured) > 0 {
		w.keepCaptured(r)
	}
	if len(w.replacing) > 0 {
		w.replace()
	}
	for _, m := range r.post {
		m.Match(&w.ctx)
	}
	if r.flags&bypassing != 0 {
		w.ctx.Unit.Action |= stream.BypassFlow
	}
}

// guessTx finds the transaction that the alert of a packet rule most likely belongs to.
func (w *Worker) guessTx(u *stream.Unit, r *compiled) (app.Transaction, uint64) {
	f := u.Flow
	if f == nil || u.App == nil || u.App.Parser == nil {
		return nil, 0
	}
	udp := f.Proto == protoUDP && !r.apps.empty()
	if !udp && !w.rs.cfg.GuessAppTx {
		return nil, 0
	}
	// The transaction that is inspected next in this direction.
	var t app.Transaction
	for id := uint64(0); ; {
		x, ok := u.App.Next(id)
		if !ok {
			break
		}
		b := x.Base()
		id = b.ID
		if b.InspectEnd[u.Dir] || b.OneWay && b.Way != u.Dir {
			continue
		}
		if t != nil {
			if !udp {
				return nil, 0 // not the only one
			}
			break
		}
		t = x
	}
	if t == nil {
		return nil, 0
	}
	s := w.txStateOf(t.Base())
	if s.guessed >= w.rs.cfg.GuessAppTxLimit {
		return nil, 0
	}
	s.guessed++
	return t, t.Base().ID
}

// cleanUp ends the packet: windows count as seen, scratch memory is given back.
func (w *Worker) cleanUp() {
	for i, s := range w.bodies {
		s.Advance()
		w.bodies[i] = nil
	}
	w.bodies = w.bodies[:0]
	w.scratch.Reset()
	if cap(w.work) > 1<<20 {
		w.work = nil
	}
	w.work = w.work[:0]
}
