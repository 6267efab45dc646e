package detect

import (
	"cmp"
	"slices"

	"sentinel/stream"
	"sentinel/stream/app"
	"sentinel/stream/flow"
	"sentinel/stream/tcp"
)

// txRun is one transaction that this packet's rules look at.
type txRun struct {
	tx       app.Transaction
	base     *app.Tx
	progress uint8
	end      uint8
	cached   int // index of its chunks' stamp
	stamp    uint32
}

// txCandidate is a rule to be tried on a transaction.
type txCandidate struct {
	num  uint32
	item int32 // index in the stored state; -1 = new
}

// chunk is one byte string of a buffer: the whole, one of several, or a window of a body.
type chunk struct {
	data   []byte
	offset uint64
	end    bool // nothing follows
}

// cached is the chunks of a buffer for the transaction under inspection.
type cached struct {
	stamp uint32
	from  int32
	count int32
	none  bool // the buffer is not there (yet)
}

// maxTxRuns bounds the transactions that one packet looks at.
const maxTxRuns = 4096

// gatherTx finds the transactions to look at, and adds the buffers that fast patterns are looked for in to the batch.
func (w *Worker) gatherTx(u *stream.Unit, cl *class) {
	s, f := u.App, u.Flow
	w.chunks = w.chunks[:0]
	if s == nil || f == nil || s.Parser == nil || u.Packet.Proto != f.Proto {
		return
	}
	if f.Proto == protoTCP && !inSession(u) {
		return
	}
	d := u.Dir
	if int(s.ID) >= len(w.rs.byApp) || f.Proto == protoTCP && !u.Has(stream.Pseudo) && !w.updated(s, d) {
		return
	}
	eng := &w.rs.byApp[s.ID]
	eof := u.Has(stream.EndOfFlow)
	w.cut = [2]bool{}
	if ssn := u.Session(); ssn != nil {
		// Beyond the stream depth nothing more comes: transactions count as complete.
		for i := range w.cut {
			w.cut[i] = ssn.Stream[i].Flags&tcp.DepthReached != 0
		}
	}
	less := w.LogFlags(f)
	for id := uint64(0); len(w.txRuns) < maxTxRuns; {
		t, ok := s.Next(id)
		if !ok {
			break
		}
		b := t.Base()
		id = b.ID
		changed := b.Updated[d]
		b.Updated[d] = false
		if b.InspectEnd[d] || b.OneWay && b.Way != d {
			continue
		}
		p, end := w.progress(s, b, d), s.Complete(d)
		if !changed && p < end && !eof {
			continue
		}
		b.LogFlags |= less
		w.stamp++
		run := txRun{tx: t, base: b, progress: p, end: end, stamp: w.stamp}
		w.txRuns = append(w.txRuns, run)
		if w.scan == nil {
			continue
		}
		w.ctx.Tx = t
		for _, id := range eng.scans[d] {
			x := &w.rs.data[id]
			at := &x.src.at
			if at.Sub != b.Type {
				continue
			}
			if at.Progress > p {
				break
			}
			if p > at.Progress && b.Inspected[d] > at.Progress {
				continue // it was looked at after it was complete
			}
			c := w.chunksOf(id, &w.txRuns[len(w.txRuns)-1], d)
			for k := c.from; k < c.from+c.count; k++ {
				ch := &w.chunks[k]
				if j := w.scan.Add(x.set, ch.data); j >= 0 {
					w.jobs = append(w.jobs, job{id: j, hits: x.hits, run: int32(len(w.txRuns) - 1)})
				}
			}
		}
	}
	w.ctx.Tx = nil
}

// progress is how far a transaction is for rules.
func (w *Worker) progress(s *stream.State, tx *app.Tx, d flow.Dir) uint8 {
	if w.cut[d] {
		return s.Complete(d)
	}
	return s.Progress(tx, d)
}

// maxMulti bounds the byte strings of one buffer.
const maxMulti = 4096

