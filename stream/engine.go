package stream

import (
	"sentinel/decode"
	"sentinel/stream/app"
	"sentinel/stream/file"
	"sentinel/stream/flow"
	"sentinel/stream/tcp"
)

const (
	protoTCP = 6
	protoUDP = 17
)

// Count is a counter of the engine, named in CountNames.
type Count uint8

// The counters.
const (
	CountAppGap Count = iota
	CountDefragMemcap
	CountPseudo
	CountPanics
	CountBadChecksum
	CountBypassed // packets of flows that the engine bypasses by itself
	CountBypassedBytes
	CountCaptureBypassed // packets that came although their flow is carried below
	CountCaptureBypassedBytes
	CountOffloaded // packets that were counted below
	CountOffloadedBytes
	CountOffloadDropped // packets of dropped flows that were dropped below
	CountOffloadClosed  // flows that were carried below and are not any more
	CountOffloadBusy    // requests that there was no room for
	CountCount
)

// The kinds of errors of a parser.
const (
	errorParser = iota
	ErrorGap
	errorInternal
	errorAlloc
	errorCount
)

// ErrorNames name the kinds of errors in app_layer.error.PROTOCOL.KIND.
var ErrorNames = [errorCount]string{"parser", "gap", "internal", "alloc"}

// Engine is one worker's stream engine. It belongs to one goroutine.
type Engine struct {
	Count      [CountCount]uint64
	Exceptions [TargetCount][Auto + 1]uint64
	// InnerDropped says of the packet that Process takes next that a packet which it carries was dropped, and so is it.
	InnerDropped bool

	cfg     Config
	reg     *app.Registry
	run     Runner
	table   *flow.Table
	tracker *tcp.Tracker
	det     *detector
	layer   layer
	input   app.Input
	parsers []func() app.Parser // by protocol; nil = not parsed
	spare   [][]app.Parser      // by protocol: parsers that can be reused
	depths  []int64             // by protocol: stream depth, -1 = default
	logMask []uint32            // by protocol: loggers that must have seen a transaction
	states  []*State            // by index; 0 is unused
	free    []uint32
	files   []*file.File
	recycle func(*file.File)
	// frameWants is, by protocol, the types of frames that are kept; bit app.StreamFrame is the frame "stream".
	frameWants []uint64
	frameSets  []*frameSet // spare ones
	flows      [2][]uint64 // by transport, protocol: flows
	txs        [2][]uint64
	errors     [2][][errorCount]uint64
	appErrors  [2][]uint64 // by transport, protocol: errors that the policy was applied to
	fileWants  file.Flags

	unit      Unit
	pseudo    Unit
	pseudoPkt decode.Packet
	endFlow   func(*flow.Flow)
	endUnit   Unit
	endPkt    decode.Packet
	ending    *flow.Flow // the flow that end is about
	busy      bool       // Process is under way
	now       int64
	checksums Checksums

	offload Offload // carries bypassed flows; nil = nothing does

	flushInspect bool // a parser declared the payload opaque with this packet
	flushChange  bool // a parser asked for another protocol with this packet
}

