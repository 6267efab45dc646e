package decode

// nsh decodes a network service header (RFC 8300).
func (s *Stack) nsh(p *Packet, b []byte) bool {
	s.Counts[CountNSH]++
	if len(b) < 8 {
		p.invalid(EvNSHHeaderTooSmall)
		return false
	}
	if !s.enter(p) {
		return false
	}
	head := be16(b[0:2])
	if head>>14 != 0 {
		p.Events.Set(EvNSHUnsupportedVersion)
		return true
	}
	n := int(head&0x3f) * 4
	if n >= len(b) {
		p.invalid(EvNSHBadHeaderLength)
		return false
	}
	switch b[2] {
	case 0, 15:
		p.Events.Set(EvNSHReservedType)
		return true
	case 1:
		if n != 24 {
			p.invalid(EvNSHBadHeaderLength)
			return false
		}
	case 2:
	default:
		p.Events.Set(EvNSHUnsupportedType)
		return true
	}
	data := b[n:]
	p.Payload = data
	switch b[3] {
	case 1:
		return len(data) <= 65535 && s.ipv4(p, data)
	case 2:
		return len(data) <= 65535 && s.ipv6(p, data)
	case 3:
		return s.ethernet(p, data)
	case 5:
		return s.mpls(p, data)
	}
	p.Events.Set(EvNSHUnknownPayload)
	return true
}
