package sentinel

import (
	"sentinel/internal/control"
	"sentinel/stream/flow"
)

// flowStats finds a flow by its flow_id.
func (x *controller) flowStats(a control.Args) control.Reply {
	id, ok := a.Int("flow_id")
	if !ok {
		return control.NOK("flow_id is not an integer")
	}
	type stats struct {
		PktsTC  uint64 `json:"pkts_toclient"`
		PktsTS  uint64 `json:"pkts_toserver"`
		BytesTC uint64 `json:"bytes_toclient"`
		BytesTS uint64 `json:"bytes_toserver"`
		Age     int64  `json:"age"`
	}
	var found *stats
	err := x.e.active().ask(func(w *worker) {
		if found != nil {
			return
		}
		w.stream.Table().Find(func(f *flow.Flow) bool {
			if f.ID != uint64(id) {
				return true
			}
			found = &stats{f.Pkts[flow.ToClient], f.Pkts[flow.ToServer], f.Bytes[flow.ToClient], f.Bytes[flow.ToServer],
				f.Last/1e9 - f.Start/1e9}
			return false
		})
	})
	switch {
	case found != nil:
		return control.OK(found)
	case err != nil:
		return control.NOK(err.Error())
	}
	return control.NOK("Not found")
}

func (x *controller) ifaceList() control.Reply {
	c := &x.e.ctl
	c.mu.Lock()
	defer c.mu.Unlock()
	names := append([]string{}, c.ifaces...)
	return control.OK(struct {
		Count  int      `json:"count"`
		Ifaces []string `json:"ifaces"`
	}{len(names), names})
}

func (x *controller) ifaceStat(a control.Args) control.Reply {
	name, ok := a.Text("iface")
	if !ok {
		return control.NOK("Iface is not a string")
	}
	c := &x.e.ctl
	c.mu.Lock()
	defer c.mu.Unlock()
	known := false
	for _, n := range c.ifaces {
		known = known || n == name
	}
	if !known {
		return control.NOK("Iface does not exist")
	}
	var s struct {
		Pkts     uint64 `json:"pkts"`
		Invalid  uint64 `json:"invalid-checksums"`
		Drop     uint64 `json:"drop"`
		Bypassed uint64 `json:"bypassed"`
	}
	for src, iface := range c.by {
		if iface != name {
			continue
		}
		st := src.Stats()
		s.Pkts += st.Received + st.Dropped
		s.Drop += st.Dropped
		s.Bypassed += st.Bypassed
	}
	if len(c.ifaces) == 1 { // checksums are counted by worker
		s.Invalid = x.e.Counters()["tcp.invalid_checksum"]
	}
	return control.OK(s)
}

// bypassed tells of the maps of flows that the kernel passes by.
func (x *controller) bypassed() control.Reply { return control.NOK("Bypass not enabled") }