// New makes a worker's engine. Every packet and end of a flow goes to run.
func New(cfg Config, run Runner) (*Engine, error) {
	if cfg.Expect == nil {
		cfg.Expect = NewExpectations()
	}
	n := cfg.Registry.Len()
	e := &Engine{
		cfg: cfg, reg: cfg.Registry, run: run,
		table:   flow.NewTable(cfg.Flow),
		parsers: make([]func() app.Parser, n),
		spare:   make([][]app.Parser, n),
		depths:  make([]int64, n),
		logMask: make([]uint32, n),
		states:  make([]*State, 1),

		frameWants: make([]uint64, n),
		fileWants:  cfg.Files,
	}
	for i := range e.flows {
		e.flows[i], e.txs[i] = make([]uint64, n), make([]uint64, n)
		e.errors[i], e.appErrors[i] = make([][errorCount]uint64, n), make([]uint64, n)
	}
	e.checksums = cfg.Checksums
	e.recycle = e.putFile
	e.endFlow = e.end
	e.layer.e = e
	var err error
	if e.tracker, err = newTracker(cfg.TCP, &e.layer); err != nil {
		return nil, err
	}
	if e.det, err = newDetector(e.reg, e.unlooked, e.detectionPorts, cfg.TCP.Midstream); err != nil {
		return nil, err
	}
	for id := flow.ProtoFirst; int(id) < n; id++ {
		e.depths[id] = -1
		p := e.reg.ByID(id)
		if p == nil || p.Setup == nil || !e.reg.Enabled(id) {
			continue
		}
		s := app.Settings{Section: e.section(p), Root: cfg.Root, ID: e.enabledID, Wants: cfg.Wants, Warn: cfg.Warn, Random: cfg.Random,
			Shared: cfg.Shared}
		if s.Wants == nil {
			s.Wants = func(string) bool { return false }
		}
		if s.Warn == nil {
			s.Warn = func(string, ...any) {}
		}
		if e.parsers[id], err = p.Setup(s); err != nil {
			return nil, err
		}
		if p.StreamDepth > 0 {
			e.depths[id] = int64(p.StreamDepth)
		}
		if d := s.Section.Get("stream-depth"); d.Exists() {
			v, err := d.Size(0)
			if err != nil {
				return nil, err
			}
			e.depths[id] = int64(min(v, 1<<31-1))
		}
	}
	return e, nil
}

// SetLoggers says which outputs (bits of Tx.Logged) must have written a protocol's transactions before they are freed.
func (e *Engine) SetLoggers(id app.ProtoID, mask uint32) { e.logMask[id] = mask }

// SetFiles changes what files get hashed from now on.
func (e *Engine) SetFiles(f file.Flags) { e.fileWants = f }

// Table gives read access to the flows, for output and counters.
func (e *Engine) Table() *flow.Table { return e.table }

// Tracker gives read access to the TCP sessions.
func (e *Engine) Tracker() *tcp.Tracker { return e.tracker }

// Registry returns the protocols.
func (e *Engine) Registry() *app.Registry { return e.reg }

// Flows returns how many flows of a protocol there were, and transactions, by transport (0 TCP, 1 UDP).
func (e *Engine) Flows(over int, id app.ProtoID) (flows, txs uint64) {
	return e.flows[over][id], e.txs[over][id]
}

// Errors returns how often parsers of a protocol failed, by transport and by kind as in ErrorNames.
func (e *Engine) Errors(over int, id app.ProtoID) [errorCount]uint64 { return e.errors[over][id] }

// AppErrors returns how often the policy on errors was applied to a protocol, by transport.
func (e *Engine) AppErrors(over int, id app.ProtoID) uint64 { return e.appErrors[over][id] }

// Close frees all memory. No Unit may be used afterwards.
func (e *Engine) Close() {
	e.tracker.Close()
	e.table.Close()
}

func (e *Engine) enabledID(name string) app.ProtoID {
	id := e.reg.ID(name)
	if e.reg.Enabled(id) {
		return id
	}
	return flow.ProtoUnknown
}

// newState takes an application state from the free list.
func (e *Engine) newState() *State {
	if n := len(e.free); n > 0 {
		i := e.free[n-1]
		e.free = e.free[:n-1]
		return e.states[i]
	}
	s := &State{index: uint32(len(e.states))}
	e.states = append(e.states, s)
	return s
}

// dropState gives back a state that nothing hangs on.
func (e *Engine) dropState(s *State) {
	e.dropFrames(s)
	*s = State{index: s.index}
	e.free = append(e.free, s.index)
}

// freeState frees all transactions of a state, and the state.
func (e *Engine) freeState(f *flow.Flow, s *State) {
	if s.Parser != nil {
		for {
			t, ok := s.Parser.Next(0)
			if !ok {
				break
			}
			e.freeTx(f, s, t.Base())
		}
		e.putParser(s.ID, s.Parser)
	}
	e.dropState(s)
}

// maxSpareParsers bounds the parsers kept for reuse, by protocol.
const maxSpareParsers = 256

func (e *Engine) getParser(id app.ProtoID, make func() app.Parser) app.Parser {
	if l := e.spare[id]; len(l) > 0 {
		p := l[len(l)-1]
		l[len(l)-1] = nil
		e.spare[id] = l[:len(l)-1]
		return p
	}
	return make()
}

