package stream

import (
	"sync"
	"sync/atomic"

	"sentinel/stream/app"
	"sentinel/stream/flow"
)

// Expectations are flows that protocols have announced, such as FTP data connections. All workers share them; they are
// rarely touched.
type Expectations struct {
	mu   sync.Mutex
	list []expectation
	any  atomic.Bool // something was ever announced: looked at without the lock
}

type expectation struct {
	app.Expectation
	parent uint64
	until  int64
}

const (
	maxExpectations   = 4096
	expectationLifeNS = 30e9
)

// NewExpectations returns an empty set.
func NewExpectations() *Expectations { return new(Expectations) }

func (x *Expectations) add(e expectation) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if len(x.list) >= maxExpectations {
		x.list = x.list[1:]
	}
	x.list = append(x.list, e)
}

// take finds and removes the announcement of a flow.
func (x *Expectations) take(f *flow.Flow, now int64) (expectation, bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	keep := x.list[:0]
	var found expectation
	ok := false
	for _, e := range x.list {
		switch {
		case e.until < now:
		case !ok && e.matches(f):
			found, ok = e, true
		default:
			keep = append(keep, e)
		}
	}
	clear(x.list[len(keep):])
	x.list = keep
	return found, ok
}

func (e *expectation) matches(f *flow.Flow) bool {
	one := func(src, dst [16]byte, sp, dp uint16) bool {
		return e.Src == src && e.Dst == dst && (e.SrcPort == 0 || e.SrcPort == sp) && (e.DstPort == 0 || e.DstPort == dp)
	}
	return e.IPVersion == f.IPVersion && (one(f.Src, f.Dst, f.SrcPort, f.DstPort) || one(f.Dst, f.Src, f.DstPort, f.SrcPort))
}

// expect keeps an announcement of a parser.
func (e *Engine) expect(f *flow.Flow, x app.Expectation) {
	e.cfg.Expect.add(expectation{Expectation: x, parent: f.ID, until: f.Last + expectationLifeNS})
	e.cfg.Expect.any.Store(true)
}

// expected returns the protocol that was announced for the flow.
func (e *Engine) expected(f *flow.Flow) app.ProtoID {
	if !e.cfg.Expect.any.Load() {
		return flow.ProtoUnknown
	}
	x, ok := e.cfg.Expect.take(f, f.Last)
	if !ok {
		return flow.ProtoUnknown
	}
	f.Flags |= flow.Expected
	f.Parent = x.parent
	return x.Proto
}
