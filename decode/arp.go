package decode

// arp checks an ARP packet for IPv4 over Ethernet (RFC 826).
func (s *Stack) arp(p *Packet, b []byte) bool {
	s.Counts[CountARP]++
	if len(b) < 8 {
		p.invalid(EvARPPacketTooSmall)
		return false
	}
	if !s.enter(p) {
		return false
	}
	op := be16(b[6:8])
	bad := EventCount
	switch {
	case be16(b[0:2]) != 1:
		bad = EvARPUnsupportedHardware
	case be16(b[2:4]) != etherIPv4:
		bad = EvARPUnsupportedProtocol
	case len(b) < 28:
		bad = EvARPInvalidPacket
	case b[4] != 6:
		bad = EvARPInvalidHardwareSize
	case b[5] != 4:
		bad = EvARPInvalidProtocolSize
	case op < 1 || op > 4:
		bad = EvARPUnsupportedOpcode
	}
	if bad != EventCount {
		p.invalid(bad)
		return false
	}
	p.Layers |= HasARP
	p.arp = b[:28:28]
	return true
}

// ARP returns the ARP packet, 28 bytes of IPv4 over Ethernet. It is valid with HasARP.
func (p *Packet) ARP() []byte { return p.arp }
