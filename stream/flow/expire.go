package flow

// timeout returns the nanoseconds after which f ends without a packet.
func (t *Table) timeout(f *Flow) int64 {
	c := &t.cfg.Normal[classOf(f.Proto)]
	if t.emergency {
		c = &t.cfg.Emergency[classOf(f.Proto)]
	}
	return int64(c.of(f.State)) * second
}

func listOf(f *Flow) uint8 { return uint8(classOf(f.Proto))*uint8(StateCount) + uint8(f.State) }

func (t *Table) listAt(c uint8) *list {
	switch c {
	case listEnded:
		return &t.ended
	case listHeld:
		return &t.held
	}
	return &t.lists[c]
}

func (t *Table) append(f *Flow) {
	f.link.timeClass = listOf(f)
	f.link.queued = f.Last
	t.push(&t.lists[f.link.timeClass], f)
}

func (t *Table) push(l *list, f *Flow) {
	f.link.timePrev, f.link.timeNext = l.tail, 0
	if l.tail != 0 {
		t.slab.At(l.tail).link.timeNext = f.Index
	} else {
		l.head = f.Index
	}
	l.tail = f.Index
}

func (t *Table) remove(f *Flow) {
	l := t.listAt(f.link.timeClass)
	if f.link.timePrev != 0 {
		t.slab.At(f.link.timePrev).link.timeNext = f.link.timeNext
	} else {
		l.head = f.link.timeNext
	}
	if f.link.timeNext != 0 {
		t.slab.At(f.link.timeNext).link.timePrev = f.link.timePrev
	} else {
		l.tail = f.link.timePrev
	}
}

// settle puts the flow that Lookup returned last into the list of its present state.
func (t *Table) settle() {
	if t.last == 0 {
		return
	}
	f := t.slab.At(t.last)
	t.last = 0
	if c := f.link.timeClass; c < listHeld && (c != listOf(f) || f.Last-f.link.queued >= second) {
		t.remove(f)
		t.append(f)
	}
}

// SetState changes the state of a flow other than the one that Lookup returned last. For that one, setting Flow.State
// is enough.
func (t *Table) SetState(f *Flow, s State) {
	if f.State == s {
		return
	}
	f.State = s
	if f.link.timeClass < listHeld {
		t.remove(f)
		t.append(f)
	}
}

// Expire hands up to max flows that have ended to fn: those that ended within the table (time-out found by Lookup,
// eviction, Replace) and those that have timed out by now. fn must call Free, or Hold; Flow.Reason says why the flow ended. It
// returns the number of flows handed up. Flows are kept in lists by time-out, so that the cost is that of the flows which
// ended. A worker calls it once a batch and when idle.
func (t *Table) Expire(now int64, max int, fn func(*Flow)) int {
	t.settle()
	n := 0
	for n < max && t.ended.head != 0 { // a flow that fn does not free comes again
		n++
		t.count[CountFlowsEvicted]++
		fn(t.slab.At(t.ended.head))
	}
	for c := range t.lists {
		l := &t.lists[c]
		for checked := 0; n < max && l.head != 0 && checked < 2*max; checked++ {
			f := t.slab.At(l.head)
			d := t.timeout(f)
			if now < f.link.queued+d {
				break
			}
			t.count[CountFlowsChecked]++
			if listOf(f) != f.link.timeClass || now < f.Last+d {
				t.count[CountFlowsNotimeout]++
				t.remove(f)
				t.append(f)
				continue
			}
			if f.Offload.Below() && t.release != nil {
				t.postpone(f, now)
				continue
			}
			t.count[CountFlowsTimeout]++
			f.Reason = ReasonTimeout
			t.unhash(f)
			t.remove(f)
			t.active--
			t.pending++
			f.link.timeClass = listEnded
			t.push(&t.ended, f)
			n++
			fn(f)
		}
	}
	if t.emergency {
		t.recover(now)
	}
	return n
}

// recover ends emergency mode when enough has been spare for 7.5 seconds (30 rounds of Suricata's flow manager).
func (t *Table) recover(now int64) {
	spare := uint64(t.maxFlows) - min(uint64(t.active), uint64(t.maxFlows))
	base := uint64(max(min(t.cfg.Prealloc, t.maxFlows), 1))
	if spare*100/base <= uint64(t.cfg.EmergencyRecovery) {
		t.emergSpare = 0
		return
	}
	if t.emergSpare == 0 {
		t.emergSpare = now
		return
	}
	if now-t.emergSpare >= 15*second/2 {
		t.emergency = false
		t.count[CountEmergOver]++
	}
}

// evict ends the flow that has been silent longest, unless all were heard of a moment ago.
func (t *Table) evict(now int64) bool {
	var best *Flow
	for c := range t.lists {
		h := t.lists[c].head
		if h == 0 {
			continue
		}
		t.count[CountGetUsedEval]++
		f := t.slab.At(h)
		if alive(f, now) || f.Offload.Below() { // what was counted below would be lost, or it would wait for that
			t.count[CountGetUsedEvalReject]++
			continue
		}
		if best == nil || f.Last < best.Last {
			best = f
		}
	}
	if best == nil {
		t.count[CountGetUsedFailed]++
		return false
	}
	t.count[CountGetUsed]++
	t.end(best, ReasonForced)
	return true
}

// alive reports whether a flow is too young to be evicted.
func alive(f *Flow, now int64) bool {
	age := now/second - f.Last/second
	switch f.State {
	case New:
		return age <= 1
	case Established:
		return age <= 5
	case Closed:
		return age <= 3
	}
	return age < 30
}

// All hands all flows to fn, those with the oldest last packet first (within a second), and sets their Reason to
// ReasonShutdown unless they had ended before. fn must call Free.
func (t *Table) All(fn func(*Flow)) {
	t.settle()
	left := t.active + t.pending + t.holding
	freed := func() {
		if left--; t.active+t.pending+t.holding != left {
			panic("flow: a flow of All was not freed") // it would come again for ever
		}
	}
	for _, l := range [2]*list{&t.ended, &t.held} {
		for l.head != 0 {
			fn(t.slab.At(l.head))
			freed()
		}
	}
	for {
		var best *Flow
		for c := range t.lists {
			if h := t.lists[c].head; h != 0 {
				if f := t.slab.At(h); best == nil || f.Last < best.Last || f.Last == best.Last && f.Index < best.Index {
					best = f
				}
			}
		}
		if best == nil {
			return
		}
		best.Reason = ReasonShutdown
		fn(best)
		freed()
	}
}

// Find calls fn for each flow until fn returns false. fn must not add or free flows. It is for control commands.
func (t *Table) Find(fn func(*Flow) bool) {
	for i := uint32(1); i < t.slab.High(); i++ {
		if f := t.slab.At(i); f.link.inUse && f.Index == i && !fn(f) {
			return
		}
	}
}
