package tcp

import (
	"sentinel/decode"
	"sentinel/stream/flow"
)

// mayPickUp applies the midstream policy to a packet without a session, and reports whether it may begin one.
func (x *step) mayPickUp(enabled bool) bool {
	x.out.Exceptions |= OnMidstream
	p := x.t.cfg.MidstreamPolicy
	return enabled && (p == ExceptionNone || p == ExceptionPassFlow)
}

// none handles a packet of a flow without a session.
func (x *step) none() bool {
	cfg := &x.t.cfg
	switch {
	case x.has(decode.RST):
		return x.fail(decode.EvStreamRSTButNoSession)
	case x.has(decode.FIN):
		if !x.mayPickUp(cfg.Midstream && x.n > 0) {
			return x.fail(decode.EvStreamFINButNoSession)
		}
		if !x.newSession(true) {
			return false
		}
		x.setState(FinWait1)
		x.pickUp(1)
	case x.fl&(decode.SYN|decode.ACK) == decode.SYN|decode.ACK:
		if !x.mayPickUp(cfg.Midstream || cfg.AsyncOne) {
			return true
		}
		if !x.newSession(true) {
			return false
		}
		x.pickUpSynAck()
	case x.has(decode.SYN):
		if !x.newSession(false) {
			return false
		}
		x.firstSyn()
	case x.has(decode.ACK):
		if !x.mayPickUp(cfg.Midstream) {
			return true
		}
		if !x.newSession(true) {
			return false
		}
		x.setState(Established)
		x.pickUp(0)
	}
	return true
}

func (x *step) markAsync() {
	if x.t.cfg.AsyncOne {
		x.ssn.Flags |= Async
		x.u.Flow.Flags |= flow.Async
	}
}

// pickUp begins a session at a packet behind its handshake. fin is 1 for a FIN.
func (x *step) pickUp(fin uint32) {
	ssn := x.ssn
	ssn.Flags = Midstream | midstreamEst
	x.u.Flow.Flags |= flow.Midstream
	x.markAsync()
	c, s := &ssn.Stream[0], &ssn.Stream[1]
	// The handshake told the scale: assume the largest.
	c.WScale, s.WScale = maxWScale, maxWScale
	c.begin(x.seq - 1)
	c.NextSeq = x.seq + x.n + fin
	c.Window = x.window << c.WScale
	c.LastAck = x.seq
	c.NextWin = c.LastAck + c.Window
	s.begin(x.ack - 1)
	s.NextSeq = x.ack
	s.LastAck = x.ack
	s.NextWin = s.LastAck
	x.pickUpTime(c, s)
	x.reassemble(0)
	ssn.Flags |= SACK
}

// pickUpTime takes the timestamps of the sender and, echoed, of the receiver.
func (x *step) pickUpTime(from, to *Stream) {
	from.lastTS, to.lastTS = 0, 0
	if !x.hasTS() {
		return
	}
	from.lastTS, to.lastTS = x.p.TCP.TSVal, x.p.TCP.TSEcr
	x.ssn.Flags |= timestamps
	from.lastPktTS = x.second()
	if from.lastTS == 0 {
		from.Flags |= zeroTime
	}
	if to.lastTS == 0 {
		to.Flags |= zeroTime
	}
}

// pickUpSynAck begins a session at the SYN/ACK: its sender is the server.
func (x *step) pickUpSynAck() {
	x.swap()
	x.setState(SynRecv)
	ssn := x.ssn
	ssn.Flags |= Midstream | midstreamSynAck
	x.u.Flow.Flags |= flow.Midstream
	x.markAsync()
	c, s := &ssn.Stream[0], &ssn.Stream[1]
	s.begin(x.seq)
	s.NextSeq = s.ISN + 1
	s.Window = x.window
	c.begin(x.ack - 1)
	c.NextSeq = c.ISN + 1
	c.LastAck = x.ack
	s.LastAck = x.seq
	s.NextWin = s.LastAck + s.Window
	if x.hasWScale() {
		c.WScale, s.WScale = x.wscale(), maxWScale
	}
	x.pickUpTime(s, c)
	if x.permitsSACK() {
		ssn.Flags |= SACK
	}
}

// swap exchanges client and server of flow, session and packet.
func (x *step) swap() {
	x.u.Flow.Swap()
	x.t.Swap(x.u.Flow)
	x.u.Dir = x.u.Dir.Other()
	x.out.Swapped = !x.out.Swapped
	x.streams()
}

