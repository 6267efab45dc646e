package detect

import (
	"strings"

	"sentinel/decode"
	"sentinel/rules"
	"sentinel/stream/app"
	"sentinel/stream/flow"
)

// protoSet is a set of IP protocols.
type protoSet [4]uint64

func (s *protoSet) add(p uint8)      { s[p>>6] |= 1 << (p & 63) }
func (s *protoSet) has(p uint8) bool { return s[p>>6]&(1<<(p&63)) != 0 }

var everyProto = protoSet{^uint64(0), ^uint64(0), ^uint64(0), ^uint64(0)}

// The IP protocols that rules name.
const (
	protoICMP   = 1
	protoIGMP   = 2
	protoTCP    = 6
	protoUDP    = 17
	protoICMPv6 = 58
	protoSCTP   = 132
)

// protoKind is what a rule's protocol says beside IP protocol numbers.
type protoKind uint8

const (
	protoAny protoKind = 1 << iota // ip
	proto4                         // ipv4
	proto6                         // ipv6
	protoL2                        // pkthdr
	protoEther
	protoARP
	protoPkt    // tcp-pkt
	protoStream // tcp-stream
)

var protoTable = map[string]struct {
	protos []uint8
	kind   protoKind
}{
	"tcp":        {[]uint8{protoTCP}, 0},
	"tcp-pkt":    {[]uint8{protoTCP}, protoPkt},
	"tcp-stream": {[]uint8{protoTCP}, protoStream},
	"udp":        {[]uint8{protoUDP}, 0},
	"icmpv4":     {[]uint8{protoICMP}, 0},
	"icmpv6":     {[]uint8{protoICMPv6}, 0},
	"icmp":       {[]uint8{protoICMP, protoICMPv6}, 0},
	"igmp":       {[]uint8{protoIGMP}, 0},
	"sctp":       {[]uint8{protoSCTP}, 0},
	"ipv4":       {nil, proto4 | protoAny},
	"ip4":        {nil, proto4 | protoAny},
	"ipv6":       {nil, proto6 | protoAny},
	"ip6":        {nil, proto6 | protoAny},
	"ip":         {nil, protoAny},
	"pkthdr":     {nil, protoL2},
	"ether":      {nil, protoEther},
	"arp":        {nil, protoARP | protoEther},
}

// Protos is what a rule's header, and ip_proto, say of the IP protocol; a keyword may narrow it.
type Protos struct {
	set  protoSet
	kind protoKind
}

// head is a header predicate: everything of a rule that only depends on addresses, ports, protocols and direction. Rules
// with equal predicates share one.
type head struct {
	protos   protoSet
	kind     protoKind
	src, dst uint32 // address sets; 0 = any
	sp, dp   uint32 // port sets; 0 = any
	apps     appSet // empty = any
	dirs     ruleFlags
	deOnly   bool
}

// header reads the rule's header. With swapped it is the other direction of "<>".
func (b *Builder) header(swapped bool) error {
	r, c := b.rule, b.c
	h := &c.heads[len(c.heads)-1]
	if t, ok := protoTable[r.Proto]; ok {
		h.kind = t.kind
		for _, p := range t.protos {
			h.protos.add(p)
		}
		if t.kind&(protoAny|protoL2) != 0 {
			h.protos = everyProto
		}
		if r.Hook != "" {
			switch r.Hook {
			case "flow_start":
				b.r.flags |= hookFlowStart
				b.pktHook = r.Hook
			case "pre_flow", "pre_stream":
				return b.errorf("protocol", "the hook "+r.Hook+" is for firewall rules, which this engine does not run")
			case "all", "filter":
				b.pktHook = r.Hook
			default:
				return b.errorf("protocol", "protocol \""+r.Proto+"\" does not support hook \""+r.Hook+"\"")
			}
		}
	} else {
		ids := c.cfg.Registry.Rule(r.Proto)
		var on []flow.ProtoID
		for _, id := range ids {
			if c.cfg.Registry.Enabled(id) {
				on = append(on, id)
			}
		}
		if len(ids) == 0 || len(on) == 0 {
			return b.errorf("protocol", "protocol \""+r.Proto+"\" cannot be used in a signature.  Either detection for this protocol is not yet supported OR detection has been disabled for protocol through the yaml option app-layer.protocols."+r.Proto+".detection-enabled")
		}
		b.r.apps = appsOf(on)
		b.r.flags |= appLayer
		if len(on) == 1 {
			b.app = on[0]
		}
		for _, id := range on {
			if c.cfg.Registry.ByID(id).Name == r.Proto {
				b.app = id
			}
		}
		c.transports(h, b.r.apps)
		if r.Hook != "" {
			if err := b.appHook(); err != nil {
				return err
			}
		}
	}
	b.r.meta.App = b.app
	switch {
	case h.kind&protoPkt != 0:
		b.r.flags |= requirePacket
	case h.kind&protoStream != 0:
		b.r.flags |= requireStream
	}
	if r.TxBidir {
		b.r.flags |= bothDirs
	}
	src, dst, sp, dp := r.Src, r.Dst, r.SrcPort, r.DstPort
	if swapped {
		src, dst, sp, dp = dst, src, dp, sp
	}
	var err error
	if h.src, err = c.addresses(src); err != nil {
		return b.errorf("address", err.Error())
	}
	if h.dst, err = c.addresses(dst); err != nil {
		return b.errorf("address", err.Error())
	}
	if h.sp, err = c.ports(sp); err != nil {
		return b.errorf("port", err.Error())
	}
	if h.dp, err = c.ports(dp); err != nil {
		return b.errorf("port", err.Error())
	}
	if h.kind&protoEther != 0 && (h.sp != 0 || h.dp != 0) {
		return b.errorf("port", "can't use ports with ether or arp rule")
	}
	return nil
}

