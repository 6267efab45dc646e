package sentinel

import (
	"encoding/binary"

	"sentinel/capture"
	"sentinel/decode"
	"sentinel/stream"
)

// What rules with the action reject send: to TCP a reset, to all else an ICMP error (destination unreachable, by order of the
// administrator), in the name of the other side.

const (
	rejectTTL    = 64
	rejectQuote4 = 576 - 28  // RFC 1812, 4.3.2.3: as much of the packet as fits into 576 bytes
	rejectQuote6 = 1280 - 48 // RFC 4443, 2.4 (c): ... into the smallest MTU
	icmpUnreach4 = 3
	icmpUnreach6 = 1
	hostProhib4  = 10 // RFC 1122, 3.2.2.1: communication with the destination host is prohibited
	adminProhib6 = 1  // RFC 4443, 3.1
	protoICMP    = 1
	protoTCP     = 6
	protoUDP     = 17
	protoICMPv6  = 58
)

// reply is an answer that waits to be sent.
type reply struct {
	frame  []byte // whole, of the link type of the frame that it answers; empty = cannot be made
	ip     []byte // the packet alone, for a raw socket
	onward bool   // to where frames of the source are forwarded, not back
	from   *tap
}

// maxReplies bounds the answers of one batch. Whoever provokes more of them gets none: answering must not become an attack.
const maxReplies = 64

// answer makes the answers to a frame's packet. The frame is not valid any more when they are sent.
func (w *worker) answer(f *capture.Frame, p *decode.Packet, u *stream.Unit) {
	if p.Parent >= 0 || p.Has(decode.IsTunnel|decode.Tunneled|decode.Pseudo) || u.Has(stream.Pseudo) {
		return // who sits at the ends of a tunnel has not sent what was inside
	}
	dropped := w.e.ips
	if u.Action&stream.RejectSrc != 0 {
		w.reply(f, p, false, dropped)
	}
	if u.Action&stream.RejectDst != 0 {
		w.reply(f, p, true, dropped)
	}
}

func (w *worker) reply(f *capture.Frame, p *decode.Packet, toDst, dropped bool) {
	if w.nreplies >= maxReplies || !answerable(p) {
		w.pub.unanswered++
		return
	}
	if w.nreplies == len(w.replies) {
		w.replies = append(w.replies, reply{})
	}
	r := &w.replies[w.nreplies]
	w.nreplies++
	r.onward, r.from = toDst, w.from
	link, ok := linkHeader(r.frame[:0], f, p, toDst)
	head := len(link)
	r.frame = appendAnswer(link, p, toDst, dropped)
	r.ip = r.frame[head:]
	if !ok {
		r.frame = r.frame[:0]
	}
}

// answerable reports whether a packet may be answered at all: resets and ICMP errors may not (RFC 9293, 3.10.7; RFC 1122, 3.2.2),
// nor what was sent to or from a group, nor a fragment but the first.
func answerable(p *decode.Packet) bool {
	switch {
	case !p.IsIP() || len(p.L3) == 0 || p.Has(decode.Invalid):
		return false
	case p.FragOffset != 0:
		return false
	case p.Is(decode.HasTCP):
		if p.TCP.Flags&decode.RST != 0 {
			return false
		}
	case p.Is(decode.HasICMPv4):
		switch p.ICMPType {
		case 3, 4, 5, 11, 12:
			return false
		}
	case p.Is(decode.HasICMPv6):
		if p.ICMPType < 128 || p.ICMPType >= 133 && p.ICMPType <= 137 { // errors, and what finds neighbours
			return false
		}
	}
	return single(p, &p.Src) && single(p, &p.Dst) && (!p.Is(decode.HasEthernet) || (p.DstMAC[0]|p.SrcMAC[0])&1 == 0)
}

// single reports whether an address is that of one host.
func single(p *decode.Packet, a *decode.Addr) bool {
	if p.IPVersion == 6 {
		return a[0] != 0xff && *a != decode.Addr{}
	}
	return a[0] != 0 && a[0] < 224
}