// firstSyn begins a session.
func (x *step) firstSyn() {
	x.setState(SynSent)
	x.markAsync()
	ssn := x.ssn
	c, s := &ssn.Stream[0], &ssn.Stream[1]
	c.begin(x.seq)
	c.NextSeq = c.ISN + 1
	if x.hasTS() {
		c.lastTS = x.p.TCP.TSVal
		if c.lastTS == 0 {
			c.Flags |= zeroTime
		}
		c.lastPktTS = x.second()
		c.Flags |= streamTime
	}
	s.Window = x.window
	if x.hasWScale() {
		ssn.Flags |= serverWScale
		s.WScale = x.wscale()
	}
	if x.permitsSACK() {
		ssn.Flags |= clientSACK
	}
	if x.hasTFO() {
		ssn.Flags |= FastOpen
		if x.n > 0 {
			x.expect(c, c.NextSeq+x.n)
			x.reassemble(0)
			x.out.Established = true
		}
	}
}

// synSent handles a packet behind the SYN.
func (x *step) synSent() bool {
	ssn := x.ssn
	c, s := &ssn.Stream[0], &ssn.Stream[1]
	if x.fl&(decode.SYN|decode.ACK) == decode.SYN|decode.ACK {
		if x.toServer() {
			return x.fourWaySynAck()
		}
		// A SYN/ACK with timestamps after a SYN without violates RFC 7323, but happens.
		badTime := x.t.cfg.StrictTime && !x.echoes()
		if !x.acceptSynAck(badTime, x.hasTFO() || ssn.Flags&FastOpen != 0) {
			return false
		}
		x.t.dropQueue(ssn)
		x.synAck(nil)
		return true
	}
	if !x.echoes() {
		return x.fail(decode.EvStreamPacketInvalidTimestamp)
	}
	switch {
	case x.has(decode.RST):
		if !x.validReset() {
			return false
		}
		if !x.toServer() {
			c.Flags |= rstSeen
		} else if x.seq == c.ISN && x.window == 0 && x.ack == c.ISN+1 {
			s.Flags |= rstSeen
		} else {
			return true
		}
		x.closeByReset()
		x.t.dropQueue(ssn)
	case x.has(decode.FIN):
	case x.has(decode.SYN):
		if x.toServer() {
			// Which of several SYNs the server answers is not known yet: keep them all, and go on with the latest.
			fresh, old := synOf(x), synOfSession(ssn)
			if fresh != old {
				x.keepSyn(old)
			}
			x.applySyn(&fresh)
			return true
		}
		// SYN from both sides: RFC 9293 simultaneous open, or a split handshake.
		ssn.Flags |= fourWay
		s.begin(x.seq)
		s.NextSeq = s.ISN + 1
		if x.hasTS() {
			s.lastTS = x.p.TCP.TSVal
			if s.lastTS == 0 {
				s.Flags |= zeroTime
			}
			s.lastPktTS = x.second()
			s.Flags |= streamTime
		}
		s.Window = x.window
		if x.hasWScale() {
			ssn.Flags |= serverWScale
			s.WScale = x.wscale()
		} else {
			ssn.Flags &^= serverWScale
			s.WScale = 0
		}
		if x.permitsSACK() {
			ssn.Flags |= clientSACK
		} else {
			ssn.Flags &^= clientSACK
		}
	case x.has(decode.ACK):
		return x.asyncAck()
	}
	return true
}

// echoes reports whether the server echoes the SYN's timestamp.
func (x *step) echoes() bool {
	if x.toServer() || !x.hasTS() {
		return true
	}
	c := &x.ssn.Stream[0]
	echo := x.p.TCP.TSEcr
	if c.Flags&streamTime != 0 {
		return c.lastTS == 0 || echo == 0 || echo == c.lastTS
	}
	return c.lastTS != 0 || echo == 0
}

// acceptSynAck reports whether the SYN/ACK answers the SYN, or an earlier one that was kept. With TCP Fast Open it
// acknowledges the data of the SYN, or not.
func (x *step) acceptSynAck(badTime, tfo bool) bool {
	ssn := x.ssn
	c := &ssn.Stream[0]
	plain := x.ack == c.ISN+1
	match := plain
	if tfo {
		match = x.ack == c.NextSeq
	}
	switch {
	case match && !badTime:
	case tfo && plain && !badTime:
		c.NextSeq = c.ISN // the data will come again
		x.event(decode.EvStream3WHSSYNACKTfoDataIgnored)
		ssn.Flags |= tfoIgnored
	default:
		q := x.findSyn()
		if q == nil {
			if !match && !plain {
				x.event(decode.EvStream3WHSSYNACKWithWrongACK)
			} else if badTime {
				x.event(decode.EvStreamPacketInvalidTimestamp)
			}
			return false
		}
		x.applySyn(q)
	}
	if tfo {
		ssn.Flags |= FastOpen
	}
	return true
}

