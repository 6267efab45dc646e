package tcp

import "sentinel/decode"

// synRecv handles a packet behind the SYN/ACK.
func (x *step) synRecv() bool {
	ssn := x.ssn
	c, s := &ssn.Stream[0], &ssn.Stream[1]
	switch {
	case x.has(decode.RST):
		if !x.validReset() {
			return false
		}
		// Some systems take a RST for a stray packet after an ACK with a wrong number, and the session lives on.
		if ssn.Flags&evasion != 0 {
			switch x.r.Policy {
			case PolicyLinux, PolicyOldLinux, PolicySolaris:
				return true
			}
		}
		x.closeByReset()
		x.keepTime()
	case x.has(decode.FIN):
		return x.validTime() && x.fin()
	case x.fl&(decode.SYN|decode.ACK) == decode.SYN|decode.ACK:
		if x.toServer() {
			return x.fail(decode.EvStream3WHSSYNACKToserverOnSYNRecv)
		}
		if x.ack != c.LastAck {
			return x.fail(decode.EvStream3WHSSYNACKResendWithDiffACK)
		}
		if x.seq != s.ISN {
			return x.keepSynAck()
		}
	case x.has(decode.SYN):
		if !x.toServer() {
			return x.fail(decode.EvStream3WHSSYNToclientOnSYNRecv)
		}
		if x.seq != c.ISN {
			return x.fail(decode.EvStream3WHSSYNResendDiffSeqOnSYNRecv)
		}
	case x.has(decode.ACK):
		return x.handshakeAck()
	}
	return true
}

// handshakeAck handles an ACK behind the SYN/ACK: usually the client's, which completes the handshake.
func (x *step) handshakeAck() bool {
	t, ssn := x.t, x.ssn
	c, s := &ssn.Stream[0], &ssn.Stream[1]
	if ssn.queueLen != 0 {
		if q := x.findSynAck(); q != nil {
			x.synAck(q)
		}
	}
	if !x.validTime() {
		return false
	}
	if ssn.Flags&fourWay != 0 && !x.toServer() {
		if x.seq != s.NextSeq {
			return x.fail(decode.EvStream4WHSWrongSeq)
		}
		if !x.validAck(c) {
			return x.fail(decode.EvStream4WHSInvalidACK)
		}
		x.keepTime()
		x.acked(c, x.ack)
		x.expect(s, s.NextSeq+x.n)
		c.Window = x.window << c.WScale
		c.NextWin = c.LastAck + c.Window
		x.setState(Established)
		x.reassemble(1)
		return true
	}
	missed := false // the client's ACK was lost on its way to us
	if !x.toServer() && ssn.Flags&(midstreamSynAck|FastOpen) == 0 {
		// Inline nothing is lost: the sender would send it again. It may be an injected packet.
		if t.cfg.Inline {
			if x.n > 0 && x.ack == c.LastAck && x.seq == s.NextSeq {
				return x.fail(decode.EvStream3WHSACKDataInject)
			}
			return x.fail(decode.EvStream3WHSACKInWrongDir)
		}
		missed = true
	}
	largest := func() {
		s.WScale, c.WScale = maxWScale, maxWScale
		ssn.Flags |= SACK
	}
	switch {
	case x.seq == c.NextSeq && x.ack == s.NextSeq:
		x.keepTime()
		x.acked(s, x.ack)
		x.expect(c, c.NextSeq+x.n)
		s.Window = x.window << s.WScale
		s.NextWin = s.LastAck + s.Window
		if ssn.Flags&Midstream != 0 {
			c.Window = x.window << c.WScale
			c.NextWin = c.LastAck + c.Window
			s.NextWin = s.LastAck + s.Window
			if ssn.Flags&midstreamSynAck == 0 {
				largest()
			}
		}
		x.setState(Established)
		if x.n > 0 {
			x.out.FlowEstablished = true
		}
		x.reassemble(0)
	case t.cfg.AsyncOne && x.seq == s.NextSeq:
		x.markAsync()
		s.NextSeq += x.n
		s.LastAck = x.seq
		c.Window = x.window << c.WScale
		c.LastAck = x.ack
		x.keepTime()
		if ssn.Flags&Midstream != 0 {
			s.Window = x.window
			s.NextWin = s.LastAck + s.Window
			largest()
		}
		x.setState(Established)
		x.reassemble(1)
	case x.seq == c.NextSeq:
		ssn.Flags |= evasion
		return x.fail(decode.EvStream3WHSRightSeqWrongACKEvasion)
	case !x.toServer() && !t.cfg.Inline && gt(x.seq, c.NextSeq) && gt(x.ack, c.LastAck):
		// More from the server, and packets of the client were lost.
		x.keepTime()
		x.acked(c, x.ack)
		s.NextSeq = x.seq + x.n
		c.Window = x.window << c.WScale
		c.NextWin = c.LastAck + c.Window
		c.Window = x.window
		s.NextWin = s.LastAck + s.Window
		x.setState(Established)
		x.reassemble(1)
	case gt(x.seq, c.NextSeq) && le(x.seq, c.NextWin) && x.ack == s.NextSeq:
		// In the window, and packets before it were lost.
		x.keepTime()
		c.NextSeq = x.seq + x.n
		x.acked(s, x.ack)
		s.Window = x.window << s.WScale
		s.NextWin = s.LastAck + s.Window
		if ssn.Flags&Midstream != 0 {
			c.Window = x.window
			s.NextWin = s.LastAck + s.Window
			largest()
		}
		x.setState(Established)
		x.reassemble(0)
	case (missed || ssn.Flags&FastOpen != 0) && x.ack == c.LastAck && x.seq == s.NextSeq:
		x.expect(s, x.seq+x.n)
		s.Window = x.window << s.WScale
		s.NextWin = s.LastAck + s.Window
		x.setState(Established)
		x.reassemble(1)
	default:
		return x.fail(decode.EvStream3WHSWrongSeqWrongACK)
	}
	return true
}
