package decode

// How many chunks, and how many DATA chunks, of a packet are looked at without an event.
const maxSCTPChunks = 16

// sctp decodes an SCTP header and checks its chunks (RFC 9260). The payload is the user data of the first DATA chunk.
func (s *Stack) sctp(p *Packet, b []byte) {
	s.Counts[CountSCTP]++
	if len(b) < 12 {
		p.invalid(EvSCTPPacketTooSmall)
		p.Flags |= NoTransport
		return
	}
	p.SrcPort = be16(b[0:2])
	p.DstPort = be16(b[2:4])
	p.Proto = protoSCTP
	if !s.sctpChunks(p, b) {
		p.Payload = nil
		p.Flags |= NoTransport
		return
	}
	p.Layers |= HasSCTP
	p.Flags |= WantsFlow
	p.L4 = b
}

// sctpChunks walks the chunks, of at least four bytes each, and reports whether their lengths hold together.
func (s *Stack) sctpChunks(p *Packet, b []byte) bool {
	const (
		data     = 0
		init     = 1
		initAck  = 2
		abort    = 6
		shutdown = 7
	)
	vtag := be32(b[4:8])
	chunks, datas := 0, 0
	var seen uint16 // a bit for each of the types above
	for b = b[12:]; len(b) > 0; chunks++ {
		if len(b) < 4 {
			p.invalid(EvSCTPChunkTooSmall)
			return false
		}
		typ, n := b[0], int(be16(b[2:4]))
		if n < 4 || n > len(b) {
			p.invalid(EvSCTPChunkLenInvalid)
			return false
		}
		if chunks == maxSCTPChunks {
			p.Events.Set(EvSCTPTooManyChunks)
		}
		switch typ {
		case data:
			seen |= 1 << data
			if vtag == 0 {
				p.Events.Set(EvSCTPDataWithZeroVtag)
			}
			if n >= 16 {
				switch datas {
				case 0:
					p.Payload = b[16:n:n]
				case maxSCTPChunks:
					p.Events.Set(EvSCTPTooManyDataChunks)
				}
				datas++
			}
		case init:
			seen |= 1 << init
			if vtag != 0 {
				p.Events.Set(EvSCTPInitWithNonZeroVtag)
			}
		case shutdown:
			if chunks < maxSCTPChunks {
				seen |= 1 << shutdown
			}
		case initAck, abort:
			seen |= 1 << typ
		}
		b = b[min((n+3)&^3, len(b)):]
	}
	// RFC 9260, 6.10: INIT and INIT ACK come alone.
	if seen&(1<<init|1<<initAck) != 0 && chunks > 1 {
		p.Events.Set(EvSCTPInitChunkBundled)
	}
	for _, c := range [...]struct {
		typ   uint8
		count Count
	}{{init, CountSCTPInit}, {initAck, CountSCTPInitAck}, {data, CountSCTPData}, {abort, CountSCTPAbort}, {shutdown, CountSCTPShutdown}} {
		if seen&(1<<c.typ) != 0 {
			s.Counts[c.count]++
		}
	}
	return true
}

// esp decodes an ESP header (RFC 4303).
func (s *Stack) esp(p *Packet, b []byte) {
	s.Counts[CountESP]++
	if !s.enter(p) {
		return
	}
	if len(b) < 8 {
		p.invalid(EvESPPacketTooSmall)
		p.Flags |= NoTransport
		return
	}
	p.Layers |= HasESP
	p.Flags |= WantsFlow
	p.Proto = protoESP
	p.L4 = b
	p.Payload = b[8:]
}
