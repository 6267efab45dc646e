package detect

import (
	"cmp"
	"slices"

	"sentinel/rules"
	"sentinel/stream"
	"sentinel/stream/app"
	"sentinel/stream/flow"
)

// queued is a match before thresholds and actions are applied.
type queued struct {
	r      *compiled
	flags  AlertFlags
	action rules.Action
	tx     app.Transaction
	txID   uint64
	frame  uint64 // with FromFrame
	seq    uint32
	source bool   // a threshold by source drops: of a host that does it too often
	lasts  uint32 // seconds that it goes on; 0 = not known
}

// maxQueue bounds the matches of one packet.
const maxQueue = 1<<16 - 1

// Dropper is the first match that would drop the packet which was inspected last, whether or not it alerts; nil = none. It is
// valid until the next packet.
func (w *Worker) Dropper() *Alert {
	if w.dropper.Rule == nil {
		return nil
	}
	return &w.dropper
}

// push queues a match.
func (w *Worker) push(r *compiled, flags AlertFlags, tx app.Transaction, id uint64) {
	if w.dropper.Rule == nil && r.meta.Action.Drops() {
		w.dropper = Alert{Rule: &r.meta, Action: r.meta.Action, Flags: flags, Tx: tx, TxID: id}
	}
	if len(w.queue) >= maxQueue {
		w.Counters[CountOverflow]++
		return
	}
	if tx != nil {
		flags |= FromTx
	}
	w.queue = append(w.queue, queued{r: r, flags: flags, action: r.meta.Action, tx: tx, txID: id, seq: uint32(len(w.queue))})
}

// finalise applies the matches in the order of their rules: thresholds first, then what pass, drop and reject do to packet
// and flow. What remains to be written is in w.alerts.
func (w *Worker) finalise(u *stream.Unit) {
	if len(w.queue) == 0 {
		w.countPacket(u)
		return
	}
	if len(w.queue) > 1 {
		slices.SortFunc(w.queue, func(a, b queued) int {
			if a.r.num != b.r.num {
				return cmp.Compare(a.r.num, b.r.num)
			}
			if a.tx == nil || b.tx == nil {
				if o := cmp.Compare(b2i(a.tx == nil), b2i(b.tx == nil)); o != 0 {
					return o
				}
			} else if a.txID != b.txID {
				return cmp.Compare(b.txID, a.txID)
			}
			return cmp.Compare(a.frame, b.frame)
		})
	}
	kept, alerted := 0, false
	for i := range w.queue {
		q := &w.queue[i]
		r := q.r
		verdict := allow
		if u.Packet.IsIP() {
			verdict = w.limit(u, q)
		}
		if verdict == allow {
			for _, m := range r.tags {
				w.ctx.Rule = &r.meta
				m.Match(&w.ctx)
			}
		}
		if verdict != drop {
			// A packet that is dropped is not passed any more.
			if !(u.Action&(stream.DropPacket|stream.DropFlow) != 0 && q.action == rules.Pass) {
				w.act(u, q)
			}
		}
		if verdict != allow || !r.alerts && r.meta.Action != rules.Pass {
			w.Counters[CountSuppressed]++
			continue
		}
		if kept >= w.rs.cfg.PacketAlertMax {
			w.Counters[CountOverflow]++
			continue
		}
		kept++
		w.Counters[CountAlerts]++
		if r.alerts && !(q.flags&RateFiltered != 0 && q.action == rules.Pass) {
			alerted = true
			w.alerts = append(w.alerts, Alert{Rule: &r.meta, Action: q.action, Flags: q.flags, Tx: q.tx, TxID: q.txID, Frame: q.frame, Context: w.context(&r.meta, q.txID)})
			if q.tx != nil {
				q.tx.Base().Alerted = true
			}
		}
		if q.action == rules.Pass {
			break
		}
	}
	for i := range w.queue {
		w.queue[i].tx = nil
	}
	w.queue = w.queue[:0]
	if alerted {
		u.Action |= stream.Alerted
		if u.Flow != nil {
			u.Flow.Flags |= flow.HasAlerts
			u.Flow.Alerts += uint32(len(w.alerts))
		}
	}
	w.countPacket(u)
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// reachesFlow reports whether pass and drop of a match are for the whole flow.
func (q *queued) reachesFlow() bool {
	switch q.r.scope {
	case scopeFlow:
		return true
	case scopePacket:
		return false
	}
	switch q.r.typ {
	case TypeIPOnly, TypeLikeIPOnly, TypePDOnly, TypeAppLayer, TypeAppTx:
		return true
	case TypePacketStream, TypeStream:
		return q.flags&(FromStream|FromState) != 0
	}
	return false
}

// act applies a match's action to the packet and the flow.
func (w *Worker) act(u *stream.Unit, q *queued) {
	f := u.Flow
	switch a := q.action; {
	case a.Drops():
		why := stream.DropRules
		if q.flags&RateFiltered != 0 {
			why = stream.DropThreshold
		}
		x := stream.DropPacket
		if a.Rejects() {
			if a == rules.RejectDst || a == rules.RejectBoth {
				x |= stream.RejectDst
			}
			if a != rules.RejectDst {
				x |= stream.RejectSrc
			}
		}
		u.Drop(x, why)
		if q.source {
			u.DropSource = max(u.DropSource, int32(min(q.lasts, 1<<31-1)))
		}
		if f != nil && q.reachesFlow() && !f.Has(flow.ActionDrop|flow.ActionPass) {
			f.Flags |= flow.ActionDrop
			u.Action |= stream.DropFlow
		}
	case a == rules.Pass:
		u.Action |= stream.PassPacket
		if f != nil && q.reachesFlow() && !f.Has(flow.ActionDrop|flow.ActionPass) {
			f.Flags |= flow.ActionPass
			u.Action |= stream.PassFlow
		}
	}
}
