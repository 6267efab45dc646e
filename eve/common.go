package eve

import (
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"

	"sentinel/capture"
	"sentinel/decode"
	"sentinel/internal/conf"
	"sentinel/internal/jsonw"
	"sentinel/stream"
	"sentinel/stream/flow"
)

// common is what all events of an eve-log have in common. Two eve-logs with equal values share their events.
type common struct {
	compress  bool // ipv6-compress
	ether     bool // ethernet
	version   bool // suricata-version
	vars      bool // metadata
	community bool // community-id
	seed      uint16
	pcapFile  bool   // pcap-file
	sensor    string // sensor-name
	sensorID  int64  // sensor-id; below 0 = none
	xff       xff
}

func newCommon(n, root *conf.Node, warn func(string, ...any)) (common, error) {
	c := common{
		compress:  n.Get("ipv6-compress").IsTrue(),
		ether:     n.Get("ethernet").IsTrue(),
		version:   n.Get("suricata-version").IsTrue(),
		vars:      !n.Get("metadata").IsFalse(),
		community: n.Get("community-id").IsTrue(),
		pcapFile:  n.Get("pcap-file").IsTrue(),
		sensor:    n.Get("sensor-name").Str(root.Get("sensor-name").Str("")),
	}
	seed, err := n.Get("community-id-seed").IntIn(0, 0, 65535)
	if err != nil {
		return c, err
	}
	c.seed = uint16(seed)
	if c.sensorID, err = n.Get("sensor-id").Int(-1); err != nil {
		return c, err
	}
	c.xff = newXFF(n.Get("xff"), warn)
	return c, nil
}

// sides are the addresses of an event.
type sides struct {
	src, dst         *decode.Addr
	srcPort, dstPort uint16
	xff              []byte // stands for one of the addresses: for src, or for dst with xffDst
	xffDst           bool
}

// swapped reports whether an event shows the packet's addresses the other way round.
func swapped(u *stream.Unit, d direction) bool {
	if u.Flow == nil {
		return false
	}
	switch d {
	case asFlow, toServer:
		return u.Dir == flow.ToClient
	case toClient:
		return u.Dir == flow.ToServer
	}
	return false
}

func sidesOf(p *decode.Packet, swap bool) sides {
	if swap {
		return sides{src: &p.Dst, dst: &p.Src, srcPort: p.DstPort, dstPort: p.SrcPort}
	}
	return sides{src: &p.Src, dst: &p.Dst, srcPort: p.SrcPort, dstPort: p.DstPort}
}

// protoHasPorts reports whether events have ports. They have, as 0, in fragments and where the header is broken.
func protoHasPorts(proto uint8) bool {
	return proto == protoTCP || proto == protoUDP || proto == protoSCTP
}

const (
	protoICMP   = 1
	protoTCP    = 6
	protoUDP    = 17
	protoESP    = 50
	protoICMPv6 = 58
	protoSCTP   = 132
)

func addrBytes(a *decode.Addr, version uint8) []byte {
	if version == 6 {
		return a[:]
	}
	return a[:4]
}

func (w *Worker) addr(key string, a *decode.Addr, version uint8, xff []byte) {
	if xff != nil {
		w.b.Str(key, xff)
		return
	}
	w.b.IP(key, addrBytes(a, version))
}

func (s *sides) srcXFF() []byte {
	if s.xffDst {
		return nil
	}
	return s.xff
}

func (s *sides) dstXFF() []byte {
	if s.xffDst {
		return s.xff
	}
	return nil
}

// begin starts an event of a packet.
func (w *Worker) begin(c *common, u *stream.Unit, d direction, event string) {
	swap := swapped(u, d)
	s := sidesOf(u.Packet, swap)
	w.beginWith(c, u, &s, swap, event)
}

// beginWith starts an event with the addresses given.
func (w *Worker) beginWith(c *common, u *stream.Unit, s *sides, swap bool, event string) {
	b, p, f := &w.b, u.Packet, u.Flow
	b.Reset()
	b.CompressIPv6 = c.compress
	b.StartObject()
	b.Time("timestamp", p.Time, w.clock)
	if f != nil {
		w.flowID(f)
	}
	if c.sensorID >= 0 {
		b.Int("sensor_id", c.sensorID)
	}
	if p.Frame != nil {
		w.iface(p.Frame.Iface)
	} else if f != nil {
		w.iface(f.Iface)
	}
	if u.Count != 0 && p.Root() == nil { // readers know it of the file's own packets only
		b.Uint("pcap_cnt", u.Count)
	}
	b.String("event_type", event)
	w.vlan(&p.VLAN, p.VLANCount)
	if p.IsIP() {
		w.addr("src_ip", s.src, p.IPVersion, s.srcXFF())
		ports := protoHasPorts(p.Proto)
		if ports {
			b.Uint("src_port", uint64(s.srcPort))
		}
		w.addr("dest_ip", s.dst, p.IPVersion, s.dstXFF())
		if ports {
			b.Uint("dest_port", uint64(s.dstPort))
		}
		b.String("proto", ipProtoNames[p.Proto])
		b.Uint("ip_v", uint64(p.IPVersion))
	}
	w.transport(p)
	b.String("pkt_src", source(u))
	w.commonOptions(c, u, f, swap)
}

