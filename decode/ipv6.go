package decode

// ipv6Len is the length of an IPv6 header without extensions.
const ipv6Len = 40

// ipv6 decodes an IPv6 packet of at most 65,535 bytes (RFC 8200). It returns false when the header is broken.
func (s *Stack) ipv6(p *Packet, b []byte) bool {
	s.Counts[CountIPv6]++
	p.Payload = nil
	if !s.enter(p) {
		return false
	}
	if len(b) < ipv6Len {
		p.invalid(EvIPv6PacketTooSmall)
		return false
	}
	if b[0]>>4 != 6 {
		p.invalid(EvIPv6WrongIPVersion)
		return false
	}
	total := ipv6Len + int(be16(b[4:6]))
	if len(b) < total {
		p.invalid(EvIPv6TruncPacket)
		return false
	}
	p.Layers |= HasIPv6
	p.IPVersion = 6
	p.L3 = b[:total:total]
	p.LinkLen = uint16(min(max(len(p.Data)-len(b), 0), 0xffff))
	p.TOS = b[0]<<4 | b[1]>>4
	p.TTL = b[7]
	p.Proto = b[6]
	p.IPHeaderLen = ipv6Len
	p.IPID = 0
	p.DontFrag = false
	p.Src = Addr(b[8:24])
	p.Dst = Addr(b[24:40])

	data := b[ipv6Len:total:total]
	p.L4 = data
	switch p.Proto {
	case protoTCP:
		s.tcp(p, data)
	case protoUDP:
		s.udp(p, data)
	case protoICMPv6:
		s.icmpv6(p, data)
	case protoSCTP:
		s.sctp(p, data)
	case protoIPv4:
		s.ipv4InIPv6(p, data)
	case protoIPv6:
		s.ipv6InIPv6(p, data)
	case protoGRE:
		s.gre(p, data)
	case protoFragment, protoHopByHop, protoRouting, protoNone, protoDstOpts, protoAH, protoESP, protoMobility, protoHIP, protoShim6:
		s.ipv6Extensions(p, data)
	case protoICMP:
		p.Events.Set(EvIPv6ICMPv4)
		p.Flags |= NoTransport
		p.Proto = 0
	default:
		p.Events.Set(EvIPv6UnknownNextHeader)
		p.Flags |= NoTransport
	}
	return true
}

func (s *Stack) ipv4InIPv6(p *Packet, b []byte) {
	if len(b) < ipv4Len {
		p.invalid(EvIPv6IPv4InIPv6TooSmall)
		return
	}
	if b[0]>>4 != 4 {
		p.invalid(EvIPv6IPv4InIPv6WrongVersion)
		return
	}
	if s.tunnel(p, b, innerIPv4, InIPv6) {
		s.Counts[CountIPv4InIPv6]++
	}
	p.Flags |= WantsFlow
}

func (s *Stack) ipv6InIPv6(p *Packet, b []byte) {
	if len(b) < ipv6Len {
		p.invalid(EvIPv6IPv6InIPv6TooSmall)
		return
	}
	if b[0]>>4 != 6 {
		p.invalid(EvIPv6IPv6InIPv6WrongVersion)
		return
	}
	if s.tunnel(p, b, innerIPv6, InIPv6) {
		s.Counts[CountIPv6InIPv6]++
	}
	p.Flags |= WantsFlow
}
