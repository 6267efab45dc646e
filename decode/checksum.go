package decode

import (
	"encoding/binary"
	"math/bits"
)

// What is known of a packet's checksums.
const (
	sumL3Known uint8 = 1 << iota
	sumL4Known
)

// ChecksumL3OK reports whether the IPv4 header checksum is right. Packets without one are right. The answer is kept.
func (p *Packet) ChecksumL3OK() bool {
	if p.sums&sumL3Known == 0 {
		p.sums |= sumL3Known
		if p.Layers&HasIPv4 != 0 && fold(sum(p.L3[:p.IPHeaderLen], 0)) != 0xffff {
			p.Flags |= BadChecksumL3
		}
	}
	return p.Flags&BadChecksumL3 == 0
}

// ChecksumL4OK reports whether the checksum of TCP, UDP, ICMP or ICMPv6 is right. A UDP checksum of zero over IPv4 means
// that the sender computed none; that, other protocols and fragments are right. The answer is kept.
func (p *Packet) ChecksumL4OK() bool {
	if p.sums&sumL4Known == 0 {
		p.sums |= sumL4Known
		p.Flags |= ChecksumKnown
		if !p.sumL4() {
			p.Flags |= BadChecksumL4
		}
	}
	return p.Flags&BadChecksumL4 == 0
}

func (p *Packet) sumL4() bool {
	b := p.L4
	proto := uint16(p.Proto)
	switch {
	case p.Layers&HasTCP != 0:
		proto = protoTCP
	case p.Layers&HasUDP != 0:
		// Without a checksum, over IPv4 (RFC 768) and in tunnels over IPv6 (RFC 6935).
		if b[6]|b[7] == 0 {
			return p.IPVersion == 4 || p.Flags&IsTunnel != 0
		}
		b = b[:8+len(p.Payload)]
	case p.Layers&HasICMPv4 != 0:
		return fold(sum(b, 0)) == 0xffff
	case p.Layers&HasICMPv6 != 0:
	default:
		return true
	}
	return fold(sum(b, p.pseudoHeader(proto, len(b)))) == 0xffff
}

// pseudoHeader returns the sum over addresses, protocol and length (RFC 9293, 3.1; RFC 8200, 8.1).
func (p *Packet) pseudoHeader(proto uint16, n int) uint64 {
	acc := uint64(bits.ReverseBytes16(proto)) + uint64(bits.ReverseBytes16(uint16(n)))
	if p.IPVersion == 4 {
		return acc + uint64(binary.LittleEndian.Uint32(p.Src[:])) + uint64(binary.LittleEndian.Uint32(p.Dst[:]))
	}
	return sum(p.Dst[:], sum(p.Src[:], acc))
}

// sum adds b to a one's complement sum. It works on little-endian words of 64 bits; the order of bytes does not matter
// to the test for 0xffff (RFC 1071).
func sum(b []byte, acc uint64) uint64 {
	var c uint64
	for len(b) >= 32 {
		acc, c = bits.Add64(acc, binary.LittleEndian.Uint64(b), 0)
		acc, c = bits.Add64(acc, binary.LittleEndian.Uint64(b[8:]), c)
		acc, c = bits.Add64(acc, binary.LittleEndian.Uint64(b[16:]), c)
		acc, c = bits.Add64(acc, binary.LittleEndian.Uint64(b[24:]), c)
		acc, c = bits.Add64(acc, 0, c)
		acc += c
		b = b[32:]
	}
	for len(b) >= 8 {
		acc, c = bits.Add64(acc, binary.LittleEndian.Uint64(b), 0)
		acc += c
		b = b[8:]
	}
	if len(b) > 0 {
		var tail uint64
		for i, x := range b {
			tail |= uint64(x) << (8 * i)
		}
		acc, c = bits.Add64(acc, tail, 0)
		acc += c
	}
	return acc
}

// fold brings a sum down to 16 bits.
func fold(acc uint64) uint16 {
	acc = acc>>32 + acc&0xffffffff
	acc = acc>>32 + acc&0xffffffff
	acc = acc>>16 + acc&0xffff
	acc = acc>>16 + acc&0xffff
	return uint16(acc>>16 + acc&0xffff)
}