// linkHeader appends the link-layer header of an answer: that of the frame, turned round unless it goes onward, with the VLAN tags
// that were taken out. ok is false for link layers whose frames are not made here.
func linkHeader(b []byte, f *capture.Frame, p *decode.Packet, onward bool) (_ []byte, ok bool) {
	switch f.Link {
	case capture.LinkRaw, capture.LinkIPv4, capture.LinkIPv6, capture.LinkUserNFQ:
		return b, true
	case capture.LinkEthernet:
	default:
		return b, false
	}
	n := int(p.LinkLen)
	if n < 14 || n > len(f.Data) {
		return b, false
	}
	end := 14
	for ; end < n; end += 4 { // at most MaxVLAN
		switch binary.BigEndian.Uint16(f.Data[end-2:]) {
		case 0x8100, 0x88a8, 0x9100:
		default:
			return b, false // labels, sessions: their headers do not fit the way back
		}
	}
	if end != n {
		return b, false
	}
	if onward {
		b = append(b, f.Data[:12]...)
	} else {
		b = append(append(b, f.Data[6:12]...), f.Data[:6]...)
	}
	for _, id := range f.VLAN {
		if id != 0 {
			b = append(b, 0x81, 0, byte(id>>8), byte(id))
		}
	}
	return append(b, f.Data[12:n]...), true
}

// appendAnswer appends the IP packet that answers p: to its source, or with toDst to its destination in the name of the source.
// dropped says that the destination does not get p.
func appendAnswer(b []byte, p *decode.Packet, toDst, dropped bool) []byte {
	src, dst := &p.Dst, &p.Src
	if toDst {
		src, dst = dst, src
	}
	tcp := p.Is(decode.HasTCP)
	proto := uint8(protoTCP)
	if !tcp {
		if proto = protoICMP; p.IPVersion == 6 {
			proto = protoICMPv6
		}
	}
	at := len(b)
	b = appendIP(b, p.IPVersion, proto, src, dst)
	l4 := len(b)
	if tcp {
		b = appendReset(b, p, toDst, dropped)
	} else {
		b = appendUnreachable(b, p, toDst)
	}
	n := len(b) - l4
	sum := sumBytes(0, b[l4:])
	if p.IPVersion == 6 || tcp {
		a := 16
		if p.IPVersion == 4 {
			a = 4
		}
		sum = sumBytes(sumBytes(sum+uint32(proto)+uint32(n), src[:a]), dst[:a])
	}
	field := l4 + 2
	if tcp {
		field = l4 + 16
	}
	binary.BigEndian.PutUint16(b[field:], ^fold(sum))
	if p.IPVersion == 6 {
		binary.BigEndian.PutUint16(b[at+4:], uint16(n))
		return b
	}
	binary.BigEndian.PutUint16(b[at+2:], uint16(20+n))
	binary.BigEndian.PutUint16(b[at+10:], ^fold(sumBytes(0, b[at:l4])))
	return b
}

// appendIP appends an IP header whose length and checksum are to be filled in.
func appendIP(b []byte, version, proto uint8, src, dst *decode.Addr) []byte {
	if version == 6 {
		b = append(b, 0x60, 0, 0, 0, 0, 0, proto, rejectTTL)
		return append(append(b, src[:]...), dst[:]...)
	}
	b = append(b, 0x45, 0, 0, 0, 0, 0, 0x40, 0, rejectTTL, proto, 0, 0) // not to be fragmented
	return append(append(b, src[:4]...), dst[:4]...)
}

