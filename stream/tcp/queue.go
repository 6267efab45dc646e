package tcp

import "sentinel/decode"

// queued is a SYN or SYN/ACK that may turn out to be the one that counts.
type queued struct {
	flags, wscale  uint8
	win            uint16
	seq, ack       uint32
	ts, pktTS, nxt uint32
}

const (
	queuedTS = 1 << iota
	queuedWS
	queuedSACK
)

func (x *step) queuedOpts() (q queued) {
	q.win = uint16(x.window)
	q.seq = x.seq
	q.pktTS = x.second()
	if x.permitsSACK() {
		q.flags |= queuedSACK
	}
	if x.hasWScale() {
		q.flags |= queuedWS
		q.wscale = x.wscale()
	}
	if x.hasTS() {
		q.flags |= queuedTS
		q.ts = x.p.TCP.TSVal
	}
	return q
}

func synOf(x *step) queued { return x.queuedOpts() }

func synAckOf(x *step) queued {
	q := x.queuedOpts()
	q.ack = x.ack
	return q
}

// synOfSession returns the SYN that the session goes by.
func synOfSession(ssn *Session) (q queued) {
	c, s := &ssn.Stream[0], &ssn.Stream[1]
	q.seq = c.ISN
	q.win = uint16(s.Window)
	q.pktTS = c.lastPktTS
	if ssn.Flags&clientSACK != 0 {
		q.flags |= queuedSACK
	}
	if ssn.Flags&serverWScale != 0 {
		q.flags |= queuedWS
		q.wscale = s.WScale
	}
	if c.Flags&streamTime != 0 {
		q.flags |= queuedTS
		q.ts = c.lastTS
	}
	return q
}

func (t *Tracker) dropQueue(ssn *Session) {
	for i := ssn.queue; i != 0; {
		n := t.queued.At(i).nxt
		t.queued.Free(i)
		i = n
	}
	ssn.queue, ssn.queueLen = 0, 0
}

// findQueued returns the kept SYN that q is, or that q (made from a SYN/ACK) answers; and the last one of the list.
func (t *Tracker) findQueued(ssn *Session, q *queued, ignoreTime bool) (found, tail *queued) {
	for i := ssn.queue; i != 0; { // at most 255 steps
		k := t.queued.At(i)
		if q.flags&queuedTS != 0 {
			if k.flags&queuedTS != 0 && k.ts == q.ts && k.seq == q.seq {
				return k, nil
			}
		} else if ignoreTime && k.seq == q.seq {
			return k, nil
		}
		tail, i = k, k.nxt
	}
	return nil, tail
}

// findSyn returns the kept SYN that this SYN/ACK answers.
func (x *step) findSyn() *queued {
	if x.ssn.queue == 0 {
		return nil
	}
	q := queued{seq: x.ack - 1}
	if x.hasTS() {
		q.flags, q.ts = queuedTS, x.p.TCP.TSEcr
	}
	k, _ := x.t.findQueued(x.ssn, &q, !x.t.cfg.StrictTime)
	return k
}

// keepSyn keeps the SYN that the session went by so far. When there are too many, the oldest goes.
func (x *step) keepSyn(q queued) {
	t, ssn := x.t, x.ssn
	k, tail := t.findQueued(ssn, &q, false)
	if k != nil {
		return
	}
	if ssn.queueLen > 0 && ssn.queueLen == t.cfg.MaxSynQueued {
		x.event(decode.EvStream3WHSSYNFlood)
		i := ssn.queue
		old := t.queued.At(i)
		if old.nxt == 0 {
			*old = q
			return
		}
		ssn.queue = old.nxt
		tail.nxt = i
		*old = q
		return
	}
	i := t.queued.New()
	if i == 0 {
		return
	}
	*t.queued.At(i) = q
	if tail != nil {
		tail.nxt = i
	} else {
		ssn.queue = i
	}
	ssn.queueLen++
}

// applySyn lets the session go by a SYN.
func (x *step) applySyn(q *queued) {
	ssn := x.ssn
	c, s := &ssn.Stream[0], &ssn.Stream[1]
	if q.flags&queuedTS != 0 {
		c.lastPktTS = q.pktTS
		c.lastTS = q.ts
		c.Flags |= streamTime
	}
	if q.flags&queuedWS != 0 {
		ssn.Flags |= serverWScale
		s.WScale = q.wscale
	} else {
		ssn.Flags &^= serverWScale
		s.WScale = 0
	}
	s.Window = uint32(q.win)
	if q.flags&queuedSACK != 0 {
		ssn.Flags |= clientSACK
	} else {
		ssn.Flags &^= clientSACK
	}
	c.begin(q.seq)
	c.NextSeq = c.ISN + 1
}

// keepSynAck keeps a SYN/ACK that differs from the one that the session goes by: the client's ACK decides.
func (x *step) keepSynAck() bool {
	t, ssn := x.t, x.ssn
	q := synAckOf(x)
	for i := ssn.queue; i != 0; {
		k := t.queued.At(i)
		if k.flags == q.flags && k.wscale == q.wscale && k.win == q.win && k.seq == q.seq && k.ack == q.ack && k.ts == q.ts {
			return true
		}
		i = k.nxt
	}
	if ssn.queueLen == t.cfg.MaxSynAckQueued {
		return x.fail(decode.EvStream3WHSSYNACKFlood)
	}
	i := t.queued.New()
	if i == 0 {
		return false
	}
	q.nxt = ssn.queue
	*t.queued.At(i) = q
	ssn.queue = i
	ssn.queueLen++
	return true
}

// findSynAck returns the kept SYN/ACK that this ACK answers.
func (x *step) findSynAck() *queued {
	for i := x.ssn.queue; i != 0; {
		k := x.t.queued.At(i)
		if k.seq == x.ack-1 && k.ack == x.seq {
			return k
		}
		i = k.nxt
	}
	return nil
}
