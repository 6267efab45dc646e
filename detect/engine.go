package detect

import (
	"sentinel/detect/chain"
	"sentinel/stream"
	"sentinel/stream/app"
	"sentinel/stream/flow"
)

// engineResult is what one condition of a rule says of a transaction.
type engineResult uint8

const (
	engNo     engineResult = iota // not now
	engYes                        //
	engNever                      // it cannot match any more
	engNoFile                     // not these files
	engMore                       // these files, and there may be more
	engNow                        // the rule matches, and nothing is remembered
)

// engine tries one condition.
func (w *Worker) engine(u *stream.Unit, run *txRun, r *compiled, e *engine, progress uint8) engineResult {
	c := &w.ctx
	done := progress > e.progress
	switch e.kind {
	case onBuffer:
		own := *run
		own.progress = progress
		x := w.chunksOf(e.data, &own, e.dir)
		for k := x.from; k < x.from+x.count; k++ {
			ch := &w.chunks[k]
			var fl chain.Flags
			if ch.end {
				fl |= chain.End
			}
			if e.prog != nil && e.prog.match(c, ch.data, ch.offset, fl) {
				return engYes
			}
		}
		src := w.rs.data[e.data].src
		if x.count == 0 && e.null {
			if done && w.absent(src, run, e.dir) {
				return engYes
			}
			return engNo
		}
		if done && src.buffer != nil && src.buffer.Kind == app.Single {
			return engNever
		}
		return engNo
	case onNumber:
		simple := e.uint.simple()
		w.values = w.values[:0]
		for len(w.values) < maxMulti {
			v, ok := e.number.Get(run.tx, e.dir, len(w.values))
			if !ok {
				break
			}
			if simple && e.uint.One.Match(v) {
				return engYes
			}
			w.values = append(w.values, v)
		}
		if !simple && e.uint.Match(w.values, progress >= u.App.Complete(e.dir)) {
			return engYes
		}
	case onTest:
		if e.test(run.tx, e.dir) {
			return engYes
		}
	case onEvent:
		if run.base.Events.Has(e.event) != e.negate {
			return engYes
		}
	case onState:
		for i := range e.states {
			if s := &e.states[i]; s.beyond && progress <= s.progress || !s.beyond && progress >= s.progress {
				if progress >= u.App.Complete(e.dir) {
					return engNever
				}
				return engNo
			}
		}
		return engYes
	case onFiles:
		return w.fileEngine(run, e)
	case onPayload:
		for i := range w.streamKnown {
			if s := &w.streamKnown[i]; s.num == r.num {
				if s.yes {
					return engYes
				}
				return engNo
			}
		}
		yes := w.txPayload(u, r)
		w.streamKnown = append(w.streamKnown, streamVerdict{r.num, yes})
		if yes {
			return engYes
		}
	case onHook:
		if !done {
			return engNow
		}
		return engYes
	}
	return engNo
}

// absent reports whether a buffer is not there at all, rather than looked at already.
func (w *Worker) absent(s *source, run *txRun, d flow.Dir) bool {
	switch {
	case s.bodies:
		return run.base.Files[d].Len() == 0
	case s.buffer != nil && s.buffer.Kind == app.Streamed:
		st := s.buffer.Stream(run.tx, d)
		return st == nil || st.Size() == 0
	}
	return true
}

// txPayload looks for the content of a rule on transactions: in the stream, or in the datagram.
func (w *Worker) txPayload(u *stream.Unit, r *compiled) bool {
	if u.Packet.Proto != protoTCP {
		return w.onPacket(u, r.payload)
	}
	return w.hasStream && len(w.streamData) > 0 && w.onStream(u, r.payload)
}

// fileEngine tries conditions on the files of a transaction.
func (w *Worker) fileEngine(run *txRun, e *engine) engineResult {
	l := &run.base.Files[e.dir]
	if l.Len() == 0 {
		return engNo
	}
	res, matched := engNo, false
	for i := 0; i < l.Len() && i < maxMulti; i++ {
		f := l.At(i)
		n := e.needs
		if n&NeedFileName != 0 && len(f.Name) == 0 || n&(NeedFileMagic|NeedFileContent) != 0 && f.Size() == 0 ||
			n&NeedFileMagic != 0 && len(f.Identify()) == 0 || n&NeedMD5 != 0 && !f.HasMD5 || n&NeedSHA1 != 0 && !f.HasSHA1 || n&NeedSHA256 != 0 && !f.HasSHA256 ||
			n&NeedFileSize != 0 && f.State == 0 {
			res = engNo
			continue
		}
		ok := true
		for _, m := range e.files {
			if !m.MatchFile(&w.ctx, f) {
				ok = false
				break
			}
		}
		if ok {
			res, matched = engYes, true
		} else {
			res = engNoFile
		}
	}
	switch {
	case matched && res == engNo:
		return engMore
	case matched:
		return engYes
	}
	return res
}
