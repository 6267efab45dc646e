package decode

// How the codes of an ICMPv6 type are judged, besides the largest code that is valid.
const (
	icmp6Known  uint8 = 1 << iota
	icmp6Any          // every code is valid
	icmp6Quotes       // an error: quotes the packet it is about
	icmp6Echo         // has id and sequence number
	icmp6MLD          // hop limit must be 1 (RFC 2710, 3)
)

// icmp6Type describes one ICMPv6 type.
type icmp6Type struct {
	flags   uint8
	maxCode uint8
}

// icmp6Types lists the types with known codes (IANA ICMPv6 parameters).
var icmp6Types = [256]icmp6Type{
	1:   {icmp6Known | icmp6Quotes, 6}, // destination unreachable
	2:   {icmp6Known | icmp6Quotes, 0}, // packet too big
	3:   {icmp6Known | icmp6Quotes, 1}, // time exceeded
	4:   {icmp6Known | icmp6Quotes, 2}, // parameter problem
	128: {icmp6Known | icmp6Echo, 0},
	129: {icmp6Known | icmp6Echo, 0},
	130: {icmp6Known | icmp6MLD, 0},
	131: {icmp6Known | icmp6MLD, 0},
	132: {icmp6Known | icmp6MLD, 0},
	133: {icmp6Known, 0}, // router solicitation
	134: {icmp6Known, 0}, // router advertisement
	135: {icmp6Known, 0}, // neighbour solicitation
	136: {icmp6Known, 0}, // neighbour advertisement
	137: {icmp6Known, 0}, // redirect
	138: {icmp6Known, 2}, // router renumbering; code 255 too
	139: {icmp6Known, 2}, // node information query
	140: {icmp6Known, 2}, // node information response
	141: {icmp6Known, 0}, // inverse neighbour solicitation
	142: {icmp6Known, 0}, // inverse neighbour advertisement
	143: {icmp6Known, 0}, // MLDv2 report
	144: {icmp6Known, 0}, // home agent address discovery
	145: {icmp6Known, 0},
	146: {icmp6Known, 0}, // mobile prefix
	147: {icmp6Known, 0},
	148: {icmp6Known, 0}, // certification path
	149: {icmp6Known, 0},
	150: {icmp6Known | icmp6Any, 0}, // experimental mobility
	151: {icmp6Known | icmp6Any, 0}, // multicast router discovery
	152: {icmp6Known | icmp6Any, 0},
	153: {icmp6Known | icmp6Any, 0},
	154: {icmp6Known, 0},   // fast handovers
	155: {icmp6Known, 132}, // RPL control; codes 4 to 127 are unassigned
	156: {icmp6Known, 0},   // ILNP locator update
	157: {icmp6Known, 0},   // duplicate address
	158: {icmp6Known, 0},
	159: {icmp6Known, 0}, // MPL control
}

// icmpv6 decodes an ICMPv6 message (RFC 4443).
func (s *Stack) icmpv6(p *Packet, b []byte) {
	s.Counts[CountICMPv6]++
	if len(b) < 8 {
		p.invalid(EvICMPv6PacketTooSmall)
		p.Flags |= NoTransport
		return
	}
	p.Layers |= HasICMPv6
	p.Flags |= WantsFlow
	p.Proto = protoICMPv6
	p.ICMPType, p.ICMPCode = b[0], b[1]
	p.ICMPID, p.ICMPSeq = 0, 0
	p.L4 = b
	// Error and echo messages have a header of eight bytes, the others of four.
	hlen := 4
	typ, code := p.ICMPType, p.ICMPCode
	d := icmp6Types[typ]
	switch {
	case d.flags&icmp6Known == 0:
		p.Events.Set(icmp6Unknown(typ))
	case d.flags&icmp6Any != 0:
	case code > d.maxCode && !(typ == 138 && code == 255), typ == 155 && code > 3 && code < 128:
		p.Events.Set(EvICMPv6UnknownCode)
	case d.flags&icmp6Quotes != 0:
		hlen = 8
		quotedIPv6(p, b[8:])
	case d.flags&icmp6Echo != 0:
		hlen = 8
		p.ICMPID, p.ICMPSeq = be16(b[4:6]), be16(b[6:8])
	}
	if d.flags&icmp6MLD != 0 && p.TTL != 1 {
		p.Events.Set(EvICMPv6MLDMessageWithInvalidHl)
	}
	p.Payload = b[hlen:]
}

// icmp6Unknown returns the event of a type that icmp6Types does not list.
func icmp6Unknown(typ uint8) Event {
	switch typ {
	case 100, 101, 200, 201:
		return EvICMPv6ExperimentationType
	case 0, 127:
		return EvICMPv6UnknownType
	}
	return EvICMPv6UnassignedType
}

// quotedIPv6 reads the head of the IPv6 packet that an ICMPv6 error quotes.
func quotedIPv6(p *Packet, b []byte) {
	if len(b) < ipv6Len {
		p.invalid(EvICMPv6IPv6TruncPacket)
		return
	}
	if b[0]>>4 != 6 {
		p.invalid(EvICMPv6IPv6UnknownVersion)
		return
	}
	p.Layers |= HasEmbedded
	p.InnerIPVersion = 6
	p.InnerProto = b[6]
	p.InnerSrc = Addr(b[8:24])
	p.InnerDst = Addr(b[24:40])
	quotedPorts(p, b[ipv6Len:], true)
}
