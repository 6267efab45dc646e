package stream

import (
	"sentinel/stream/app"
	"sentinel/stream/file"
	"sentinel/stream/flow"
	"sentinel/stream/tcp"
)

// layer is the application layer: it takes stream data and datagrams, finds the protocol, and runs the parser. It is the
// engine seen from TCP, and from the parsers (app.Host).
type layer struct {
	e *Engine
	// What the running call is about: for app.Host.
	flow    *flow.Flow
	state   *State
	unit    *Unit
	dir     app.Dir
	scratch app.Scratch
}

var (
	_ tcp.App  = (*layer)(nil)
	_ app.Host = (*layer)(nil)
)

// maxChangeData is how much data of a changed protocol may stay unknown before the flow is given up.
const maxChangeData = 1024

// state returns the flow's application state, and makes one at the first data.
func (l *layer) of(f *flow.Flow) *State {
	if f.AppState != 0 {
		return l.e.states[f.AppState]
	}
	s := l.e.newState()
	f.AppState = s.index
	return s
}

// Data implements tcp.App.
func (l *layer) Data(c *tcp.Context, d flow.Dir, data []byte, off uint64, eof bool) (consumed, need int) {
	f := c.Flow
	if f.App == flow.ProtoFailed {
		return len(data), 0
	}
	s := l.of(f)
	if s.over {
		return len(data), 0
	}
	s.eof[d] = s.eof[d] || eof
	if s.search.firstSeen == seenNothing && len(data) > 0 {
		first, ok := l.e.tracker.FirstData(f) // as it came, not as it goes up
		if !ok {
			first = d
		}
		s.search.firstSeen = seenToServer + int8(first)
	}
	switch {
	case s.change:
		return l.redetect(c, s, d, data, off, eof)
	case f.AppDir[d] == flow.ProtoUnknown:
		return l.detect(c, s, d, data, off, eof)
	case s.Parser != nil:
		return l.parse(c, s, d, data, off, 0, eof)
	}
	return 0, 0
}

// Gap implements tcp.App.
func (l *layer) Gap(c *tcp.Context, d flow.Dir, off uint64, n uint64) bool {
	f := c.Flow
	if f.App == flow.ProtoFailed {
		return false
	}
	s := l.of(f)
	if s.over {
		return false
	}
	if f.AppDir[d] == flow.ProtoUnknown {
		f.Flags |= flow.ProtoDoneTS.InDir(d)
		if f.App == flow.ProtoUnknown {
			l.giveUp(c, s)
			return false
		}
		f.AppDir[d] = f.App
		l.count(f, s)
	}
	if s.change {
		s.change = false
		l.giveUp(c, s)
		return false
	}
	if s.Parser == nil || !s.Proto.GapOK {
		l.e.Count[CountAppGap]++
		l.e.errors[over(f)][s.ID][ErrorGap]++
		if s.Parser == nil {
			l.fail(c, s)
		} else {
			l.parserError(c, s)
		}
		return false
	}
	end := c.End || l.e.tracker.Session(f).State == tcp.Closed
	s.eof[d] = s.eof[d] || end
	for n > 0 && !s.over {
		step := uint32(min(n, 1<<31))
		n -= uint64(step)
		// As in the reference the end comes with the first thing that goes up at the end, even if that is a gap with data behind it.
		l.parse(c, s, d, nil, off, step, n == 0 && end)
		off += uint64(step)
	}
	return !s.over
}

// news lets rules know that detection has come to an end in a direction, with its next packet: TCP data goes up with the other side's
// packets. Inline and with datagrams this packet tells too.
func (l *layer) news(u *Unit, f *flow.Flow, d flow.Dir) {
	f.Flags |= flow.ProtoNewsTS.InDir(d)
	if u != nil && u.Dir == d && (f.Proto != protoTCP || l.e.cfg.TCP.Inline) {
		u.Flags |= ProtoJustKnown
	}
}

