package decode

import (
	"sentinel/capture"
)

// MaxPackets is how many packets a Stack holds: the frame, what its tunnels carry, and reassembled datagrams.
const MaxPackets = 16

// Config holds the settings of the decoder section of the configuration. See [DefaultConfig].
type Config struct {
	MaxLayers int // headers a packet may have, tunnels included; 0 means 16 (decoder.max-layers)

	VXLAN           bool
	VXLANPorts      []uint16 // destination ports (decoder.vxlan.ports); at most four count
	VXLANPermissive bool     // accept set reserved bits (decoder.vxlan.reserved-bits-check: permissive)
	Geneve          bool
	GenevePorts     []uint16 // either port (decoder.geneve.ports); at most four count
	Teredo          bool
	TeredoPorts     []uint16 // either port (decoder.teredo.ports); empty means any; at most four count

	// TrackRecursion says whether the tunnel depth is part of a flow's key (decoder.recursion-level.use-for-tracking).
	// Decoding only carries it, for the flow table and defrag.
	TrackRecursion bool
	// TruncatedEvent sets decoder.afpacket.trunc_pkt on frames that the source marks as truncated. It belongs to live
	// rings; the records of a file may be cut by design.
	TruncatedEvent bool
}

// DefaultConfig returns the settings that hold when the configuration names none.
func DefaultConfig() Config {
	return Config{
		MaxLayers:      16,
		VXLAN:          true,
		VXLANPorts:     []uint16{4789},
		Geneve:         true,
		GenevePorts:    []uint16{6081},
		Teredo:         true,
		TrackRecursion: true,
	}
}

// Stack decodes frames, one at a time. One worker owns it.
type Stack struct {
	Packets [MaxPackets]Packet // the packets of the last frame; how many of them Decode and DecodeDatagram say
	Counts  Counts             // what was decoded since the Stack was made

	n         int
	maxLayers uint8
	truncated bool

	vxlan       ports
	vxlanStrict bool
	geneve      ports
	teredo      ports
	teredoAny   bool
}

// maxPorts is how many ports of one tunnel protocol can be configured.
const maxPorts = 4

// ports is a short list of UDP ports.
type ports struct {
	n int
	p [maxPorts]uint16
}

func newPorts(enabled bool, list []uint16) ports {
	var l ports
	if !enabled {
		return l
	}
	l.n = copy(l.p[:], list)
	return l
}

func (l *ports) has(port uint16) bool {
	for i := 0; i < l.n; i++ {
		if l.p[i] == port {
			return true
		}
	}
	return false
}

// NewStack returns a Stack with the given settings.
func NewStack(c Config) *Stack {
	s := &Stack{
		maxLayers:   uint8(min(max(c.MaxLayers, 0), 255)),
		truncated:   c.TruncatedEvent,
		vxlan:       newPorts(c.VXLAN, c.VXLANPorts),
		vxlanStrict: !c.VXLANPermissive,
		geneve:      newPorts(c.Geneve, c.GenevePorts),
		teredo:      newPorts(c.Teredo, c.TeredoPorts),
		teredoAny:   c.Teredo && len(c.TeredoPorts) == 0,
	}
	if s.maxLayers == 0 {
		s.maxLayers = 16
	}
	return s
}

// Decode decodes a frame into s.Packets[:n] and returns n, at least 1. Packets[0] is the frame; a packet's parent comes
// before it. The packets and their slices are valid until the frame is released or the next call.
func (s *Stack) Decode(f *capture.Frame) int {
	s.n = 1
	p := &s.Packets[0]
	p.reset()
	p.Frame, p.Time, p.root = f, f.Time, nil
	p.Parent, p.Depth, p.Kind, p.layers = -1, 0, Root, 0

	b := f.Data
	b = b[:len(b):len(b)]
	p.Data, p.L2 = b, b
	s.Counts[CountPackets]++
	s.Counts[CountBytes] += uint64(len(b))
	if n := uint64(len(b)); n > s.Counts[CountMaxPacketSize] {
		s.Counts[CountMaxPacketSize] = n
	}
	if f.Flags != 0 || f.VLAN[0] != 0 {
		s.frameMarks(p, f)
	}

	switch f.Link {
	case capture.LinkEthernet:
		s.ethernet(p, b)
	case capture.LinkRaw, capture.LinkRawBSD, capture.LinkRawOld, capture.LinkIPv4, capture.LinkIPv6, capture.LinkUserNFQ:
		s.raw(p, b)
	case capture.LinkSLL:
		s.sll(p, b)
	case capture.LinkSLL2:
		s.sll2(p, b)
	case capture.LinkNull:
		s.null(p, b)
	case capture.LinkLoop:
		s.loop(p, b)
	case capture.LinkPPP:
		s.ppp(p, b)
	case capture.LinkCHDLC:
		s.chdlc(p, b)
	case capture.LinkNFLOG:
		s.nflog(p, b)
	}
	if p.Flags&Invalid != 0 {
		s.Counts[CountInvalid]++
	}
	return s.n
}

// frameMarks takes over what the driver knows of the frame besides its bytes.
func (s *Stack) frameMarks(p *Packet, f *capture.Frame) {
	for _, tag := range f.VLAN {
		if tag == 0 {
			break
		}
		s.Counts[CountVLAN+Count(p.VLANCount)]++
		p.pushVLAN(tag)
	}
	if f.Flags&capture.ChecksumOK != 0 {
		p.Flags |= ChecksumKnown
		p.sums |= sumL4Known
	}
	if f.Flags&capture.ChecksumBad != 0 {
		p.Flags |= ChecksumKnown | BadChecksumL4
		p.sums |= sumL4Known
	}
	if f.Flags&capture.Truncated != 0 && s.truncated {
		p.invalid(EvAFPacketTruncPacket)
	}
}

