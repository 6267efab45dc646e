package decode

// vlan decodes an 802.1Q, 802.1ad or pre-standard QinQ tag.
func (s *Stack) vlan(p *Packet, b []byte) bool {
	if p.VLANCount < MaxVLAN {
		s.Counts[CountVLAN+Count(p.VLANCount)]++
	}
	if len(b) < 4 {
		p.invalid(EvVLANHeaderTooSmall)
		return false
	}
	if !s.enter(p) {
		return false
	}
	if p.VLANCount >= MaxVLAN {
		p.Events.Set(EvVLANTooManyLayers)
		return false
	}
	p.pushVLAN(be16(b))
	if !s.network(p, be16(b[2:4]), b[4:]) {
		p.invalid(EvVLANUnknownType)
		return false
	}
	return true
}

// pbb decodes the I-tag of a provider backbone bridge (802.1ah): flags and service id, the customer's addresses, and
// the type of what follows.
func (s *Stack) pbb(p *Packet, b []byte) bool {
	const size = 4 + 6 + 6 + 2
	s.Counts[CountIEEE8021ah]++
	if len(b) < size {
		p.invalid(EvIeee8021ahHeaderTooSmall)
		return false
	}
	if !s.enter(p) {
		return false
	}
	s.network(p, be16(b[16:18]), b[size:])
	return true
}

// etag decodes an 802.1BR tag.
func (s *Stack) etag(p *Packet, b []byte) bool {
	const size = 8
	s.Counts[CountETag]++
	if len(b) < size {
		p.invalid(EvETagHeaderTooSmall)
		return false
	}
	if !s.enter(p) {
		return false
	}
	if !s.network(p, be16(b[6:8]), b[size:]) {
		p.invalid(EvETagUnknownType)
		return false
	}
	return true
}

// vntag decodes an 802.1Qbh tag.
func (s *Stack) vntag(p *Packet, b []byte) bool {
	const size = 6
	s.Counts[CountVNTag]++
	if len(b) < size {
		p.invalid(EvVNTagHeaderTooSmall)
		return false
	}
	if !s.enter(p) {
		return false
	}
	if !s.network(p, be16(b[4:6]), b[size:]) {
		p.invalid(EvVNTagUnknownType)
		return false
	}
	return true
}
