package decode

// sll decodes the Linux cooked header, version 1 (LINKTYPE_LINUX_SLL).
func (s *Stack) sll(p *Packet, b []byte) {
	const size = 16
	s.Counts[CountSLL]++
	if len(b) < size {
		p.invalid(EvSLLPacketTooSmall)
		return
	}
	if s.enter(p) {
		s.network(p, be16(b[14:16]), b[size:])
	}
}

// sll2 decodes the Linux cooked header, version 2 (LINKTYPE_LINUX_SLL2).
func (s *Stack) sll2(p *Packet, b []byte) {
	const size = 20
	s.Counts[CountSLL2]++
	if len(b) < size {
		p.invalid(EvSLL2PacketTooSmall)
		return
	}
	if s.enter(p) {
		s.network(p, be16(b[0:2]), b[size:])
	}
}
