package sentinel

import (
	"strings"

	"sentinel/detect"
	"sentinel/eve"
	"sentinel/internal/jsonw"
	"sentinel/stream/flow"
)

// flowVars tells output of the variables that rules keep of a flow. It belongs to one worker.
type flowVars struct {
	w    *worker
	list []detect.FlowVariable
}

var _ eve.Vars = (*flowVars)(nil)

const (
	trafficID    = "traffic/id/"
	trafficLabel = "traffic/label/"
)

// Captured implements eve.Vars.
func (v *flowVars) Captured() bool { return v.w.detect != nil && len(v.w.detect.PacketVars()) > 0 }

// Append implements eve.Vars: flowbits that name traffic go under "traffic", all else under "metadata".
func (v *flowVars) Append(f *flow.Flow, packet bool, b *jsonw.Builder) {
	d := v.w.detect
	if d == nil {
		return
	}
	v.list = v.list[:0]
	if f != nil && f.Detect != 0 {
		v.list = d.FlowVariables(f, v.list)
	}
	var captured []detect.PacketVar
	if packet {
		captured = d.PacketVars()
	}
	if len(v.list) == 0 && len(captured) == 0 {
		return
	}
	v.traffic(b)
	b.OpenObject("metadata")
	v.bits(b, "flowbits", func(name string) (string, bool) {
		return name, !strings.HasPrefix(name, trafficID) && !strings.HasPrefix(name, trafficLabel)
	})
	open := false
	for i := range v.list {
		if x := &v.list[i]; x.Kind == detect.FlowInt {
			if !open {
				b.OpenObject("flowints")
				open = true
			}
			b.Uint(x.Name, uint64(x.Num))
		}
	}
	if open {
		b.Close()
	}
	open = false
	for i := range v.list {
		if x := &v.list[i]; x.Kind == detect.FlowVar {
			if !open {
				b.OpenArray("flowvars")
				open = true
			}
			b.StartObject()
			b.Printable(x.Name, x.Bytes)
			b.Close()
		}
	}
	if open {
		b.Close()
	}
	if len(captured) > 0 {
		b.OpenArray("pktvars")
		for i := range captured {
			b.StartObject()
			b.Printable(captured[i].Name, captured[i].Value)
			b.Close()
		}
		b.Close()
	}
	b.Close()
}

func (v *flowVars) traffic(b *jsonw.Builder) {
	found := false
	for i := range v.list {
		n := v.list[i].Name
		found = found || v.list[i].Kind == detect.FlowBit && (strings.HasPrefix(n, trafficID) || strings.HasPrefix(n, trafficLabel))
	}
	if !found {
		return
	}
	b.OpenObject("traffic")
	v.bits(b, "id", func(name string) (string, bool) { return strings.CutPrefix(name, trafficID) })
	v.bits(b, "label", func(name string) (string, bool) { return strings.CutPrefix(name, trafficLabel) })
	b.Close()
}

// bits writes the names of the set flowbits that pick takes, newest last; nothing when there are none.
func (v *flowVars) bits(b *jsonw.Builder, key string, pick func(string) (string, bool)) {
	open := false
	for i := range v.list {
		x := &v.list[i]
		if x.Kind != detect.FlowBit {
			continue
		}
		if name, ok := pick(x.Name); ok {
			if !open {
				b.OpenArray(key)
				open = true
			}
			b.ElemString(name)
		}
	}
	if open {
		b.Close()
	}
}
