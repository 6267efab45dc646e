package detect

import (
	"sort"

	"sentinel/detect/mpm"
	"sentinel/stream/app"
)

// assemble turns built rules into what workers use: engines, data, header predicates and pattern sets.
func (c *compiler) assemble() {
	rs := c.rs
	rs.addrs, rs.ports = c.addrs, c.portSets
	rs.byApp = make([]appEngines, c.cfg.Registry.Len())
	heads := map[head]uint32{}
	dataIndex := map[string]uint32{}
	pktIndex := map[string]uint32{}
	kept := c.all[:0]
	for _, x := range c.all {
		r := x.r
		id, ok := heads[x.head]
		if !ok {
			id = uint32(len(rs.heads))
			rs.heads = append(rs.heads, x.head)
			heads[x.head] = id
		}
		r.head = id
		c.chooseFast(x)
		c.placeFast(x)
		if err := c.engines(x, dataIndex, pktIndex); err != nil {
			c.fail(r.src, err)
			continue
		}
		kept = append(kept, x)
	}
	c.all = kept
	for i, x := range c.all {
		x.r.num = uint32(i)
		rs.rules = append(rs.rules, x.r)
		if len(x.r.meta.Raw) > 0 {
			x.r.src = nil
		}
	}
	rs.noteWants()
	rs.space = newSpace(rs)
	c.distribute()
	c.compileSets()
}

// newData interns a buffer with its transforms.
func (c *compiler) newData(u *bufferUse, s *source, index map[string]uint32) uint32 {
	rs := c.rs
	k := string([]byte{byte(s.proto), byte(s.at.Dir), byte(s.at.Sub), s.at.Progress}) + u.def.name
	base, ok := index[k]
	if !ok {
		base = uint32(len(rs.data))
		rs.data = append(rs.data, data{src: s, base: base, name: u.def.name, dir: s.at.Dir})
		index[k] = base
	}
	if u.key == "" {
		return base
	}
	k += u.key
	id, ok := index[k]
	if !ok {
		id = uint32(len(rs.data))
		rs.data = append(rs.data, data{src: s, base: base, name: u.def.name, dir: s.at.Dir, transforms: u.transforms})
		index[k] = id
	}
	return id
}

// engines makes the engines of one rule.
func (c *compiler) engines(x *built, dataIndex, pktIndex map[string]uint32) error {
	b, r := x.b, x.r
	if err := b.base64Program(); err != nil {
		return r.src.Err("base64_data", err.Error())
	}
	var err error
	if r.payload, err = b.program(&b.payload); err != nil {
		return r.src.Err("content", err.Error())
	}
	var mpmFirst, rest []engine
	id := uint8(0)
	for _, u := range b.uses {
		prog, err := b.program(u)
		if err != nil {
			return r.src.Err(u.def.name, err.Error())
		}
		if u.def.kind == bufFrame {
			c.frameEngines(x, u, prog)
			continue
		}
		if u.def.kind == bufPacket {
			k := u.def.name + u.key
			d, ok := pktIndex[k]
			if !ok {
				d = uint32(len(c.rs.pktData))
				c.rs.pktData = append(c.rs.pktData, packetData{u.def, u.transforms})
				pktIndex[k] = d
			}
			r.pkt = append(r.pkt, packetEngine{data: d, prog: prog})
			continue
		}
		for _, s := range u.def.sources {
			if !r.apps.empty() && !r.apps.has(s.proto) {
				continue
			}
			if r.hook != nil && u.def.kind != bufEvents && s.at.Sub != r.hook.sub {
				continue
			}
			if r.flags&bothDirs == 0 && !r.flags.in(s.at.Dir) {
				continue
			}
			if u.onlyTC && s.at.Dir == app.ToServer || u.onlyTS && s.at.Dir == app.ToClient {
				continue
			}
			e := engine{proto: s.proto, sub: s.at.Sub, dir: s.at.Dir, progress: s.at.Progress, id: id, prog: prog, null: u.absent}
			switch u.def.kind {
			case bufNumber:
				e.kind, e.number, e.uint = onNumber, s.number, u.uint
			case bufTest:
				e.kind = onTest
				e.test = u.test
				if s.match != u.def.sources[0].match {
					if e.test, _, err = s.match.Setup(u.value); err != nil {
						return r.src.Err(u.def.name, err.Error())
					}
				}
			case bufEvents:
				e.kind, e.event, e.negate = onEvent, u.event[s.proto], u.negate
			case bufState:
				e.kind, e.states = onState, u.states
			case bufFiles:
				e.kind, e.files, e.needs = onFiles, u.files, u.needs
				r.fileNeeds |= u.needs
			default:
				e.kind = onBuffer
				e.data = c.newData(u, s, dataIndex)
				r.magic = r.magic || u.def.name == "file.magic"
			}
			if r.fast != nil && r.fast.use == u && e.kind == onBuffer {
				e.mpm = true
				mpmFirst = append(mpmFirst, e)
			} else {
				rest = append(rest, e)
			}
		}
		id++
	}
	if r.hook != nil && len(b.uses) == 0 {
		rest = append(rest, engine{kind: onHook, proto: r.hook.proto, sub: r.hook.sub, dir: r.hook.dir, progress: r.hook.progress})
		id = 1
	}
	sort.SliceStable(mpmFirst, func(i, j int) bool { return mpmFirst[i].progress < mpmFirst[j].progress })
	sort.SliceStable(rest, func(i, j int) bool { return rest[i].progress < rest[j].progress })
	if len(mpmFirst)+len(rest) == 0 {
		return nil
	}
	if r.payload != nil {
		for _, d := range [2]app.Dir{app.ToServer, app.ToClient} {
			if !r.flags.in(d) && r.flags&bothDirs == 0 {
				continue
			}
			e := engine{kind: onPayload, dir: d, id: id, prog: r.payload}
			if r.fast != nil && r.fast.use == nil {
				e.mpm = true
				rest = append([]engine{e}, rest...)
			} else {
				rest = append(rest, e)
			}
		}
	}
	r.tx = append(mpmFirst, rest...)
	return nil
}