// synAck takes the SYN/ACK over: this packet's, or one that was kept.
func (x *step) synAck(q *queued) {
	var own queued
	if q == nil {
		own = synAckOf(x)
		q = &own
	}
	ssn := x.ssn
	c, s := &ssn.Stream[0], &ssn.Stream[1]
	x.setState(SynRecv)
	s.begin(q.seq)
	s.NextSeq = s.ISN + 1
	c.Window = uint32(q.win)
	if q.flags&queuedTS != 0 && c.Flags&streamTime != 0 {
		s.lastTS = q.ts
		ssn.Flags |= timestamps
		s.lastPktTS = q.pktTS
		if s.lastTS == 0 {
			s.Flags |= zeroTime
		}
	} else {
		c.lastTS, s.lastTS = 0, 0
		c.Flags &^= zeroTime
	}
	c.LastAck = q.ack
	s.LastAck = s.ISN + 1
	c.WScale = 0
	if ssn.Flags&serverWScale != 0 && q.flags&queuedWS != 0 {
		c.WScale = q.wscale
	}
	if ssn.Flags&clientSACK != 0 && q.flags&queuedSACK != 0 {
		ssn.Flags |= SACK
	} else {
		ssn.Flags &^= SACK
	}
	s.NextWin = s.LastAck + s.Window
	c.NextWin = c.LastAck + c.Window
	ssn.Flags &^= fourWay
}

// fourWaySynAck handles the client's SYN/ACK in a handshake with SYNs from both sides.
func (x *step) fourWaySynAck() bool {
	ssn := x.ssn
	c, s := &ssn.Stream[0], &ssn.Stream[1]
	switch {
	case ssn.Flags&fourWay == 0:
		return x.fail(decode.EvStream3WHSSYNACKInWrongDirection)
	case x.ack != s.ISN+1:
		return x.fail(decode.EvStream4WHSSYNACKWithWrongACK)
	case x.seq != c.ISN:
		return x.fail(decode.EvStream4WHSSYNACKWithWrongSYN)
	}
	x.setState(SynRecv)
	c.begin(x.seq)
	c.NextSeq = c.ISN + 1
	s.Window = x.window
	if x.hasTS() && s.Flags&streamTime != 0 {
		c.lastTS = x.p.TCP.TSVal
		ssn.Flags |= timestamps
		c.lastPktTS = x.second()
		if c.lastTS == 0 {
			c.Flags |= zeroTime
		}
	} else {
		s.lastTS, c.lastTS = 0, 0
		s.Flags &^= zeroTime
	}
	s.LastAck = x.ack
	c.LastAck = c.ISN + 1
	if ssn.Flags&serverWScale != 0 && x.hasWScale() {
		s.WScale = x.wscale()
	} else {
		s.WScale = 0
	}
	if ssn.Flags&clientSACK != 0 && x.permitsSACK() {
		ssn.Flags |= SACK
	}
	c.NextWin = c.LastAck + c.Window
	s.NextWin = s.LastAck + s.Window
	return true
}

// asyncAck handles the client's ACK when the SYN/ACK was not seen: only one side of the session passes here.
func (x *step) asyncAck() bool {
	if !x.t.cfg.AsyncOne {
		return true
	}
	ssn := x.ssn
	c, s := &ssn.Stream[0], &ssn.Stream[1]
	if x.seq != c.NextSeq {
		return x.fail(decode.EvStream3WHSAsyncWrongSeq)
	}
	x.markAsync()
	x.setState(Established)
	x.t.dropQueue(ssn)
	c.Window = x.window
	c.LastAck = x.seq
	c.NextWin = c.LastAck + c.Window
	s.begin(x.ack - 1)
	s.NextSeq = s.ISN + 1
	s.LastAck = s.NextSeq
	s.NextWin = s.LastAck
	if ssn.Flags&serverWScale != 0 {
		c.WScale = maxWScale
	}
	if x.hasTS() && c.Flags&streamTime != 0 {
		ssn.Flags |= timestamps
		c.Flags &^= streamTime
		c.lastPktTS = x.second()
	} else {
		c.lastTS = 0
		c.Flags &^= zeroTime
	}
	if ssn.Flags&clientSACK != 0 {
		ssn.Flags |= SACK
	}
	x.reassemble(0)
	return true
}
