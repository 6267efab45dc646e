package decode

// The IPv6 options that are known (IANA, destination options and hop-by-hop options).
const (
	opt6Pad1  = 0x00
	opt6PadN  = 0x01
	opt6RA    = 0x05
	opt6Jumbo = 0xc2
	opt6HAO   = 0xc9
)

// ipv6Extensions walks the extension headers to the transport header (RFC 8200, 4). b is what follows the fixed header.
// Each step consumes at least eight bytes, so the packet's length bounds the walk.
func (s *Stack) ipv6Extensions(p *Packet, b []byte) {
	data := b
	nh := p.Proto
	proto := uint8(0) // the last header that was looked at; what rules and events call the protocol
	prev := 0         // offset of the header before the one at b, from L3's start
	var dstOpts uint8
	defer4 := NoTransport
walk:
	for {
		at := ipv6Len + len(data) - len(b)
		p.IPHeaderLen = uint16(min(at, 65535))
		p.L4 = b
		if nh == protoNone {
			if len(b) > 0 {
				p.Events.Set(EvIPv6DataAfterNoneHeader)
			}
			break
		}
		if len(b) < 2 {
			p.invalid(EvIPv6TruncExthdr)
			break
		}
		size := 0
		switch nh {
		case protoTCP:
			proto, defer4 = nh, 0
			s.tcp(p, b)
			break walk
		case protoUDP:
			proto, defer4 = nh, 0
			s.udp(p, b)
			break walk
		case protoICMPv6:
			proto, defer4 = nh, 0
			s.icmpv6(p, b)
			break walk
		case protoSCTP:
			proto, defer4 = nh, 0
			s.sctp(p, b)
			break walk
		case protoESP:
			proto, defer4 = nh, 0
			p.ExtHeaders |= ExtESP
			s.esp(p, b)
			break walk
		case protoIPv4:
			proto, defer4 = nh, 0
			s.ipv4InIPv6(p, b)
			break walk
		case protoICMP:
			p.Events.Set(EvIPv6ICMPv4)
			break walk

		case protoRouting:
			proto = nh
			size = 8 + int(b[1])*8
			if size > len(b) {
				p.invalid(EvIPv6TruncExthdr)
				break walk
			}
			if p.ExtHeaders&ExtRouting != 0 {
				p.Events.Set(EvIPv6ExthdrDuplRH)
			} else {
				p.ExtHeaders |= ExtRouting
				if b[2] == 0 {
					p.Events.Set(EvIPv6RHType0)
				}
			}

		case protoHopByHop, protoDstOpts:
			proto = nh
			size = 8 + int(b[1])*8
			if size > len(b) {
				p.invalid(EvIPv6TruncExthdr)
				break walk
			}
			// Destination options may come twice: before a routing header and last (RFC 8200, 4.1).
			switch {
			case nh == protoHopByHop && p.ExtHeaders&ExtHopByHop != 0:
				p.Events.Set(EvIPv6ExthdrDuplHh)
			case nh == protoDstOpts && dstOpts >= 2:
				p.Events.Set(EvIPv6ExthdrDuplDh)
			case nh == protoHopByHop:
				p.ExtHeaders |= ExtHopByHop
				ipv6Options(p, b[2:size], EvIPv6HopoptsUnknownOpt, EvIPv6HopoptsOnlyPadding)
			default:
				dstOpts++
				p.ExtHeaders |= ExtDestination
				ipv6Options(p, b[2:size], EvIPv6DstoptsUnknownOpt, EvIPv6DstoptsOnlyPadding)
			}

		case protoFragment:
			proto = nh
			size = 8
			if size > len(b) {
				p.invalid(EvIPv6TruncExthdr)
				break walk
			}
			if b[1] != 0 {
				p.Events.Set(EvIPv6FHNonZeroReservedField)
			}
			if p.ExtHeaders&ExtFragment != 0 {
				p.Events.Set(EvIPv6ExthdrDuplFH)
				break
			}
			p.ExtHeaders |= ExtFragment
			field := be16(b[2:4])
			p.FragOffset = field &^ 7
			p.MoreFrags = field&1 != 0
			p.IPID = be32(b[4:8])
			p.fragHdr, p.fragPrev = uint16(at), uint16(prev)
			if p.FragOffset == 0 && !p.MoreFrags {
				p.Events.Set(EvIPv6ExthdrUselessFH)
				break
			}
			// RFC 8200, 4.5: all fragments but the last are a multiple of eight bytes long.
			if p.MoreFrags && len(b)%8 != 0 {
				p.Events.Set(EvIPv6FragInvalidLength)
			}
			p.Flags |= Fragment
			p.IPHeaderLen = uint16(at + size)
			p.L4 = nil
			if p.FragOffset == 0 {
				p.L4 = b[size:]
			}
			defer4 = 0
			break walk

		case protoAH:
			proto = nh
			size = 12
			if b[1] > 0 {
				size += (int(b[1]) - 1) * 4
			}
			if size > len(b) {
				p.invalid(EvIPv6TruncExthdr)
				break walk
			}
			if b[2]|b[3] != 0 {
				p.Events.Set(EvIPv6ExthdrAHResNotNull)
			}
			if p.ExtHeaders&ExtAuth != 0 {
				p.Events.Set(EvIPv6ExthdrDuplAH)
			}
			p.ExtHeaders |= ExtAuth

		case protoMobility, protoHIP, protoShim6:
			size = 8 + int(b[1])*8
			if size > len(b) {
				p.invalid(EvIPv6TruncExthdr)
				break walk
			}

		default:
			proto = nh
			p.Events.Set(EvIPv6UnknownNextHeader)
			break walk
		}
		prev = at
		nh = b[0]
		b = b[size:]
	}
	p.Flags |= defer4
	p.Proto = proto
}

// ipv6Options walks the options of a hop-by-hop or destination header.
func ipv6Options(p *Packet, b []byte, unknown, onlyPadding Event) {
	pad, other := false, false
	for len(b) > 0 {
		typ := b[0]
		if typ == opt6Pad1 {
			pad = true
			b = b[1:]
			continue
		}
		if len(b) < 2 || int(b[1])+2 > len(b) {
			p.invalid(EvIPv6ExthdrInvalidOptlen)
			break
		}
		n := int(b[1])
		least := 0
		switch typ {
		case opt6PadN:
			pad = true
			if n == 0 {
				p.Events.Set(EvIPv6ZeroLenPadN)
			}
		case opt6RA:
			least = 2
		case opt6Jumbo:
			least = 4
		case opt6HAO:
			least = 16
		default:
			p.Events.Set(unknown)
			other = true
		}
		if n < least {
			p.invalid(EvIPv6ExthdrInvalidOptlen)
			break
		}
		if typ == opt6RA || typ == opt6HAO {
			other = true
		}
		b = b[n+2:]
	}
	if pad && !other {
		p.Events.Set(onlyPadding)
	}
}
