package decode

import "sentinel/capture"

// Writable reports whether changes to the packet's bytes reach the wire.
func (p *Packet) Writable() bool { return p.Frame != nil && p.Frame.Flags&capture.Writable != 0 }

// Rewrite writes b over the payload, from at on, and mends the transport checksum if that was right before (RFC 1624). What a
// checksum of the tunnel covers stays right with it. It reports false when b does not lie within the payload.
//
// A checksum that was wrong stays wrong: it may be one that a network card is still to compute.
func (p *Packet) Rewrite(at int, b []byte) bool {
	if at < 0 || at > len(p.Payload) || len(b) > len(p.Payload)-at {
		return false
	}
	field, from := -1, 0
	switch {
	case p.Layers&HasTCP != 0:
		field, from = 16, int(p.TCP.HeaderLen)
	case p.Layers&HasUDP != 0:
		field, from = 6, 8
	case p.Layers&(HasICMPv4|HasICMPv6) != 0:
		field, from = 2, len(p.L4)-len(p.Payload)
	}
	old := p.Payload[at:]
	if field < 0 || field+2 > len(p.L4) || !p.ChecksumL4OK() || p.Layers&HasUDP != 0 && p.L4[6]|p.L4[7] == 0 {
		copy(old, b)
		return true
	}
	sum := uint64(^be16(p.L4[field:]))
	for i, c := range b {
		was, is := uint64(old[i]), uint64(c)
		if (from+at+i)&1 == 0 {
			was, is = was<<8, is<<8
		}
		sum += 0xffff - was + is
		old[i] = c
	}
	for sum>>16 != 0 {
		sum = sum&0xffff + sum>>16
	}
	v := ^uint16(sum)
	if v == 0 && p.Layers&HasUDP != 0 {
		v = 0xffff // zero stands for none
	}
	p.L4[field], p.L4[field+1] = byte(v>>8), byte(v)
	return true
}