// chooseFast chooses the content that the rule is prefiltered by: the one that the author named, else by class of buffer,
// length and strength (Suricata user guide, fast pattern explained).
func (c *compiler) chooseFast(x *built) {
	b, r := x.b, x.r
	if c.cfg.NoPrefilter {
		return
	}
	type cand struct {
		c *Content
		u *bufferUse
	}
	var pos, neg []cand
	take := func(u *bufferUse, payload bool) bool {
		if !payload && (u.def.noFast || u.absent) {
			return false
		}
		for _, it := range u.items {
			k := it.content
			if k == nil {
				continue
			}
			w := cand{k, u}
			if payload {
				w.u = nil
			}
			if k.Fast {
				c.setFast(r, w.c, w.u)
				return true
			}
			if k.Negated {
				neg = append(neg, w)
			} else {
				pos = append(pos, w)
			}
		}
		return false
	}
	if take(&b.payload, true) {
		return
	}
	for _, u := range b.uses {
		if (u.def.kind == bufBytes || u.def.kind == bufFrame) && take(u, false) {
			return
		}
	}
	_ = neg // a negated pattern prefilters nothing: such rules are tried without
	prio := func(w cand) int {
		if w.u == nil {
			return 3
		}
		p := w.u.def.priority
		if r.flags&bothDirs != 0 {
			if ts, _ := w.u.def.dirs(r.apps); !ts || w.u.onlyTC {
				p += 10
			}
		}
		return p
	}
	best := -1
	for i := range pos {
		if best < 0 {
			best = i
			continue
		}
		p, q := prio(pos[i]), prio(pos[best])
		a, z := pos[i].c.Data, pos[best].c.Data
		if p < q || p == q && (len(a) > len(z) || len(a) == len(z) && strength(a) > strength(z)) {
			best = i
		}
	}
	if best >= 0 {
		c.setFast(r, pos[best].c, pos[best].u)
	}
}

// placeFast finds out where in payloads the rule's fast pattern can be.
func (c *compiler) placeFast(x *built) {
	r := x.r
	if r.fast == nil || r.fast.use != nil || r.fast.negated {
		return
	}
	r.fast.place(&x.b.payload)
	if packetReach(r) > nearWindow && common(r.fast.data) {
		// What tells traffic apart stays what is looked for: another content, though near the begin, would be found in all
		// traffic of a protocol, and then every condition is tried.
		r.anchor = anchorOf(&x.b.payload)
	}
}

func (c *compiler) setFast(r *compiled, k *Content, u *bufferUse) {
	f := &fastPattern{data: k.FastData(), nocase: k.Nocase, negated: k.Negated, use: u, elem: k}
	if k.Negated {
		r.flags |= negatedFast
	}
	r.fast = f
}

// patternKey makes equal patterns one.
func patternKey(f *fastPattern) string {
	if f.nocase {
		return "i" + string(folded(f.data))
	}
	return "c" + string(f.data)
}

func addPattern(index map[string]uint32, patterns *[]mpm.Pattern, hits *[][]uint32, f *fastPattern, num uint32) {
	k := patternKey(f)
	id, ok := index[k]
	if !ok {
		id = uint32(len(*patterns))
		index[k] = id
		*patterns = append(*patterns, mpm.Pattern{ID: id, Data: f.data, Nocase: f.nocase})
		*hits = append(*hits, nil)
	}
	l := (*hits)[id]
	if len(l) == 0 || l[len(l)-1] != num {
		(*hits)[id] = append(l, num)
	}
}

// prefiltered reports whether the rule is only tried when its fast pattern was found.
func (r *compiled) prefiltered() bool { return r.fast != nil && !r.fast.negated }

