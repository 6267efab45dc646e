package detect

import "sentinel/rules"

// Analysis is what the engine made of one rule, for --engine-analysis and --list commands.
type Analysis struct {
	Meta     *Meta
	Type     Type
	ToServer bool
	ToClient bool
	Packet   bool // looked for in packets
	Stream   bool // looked for in the reassembled stream
	// The fast pattern as the user guide's rules choose it; Buffer is "" without one, "payload" for the payload.
	Pattern        []byte
	Buffer         string
	PatternNegated bool
	PatternNocase  bool
	Buffers        []string       // of transactions, in the order they are looked at, without repetition
	SrcPorts       *rules.PortSet // nil = any
	DstPorts       *rules.PortSet
}

// Analyse describes rule i of Meta.
func (rs *Ruleset) Analyse(i int) Analysis {
	r := rs.rules[i]
	h := &rs.heads[r.head]
	a := Analysis{Meta: &r.meta, Type: r.typ, Packet: r.flags&requirePacket != 0, Stream: r.flags&requireStream != 0}
	if h.sp != 0 {
		a.SrcPorts = &rs.ports[h.sp]
	}
	if h.dp != 0 {
		a.DstPorts = &rs.ports[h.dp]
	}
	a.ToServer, a.ToClient = h.dirs&toServer != 0, h.dirs&toClient != 0
	if f := r.fast; f != nil {
		a.Pattern, a.PatternNegated, a.PatternNocase, a.Buffer = f.data, f.negated, f.nocase, "payload"
		if f.use != nil {
			a.Buffer = f.use.def.name
		}
	}
	for k := range r.tx {
		name := ""
		switch e := &r.tx[k]; e.kind {
		case onBuffer:
			name = rs.data[e.data].name
		case onNumber:
			name = e.number.Name
		case onEvent:
			name = "app-layer-events"
		case onFiles:
			name = "files"
		case onPayload:
			name = "payload"
		}
		if name == "" {
			continue
		}
		known := false
		for _, b := range a.Buffers {
			known = known || b == name
		}
		if !known {
			a.Buffers = append(a.Buffers, name)
		}
	}
	return a
}
