package decode

import (
	"sentinel/capture"
)

// MaxVLAN is the number of VLAN tags that a packet keeps. A fourth tag is an event.
const MaxVLAN = 3

// Layer says which headers of a Packet are valid.
type Layer uint32

// The layers.
const (
	HasEthernet Layer = 1 << iota
	HasVLAN
	HasARP
	HasIPv4
	HasIPv6
	HasTCP
	HasUDP
	HasICMPv4
	HasICMPv6
	HasSCTP
	HasESP
	HasGRE
	HasEmbedded // ICMP error with the head of the packet that caused it; see Packet.Inner*
	HasIGMP
)

// Flags are marks of a Packet.
type Flags uint32

// The marks of a packet. The decoder sets the first group, later stages the second.
const (
	Fragment      Flags = 1 << iota // an IP fragment: ports are unknown, Payload is nil
	Reassembled                     // made by defrag from several frames
	Pseudo                          // made by the engine: no bytes were on the wire
	Invalid                         // some layer is broken: no flow lookup beyond it
	BadChecksumL3                   // checked and wrong
	BadChecksumL4                   // checked and wrong
	NoTransport                     // IP packet whose transport header is missing or unknown
	Tunneled                        // carried inside another packet of the same frame
	IsTunnel                        // carries another packet of the same frame
	ChecksumKnown                   // the transport checksum was verified (or found wrong) by hardware or decoder
	WantsFlow                       // belongs to a flow: its transport is one that flows are made of
)

// Addr is an IPv4 or IPv6 address. An IPv4 address lies in the first four bytes, the rest is zero.
// Which of the two it is follows from Packet.IPVersion.
type Addr [16]byte

// Packet is one decoded packet: a root frame, a packet inside a tunnel, a reassembled datagram, or a pseudo packet that
// ends a flow. It is reused for the next frame; its slices belong to the frame (or to the Stack, for reassembled
// datagrams) and are valid until the frame is released.
type Packet struct {
	Frame  *capture.Frame // root frame; nil for pseudo packets without one
	Time   int64          // nanoseconds since 1970
	Parent int8           // index in the Stack of the packet that carries this one; -1 for the root
	Depth  uint8          // tunnel depth; 0 for the root
	Kind   Kind           // what carries this packet inside its parent

	Layers Layer
	Flags  Flags
	Events EventSet

	Data []byte // from this packet's first header (link layer for the root, network layer inside tunnels) to its end
	L2   []byte // link-layer header and all that follows; nil inside layer-3 tunnels
	L3   []byte // network header to the end that its length field gives (padding cut off); valid with HasIPv4 or HasIPv6
	L4   []byte // transport header to the end of L3; nil for fragments but the first
	// Payload is the data behind the transport header; nil for IP packets of an unknown protocol, as rules on content are
	// not tried on those. For non-IP packets it is what follows the link-layer header.
	Payload []byte

	SrcMAC, DstMAC [6]byte
	EtherType      uint16 // after VLAN tags, host order
	VLANCount      uint8
	VLAN           [MaxVLAN]uint16 // VLAN ids, outer first
	VLANPrio       [MaxVLAN]uint8
	IPVersion      uint8 // 4, 6 or 0
	Proto          uint8 // transport protocol (IP protocol number, after IPv6 extension headers)
	TTL            uint8 // TTL or hop limit
	TOS            uint8
	LinkLen        uint16 // bytes of Data in front of the network header
	Lost           uint16 // of a reassembled datagram: bytes in front of the network header of its fragments, which are not in Data
	IPHeaderLen    uint16 // IPv4 header with options; IPv6 header with extension headers
	IPID           uint32
	FragOffset     uint16 // bytes
	MoreFrags      bool
	DontFrag       bool
	Src, Dst       Addr
	SrcPort        uint16 // TCP, UDP, SCTP; for ICMP see ICMPType
	DstPort        uint16
	TCP            TCP
	ICMPType       uint8
	ICMPCode       uint8
	ICMPID         uint16 // echo and similar
	ICMPSeq        uint16
	IPOpts         IPOptSet // IPv4 options present
	OptRepeats     uint8    // times that EvIPv4OptInvalidLen occurred after the first: each is told
	ExtHeaders     ExtSet   // IPv6 extension headers present

	// The packet that an ICMP error quotes; valid with HasEmbedded.
	InnerIPVersion             uint8
	InnerProto                 uint8
	InnerSrc, InnerDst         Addr
	InnerSrcPort, InnerDstPort uint16

	root     *Packet // packet of the frame that carries this one; nil for that itself
	arp      []byte
	fragHdr  uint16 // IPv6: offset of the fragment header in L3
	fragPrev uint16 // IPv6: offset of the extension header before it, 0 when there is none
	layers   uint8  // headers so far, those of the parents included
	sums     uint8  // see sumL3Known
	vjTCP    bool   // from a PPP frame with a Van Jacobson header
}