// distribute puts each rule where it will be found: pattern sets, or the lists of rules that are always tried.
func (c *compiler) distribute() {
	rs := c.rs
	sets := map[payloadKey][]payloadPattern{}
	groups := c.payloadGroups()
	for _, r := range rs.rules {
		switch {
		case r.typ == TypeIPOnly:
			rs.ipOnly = append(rs.ipOnly, r.num)
			continue
		case len(r.frames) > 0:
			c.frameRule(r)
		case r.prefiltered() && r.fast.use == nil && c.cfg.Engine != nil:
			c.payloadRule(r, sets, groups)
		case r.prefiltered() && c.cfg.Engine != nil:
			for i := range r.tx {
				e := &r.tx[i]
				if !e.mpm {
					continue
				}
				d := &rs.data[e.data]
				if d.index == nil {
					d.index = map[string]uint32{}
				}
				addPattern(d.index, &d.patterns, &d.hits, r.fast, r.num)
				if !d.inScan {
					d.inScan = true
					rs.byApp[e.proto].scans[e.dir] = append(rs.byApp[e.proto].scans[e.dir], e.data)
				}
			}
		case len(r.tx) > 0:
			c.looseRule(r)
		default:
			rs.always = append(rs.always, r.num)
		}
	}
	for k := range rs.byApp {
		for d := range rs.byApp[k].scans {
			l := rs.byApp[k].scans[d]
			sort.SliceStable(l, func(i, j int) bool { return rs.data[l[i]].src.at.Progress < rs.data[l[j]].src.at.Progress })
		}
	}
	rs.space.groups = groups
	c.payloadSets(sets)
	rs.ipTable = newIPTable(rs)
}

// looseRule puts a rule on transactions without fast pattern into the lists by progress.
func (c *compiler) looseRule(r *compiled) {
	rs := c.rs
	for i := range r.tx {
		e := &r.tx[i]
		if e.kind == onPayload {
			continue
		}
		list := &rs.byApp[e.proto].loose[e.dir]
		events := e.kind == onEvent && len(r.tx) == countKind(r, onEvent)
		always := e.kind == onEvent || e.kind == onState
		at := -1
		for j := range *list {
			l := &(*list)[j]
			if l.sub == e.sub && l.progress == e.progress && l.always == always && l.events == events {
				at = j
			}
		}
		if at < 0 {
			at = len(*list)
			*list = append(*list, txLoose{sub: e.sub, progress: e.progress, always: always, events: events})
		}
		l := &(*list)[at]
		if n := len(l.rules); n == 0 || l.rules[n-1] != r.num {
			l.rules = append(l.rules, r.num)
		}
	}
}

func countKind(r *compiled, k engineKind) int {
	n := 0
	for i := range r.tx {
		if r.tx[i].kind == k {
			n++
		}
	}
	return n
}

// compileSets compiles all pattern sets, on all cores.
func (c *compiler) compileSets() {
	rs := c.rs
	if c.cfg.Engine == nil {
		return
	}
	var lists [][]mpm.Pattern
	for i := range rs.payload {
		lists = append(lists, rs.payload[i].patterns)
	}
	for i := range rs.data {
		lists = append(lists, rs.data[i].patterns)
	}
	for i := range rs.frames {
		lists = append(lists, rs.frames[i].patterns)
	}
	sets, err := mpm.CompileAll(c.cfg.Engine, lists, c.cfg.Cache)
	if err != nil {
		// Without sets every rule is tried: slow, but nothing is missed.
		c.errs = append(c.errs, err)
		sets = make([]mpm.Set, len(lists))
		for _, r := range rs.rules {
			if !r.prefiltered() || r.typ == TypeIPOnly {
				continue
			}
			r.fast = nil
			if len(r.frames) > 0 {
				c.frameRule(r)
			} else if len(r.tx) > 0 {
				for i := range r.tx {
					r.tx[i].mpm = false
				}
				c.looseRule(r)
			} else {
				rs.always = append(rs.always, r.num)
			}
		}
		for i := range rs.byApp {
			rs.byApp[i].scans = [2][]uint32{}
		}
	}
	rs.sets = sets
	rs.narrower.engine, rs.narrower.cache, rs.narrower.after = c.cfg.Engine, c.cfg.Cache, max(c.cfg.NarrowAfter, 0)
	for i := range rs.payload {
		rs.payload[i].set = sets[i]
		rs.payload[i].index = nil
	}
	for i := range rs.data {
		rs.data[i].set = sets[len(rs.payload)+i]
		rs.data[i].patterns, rs.data[i].index = nil, nil
	}
	for i := range rs.frames {
		rs.frames[i].set = sets[len(rs.payload)+len(rs.data)+i]
		rs.frames[i].patterns, rs.frames[i].index = nil, nil
	}
}
