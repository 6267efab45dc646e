package detect

import (
	"sentinel/internal/jsonw"
	"sentinel/rules"
	"sentinel/stream/app"
	"sentinel/stream/flow"
)

// Description is what the engine made of one rule, for the reports of --engine-analysis. Its words are those of the reports.
type Description struct {
	Meta         *Meta
	Type         Type
	Loaded       uint32 // rules are sorted by it as they were read
	App          string // application protocol: "http_any" stands for all versions of HTTP, "unknown" for none or several
	Requirements []string
	Actions      []string
	Scope        string // how far pass and drop reach
	Flags        []string

	Bidirectional      bool // one direction of "<>"
	ToServer, ToClient bool
	Packet, Stream     bool // looked for in packets, in the reassembled stream
	NoStream           bool // by flow:no_stream
	HasFlow            bool // has the flow keyword
	TCPFlags, SynOnly  bool // has the keyword flags, and for SYN
	Filestore          bool
	IPv4, IPv6         bool // for that version only
	Protocol           func(p uint8) bool
	AnyProtocol        bool
	AnySrc, AnyDst     bool
	SrcPorts, DstPorts *rules.PortSet // nil = any

	PacketEngines []DescribedEngine
	Engines       []DescribedEngine // of transactions, in the order in which they are tried
	Lists         []DescribedList   // conditions that belong to no buffer
	Payload       []Condition       // on payload or stream
	Buffers       []DescribedEngine // each buffer once, by its first engine, without the payload
	// Fast is the condition that decides whether the rule is tried, by the reference's choice; nil = none. It lies in FastBuffer,
	// which is "" for payload and stream.
	Fast           *Condition
	FastBuffer     string
	FastTransforms int
	PrefilterOn    string // the keyword that does so instead
	Bits           []BitUse
	Stateful       bool // has conditions on transactions
}

// DescribedEngine is one place where a rule looks.
type DescribedEngine struct {
	Name       string // the buffer's keyword; "stream", "payload", "packet", "files", "app-layer-events", or a hook
	Dir        app.Dir
	Fast       bool   // the fast pattern is here
	App        string // "unknown" = any
	Progress   uint8
	Type       string // of the transaction, where the protocol has several
	Transforms []string
	Conditions []Condition
}

// DescribedList is conditions, or what is done after a match.
type DescribedList struct {
	Name       string
	Conditions []Condition
}

// BitUse is one command on flowbits.
type BitUse struct {
	Cmd   string // "set", "unset", "isset", "isnotset"
	IDs   []uint32
	Names []string
}

// Describer is a Match that can tell reports what it asks for: it writes one member of an object, or nothing.
type Describer interface {
	Describe(w *jsonw.Builder, c *Config)
}

// BitUser is a Match that deals with flowbits.
type BitUser interface {
	FlowBits() (cmd string, ids []uint32)
}

// Describe writes the comparison as a member of an object.
func (u Uint) Describe(w *jsonw.Builder, key string) {
	w.OpenObject(key)
	pair := func(name, a, b string) {
		w.OpenObject(name)
		w.Uint(a, u.Lo)
		w.Uint(b, u.Hi)
		w.Close()
	}
	switch u.Mode {
	case UintEqual:
		w.Uint("equal", u.Lo)
	case UintNotEqual:
		w.Uint("diff", u.Lo)
	case UintLess:
		w.Uint("lt", u.Lo)
	case UintLessEqual:
		w.Uint("lte", u.Lo)
	case UintGreater:
		w.Uint("gt", u.Lo)
	case UintGreaterEqual:
		w.Uint("gte", u.Lo)
	case UintRange:
		pair("range", "min", "max")
	case UintNotRange:
		pair("negated_range", "min", "max")
	case UintMask:
		pair("bitmask", "mask", "value")
	case UintNotMask:
		pair("negated_bitmask", "mask", "value")
	}
	w.Close()
}

// dsizeMatch stands for the dsize keyword, which is no Match of its own.
type dsizeMatch struct{ u Uint }

func (dsizeMatch) Match(*Ctx) bool                        { return true }
func (m dsizeMatch) Describe(w *jsonw.Builder, _ *Config) { m.u.Describe(w, "dsize") }

// describe collects what the reports say of every rule, in the order of evaluation.
func (c *compiler) describe() []Description {
	out := make([]Description, 0, len(c.all))
	for _, x := range c.all {
		out = append(out, c.describeOne(x))
	}
	return out
}

