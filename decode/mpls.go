package decode

// mpls decodes a stack of MPLS labels (RFC 3032) and guesses what follows: the labels do not say.
func (s *Stack) mpls(p *Packet, b []byte) bool {
	s.Counts[CountMPLS]++
	if !s.enter(p) {
		return false
	}
	var label uint32
	for bottom := false; !bottom; {
		if len(b) < 4 {
			p.invalid(EvMPLSHeaderTooSmall)
			return false
		}
		shim := be32(b)
		b = b[4:]
		label = shim >> 12
		bottom = shim&0x100 != 0
	}
	p.Payload = b
	switch {
	case label == 0: // IPv4 explicit null
		return len(b) <= 65535 && s.ipv4(p, b)
	case label == 1: // router alert, not valid at the bottom
		p.Events.Set(EvMPLSBadLabelRouterAlert)
		return true
	case label == 2: // IPv6 explicit null
		return len(b) <= 65535 && s.ipv6(p, b)
	case label == 3: // implicit null, never on the wire
		p.Events.Set(EvMPLSBadLabelImplicitNull)
		return true
	case label < 15:
		p.Events.Set(EvMPLSBadLabelReserved)
		return true
	}
	if len(b) < 4 {
		p.invalid(EvMPLSPacketTooSmall)
		return false
	}
	switch b[0] >> 4 {
	case 4:
		if len(b) > 65535 {
			return false
		}
		s.ipv4(p, b)
	case 6:
		if len(b) > 65535 {
			return false
		}
		s.ipv6(p, b)
	case 0: // pseudowire control word, then Ethernet (RFC 4448)
		s.ethernet(p, b[4:])
	default:
		p.invalid(EvMPLSUnknownPayloadType)
	}
	return true
}
