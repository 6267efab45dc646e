package decode

// ethernetLen is the length of an Ethernet II header.
const ethernetLen = 14

// The EtherTypes that are decoded (IEEE 802 numbers registry).
const (
	etherIPv4    = 0x0800
	etherARP     = 0x0806
	etherBridge  = 0x6558 // transparent Ethernet bridging
	etherVLAN    = 0x8100
	etherIPv6    = 0x86dd
	etherMPLS    = 0x8847
	etherMPLSm   = 0x8848
	etherPPPoED  = 0x8863
	etherPPPoES  = 0x8864
	etherPPP     = 0x880b
	etherQinQ    = 0x88a8
	etherERSPAN  = 0x88be
	etherPBB     = 0x88e7 // 802.1ah
	etherDCE     = 0x8903 // Cisco FabricPath
	etherVNTag   = 0x8926
	etherETag    = 0x893f
	etherNSH     = 0x894f
	etherOldQinQ = 0x9100
)

// be16 reads a 16-bit number in network byte order. The caller has checked the length.
func be16(b []byte) uint16 { return uint16(b[1]) | uint16(b[0])<<8 }

// be32 reads a 32-bit number in network byte order. The caller has checked the length.
func be32(b []byte) uint32 {
	return uint32(b[3]) | uint32(b[2])<<8 | uint32(b[1])<<16 | uint32(b[0])<<24
}

func (s *Stack) ethernet(p *Packet, b []byte) bool {
	s.Counts[CountEthernet]++
	if len(b) < ethernetLen {
		p.invalid(EvEthernetPacketTooSmall)
		return false
	}
	if !s.enter(p) {
		return false
	}
	p.Layers |= HasEthernet
	p.DstMAC = [6]byte(b[0:6])
	p.SrcMAC = [6]byte(b[6:12])
	s.network(p, be16(b[12:14]), b[ethernetLen:])
	return true
}

// network decodes what follows a link-layer header by its EtherType and reports whether the type is known.
func (s *Stack) network(p *Packet, etherType uint16, b []byte) bool {
	p.EtherType = etherType
	if etherType == etherIPv4 {
		s.ipv4(p, clip(b))
		return true
	}
	if etherType == etherIPv6 {
		s.ipv6(p, clip(b))
		return true
	}
	p.Payload = b
	switch etherType {
	case etherVLAN, etherQinQ, etherOldQinQ:
		if p.VLANCount >= MaxVLAN {
			p.Events.Set(EvVLANTooManyLayers)
		} else {
			s.vlan(p, b)
		}
	case etherARP:
		s.arp(p, b)
	case etherPPPoES:
		s.pppoeSession(p, b)
	case etherPPPoED:
		s.pppoeDiscovery(p, b)
	case etherPBB:
		s.pbb(p, b)
	case etherMPLS, etherMPLSm:
		s.mpls(p, b)
	case etherDCE:
		// FabricPath's header is Ethernet and two bytes of tag; the customer's Ethernet header follows.
		if len(b) < ethernetLen+2 {
			p.invalid(EvDCEPacketTooSmall)
		} else {
			s.ethernet(p, b[2:])
		}
	case etherETag:
		s.etag(p, b)
	case etherVNTag:
		s.vntag(p, b)
	case etherNSH:
		s.nsh(p, b)
	default:
		s.Counts[CountUnknownEtherType]++
		p.Events.Set(EvEthernetUnknownEthertype)
		return false
	}
	return true
}
