package detect

import (
	"encoding/binary"
	"slices"
	"sort"

	"sentinel/decode"
)

// ipTable answers which address-only rules a pair of addresses satisfies. Each distinct address set is cut into ranges once;
// a look-up finds the sets of one address, and from them the rules, whose other half is then checked.
type ipTable struct {
	src, dst ipSide
	free     []uint32 // rules with any address on both sides
}

// ipSide is the address sets of one side.
type ipSide struct {
	from4 []uint32
	list4 []uint32
	from6 []addr6
	list6 []uint32
	lists [][]uint32 // distinct lists of rules
}

func newIPTable(rs *Ruleset) *ipTable {
	t := &ipTable{}
	bySrc, byDst := map[uint32][]uint32{}, map[uint32][]uint32{}
	for _, num := range rs.ipOnly {
		h := &rs.heads[rs.rules[num].head]
		switch {
		case h.src != 0:
			bySrc[h.src] = append(bySrc[h.src], num)
		case h.dst != 0:
			byDst[h.dst] = append(byDst[h.dst], num)
		default:
			t.free = append(t.free, num)
		}
	}
	t.src.build(rs, bySrc)
	t.dst.build(rs, byDst)
	return t
}

type ipEdge[T any] struct {
	at  T
	set uint32
	in  bool
}

func (s *ipSide) build(rs *Ruleset, sets map[uint32][]uint32) {
	ids := make([]uint32, 0, len(sets))
	for id := range sets {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	var e4 []ipEdge[uint32]
	var e6 []ipEdge[addr6]
	for _, id := range ids {
		for _, r := range rs.addrs[id].Ranges() {
			if r.From.Is4() {
				a, z := ip4(r.From), ip4(r.To)
				e4 = append(e4, ipEdge[uint32]{a, id, true})
				if z != ^uint32(0) {
					e4 = append(e4, ipEdge[uint32]{z + 1, id, false})
				}
				continue
			}
			a, z := ip6(r.From), ip6(r.To)
			e6 = append(e6, ipEdge[addr6]{a, id, true})
			if z.lo++; z.lo == 0 {
				z.hi++
			}
			if z != (addr6{}) {
				e6 = append(e6, ipEdge[addr6]{z, id, false})
			}
		}
	}
	known := map[string]uint32{"": 0}
	s.lists = [][]uint32{nil}
	active := map[uint32]bool{}
	list := func() uint32 {
		if len(active) == 0 {
			return 0
		}
		on := make([]uint32, 0, len(active))
		for id := range active {
			on = append(on, id)
		}
		slices.Sort(on)
		key := make([]byte, 0, 4*len(on))
		for _, id := range on {
			key = binary.BigEndian.AppendUint32(key, id)
		}
		n, ok := known[string(key)]
		if !ok {
			n = uint32(len(s.lists))
			known[string(key)] = n
			var nums []uint32
			for _, id := range on {
				nums = append(nums, sets[id]...)
			}
			slices.Sort(nums)
			s.lists = append(s.lists, slices.Compact(nums))
		}
		return n
	}
	sort.SliceStable(e4, func(i, j int) bool { return e4[i].at < e4[j].at })
	s.from4, s.list4 = sweep(e4, active, list, 0)
	clear(active)
	sort.SliceStable(e6, func(i, j int) bool { return e6[i].at.less(e6[j].at) })
	s.from6, s.list6 = sweep(e6, active, list, addr6{})
}

// sweep walks over sorted edges and returns where the list of active sets changes.
func sweep[T comparable](es []ipEdge[T], active map[uint32]bool, list func() uint32, zero T) (from []T, lists []uint32) {
	from, lists = []T{zero}, []uint32{0}
	for i := 0; i < len(es); {
		at := es[i].at
		for ; i < len(es) && es[i].at == at; i++ {
			if es[i].in {
				active[es[i].set] = true
			}
		}
		// A set may end and begin again at one place only if its ranges touch, which they do not.
		for j := i - 1; j >= 0 && es[j].at == at; j-- {
			if !es[j].in {
				delete(active, es[j].set)
			}
		}
		n := list()
		if at == zero {
			lists[0] = n
		} else if n != lists[len(lists)-1] {
			from, lists = append(from, at), append(lists, n)
		}
	}
	return from, lists
}

// find returns the rules whose address set of this side holds the address.
func (s *ipSide) find(a *decode.Addr, version uint8) []uint32 {
	switch version {
	case 4:
		x := uint32(a[0])<<24 | uint32(a[1])<<16 | uint32(a[2])<<8 | uint32(a[3])
		lo, hi := 0, len(s.from4)
		for hi-lo > 1 {
			m := int(uint(lo+hi) >> 1)
			if s.from4[m] <= x {
				lo = m
			} else {
				hi = m
			}
		}
		return s.lists[s.list4[lo]]
	case 6:
		x := addr6{be64(a[:8]), be64(a[8:])}
		lo, hi := 0, len(s.from6)
		for hi-lo > 1 {
			m := int(uint(lo+hi) >> 1)
			if !x.less(s.from6[m]) {
				lo = m
			} else {
				hi = m
			}
		}
		return s.lists[s.list6[lo]]
	}
	return nil
}

// ipOnly tries the address-only rules. It is called for the first packet of each direction, and for packets without flow.
func (w *Worker) ipOnly() {
	t := w.rs.ipTable
	p := w.ctx.Packet
	if len(w.rs.ipOnly) == 0 || p.IPVersion == 0 {
		return
	}
	w.ipRules(t.src.find(&p.Src, p.IPVersion))
	w.ipRules(t.dst.find(&p.Dst, p.IPVersion))
	w.ipRules(t.free)
}

func (w *Worker) ipRules(nums []uint32) {
	rs, p := w.rs, w.ctx.Packet
	for _, num := range nums {
		r := rs.rules[num]
		h := &rs.heads[r.head]
		if h.kind&proto4 != 0 && p.IPVersion != 4 || h.kind&proto6 != 0 && p.IPVersion != 6 || !h.protos.has(p.Proto) {
			continue
		}
		if h.sp|h.dp != 0 && !w.portsHold(h) {
			continue
		}
		if h.src != 0 && !addrHas(&rs.addrs[h.src], &p.Src, p.IPVersion) || h.dst != 0 && !addrHas(&rs.addrs[h.dst], &p.Dst, p.IPVersion) {
			continue
		}
		w.ctx.Rule, w.ctx.Type, w.ctx.Alert = &r.meta, r.typ, 0
		if !w.matches(r) {
			continue
		}
		w.matched(r)
		w.push(r, 0, nil, 0)
	}
}

// portsHold checks the ports of a header predicate against the packet.
func (w *Worker) portsHold(h *head) bool {
	p := w.ctx.Packet
	if p.Proto != protoTCP && p.Proto != protoUDP && p.Proto != protoSCTP || p.Has(decode.Fragment) {
		return false
	}
	return (h.sp == 0 || w.rs.ports[h.sp].Contains(p.SrcPort)) && (h.dp == 0 || w.rs.ports[h.dp].Contains(p.DstPort))
}
