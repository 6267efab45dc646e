package decode

// The IGMP types whose form is checked.
const (
	igmpQuery    = 0x11
	igmpReportV3 = 0x22
)

// igmp checks an IGMP message (RFC 3376). A query of at least twelve bytes is one of version 3.
func (s *Stack) igmp(p *Packet, b []byte) {
	s.Counts[CountIGMP]++
	if len(b) < 8 {
		p.invalid(EvIGMPPacketTooSmall)
		p.Flags |= NoTransport
		return
	}
	p.Layers |= HasIGMP
	p.L4 = b
	n := 8
	switch {
	case b[0] == igmpQuery && len(b) >= 12:
		sources := int(be16(b[10:12]))
		n = 12 + sources*4
		// What fits behind an IP header with a router alert option.
		if sources > (65535-24-12)/4 {
			p.invalid(EvIGMPMalformed)
			return
		}
		if len(b) < n {
			p.invalid(EvIGMPV3PacketTooSmall)
			return
		}
	case b[0] == igmpReportV3:
		// Group records, each of at least eight bytes.
		for left := be16(b[6:8]); left > 0; left-- {
			if len(b)-n < 8 {
				p.invalid(EvIGMPV3PacketTooSmall)
				return
			}
			size := 8 + (int(b[n+1])+int(be16(b[n+2:n+4])))*4
			if len(b)-n < size {
				p.invalid(EvIGMPMalformed)
				return
			}
			n += size
		}
	}
	p.Payload = b[n:]
}
