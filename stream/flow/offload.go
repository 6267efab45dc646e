package flow

// Offload says how far a flow is on its way to an offloader below the engine, and back.
type Offload uint8

// The stages of offloading. A flow goes from one to the next, and from the last to the first.
const (
	OffloadNone    Offload = iota // the engine sees its packets
	OffloadAsked                  // asked for; the engine sees its packets until there is an answer
	OffloadTaken                  // carried below; what is counted there is reported now and then
	OffloadLeaving                // the engine has asked for it back; the last counts are to come
	OffloadRefused                // it cannot be carried below
)

// Below reports whether counts of the flow may be below, so that its record must wait for them.
func (o Offload) Below() bool { return o >= OffloadAsked && o <= OffloadLeaving }

// OnRelease says who asks for the counts of a flow that has timed out while it is carried below. It must not end flows.
func (t *Table) OnRelease(fn func(*Flow)) { t.release = fn }

// postpone keeps a flow that has timed out, as far as is known up here, until its last counts have come.
func (t *Table) postpone(f *Flow, now int64) {
	t.remove(f)
	t.append(f)
	f.link.queued = now
	t.release(f)
}

// Hold lets a flow that has ended wait for its last counts; the table forgets its name at once. It stands for Free in the
// function that Expire calls. Release ends the wait.
func (t *Table) Hold(f *Flow) {
	if f.link.timeClass < listHeld {
		t.end(f, f.Reason)
	}
	if f.link.timeClass == listEnded {
		t.pending--
	} else {
		t.holding--
	}
	t.remove(f)
	f.link.timeClass = listHeld
	t.push(&t.held, f)
	t.holding++
}

// Held is the number of flows that wait for their last counts.
func (t *Table) Held() int { return t.holding }

// IsHeld reports whether a flow waits for its last counts.
func (f *Flow) IsHeld() bool { return f.link.timeClass == listHeld }

// Release has Expire hand up a flow that Hold had put aside.
func (t *Table) Release(f *Flow) {
	if f.link.timeClass != listHeld {
		return
	}
	t.holding--
	t.remove(f)
	f.link.timeClass = listEnded
	t.push(&t.ended, f)
	t.pending++
}

// End ends a flow of the table, if it has timed out by now: its last counts have come.
func (t *Table) End(f *Flow, now int64) {
	t.settle()
	if f.link.timeClass < listHeld && now >= f.Last+t.timeout(f) {
		t.count[CountFlowsTimeout]++
		t.end(f, ReasonTimeout)
	}
}

// ByID returns the flow with an index and an id, nil when it is gone.
func (t *Table) ByID(index uint32, id uint64) *Flow {
	if index == 0 || index >= t.slab.High() {
		return nil
	}
	if f := t.slab.At(index); f.link.inUse && f.ID == id {
		return f
	}
	return nil
}

// ReleaseAll is Release for all flows that Hold had put aside.
func (t *Table) ReleaseAll() {
	for t.held.head != 0 {
		t.Release(t.slab.At(t.held.head))
	}
}

// Touch says that a packet of a flow was counted below at a time.
func (t *Table) Touch(f *Flow, last int64) {
	f.Last = max(f.Last, last)
	if l := &f.link; l.timeClass < listHeld && (f.Last-l.queued >= second || l.queued > f.Last) {
		t.remove(f)
		t.append(f)
	}
}
