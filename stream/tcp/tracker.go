package tcp

import (
	"sentinel/decode"
	"sentinel/internal/mem"
	"sentinel/stream/flow"
)

// maxWScale is the largest window scale (RFC 7323).
const maxWScale = 14

// Tracker follows the TCP sessions of one worker. See the package comment.
type Tracker struct {
	cfg      Config
	app      App
	sessions *mem.Slab[Session]
	queued   *mem.Slab[queued]
	sacks    *mem.Slab[sack]
	segments *mem.Slab[segment]
	spans    *mem.Slab[spanRec]
	far      *mem.Slab[farArea]
	pool     *mem.Pool
	count    Counters
	cursor   rawCursor
	scratch  [1 << 16]byte
}

// New returns a tracker that hands data to app.
func New(cfg Config, app App) *Tracker {
	if cfg.Sessions == nil {
		cfg.Sessions = mem.NewBudget(64 << 20)
	}
	if cfg.Reassembly == nil {
		cfg.Reassembly = mem.NewBudget(256 << 20)
	}
	for d := range cfg.Chunk {
		if cfg.Chunk[d] == 0 {
			cfg.Chunk[d] = 2560
		}
	}
	cfg.CheckOverlap = cfg.CheckOverlap || cfg.Inline
	t := &Tracker{
		cfg: cfg, app: app,
		sessions: mem.NewSlab[Session](mem.Sessions, cfg.Sessions),
		queued:   mem.NewSlab[queued](mem.Sessions, cfg.Sessions),
		sacks:    mem.NewSlab[sack](mem.Sessions, cfg.Sessions),
		segments: mem.NewSlab[segment](mem.Segments, cfg.Reassembly),
		spans:    mem.NewSlab[spanRec](mem.Segments, cfg.Reassembly),
		far:      mem.NewSlab[farArea](mem.Segments, cfg.Reassembly),
		pool:     mem.NewPool(mem.StreamData, cfg.Reassembly),
	}
	t.sessions.Prealloc(int(min(cfg.PreallocSessions, 1<<20)))
	t.segments.Prealloc(int(min(cfg.PreallocSegments, 1<<20)))
	return t
}

// Close returns the tracker's memory. No session may be touched afterwards.
func (t *Tracker) Close() {
	t.sessions.Close()
	t.queued.Close()
	t.sacks.Close()
	t.segments.Close()
	t.spans.Close()
	t.far.Close()
	t.pool.Close()
}

// step is the work for one packet.
type step struct {
	t      *Tracker
	u      *Context
	p      *decode.Packet
	ssn    *Session
	s, r   *Stream // of the packet's sender, and of its receiver
	seq    uint32
	ack    uint32
	n      uint32 // bytes of payload
	window uint32 // without scale
	fl     decode.TCPFlags
	out    Outcome
}

func (x *step) event(e decode.Event) {
	x.p.Events.Set(e)
	x.out.Flags |= EventSet
}

// fail sets an event and reports false: the packet is invalid.
func (x *step) fail(e decode.Event) bool {
	x.event(e)
	return false
}

func (x *step) has(f decode.TCPFlags) bool { return x.fl&f != 0 }

func (x *step) toServer() bool { return x.u.Dir == flow.ToServer }

// streams sets the sender and receiver by the packet's direction.
func (x *step) streams() {
	x.s, x.r = &x.ssn.Stream[x.u.Dir], &x.ssn.Stream[x.u.Dir^1]
}

func (x *step) hasTS() bool     { return x.p.TCP.Opts&decode.OptTimestamp != 0 }
func (x *step) hasWScale() bool { return x.p.TCP.Opts&decode.OptWScale != 0 }
func (x *step) hasTFO() bool    { return x.p.TCP.Opts&decode.OptFastOpen != 0 }
func (x *step) permitsSACK() bool {
	return x.p.TCP.Opts&decode.OptSACKPermitted != 0
}

func (x *step) wscale() uint8 {
	if x.p.TCP.WScale > maxWScale {
		return 0
	}
	return x.p.TCP.WScale
}

// second is the packet's time in seconds, as timestamps are checked with.
func (x *step) second() uint32 { return uint32(x.p.Time / 1e9) }

