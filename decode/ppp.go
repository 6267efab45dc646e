package decode

// The PPP protocols that are told apart (IANA PPP numbers).
const (
	pppIPv4 = 0x0021
	pppVJU  = 0x002f // Van Jacobson, uncompressed TCP/IP (RFC 1144)
	pppIPv6 = 0x0057
)

// pppKind sorts PPP protocols.
type pppKind uint8

const (
	pppWrong       pppKind = iota // not a protocol we know of
	pppControl                    // negotiation; nothing to look into
	pppUnsupported                // known, not decoded
	pppNetwork
)

func pppSort(proto uint16) pppKind {
	switch proto {
	case pppIPv4, pppIPv6, pppVJU:
		return pppNetwork
	case 0x8021, 0x8057, 0xc021, 0xc023, 0xc223, 0x80fd, 0xc025, 0xc029, 0x00fd, 0x8207:
		return pppControl
	case 0x0023, 0x0025, 0x0027, 0x0029, 0x002b, 0x002d, 0x0031, 0x0033, 0x0035, 0x0201, 0x0231, 0x0233, 0x0281, 0x0283,
		0x8023, 0x8025, 0x8027, 0x8029, 0x802b, 0x8033, 0x8035, 0x8281:
		return pppUnsupported
	}
	return pppWrong
}

// ppp decodes a PPP frame (RFC 1662), with or without address and control bytes, with a protocol field of one or two
// bytes.
func (s *Stack) ppp(p *Packet, b []byte) bool {
	s.Counts[CountPPP]++
	if len(b) < 1 {
		p.invalid(EvPPPPacketTooSmall)
		return false
	}
	at := 0
	if b[0] == 0xff {
		at = 2
		if len(b) < 3 {
			p.invalid(EvPPPPacketTooSmall)
			return false
		}
	}
	size := 2
	if b[at]&1 != 0 {
		size = 1
	}
	if len(b) < at+size {
		p.invalid(EvPPPPacketTooSmall)
		return false
	}
	if !s.enter(p) {
		return false
	}
	data := b[at+size:]
	p.Payload = data
	if size == 1 {
		return s.pppCompressed(p, b[at], data)
	}
	proto := be16(b[at : at+2])
	switch pppSort(proto) {
	case pppControl:
		return true
	case pppUnsupported:
		p.Events.Set(EvPPPUnsupProto)
		return true
	case pppWrong:
		p.invalid(EvPPPWrongType)
		return true
	}
	return s.pppIP(p, proto, data)
}

// pppCompressed decodes behind a protocol field of one byte.
func (s *Stack) pppCompressed(p *Packet, proto uint8, b []byte) bool {
	switch proto {
	case pppIPv4:
		if len(b) < ipv4Len {
			p.invalid(EvPPPVjuPacketTooSmall)
			return false
		}
		return s.ipv4(p, clip(b))
	case pppIPv6:
		return s.pppIP(p, pppIPv6, clip(b))
	case pppVJU:
		p.vjTCP = true
		ok := s.pppIP(p, pppVJU, b)
		p.vjTCP = false
		return ok
	}
	p.Events.Set(EvPPPUnsupProto)
	return true
}

// pppIP decodes the IP packet in a PPP frame.
func (s *Stack) pppIP(p *Packet, proto uint16, b []byte) bool {
	small, least := EvPPPIp4PacketTooSmall, ipv4Len
	switch proto {
	case pppVJU:
		small = EvPPPVjuPacketTooSmall
	case pppIPv6:
		small, least = EvPPPIp6PacketTooSmall, ipv6Len
	}
	if len(b) < least {
		p.invalid(small)
		return false
	}
	if len(b) > 65535 {
		return false
	}
	switch proto {
	case pppIPv6:
		return s.ipv6(p, b)
	case pppVJU:
		if b[0]>>4 != 4 {
			return false
		}
	}
	return s.ipv4(p, b)
}

// pppoeDiscovery checks a PPPoE discovery packet (RFC 2516).
func (s *Stack) pppoeDiscovery(p *Packet, b []byte) {
	s.Counts[CountPPPoE]++
	if len(b) < 6 {
		p.invalid(EvPPPoEPacketTooSmall)
		return
	}
	switch b[1] {
	case 0x09, 0x07, 0x19, 0x65, 0xa7: // PADI PADO PADR PADS PADT
	default:
		p.invalid(EvPPPoEWrongCode)
		return
	}
	if int(be16(b[4:6])) > len(b)-6 {
		p.invalid(EvPPPoEMalformedTags)
	}
}

// pppoeSession decodes a PPPoE session packet: PPP without address and control bytes.
func (s *Stack) pppoeSession(p *Packet, b []byte) {
	s.Counts[CountPPPoE]++
	if len(b) < 7 {
		p.invalid(EvPPPoEPacketTooSmall)
		return
	}
	if be16(b[4:6]) == 0 {
		return
	}
	// RFC 1661, 2: an odd first byte is the whole protocol field.
	proto, data := uint16(b[6]), b[7:]
	if proto&1 == 0 {
		if len(b) < 8 {
			p.invalid(EvPPPoEPacketTooSmall)
			return
		}
		proto, data = be16(b[6:8]), b[8:]
	}
	p.Payload = data
	switch pppSort(proto) {
	case pppNetwork:
		s.pppIP(p, proto, data)
	case pppUnsupported:
		p.Events.Set(EvPPPUnsupProto)
	case pppWrong:
		p.invalid(EvPPPWrongType)
	}
}
