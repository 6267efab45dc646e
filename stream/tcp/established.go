package tcp

import "sentinel/decode"

// established handles a packet of an open session.
func (x *step) established() bool {
	ssn := x.ssn
	switch {
	case x.has(decode.RST):
		if !x.validReset() {
			return false
		}
		x.closeByReset()
		if x.toServer() {
			x.r.NextSeq = x.ack
			x.s.NextSeq = x.seq + x.n
		} else {
			x.s.NextSeq = x.seq + x.n + 1
			x.r.NextSeq = x.ack
		}
		x.s.Window = x.window << x.s.WScale
		x.reset()
	case x.has(decode.FIN):
		return x.validTime() && x.fin()
	case x.fl&(decode.SYN|decode.ACK) == decode.SYN|decode.ACK:
		switch {
		case x.toServer():
			return x.fail(decode.EvStreamEstSYNACKToserver)
		case x.ack != ssn.Stream[0].LastAck:
			return x.fail(decode.EvStreamEstSYNACKResendWithDiffACK)
		case x.seq != ssn.Stream[1].ISN:
			return x.fail(decode.EvStreamEstSYNACKResendWithDiffSeq)
		case ssn.Flags&confirmed != 0:
			return x.fail(decode.EvStreamEstSYNACKResend)
		}
	case x.has(decode.SYN):
		switch {
		case !x.toServer():
			return x.fail(decode.EvStreamEstSYNToclient)
		case x.ack != ssn.Stream[0].ISN:
			return x.fail(decode.EvStreamEstSYNResendDiffSeq)
		}
		return x.fail(decode.EvStreamEstSYNResend)
	case x.has(decode.ACK):
		if !x.validTime() {
			return false
		}
		if !x.toServer() {
			ssn.Flags |= confirmed
		}
		x.data() // a bad packet sets an event but is not dropped here
	}
	return true
}

// reset lets a RST count as an acknowledgement, and hands up what is there.
func (x *step) reset() {
	if x.has(decode.ACK) && x.validAck(x.r) {
		x.acked(x.r, x.ack)
	}
	x.acked(x.s, x.seq)
	x.keepTime()
	x.reassemble(x.u.Dir)
}

// data handles an ACK, with or without data, of an open session.
func (x *step) data() {
	ssn, s, r := x.ssn, x.s, x.r
	end := x.seq + x.n
	myProbe, yourProbe := probeTS, probeTC
	if !x.toServer() {
		myProbe, yourProbe = probeTC, probeTS
	}
	if ssn.Flags&yourProbe != 0 && x.ack == r.NextSeq+1 {
		x.event(decode.EvStreamEstACKZwpData)
	} else if !x.validAck(r) {
		x.event(decode.EvStreamEstInvalidACK)
		return
	}
	if !x.toServer() && ssn.Flags&(Midstream|midstreamEst) == Midstream|midstreamEst {
		s.Window = x.window << s.WScale
		s.NextWin = s.LastAck + s.Window
		ssn.Flags &^= midstreamEst
	}
	if x.n <= 1 && x.seq == s.NextSeq-1 {
		// keep-alive
	} else if lt(end, s.LastAck) && !x.beforeAck(end) {
		x.event(decode.EvStreamEstPacketBeforeLastACK)
		return
	}
	if x.n == 1 && x.seq == s.NextSeq && s.Window == 0 {
		x.out.Flags |= ZeroWindowProbe
		ssn.Flags |= myProbe
		x.reassemble(x.u.Dir)
		return
	}
	if ge(end, s.NextSeq) {
		x.expect(s, end)
	}
	if gt(end, s.NextWin) && ssn.Flags&(Midstream|Async) == 0 {
		x.event(decode.EvStreamEstPacketOutOfWindow)
		return
	}
	r.Window = x.window << r.WScale
	x.acked(r, x.ack)
	if ssn.Flags&Async == 0 && gt(r.LastAck, r.NextSeq) {
		x.out.Flags |= AckUnseenData
		x.t.count[CountAckUnseen]++
	}
	x.keepTime()
	x.takeSACK(r)
	r.widen(r.LastAck + r.Window)
	x.reassemble(x.u.Dir)
}

// beforeAck reports whether data before the last acknowledgement is to be taken none the less.
func (x *step) beforeAck(end uint32) bool {
	ssn, s := x.ssn, x.s
	switch {
	case ssn.Flags&Async != 0:
		// The other side is not seen: let the sender's own progress acknowledge.
		if x.toServer() {
			x.acked(s, x.seq)
		} else {
			s.LastAck = x.seq
		}
		return true
	case x.toServer() && x.t.cfg.AsyncOne && ssn.Flags&Midstream != 0 && (s.NextSeq == x.seq || s.LastAck == s.ISN+1):
		x.acked(s, x.seq)
		x.markAsync()
		return true
	}
	// An ACK for data that we missed was taken; then data before it is new to us.
	return gt(s.LastAck, s.NextSeq) && gt(end, s.NextSeq)
}

// fin handles the first FIN.
func (x *step) fin() bool {
	s, r := x.s, x.r
	if !x.validAck(r) {
		return x.fail(decode.EvStreamFINInvalidACK)
	}
	if lt(x.seq, s.LastAck) || gt(x.seq+x.n, s.NextWin) {
		return x.fail(decode.EvStreamFINOutOfWindow)
	}
	if x.toServer() {
		if x.has(decode.SYN) {
			return x.fail(decode.EvStreamFINSYN)
		}
		x.setState(CloseWait)
		s.NextSeq = x.seq + x.n
	} else {
		x.setState(FinWait1)
		s.NextSeq = x.seq + x.n + 1
	}
	r.Window = x.window << r.WScale
	x.keepTime()
	if lt(r.NextSeq, x.ack) { // we missed what the other side has seen
		r.NextSeq = x.ack
	}
	if x.has(decode.ACK) {
		x.acked(r, x.ack)
	}
	x.reassemble(x.u.Dir)
	return true
}

// closed handles a packet behind the end. When a RST was perhaps forged, the session goes on.
func (x *step) closed() bool {
	if x.has(decode.RST) {
		return true
	}
	if x.s.Flags&rstSeen == 0 && x.r.Flags&rstSeen != 0 && x.ssn.Prev != Closed {
		if !x.dispatch(x.ssn.Prev) {
			return false
		}
		if x.ssn.State == Closed {
			x.ssn.State = x.ssn.Prev
		}
	}
	return true
}