func (e *Engine) putParser(id app.ProtoID, p app.Parser) {
	r, ok := p.(app.Resetter)
	if !ok || len(e.spare[id]) >= maxSpareParsers {
		return
	}
	r.Reset()
	e.spare[id] = append(e.spare[id], p)
}

// Process takes one decoded packet through flow, TCP and parser, and runs it. count is the number of its frame. The
// returned unit says what is to become of the packet; it is valid until the next call.
func (e *Engine) Process(p *decode.Packet, count uint64, now int64) *Unit {
	u := &e.unit
	*u = Unit{Packet: p, Now: now, Count: count, DropSource: -1, engine: e}
	e.now = now
	e.busy = true
	if e.InnerDropped {
		e.InnerDropped = false
		u.Drop(DropPacket, DropInnerPacket)
	}
	if !p.IsIP() || p.Has(decode.Invalid) && !p.Has(decode.WantsFlow) { // odd options are no reason to lose track
		e.run.Run(u)
		e.busy = false
		return u
	}
	e.findFlow(u)
	if f := u.Flow; f != nil {
		if f.State >= flow.LocalBypassed {
			e.skip(u)
			e.busy = false
			return u
		}
		e.stateful(u)
	}
	e.run.Run(u)
	e.done(u)
	e.busy = false
	return u
}

// findFlow looks the packet's flow up and accounts for it.
func (e *Engine) findFlow(u *Unit) {
	p := u.Packet
	f, created := e.table.Lookup(p, u.Now)
	if created && e.cfg.Simulate.FlowMemcap == u.Count && u.Count > 0 {
		e.table.Free(f)
		e.apply(u, e.cfg.FlowMemcapPolicy, DropFlowMemcap, TargetFlowMemcap)
		return
	}
	if f == nil {
		if e.table.Refusal() == flow.RefusedMemcap {
			e.apply(u, e.cfg.FlowMemcapPolicy, DropFlowMemcap, TargetFlowMemcap)
		}
		return
	}
	d := e.table.Dir(p, f)
	if !created && p.Is(decode.HasTCP) && e.tracker.Reuses(p, f, d) {
		// A new session on the ports of one that is over: the old flow ends, and its record goes out before the new one's.
		if f = e.table.Replace(f, p, u.Now); f == nil {
			e.apply(u, e.cfg.FlowMemcapPolicy, DropFlowMemcap, TargetFlowMemcap)
			return
		}
		d = e.table.Dir(p, f)
	}
	u.Flow, u.Dir = f, d
	e.account(u)
}

func (e *Engine) account(u *Unit) {
	f := u.Flow
	seen := e.table.Update(u.Packet, f, u.Dir)
	if news := flow.ProtoNewsTS.InDir(u.Dir); f.Flags&news != 0 {
		f.Flags &^= news
		u.Flags |= ProtoJustKnown
	}
	if seen&flow.First != 0 {
		u.Flags |= FirstInDir
	}
	if seen&flow.FlowEstab != 0 {
		u.Flags |= Established
	}
	if e.cfg.ElephantBypass && f.State < flow.LocalBypassed && f.Bytes[0]+f.Bytes[1] >= e.cfg.ElephantBytes &&
		(e.cfg.Flow.RateBytes == 0 || f.Has(flow.Elephant)) {
		u.Action |= BypassFlow
	}
	if f.Has(flow.NoPacketInspect) {
		u.Flags |= NoPacketInspect
	}
	if f.Has(flow.NoPayloadInspect) {
		u.Flags |= NoPayloadInspect
	}
	if f.Has(flow.ActionDrop) {
		why := DropFlowDrop
		if f.Has(flow.ExceptionDrop) {
			why = DropExceptionFlow
		}
		u.Drop(DropPacket, why)
		if e.offload != nil && e.cfg.IPS && f.Offload == flow.OffloadNone {
			e.offer(f, u.Packet, true)
		}
	}
}

