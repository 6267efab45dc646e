package detect

import (
	"slices"
	"strings"

	"sentinel/detect/chain"
	"sentinel/detect/mpm"
	"sentinel/detect/transform"
	"sentinel/stream"
	"sentinel/stream/app"
	"sentinel/stream/flow"
)

// frameSource is a type of frames of a protocol.
type frameSource struct {
	proto flow.ProtoID
	typ   uint8
}

// frameEngine is the conditions of a rule on the frames of a type. One engine that matches is enough for the rule, as in the
// reference.
type frameEngine struct {
	data uint32 // index of the ruleset's frames
	mpm  bool   // the rule's fast pattern is here
	prog *program
}

// frameData is a type of frames that rules look at, with the transforms that they apply to it.
type frameData struct {
	frameSource
	transforms []transform.Transform
	key        string   // of the transforms
	set        mpm.Set  // fast patterns; nil = none
	loose      []uint32 // rules without a fast pattern here, by num
	hits       [][]uint32
	patterns   []mpm.Pattern
	index      map[string]uint32
}

// frameRun is one look at a frame: its bytes that are new, as far as rules look at frames of its type.
type frameRun struct {
	data        uint32 // index of the ruleset's frames
	frame       uint32 // index of the state's frames
	from, count int32  // chunks
	upTo        uint64 // how much of the frame will have been seen
}

// maxFrameChunks bounds the pieces of a frame that lie between gaps.
const maxFrameChunks = 64

// Frame selects the frames of a name: "PROTOCOL.NAME", or "NAME" of the protocol in the rule's header.
func (b *Builder) Frame(value string) error {
	h := &b.c.heads[0]
	if !h.protos.has(protoTCP) && !h.protos.has(protoUDP) || h.kind&protoEther != 0 {
		return problem("'frame' keyword only supported for TCP and UDP")
	}
	reg := b.c.cfg.Registry
	proto, name := b.r.meta.Proto, value
	if x, rest, ok := strings.Cut(value, "."); ok && len(reg.Rule(strings.ToLower(x))) > 0 {
		proto, name = strings.ToLower(x), rest
	} else if b.r.apps.empty() {
		return problem("rule protocol unknown, can't use shorthand notation for frame '" + value + "'")
	}
	id := reg.ID(proto)
	if id == flow.ProtoUnknown { // an alias; "http" stands for two protocols, and has no frames
		if ids := reg.Rule(proto); len(ids) == 1 {
			id = ids[0]
		}
	}
	p := reg.ByID(id)
	if p == nil {
		return problem("unknown frame '" + name + "' for protocol '" + proto + "'")
	}
	t, ok := p.Frame(name)
	spoken := h.protos.has(protoTCP) && p.Transport&app.TCP != 0 || h.protos.has(protoUDP) && p.Transport&app.UDP != 0
	if !ok || !spoken || t == app.StreamFrame && !h.protos.has(protoTCP) {
		return problem("unknown frame '" + name + "' for protocol '" + proto + "'")
	}
	d := &bufferDef{name: p.Name + "." + p.FrameName(t), kind: bufFrame, priority: 2, frames: []frameSource{{id, t}}}
	var apps appSet
	apps.add(id)
	if !b.r.apps.empty() && b.r.apps.and(apps) == (appSet{}) {
		return problem("frame '" + value + "' protocol '" + proto + "' mismatch with rule protocol '" + b.r.meta.Proto + "'")
	}
	for _, u := range b.uses {
		if u.def.kind == bufFrame && u.def.frames[0] == d.frames[0] {
			d = u.def
		}
	}
	if err := b.selectDef(d, ""); err != nil {
		return err
	}
	b.r.flags |= usesFrames | appLayer
	return b.restrict(apps)
}

// checkFrames refuses rules that look at frames and at something else.
func (b *Builder) checkFrames() error {
	if b.r.flags&usesFrames == 0 {
		return nil
	}
	if len(b.payload.items) > 0 {
		return b.errorf("frame", "can't mix pure content and frame inspection")
	}
	for _, u := range b.uses {
		switch u.def.kind {
		case bufFrame:
			if u.absent {
				return b.errorf("frame", "absent cannot be used with frames")
			}
		case bufPacket:
			return b.errorf("frame", "can't mix pkt buffer and frame inspection")
		default:
			return b.errorf("frame", "can't mix app-layer buffer and frame inspection")
		}
	}
	if b.r.hook != nil {
		return b.errorf("frame", "can't mix app-layer hook and frame inspection")
	}
	return nil
}

