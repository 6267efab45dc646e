package detect

import "sentinel/stream/flow"

// flowVars is the variables of one flow: bits, integers and captured bytes, by the ids of Names. There are few.
type flowVars struct {
	list []flowVar
}

type flowVar struct {
	kind  NameKind
	id    uint32
	num   uint32
	bytes []byte
}

// maxFlowVars bounds the variables of one flow.
const maxFlowVars = 1024

func (v *flowVars) reset() {
	for i := range v.list {
		v.list[i].bytes = nil
	}
	v.list = v.list[:0]
}

func (v *flowVars) empty() bool { return len(v.list) == 0 }

func (v *flowVars) find(k NameKind, id uint32) *flowVar {
	for i := range v.list {
		if x := &v.list[i]; x.id == id && x.kind == k {
			return x
		}
	}
	return nil
}

func (v *flowVars) set(k NameKind, id uint32) *flowVar {
	if x := v.find(k, id); x != nil {
		return x
	}
	if len(v.list) >= maxFlowVars {
		return nil
	}
	v.list = append(v.list, flowVar{kind: k, id: id})
	return &v.list[len(v.list)-1]
}

func (v *flowVars) unset(k NameKind, id uint32) {
	for i := range v.list {
		if x := &v.list[i]; x.id == id && x.kind == k {
			v.list = append(v.list[:i], v.list[i+1:]...)
			return
		}
	}
}

func (v *flowVars) setBytes(id uint32, b []byte) {
	if x := v.set(FlowVar, id); x != nil {
		x.bytes = append(x.bytes[:0], b...)
	}
}

// FlowBit reports whether a flowbit is set.
func (w *Worker) FlowBit(f *flow.Flow, id uint32) bool {
	return f != nil && f.Detect != 0 && w.flows[f.Detect].vars.find(FlowBit, id) != nil
}

// SetFlowBit sets or clears a flowbit.
func (w *Worker) SetFlowBit(f *flow.Flow, id uint32, on bool) {
	switch {
	case f == nil:
	case on:
		w.state(f).vars.set(FlowBit, id)
	case f.Detect != 0:
		w.flows[f.Detect].vars.unset(FlowBit, id)
	}
}

// FlowInt returns a flowint.
func (w *Worker) FlowInt(f *flow.Flow, id uint32) (uint32, bool) {
	if f == nil || f.Detect == 0 {
		return 0, false
	}
	if x := w.flows[f.Detect].vars.find(FlowInt, id); x != nil {
		return x.num, true
	}
	return 0, false
}

// SetFlowInt sets a flowint.
func (w *Worker) SetFlowInt(f *flow.Flow, id, v uint32) {
	if f == nil {
		return
	}
	if x := w.state(f).vars.set(FlowInt, id); x != nil {
		x.num = v
	}
}

// FlowVarBytes returns a variable that an expression captured; nil = not set.
func (w *Worker) FlowVarBytes(f *flow.Flow, id uint32) []byte {
	if f == nil || f.Detect == 0 {
		return nil
	}
	if x := w.flows[f.Detect].vars.find(FlowVar, id); x != nil {
		return x.bytes
	}
	return nil
}

// FlowVariable is a variable of a flow, for output.
type FlowVariable struct {
	Kind  NameKind
	Name  string
	Num   uint32
	Bytes []byte // lent
}

// FlowVariables appends the flow's variables to out, in the order they were set.
func (w *Worker) FlowVariables(f *flow.Flow, out []FlowVariable) []FlowVariable {
	if f == nil || f.Detect == 0 {
		return out
	}
	for i := range w.flows[f.Detect].vars.list {
		x := &w.flows[f.Detect].vars.list[i]
		out = append(out, FlowVariable{Kind: x.kind, Name: w.rs.Names.Name(x.kind, x.id), Num: x.num, Bytes: x.bytes})
	}
	return out
}
