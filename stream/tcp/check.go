package tcp

import "sentinel/decode"

const control = decode.SYN | decode.FIN | decode.RST

// validAck reports whether the acknowledgement of data in s is believable.
func (x *step) validAck(s *Stream) bool {
	if !x.has(decode.ACK) || x.ack == s.LastAck || gt(x.ack, s.LastAck) && le(x.ack, s.NextWin) {
		return true
	}
	if lt(x.ack, s.LastAck) {
		// An old one; the window says how old it may be.
		if s.Window == 0 || !lt(x.ack, s.LastAck-s.Window) {
			return true
		}
		return x.fail(decode.EvStreamPacketInvalidACK)
	}
	if x.ssn.Flags&Async != 0 {
		return true
	}
	if x.ssn.State > SynSent && gt(x.ack, s.NextWin) {
		return x.fail(decode.EvStreamPacketInvalidACK)
	}
	if x.ssn.State == SynSent && !x.toServer() && x.has(decode.RST) && x.ack == s.ISN+1 {
		return true
	}
	return x.fail(decode.EvStreamPacketInvalidACK)
}

// policy sets the policy of a stream's receiver from the packet's destination.
func (x *step) policy(s *Stream) Policy {
	if s.Policy == PolicyUnset {
		s.Policy = x.t.cfg.Hosts.of(x.p)
	}
	return s.Policy
}

// validReset reports whether the receiver would accept the RST: systems differ.
func (x *step) validReset() bool {
	ssn, s, r := x.ssn, x.s, x.r
	if ssn.Flags&Liberal != 0 {
		return true
	}
	if !x.validTime() {
		return false
	}
	if x.n > 0 {
		x.event(decode.EvStreamRSTWithData)
	}
	os := x.policy(r)
	if x.has(decode.ACK) && x.ack != 0 && !x.validAck(r) {
		return x.fail(decode.EvStreamRSTInvalidACK)
	}
	// With a signature (RFC 2385, RFC 5925) only the host knows whether the RST is good. If it goes on, it was forged.
	if x.p.TCP.Opts&(decode.OptMD5|decode.OptAO) != 0 {
		r.Flags |= rstSeen
	}
	if ssn.Flags&Async != 0 {
		return ge(x.seq, s.NextSeq)
	}
	switch os {
	case PolicyHPUX11:
		return ge(x.seq, s.NextSeq)
	case PolicyOldLinux, PolicyLinux, PolicySolaris:
		return ge(x.seq+x.n, s.LastAck) && lt(x.seq, s.NextSeq+s.Window)
	}
	return x.seq == s.NextSeq
}

// paws is how long a timestamp protects against old segments: 24 days (RFC 7323 section 5.5).
const paws = 24 * 24 * 3600

// validTime reports whether the timestamp is not too old (PAWS). It changes nothing but the stream's policy.
func (x *step) validTime() bool { return x.ssn.Flags&timestamps == 0 || x.time(false) }

// keepTime takes over the timestamp of an accepted packet.
func (x *step) keepTime() {
	if x.ssn.Flags&timestamps != 0 {
		x.time(true)
	}
}

// time checks the timestamp against the last one as the receiver's system does, and when keep is set takes it over.
func (x *step) time(keep bool) bool {
	s := x.s
	os := x.policy(x.r)
	if !x.hasTS() {
		// Solaris gives up timestamps when a packet has none.
		if keep && os == PolicySolaris {
			x.ssn.Flags &^= timestamps
		}
		return true
	}
	ts, lastTS, lastPkt := x.p.TCP.TSVal, s.lastTS, s.lastPktTS
	expected := s.NextSeq == x.seq
	check := true
	if s.Flags&zeroTime != 0 { // the handshake had timestamp zero
		switch os {
		case PolicyLinux, PolicyWindows2K3:
			check = false
			if keep {
				x.ssn.Flags &^= timestamps
			}
		case PolicyOldLinux, PolicyWindows, PolicyVista:
			if keep {
				s.Flags &^= zeroTime
			}
			if expected {
				check = false
				if keep {
					s.lastTS = ts
				}
			}
		}
	}
	if os == PolicyHPUX11 && !expected {
		check = false
	}
	if ts == 0 {
		switch os {
		case PolicyOldLinux, PolicyWindows, PolicyWindows2K3, PolicyVista, PolicySolaris:
		default:
			return x.fail(decode.EvStreamPacketInvalidTimestamp)
		}
	}
	if !check {
		return true
	}
	now := x.second()
	diff := int32(ts - lastTS)
	if os == PolicyLinux || !x.t.cfg.StrictTime {
		diff++ // Linux accepts one less
	}
	if lastPkt == 0 && x.ssn.Flags&Midstream != 0 {
		lastPkt = now
		if keep {
			s.lastPktTS = now
		}
	}
	idle := now > lastPkt+paws
	if diff < 0 || lastTS != 0 && idle {
		if !expected || !idle {
			return x.fail(decode.EvStreamPacketInvalidTimestamp)
		}
		if keep {
			s.lastTS = ts
		}
	} else if keep && expected {
		s.lastTS = ts
	}
	if keep {
		s.lastPktTS = now
	}
	return true
}