// frameEngines makes the engine of one use of frames.
func (c *compiler) frameEngines(x *built, u *bufferUse, prog *program) {
	rs := c.rs
	src := u.def.frames[0]
	at := slices.IndexFunc(rs.frames, func(d frameData) bool { return d.frameSource == src && d.key == u.key })
	if at < 0 {
		at = len(rs.frames)
		rs.frames = append(rs.frames, frameData{frameSource: src, transforms: u.transforms, key: u.key})
		l := &rs.byApp[src.proto].frames
		*l = append(*l, uint32(at))
	}
	r := x.r
	r.frames = append(r.frames, frameEngine{data: uint32(at), mpm: r.fast != nil && r.fast.use == u, prog: prog})
}

// frameRule puts a rule where frames will find it.
func (c *compiler) frameRule(r *compiled) {
	for i := range r.frames {
		e := &r.frames[i]
		d := &c.rs.frames[e.data]
		// Other engines of the rule may match by themselves: they are not prefiltered.
		if e.mpm && r.prefiltered() && c.cfg.Engine != nil {
			if d.index == nil {
				d.index = map[string]uint32{}
			}
			addPattern(d.index, &d.patterns, &d.hits, r.fast, r.num)
		} else if n := len(d.loose); n == 0 || d.loose[n-1] != r.num {
			d.loose = append(d.loose, r.num)
		}
	}
}

// Frames is the types of a protocol's frames that rules look at, as a set of bits.
func (rs *Ruleset) Frames(id app.ProtoID) (types uint64) {
	if int(id) < len(rs.byApp) {
		for _, i := range rs.byApp[id].frames {
			types |= 1 << rs.frames[i].typ
		}
	}
	return types
}

// gatherFrames finds the bytes of frames that rules look at with this packet, and adds those that fast patterns are looked for
// in to the batch.
func (w *Worker) gatherFrames(u *stream.Unit, cl *class) {
	s, f := u.App, u.Flow
	if u.Packet.Proto != f.Proto || int(s.ID) >= len(w.rs.byApp) {
		return
	}
	eng := w.rs.byApp[s.ID].frames
	if len(eng) == 0 || s.Over() && !u.Has(stream.DetectFlush) {
		return
	}
	if f.Proto == protoTCP && (!inSession(u) || !u.Has(stream.Pseudo) && !w.updated(s, u.Dir)) {
		return
	}
	frames := s.Frames(u.Dir)
	for i := range frames {
		fr := &frames[i]
		base := frameRun{frame: uint32(i), count: -1}
		for _, id := range eng {
			d := &w.rs.frames[id]
			if d.typ != fr.Type {
				continue
			}
			if base.count < 0 {
				w.frameChunks(u, fr, &base)
			}
			if base.count == 0 {
				break
			}
			run := base
			run.data = id
			if len(d.transforms) > 0 {
				w.transformed(&run, d)
			}
			w.frameRuns = append(w.frameRuns, run)
			if d.set == nil || w.scan == nil {
				continue
			}
			for k := run.from; k < run.from+run.count; k++ {
				if j := w.scan.Add(d.set, w.chunks[k].data); j >= 0 {
					w.frameJobs = append(w.frameJobs, job{id: j, hits: d.hits, run: int32(len(w.frameRuns) - 1)})
				}
			}
		}
	}
}

// frameChunks finds the bytes of a frame that are due.
func (w *Worker) frameChunks(u *stream.Unit, f *app.Frame, run *frameRun) {
	run.from, run.count = int32(len(w.chunks)), 0
	if u.Flow.Proto != protoTCP {
		p := u.Packet.Payload
		if f.Off >= uint64(len(p)) || u.Has(stream.Pseudo) {
			return
		}
		b := p[f.Off:]
		end := true
		if f.Len >= 0 {
			if end = uint64(f.Len) <= uint64(len(b)); end {
				b = b[:f.Len:f.Len]
			}
		}
		w.chunks = append(w.chunks, chunk{data: b, end: end})
		run.count, run.upTo = 1, uint64(len(b))
		return
	}
	from, to, ok := u.FrameStart(f)
	if !ok {
		return
	}
	t := u.Tracker()
	for range maxFrameChunks {
		b, at, ok := t.Chunk(u.Flow, u.Dir, from, true)
		if !ok || at >= to {
			break
		}
		b = b[:min(uint64(len(b)), to-at)]
		from = at + uint64(len(b))
		end := f.Len >= 0 && from >= f.Off+uint64(f.Len)
		w.chunks = append(w.chunks, chunk{data: b, offset: at - f.Off, end: end})
		run.upTo = from - f.Off
	}
	run.count = int32(len(w.chunks)) - run.from
}