// Len is the length of the packet in bytes, as flows count it: a reassembled datagram has the link-layer header of a fragment.
func (p *Packet) Len() int { return len(p.Data) + int(p.Lost) }

// TCP holds the fixed fields and options of a TCP header; valid with HasTCP.
type TCP struct {
	Seq, Ack  uint32
	Window    uint16
	Urgent    uint16
	Flags     TCPFlags
	HeaderLen uint8
	Opts      TCPOptSet // options present and well formed
	WScale    uint8     // window scale, valid with OptWScale
	MSS       uint16    // valid with OptMSS
	TSVal     uint32    // timestamps, valid with OptTimestamp
	TSEcr     uint32
	SACKOff   uint8 // offset of the first SACK block from the start of L4, valid with OptSACK
	SACKCount uint8
}

// TCPFlags are the flag bits of a TCP header (RFC 9293, ECN by RFC 3168).
type TCPFlags uint8

// The TCP flags.
const (
	FIN TCPFlags = 1 << iota
	SYN
	RST
	PSH
	ACK
	URG
	ECE
	CWR
)

// TCPOptSet says which TCP options are present.
type TCPOptSet uint8

// The TCP options.
const (
	OptMSS TCPOptSet = 1 << iota
	OptWScale
	OptSACKPermitted
	OptSACK
	OptTimestamp
	OptFastOpen
	OptMD5
	OptAO
)

// IPOptSet says which IPv4 options are present, for the ipopts keyword.
type IPOptSet uint16

// The IPv4 options.
const (
	IPOptRR IPOptSet = 1 << iota
	IPOptQS
	IPOptEOL
	IPOptNOP
	IPOptTS
	IPOptSEC
	IPOptLSRR
	IPOptSSRR
	IPOptSID
	IPOptESEC
	IPOptCIPSO
	IPOptRTRALT
)

// ExtSet says which IPv6 extension headers are present.
type ExtSet uint8

// The IPv6 extension headers.
const (
	ExtHopByHop ExtSet = 1 << iota
	ExtRouting
	ExtFragment
	ExtDestination
	ExtAuth
	ExtESP
)

// Kind is what carries a packet.
type Kind uint8

// The kinds of packets.
const (
	Root Kind = iota
	InGRE
	InIPv4 // IP in IPv4
	InIPv6
	InVXLAN
	InGeneve
	InTeredo
	InERSPAN
	Datagram // reassembled from fragments; its parent is the last fragment
)

// Is reports whether all the given layers are present.
func (p *Packet) Is(l Layer) bool { return p.Layers&l == l }

// Has reports whether one of the given marks is set.
func (p *Packet) Has(f Flags) bool { return p.Flags&f != 0 }

// Root returns the packet of the frame that carries this one in tunnels or made it from fragments; nil for that itself. It is
// valid as long as the packet.
func (p *Packet) Root() *Packet { return p.root }

// FragmentHeader returns where the IPv6 fragment header lies in L3, and where the extension header before it does (0
// when that is the fixed header). It is valid with ExtFragment.
func (p *Packet) FragmentHeader() (at, prev int) { return int(p.fragHdr), int(p.fragPrev) }

// IsIP reports whether the packet has a valid IPv4 or IPv6 header.
func (p *Packet) IsIP() bool { return p.Layers&(HasIPv4|HasIPv6) != 0 }