// chunksOf returns the byte strings of a buffer for a transaction, transformed. They are made once a transaction and packet.
func (w *Worker) chunksOf(id uint32, run *txRun, d flow.Dir) cached {
	c := &w.cached[id]
	if c.stamp == run.stamp {
		return *c
	}
	x := &w.rs.data[id]
	if x.base != id {
		b := w.chunksOf(x.base, run, d)
		from := int32(len(w.chunks))
		for k := b.from; k < b.from+b.count; k++ {
			ch := w.chunks[k]
			data := ch.data
			for i := range x.transforms {
				data = x.transforms[i].Apply(w.room(), data)
				if data == nil {
					break
				}
				w.keep(data)
			}
			if data == nil {
				continue
			}
			ch.data = data
			w.chunks = append(w.chunks, ch)
		}
		*c = cached{stamp: run.stamp, from: from, count: int32(len(w.chunks)) - from}
		return *c
	}
	from := int32(len(w.chunks))
	s := x.src
	done := run.progress > s.at.Progress
	switch {
	case s.buffer == nil && s.bodies:
		l := &run.base.Files[d]
		for i := 0; i < l.Len() && i < maxMulti; i++ {
			f := l.At(i)
			w.body(&f.Body, done || f.State != 0 || w.ctx.Unit.Has(stream.EndOfFlow))
		}
	case s.buffer == nil && s.files != nil:
		l := &run.base.Files[d]
		for i := 0; i < l.Len() && i < maxMulti; i++ {
			if b := s.files(l.At(i)); len(b) > 0 {
				w.chunks = append(w.chunks, chunk{data: b, end: true})
			}
		}
	case s.buffer == nil:
	case s.buffer.Kind == app.Single:
		if b := s.buffer.Single(run.tx, d, &w.scratch); b != nil {
			w.chunks = append(w.chunks, chunk{data: b, end: done})
		}
	case s.buffer.Kind == app.Multiple:
		for i := 0; i < maxMulti; i++ {
			b, ok := s.buffer.Multi(run.tx, d, i, &w.scratch)
			if !ok {
				break
			}
			if b == nil {
				b = empty
			}
			w.chunks = append(w.chunks, chunk{data: b, end: true})
		}
	default:
		if st := s.buffer.Stream(run.tx, d); st != nil {
			w.body(st, done || w.ctx.Unit.Has(stream.EndOfFlow))
		}
	}
	// Making a buffer may have made others; the entry is written last.
	w.cached[id] = cached{stamp: run.stamp, from: from, count: int32(len(w.chunks)) - from}
	return w.cached[id]
}

var empty = []byte{}

// looseRules adds the rules without fast pattern that are due at the transaction's progress.
func (w *Worker) looseRules(cl *class, run *txRun, d flow.Dir) {
	l := w.rs.byApp[cl.key.app].loose[d]
	for i := range l {
		x := &l[i]
		if i >= len(cl.loose) || len(cl.loose[i]) == 0 {
			continue
		}
		if x.always {
			if x.events && run.base.Events.Empty() {
				continue
			}
		} else {
			if x.sub != run.base.Type || x.progress > run.progress {
				continue
			}
			if run.progress > x.progress && run.base.Inspected[d] > x.progress {
				continue
			}
		}
		for _, num := range cl.loose[i] {
			w.candidate(num)
		}
	}
}

// transactions tries the rules on the transactions that gatherTx found.
func (w *Worker) transactions(u *stream.Unit, cl *class) {
	c := &w.ctx
	d := u.Dir
	w.streamKnown = w.streamKnown[:0]
	next := 0
	for next < len(w.jobs) && w.jobs[next].run < 0 {
		next++
	}
	for i := range w.txRuns {
		run := &w.txRuns[i]
		b := run.base
		c.Tx = run.tx
		for ; next < len(w.jobs) && w.jobs[next].run == int32(i); next++ {
			j := &w.jobs[next]
			w.candidatesOf(j, cl)
		}
		w.Counters[CountMpmList] += uint64(len(w.cand))
		w.looseRules(cl, run, d)
		for _, num := range w.found {
			w.candidate(num)
		}
		w.merge(run, d)
		for k := range w.txCand {
			w.txRule(u, cl, run, w.txCand[k])
		}
		if run.progress >= run.end {
			b.InspectEnd[d] = true
		}
		if b.Inspected[d] < run.progress {
			b.Inspected[d] = run.progress
		}
	}
	c.Tx = nil
	for i := range w.txRuns {
		w.txRuns[i].tx, w.txRuns[i].base = nil, nil
	}
	w.txRuns = w.txRuns[:0]
}

// merge makes the sorted list of rules to try: those found now, and those begun before.
func (w *Worker) merge(run *txRun, d flow.Dir) {
	w.txCand = w.txCand[:0]
	if run.base.Detect != 0 {
		s := &w.txs[run.base.Detect]
		fresh := run.base.Files[d].Len() > s.files[d]
		if fresh {
			s.files[d] = run.base.Files[d].Len()
		}
		for i := range s.items[d] {
			it := &s.items[d][i]
			if fresh && it.flags&txFiles != 0 {
				it.flags &^= txFiles | txDone | txNever
			}
			m := uint64(1) << (it.num & 63)
			w.seen[it.num>>6] |= m // the stored one goes before a new one
			w.txCand = append(w.txCand, txCandidate{it.num, int32(i)})
		}
		kept := w.cand[:0]
		for _, num := range w.cand {
			stored := false
			for i := range s.items[d] {
				if s.items[d][i].num == num {
					stored = true
					break
				}
			}
			if !stored {
				kept = append(kept, num)
			}
		}
		w.cand = kept
		for i := range s.items[d] {
			num := s.items[d][i].num
			w.seen[num>>6] &^= 1 << (num & 63)
		}
	}
	for _, num := range w.cand {
		w.seen[num>>6] &^= 1 << (num & 63)
		w.txCand = append(w.txCand, txCandidate{num, -1})
	}
	w.cand = w.cand[:0]
	slices.SortFunc(w.txCand, func(a, b txCandidate) int { return cmp.Compare(a.num, b.num) })
}