func (w *Worker) flowID(f *flow.Flow) {
	w.b.Uint("flow_id", f.ID)
	if f.Parent != 0 {
		w.b.Uint("parent_id", f.Parent)
	}
}

func (w *Worker) iface(i uint16) {
	if w.o.opt.Iface == nil {
		return
	}
	if name := w.o.opt.Iface(i); name != "" {
		w.b.String("in_iface", name)
	}
}

func (w *Worker) vlan(ids *[decode.MaxVLAN]uint16, n uint8) {
	if n == 0 {
		return
	}
	w.b.OpenArray("vlan")
	for _, id := range ids[:min(int(n), len(ids))] {
		w.b.ElemUint(uint64(id))
	}
	w.b.Close()
}

// transport adds what ICMP, IGMP and SCTP packets have instead of ports, or beside them.
func (w *Worker) transport(p *decode.Packet) {
	b := &w.b
	switch {
	case p.Layers&(decode.HasICMPv4|decode.HasICMPv6) != 0:
		b.Uint("icmp_type", uint64(p.ICMPType))
		b.Uint("icmp_code", uint64(p.ICMPCode))
	case p.Is(decode.HasIGMP):
		w.igmp(p)
	case p.Is(decode.HasSCTP) && len(p.L4) >= 12:
		w.sctp(p.L4)
	}
}

// igmp tells IGMP from RGMP, which RFC 3488 gives an address and a TTL of its own.
func (w *Worker) igmp(p *decode.Packet) {
	b, m := &w.b, p.L4
	if len(m) < 8 {
		return
	}
	if len(m) == 8 && p.IPVersion == 4 && p.TTL == 1 && [4]byte(p.Dst[:4]) == [4]byte{224, 0, 0, 25} {
		b.OpenObject("rgmp")
		b.Uint("type", uint64(m[0]))
		b.Close()
		return
	}
	version := uint64(255)
	switch m[0] {
	case 0x11: // query
		switch {
		case len(m) >= 12:
			version = 3
		case m[1] == 0:
			version = 1
		default:
			version = 2
		}
	case 0x12:
		version = 1
	case 0x16, 0x17:
		version = 2
	case 0x22:
		version = 3
	}
	b.OpenObject("igmp")
	b.Uint("type", uint64(m[0]))
	b.Uint("version", version)
	b.Close()
}

// source says where a packet came from.
func source(u *stream.Unit) string {
	switch {
	case u.Has(stream.EndOfFlow):
		return "stream (flow timeout)"
	case u.Has(stream.DetectFlush):
		return "stream (detect/log)"
	}
	return sourceOf(u.Packet)
}

func sourceOf(p *decode.Packet) string {
	switch p.Kind {
	case decode.InGRE, decode.InERSPAN:
		return "gre tunnel"
	case decode.InIPv4:
		return "ipv4 tunnel"
	case decode.InIPv6:
		return "ipv6 tunnel"
	case decode.InVXLAN:
		return "vxlan encapsulation"
	case decode.InGeneve:
		return "geneve encapsulation"
	case decode.InTeredo:
		return "teredo tunnel"
	case decode.Datagram:
		return "defrag"
	}
	return "wire/pcap"
}

// commonOptions adds what the eve-log's own switches ask for. u is nil for events of a flow.
func (w *Worker) commonOptions(c *common, u *stream.Unit, f *flow.Flow, swap bool) {
	if c.version {
		w.b.String("suricata_version", w.o.opt.Version)
	}
	if c.vars && w.vars != nil {
		w.vars.Append(f, u != nil, &w.b)
	}
	if c.ether {
		w.ether(u, f, swap)
	}
	if c.community && f != nil {
		w.communityID(f, c.seed)
	}
	if f != nil && f.Tenant != 0 {
		w.b.Uint("tenant_id", uint64(f.Tenant))
	}
}

