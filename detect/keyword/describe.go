package keyword

import (
	"sentinel/detect"
	"sentinel/internal/jsonw"
	dir "sentinel/stream/flow"
)

// The methods below say for reports what a condition asks for, by the names that readers of such reports know.

var (
	_ detect.Describer = flowbit{}
	_ detect.BitUser   = flowbit{}
	_ detect.Describer = intMatch{}
	_ detect.Describer = hostBit{}
	_ detect.Describer = protoMatch{}
	_ detect.Describer = sessionMatch{}
	_ detect.Describer = elephantMatch{}
	_ detect.Describer = ipOptMatch{}
)

// Describe names the command and the bits.
func (m flowbit) Describe(w *jsonw.Builder, c *detect.Config) {
	w.OpenObject("flowbits")
	w.String("cmd", bitNames[m.cmd])
	w.OpenArray("names")
	for i := uint8(0); i < m.n; i++ {
		w.ElemString(c.Names.Name(detect.FlowBit, m.ids[i]))
	}
	w.Close()
	if m.n > 1 {
		w.String("operator", "or")
	}
	w.Close()
}

// FlowBits returns the command and the bits.
func (m flowbit) FlowBits() (cmd string, ids []uint32) {
	return bitNames[m.cmd], append([]uint32(nil), m.ids[:m.n]...)
}

var intNames = map[string]string{
	"=": "set", "+": "add", "-": "sub", "<": "lt", "<=": "lte", "==": "eq", "!=": "ne", ">=": "gte", ">": "gt",
	"isset": "isset", "notset": "isnotset",
}

// Describe names the command, the variable and what it is compared with.
func (m intMatch) Describe(w *jsonw.Builder, c *detect.Config) {
	w.OpenObject("flowint")
	w.String("cmd", intNames[m.op])
	w.String("var", c.Names.Name(detect.FlowInt, m.id))
	switch {
	case m.op == "isset" || m.op == "notset":
	case m.other != 0:
		w.String("target", c.Names.Name(detect.FlowInt, m.other))
	default:
		w.Uint("value", uint64(m.value))
	}
	w.Close()
}

// Describe names the command, the bit and whose it is. Hostbits are described by their name alone.
func (m hostBit) Describe(w *jsonw.Builder, c *detect.Config) {
	if m.host {
		return
	}
	w.OpenObject("xbits")
	w.String("cmd", map[byte]string{'1': "isset", '0': "isnotset", 's': "set", 'u': "unset", 't': "toggle"}[m.op])
	w.String("name", c.Names.Name(m.kind, m.id))
	track := map[detect.Track]string{detect.BySrc: "ip_src", detect.ByDst: "ip_dst", detect.ByBoth: "ip_pair"}[m.track]
	if m.kind == detect.TxBit {
		track = "tx"
	}
	w.String("track", track)
	w.Uint("expire", uint64(m.seconds))
	w.Close()
}

// Describe lists the protocols in the order of the reports: unknown and failed first, HTTP/2 last.
func (m protoMatch) Describe(w *jsonw.Builder, c *detect.Config) {
	w.OpenObject("app_layer_protocol")
	w.OpenArray("protocols")
	if m.has(dir.ProtoUnknown) {
		w.ElemString("unknown")
	}
	if m.has(dir.ProtoFailed) {
		w.ElemString("failed")
	}
	http1, http2 := false, false
	for id := dir.ProtoID(dir.ProtoFirst); int(id) < c.Registry.Len(); id++ {
		p := c.Registry.ByID(id)
		switch {
		case p == nil || !m.has(id):
		case p.Name == "http1":
			http1 = true
			w.ElemString("http")
		case p.Name == "http2":
			http2 = true
		default:
			w.ElemString(p.Name)
		}
	}
	if http2 {
		w.ElemString("http2")
	}
	if http1 && http2 {
		w.ElemString("http_any")
	}
	w.Close()
	mode := "direction"
	for name, x := range protoModes {
		if x == m.mode {
			mode = name
		}
	}
	w.String("mode", mode)
	w.Bool("negated", m.negated)
	w.Close()
}

// Describe lists the phases.
func (m sessionMatch) Describe(w *jsonw.Builder, _ *detect.Config) {
	w.OpenObject("tcp_session")
	w.OpenArray("phases")
	for _, p := range [...]struct {
		on   bool
		name string
	}{{m.setup, "setup"}, {m.established, "established"}, {m.closing, "closing"}} {
		if p.on {
			w.ElemString(p.name)
		}
	}
	w.Close()
	w.Close()
}

// Describe says which direction is asked for.
func (m elephantMatch) Describe(w *jsonw.Builder, _ *detect.Config) {
	w.OpenObject("flow_elephant")
	w.String("dir", [...]string{"toserver", "toclient", "either", "both"}[m.side])
	w.Close()
}

// Describe names the option.
func (m ipOptMatch) Describe(w *jsonw.Builder, _ *detect.Config) {
	w.OpenObject("ipopts")
	for _, o := range ipOptNames {
		if o.bit == m.opt {
			w.String("option", o.name)
			break
		}
	}
	w.Close()
}

func (m ttlMatch) Describe(w *jsonw.Builder, _ *detect.Config)    { m.u.Describe(w, "ttl") }
func (m seqMatch) Describe(w *jsonw.Builder, _ *detect.Config)    { m.u.Describe(w, "seq") }
func (m ackMatch) Describe(w *jsonw.Builder, _ *detect.Config)    { m.u.Describe(w, "ack") }
func (m windowMatch) Describe(w *jsonw.Builder, _ *detect.Config) { m.u.Describe(w, "window") }
func (m mssMatch) Describe(w *jsonw.Builder, _ *detect.Config)    { m.u.Describe(w, "tcp_mss") }
func (m icodeMatch) Describe(w *jsonw.Builder, _ *detect.Config)  { m.u.Describe(w, "code") }
func (m icmpIDMatch) Describe(w *jsonw.Builder, _ *detect.Config) { m.u.Describe(w, "id") }
func (m ageMatch) Describe(w *jsonw.Builder, _ *detect.Config)    { m.u.Describe(w, "flow_age") }