// giveUp ends detection without a result: the flow is opaque to parsers.
func (l *layer) giveUp(c *tcp.Context, s *State) {
	f := c.Flow
	if f.App == flow.ProtoUnknown {
		f.App = flow.ProtoFailed
	}
	u, _ := c.User.(*Unit)
	for d := range f.AppDir {
		if f.AppDir[d] != flow.ProtoFailed {
			l.news(u, f, flow.Dir(d))
		}
		if f.AppDir[d] == flow.ProtoUnknown {
			f.AppDir[d] = flow.ProtoFailed
		}
	}
	f.Flags |= flow.ProtoDoneTS | flow.ProtoDoneTC
	l.count(f, s)
	s.over = true
	l.e.tracker.DisableApp(f)
	l.e.tracker.TriggerRaw(f, flow.ToServer)
	l.e.tracker.TriggerRaw(f, flow.ToClient)
}

// fail ends parsing because of an error or a gap; what was found stays.
func (l *layer) fail(c *tcp.Context, s *State) {
	f := c.Flow
	s.over, s.dirty = true, true
	s.updated = [2]bool{true, true}
	s.eof = [2]bool{true, true}
	f.Flags |= flow.AppFailed
	if f.Proto == protoTCP {
		l.e.tracker.DisableApp(f)
		l.e.tracker.TriggerRaw(f, flow.ToServer)
		l.e.tracker.TriggerRaw(f, flow.ToClient)
	}
}

// count accounts for the flow's protocol once.
func (l *layer) count(f *flow.Flow, s *State) {
	if !s.search.counted {
		s.search.counted = true
		l.e.flows[over(f)][f.App]++
	}
}

func over(f *flow.Flow) int {
	if f.Proto == protoTCP {
		return overTCP
	}
	return overUDP
}

func (l *layer) event(c *tcp.Context, e LayerEvent) {
	if u, ok := c.User.(*Unit); ok && u != nil {
		u.LayerEvent(e)
	}
}

// redetect looks for the protocol that follows after a parser has asked for a change.
func (l *layer) redetect(c *tcp.Context, s *State, d flow.Dir, data []byte, off uint64, eof bool) (int, int) {
	f := c.Flow
	if len(data) == 0 {
		return 0, 0
	}
	was := f.App
	f.AppOrig = was
	s.search = search{port: s.search.port, counted: false, firstSeen: seenToServer + int8(d)}
	f.App, f.AppDir = flow.ProtoUnknown, [2]flow.ProtoID{}
	f.Flags &^= flow.ProtoDoneTS | flow.ProtoDoneTC
	s.change = false
	n := l.e.newState()
	n.search = s.search
	n.eof = s.eof
	id, _ := l.e.det.find(&n.search, f, data, d, overTCP)
	if id == 0 && len(data) < maxChangeData && !eof {
		// Too little to tell: the old protocol stays until more comes.
		f.App, f.AppDir = was, [2]flow.ProtoID{was, was}
		s.change = true
		l.e.dropState(n)
		return 0, 0
	}
	expect := f.AppExpect
	n.search.patternsDone, n.search.probesDone = [2]bool{}, [2]bool{}
	n.old = s
	f.AppState = n.index
	consumed, need := 0, 0
	if id == 0 {
		f.App = flow.ProtoUnknown
		l.giveUp(c, n)
		consumed = len(data)
	} else {
		consumed, need = l.detect(c, n, d, data, off, eof)
	}
	f.Flags &^= flow.ProtoChange // until now, so that the new parser cannot ask for one more change with its first data
	l.e.freeState(f, s)
	n.old = nil
	if expect != 0 && f.App != expect && f.App != flow.ProtoUnknown {
		l.event(c, UnexpectedProtocol)
		if p := l.e.reg.ByID(expect); p != nil && p.Name == "tls" {
			l.event(c, NoTLSAfterSTARTTLS)
		}
	}
	f.AppExpect = 0
	return consumed, need
}

