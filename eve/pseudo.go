package eve

import (
	"encoding/binary"

	"sentinel/decode"
	"sentinel/stream"
)

// pseudo makes the bytes that stand for a packet that was not on the wire: headers of IP and TCP with the flow's addresses.
// They are valid until the next call.
func (w *Worker) pseudo(u *stream.Unit) []byte {
	const (
		tcpLen = 20
		ttl    = 64
		window = 10
	)
	p, ssn := u.Packet, u.Session()
	if p.Proto != protoTCP || ssn == nil {
		return nil
	}
	b := w.fake[:0]
	at, sums := 20, 12
	if p.IPVersion == 6 {
		at, sums = 40, 8
		b = append(b, 0x60, 0, 0, 0, 0, tcpLen, protoTCP, ttl)
		b = append(b, p.Src[:]...)
		b = append(b, p.Dst[:]...)
	} else {
		b = append(b, 0x45, 0, 0, 40, 0, 0, 0, 0, ttl, protoTCP, 0, 0)
		b = append(b, p.Src[:4]...)
		b = append(b, p.Dst[:4]...)
		binary.BigEndian.PutUint16(b[10:], ^fold(sum(0, b)))
	}
	b = binary.BigEndian.AppendUint16(b, p.SrcPort)
	b = binary.BigEndian.AppendUint16(b, p.DstPort)
	b = binary.BigEndian.AppendUint32(b, ssn.Stream[u.Dir].NextSeq)
	ack, flags := uint32(0), byte(0)
	if u.Has(stream.DetectFlush) {
		ack, flags = ssn.Stream[u.Dir.Other()].LastAck, byte(decode.ACK)
	}
	b = binary.BigEndian.AppendUint32(b, ack)
	b = append(b, 0x50, flags, window, 0, 0, 0, 0, 0)
	binary.BigEndian.PutUint16(b[at+16:], ^fold(sum(protoTCP+tcpLen, b[sums:])))
	w.fake = b
	return b
}

// sum adds up 16-bit words (RFC 1071).
func sum(s uint32, b []byte) uint32 {
	for ; len(b) > 1; b = b[2:] {
		s += uint32(b[0])<<8 | uint32(b[1])
	}
	return s
}

func fold(s uint32) uint16 {
	for s > 0xffff {
		s = s>>16 + s&0xffff
	}
	return uint16(s)
}
