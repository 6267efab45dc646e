package tcp

import "sentinel/decode"

// again marks the packet when it carries data that was sent before.
func (x *step) again() bool {
	if !x.retransmits() {
		return false
	}
	x.out.Flags |= Retransmission
	return true
}

// resetIn handles a RST in one of the closing states.
func (x *step) resetIn() bool {
	if !x.validReset() {
		return false
	}
	x.closeByReset()
	x.reset()
	return true
}

// seen raises the receiver's next sequence number to what the sender has seen of it.
func (x *step) seen(slack uint32) {
	if lt(x.r.NextSeq-slack, x.ack) {
		x.r.NextSeq = x.ack
	}
}

// inWindow reports whether the data ends within what the receiver allows, as far as that is known.
func (x *step) inWindow() bool {
	return le(x.seq+x.n, x.s.NextWin) || x.ssn.Flags&(Midstream|Async) != 0
}

func (x *step) openReceiver() { x.r.Window = x.window << x.r.WScale }

// finWait1 handles a packet behind the server's FIN.
func (x *step) finWait1() bool {
	s, r := x.s, x.r
	switch {
	case x.has(decode.RST):
		return x.resetIn()
	case x.fl&(decode.FIN|decode.ACK) == decode.FIN|decode.ACK:
		if !x.validTime() {
			return false
		}
		again := x.again()
		if !again && !x.toServer() && s.NextSeq-1 == x.seq && r.LastAck == x.ack {
			again = true
			x.out.Flags |= Retransmission
		}
		if !again && (lt(x.seq, s.NextSeq-1) || gt(x.seq, s.LastAck+s.Window)) {
			return x.fail(decode.EvStreamFin1FINWrongSeq)
		}
		if !x.validAck(r) {
			return x.fail(decode.EvStreamFin1InvalidACK)
		}
		if x.toServer() {
			if !again {
				x.setState(TimeWait)
				x.openReceiver()
			}
			x.keepTime()
			x.seen(1)
			if s.NextSeq == x.seq {
				x.expect(s, x.seq+x.n)
			}
			x.acked(r, x.ack)
		} else {
			x.keepTime()
			if !again {
				x.setState(TimeWait)
				x.openReceiver()
				x.seen(1)
				if s.NextSeq-1 == x.seq {
					x.expect(s, x.seq+x.n)
				}
				x.acked(r, x.ack)
			}
		}
		x.reassemble(x.u.Dir)
	case x.has(decode.FIN):
		if !x.validTime() {
			return false
		}
		again := x.again()
		if !again && (lt(x.seq, s.NextSeq-1) || gt(x.seq, s.LastAck+s.Window)) {
			return x.fail(decode.EvStreamFin1FINWrongSeq)
		}
		if !x.validAck(r) {
			return x.fail(decode.EvStreamFin1InvalidACK)
		}
		if !again {
			x.setState(Closing)
			x.openReceiver()
		}
		x.keepTime()
		x.seen(1)
		if s.NextSeq-1 == x.seq {
			x.expect(s, x.seq+x.n)
		}
		x.reassemble(x.u.Dir)
	case x.has(decode.SYN):
		return x.fail(decode.EvStreamShutdownSYNResend)
	case x.has(decode.ACK):
		return x.finWait1Ack()
	}
	return true
}

func (x *step) finWait1Ack() bool {
	s, r := x.s, x.r
	if !x.validTime() {
		return false
	}
	again := x.again()
	if !x.validAck(r) {
		return x.fail(decode.EvStreamFin1InvalidACK)
	}
	if x.toServer() {
		// Only the ACK of the FIN itself moves the state.
		if !again && x.ack == r.NextSeq {
			if !x.inWindow() {
				return x.fail(decode.EvStreamFin1ACKWrongSeq)
			}
			if x.seq == s.NextSeq {
				x.setState(FinWait2)
			}
			x.openReceiver()
		}
	} else if !again {
		if !x.inWindow() {
			return x.fail(decode.EvStreamFin1ACKWrongSeq)
		}
		if x.seq == s.NextSeq-1 {
			x.setState(FinWait2)
		}
		x.openReceiver()
	}
	x.keepTime()
	x.seen(1)
	next := s.NextSeq
	if !x.toServer() {
		next--
	}
	if next == x.seq {
		x.expect(s, x.seq+x.n)
	}
	x.acked(r, x.ack)
	x.takeSACK(r)
	r.widen(r.LastAck + r.Window)
	x.reassemble(x.u.Dir)
	return true
}

// finWait2 handles a packet behind the ACK of the server's FIN.
func (x *step) finWait2() bool {
	s, r := x.s, x.r
	switch {
	case x.has(decode.RST):
		return x.resetIn()
	case x.has(decode.FIN):
		if !x.validTime() {
			return false
		}
		again := x.seq == s.NextSeq-1 && x.ack == r.LastAck
		if again {
			x.out.Flags |= Retransmission
		} else {
			again = x.again()
		}
		if !again && (lt(x.seq, s.NextSeq) || gt(x.seq, s.LastAck+s.Window)) {
			return x.fail(decode.EvStreamFin2FINWrongSeq)
		}
		if !x.validAck(r) {
			return x.fail(decode.EvStreamFin2InvalidACK)
		}
		if !again {
			x.setState(TimeWait)
			if x.toServer() && s.NextSeq == x.seq {
				x.expect(s, s.NextSeq+x.n)
			}
			x.openReceiver()
		}
		x.keepTime()
		x.seen(0)
		if x.has(decode.ACK) {
			x.acked(r, x.ack)
		}
		x.reassemble(x.u.Dir)
	case x.has(decode.SYN):
		return x.fail(decode.EvStreamShutdownSYNResend)
	case x.has(decode.ACK):
		if !x.validTime() {
			return false
		}
		again := x.again()
		if !x.validAck(r) {
			return x.fail(decode.EvStreamFin2InvalidACK)
		}
		if !again {
			if !x.inWindow() {
				return x.fail(decode.EvStreamFin2ACKWrongSeq)
			}
			x.openReceiver()
		}
		x.keepTime()
		if s.NextSeq == x.seq {
			x.expect(s, s.NextSeq+x.n)
		}
		x.acked(r, x.ack)
		x.takeSACK(r)
		r.widen(r.LastAck + r.Window)
		x.reassemble(x.u.Dir)
	}
	return true
}

