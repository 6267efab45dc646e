package decode

// udp decodes a UDP header (RFC 768) and looks for tunnels in it.
func (s *Stack) udp(p *Packet, b []byte) {
	s.Counts[CountUDP]++
	if len(b) < 8 {
		p.invalid(EvUDPHeaderLenTooSmall)
		p.Flags |= NoTransport
		return
	}
	n := int(be16(b[4:6]))
	if len(b) < n {
		p.invalid(EvUDPPacketTooSmall)
		p.Flags |= NoTransport
		return
	}
	if n < 8 {
		p.invalid(EvUDPLenInvalid)
		p.Flags |= NoTransport
		return
	}
	p.Layers |= HasUDP
	p.Flags |= WantsFlow
	p.Proto = protoUDP
	p.SrcPort = be16(b[0:2])
	p.DstPort = be16(b[2:4])
	p.L4 = b
	data := b[8:n:n]
	p.Payload = data

	if len(data) >= ipv6Len && (s.teredoAny || s.teredo.has(p.SrcPort) || s.teredo.has(p.DstPort)) &&
		(data[0]>>4 == 6 || data[0] == 0) && s.teredoTunnel(p, data) {
		return
	}
	if (s.geneve.has(p.SrcPort) || s.geneve.has(p.DstPort)) && s.geneveTunnel(p, data) {
		return
	}
	if s.vxlan.has(p.DstPort) {
		s.vxlanTunnel(p, data)
	}
}

// teredoTunnel decodes IPv6 in UDP (RFC 4380), with at most an origin indication before it, and reports whether it was
// that. Nothing but the form of the inner packet tells Teredo from other UDP. data has room for an IPv6 header.
func (s *Stack) teredoTunnel(p *Packet, data []byte) bool {
	if data[0] == 0 {
		if data[1] != 0 || len(data) < 8+ipv6Len {
			return false
		}
		data = data[8:]
	}
	if data[0]>>4 != 6 || data[7] == 0 {
		return false
	}
	n := int(be16(data[4:6]))
	if data[6] == protoHopByHop && n < 8 || len(data) != ipv6Len+n {
		return false
	}
	if !s.tunnel(p, data, innerTeredo, InTeredo) {
		return false
	}
	s.Counts[CountTeredo]++
	return true
}

// geneveTunnel decodes Geneve (RFC 8926) and reports whether it was that.
func (s *Stack) geneveTunnel(p *Packet, b []byte) bool {
	if len(b) < 8 || !s.enter(p) {
		return false
	}
	hlen := 8 + int(b[0]&0x3f)*4
	if len(b) < hlen || b[0]>>6 != 0 || b[1]&0x3f != 0 || b[7] != 0 {
		return false
	}
	// The options must fill the header exactly.
	for o := b[8:hlen]; len(o) > 0; {
		n := 4 + int(o[3]&0x1f)*4
		if n > len(o) {
			return false
		}
		o = o[n:]
	}
	s.Counts[CountGeneve]++
	switch be16(b[2:4]) {
	case etherIPv4:
		s.tunnel(p, b[hlen:], innerIPv4, InGeneve)
	case etherIPv6:
		s.tunnel(p, b[hlen:], innerIPv6, InGeneve)
	case etherBridge:
		s.tunnel(p, b[hlen:], innerEthernet, InGeneve)
	case etherARP:
	default:
		p.invalid(EvGeneveUnknownPayloadType)
	}
	return true
}

// vxlanTunnel decodes VXLAN (RFC 7348) and reports whether it was that.
func (s *Stack) vxlanTunnel(p *Packet, b []byte) bool {
	if len(b) < 8+ethernetLen || !s.enter(p) {
		return false
	}
	if b[0]&0x08 == 0 {
		return false
	}
	if s.vxlanStrict && (b[0] != 0x08 || b[1]|b[2]|b[3]|b[7] != 0) {
		return false
	}
	s.Counts[CountVXLAN]++
	b = b[8:]
	switch be16(b[12:14]) {
	case etherARP, etherIPv4, etherIPv6, etherVLAN, etherQinQ, etherOldQinQ:
		s.tunnel(p, b, innerEthernet, InVXLAN)
	default:
		p.invalid(EvVXLANUnknownPayloadType)
	}
	return true
}