// appendReset appends the TCP header of a reset (RFC 9293, 3.10.7.1). To the source it is the answer of a host without the
// connection: the acknowledgement of the segment is its sequence number, and without one it acknowledges the segment. To the
// destination it comes in place of the segment if that was dropped, else behind it: so it is the next that is expected
// there (RFC 5961, 3.2).
func appendReset(b []byte, p *decode.Packet, toDst, dropped bool) []byte {
	t := &p.TCP
	n := uint32(len(p.Payload)) // SEG.LEN
	if t.Flags&decode.SYN != 0 {
		n++
	}
	if t.Flags&decode.FIN != 0 {
		n++
	}
	sport, dport := p.DstPort, p.SrcPort
	seq, ack, flags := t.Ack, uint32(0), decode.RST
	if t.Flags&decode.ACK == 0 {
		seq, ack, flags = 0, t.Seq+n, decode.RST|decode.ACK
	}
	if toDst {
		sport, dport = dport, sport
		seq, ack, flags = t.Seq, t.Ack, decode.RST|t.Flags&decode.ACK
		if !dropped {
			seq += n
		}
	}
	b = binary.BigEndian.AppendUint16(b, sport)
	b = binary.BigEndian.AppendUint16(b, dport)
	b = binary.BigEndian.AppendUint32(b, seq)
	b = binary.BigEndian.AppendUint32(b, ack)
	return append(b, 5<<4, byte(flags), 0, 0, 0, 0, 0, 0)
}

// appendUnreachable appends an ICMP error that quotes p. A host only believes errors about what it has sent: to the destination
// the quotation is of an answer that it might have sent, with addresses and ports exchanged.
func appendUnreachable(b []byte, p *decode.Packet, toDst bool) []byte {
	limit := rejectQuote4
	if p.IPVersion == 6 {
		limit = rejectQuote6
		b = append(b, icmpUnreach6, adminProhib6, 0, 0, 0, 0, 0, 0)
	} else {
		b = append(b, icmpUnreach4, hostProhib4, 0, 0, 0, 0, 0, 0)
	}
	at := len(b)
	b = append(b, p.L3[:min(len(p.L3), limit)]...)
	if !toDst {
		return b
	}
	q := b[at:]
	from, size := 12, 4
	if p.IPVersion == 6 {
		from, size = 8, 16
	}
	swap(q[from:from+size], q[from+size:from+2*size])
	if l4 := int(p.IPHeaderLen); p.Is(decode.HasUDP) && l4+4 <= len(q) {
		swap(q[l4:l4+2], q[l4+2:l4+4])
	}
	return b
}

func swap(a, b []byte) {
	for i := range a {
		a[i], b[i] = b[i], a[i]
	}
}

// sumBytes adds bytes to a sum of 16-bit words (RFC 1071). b has less than 64 KiB.
func sumBytes(sum uint32, b []byte) uint32 {
	for ; len(b) >= 2; b = b[2:] {
		sum += uint32(b[0])<<8 | uint32(b[1])
	}
	if len(b) > 0 {
		sum += uint32(b[0]) << 8
	}
	return sum
}

func fold(sum uint32) uint16 {
	for sum>>16 != 0 {
		sum = sum&0xffff + sum>>16
	}
	return uint16(sum)
}

// sendReplies sends the answers of a batch.
func (w *worker) sendReplies() {
	for i := range w.replies[:w.nreplies] {
		if w.replies[i].from == nil {
			continue // sent
		}
		if w.e.rejects.send(&w.replies[i]) {
			w.pub.answers++
		} else {
			w.pub.unanswered++
		}
	}
	w.nreplies = 0
}

// own reports whether a source of the wire is to send an answer.
func (s *rejecter) own(r *reply) bool {
	if s == nil || s.device != "" || !s.inline || len(r.frame) == 0 || r.from == nil {
		return false
	}
	return r.onward && r.from.on != nil || !r.onward && r.from.back != nil
}

// send sends one answer: through the device that the user has named, the sources of the wire, or the host's own way.
func (s *rejecter) send(r *reply) bool {
	switch {
	case s == nil || r.from == nil:
		return false
	case s.own(r) && r.onward:
		return s.check(r.from.on.Inject(r.frame))
	case s.own(r):
		return s.check(r.from.back.Inject(r.frame))
	}
	if r.from.clock != nil {
		return false // a file: nobody waits for an answer
	}
	if s.device != "" {
		return s.sendDevice(r)
	}
	return s.sendRaw(r.ip)
}

// check tells of the first error in a row.
func (s *rejecter) check(err error) bool {
	if err != nil {
		if !s.told.Swap(true) {
			s.warn("cannot send a reject: " + err.Error())
		}
		return false
	}
	return true
}