// streamVerdict remembers what a rule's content found in the stream: it is looked for once a packet, not once a
// transaction.
type streamVerdict struct {
	num uint32
	yes bool
}

// txRule tries one rule on one transaction.
func (w *Worker) txRule(u *stream.Unit, cl *class, run *txRun, k txCandidate) {
	r := w.rs.rules[k.num]
	c := &w.ctx
	d := u.Dir
	c.Rule, c.Type, c.Alert = &r.meta, r.typ, 0
	w.captured, w.replacing = w.captured[:0], w.replacing[:0]
	var flags uint32
	if k.item >= 0 {
		flags = w.txs[run.base.Detect].items[d][k.item].flags
		if flags&(txDone|txNever) != 0 {
			return
		}
	} else {
		if !w.holds(cl, r.head) {
			return
		}
		if r.flags&needFlowVar != 0 && (c.Flow.Detect == 0 || w.flows[c.Flow.Detect].vars.empty()) {
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
	}
	both := r.flags&bothDirs != 0
	total, file := 0, false
	past, inside := false, false // the fast pattern's buffer is complete, is being filled
	stopped, now := false, false
	for i := 0; i < len(r.tx); i++ {
		e := &r.tx[i]
		bit := uint32(1) << e.id
		if flags&bit != 0 {
			continue
		}
		if e.dir != d && !(both && d == app.ToClient) {
			if both && i == len(r.tx)-1 && d == app.ToServer {
				stopped = true // never on the request alone
			}
			continue
		}
		if e.proto != flow.ProtoUnknown && (e.proto != u.App.ID || e.sub != run.base.Type && e.kind != onEvent) {
			continue
		}
		progress := run.progress
		if e.dir != d {
			progress = w.progress(u.App, run.base, e.dir)
		}
		if progress < e.progress {
			stopped = true
			break
		}
		if e.mpm {
			if progress > e.progress {
				past = true
			} else if !u.Has(stream.DetectFlush) {
				inside = true
			}
		}
		res := w.engine(u, run, r, e, progress)
		switch res {
		case engYes:
			flags |= bit
			total++
			if e.kind == onHook && progress > e.progress {
				past = true
			}
			continue
		case engMore:
			total++
			continue
		case engNow:
			now = true
		case engNever:
			flags |= bit | txNever
		case engNoFile:
			flags |= bit | txNever | txFiles
			file = true
		}
		if e.mpm && past {
			flags |= bit | txNever
		}
		stopped = true
		break
	}
	matched := now
	if !stopped && total > 0 {
		matched = true
		flags |= txDone
	}
	if r.fileNeeds != 0 && flags&(txDone|txNever) != 0 {
		flags |= txFiles
	}
	if now {
		// A hook without conditions is true at each look at its state; nothing is stored.
	} else if k.item >= 0 {
		w.txs[run.base.Detect].items[d][k.item].flags = flags
	} else {
		switch {
		case flags&txNever != 0:
			if file {
				w.storeTx(run, r, flags, d)
			}
		case flags&txDone != 0 && past:
			if flags&txFiles != 0 {
				w.storeTx(run, r, flags, d)
			}
		case flags&txDone == 0 && inside:
			// The fast pattern will bring the rule again.
		case flags != 0:
			w.storeTx(run, r, flags, d)
		}
	}
	if matched {
		if r.flags&filestore != 0 {
			w.storeFiles(u, run, r, d)
		}
		w.matched(r)
		w.push(r, c.Alert|FromState, run.tx, run.base.ID)
	}
}

// storeTx remembers how far a rule got on a transaction.
func (w *Worker) storeTx(run *txRun, r *compiled, flags uint32, d flow.Dir) {
	s := w.txStateOf(run.base)
	if n := run.base.Files[d].Len(); s.files[d] < n {
		s.files[d] = n
	}
	if len(s.items[d]) < maxItems {
		s.items[d] = append(s.items[d], txItem{r.num, flags})
	}
	if r.flags&bothDirs != 0 && len(s.items[d.Other()]) < maxItems {
		o := d.Other()
		for i := range s.items[o] {
			if s.items[o][i].num == r.num {
				s.items[o][i].flags |= flags
				return
			}
		}
		s.items[o] = append(s.items[o], txItem{r.num, flags})
	}
}

// skipTx marks the transactions that are complete as judged, when no rule looks at them.
func (w *Worker) skipTx(u *stream.Unit) {
	s := u.App
	if s == nil || s.Parser == nil {
		return
	}
	d := u.Dir
	for id := uint64(0); ; {
		t, ok := s.Next(id)
		if !ok {
			return
		}
		b := t.Base()
		id = b.ID
		if s.Progress(b, d) >= s.Complete(d) {
			b.InspectEnd[d] = true
		}
	}
}
