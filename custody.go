package sentinel

import "sync/atomic"

// custody says who may touch the sources of an inline worker: the worker itself or, while that is stuck, one that stands in for it.
//
//	own ──begin──▶ judging 0 ──reach──▶ judging 1 … ──finish──▶ own ──▶ (Release) ──▶ busy ──▶ own
//	                    └──────────────┬─────┘                                         │
//	                                 take ◀────────────────────────────────────────────┘
//	                                   ▼
//	                                 taken ──ask (the worker is back)──▶ wanted ──yield──▶ own
//
// The worker pays a compare-and-swap a frame. How many verdicts of the batch are made is in the state, so that who takes over
// carries those out and no others.
type custody struct {
	state atomic.Uint32
	mine  uint32        // the state as the worker left it
	back  chan struct{} // one token when the sources are the worker's again
}

const (
	custodyOwn     = 0       // the worker is reading, waiting or releasing: nobody may take over
	custodyBusy    = 1 << 16 // at work with no frames lent
	custodyJudging = 2 << 16 // at work on a batch; the low bits are the number of verdicts
	custodyTaken   = 3 << 16
	custodyWanted  = 4 << 16
	custodyVerdict = 1<<16 - 1
)

func newCustody() *custody { return &custody{back: make(chan struct{}, 1)} }

// enter leaves the state own.
func (c *custody) enter(state uint32) {
	c.mine = state
	c.state.Store(state)
}

// reach says that n verdicts are made. It is false when the sources were taken away.
func (c *custody) reach(n int) bool {
	next := custodyJudging | uint32(n)
	if next == c.mine {
		return true
	}
	if !c.state.CompareAndSwap(c.mine, next) {
		return false
	}
	c.mine = next
	return true
}

// finish goes back to own. It is false when the sources were taken away.
func (c *custody) finish() bool { return c.state.CompareAndSwap(c.mine, custodyOwn) }

// take takes the sources away from a worker that is stuck. verdicts is how many of its batch are made; lent is false when it holds
// no frames.
func (c *custody) take() (verdicts int, lent, ok bool) {
	for {
		s := c.state.Load()
		kind := s &^ custodyVerdict
		if kind != custodyBusy && kind != custodyJudging {
			return 0, false, false
		}
		if c.state.CompareAndSwap(s, custodyTaken) {
			return int(s & custodyVerdict), kind == custodyJudging, true
		}
	}
}

// ask waits until the sources are the worker's again.
func (c *custody) ask() {
	c.state.Store(custodyWanted)
	<-c.back
}

// wanted reports whether the worker waits for its sources.
func (c *custody) wanted() bool { return c.state.Load() == custodyWanted }

// yield gives the sources back to a worker that waits for them.
func (c *custody) yield() {
	c.state.Store(custodyOwn)
	c.back <- struct{}{}
}