// DecodeDatagram appends the packet that defrag made of Packets[parent] and its earlier fragments, and what tunnels in
// it carry, and returns the new number of packets. The datagram is an IPv4 or IPv6 packet from its network header on;
// it is borrowed and must live as long as the frame. Nothing is appended when it is malformed or the Stack is full.
func (s *Stack) DecodeDatagram(parent int, datagram []byte, ip6 bool) int {
	if parent < 0 || parent >= s.n {
		return s.n
	}
	from := &s.Packets[parent]
	p := s.child(from, datagram, Datagram)
	if p == nil {
		return s.n
	}
	// The datagram belongs to the flow of its fragments: same depth, same VLANs.
	p.Depth = from.Depth
	p.VLANCount, p.VLAN, p.VLANPrio = from.VLANCount, from.VLAN, from.VLANPrio
	p.Flags |= Reassembled
	p.Lost = from.LinkLen
	at := s.n - 1
	ok := false
	if ip6 {
		ok = s.ipv6(p, clip(datagram))
	} else {
		ok = s.ipv4(p, clip(datagram))
	}
	if !ok {
		s.n = at
		return s.n
	}
	from.Flags |= IsTunnel
	return s.n
}

// child takes the next packet of the stack for what from carries. It returns nil, with an event on from, when there
// are too many.
func (s *Stack) child(from *Packet, b []byte, k Kind) *Packet {
	if s.n >= MaxPackets || int(from.layers)+1 >= int(s.maxLayers) {
		from.invalid(EvTooManyLayers)
		return nil
	}
	p := &s.Packets[s.n]
	s.n++
	p.reset()
	p.Frame, p.Time = from.Frame, from.Time
	if p.root = from.root; p.root == nil {
		p.root = from
	}
	p.Parent, p.Depth, p.Kind = s.index(from), from.Depth+1, k
	p.layers = from.layers + 1
	p.Flags = Tunneled
	p.Data = b[:len(b):len(b)]
	return p
}

// index returns the place of p in the stack. Stacks are short, and only tunnels ask.
func (s *Stack) index(p *Packet) int8 {
	for i := s.n - 1; i > 0; i-- {
		if &s.Packets[i] == p {
			return int8(i)
		}
	}
	return 0
}

// inner is the header that a tunnel's payload begins with.
type inner uint8

const (
	innerIPv4 inner = iota
	innerIPv6
	innerTeredo // IPv6 that must be valid, because nothing else tells Teredo from other UDP
	innerEthernet
	innerVLAN
	innerPPP
	innerARP
	innerERSPAN1
	innerERSPAN2
)

// tunnel decodes b, which p carries, as a packet of its own, and reports whether it was one. A packet whose first
// header is broken is taken back, as if it had not been there.
func (s *Stack) tunnel(p *Packet, b []byte, proto inner, k Kind) bool {
	c := s.child(p, b, k)
	if c == nil {
		return false
	}
	at := s.n - 1
	ok := false
	switch proto {
	case innerIPv4:
		ok = s.ipv4(c, clip(c.Data))
	case innerIPv6:
		ok = s.ipv6(c, clip(c.Data))
	case innerTeredo:
		ok = s.ipv6(c, clip(c.Data)) && c.Flags&Invalid == 0
	case innerEthernet:
		c.L2 = c.Data
		ok = s.ethernet(c, c.Data)
	case innerVLAN:
		ok = s.vlan(c, c.Data)
	case innerPPP:
		ok = s.ppp(c, c.Data)
	case innerARP:
		ok = s.arp(c, c.Data)
	case innerERSPAN1:
		ok = s.erspan1(c, c.Data)
	case innerERSPAN2:
		ok = s.erspan2(c, c.Data)
	}
	if !ok {
		s.n = at
		return false
	}
	p.Flags |= IsTunnel
	return true
}

// enter counts a header against the limit of headers a packet may have.
func (s *Stack) enter(p *Packet) bool {
	p.layers++
	if p.layers >= s.maxLayers {
		p.invalid(EvTooManyLayers)
		return false
	}
	return true
}

// clip cuts b to the longest IP packet. What lies behind cannot belong to it.
func clip(b []byte) []byte {
	if len(b) > 65535 {
		return b[:65535:65535]
	}
	return b
}

// reset makes p ready for another packet. Fields that a layer bit guards keep old values.
func (p *Packet) reset() {
	p.Layers, p.Flags, p.sums = 0, 0, 0
	p.Events = EventSet{}
	p.L2, p.L3, p.L4, p.Payload = nil, nil, nil, nil
	p.EtherType, p.IPVersion, p.Proto = 0, 0, 0
	if p.VLANCount != 0 {
		p.VLANCount, p.VLAN, p.VLANPrio = 0, [MaxVLAN]uint16{}, [MaxVLAN]uint8{}
	}
	p.FragOffset, p.MoreFrags, p.fragHdr, p.Lost = 0, false, 0, 0
	p.SrcPort, p.DstPort = 0, 0
	p.IPOpts, p.ExtHeaders = 0, 0
}

// invalid sets an event that makes the packet invalid.
func (p *Packet) invalid(e Event) {
	p.Flags |= Invalid
	p.Events.Set(e)
}

// pushVLAN appends a VLAN tag (TCI).
func (p *Packet) pushVLAN(tci uint16) {
	if p.VLANCount >= MaxVLAN {
		return
	}
	p.VLAN[p.VLANCount] = tci & 0x0fff
	p.VLANPrio[p.VLANCount] = uint8(tci >> 13)
	p.VLANCount++
	p.Layers |= HasVLAN
}