func (w *Worker) ether(u *stream.Unit, f *flow.Flow, swap bool) {
	b := &w.b
	switch {
	case u != nil && u.Packet.Is(decode.HasEthernet):
		p := u.Packet
		b.OpenObject("ether")
		typ := p.EtherType
		if len(p.L2) >= 14 {
			typ = binary.BigEndian.Uint16(p.L2[12:]) // before VLAN tags
		}
		b.Uint("ether_type", uint64(typ))
		src, dst := &p.SrcMAC, &p.DstMAC
		if swap {
			src, dst = dst, src
		}
		b.HexColon("src_mac", src[:])
		b.HexColon("dest_mac", dst[:])
		b.Close()
	case f == nil || f.SrcMAC == [6]byte{} && f.DstMAC == [6]byte{}:
	case u != nil:
		b.OpenObject("ether")
		b.HexColon("src_mac", f.SrcMAC[:])
		b.HexColon("dest_mac", f.DstMAC[:])
		b.Close()
	default:
		src, dst := flow.ToServer, flow.ToClient
		if swap {
			src, dst = dst, src
		}
		m := w.macsOf(f)
		if m == nil {
			m = &macSet{n: [2]uint8{1, 1}}
			m.mac[0][0], m.mac[1][0] = f.SrcMAC, f.DstMAC
		}
		b.OpenObject("ether")
		b.OpenArray("dest_macs")
		for i := range m.mac[dst][:m.n[dst]] {
			elemMAC(b, &m.mac[dst][i])
		}
		b.Close()
		b.OpenArray("src_macs")
		for i := range m.mac[src][:m.n[src]] {
			elemMAC(b, &m.mac[src][i])
		}
		b.Close()
		b.Close()
	}
}

func elemMAC(b *jsonw.Builder, mac *[6]byte) {
	const hex = "0123456789abcdef"
	var text [17]byte
	for i, c := range mac {
		text[3*i], text[3*i+1] = hex[c>>4], hex[c&15]
		if i < 5 {
			text[3*i+2] = ':'
		}
	}
	b.ElemStr(text[:])
}

// communityID adds the Community ID of the flow, version 1 (github.com/corelight/community-id-spec).
func (w *Worker) communityID(f *flow.Flow, seed uint16) {
	var buf [2 + 16 + 16 + 2 + 4]byte
	src, dst := addrBytes(&f.Src, f.IPVersion), addrBytes(&f.Dst, f.IPVersion)
	sp, dp := f.SrcPort, f.DstPort
	switch f.Proto {
	case protoICMP, protoICMPv6:
		sp, dp = sp&0xff, dp&0xff // without the codes
	}
	if c := compare(src, dst); c > 0 || c == 0 && sp >= dp {
		src, dst, sp, dp = dst, src, dp, sp
	}
	b := binary.BigEndian.AppendUint16(buf[:0], seed)
	b = append(b, src...)
	b = append(b, dst...)
	b = append(b, f.Proto, 0)
	b = binary.BigEndian.AppendUint16(b, sp)
	b = binary.BigEndian.AppendUint16(b, dp)
	sum := sha1.Sum(b)
	var text [2 + 28]byte
	text[0], text[1] = '1', ':'
	base64.StdEncoding.Encode(text[2:], sum[:])
	w.b.Str("community_id", text[:])
}

func compare(a, b []byte) int {
	for i := range a {
		if a[i] != b[i] {
			return int(a[i]) - int(b[i])
		}
	}
	return 0
}

// linkNames are the names of link types in packet_info.
func linkName(l uint32) string {
	switch l {
	case uint32(capture.LinkNull):
		return "NULL"
	case uint32(capture.LinkEthernet):
		return "EN10MB"
	case uint32(capture.LinkPPP):
		return "PPP"
	case uint32(capture.LinkRawBSD):
		return "RAW"
	case uint32(capture.LinkRaw):
		return "RAW2"
	case uint32(capture.LinkCHDLC):
		return "C_HDLC"
	case uint32(capture.LinkSLL):
		return "LINUX_SLL"
	case uint32(capture.LinkSLL2):
		return "LINUX_SLL2"
	case uint32(capture.LinkIPv4):
		return "IPv4"
	case uint32(capture.LinkIPv6):
		return "IPv6"
	case 778:
		return "GRE_RAW"
	}
	return "n/a"
}

// packet adds the packet's bytes, at most limit of them (0 = all).
func (w *Worker) packet(u *stream.Unit, limit int) {
	data, link := u.Packet.Data, uint32(w.link)
	p := u.Packet
	switch {
	case p.Has(decode.Pseudo):
		data = w.pseudo(u)
		if u.Has(stream.DetectFlush) {
			link = uint32(capture.LinkRawBSD)
		}
	case p.Root() != nil && p.Kind != decode.Datagram:
		link = uint32(capture.LinkRawBSD)
	case p.Frame != nil:
		link = uint32(p.Frame.Link)
	}
	if r := p.Root(); r != nil && p.Kind == decode.Datagram && p.Parent == 0 {
		// A datagram is shown behind the link-layer header of the fragment that completed it.
		w.fake = append(append(w.fake[:0], r.Data[:min(int(r.LinkLen), len(r.Data))]...), data...)
		data = w.fake
	}
	if link == uint32(capture.LinkRaw) {
		link = uint32(capture.LinkRawBSD) // what libpcap calls it on the host
	}
	if limit > 0 && len(data) > limit {
		data = data[:limit]
	}
	if len(data) > 0 {
		w.b.Base64("packet", data)
	}
	w.b.OpenObject("packet_info")
	w.b.Uint("linktype", uint64(link))
	w.b.String("linktype_name", linkName(link))
	w.b.Close()
}
