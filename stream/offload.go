package stream

import (
	"sentinel/capture"
	"sentinel/decode"
	"sentinel/stream/flow"
)

// Offload carries flows below the engine. Both calls only leave a request: the answer, and what was counted, comes back through
// Engine.OffloadTaken, OffloadRefused, OffloadCounted and OffloadDone. A flow that was asked for stays in the table until then.
type Offload interface {
	// Ask asks for a flow to be carried below; drop says that its packets are to be dropped. p is its latest packet, which
	// tells how the flow looks on the wire. It reports false when there is no room for the request.
	Ask(f *flow.Flow, p *decode.Packet, drop bool) bool
	// Leave asks for a flow back that was taken.
	Leave(f *flow.Flow)
}

// offloadRetry is the seconds until a flow is offered again that was not taken for lack of room.
const offloadRetry = 2

// SetOffload says what carries flows below the engine. It is called before the first packet.
func (e *Engine) SetOffload(o Offload) {
	e.offload = o
	e.table.OnRelease(e.leaveOffload)
}

// offer asks for a flow to be carried below, unless that is under way or cannot be.
func (e *Engine) offer(f *flow.Flow, p *decode.Packet, drop bool) {
	second := uint32(uint64(p.Time) / 1e9)
	if f.Offload != flow.OffloadNone || second < f.Retry {
		return
	}
	// What is in a tunnel or comes in fragments has another name on the wire.
	if p.Frame == nil || p.Parent >= 0 || p.Depth != 0 || p.Has(decode.Fragment|decode.Pseudo) || p.Frame.Link != capture.LinkEthernet ||
		f.Proto != protoTCP && f.Proto != protoUDP || p.Proto != f.Proto {
		f.Retry = second + offloadRetry
		return
	}
	if !e.offload.Ask(f, p, drop) {
		e.Count[CountOffloadBusy]++
		f.Retry = second + offloadRetry
		return
	}
	f.Offload = flow.OffloadAsked
}

// skip accounts for a packet of a bypassed flow. The packet goes on unseen.
func (e *Engine) skip(u *Unit) {
	f, p := u.Flow, u.Packet
	if f.State == flow.CaptureBypassed && f.Offload == flow.OffloadNone && e.offload != nil {
		f.State = flow.LocalBypassed // it was given up below, and has come to life again
	}
	if f.State == flow.CaptureBypassed {
		e.Count[CountCaptureBypassed]++
		e.Count[CountCaptureBypassedBytes] += uint64(p.Len())
		return
	}
	e.Count[CountBypassed]++
	e.Count[CountBypassedBytes] += uint64(p.Len())
	if e.offload != nil && f.Offload == flow.OffloadNone {
		e.offer(f, p, false)
	}
}

// leaveOffload asks for the counts of a flow that is about to end. One that was only asked for has an answer to come.
func (e *Engine) leaveOffload(f *flow.Flow) {
	if f.Offload == flow.OffloadTaken {
		f.Offload = flow.OffloadLeaving
		e.offload.Leave(f)
	}
}

// Reclaim asks for a flow back, if it is carried below.
func (e *Engine) Reclaim(f *flow.Flow) { e.leaveOffload(f) }

// OffloadTaken says that a flow is carried below from now on.
func (e *Engine) OffloadTaken(index uint32, id uint64) {
	f := e.table.ByID(index, id)
	if f == nil || f.Offload != flow.OffloadAsked {
		return
	}
	f.Offload = flow.OffloadTaken
	if f.IsHeld() {
		e.leaveOffload(f)
		return
	}
	if f.State == flow.LocalBypassed {
		e.table.SetState(f, flow.CaptureBypassed)
	}
}

// OffloadRefused says that a flow is not carried below. With again it may be asked for later.
func (e *Engine) OffloadRefused(index uint32, id uint64, again bool) {
	f := e.table.ByID(index, id)
	if f == nil || f.Offload != flow.OffloadAsked {
		return
	}
	f.Offload = flow.OffloadRefused
	if again {
		f.Offload = flow.OffloadNone
		f.Retry = uint32(uint64(f.Last)/1e9) + offloadRetry
	}
	e.table.Release(f)
}

// OffloadCounted adds what was counted below since the last report, by direction of the flow as it was asked for; last is when.
func (e *Engine) OffloadCounted(index uint32, id uint64, pkts, bytes [2]uint64, last int64) {
	drop := false
	if f := e.table.ByID(index, id); f != nil {
		drop = f.Has(flow.ActionDrop) && f.State < flow.LocalBypassed
		for d := range pkts {
			if drop {
				f.Pkts[d] += pkts[d]
				f.Bytes[d] += bytes[d]
			} else {
				f.Bypassed[d].Pkts += pkts[d]
				f.Bypassed[d].Bytes += bytes[d]
			}
		}
		e.table.Touch(f, last)
	}
	if drop {
		e.Count[CountOffloadDropped] += pkts[0] + pkts[1]
		return
	}
	e.Count[CountOffloaded] += pkts[0] + pkts[1]
	e.Count[CountOffloadedBytes] += bytes[0] + bytes[1]
}

// OffloadDone says that a flow is not carried below any more and all its counts have come. A flow that was waiting for that ends.
func (e *Engine) OffloadDone(index uint32, id uint64, now int64) {
	f := e.table.ByID(index, id)
	if f == nil || !f.Offload.Below() {
		return
	}
	e.Count[CountOffloadClosed]++
	f.Offload = flow.OffloadNone
	if f.IsHeld() {
		e.table.Release(f)
		return
	}
	e.table.End(f, now)
}

// ForgetOffload gives up waiting for counts: what carried flows is gone. Flows that waited end.
func (e *Engine) ForgetOffload() {
	e.table.Find(func(f *flow.Flow) bool {
		if f.Offload.Below() {
			f.Offload = flow.OffloadNone
		}
		return true
	})
	e.offload = nil
	e.table.ReleaseAll()
}
