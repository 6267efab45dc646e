package stream

import (
	"sentinel/stream/flow"
	"sentinel/stream/tcp"
)

func newTracker(c tcp.Config, a tcp.App) (*tcp.Tracker, error) { return tcp.New(c, a), nil }

// tcp tracks a TCP packet. A new session on old ports ends the old flow first.
func (e *Engine) tcp(u *Unit) {
	c := &e.context
	*c = tcp.Context{Packet: u.Packet, Flow: u.Flow, Dir: u.Dir, Now: u.Now, User: u}
	o := e.tracker.Packet(c)
	if o.Reuse {
		f := e.table.Replace(u.Flow, u.Packet, u.Now)
		if f == nil {
			u.Flow = nil
			e.apply(u, e.cfg.FlowMemcapPolicy, DropFlowMemcap, TargetFlowMemcap)
			return
		}
		u.Flow, u.Dir = f, flow.ToServer
		u.Flags = 0
		e.account(u)
		*c = tcp.Context{Packet: u.Packet, Flow: f, Dir: u.Dir, Now: u.Now, User: u}
		o = e.tracker.Packet(c)
	}
	if e.flushChange || e.flushInspect {
		e.flush(u)
	}
}