// stateful runs TCP tracking or the datagram's parser.
func (e *Engine) stateful(u *Unit) {
	f := u.Flow
	switch {
	case u.Packet.Is(decode.HasTCP) && f.Proto == protoTCP:
		e.track(u)
	case u.Packet.Is(decode.HasUDP) && f.Proto == protoUDP:
		if u.Action&DropPacket == 0 {
			e.layer.datagram(u)
		}
	}
	if f.AppState != 0 {
		if s := e.states[f.AppState]; s.Parser != nil {
			u.App = s
		}
	}
}

// flush runs pseudo packets in both directions, so that rules and output see what the present protocol has, before it changes
// or becomes opaque.
func (e *Engine) flush(u *Unit) {
	change, opaque := e.flushChange, e.flushInspect
	e.flushChange, e.flushInspect = false, false
	f := u.Flow
	if f == nil || f.AppState == 0 {
		return
	}
	s := e.states[f.AppState]
	if s.Parser == nil {
		return
	}
	eof := s.eof
	s.eof = [2]bool{true, true}
	first := u.Dir // the other way round from where the data came from: it went up with its ACK, or inline at once
	if e.cfg.TCP.Inline {
		first = u.Dir.Other()
	}
	for _, d := range [2]flow.Dir{first, first.Other()} {
		e.tracker.TriggerRaw(f, d)
		e.runPseudo(&e.pseudo, &e.pseudoPkt, f, s, d, DetectFlush|u.Flags&(NoPacketInspect|NoPayloadInspect))
	}
	if change {
		s.eof = eof
	}
	if opaque {
		f.Flags |= flow.NoPayloadInspect
	}
}

// runPseudo runs a packet without bytes on a flow. What is not to be inspected any more is in extra: it may have become so with
// the packet that this one comes before.
func (e *Engine) runPseudo(u *Unit, p *decode.Packet, f *flow.Flow, s *State, d flow.Dir, extra UnitFlags) {
	e.Count[CountPseudo]++
	pseudoPacket(p, f, d, e.now)
	*u = Unit{Packet: p, Flow: f, Dir: d, Now: e.now, DropSource: -1, engine: e, Flags: Pseudo | Established | StreamEstablished | extra}
	u.tcp = tcp.Context{Packet: p, Flow: f, Dir: d, Now: e.now, User: u}
	if s != nil && s.Parser != nil {
		u.App = s
	}
	e.run.Run(u)
	e.done(u)
}

// pseudoPacket fills p as a packet of f in direction d that was not on the wire.
func pseudoPacket(p *decode.Packet, f *flow.Flow, d flow.Dir, now int64) {
	*p = decode.Packet{Time: now, Parent: -1, Depth: f.Depth, Flags: decode.Pseudo, IPVersion: f.IPVersion, Proto: f.Proto, VLAN: f.Tags,
		Src: f.Src, Dst: f.Dst, SrcPort: f.SrcPort, DstPort: f.DstPort, SrcMAC: f.SrcMAC, DstMAC: f.DstMAC}
	for _, v := range f.Tags {
		if v != 0 {
			p.VLANCount++
		}
	}
	if d == flow.ToClient {
		p.Src, p.Dst = p.Dst, p.Src
		p.SrcPort, p.DstPort = p.DstPort, p.SrcPort
		p.SrcMAC, p.DstMAC = p.DstMAC, p.SrcMAC
	}
	p.Layers = decode.HasIPv4
	if f.IPVersion == 6 {
		p.Layers = decode.HasIPv6
	}
	switch f.Proto {
	case protoTCP:
		p.Layers |= decode.HasTCP
		p.TCP.Flags = decode.ACK
	case protoUDP:
		p.Layers |= decode.HasUDP
	}
}

