package keyword

import (
	"strings"

	"sentinel/capture"
	"sentinel/decode"
	"sentinel/detect"
)

// csums are the keywords on checksums: "valid" or "invalid".
func csums() []detect.Keyword {
	return []detect.Keyword{
		csum("ipv4-csum", "match on IPv4 checksum", decode.HasIPv4),
		csum("tcpv4-csum", "match on IPv4/TCP checksum", decode.HasIPv4|decode.HasTCP),
		csum("tcpv6-csum", "match on IPv6/TCP checksum", decode.HasIPv6|decode.HasTCP),
		csum("udpv4-csum", "match on IPv4/UDP checksum", decode.HasIPv4|decode.HasUDP),
		csum("udpv6-csum", "match on IPv6/UDP checksum", decode.HasIPv6|decode.HasUDP),
		csum("icmpv4-csum", "match on IPv4/ICMP checksum", decode.HasIPv4|decode.HasICMPv4),
		csum("icmpv6-csum", "match on IPv6/ICMPv6 checksum", decode.HasIPv6|decode.HasICMPv6),
		csum("igmp-csum", "match on IPv4/IGMP checksum", decode.HasIPv4|decode.HasIGMP),
	}
}

func csum(name, doc string, layers decode.Layer) detect.Keyword {
	return detect.Keyword{Name: name, Doc: doc, Setup: func(b *detect.Builder, v string) error {
		valid := strings.EqualFold(v, "valid")
		if !valid && !strings.EqualFold(v, "invalid") {
			return problem(name + " takes 'valid' or 'invalid'")
		}
		b.Match(name, csumMatch{layers, valid}, detect.NeedIP)
		return nil
	}}
}

type csumMatch struct {
	layers decode.Layer
	valid  bool
}

func (m csumMatch) Match(c *detect.Ctx) bool {
	p := c.Packet
	if !p.Is(m.layers) {
		return false
	}
	// Over IPv4 the sender may leave the checksum of UDP out.
	if m.layers == decode.HasIPv4|decode.HasUDP && (len(p.L4) < 8 || p.L4[6]|p.L4[7] == 0) {
		return false
	}
	if p.Frame != nil && p.Frame.Flags&capture.ChecksumOK != 0 {
		return m.valid
	}
	switch m.layers {
	case decode.HasIPv4:
		return p.ChecksumL3OK() == m.valid
	case decode.HasIPv4 | decode.HasIGMP:
		return onesSum(p.L4) == m.valid
	}
	return p.ChecksumL4OK() == m.valid
}

// onesSum reports whether the checksum within b is right (RFC 1071).
func onesSum(b []byte) bool {
	sum := uint64(0)
	for len(b) >= 2 {
		sum += uint64(be16(b))
		b = b[2:]
	}
	if len(b) == 1 {
		sum += uint64(b[0]) << 8
	}
	for sum>>16 != 0 {
		sum = sum>>16 + sum&0xffff
	}
	return sum == 0xffff
}
