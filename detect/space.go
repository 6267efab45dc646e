package detect

import (
	"net/netip"
	"sort"

	"sentinel/decode"
	"sentinel/stream/flow"
)

// space cuts the address and port space into pieces that no rule tells apart. Flows whose addresses and ports lie in the
// same pieces are judged alike: they share a class.
//
//	10.0.0.0        192.168.0.0
//	├── HOME_NET ──┤├──────── other ────────┤     piece 1, piece 0
type space struct {
	from4  []uint32 // where pieces begin, sorted; from4[0] is 0
	piece4 []uint16
	from6  []addr6
	piece6 []uint16
	sets   map[payloadKey]uint32 // index + 1 of Ruleset.payload
	groups []uint8
	bits   [][]uint64 // by piece: the address sets that it lies in
	words  int
	port   [65536]uint16 // piece of a port
	ports  [][]uint64    // by piece: the port sets that it lies in
}

type addr6 struct{ hi, lo uint64 }

func (a addr6) less(b addr6) bool { return a.hi < b.hi || a.hi == b.hi && a.lo < b.lo }

// noPiece stands for an address or port that is not there: a packet that is not IP lies in every address set, one
// without ports in no port set but "any".
const noPiece = 0xffff

func newSpace(rs *Ruleset) *space {
	s := &space{}
	used := make([]bool, len(rs.addrs))
	for _, r := range rs.rules {
		if r.typ != TypeIPOnly {
			h := &rs.heads[r.head]
			used[h.src], used[h.dst] = true, true
		}
	}
	s.words = (len(rs.addrs) + 63) / 64
	s.addresses(rs, used)
	s.portPieces(rs)
	return s
}

func (s *space) addresses(rs *Ruleset, used []bool) {
	type edge4 struct {
		at  uint32
		set uint32
		in  bool
	}
	var e4 []edge4
	type edge6 struct {
		at  addr6
		set uint32
		in  bool
	}
	var e6 []edge6
	for id := 1; id < len(rs.addrs); id++ {
		if !used[id] {
			continue
		}
		for _, r := range rs.addrs[id].Ranges() {
			if r.From.Is4() {
				a, z := ip4(r.From), ip4(r.To)
				e4 = append(e4, edge4{a, uint32(id), true})
				if z != ^uint32(0) {
					e4 = append(e4, edge4{z + 1, uint32(id), false})
				}
				continue
			}
			a, z := ip6(r.From), ip6(r.To)
			e6 = append(e6, edge6{a, uint32(id), true})
			if z.lo++; z.lo == 0 {
				z.hi++
			}
			if z != (addr6{}) {
				e6 = append(e6, edge6{z, uint32(id), false})
			}
		}
	}
	known := map[string]uint16{}
	cur := make([]uint64, s.words)
	piece := func() uint16 {
		k := make([]byte, 0, 8*len(cur))
		for _, w := range cur {
			for j := 0; j < 64; j += 8 {
				k = append(k, byte(w>>j))
			}
		}
		id, ok := known[string(k)]
		if !ok {
			id = uint16(len(s.bits))
			known[string(k)] = id
			s.bits = append(s.bits, append([]uint64(nil), cur...))
		}
		return id
	}
	// Ends before beginnings do not matter: the piece is read after all edges at a place.
	sort.SliceStable(e4, func(i, j int) bool { return e4[i].at < e4[j].at })
	s.from4, s.piece4 = []uint32{0}, []uint16{piece()}
	for i := 0; i < len(e4); {
		at := e4[i].at
		for ; i < len(e4) && e4[i].at == at; i++ {
			if e4[i].in {
				cur[e4[i].set>>6] |= 1 << (e4[i].set & 63)
			} else {
				cur[e4[i].set>>6] &^= 1 << (e4[i].set & 63)
			}
		}
		p := piece()
		if at == 0 {
			s.piece4[0] = p
		} else if p != s.piece4[len(s.piece4)-1] {
			s.from4, s.piece4 = append(s.from4, at), append(s.piece4, p)
		}
	}
	clear(cur)
	sort.SliceStable(e6, func(i, j int) bool { return e6[i].at.less(e6[j].at) })
	s.from6, s.piece6 = []addr6{{}}, []uint16{piece()}
	for i := 0; i < len(e6); {
		at := e6[i].at
		for ; i < len(e6) && e6[i].at == at; i++ {
			if e6[i].in {
				cur[e6[i].set>>6] |= 1 << (e6[i].set & 63)
			} else {
				cur[e6[i].set>>6] &^= 1 << (e6[i].set & 63)
			}
		}
		p := piece()
		if at == (addr6{}) {
			s.piece6[0] = p
		} else if p != s.piece6[len(s.piece6)-1] {
			s.from6, s.piece6 = append(s.from6, at), append(s.piece6, p)
		}
	}
}