// detect looks for the protocol in a direction that has none yet, and hands the data to the parser when it is found.
func (l *layer) detect(c *tcp.Context, s *State, d flow.Dir, data []byte, off uint64, eof bool) (int, int) {
	f, e := c.Flow, l.e
	o := d.Other()
	id, reverse := flow.ProtoUnknown, false
	if len(data) > 0 {
		id, reverse = e.det.find(&s.search, f, data, d, overTCP)
	}
	if id == flow.ProtoUnknown && len(data) > 0 {
		id = e.expected(f)
	}
	if id != flow.ProtoUnknown {
		f.AppDir[d] = id
		f.Flags |= flow.ProtoDoneTS.InDir(d)
		u, _ := c.User.(*Unit)
		l.news(u, f, d)
		f.Flags &^= flow.GroupsDoneTS | flow.GroupsDoneTC
		if prev := f.AppDir[o]; prev >= flow.ProtoFirst && prev != id {
			l.event(c, MismatchBothDirections)
			if s.search.firstSeen == sentToParser || d == flow.ToServer {
				f.App = prev
			} else {
				f.App = id
			}
		} else {
			f.App = id
		}
		if reverse && f.Has(flow.Midstream) && f.AppDir[o] == flow.ProtoUnknown && !e.tracker.Session(f).FromSynAck() {
			e.swap(c)
			d, o = o, d
		}
		l.setup(f, s)
		if f.AppDir[o] != flow.ProtoUnknown {
			l.count(f, s)
		}
		if first := s.search.firstSeen; first != sentToParser && first != seenNothing && first != seenToServer+int8(d) {
			// What the other side said first goes to the parser first.
			s.search.firstSeen = first
			e.tracker.Offer(c, o)
			if s.over {
				return len(data), 0
			}
			if s.change {
				s.change = false
				f.Flags &^= flow.ProtoChange
				l.event(c, UnexpectedProtocol)
			}
		}
		if s.search.firstSeen != sentToParser && s.Proto != nil && s.Proto.FirstData != nil {
			want := *s.Proto.FirstData
			if s.search.firstSeen != seenToServer+int8(want) {
				l.event(c, WrongDirectionFirstData)
				l.fail(c, s)
				return len(data), 0
			}
			if want != d {
				// The other side's data is on its way, or lost: what comes next on this one goes to the parser all the same.
				s.search.patternsDone[d], s.search.probesDone[d], s.search.refused[d] = false, false, 0
				return 0, 0
			}
		}
		s.search.firstSeen = sentToParser
		return l.parse(c, s, d, data, off, 0, eof)
	}

	if f.Has(flow.Midstream) && !e.tracker.Session(f).FromSynAck() && s.search.done(flow.ToServer) {
		// The start of the request was missed; the reply alone would give the parser half a conversation.
		l.giveUp(c, s)
		return len(data), 0
	}
	if other := f.AppDir[o]; other != flow.ProtoUnknown {
		if other >= flow.ProtoFirst && s.search.firstSeen != sentToParser {
			if p := e.reg.ByID(other); p.FirstData != nil && *p.FirstData != d {
				l.fail(c, s)
				return len(data), 0
			}
		}
		switch {
		case s.search.done(d):
			if len(data) > 0 {
				s.search.firstSeen = sentToParser
			}
			f.Flags |= flow.ProtoDoneTS.InDir(d)
			u, _ := c.User.(*Unit)
			l.news(u, f, d)
			if other == flow.ProtoFailed {
				f.AppDir[d] = flow.ProtoFailed
				return len(data), 0
			}
			l.event(c, DetectOnlyOneDirection)
			f.AppDir[d] = other
			l.count(f, s)
			n, need := l.parse(c, s, d, data, off, 0, eof)
			if !s.over {
				f.AppDir[d] = flow.ProtoFailed // this side was never told
			}
			return n, need
		case eof:
			f.AppDir[d] = f.App
			f.Flags |= flow.ProtoDoneTS.InDir(d)
			l.count(f, s)
		}
		return 0, 0
	}
	l.bail(c, s)
	if s.over {
		return len(data), 0
	}
	return 0, 0
}

// bail gives up on a flow when both directions are exhausted, or one has brought too much.
func (l *layer) bail(c *tcp.Context, s *State) {
	const enough = 100000
	e, f := l.e, c.Flow
	ts, tc := e.tracker.Available(f, flow.ToServer), e.tracker.Available(f, flow.ToClient)
	if s.search.done(flow.ToServer) && s.search.done(flow.ToClient) {
		l.giveUp(c, s)
		return
	}
	skip := ts > 2*enough || tc > 2*enough ||
		s.search.done(flow.ToServer) && ts > enough && tc == 0 ||
		s.search.done(flow.ToClient) && tc > enough && ts == 0 ||
		tc > enough && s.search.probesDone[flow.ToServer] && s.search.done(flow.ToClient) ||
		ts > enough && s.search.probesDone[flow.ToClient] && s.search.done(flow.ToServer)
	if skip {
		l.event(c, DetectionSkipped)
		l.giveUp(c, s)
	}
}