func (c *compiler) describeOne(x *built) Description {
	b, r := x.b, x.r
	h := &c.rs.heads[r.head]
	d := Description{
		Meta: &r.meta, Type: r.typ, Loaded: r.iid, App: c.appOf(b), Bidirectional: b.rule.Bidir && (h.src != h.dst || h.sp != h.dp),
		ToServer: r.flags&toServer != 0, ToClient: r.flags&toClient != 0,
		Packet: r.flags&requirePacket != 0, Stream: r.flags&requireStream != 0, HasFlow: b.hasKeyword("flow"),
		NoStream: r.flags&requirePacket != 0 && b.hasKeyword("flow") && b.needs&(NeedPacket|NeedNoStream) == 0,
		TCPFlags: b.Has("tcp.flags"), Filestore: r.flags&filestore != 0, IPv4: h.kind&proto4 != 0, IPv6: h.kind&proto6 != 0,
		Protocol: h.protos.has, AnyProtocol: h.kind&protoAny != 0, AnySrc: h.src == 0, AnyDst: h.dst == 0, PrefilterOn: b.prefilterOn,
	}
	if h.sp != 0 {
		d.SrcPorts = &c.portSets[h.sp]
	}
	if h.dp != 0 {
		d.DstPorts = &c.portSets[h.dp]
	}
	for _, m := range b.Matches("tcp.flags") {
		if f, ok := m.(interface{ TCPFlagsNeeded() uint8 }); ok && f.TCPFlagsNeeded() == 0x02 {
			d.SynOnly = true
		}
	}
	fast, use := b.reportedFast()
	if d.PrefilterOn != "" {
		fast, use = nil, nil
	}
	c.describeEngines(&d, x, fast, use)
	c.describeLists(&d, x)
	d.Requirements = r.mask.words()
	d.Actions = actionWords(r)
	d.Scope = scopeWord(r)
	d.Flags = flagWords(&d, r)
	return d
}

// hasKeyword reports whether the rule's author used a keyword.
func (b *Builder) hasKeyword(name string) bool {
	for i := range b.rule.Options {
		if b.rule.Options[i].Name == name {
			return true
		}
	}
	return false
}

// appOf names the rule's application protocol.
func (c *compiler) appOf(b *Builder) string {
	name, n := "unknown", 0
	http := map[string]bool{}
	for id := flow.ProtoID(flow.ProtoFirst); int(id) < c.cfg.Registry.Len(); id++ {
		p := c.cfg.Registry.ByID(id)
		if p == nil || b.r.apps.empty() || !b.r.apps.has(id) {
			continue
		}
		n++
		name = protoName(p)
		http[p.Name] = true
	}
	switch {
	case n == 2 && http["http1"] && http["http2"]:
		return "http_any"
	case n != 1:
		return "unknown"
	}
	return name
}

// protoName is a protocol's name in reports.
func protoName(p *app.Protocol) string {
	if p.Name == "http1" {
		return "http"
	}
	return p.Name
}

func (m mask) words() []string {
	out := []string{}
	for _, x := range [...]struct {
		bit  mask
		word string
	}{
		{maskPayload, "payload"}, {maskNoPayload, "no_payload"}, {maskFlow, "flow"}, {maskInitFlags, "tcp_flags_init_deinit"},
		{maskUnusualFlags, "tcp_flags_unusual"}, {maskEvents, "engine_event"}, {maskReal, "real_pkt"},
	} {
		if m&x.bit != 0 {
			out = append(out, x.word)
		}
	}
	return out
}

func actionWords(r *compiled) []string {
	out := []string{}
	a := r.meta.Action
	if r.alerts && a != rules.Config && (a != rules.Pass || !r.meta.NoAlert) {
		out = append(out, "alert")
	}
	if a.Drops() {
		out = append(out, "drop")
	}
	switch a {
	case rules.Reject, rules.RejectSrc:
		out = append(out, "reject")
	case rules.RejectDst:
		out = append(out, "reject_dst")
	case rules.RejectBoth:
		out = append(out, "reject_both")
	case rules.Config:
		out = append(out, "config")
	case rules.Pass:
		out = append(out, "pass")
	}
	return out
}

func scopeWord(r *compiled) string {
	switch r.scope {
	case scopePacket:
		return "packet"
	case scopeFlow:
		return "flow"
	}
	switch r.typ {
	case TypeNotSet, TypeDEOnly, TypePacket:
		return "packet"
	case TypePacketStream, TypeStream:
		return "flow_if_stateful"
	}
	return "flow"
}

func flagWords(d *Description, r *compiled) []string {
	out := []string{}
	for _, x := range [...]struct {
		on   bool
		word string
	}{
		{d.AnySrc, "src_any"}, {d.AnyDst, "dst_any"}, {d.SrcPorts == nil, "sp_any"}, {d.DstPorts == nil, "dp_any"},
		{len(d.Actions) == 0 || d.Actions[0] != "alert", "noalert"}, {r.flags&hasDsize != 0, "dsize"}, {r.flags&appLayer != 0, "applayer"},
		{d.Packet, "need_packet"}, {d.Stream, "need_stream"}, {d.Fast != nil && d.Fast.Content.Negated, "negated_mpm"},
		{r.flags&needFlowVar != 0, "need_flowvar"}, {d.Filestore, "filestore"}, {d.ToServer, "toserver"}, {d.ToClient, "toclient"},
		{r.flags&bypassing != 0, "bypass"}, {d.Fast != nil || d.PrefilterOn != "", "prefilter"},
		{r.meta.Target == SrcIP, "src_is_target"}, {r.meta.Target == DestIP, "dst_is_target"},
	} {
		if x.on {
			out = append(out, x.word)
		}
	}
	return out
}