// closing handles a packet behind FINs that crossed.
func (x *step) closing() bool {
	s, r := x.s, x.r
	switch {
	case x.has(decode.RST):
		return x.resetIn()
	case x.has(decode.SYN):
		return x.fail(decode.EvStreamShutdownSYNResend)
	case x.has(decode.ACK):
		if !x.validTime() {
			return false
		}
		again := x.again()
		if x.seq != s.NextSeq {
			return x.fail(decode.EvStreamClosingACKWrongSeq)
		}
		if !x.validAck(r) {
			return x.fail(decode.EvStreamClosingInvalidACK)
		}
		if !again {
			x.setState(TimeWait)
			x.ssn.Stream[0].Window = x.window << x.ssn.Stream[0].WScale
		}
		x.keepTime()
		x.seen(0)
		x.acked(r, x.ack)
		x.reassemble(x.u.Dir)
	}
	return true
}

// closeWait handles a packet behind the client's FIN.
func (x *step) closeWait() bool {
	s, r := x.s, x.r
	switch {
	case x.has(decode.RST):
		return x.resetIn()
	case x.has(decode.FIN):
		if !x.validTime() {
			return false
		}
		again := x.again()
		if !again && (lt(x.seq, s.NextSeq) || gt(x.seq, s.LastAck+s.Window)) {
			return x.fail(decode.EvStreamClosewaitFINOutOfWindow)
		}
		if !x.validAck(r) {
			return x.fail(decode.EvStreamClosewaitInvalidACK)
		}
		if !again {
			if !x.toServer() { // only the server's FIN leads on
				x.setState(LastAck)
			}
			x.openReceiver()
		}
		x.keepTime()
		x.seen(0)
		if x.has(decode.ACK) {
			x.acked(r, x.ack)
		}
		x.reassemble(x.u.Dir)
	case x.has(decode.SYN):
		return x.fail(decode.EvStreamShutdownSYNResend)
	case x.has(decode.ACK):
		if !x.validTime() {
			return false
		}
		again := x.again()
		if x.n > 0 && le(x.seq+x.n, s.LastAck) {
			return x.fail(decode.EvStreamClosewaitPacketBeforeLastACK)
		}
		if gt(x.seq, s.LastAck+s.Window) {
			return x.fail(decode.EvStreamClosewaitACKOutOfWindow)
		}
		if !x.validAck(r) {
			return x.fail(decode.EvStreamClosewaitInvalidACK)
		}
		if !again {
			x.openReceiver()
		}
		x.keepTime()
		x.seen(0)
		if x.seq == s.NextSeq {
			x.expect(s, s.NextSeq+x.n)
		}
		x.acked(r, x.ack)
		x.reassemble(x.u.Dir)
	}
	return true
}

// lastAck handles a packet behind the second FIN when the client closed first.
func (x *step) lastAck() bool {
	s, r := x.s, x.r
	switch {
	case x.has(decode.RST):
		return x.resetIn()
	case x.has(decode.FIN):
	case x.has(decode.SYN):
		return x.fail(decode.EvStreamShutdownSYNResend)
	case x.has(decode.ACK):
		if !x.validTime() {
			return false
		}
		if !x.toServer() {
			return true
		}
		again := x.again()
		if !x.validAck(r) {
			return x.fail(decode.EvStreamLastackInvalidACK)
		}
		if !again {
			if ge(x.seq, s.NextSeq) {
				if x.seq != s.NextSeq && x.seq != s.NextSeq+1 {
					return x.fail(decode.EvStreamLastackACKWrongSeq)
				}
				x.setState(Closed)
			}
			x.openReceiver()
		}
		x.keepTime()
		x.seen(0)
		x.acked(r, x.ack)
		x.reassemble(x.u.Dir)
	}
	return true
}

// timeWait handles a packet behind the second FIN.
func (x *step) timeWait() bool {
	s, r := x.s, x.r
	switch {
	case x.has(decode.RST):
		return x.resetIn()
	case x.has(decode.FIN):
	case x.has(decode.SYN):
		return x.fail(decode.EvStreamShutdownSYNResend)
	case x.has(decode.ACK):
		if !x.validTime() {
			return false
		}
		again := x.again()
		if !again {
			if x.toServer() {
				if x.seq != s.NextSeq && x.seq != s.NextSeq+1 {
					return x.fail(decode.EvStreamTimewaitACKWrongSeq)
				}
			} else if x.seq != s.NextSeq-1 && x.seq != s.NextSeq {
				if x.n > 0 && x.seq == s.LastAck {
					return true // sent again
				}
				return x.fail(decode.EvStreamTimewaitACKWrongSeq)
			}
		}
		if !x.validAck(r) {
			return x.fail(decode.EvStreamTimewaitInvalidACK)
		}
		if !again {
			x.setState(Closed)
			x.openReceiver()
		}
		x.keepTime()
		x.seen(0)
		x.acked(r, x.ack)
		x.reassemble(x.u.Dir)
	}
	return true
}