// setup makes the parser of a flow whose protocol is known.
func (l *layer) setup(f *flow.Flow, s *State) {
	if s.Parser != nil {
		return
	}
	s.ID, s.Proto = f.App, l.e.reg.ByID(f.App)
	s.minTx, s.counted = 0, 0
	make := l.e.parsers[f.App]
	if make == nil {
		// Named, but not parsed: switched off to "detection-only".
		s.over = true
		if f.Proto == protoTCP {
			l.e.tracker.DisableApp(f)
		}
		return
	}
	s.Parser = l.e.getParser(f.App, make)
	if s.old != nil && s.old.Parser != nil {
		if h, ok := s.Parser.(Heir); ok {
			h.Inherit(s.old.Parser)
		}
	}
	if depth := l.e.depths[f.App]; depth >= 0 && f.Proto == protoTCP {
		l.e.tracker.SetDepth(f, uint32(depth))
	}
}

// Heir is implemented by parsers that take over something from the protocol before them, such as the request of an HTTP/1
// upgrade.
type Heir interface{ Inherit(from app.Parser) }

// parse calls the parser and carries out what it asks for.
func (l *layer) parse(c *tcp.Context, s *State, d flow.Dir, data []byte, off uint64, lost uint32, eof bool) (consumed, need int) {
	if s.Parser == nil {
		return len(data), 0
	}
	if len(data) == 0 && lost == 0 && !eof {
		return 0, 0
	}
	f, e := c.Flow, l.e
	if at := e.cfg.Simulate.AppErrorAt[d]; at > 0 && off >= at-1 {
		e.errors[over(f)][s.ID][errorParser]++
		l.parserError(c, s)
		return len(data), 0
	}
	if e.frameWants[s.ID]&(1<<app.StreamFrame) != 0 && f.Proto == protoTCP && lost == 0 {
		e.streamFrame(s, d, data, off, eof)
	}
	saved := *l
	l.flow, l.state, l.dir = f, s, d
	l.unit, _ = c.User.(*Unit)
	in := &e.input
	*in = app.Input{Flow: f, Data: data, Dir: d, Offset: off, Lost: lost, EOF: eof, Time: c.Now, Host: l}
	r := s.Parser.Parse(in)
	in.Data, in.Flow = nil, nil
	l.flow, l.state, l.dir, l.unit = saved.flow, saved.state, saved.dir, saved.unit
	s.updated[d], s.dirty = true, true
	l.countTx(f, s)

	if r.Status == app.Failed || r.Consumed < 0 || r.Consumed > len(data) {
		if r.Status == app.Failed {
			e.errors[over(f)][s.ID][errorParser]++
		} else {
			e.errors[over(f)][s.ID][errorInternal]++
		}
		l.parserError(c, s)
		return len(data), 0
	}
	tcpFlow := f.Proto == protoTCP
	if r.Flags != 0 {
		if r.Flags&app.SwapDir != 0 {
			e.swap(c)
		}
		if tcpFlow && r.Flags&(app.TriggerRaw|app.EndOfMessage) != 0 {
			e.tracker.TriggerRaw(f, d)
			if r.Flags&app.EndOfMessage != 0 {
				e.tracker.TriggerRaw(f, d.Other())
			}
		}
		if r.Flags&app.NoInspect != 0 {
			s.eof = [2]bool{true, true}
			s.updated = [2]bool{true, true}
			s.over = true
			if tcpFlow {
				e.tracker.DisableApp(f)
				if r.Flags&app.NoReassembly != 0 {
					e.tracker.StopReassembly(f, flow.ToServer)
					e.tracker.StopReassembly(f, flow.ToClient)
				}
				e.flushInspect = true
			} else {
				f.Flags |= flow.NoPayloadInspect
			}
		}
		if r.Flags&app.NoPayload != 0 && !f.Has(flow.NoPayloadInspect) {
			f.Flags |= flow.NoPayloadInspect
			if tcpFlow {
				e.tracker.DisableRaw(f, flow.ToServer)
				e.tracker.DisableRaw(f, flow.ToClient)
			}
		}
		if r.Flags&app.BypassFlow != 0 {
			e.tracker.BypassSession(f)
		}
	}
	if (r.Next != 0 || r.NextAny) && !f.Has(flow.ProtoChange) {
		s.change = true
		s.search.port = r.NextPort
		f.AppExpect = r.Next
		f.AppOrig = f.App
		f.Flags |= flow.ProtoChange
		e.flushChange = true
	}
	return r.Consumed, r.Need
}

