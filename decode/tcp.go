package decode

// The TCP option kinds (IANA TCP parameters).
const (
	tcpOptEOL    = 0
	tcpOptNOP    = 1
	tcpOptMSS    = 2
	tcpOptWScale = 3
	tcpOptSACKOK = 4
	tcpOptSACK   = 5
	tcpOptTS     = 8
	tcpOptMD5    = 19
	tcpOptAO     = 29
	tcpOptTFO    = 34
	tcpOptExp1   = 253
	tcpOptExp2   = 254
)

// maxWScale is the largest window scale (RFC 7323, 2.3).
const maxWScale = 14

// tcp decodes a TCP header (RFC 9293).
func (s *Stack) tcp(p *Packet, b []byte) {
	s.Counts[CountTCP]++
	if len(b) < 20 {
		p.invalid(EvTCPPacketTooSmall)
		p.Flags |= NoTransport
		return
	}
	hlen := int(b[12]>>4) << 2
	if len(b) < hlen {
		p.invalid(EvTCPHeaderLenTooSmall)
		p.Flags |= NoTransport
		return
	}
	if hlen < 20 {
		p.invalid(EvTCPInvalidOptlen)
		p.Flags |= NoTransport
		return
	}
	p.Layers |= HasTCP
	p.Flags |= WantsFlow
	p.Proto = protoTCP
	p.SrcPort = be16(b[0:2])
	p.DstPort = be16(b[2:4])
	t := &p.TCP
	t.Seq = be32(b[4:8])
	t.Ack = be32(b[8:12])
	t.HeaderLen = uint8(hlen)
	f := TCPFlags(b[13])
	t.Flags = f
	t.Window = be16(b[14:16])
	t.Urgent = be16(b[18:20])
	t.Opts = 0
	p.L4 = b
	p.Payload = b[hlen:]
	if hlen > 20 {
		o := b[20:hlen]
		// Nearly every data segment carries NOP, NOP, timestamp, and nothing else (RFC 7323, appendix A).
		if len(o) == 12 && be32(o) == 0x0101080a {
			t.Opts = OptTimestamp
			t.TSVal, t.TSEcr = be32(o[4:8]), be32(o[8:12])
		} else {
			tcpOptions(p, o)
		}
	}
	if f&(SYN|RST|URG) != 0 {
		s.countTCP(f)
	}
}

func (s *Stack) countTCP(f TCPFlags) {
	switch f & (SYN | ACK) {
	case SYN | ACK:
		s.Counts[CountTCPSynAck]++
	case SYN:
		s.Counts[CountTCPSyn]++
	}
	if f&RST != 0 {
		s.Counts[CountTCPRst]++
	}
	if f&URG != 0 {
		s.Counts[CountTCPUrg]++
	}
}

// tcpOptions walks the options behind the fixed header.
func tcpOptions(p *Packet, b []byte) {
	t := &p.TCP
	full := len(b)
	for len(b) > 0 {
		kind := b[0]
		if kind == tcpOptEOL {
			return
		}
		if kind == tcpOptNOP {
			b = b[1:]
			continue
		}
		if len(b) < 2 {
			return
		}
		n := int(b[1])
		if n < 2 || n > len(b) {
			p.invalid(EvTCPOptInvalidLen)
			return
		}
		var bit TCPOptSet
		ok := true
		switch kind {
		case tcpOptMSS:
			bit, ok = OptMSS, n == 4
			if ok && t.Opts&bit == 0 {
				t.MSS = be16(b[2:4])
			}
		case tcpOptWScale:
			bit, ok = OptWScale, n == 3
			if ok && t.Opts&bit == 0 {
				t.WScale = 0
				if b[2] <= maxWScale {
					t.WScale = b[2]
				}
			}
		case tcpOptSACKOK:
			bit, ok = OptSACKPermitted, n == 2
		case tcpOptTS:
			bit, ok = OptTimestamp, n == 10
			if ok && t.Opts&bit == 0 {
				t.TSVal, t.TSEcr = be32(b[2:6]), be32(b[6:10])
			}
		case tcpOptSACK:
			// An empty block list is useless but common.
			if n > 2 {
				bit, ok = OptSACK, n >= 10 && n <= 34 && (n-2)%8 == 0
				if ok && t.Opts&bit == 0 {
					t.SACKCount = uint8((n - 2) / 8)
					t.SACKOff = uint8(20 + full - len(b) + 2)
				}
			}
		case tcpOptTFO:
			bit, ok = OptFastOpen, n == 2 || n >= 4 && n <= 18 && n%2 == 0
		case tcpOptExp1, tcpOptExp2:
			// RFC 7413, 4.1.1: fast open began as an experimental option with this magic.
			ok = n == 4 || n == 12
			if ok && be16(b[2:4]) == 0xf989 {
				bit = OptFastOpen
			}
		case tcpOptMD5:
			if n == 18 {
				t.Opts |= OptMD5
			} else {
				p.invalid(EvTCPOptInvalidLen)
			}
		case tcpOptAO:
			if n >= 4 {
				t.Opts |= OptAO
			} else {
				p.invalid(EvTCPOptInvalidLen)
			}
		}
		switch {
		case !ok:
			p.Events.Set(EvTCPOptInvalidLen)
		case bit&t.Opts != 0:
			p.Events.Set(EvTCPOptDuplicate)
		default:
			t.Opts |= bit
		}
		b = b[n:]
	}
}