func (s *space) portPieces(rs *Ruleset) {
	words := (len(rs.ports) + 63) / 64
	type edge struct {
		at  int
		set int
		in  bool
	}
	var es []edge
	for id := 1; id < len(rs.ports); id++ {
		for _, r := range rs.ports[id].Ranges() {
			es = append(es, edge{int(r.From), id, true}, edge{int(r.To) + 1, id, false})
		}
	}
	sort.SliceStable(es, func(i, j int) bool { return es[i].at < es[j].at })
	known := map[string]uint16{}
	cur := make([]uint64, words)
	piece := func() uint16 {
		k := make([]byte, 0, 8*words)
		for _, w := range cur {
			for j := 0; j < 64; j += 8 {
				k = append(k, byte(w>>j))
			}
		}
		id, ok := known[string(k)]
		if !ok {
			id = uint16(len(s.ports))
			known[string(k)] = id
			s.ports = append(s.ports, append([]uint64(nil), cur...))
		}
		return id
	}
	p := piece()
	i := 0
	for port := 0; port < 65536; port++ {
		if i < len(es) && es[i].at == port {
			for ; i < len(es) && es[i].at == port; i++ {
				if es[i].in {
					cur[es[i].set>>6] |= 1 << (es[i].set & 63)
				} else {
					cur[es[i].set>>6] &^= 1 << (es[i].set & 63)
				}
			}
			p = piece()
		}
		s.port[port] = p
	}
}

func ip4(a netip.Addr) uint32 {
	b := a.As4()
	return uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
}

func ip6(a netip.Addr) addr6 {
	b := a.As16()
	return addr6{be64(b[:8]), be64(b[8:])}
}

// addr finds the piece of an address.
func (s *space) addr(a *decode.Addr, version uint8) uint16 {
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
		return s.piece4[lo]
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
		return s.piece6[lo]
	}
	return noPiece
}

// classKey says to which class a packet or a flow's direction belongs.
type classKey struct {
	src, dst uint16
	sp, dp   uint16
	proto    uint8
	version  uint8
	dir      flow.Dir
	app      flow.ProtoID
	link     linkKind
}

// linkKind tells packets apart that have no IP header.
type linkKind uint8

const (
	linkIP     linkKind = iota
	linkEther           // ethernet, no IP
	linkARP             //
	linkEvents          // broken: only decoder events are looked at
	linkNone            // nothing is looked at
)

// class is what all flows and packets with the same key share.
type class struct {
	key     classKey
	known   []uint64 // header predicates that were tried
	holds   []uint64 // and their verdicts
	packet  search
	near    search
	stream  search
	always  []uint32   // packet rules without fast pattern
	direct  weakIndex  // rules with a weak fast pattern in a narrow window
	loose   [][]uint32 // by index of the protocol's list, the rules that apply
	anyMask mask       // what every rule of always needs
}

// holds reports whether a header predicate is true for the class.
func (w *Worker) holds(c *class, id uint32) bool {
	m := uint64(1) << (id & 63)
	if c.known[id>>6]&m != 0 {
		return c.holds[id>>6]&m != 0
	}
	c.known[id>>6] |= m
	if w.rs.headHolds(&w.rs.heads[id], &c.key) {
		c.holds[id>>6] |= m
		return true
	}
	return false
}