// done frees what a packet's run has finished with.
func (e *Engine) done(u *Unit) {
	f := u.Flow
	if f == nil {
		return
	}
	if u.StoreFiles && e.cfg.StoreDepth > 0 {
		e.tracker.SetDepth(f, e.cfg.StoreDepth)
	}
	if u.Action&BypassFlow != 0 && !u.Has(Pseudo) {
		e.bypassFlow(f)
	}
	if f.State >= flow.LocalBypassed && !u.Has(Pseudo) {
		e.leave(f)
		if e.offload != nil && f.Offload == flow.OffloadNone {
			e.offer(f, u.Packet, false)
		}
		e.layer.scratch.Reset()
		return
	}
	if u.tcp.Flow != nil && f.TCP != 0 { // not for an ICMP error that belongs to the flow
		if u.looked {
			e.tracker.RawDone(&u.tcp, u.Dir)
		} else if u.RawReady() {
			e.tracker.RawSkip(&u.tcp, u.Dir)
		}
		if u.App != nil && u.App.frames != nil && (u.App.updated[u.Dir] || u.Has(Pseudo)) {
			e.pruneFrames(u, u.App)
		}
		e.tracker.Prune(f, u.Dir)
	} else if u.App != nil && u.App.frames != nil && f.Proto == protoUDP && u.Packet.Proto == protoUDP {
		u.App.frames.dir[u.Dir].clear()
	}
	if s := u.App; s != nil {
		s.updated[u.Dir] = false
		e.sweep(u, s)
	}
	e.layer.scratch.Reset()
}

// swap exchanges client and server of a flow, and the packet's direction with it.
func (e *Engine) swap(c *tcp.Context) {
	f := c.Flow
	f.Swap()
	e.tracker.Swap(f)
	c.Dir = c.Dir.Other()
	e.swapped(c)
}

// swapped follows an exchange of client and server that flow and session have gone through.
func (e *Engine) swapped(c *tcp.Context) {
	f := c.Flow
	f.Flags |= flow.Reversed
	if f.Generation != 0 {
		f.Generation = ^f.Generation // judged anew: groups and variables were those of the other side
	}
	if u, ok := c.User.(*Unit); ok && u != nil {
		u.Dir = c.Dir
		u.tcp.Dir = c.Dir
	}
	if f.AppState != 0 {
		s := e.states[f.AppState]
		s.eof[0], s.eof[1] = s.eof[1], s.eof[0]
		s.updated[0], s.updated[1] = s.updated[1], s.updated[0]
		if s.frames != nil {
			s.frames.dir[0], s.frames.dir[1] = s.frames.dir[1], s.frames.dir[0]
		}
		h := &s.search
		h.patternsDone[0], h.patternsDone[1] = h.patternsDone[1], h.patternsDone[0]
		h.probesDone[0], h.probesDone[1] = h.probesDone[1], h.probesDone[0]
		h.refused[0], h.refused[1] = h.refused[1], h.refused[0]
		switch h.firstSeen {
		case seenToServer:
			h.firstSeen = seenToClient
		case seenToClient:
			h.firstSeen = seenToServer
		}
	}
}

// bypassFlow stops looking at a flow from the next packet on; its packets are still counted.
func (e *Engine) bypassFlow(f *flow.Flow) {
	if f.State < flow.LocalBypassed {
		f.State = flow.LocalBypassed
	}
}

// leave gives back what is kept of a flow that is bypassed from now on.
func (e *Engine) leave(f *flow.Flow) {
	if f.AppState != 0 {
		e.freeState(f, e.states[f.AppState])
		f.AppState = 0
	}
	e.tracker.Drop(f)
}

// Expire ends flows that have timed out, at most max of them. It returns how many.
func (e *Engine) Expire(now int64, max int) int {
	if now > e.now {
		e.now = now
	}
	return e.table.Expire(now, max, e.endFlow)
}

// Shutdown ends all flows, oldest first.
func (e *Engine) Shutdown() {
	e.table.Expire(e.now, int(^uint(0)>>1), e.endFlow)
	e.table.All(func(f *flow.Flow) {
		if f.Reason == flow.ReasonNone {
			f.Reason = flow.ReasonShutdown
		}
		e.end(f)
	})
}

// end runs the pseudo packets that end a flow, writes its record and frees it.
func (e *Engine) end(f *flow.Flow) {
	if f.Offload.Below() && e.offload != nil && !f.IsHeld() && f.Reason != flow.ReasonShutdown {
		e.table.Hold(f)
		e.leaveOffload(f)
		return
	}
	e.ending = f
	var s *State
	if f.AppState != 0 {
		s = e.states[f.AppState]
	}
	if f.Proto == protoTCP && f.TCP != 0 && !f.Has(flow.EndSent|flow.Quarantined|flow.ActionDrop) &&
		f.State != flow.LocalBypassed && f.State != flow.CaptureBypassed {
		f.Flags |= flow.EndSent
		e.finish(f)
		s = nil
		if f.AppState != 0 {
			s = e.states[f.AppState]
		}
	}
	var session *tcp.Session
	if f.TCP != 0 {
		session = e.tracker.Session(f)
	}
	e.run.FlowEnd(f, s, session)
	if s != nil {
		e.freeState(f, s)
		f.AppState = 0
	}
	if f.TCP != 0 {
		e.tracker.Free(f)
	}
	e.run.FlowFree(f)
	e.table.Free(f)
	e.ending = nil
}