// transformed replaces the chunks of a run by transformed ones.
func (w *Worker) transformed(run *frameRun, d *frameData) {
	from := int32(len(w.chunks))
	for k := run.from; k < run.from+run.count; k++ {
		ch := w.chunks[k]
		for i := range d.transforms {
			ch.data = d.transforms[i].Apply(w.room(), ch.data)
			if ch.data == nil {
				break
			}
			w.keep(ch.data)
		}
		if ch.data != nil {
			w.chunks = append(w.chunks, ch)
		}
	}
	run.from, run.count = from, int32(len(w.chunks))-from
}

// frameRules tries the rules on the frames that gatherFrames found.
func (w *Worker) frameRules(u *stream.Unit, cl *class) {
	frames := u.App.Frames(u.Dir)
	next := 0
	for i := 0; i < len(w.frameRuns); {
		at := w.frameRuns[i].frame
		fr := &frames[at]
		first, upTo := i, uint64(0)
		for ; i < len(w.frameRuns) && w.frameRuns[i].frame == at; i++ {
			run := &w.frameRuns[i]
			upTo = max(upTo, run.upTo)
			for _, num := range w.rs.frames[run.data].loose {
				if w.holds(cl, w.rs.rules[num].head) {
					w.candidate(num)
				}
			}
			for ; next < len(w.frameJobs) && w.frameJobs[next].run == int32(i); next++ {
				j := &w.frameJobs[next]
				w.candidatesOf(j, cl)
			}
		}
		w.Counters[CountMpmList] += uint64(len(w.cand))
		slices.Sort(w.cand)
		for _, num := range w.cand {
			w.seen[num>>6] &^= 1 << (num & 63)
			w.frameRuleOn(u, w.rs.rules[num], fr, w.frameRuns[first:i])
		}
		w.cand = w.cand[:0]
		u.FrameSeen(fr, upTo)
	}
	w.frameRuns, w.frameJobs = w.frameRuns[:0], w.frameJobs[:0]
}

// frameRuleOn tries one rule, whose header predicate holds, on the looks at one frame.
func (w *Worker) frameRuleOn(u *stream.Unit, r *compiled, f *app.Frame, runs []frameRun) {
	c := &w.ctx
	c.Rule, c.Type, c.Alert = &r.meta, r.typ, 0
	w.captured, w.replacing = w.captured[:0], w.replacing[:0]
	if r.flags&needFlowVar != 0 && (c.Flow.Detect == 0 || w.flows[c.Flow.Detect].vars.empty()) {
		return
	}
	if r.flags&hasDsize != 0 && (u.Has(stream.Pseudo) || !r.dsize.Match(uint64(len(u.Packet.Payload)))) {
		return
	}
	if !w.matches(r) || !w.frameMatches(r, runs) {
		return
	}
	var tx app.Transaction
	flags := c.Alert | FromState | FromFrame
	if f.Tx != 0 {
		flags |= FromTx
		if t, ok := u.App.Next(f.Tx - 1); ok && t.Base().ID == f.Tx {
			tx = t
		}
	}
	w.matched(r)
	n := len(w.queue)
	w.push(r, flags, tx, f.Tx)
	if len(w.queue) > n {
		w.queue[n].frame = f.ID
	}
}

// frameMatches reports whether one of the rule's engines matches a piece of the frame.
func (w *Worker) frameMatches(r *compiled, runs []frameRun) bool {
	for i := range r.frames {
		e := &r.frames[i]
		if e.prog == nil {
			continue
		}
		for k := range runs {
			run := &runs[k]
			if run.data != e.data {
				continue
			}
			for j := run.from; j < run.from+run.count; j++ {
				ch := &w.chunks[j]
				var fl chain.Flags
				if ch.end {
					fl |= chain.End
				}
				if e.prog.match(&w.ctx, ch.data, ch.offset, fl) {
					return true
				}
			}
		}
	}
	return false
}
