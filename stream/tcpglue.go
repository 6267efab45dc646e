package stream

import (
	"sentinel/capture"
	"sentinel/stream/flow"
	"sentinel/stream/tcp"
)

func newTracker(c tcp.Config, a tcp.App) (*tcp.Tracker, error) { return tcp.New(c, a), nil }

// tcp tracks a TCP packet. A new session on old ports ends the old flow first.
func (e *Engine) tcp(u *Unit) {
	if e.checksums != ChecksumNone && !e.checksumOK(u) {
		return
	}
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

const (
	checksumSample = 1000 // packets after which the automatic mode decides
	checksumRatio  = 10   // one wrong in so many, or more, means that all are wrong by design
)

// checksumOK verifies the transport checksum, as far as the mode and the source want it.
func (e *Engine) checksumOK(u *Unit) bool {
	p := u.Packet
	if p.Frame != nil && p.Frame.Flags&capture.ChecksumOK != 0 {
		return true
	}
	bad := !p.ChecksumL4OK()
	if bad {
		e.Count[CountBadChecksum]++
	}
	if e.checksums == ChecksumAuto && u.Count >= checksumSample {
		e.checksums = ChecksumAll
		if n := e.Count[CountBadChecksum]; n > 0 && u.Count/n < checksumRatio {
			e.checksums = ChecksumNone
			return true
		}
	}
	return !bad
}
