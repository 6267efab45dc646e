package flow

import "sentinel/decode"

const (
	protoICMP   = 1
	protoIPIP   = 4
	protoTCP    = 6
	protoUDP    = 17
	protoIPv6   = 41
	protoESP    = 50
	protoICMPv6 = 58
	protoSCTP   = 132
)

// match is how a packet is compared with a flow.
type match uint8

const (
	matchNone   match = iota
	matchPair         // addresses and ports, either direction
	matchICMPv4       // addresses and ICMP types, either direction
	matchESP          // addresses and SPI, this direction only
)

// quotes reports whether p is an ICMPv4 destination unreachable that quotes ports: it belongs to the flow it quotes.
func quotes(p *decode.Packet) bool {
	return p.Is(decode.HasICMPv4|decode.HasEmbedded) && !p.Has(decode.Invalid) && p.ICMPType == 3 && p.InnerIPVersion == 4 &&
		(p.InnerProto == protoTCP || p.InnerProto == protoUDP)
}

// icmpError reports whether an ICMPv4 type is an error message; those create no flow.
func icmpError(typ uint8) bool { return typ == 3 || typ == 4 || typ == 5 || typ == 11 || typ == 12 }

// icmpPairs are requests and the replies that share their flow.
var icmpPairs = [...][2]uint8{{8, 0}, {13, 14}, {15, 16}, {10, 9}, {17, 18}}

var icmp6Pairs = [...][2]uint8{{128, 129}, {135, 136}, {133, 134}, {130, 131}, {139, 140}, {144, 145}, {146, 147},
	{148, 149}, {151, 152}, {157, 158}}

// icmpPeer returns the type that answers typ or that it answers, and false when there is none.
func icmpPeer(v6 bool, typ uint8) (uint8, bool) {
	pairs := icmpPairs[:]
	if v6 {
		pairs = icmp6Pairs[:]
	}
	for _, x := range pairs {
		if x[0] == typ {
			return x[1], true
		}
		if x[1] == typ {
			return x[0], true
		}
	}
	return 0, false
}

// keyOf fills k from p and says how flows are compared with it. create is false for packets that only belong to flows
// that are there already.
func (t *Table) keyOf(p *decode.Packet, k *Key) (m match, create bool) {
	if p.Has(decode.Fragment) || p.IPVersion == 0 {
		return matchNone, false
	}
	m, create = matchPair, true
	k.Src, k.Dst, k.Proto, k.IPVersion = p.Src, p.Dst, p.Proto, p.IPVersion
	switch {
	case p.Layers&(decode.HasTCP|decode.HasUDP|decode.HasSCTP) != 0:
		k.SrcPort, k.DstPort = p.SrcPort, p.DstPort
	case p.Is(decode.HasICMPv4):
		create = !icmpError(p.ICMPType)
		if quotes(p) {
			k.Src, k.Dst, k.Proto = p.InnerSrc, p.InnerDst, p.InnerProto
			k.SrcPort, k.DstPort = p.InnerSrcPort, p.InnerDstPort
			break
		}
		m = matchICMPv4
		k.Proto = protoICMP
		k.SrcPort, k.DstPort = icmpPorts(p, false)
	case p.Is(decode.HasICMPv6):
		k.Proto = protoICMPv6
		k.SrcPort, k.DstPort = icmpPorts(p, true)
	case p.Is(decode.HasESP):
		if len(p.L4) < 4 {
			return matchNone, false
		}
		m = matchESP
		k.SrcPort = uint16(p.L4[0])<<8 | uint16(p.L4[1])
		k.DstPort = uint16(p.L4[2])<<8 | uint16(p.L4[3])
	case p.Has(decode.IsTunnel) && (p.Proto == protoIPIP || p.Proto == protoIPv6):
	default:
		return matchNone, false
	}
	if !t.cfg.IgnoreDepth {
		k.Depth = p.Depth
	}
	if !t.cfg.IgnoreIface && p.Frame != nil {
		k.Iface = p.Frame.Iface
	}
	if !t.cfg.IgnoreVLAN {
		k.VLAN = p.VLAN
	}
	return m, create
}

// icmpPorts folds type and code of p, and the type of its counterpart, into two port numbers: type below, code above.
func icmpPorts(p *decode.Packet, v6 bool) (src, dst uint16) {
	src = uint16(p.ICMPType) | uint16(p.ICMPCode)<<8
	peer, _ := icmpPeer(v6, p.ICMPType)
	return src, uint16(peer)
}

// ICMP returns the ICMP type and code of the flow's first packet. It is valid for ICMP flows only.
func (k *Key) ICMP() (typ, code uint8) { return uint8(k.SrcPort), uint8(k.SrcPort >> 8) }

// same reports whether flow key f and packet key k name the same flow. A table that ignores VLAN ids, devices or depth
// leaves them zero in both.
func same(f, k *Key, m match) bool {
	if f.Proto != k.Proto || f.IPVersion != k.IPVersion || f.Depth != k.Depth || f.Iface != k.Iface || f.VLAN != k.VLAN {
		return false
	}
	switch m {
	case matchPair:
		if f.SrcPort == k.SrcPort && f.DstPort == k.DstPort && f.Src == k.Src && f.Dst == k.Dst {
			return true
		}
		return f.SrcPort == k.DstPort && f.DstPort == k.SrcPort && f.Src == k.Dst && f.Dst == k.Src
	case matchICMPv4:
		fs, fd, ks, kd := uint8(f.SrcPort), uint8(f.DstPort), uint8(k.SrcPort), uint8(k.DstPort)
		if fs == ks && fd == kd && f.Src == k.Src && f.Dst == k.Dst {
			return true
		}
		return fs == kd && fd == ks && f.Src == k.Dst && f.Dst == k.Src
	case matchESP:
		return f.SrcPort == k.SrcPort && f.DstPort == k.DstPort && f.Src == k.Src && f.Dst == k.Dst
	}
	return false
}

// Dir returns the direction of p within f, by the flow's present client and server.
func (t *Table) Dir(p *decode.Packet, f *Flow) Dir {
	switch p.Proto {
	case protoTCP, protoUDP, protoSCTP:
		if p.SrcPort != p.DstPort {
			if f.SrcPort == p.SrcPort {
				return ToServer
			}
			return ToClient
		}
	case protoICMP, protoICMPv6:
	default:
		return ToServer
	}
	if f.Src == p.Src {
		return ToServer
	}
	return ToClient
}

func classOf(proto uint8) Class {
	switch proto {
	case protoTCP:
		return ClassTCP
	case protoUDP:
		return ClassUDP
	case protoICMP:
		return ClassICMP
	}
	return ClassDefault
}
