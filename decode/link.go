package decode

// raw decodes a frame that begins with an IP header.
func (s *Stack) raw(p *Packet, b []byte) {
	s.Counts[CountRaw]++
	p.L2 = nil
	p.Payload = b
	if len(b) < ipv4Len {
		p.invalid(EvIPv4PacketTooSmall)
		return
	}
	if len(b) > 65535 {
		return
	}
	switch b[0] >> 4 {
	case 4:
		s.ipv4(p, b)
	case 6:
		s.ipv6(p, b)
	default:
		p.Events.Set(EvIprawInvalidIPVersion)
	}
}

// The values of AF_INET, which is the same everywhere, and of AF_INET6, which is not.
const (
	afInet        = 2
	afInet6Linux  = 10
	afInet6Win    = 23
	afInet6BSD    = 24
	afInet6Sol    = 26
	afInet6FreeBS = 28
	afInet6Darwin = 30
)

// null decodes the BSD loopback header: an address family in the byte order of the capturing host, which is taken for
// little-endian.
func (s *Stack) null(p *Packet, b []byte) {
	if len(b) < 4 {
		s.family(p, 0, b)
		return
	}
	s.family(p, uint32(b[0])|uint32(b[1])<<8|uint32(b[2])<<16|uint32(b[3])<<24, b)
}

// loop decodes the OpenBSD loopback header: an address family in network byte order.
func (s *Stack) loop(p *Packet, b []byte) {
	if len(b) < 4 {
		s.family(p, 0, b)
		return
	}
	s.family(p, be32(b), b)
}

func (s *Stack) family(p *Packet, af uint32, b []byte) {
	s.Counts[CountNull]++
	if len(b) < 4 {
		p.invalid(EvNullPacketTooSmall)
		return
	}
	b = b[4:]
	p.Payload = b
	if len(b) > 65535 {
		return
	}
	switch af {
	case afInet:
		s.ipv4(p, b)
	case afInet6Linux, afInet6Win, afInet6BSD, afInet6Sol, afInet6FreeBS, afInet6Darwin:
		s.ipv6(p, b)
	default:
		p.Events.Set(EvNullUnsupportedType)
	}
}

// chdlc decodes a Cisco HDLC header.
func (s *Stack) chdlc(p *Packet, b []byte) {
	const size = 4
	s.Counts[CountCHDLC]++
	if len(b) < size {
		p.invalid(EvCHDLCPacketTooSmall)
		return
	}
	if len(b) > size+65535 || !s.enter(p) {
		return
	}
	s.network(p, be16(b[2:4]), b[size:])
}

// nflog decodes the packet of a Linux netfilter log record: a header of four bytes, then attributes of length and type
// in the byte order of the capturing host, padded to four bytes. The packet is the attribute of type 9.
func (s *Stack) nflog(p *Packet, b []byte) {
	const payload = 9
	if len(b) >= 4 {
		for o := 4; len(b)-o >= 4; {
			n := int(uint16(b[o]) | uint16(b[o+1])<<8)
			typ := uint16(b[o+2]) | uint16(b[o+3])<<8
			if n < 4 || n > len(b)-o {
				break
			}
			if typ&0x7fff == payload {
				s.raw(p, b[o+4:o+n:o+n])
				return
			}
			o += (n + 3) &^ 3
		}
	}
	s.raw(p, nil)
}
