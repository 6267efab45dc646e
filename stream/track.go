package stream

import (
	"sentinel/capture"
	"sentinel/stream/tcp"
)

func newTracker(c tcp.Config, a tcp.App) (*tcp.Tracker, error) { return tcp.New(c, a), nil }

// tcp tracks a TCP packet.
func (e *Engine) track(u *Unit) {
	if e.checksums != ChecksumNone && !e.checksumOK(u) {
		return
	}
	if e.simulated(u) {
		return
	}
	u.tcp = tcp.Context{Packet: u.Packet, Flow: u.Flow, Dir: u.Dir, Now: u.Now, User: u}
	u.tcp.NoRoom = u.Count != 0 && u.Count == e.cfg.Simulate.ReassemblyMemcap
	o := e.tracker.Packet(&u.tcp)
	u.Dir = u.tcp.Dir
	u.added = o.Added
	u.TCP = o.Flags
	if o.Swapped {
		e.swapped(&u.tcp)
	}
	if o.FlowEstablished {
		u.Flags |= Established
	}
	if o.Established {
		u.Flags |= StreamEstablished
	}
	if o.Added {
		u.Flags |= InStream
	}
	if o.Modified {
		u.Flags |= Modified
	}
	if o.NoPayload {
		u.Flags |= NoPayloadInspect | BadStream
	}
	if o.Exceptions != 0 {
		e.exceptions(u, o.Exceptions)
	}
	switch o.Drop {
	case tcp.DropError:
		u.Drop(DropPacket, DropStreamError)
	case tcp.DropUrgent:
		u.Drop(DropPacket, DropStreamUrgent)
	}
	if o.Bypass {
		u.Bypassable = true
		e.bypassFlow(u.Flow)
	}
	if e.flushChange || e.flushInspect {
		e.flush(u)
	}
}

// exceptions applies the policies of what TCP tracking ran into.
func (e *Engine) exceptions(u *Unit, t tcp.Target) {
	if t&tcp.OnMidstream != 0 {
		e.apply(u, e.cfg.MidstreamPolicy, DropStreamMidstream, TargetMidstream)
	}
	if t&tcp.OnSessionMemcap != 0 {
		e.apply(u, e.cfg.SessionMemcapPolicy, DropStreamMemcap, TargetSessionMemcap)
	}
	if t&tcp.OnReassemblyMemcap != 0 {
		e.apply(u, e.cfg.ReassemblyMemcapPolicy, DropStreamReassembly, TargetReassemblyMemcap)
	}
}

// simulated makes the faults happen that were asked for. It reports whether the packet goes no further.
func (e *Engine) simulated(u *Unit) bool {
	s := &e.cfg.Simulate
	if u.Count == 0 {
		return false
	}
	if u.Count == s.SessionMemcap {
		e.apply(u, e.cfg.SessionMemcapPolicy, DropStreamMemcap, TargetSessionMemcap)
		return true
	}
	return false
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
