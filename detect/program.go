package detect

import (
	"sentinel/detect/chain"
	"sentinel/detect/pcre"
)

// program is the conditions on one buffer, compiled.
type program struct {
	chain    *chain.Program
	captures bool // some condition captures into variables
	replaces bool
}

// program compiles the conditions on a buffer.
func (b *Builder) program(u *bufferUse) (*program, error) {
	if len(u.items) == 0 {
		return nil, nil
	}
	p := &program{}
	elems := make([]chain.Elem, 0, len(u.items))
	for _, x := range u.items {
		if x.content != nil {
			elems = append(elems, &x.content.Content)
			p.replaces = p.replaces || len(x.content.Replace) > 0
			continue
		}
		switch e := x.other.(type) {
		case *chain.Pcre:
			p.captures = p.captures || len(e.Captures) > 0
		case *chain.Check:
			_, captures := e.Checker.(chain.Capturer)
			p.captures = p.captures || captures
		}
		elems = append(elems, x.other)
	}
	var err error
	p.chain, err = chain.Compile(elems, &b.vars, chain.Options{Sticky: u.def != nil})
	return p, err
}

// match reports whether the data satisfies the program. What expressions capture becomes variables.
func (p *program) match(c *Ctx, data []byte, offset uint64, flags chain.Flags) bool {
	w := c.Worker
	if !p.chain.Match(w.chain, data, offset, flags) {
		return false
	}
	if p.captures {
		w.capture(w.chain.Captured)
	}
	return true
}

// capture notes what expressions captured, until the rule has matched.
func (w *Worker) capture(list []chain.Captured) { w.captured = append(w.captured, list...) }

// keepCaptured makes what the rule's expressions captured variables of the flow and the packet.
func (w *Worker) keepCaptured(r *compiled) {
	for i := range w.captured {
		x := &w.captured[i]
		switch x.Capture.Scope {
		case pcre.FlowVar:
			if f := w.ctx.Flow; f != nil {
				w.state(f).vars.setBytes(w.rs.Names.ID(FlowVar, x.Capture.Name), x.Value)
			}
		case pcre.AlertVar, pcre.AlertJSON:
			if len(w.contexts) < maxContexts {
				v := PacketVar{Name: x.Capture.Name, Value: x.Value, JSON: x.Capture.Scope == pcre.AlertJSON}
				x := alertContext{rule: &r.meta, v: v}
				if w.ctx.Tx != nil {
					x.tx = w.ctx.Tx.Base().ID
				}
				w.contexts = append(w.contexts, x)
			}
		case pcre.PktVar:
			w.packetVar(PacketVar{Name: x.Capture.Name, Value: x.Value})
		case pcre.PktKeyValue:
			w.packetVar(PacketVar{Name: string(x.Key), Value: x.Value, key: true})
		}
	}
	w.captured = w.captured[:0]
}

// maxPacketVars bounds the variables of one packet.
const maxPacketVars = 1024

func (w *Worker) packetVar(v PacketVar) {
	if len(w.pktVars) < maxPacketVars {
		w.pktVars = append(w.pktVars, v)
	}
}

// PacketVarBytes returns the first variable of a name that an expression captured from the packet under inspection; nil = none.
// Variables whose names were captured too do not count.
func (w *Worker) PacketVarBytes(name string) []byte {
	for i := range w.pktVars {
		if v := &w.pktVars[i]; !v.key && v.Name == name {
			return v.Value
		}
	}
	return nil
}

// alertContext is something that was captured for the alerts of its rule.
type alertContext struct {
	rule *Meta
	tx   uint64 // of which transaction; 0 = of none
	v    PacketVar
}

// maxContexts bounds those of one packet.
const maxContexts = 64

// context collects what a rule captured for its alert on a transaction. Of equal names the last counts.
func (w *Worker) context(m *Meta, tx uint64) []PacketVar {
	from := len(w.alertVars)
next:
	for i := range w.contexts {
		x := &w.contexts[i]
		if x.rule != m || x.tx != 0 && x.tx != tx {
			continue
		}
		for j := from; j < len(w.alertVars); j++ {
			if w.alertVars[j].Name == x.v.Name {
				w.alertVars[j] = x.v
				continue next
			}
		}
		w.alertVars = append(w.alertVars, x.v)
	}
	return w.alertVars[from:len(w.alertVars):len(w.alertVars)]
}

// PacketVar is a variable that an expression captured from the packet. Value is lent for the packet.
type PacketVar struct {
	Name  string
	Value []byte
	JSON  bool // the value is JSON, from a data set
	key   bool // the name was captured too
}

// PacketVars returns what expressions captured from the packet last inspected.
func (w *Worker) PacketVars() []PacketVar { return w.pktVars }
