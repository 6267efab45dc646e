package decode

// icmpv4 decodes an ICMP message (RFC 792).
func (s *Stack) icmpv4(p *Packet, b []byte) {
	s.Counts[CountICMPv4]++
	if len(b) < 8 {
		p.invalid(EvICMPv4PacketTooSmall)
		p.Flags |= NoTransport
		return
	}
	p.Layers |= HasICMPv4
	p.Flags |= WantsFlow
	p.ICMPType, p.ICMPCode = b[0], b[1]
	p.ICMPID, p.ICMPSeq = 0, 0
	p.L4 = b
	hlen := 8
	maxCode := uint8(0)
	quotes := false
	known := true
	switch p.ICMPType {
	case 3: // destination unreachable
		maxCode, quotes = 15, true
	case 5: // redirect
		maxCode, quotes = 3, true
	case 11: // time exceeded
		maxCode, quotes = 1, true
	case 12: // parameter problem
		quotes = true
	case 4: // source quench; the only one that must quote
		if p.ICMPCode == 0 && len(b) == 8 {
			p.invalid(EvICMPv4IPv4TruncPacket)
		}
		quotes = true
	case 0, 8, 15, 16, 17, 18: // echo, information, address mask
		p.ICMPID, p.ICMPSeq = be16(b[4:6]), be16(b[6:8])
	case 13, 14: // timestamp
		p.ICMPID, p.ICMPSeq = be16(b[4:6]), be16(b[6:8])
		if len(b) < 8+12 {
			p.Events.Set(EvICMPv4IPv4TruncPacket)
		} else {
			hlen += 12
		}
	case 9: // router advertisement: number and size of addresses (RFC 1256)
		known = false
		n := int(b[4]) * int(b[5]) * 4
		if len(b) < 8+n {
			p.Events.Set(EvICMPv4IPv4TruncPacket)
		} else {
			hlen += n
		}
	default:
		known = false
		p.Events.Set(EvICMPv4UnknownType)
	}
	if known {
		if p.ICMPCode > maxCode {
			p.Events.Set(EvICMPv4UnknownCode)
		} else if quotes && len(b) > 8 {
			quotedIPv4(p, b[8:])
		}
	}
	p.Payload = b[hlen:]
}

// quotedIPv4 reads the head of the IPv4 packet that an ICMP error quotes.
func quotedIPv4(p *Packet, b []byte) {
	if len(b) < ipv4Len {
		p.invalid(EvICMPv4IPv4TruncPacket)
		return
	}
	if b[0]>>4 != 4 {
		p.invalid(EvICMPv4IPv4UnknownVer)
		return
	}
	p.Layers |= HasEmbedded
	p.InnerIPVersion = 4
	p.InnerProto = b[9]
	p.InnerSrc, p.InnerDst = Addr{}, Addr{}
	copy(p.InnerSrc[:4], b[12:16])
	copy(p.InnerDst[:4], b[16:20])
	hlen := max(int(b[0]&0x0f)<<2, ipv4Len)
	first := be16(b[6:8])&0x1fff == 0
	quotedPorts(p, b[min(hlen, len(b)):], first)
}

// quotedPorts reads the ports of a quoted TCP, UDP or SCTP header. Later fragments have none.
func quotedPorts(p *Packet, b []byte, first bool) {
	p.InnerSrcPort, p.InnerDstPort = 0, 0
	if !first || len(b) < 4 {
		return
	}
	switch p.InnerProto {
	case protoTCP, protoUDP, protoSCTP:
		p.InnerSrcPort, p.InnerDstPort = be16(b[0:2]), be16(b[2:4])
	}
}