// headHolds tries a header predicate on a class.
func (rs *Ruleset) headHolds(h *head, k *classKey) bool {
	s := rs.space
	if k.dir == flow.ToServer && h.dirs&toServer == 0 || k.dir == flow.ToClient && h.dirs&toClient == 0 {
		return false
	}
	switch k.link {
	case linkNone:
		return false
	case linkEvents:
		return h.deOnly
	case linkEther:
		if h.kind&protoEther == 0 || h.kind&protoARP != 0 {
			return false
		}
	case linkARP:
		if h.kind&protoEther == 0 {
			return false
		}
	default:
		if h.kind&protoEther != 0 {
			return false
		}
		if h.kind&proto4 != 0 && k.version != 4 || h.kind&proto6 != 0 && k.version != 6 {
			return false
		}
		if !h.protos.has(k.proto) {
			return false
		}
		if !h.apps.empty() && !h.apps.has(k.app) {
			return false
		}
		in := func(set uint32, piece uint16) bool {
			if set == 0 {
				return true
			}
			if piece == noPiece {
				return false
			}
			return s.ports[piece][set>>6]&(1<<(set&63)) != 0
		}
		if !in(h.sp, k.sp) || !in(h.dp, k.dp) {
			return false
		}
	}
	in := func(set uint32, piece uint16) bool {
		if set == 0 || piece == noPiece {
			return true
		}
		return s.bits[piece][set>>6]&(1<<(set&63)) != 0
	}
	return in(h.src, k.src) && in(h.dst, k.dst)
}

// maxClasses bounds the classes of a worker. When it is reached all are forgotten.
const maxClasses = 1 << 12

// class finds or makes the class of a key. Its number is valid as long as the worker's epoch.
func (w *Worker) class(k classKey) uint32 {
	if id, ok := w.classIndex[k]; ok {
		return id
	}
	if len(w.classes) >= maxClasses {
		w.resetClasses()
	}
	rs := w.rs
	words := (len(rs.heads) + 63) / 64
	c := &class{key: k, known: make([]uint64, 2*words)}
	c.holds = c.known[words:]
	c.known = c.known[:words:words]
	id := uint32(len(w.classes))
	w.classes = append(w.classes, c)
	w.classIndex[k] = id
	if k.link == linkNone {
		return id
	}
	group := uint8(0)
	if int(k.app) < len(rs.space.groups) {
		group = rs.space.groups[k.app]
	}
	pk := payloadKey{dir: k.dir, app: group}
	if k.proto == protoTCP || k.proto == protoUDP {
		pk.proto = k.proto
	}
	if k.link == linkIP {
		c.packet = w.searchOf(c, pk)
		pk.near = true
		c.near = w.searchOf(c, pk)
		if k.proto == protoTCP {
			pk.near, pk.stream = false, true
			c.stream = w.searchOf(c, pk)
		}
	}
	for _, num := range rs.always {
		if w.holds(c, rs.rules[num].head) {
			c.always = append(c.always, num)
		}
	}
	var direct []weak
	for i := range rs.weak {
		x := &rs.weak[i]
		if r := rs.rules[x.num]; w.holds(c, r.head) && x.tcp == (k.proto == protoTCP) {
			direct = append(direct, x.weak)
		}
	}
	c.direct = newWeakIndex(direct)
	if int(k.app) < len(rs.byApp) {
		l := rs.byApp[k.app].loose[k.dir]
		c.loose = make([][]uint32, len(l))
		for i := range l {
			for _, num := range l[i].rules {
				if w.holds(c, rs.rules[num].head) {
					c.loose[i] = append(c.loose[i], num)
				}
			}
		}
	}
	return id
}

func (w *Worker) resetClasses() {
	w.classes = append(w.classes[:0:0], &class{key: classKey{link: linkNone}, known: make([]uint64, (len(w.rs.heads)+63)/64), holds: make([]uint64, (len(w.rs.heads)+63)/64)})
	w.classIndex = map[classKey]uint32{}
	w.epoch++
}
