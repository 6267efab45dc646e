package sentinel

import (
	"math"
	"net/netip"
	"sync"

	"sentinel/detect"
	"sentinel/detect/dataset"
	"sentinel/internal/control"
)

// hostsSeen are the hosts that commands have given bits: they are known even when all their bits are gone.
type hostsSeen struct {
	mu sync.Mutex
	m  map[netip.Addr]bool
}

// maxHostsSeen bounds them.
const maxHostsSeen = 1 << 16

func (h *hostsSeen) add(a netip.Addr) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.m == nil || len(h.m) >= maxHostsSeen {
		h.m = map[netip.Addr]bool{}
	}
	h.m[a.Unmap()] = true
}

func (h *hostsSeen) has(a netip.Addr) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.m[a.Unmap()]
}

// host reads the address of a command on a host.
func (x *controller) host(a control.Args) (netip.Addr, string) {
	text, ok := a.Text("ipaddress")
	if !ok {
		return netip.Addr{}, "ipaddress is not an string"
	}
	addr, err := netip.ParseAddr(text)
	if err != nil || addr.Zone() != "" {
		return netip.Addr{}, "invalid address string"
	}
	return addr, ""
}

// hostbit reads the address and the bit of a command on one.
func (x *controller) hostbit(a control.Args) (addr netip.Addr, id uint32, why string) {
	if addr, why = x.host(a); why != "" {
		return addr, 0, why
	}
	name, ok := a.Text("hostbit")
	if !ok {
		return addr, 0, "hostbit is not a string"
	}
	if x.e.names != nil {
		id = x.e.names.Find(detect.HostBit, name)
	}
	if id == 0 {
		return addr, 0, "hostbit not found"
	}
	return addr, id, ""
}

func (x *controller) addHostbit(a control.Args) control.Reply {
	addr, id, why := x.hostbit(a)
	if why != "" {
		return control.NOK(why)
	}
	seconds, whole, ok := a.Uint32("expire")
	switch {
	case !whole:
		return control.NOK("expire is not an integer")
	case !ok:
		return control.NOK("expire is not a uint32")
	}
	now := x.e.clock()
	switch {
	case now/1e9+int64(seconds) > math.MaxUint32:
		return control.NOK("couldn't set host expire")
	case !x.e.shared.SetHostBit(addr, id, now, seconds):
		return control.NOK("couldn't create host")
	}
	x.hosts.add(addr)
	return control.OK("hostbit added")
}

func (x *controller) removeHostbit(a control.Args) control.Reply {
	addr, id, why := x.hostbit(a)
	if why != "" {
		return control.NOK(why)
	}
	if _, known := x.e.shared.HostBits(addr, x.e.clock()); !known && !x.hosts.has(addr) {
		return control.NOK("host not found")
	}
	x.e.shared.ClearHostBit(addr, id)
	return control.OK("hostbit removed")
}

func (x *controller) listHostbit(a control.Args) control.Reply {
	addr, why := x.host(a)
	if why != "" {
		return control.NOK(why)
	}
	if x.e.shared == nil {
		return control.NOK("host not found")
	}
	list, known := x.e.shared.HostBits(addr, x.e.clock())
	if !known && !x.hosts.has(addr) {
		return control.NOK("host not found")
	}
	type bit struct {
		Name   string `json:"name"`
		Expire uint64 `json:"expire"`
	}
	bits := []bit{}
	for _, b := range list {
		bits = append(bits, bit{x.e.names.Name(detect.HostBit, b.ID), b.Seconds})
	}
	return control.OK(struct {
		Count int   `json:"count"`
		Bits  []bit `json:"hostbits"`
	}{len(bits), bits})
}

// dataset reads which set a command is about, and with value the value.
func (x *controller) dataset(a control.Args, value bool) (s *dataset.Set, text, why string) {
	name, ok := a.Text("setname")
	if !ok {
		return nil, "", "setname is not a string"
	}
	kind, ok := a.Text("settype")
	if !ok {
		return nil, "", "settype is not a string"
	}
	if text, ok = a.Text("datavalue"); !ok && value {
		return nil, "", "datavalue is not string"
	}
	t, ok := dataset.TypeByName(kind)
	if !ok {
		return nil, "", "unknown settype"
	}
	if x.e.datasets != nil {
		s = x.e.datasets.Find(name, t)
	}
	if s == nil {
		return nil, "", "set not found or wrong type"
	}
	return s, text, ""
}

func (x *controller) addData(a control.Args) control.Reply {
	s, v, why := x.dataset(a, true)
	if why != "" {
		return control.NOK(why)
	}
	return added(s.AddText(v))
}

func (x *controller) addJSON(a control.Args) control.Reply {
	s, v, why := x.dataset(a, true)
	if why != "" {
		return control.NOK(why)
	}
	text, ok := a.Text("datajson")
	if !ok {
		return control.NOK("datajson is not string")
	}
	return added(s.AddJSON(v, text))
}

// added tells what came of adding to a set.
func added(o dataset.Outcome) control.Reply {
	switch o {
	case dataset.Done:
		return control.OK("data added")
	case dataset.Already:
		return control.OK("data already in set")
	}
	return control.NOK("failed to add data")
}

func (x *controller) removeData(a control.Args) control.Reply {
	s, v, why := x.dataset(a, true)
	if why != "" {
		return control.NOK(why)
	}
	if s.RemoveText(v) == dataset.Done {
		return control.OK("data removed")
	}
	return control.NOK("failed to remove data")
}

func (x *controller) lookupData(a control.Args) control.Reply {
	s, v, why := x.dataset(a, true)
	switch {
	case why != "":
		return control.NOK(why)
	case s.HasText(v):
		return control.OK("item found in set")
	}
	return control.NOK("item not found in set")
}

func (x *controller) clearData(a control.Args) control.Reply {
	s, _, why := x.dataset(a, false)
	if why != "" {
		return control.NOK(why)
	}
	s.Clear()
	return control.OK("dataset cleared")
}

func (x *controller) dumpData() control.Reply {
	if x.e.datasets != nil {
		if err := x.e.datasets.Save(); err != nil {
			return control.NOK(err.Error())
		}
	}
	return control.OK("datasets dump done")
}
