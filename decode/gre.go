package decode

// The bits of the first byte of a GRE header (RFC 1701, RFC 2637).
const (
	greChecksum = 0x80
	greRouting  = 0x40
	greKey      = 0x20
	greSequence = 0x10
	greStrict   = 0x08
	greRecur    = 0x07

	greFlags1 = 0x78 // of the second byte: must be zero
	greAck    = 0x80 // of the second byte, version 1
)

// gre decodes GRE, versions 0 and 1 (PPTP). Headers that it turns away leave the packet without an inner one.
func (s *Stack) gre(p *Packet, b []byte) {
	s.Counts[CountGRE]++
	if len(b) < 4 {
		p.invalid(EvGREPacketTooSmall)
		return
	}
	if !s.enter(p) {
		return
	}
	p.Layers |= HasGRE
	proto := be16(b[2:4])
	hlen := 0
	switch b[1] & 0x07 {
	case 0:
		hlen = greVersion0(p, b)
	case 1:
		hlen = greVersion1(p, b, proto)
	default:
		p.invalid(EvGREWrongVersion)
	}
	if hlen == 0 {
		return
	}
	data := b[hlen:]
	switch proto {
	case etherIPv4:
		s.tunnel(p, data, innerIPv4, InGRE)
	case etherIPv6:
		s.tunnel(p, data, innerIPv6, InGRE)
	case etherPPP:
		// RFC 2637, 4.1: a packet without payload only acknowledges.
		if b[1]&0x07 == 1 && be16(b[4:6]) == 0 {
			return
		}
		s.tunnel(p, data, innerPPP, InGRE)
	case etherVLAN:
		s.tunnel(p, data, innerVLAN, InGRE)
	case etherERSPAN:
		// Type I has no ERSPAN header and no sequence number.
		if b[0]&greSequence == 0 {
			s.tunnel(p, data, innerERSPAN1, InERSPAN)
		} else {
			s.tunnel(p, data, innerERSPAN2, InERSPAN)
		}
	case etherBridge:
		s.tunnel(p, data, innerEthernet, InGRE)
	case etherARP:
		s.tunnel(p, data, innerARP, InGRE)
	}
}

// greVersion0 returns the length of a version 0 header, 0 when it is broken.
func greVersion0(p *Packet, b []byte) int {
	if b[0]&greRecur != 0 {
		p.invalid(EvGREVersion0Recur)
		return 0
	}
	if b[1]&greFlags1 != 0 {
		p.invalid(EvGREVersion0Flags)
		return 0
	}
	n := 4
	if b[0]&greKey != 0 {
		n += 4
	}
	if b[0]&greSequence != 0 {
		n += 4
	}
	if b[0]&(greChecksum|greRouting) != 0 {
		n += 4
	}
	if n > len(b) {
		p.invalid(EvGREVersion0HeaderTooBig)
		return 0
	}
	if b[0]&greRouting == 0 {
		return n
	}
	// Source route entries, each of at least four bytes, end with an empty one.
	for {
		if len(b)-n < 4 {
			p.invalid(EvGREVersion0MalformedSreHeader)
			return 0
		}
		af, size := be16(b[n:n+2]), int(b[n+3])
		n += 4
		if af == 0 && size == 0 {
			return n
		}
		n += size
		if n > len(b) {
			p.invalid(EvGREVersion0MalformedSreHeader)
			return 0
		}
	}
}

// greVersion1 returns the length of a version 1 header, 0 when it is broken.
func greVersion1(p *Packet, b []byte, proto uint16) int {
	bad := EventCount
	switch {
	case b[0]&greChecksum != 0:
		bad = EvGREVersion1Chksum
	case b[0]&greRouting != 0:
		bad = EvGREVersion1Route
	case b[0]&greStrict != 0:
		bad = EvGREVersion1Ssr
	case b[0]&greRecur != 0:
		bad = EvGREVersion1Recur
	case b[1]&greFlags1 != 0:
		bad = EvGREVersion1Flags
	case proto != etherPPP:
		bad = EvGREVersion1WrongProtocol
	case b[0]&greKey == 0:
		bad = EvGREVersion1NoKey
	}
	if bad != EventCount {
		p.invalid(bad)
		return 0
	}
	n := 8
	if b[0]&greSequence != 0 {
		n += 4
	}
	if b[1]&greAck != 0 {
		n += 4
	}
	if n > len(b) {
		p.invalid(EvGREVersion1HeaderTooBig)
		return 0
	}
	return n
}

// erspan1 decodes ERSPAN type I: Ethernet right behind GRE.
func (s *Stack) erspan1(p *Packet, b []byte) bool {
	s.Counts[CountERSPAN]++
	p.L2 = b
	return s.ethernet(p, b)
}

// erspan2 decodes ERSPAN type II (draft-foschiano-erspan).
func (s *Stack) erspan2(p *Packet, b []byte) bool {
	const size = 8
	s.Counts[CountERSPAN]++
	if len(b) < size {
		p.Events.Set(EvERSPANHeaderTooSmall)
		return false
	}
	if !s.enter(p) {
		return false
	}
	head := be16(b[0:2])
	if head>>12 != 1 {
		p.Events.Set(EvERSPANUnsupportedVersion)
		return false
	}
	if id := head & 0x0fff; id != 0 {
		p.pushVLAN(id)
	}
	p.L2 = b[size:]
	return s.ethernet(p, b[size:])
}
