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
	names := []string{}
	for _, i := range x.e.InterfaceStats() {
		names = append(names, i.Name)
	}
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
	for _, i := range x.e.InterfaceStats() {
		if i.Name == name {
			for _, b := range x.e.BypassStats() {
				if b.Name == name {
					i.Bypassed += b.Pkts
				}
			}
			return control.OK(struct {
				Pkts     uint64 `json:"pkts"` // lost ones too
				Invalid  uint64 `json:"invalid-checksums"`
				Drop     uint64 `json:"drop"`
				Bypassed uint64 `json:"bypassed"`
			}{i.Packets + i.Drops, i.InvalidChecksums, i.Drops, i.Bypassed})
		}
	}
	return control.NOK("Iface does not exist")
}

// bypassed tells of the maps of flows that the kernel passes by.
func (x *controller) bypassed() control.Reply {
	list := x.e.BypassStats()
	if list == nil {
		return control.NOK("Bypass not enabled")
	}
	all := map[string]map[string]uint64{}
	for _, s := range list {
		all[s.Name] = map[string]uint64{"ipv4_maps_count": s.Held[0], "ipv4_success": s.Success[0], "ipv4_fail": s.Fail[0],
			"ipv6_maps_count": s.Held[1], "ipv6_success": s.Success[1], "ipv6_fail": s.Fail[1]}
	}
	return control.OK(all)
}
