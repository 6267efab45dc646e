package decode

// ipv4Len is the length of an IPv4 header without options.
const ipv4Len = 20

// The IP protocol numbers that are decoded (IANA).
const (
	protoHopByHop = 0
	protoICMP     = 1
	protoIGMP     = 2
	protoIPv4     = 4
	protoTCP      = 6
	protoUDP      = 17
	protoIPv6     = 41
	protoRouting  = 43
	protoFragment = 44
	protoGRE      = 47
	protoESP      = 50
	protoAH       = 51
	protoICMPv6   = 58
	protoNone     = 59
	protoDstOpts  = 60
	protoSCTP     = 132
	protoMobility = 135
	protoHIP      = 139
	protoShim6    = 140
)

// ipv4 decodes an IPv4 packet of at most 65,535 bytes (RFC 791). It returns false when the header is broken.
func (s *Stack) ipv4(p *Packet, b []byte) bool {
	s.Counts[CountIPv4]++
	p.Payload = nil
	if !s.enter(p) {
		return false
	}
	if len(b) < ipv4Len {
		p.invalid(EvIPv4PacketTooSmall)
		return false
	}
	if b[0]>>4 != 4 {
		p.invalid(EvIPv4WrongIPVersion)
		return false
	}
	hlen := int(b[0]&0x0f) << 2
	if hlen < ipv4Len {
		p.invalid(EvIPv4HeaderLenTooSmall)
		return false
	}
	total := int(be16(b[2:4]))
	if total < hlen {
		p.invalid(EvIPv4IplenSmallerThanHeaderLen)
		return false
	}
	if len(b) < total {
		p.invalid(EvIPv4TruncPacket)
		return false
	}
	if hlen > ipv4Len && !ipv4Options(p, b[ipv4Len:hlen]) {
		return false
	}
	p.Layers |= HasIPv4
	p.IPVersion = 4
	p.L3 = b[:total:total]
	p.LinkLen = uint16(min(max(len(p.Data)-len(b), 0), 0xffff))
	p.TOS = b[1]
	p.TTL = b[8]
	p.Proto = b[9]
	p.IPHeaderLen = uint16(hlen)
	p.IPID = uint32(be16(b[4:6]))
	p.Src, p.Dst = Addr{}, Addr{}
	copy(p.Src[:4], b[12:16])
	copy(p.Dst[:4], b[16:20])

	data := b[hlen:total:total]
	frag := be16(b[6:8])
	p.DontFrag = frag&0x4000 != 0
	if frag&0x3fff != 0 {
		p.MoreFrags = frag&0x2000 != 0
		p.FragOffset = frag & 0x1fff << 3
		p.Flags |= Fragment
		if p.FragOffset == 0 {
			p.L4 = data
		}
		return true
	}

	p.L4 = data
	switch p.Proto {
	case protoTCP:
		s.tcp(p, data)
	case protoUDP:
		s.udp(p, data)
	case protoICMP:
		s.icmpv4(p, data)
	case protoIPv6:
		if s.tunnel(p, data, innerIPv6, InIPv4) {
			s.Counts[CountIPv6InIPv4]++
		}
		p.Flags |= WantsFlow
	case protoIPv4:
		if s.tunnel(p, data, innerIPv4, InIPv4) {
			s.Counts[CountIPv4InIPv4]++
		}
		p.Flags |= WantsFlow
	case protoGRE:
		s.gre(p, data)
	case protoSCTP:
		s.sctp(p, data)
	case protoESP:
		s.esp(p, data)
	case protoIGMP:
		s.igmp(p, data)
	case 0:
		// The protocol field of a PPP frame with a Van Jacobson header is not IP's (RFC 1144).
		p.Payload = data
		if p.vjTCP {
			s.tcp(p, data)
		} else {
			p.Flags |= NoTransport
		}
	case protoICMPv6:
		p.invalid(EvIPv4ICMPv6)
		p.Flags |= NoTransport
	default:
		s.Counts[CountIPv4UnknownProto]++
		p.Events.Set(EvIPv4UnknownProtocol)
		p.Flags |= NoTransport
	}
	return true
}
