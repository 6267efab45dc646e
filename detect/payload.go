package detect

import (
	"cmp"
	"slices"

	"sentinel/detect/mpm"
	"sentinel/stream/flow"
)

// payloadKey names what a database of payload patterns is for.
type payloadKey struct {
	proto  uint8 // protoTCP, protoUDP, or 0 for the others
	dir    flow.Dir
	app    uint8 // index of the application group; 0 = all others
	stream bool  // for TCP: the reassembled stream
	near   bool  // for packets: only patterns that end within the first nearWindow bytes
}

// nearWindow is where the patterns of near databases end at the latest. Most rules that want packets want the begin of
// packets; only so much of a large payload is searched for them.
const nearWindow = 256

// payloadSet is one database of payload patterns.
type payloadSet struct {
	num      uint32 // among those of the rules
	reach    int    // with near: bytes of the payload that patterns can lie in
	set      mpm.Set
	patterns []mpm.Pattern
	hits     [][]uint32
	index    map[string]uint32 // while rules are compiled
	heads    []uint32          // header predicates of its rules
}

// payloadPattern is a pattern that a rule is found by.
type payloadPattern struct {
	*fastPattern
	num uint32 // of the rule
	end uint32 // with near: where the pattern ends at the latest
}

// payloadGroups gives each application protocol the number of its payload databases: protocols that no payload rule names
// share group 0.
func (c *compiler) payloadGroups() []uint8 {
	g := make([]uint8, c.cfg.Registry.Len())
	next := uint8(1)
	for id := flow.ProtoID(flow.ProtoFirst); int(id) < len(g); id++ {
		for _, r := range c.rs.rules {
			if r.prefiltered() && r.fast.use == nil && r.apps.has(id) {
				g[id] = next
				next++
				break
			}
		}
	}
	return g
}

// payloadRule notes a rule for every payload database that it may be found by.
func (c *compiler) payloadRule(r *compiled, lists map[payloadKey][]payloadPattern, groups []uint8) {
	h := &c.rs.heads[r.head]
	var direct [2]bool // others, TCP
	for i, tcp := range [2]bool{false, true} {
		if x, ok := weakOf(r, tcp); ok && !c.cfg.NoDirect {
			direct[i] = true
			if tcp && !h.protos.has(protoTCP) {
				continue
			}
			c.rs.weak = append(c.rs.weak, weakRule{x, tcp})
		}
	}
	// In packets a content that must lie near the begin is looked for where the fast pattern may lie anywhere.
	packet, end := r.fast, packetReach(r)
	anchored := false
	if a := r.anchor; a != nil && end > nearWindow && !c.cfg.NoDirect {
		if !common(a.data) {
			packet, end = &fastPattern{data: a.data, nocase: a.nocase}, a.to
		} else if a.to <= weakWindow {
			anchored = true
			for i, tcp := range [2]bool{false, true} {
				if !direct[i] && (!tcp || h.protos.has(protoTCP) && r.flags&requirePacket != 0) {
					c.rs.weak = append(c.rs.weak, weakRule{a.weak(r), tcp})
				}
			}
		}
	}
	seen := map[uint8]bool{}
	for id, g := range groups {
		if !r.apps.empty() && !r.apps.has(flow.ProtoID(id)) || seen[g] {
			continue
		}
		seen[g] = true
		for _, d := range [2]flow.Dir{flow.ToServer, flow.ToClient} {
			if h.dirs&toServer == 0 && d == flow.ToServer || h.dirs&toClient == 0 && d == flow.ToClient {
				continue
			}
			add := func(proto uint8, stream bool) {
				k := payloadKey{proto: proto, dir: d, app: g, stream: stream}
				p := payloadPattern{r.fast, r.num, end}
				if !stream {
					if anchored {
						return
					}
					p.fastPattern = packet
					k.near = end <= nearWindow
				}
				lists[k] = append(lists[k], p)
			}
			if h.protos.has(protoTCP) && !direct[1] {
				// Content that belongs to a transaction's rule is looked for in the stream.
				if r.flags&requireStream != 0 || r.flags&requirePacket == 0 {
					add(protoTCP, true)
				}
				if r.flags&requirePacket != 0 {
					add(protoTCP, false)
				}
			}
			if direct[0] {
				continue
			}
			if h.protos.has(protoUDP) {
				add(protoUDP, false)
			}
			x := h.protos
			x[0] &^= 1<<protoTCP | 1<<protoUDP
			if x != (protoSet{}) {
				add(0, false)
			}
		}
	}
}

// payloadSets makes the databases of all keys.
func (c *compiler) payloadSets(lists map[payloadKey][]payloadPattern) {
	rs := c.rs
	keys := make([]payloadKey, 0, len(lists))
	for k := range lists {
		keys = append(keys, k)
	}
	side := func(b bool) int {
		if b {
			return 1
		}
		return 0
	}
	slices.SortFunc(keys, func(a, b payloadKey) int {
		return cmp.Or(cmp.Compare(a.proto, b.proto), cmp.Compare(a.dir, b.dir), cmp.Compare(a.app, b.app),
			cmp.Compare(side(a.stream), side(b.stream)), cmp.Compare(side(a.near), side(b.near)))
	})
	rs.space.sets = map[payloadKey]uint32{}
	last := make([]int, len(rs.heads)) // the key, counted from 1, that had the header predicate last
	for i, k := range keys {
		s := payloadSet{num: uint32(len(rs.payload)), index: map[string]uint32{}}
		for _, p := range lists[k] {
			if k.near {
				s.reach = max(s.reach, int(p.end))
			}
			addPattern(s.index, &s.patterns, &s.hits, p.fastPattern, p.num)
			if h := rs.rules[p.num].head; last[h] <= i {
				last[h] = i + 1
				s.heads = append(s.heads, h)
			}
		}
		rs.payload = append(rs.payload, s)
		rs.space.sets[k] = uint32(len(rs.payload))
	}
}