// Packet follows one TCP packet of a flow. Preconditions: u.Packet has a TCP header, a valid checksum (or nobody
// checks), and its flow and direction are set.
func (t *Tracker) Packet(u *Context) Outcome {
	p := u.Packet
	x := step{t: t, u: u, p: p, seq: p.TCP.Seq, ack: p.TCP.Ack, n: uint32(len(p.Payload)), window: uint32(p.TCP.Window), fl: p.TCP.Flags}
	if x.n > 1<<16-1 {
		x.n = 1<<16 - 1
		p.Payload = p.Payload[:x.n]
	}
	if u.Flow.TCP != 0 && t.Reuses(p, u.Flow, u.Dir) {
		x.out.Reuse = true
		return x.out
	}
	switch x.fl & (decode.SYN | decode.ACK) {
	case decode.SYN | decode.ACK:
		t.count[CountSYNACK]++
	case decode.SYN:
		t.count[CountSYN]++
	}
	if x.has(decode.RST) {
		t.count[CountRST]++
	}
	if u.Flow.TCP != 0 {
		x.ssn = t.sessions.At(u.Flow.TCP)
		x.streams()
		x.out.FlowEstablished = x.ssn.State >= Established
		x.ssn.Seen |= x.fl
		x.s.Seen |= x.fl
		if x.ssn.Flags&Async != 0 && x.s.Seen != 0 && x.r.Seen != 0 {
			x.ssn.Flags &^= Async
			u.Flow.Flags &^= flow.Async
		}
	}
	if !x.has(decode.ACK) && x.ack != 0 {
		x.event(decode.EvStreamPacketBrokenACK)
	}
	if x.has(decode.URG) && t.cfg.Inline && t.cfg.UrgentPolicy == UrgentDrop {
		x.out.Drop = DropUrgent
		return x.out
	}
	if (t.cfg.Inline || t.cfg.IPS) && u.Flow.Has(flow.ActionDrop) {
		t.DisableApp(u.Flow)
		if x.ssn != nil {
			t.dropSegments(&x.ssn.Stream[0])
			t.dropSegments(&x.ssn.Stream[1])
		}
		return x.out
	}
	ok := true
	if x.ssn == nil || x.ssn.State == None {
		ok = x.none()
	} else {
		ok = x.follow()
	}
	if !ok {
		if t.cfg.Inline && t.cfg.DropInvalid {
			x.out.Drop = DropError
			x.out.NoPayload = true
		}
		return x.out
	}
	if x.ssn != nil {
		x.finish()
	}
	return x.out
}

// follow handles a packet of a known session.
func (x *step) follow() bool {
	if x.fast() {
		x.afterReset()
		return true
	}
	if !x.dispatch(x.ssn.State) {
		return false
	}
	x.afterReset()
	return true
}

// fast reports whether the packet tells nothing new, or something that must not be believed.
func (x *step) fast() bool {
	ssn := x.ssn
	if x.isKeepAlive() {
		return true
	}
	ackOfKeepAlive := x.isKeepAliveAck()
	x.s.Flags &^= keepAlive
	if ackOfKeepAlive {
		return true
	}
	probeAck := x.isProbeAck()
	if x.toServer() {
		ssn.Flags &^= probeTC
	} else {
		ssn.Flags &^= probeTS
	}
	if probeAck {
		x.out.Flags |= ZeroWindowProbeAck
		return true
	}
	if x.isDupAck() {
		x.out.Flags |= DupAck
	}
	if !x.isShutdownAck() && !x.isWindowUpdate() && (x.isBadWindowUpdate() || x.isOutdatedAck()) {
		return true
	}
	switch x.spurious() {
	case 1:
		x.event(decode.EvStreamPacketSpuriousRetransmission)
	case 2:
		x.event(decode.EvStreamPacketSpuriousRetransmission)
		return true
	}
	return false
}

func (x *step) dispatch(s State) bool {
	switch s {
	case SynSent:
		return x.synSent()
	case SynRecv:
		return x.synRecv()
	case Established:
		return x.established()
	case FinWait1:
		return x.finWait1()
	case FinWait2:
		return x.finWait2()
	case Closing:
		return x.closing()
	case CloseWait:
		return x.closeWait()
	case LastAck:
		return x.lastAck()
	case TimeWait:
		return x.timeWait()
	case Closed:
		return x.closed()
	}
	return true
}