func (l *layer) parserError(c *tcp.Context, s *State) {
	l.fail(c, s)
	if u, ok := c.User.(*Unit); ok && u != nil {
		l.e.apply(u, l.e.cfg.AppErrorPolicy, DropAppError, TargetAppError)
		l.e.appErrors[over(c.Flow)][s.ID]++
	}
}

func (l *layer) countTx(f *flow.Flow, s *State) {
	for {
		t, ok := s.Parser.Next(s.counted)
		if !ok {
			return
		}
		s.counted = t.Base().ID
		l.e.txs[over(f)][s.ID]++
		f.TxCount++
	}
}

// datagram hands a UDP payload to the protocol's parser.
func (l *layer) datagram(u *Unit) {
	f, e := u.Flow, l.e
	data := u.Packet.Payload
	if len(data) == 0 || f.App == flow.ProtoFailed && f.AppDir[0] != flow.ProtoUnknown && f.AppDir[1] != flow.ProtoUnknown {
		return
	}
	c := &u.tcp
	*c = tcp.Context{Packet: u.Packet, Flow: f, Dir: u.Dir, Now: u.Now, User: u}
	d := u.Dir
	o := d.Other()
	s := l.of(f)
	this, other := &f.AppDir[d], &f.AppDir[o]
	if *this == flow.ProtoUnknown || *this == flow.ProtoFailed && *other == flow.ProtoUnknown {
		id, reverse := e.det.find(&s.search, f, data, d, overUDP)
		if id == flow.ProtoUnknown {
			id = e.expected(f)
		}
		f.Flags |= flow.ProtoDoneTS.InDir(d)
		switch {
		case id == flow.ProtoUnknown && *other != flow.ProtoUnknown:
			f.App, *this = *other, *other
		case id == flow.ProtoUnknown:
			*this = flow.ProtoFailed
		case *other >= flow.ProtoFirst:
			*this = id
			if *other != id {
				u.LayerEvent(MismatchBothDirections)
			}
		default:
			*this = id
			f.App = id
			f.Flags &^= flow.GroupsDoneTS | flow.GroupsDoneTC
		}
		if *other == flow.ProtoUnknown {
			if f.App == flow.ProtoUnknown {
				f.App = flow.ProtoFailed
			}
			l.count(f, s)
		}
		if reverse && f.App >= flow.ProtoFirst && f.Pkts[o] == 0 {
			e.swap(c)
			d = u.Dir
		}
		l.news(u, f, flow.ToServer)
		l.news(u, f, flow.ToClient)
	}
	if f.App < flow.ProtoFirst {
		return
	}
	l.setup(f, s)
	if !s.over {
		l.parse(c, s, d, data, 0, 0, false)
	}
}

// Event implements app.Host.
func (l *layer) Event(e uint8) {
	l.state.Events.Set(e)
	l.state.fresh.Set(e)
}

// Open implements app.Host.
func (l *layer) Open(tx *app.Tx, name []byte) *file.File {
	f := l.e.getFile()
	f.Begin(name, l.e.fileWants, file.Limits{})
	f.Identifier(l.e.cfg.Identify)
	f.ID, f.TxID = l.state.fileID, tx.ID
	l.state.fileID++
	if l.state.Store[l.dir] || tx.Store[l.dir] {
		f.Flags |= file.Store
	}
	tx.Files[l.dir].Add(f)
	return f
}

// Frame implements app.Host.
func (l *layer) Frame(t uint8, off uint64, length int64) *app.Frame {
	if l.e.frameWants[l.state.ID]&(1<<(t&63)) == 0 {
		return nil
	}
	return l.e.addFrame(l.state, l.dir, t, off, length)
}

// OpenFrame implements app.Host.
func (l *layer) OpenFrame(t uint8) *app.Frame {
	if l.state.frames == nil {
		return nil
	}
	return l.state.frames.dir[l.dir].open(t)
}

// Expect implements app.Host.
func (l *layer) Expect(x app.Expectation) { l.e.expect(l.flow, x) }

// Scratch implements app.Host.
func (l *layer) Scratch() *app.Scratch { return &l.scratch }