// finish hands the rest of both directions up with EOF, and has it judged and logged.
func (e *Engine) finish(f *flow.Flow) {
	ts, tc := e.tracker.NeedsFlush(f)
	if f.AppState != 0 {
		if s := e.states[f.AppState]; s.Parser != nil {
			if _, live := s.Parser.Next(s.minTx); live {
				ts, tc = true, true
			}
			ts = ts || len(s.Frames(flow.ToServer)) > 0
			tc = tc || len(s.Frames(flow.ToClient)) > 0
		}
	}
	for d, due := range [2]bool{ts, tc} {
		if !due {
			continue
		}
		d := flow.Dir(d)
		u, p := &e.endUnit, &e.endPkt
		pseudoPacket(p, f, d, e.now)
		*u = Unit{Packet: p, Flow: f, Dir: d, Now: e.now, DropSource: -1, engine: e, Flags: Pseudo | Established | StreamEstablished | EndOfFlow}
		if f.Has(flow.NoPacketInspect) {
			u.Flags |= NoPacketInspect
		}
		if f.Has(flow.NoPayloadInspect) {
			u.Flags |= NoPayloadInspect
		}
		u.tcp = tcp.Context{Packet: p, Flow: f, Dir: d, Now: e.now, User: u}
		e.tracker.Flush(&u.tcp, d)
		d = u.Dir
		e.flushChange, e.flushInspect = false, false
		if f.AppState != 0 {
			if s := e.states[f.AppState]; s.Parser != nil {
				s.eof[d], s.updated[d], s.dirty = true, true, true
				u.App = s
			}
		}
		e.Count[CountPseudo]++
		e.run.Run(u)
		e.done(u)
	}
}

// Quarantine takes the flow under way out of inspection after a bug was caught in it; its application state is dropped unseen.
// The policy for errors of the application layer is applied to it. A flow that was ending is freed.
func (e *Engine) Quarantine() {
	e.Count[CountPanics]++
	e.layer = layer{e: e}
	e.flushChange, e.flushInspect, e.InnerDropped = false, false, false
	if f := e.ending; f != nil {
		e.ending = nil
		e.cordon(f)
		f.Detect = 0 // what detection keeps of it may be in any state too
		if f.TCP != 0 {
			e.tracker.Free(f)
		}
		e.table.Free(f)
		return
	}
	u := e.Current()
	e.busy = false
	if u == nil || u.Flow == nil {
		return
	}
	e.cordon(u.Flow)
	if u.Flow.TCP != 0 {
		e.tracker.DisableApp(u.Flow)
	}
	e.apply(u, e.cfg.AppErrorPolicy, DropAppError, TargetAppError)
}

// cordon lets go of the flow's application state.
func (e *Engine) cordon(f *flow.Flow) {
	f.Flags |= flow.Quarantined | flow.NoPacketInspect | flow.NoPayloadInspect | flow.AppFailed
	if f.AppState != 0 {
		// The parser may be in any state: it is left to the garbage collector, not reused.
		i := f.AppState
		e.states[i] = &State{index: i}
		e.free = append(e.free, i)
		f.AppState = 0
	}
	f.App, f.AppDir = flow.ProtoFailed, [2]flow.ProtoID{flow.ProtoFailed, flow.ProtoFailed}
}

// Current is the unit that Process is about, for what catches a panic; nil = none.
func (e *Engine) Current() *Unit {
	if !e.busy {
		return nil
	}
	return &e.unit
}

func (e *Engine) session(u *Unit) *tcp.Session {
	if u.Flow == nil || u.Flow.TCP == 0 {
		return nil
	}
	return e.tracker.Session(u.Flow)
}