// retransmits reports whether the data was sent before, and sets the event.
func (x *step) retransmits() bool {
	if x.n == 0 {
		return false
	}
	s, end := x.s, x.seq+x.n
	if lt(x.seq, s.LastAck) && gt(end, s.LastAck) || le(end, s.LastAck) || le(end, s.NextSeq) {
		x.event(decode.EvStreamPacketRetransmission)
		return true
	}
	return false
}

// spurious returns 2 when all data lies before what is kept, 1 when all of it was acknowledged, else 0.
func (x *step) spurious() int {
	if x.n == 0 {
		return 0
	}
	end := x.seq + x.n
	if x.s.Flags&NoReassembly == 0 && le(end, x.s.baseSeq) {
		x.out.Flags |= SpuriousRetransmission
		return 2
	}
	if le(end, x.s.LastAck) {
		x.out.Flags |= SpuriousRetransmission
		return 1
	}
	return 0
}

// isKeepAlive reports whether the packet asks for a sign of life (RFC 9293 section 3.8.4): one byte or none, before the
// next expected one.
func (x *step) isKeepAlive() bool {
	if x.n > 1 || x.has(control) || x.ack != x.r.LastAck || x.seq != x.s.NextSeq-1 {
		return false
	}
	x.s.Flags |= keepAlive
	x.out.Flags |= KeepAlive
	return true
}

func (x *step) isKeepAliveAck() bool {
	r := x.r
	if r.Flags&keepAlive == 0 || x.n > 0 || x.has(control) || x.window == 0 ||
		x.window<<r.WScale != r.Window || x.ack != r.LastAck || x.seq != x.s.NextSeq {
		return false
	}
	r.Flags &^= keepAlive
	x.out.Flags |= KeepAliveAck
	return true
}

// pureAck reports whether the packet is an ACK without data in an open session.
func (x *step) pureAck() bool {
	return x.ssn.State >= Established && x.n == 0 && x.fl&(control|decode.ACK) == decode.ACK
}

// isProbeAck reports whether the packet answers a zero window probe without taking its byte.
func (x *step) isProbeAck() bool {
	probe := probeTS
	if x.toServer() {
		probe = probeTC
	}
	return x.ssn.Flags&probe != 0 && x.pureAck() && x.window == 0 && x.r.Window == 0 && x.seq == x.s.NextSeq && x.ack == x.r.LastAck
}

func (x *step) isDupAck() bool {
	w := x.window << x.s.WScale
	return x.pureAck() && w != 0 && x.r.Window != 0 && w == x.r.Window && x.seq == x.s.NextSeq && x.ack == x.r.LastAck
}

func (x *step) isWindowUpdate() bool {
	if x.ssn.State < Established || x.n > 0 || x.has(control) || x.window == 0 || x.window<<x.r.WScale == x.r.Window ||
		x.ack != x.r.LastAck || x.seq != x.s.NextSeq {
		return false
	}
	x.out.Flags |= WindowUpdate
	return true
}

// isShutdownAck reports whether the packet is the last ACK of an orderly end.
func (x *step) isShutdownAck() bool {
	switch x.ssn.State {
	case TimeWait, CloseWait, LastAck:
		return x.fl == decode.ACK && x.n == 0 && x.seq == x.s.NextSeq+1 && x.ack == x.r.NextSeq+1
	}
	return false
}

// isBadWindowUpdate reports whether an unexpected packet shrinks the window so far that expected ones would be rejected:
// the window shrinks by more than the packet's data and by more than what it acknowledges, and both of its numbers lie
// ahead. After packet loss things look similar, hence the margin.
func (x *step) isBadWindowUpdate() bool {
	if x.ssn.State < Established || x.ssn.State == Closed || x.has(control) {
		return false
	}
	r := x.r
	w := x.window << r.WScale
	if w >= r.Window {
		return false
	}
	diff := r.Window - w
	if diff <= x.n || !gt(x.ack, r.NextSeq) || !gt(x.seq, x.s.NextSeq) {
		return false
	}
	margin := x.ack - r.LastAck
	if w > 1024 {
		margin += 32
	}
	if diff <= margin {
		return false
	}
	x.event(decode.EvStreamPacketBadWindowUpdate)
	return true
}

// isOutdatedAck reports whether later ACKs have told all that this one tells.
func (x *step) isOutdatedAck() bool {
	return x.pureAck() && x.seq == x.s.NextSeq && lt(x.ack, x.r.LastAck) &&
		(x.p.TCP.Opts&decode.OptSACK == 0 || x.oldSACK(x.r))
}

// afterReset looks whether somebody goes on after a RST to him: then it was probably forged.
func (x *step) afterReset() {
	if x.has(decode.RST) || x.r.Flags&rstSeen == 0 {
		return
	}
	x.r.Flags &^= rstSeen
	x.ssn.Flags &^= ClosedByRST
	x.event(decode.EvStreamSuspectedRSTInject)
}