// finish tells the caller what it may do with the packet and its flow.
func (x *step) finish() {
	t, ssn := x.t, x.ssn
	c, s := ssn.Stream[0].Flags, ssn.Stream[1].Flags
	x.out.Established = x.out.Established || ssn.State >= Established
	if (c|s)&DepthReached != 0 {
		x.out.Bypass = t.cfg.Bypass
		x.out.NoLog = true
	}
	if ssn.Stream[x.u.Dir].Flags&NoReassembly != 0 {
		x.out.NoLog = true
	}
	if ssn.Flags&bypassed != 0 || t.cfg.DetectOff && t.cfg.Bypass && c&s&NoReassembly != 0 {
		x.out.Bypass = true
	}
}

// newSession gives the flow a session.
func (x *step) newSession(midstream bool) bool {
	t := x.t
	if x.ssn != nil {
		return true
	}
	fresh := t.sessions.High()
	i := t.sessions.New()
	if i == 0 {
		x.out.Exceptions |= OnSessionMemcap
		t.count[CountSessionMemcap]++
		return false
	}
	if i == fresh {
		t.count[CountSessionFromPool]++
	} else {
		t.count[CountSessionFromCache]++
	}
	t.count[CountSessions]++
	if midstream {
		t.count[CountMidstream]++
	}
	ssn := t.sessions.At(i)
	ssn.Depth = t.cfg.Depth
	ssn.Seen = x.fl
	for d := range ssn.Stream {
		if t.cfg.NoRaw {
			ssn.Stream[d].Flags = rawDisabled
		}
		ssn.Stream[d].Regions, ssn.Stream[d].MaxRegions = 1, 1
	}
	ssn.Stream[x.u.Dir].Seen = x.fl
	x.u.Flow.TCP = i
	x.ssn = ssn
	x.streams()
	return true
}

// setState moves the session, and the flow with it.
func (x *step) setState(s State) {
	ssn := x.ssn
	if s == ssn.State {
		return
	}
	ssn.Prev, ssn.State = ssn.State, s
	x.out.Flags |= StateUpdate
	if f := x.u.Flow; f.State < flow.LocalBypassed {
		switch s {
		case Established, FinWait1, FinWait2, Closing, CloseWait:
			f.State = flow.Established
		case LastAck, TimeWait, Closed:
			f.State = flow.Closed
		}
	}
}

func (x *step) closeByReset() {
	x.ssn.Flags |= ClosedByRST
	x.setState(Closed)
}

// acked moves the receiver's acknowledgement forward.
func (x *step) acked(s *Stream, ack uint32) {
	if gt(ack, s.LastAck) && gt(ack, s.baseSeq) {
		s.LastAck = ack
		x.t.pruneSACK(s)
	}
}

// expect sets the next expected sequence number. Nobody acknowledges in a one-sided session, so what is seen counts as
// acknowledged.
func (x *step) expect(s *Stream, seq uint32) {
	s.NextSeq = seq
	if x.ssn.Flags&Async != 0 && gt(s.NextSeq, s.LastAck) {
		s.LastAck = s.NextSeq
	}
}

func (s *Stream) widen(win uint32) {
	if gt(win+s.sackSize, s.NextWin) {
		s.NextWin = win + s.sackSize
	}
}

// Reuses reports whether p begins a new session in a flow that was found, not created, and whose old session is over.
// The caller then replaces the flow. Call it between Lookup and Update, so that p does not count for the old flow.
func (t *Tracker) Reuses(p *decode.Packet, f *flow.Flow, d flow.Dir) bool {
	fl := p.TCP.Flags
	if fl&decode.SYN == 0 || fl&(decode.RST|decode.FIN) != 0 {
		return false
	}
	var ssn *Session
	if f.TCP != 0 {
		ssn = t.sessions.At(f.TCP)
	}
	if fl&decode.ACK == 0 {
		if ssn == nil {
			return true // the session was never made: the flow began behind its handshake, or there was no memory
		}
		if d == flow.ToServer {
			if ssn.Flags&tfoIgnored != 0 {
				return true
			}
			if ssn.Stream[0].ISN == p.TCP.Seq {
				return false
			}
		}
		return ssn.State >= LastAck || ssn.State == None
	}
	if !t.cfg.Midstream && !t.cfg.AsyncOne {
		return false
	}
	if ssn == nil {
		return d == flow.ToServer
	}
	if d == flow.ToClient && ssn.Stream[1].ISN == p.TCP.Seq {
		return false
	}
	return ssn.State >= LastAck || ssn.State == None
}