// transports adds the IP protocols that application protocols are spoken on.
func (c *compiler) transports(h *head, apps appSet) {
	for id := flow.ProtoID(flow.ProtoFirst); int(id) < c.cfg.Registry.Len(); id++ {
		p := c.cfg.Registry.ByID(id)
		if p == nil || !apps.has(id) {
			continue
		}
		if p.Transport&app.TCP != 0 {
			h.protos.add(protoTCP)
		}
		if p.Transport&app.UDP != 0 {
			h.protos.add(protoUDP)
		}
	}
}

// appHook reads the state of "http1:request_line", or type and state of "http2:stream:request_data".
func (b *Builder) appHook() error {
	bad := func() error {
		return b.errorf("protocol", "protocol \""+b.rule.Proto+"\" does not support hook \""+b.rule.Hook+"\"")
	}
	if b.app == flow.ProtoUnknown {
		return bad()
	}
	p := b.c.cfg.Registry.ByID(b.app)
	h := &hook{proto: b.app}
	state := b.rule.Hook
	if typ, s, ok := strings.Cut(state, ":"); ok {
		state = s
		found := false
		for i, t := range p.Types {
			if t == typ && t != "" {
				h.sub, found = uint8(i), true
			}
		}
		if !found {
			return bad()
		}
	} else if len(p.Types) > 0 {
		return b.errorf("protocol", "protocol "+p.Name+" requires a substate specification: "+p.Name+":<sub_state>:"+state)
	}
	var found bool
	if h.dir, h.progress, found = stateOf(p, state); !found {
		return bad()
	}
	if h.dir == app.ToServer {
		b.r.flags |= toServer
	} else {
		b.r.flags |= toClient
	}
	b.r.hook = h
	// A hook is exact about its protocol.
	b.r.apps = appsOf([]flow.ProtoID{b.app})
	return nil
}

// NarrowProtos is what ip_proto does to the rule's header: keep says which of the protocols stay.
func (b *Builder) NarrowProtos(keep func(p uint8) bool) error {
	h := &b.c.heads[len(b.c.heads)-1]
	var s protoSet
	for p := 0; p < 256; p++ {
		if h.protos.has(uint8(p)) && keep(uint8(p)) {
			s.add(uint8(p))
		}
	}
	if s == (protoSet{}) {
		return problem("no protocol is left")
	}
	h.protos = s
	h.kind &^= protoAny
	b.ipproto = true
	return nil
}

// ProtoAny reports whether the rule's header names no transport protocol.
func (b *Builder) ProtoAny() bool {
	h := &b.c.heads[len(b.c.heads)-1]
	return h.kind&protoAny != 0 || b.ipproto
}

// HasProto reports whether the rule's header allows for an IP protocol.
func (b *Builder) HasProto(p uint8) bool { return b.c.heads[len(b.c.heads)-1].protos.has(p) }

// addresses interns an address expression; 0 = any.
func (c *compiler) addresses(spec string) (uint32, error) {
	if id, ok := c.addrText[spec]; ok {
		return id, nil
	}
	s, err := rules.ParseAddresses(spec, c.cfg.Vars)
	if err != nil {
		return 0, err
	}
	id := uint32(0)
	if !s.IsAny() {
		k := s.Key()
		var ok bool
		if id, ok = c.addrKey[k]; !ok {
			id = uint32(len(c.addrs))
			c.addrs = append(c.addrs, s)
			c.addrKey[k] = id
		}
	} else if s.HasNegation() || s.HasRange() {
		k := "any" + s.Key()
		var ok bool
		if id, ok = c.addrKey[k]; !ok {
			id = uint32(len(c.addrs))
			c.addrs = append(c.addrs, s)
			c.addrKey[k] = id
		}
	}
	c.addrText[spec] = id
	return id, nil
}

// ports interns a port expression; 0 = any.
func (c *compiler) ports(spec string) (uint32, error) {
	if id, ok := c.portText[spec]; ok {
		return id, nil
	}
	s, err := rules.ParsePorts(spec, c.cfg.Vars)
	if err != nil {
		return 0, err
	}
	id := uint32(0)
	if !s.IsAny() {
		k := s.Key()
		var ok bool
		if id, ok = c.portKey[k]; !ok {
			id = uint32(len(c.portSets))
			c.portSets = append(c.portSets, s)
			c.portKey[k] = id
		}
	}
	c.portText[spec] = id
	return id, nil
}

// addrHas reports whether an address is in a set; a packet that is not IP is in every set.
func addrHas(s *rules.AddressSet, a *decode.Addr, version uint8) bool {
	switch version {
	case 4:
		return s.Contains4(uint32(a[0])<<24 | uint32(a[1])<<16 | uint32(a[2])<<8 | uint32(a[3]))
	case 6:
		return s.Contains6(be64(a[:8]), be64(a[8:]))
	}
	return true
}

func be64(b []byte) uint64 {
	_ = b[7]
	return uint64(b[0])<<56 | uint64(b[1])<<48 | uint64(b[2])<<40 | uint64(b[3])<<32 |
		uint64(b[4])<<24 | uint64(b[5])<<16 | uint64(b[6])<<8 | uint64(b[7])
}
