package eve

import "sentinel/stream"

var arpNames = [...]string{1: "request", 2: "reply", 3: "request_reverse", 4: "reply_reverse"}

// arps writes an ARP packet (RFC 826).
func (w *Worker) arps(u *stream.Unit) {
	m := u.Packet.ARP()
	if len(m) < 28 {
		return
	}
	b := &w.b
	for i := range w.o.arps {
		l := &w.o.arps[i]
		w.begin(&l.common, u, asPacket, "arp")
		b.OpenObject("arp")
		b.String("hw_type", "ethernet")
		b.String("proto_type", "ipv4")
		op := "unknown"
		if n := int(m[6])<<8 | int(m[7]); n > 0 && n < len(arpNames) {
			op = arpNames[n]
		}
		b.String("opcode", op)
		b.HexColon("src_mac", m[8:14])
		b.IP("src_ip", m[14:18])
		b.HexColon("dest_mac", m[18:24])
		b.IP("dest_ip", m[24:28])
		b.Close()
		w.emit(l, TypeARP)
	}
}
