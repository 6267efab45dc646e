package detect

import (
	"sentinel/detect/chain"
	"sentinel/detect/pcre"
)

// program is the conditions on one buffer, compiled.
type program struct {
	chain    *chain.Program
	captures bool // some expression captures into variables
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
		if e, ok := x.other.(*chain.Pcre); ok && len(e.Captures) > 0 {
			p.captures = true
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
		case pcre.AlertVar:
			if len(w.contexts) < maxContexts {
				w.contexts = append(w.contexts, alertContext{&r.meta, PacketVar{Name: x.Capture.Name, Value: x.Value}})
			}
		case pcre.PktVar:
			w.pktVars = append(w.pktVars, PacketVar{Name: x.Capture.Name, Value: x.Value})
		case pcre.PktKeyValue:
			w.pktVars = append(w.pktVars, PacketVar{Name: string(x.Key), Value: x.Value})
		}
	}
	w.captured = w.captured[:0]
}

// alertContext is a variable that an expression captured for the alerts of its rule.
type alertContext struct {
	rule *Meta
	v    PacketVar
}

// maxContexts bounds those of one packet.
const maxContexts = 64

// context collects what a rule captured for its alerts.
func (w *Worker) context(m *Meta) []PacketVar {
	from := len(w.alertVars)
	for i := range w.contexts {
		if x := &w.contexts[i]; x.rule == m {
			w.alertVars = append(w.alertVars, x.v)
		}
	}
	return w.alertVars[from:len(w.alertVars):len(w.alertVars)]
}

// PacketVar is a variable that an expression captured from the packet. Value is lent for the packet.
type PacketVar struct {
	Name  string
	Value []byte
}

// PacketVars returns what expressions captured from the packet last inspected.
func (w *Worker) PacketVars() []PacketVar { return w.pktVars }
