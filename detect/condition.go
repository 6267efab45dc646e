package detect

import (
	"sentinel/detect/chain"
	"sentinel/stream/app"
)

// Condition is one condition of a rule, for reports.
type Condition struct {
	Name    string // the keyword
	Text    string // its value as written
	Content *Content
	Elem    chain.Elem // what else has a place in a buffer
	Match   Match      // what has none
	Absent  bool       // the keyword absent
	OrElse  bool

	Fast         bool // the fast pattern
	RelativeNext bool // what follows depends on where this matched
	Single       bool // a hit of the fast pattern says all that there is to say
	// Without anything before them in the buffer, distance and within mean offset and depth.
	WasDistance, WasWithin bool
}

// single reports whether a hit of the fast pattern says all that there is to say of a content.
func single(k *Content, relativeNext bool) bool {
	return !k.Negated && len(k.Replace) == 0 && !relativeNext && !k.HasDistance && !k.HasWithin && !k.HasDepth &&
		!k.HasOffset && !k.StartsWith && (!k.Chop || k.ChopLen == len(k.Data))
}

// conditions describes those on one buffer.
func (b *Builder) conditions(u *bufferUse, fast *Content) []Condition {
	var out []Condition
	if u.absent {
		out = append(out, Condition{Name: "absent", Absent: true, OrElse: u.orElse})
	}
	from := len(out)
	// last is the content or expression that relative conditions depend on.
	last := func() *Condition {
		for j := len(out) - 1; j >= from; j-- {
			if out[j].Content != nil || out[j].Name == "pcre" {
				return &out[j]
			}
		}
		return nil
	}
	for i, x := range u.items {
		c := Condition{Name: x.name, Text: x.text, Elem: x.other}
		if z, ok := x.other.(*chain.IsDataAt); ok && z.Relative && z.Negated && z.At == (chain.Num{N: 1}) {
			// No byte after a content: that is endswith.
			if l := last(); l != nil && l.Content != nil {
				l.Content.EndsWith = true
				continue
			}
		}
		if x.content != nil {
			c.Name = "content"
			k := *x.content
			c.Content, c.Fast = &k, x.content == fast
			if i == 0 && (k.HasDistance || k.HasWithin) && k.Distance.Var == "" && k.Within.Var == "" && k.Distance.N >= 0 && k.Within.N >= 0 {
				c.WasDistance, c.WasWithin = k.HasDistance, k.HasWithin
				k.HasOffset, k.Offset = k.HasDistance && k.Distance.N > 0, k.Distance
				if k.HasWithin {
					k.HasDepth, k.Depth = true, k.Within
				}
				k.HasDistance, k.HasWithin = false, false
			}
		}
		relative := c.Content != nil && c.Content.Relative()
		if p, ok := x.other.(*chain.Pcre); ok {
			relative = p.Relative
		} else if x.other != nil {
			relative = isRelative(x.other)
		}
		if ch, ok := x.other.(*chain.Check); ok {
			d, is := ch.Checker.(*base64Check)
			relative = is && d.relative
		}
		if relative {
			l := last()
			if _, ok := x.other.(*chain.IsDataAt); ok && u.def == nil && l != nil && l != &out[len(out)-1] {
				l = nil // without a sticky buffer it depends on the last condition of any kind
			}
			if l != nil {
				l.RelativeNext = true
			}
		}
		out = append(out, c)
	}
	for i := range out {
		if z, ok := out[i].Elem.(*chain.BSize); ok && out[i].Name == "urilen" {
			if most, ok := longest(z); ok {
				bound(out, most)
			}
			break
		}
	}
	for i := range out {
		if c := &out[i]; c.Fast {
			c.Single = !c.WasDistance && !c.WasWithin && single(c.Content, c.RelativeNext)
		}
	}
	if most, ok := maxOf(b.r.dsize); ok && u.def == nil && b.r.flags&hasDsize != 0 && u != b.base64use {
		bound(out, int64(most))
	}
	for _, w := range u.fileWords {
		out = append(out, Condition{Name: w})
	}
	if u.def != nil && len(out) == 0 {
		name := u.def.name
		if u.def.kind == bufEvents {
			name = "app-layer-event"
		}
		out = append(out, Condition{Name: name, Text: u.value})
	}
	return out
}

// longest is how long a URI may be, as far as that bounds contents.
func longest(z *chain.BSize) (int64, bool) {
	most := int64(0)
	switch z.Mode {
	case chain.SizeLess:
		most = int64(z.A) + 1
	case chain.SizeEqual, chain.SizeLessEqual:
		most = int64(z.A)
	case chain.SizeBetween:
		most = int64(z.B) + 1
	}
	return most, most > 0 && most < 65535
}

// bound lets the size of a buffer bound how far contents may reach.
func bound(list []Condition, most int64) {
	for i := range list {
		k := list[i].Content
		if k == nil || k.HasWithin || k.StartsWith && int64(len(k.Data)) < most {
			continue
		}
		from := int64(0)
		if k.HasOffset {
			from = k.Offset.N
		}
		if !k.HasDepth || k.Depth.N+from >= most {
			k.HasDepth, k.Depth = true, chain.Num{N: most - from}
		}
	}
}

// reportedFast is the content that decides whether the rule is tried, as the user guide describes the choice. Unlike what the
// engine looks for it may be a negated one, or lie in a buffer of the packet. The buffer is nil for the payload.
func (b *Builder) reportedFast() (best *Content, use *bufferUse) {
	priority := 0
	better := func(k *Content, p int) bool {
		switch {
		case best == nil:
			return true
		case k.Negated != best.Negated:
			return best.Negated
		case p != priority:
			return p < priority
		case len(k.Data) != len(best.Data):
			return len(k.Data) > len(best.Data)
		}
		return strength(k.Pattern()) > strength(best.Pattern())
	}
	look := func(u *bufferUse, p int) (given bool) {
		for _, x := range u.items {
			k := x.content
			if k == nil {
				continue
			}
			to := u
			if u.def == nil {
				to = nil
			}
			if k.Fast {
				best, use = k, to
				return true
			}
			if better(k, p) {
				best, use, priority = k, to, p
			}
		}
		return false
	}
	if look(&b.payload, 3) {
		return best, use
	}
	for _, u := range b.uses {
		if u.def.noFast || u.absent || u.def.kind != bufBytes && u.def.kind != bufPacket {
			continue
		}
		p := u.def.priority
		if b.r.flags&bothDirs != 0 {
			if ts, _ := u.def.dirs(b.r.apps); !ts || u.onlyTC {
				p += 10
			}
		}
		if look(u, p) {
			break
		}
	}
	return best, use
}

// describeEngines lists where the rule looks, in the reference's order: the fast pattern's places first, the others by progress.
func (c *compiler) describeEngines(d *Description, x *built, fast *Content, use *bufferUse) {
	b, r := x.b, x.r
	headFast := false
	insert := func(e DescribedEngine) {
		l := d.Engines
		switch {
		case len(l) == 0:
			d.Engines = append(l, e)
		case e.Fast || !headFast && l[0].Progress > e.Progress:
			d.Engines = append([]DescribedEngine{e}, l...)
		default:
			at := 1
			for at < len(l) && l[at].Progress <= e.Progress {
				at++
			}
			l = append(l, DescribedEngine{})
			copy(l[at+1:], l[at:])
			l[at] = e
			d.Engines = l
		}
		headFast = headFast || e.Fast
	}
	note := func(conds []Condition, u *bufferUse) {
		for i := range conds {
			if conds[i].Fast {
				d.Fast = &conds[i]
				if u != nil {
					d.FastBuffer, d.FastTransforms = u.def.name, len(u.transforms)
				}
			}
		}
	}
	for _, u := range b.uses {
		conds := b.conditions(u, fast)
		e := DescribedEngine{Name: u.def.name, Fast: fast != nil && u == use, App: "unknown", Conditions: conds}
		for _, t := range u.transforms {
			e.Transforms = append(e.Transforms, t.Name)
		}
		note(conds, u)
		d.Buffers = append(d.Buffers, e)
		if u.def.kind == bufPacket {
			if e.Fast {
				d.PacketEngines = append([]DescribedEngine{e}, d.PacketEngines...)
			} else {
				d.PacketEngines = append(d.PacketEngines, e)
			}
			continue
		}
		var seen [2]bool
		for _, s := range u.def.sources {
			if !r.apps.empty() && !r.apps.has(s.proto) || r.hook != nil && u.def.kind != bufEvents && s.at.Sub != r.hook.sub {
				continue
			}
			if r.flags&bothDirs == 0 && !r.flags.in(s.at.Dir) || u.onlyTC && s.at.Dir == app.ToServer || u.onlyTS && s.at.Dir == app.ToClient {
				continue
			}
			e.Dir, e.Progress, e.App, e.Type = s.at.Dir, s.at.Progress, "unknown", ""
			if u.def.kind == bufEvents || u.def.kind == bufState {
				if seen[e.Dir] {
					continue
				}
				seen[e.Dir] = true
			} else if p := c.cfg.Registry.ByID(s.proto); p != nil {
				e.App = protoName(p)
				if int(s.at.Sub) < len(p.Types) {
					e.Type = p.Types[s.at.Sub]
				}
			}
			insert(e)
		}
	}
	if r.hook != nil && len(b.uses) == 0 {
		insert(c.hookEngine(r.hook))
	}
	d.Stateful = len(d.Engines) > 0
	d.Payload = b.conditions(&b.payload, fast)
	note(d.Payload, nil)
	onPayload := fast != nil && use == nil
	switch {
	case len(d.Payload) == 0:
	case d.Stateful:
		for _, dir := range [2]app.Dir{app.ToServer, app.ToClient} {
			if dir == app.ToServer && !d.ToServer || dir == app.ToClient && !d.ToClient {
				if r.flags&bothDirs == 0 {
					continue
				}
			}
			e := DescribedEngine{Name: "stream", Dir: dir, Fast: onPayload, App: "unknown", Conditions: d.Payload}
			if onPayload {
				d.Engines = append([]DescribedEngine{e}, d.Engines...)
			} else {
				d.Engines = append(d.Engines, e)
			}
		}
	default:
		d.PacketEngines = append(d.PacketEngines, DescribedEngine{Name: "payload", Fast: onPayload})
	}
	if len(r.matches) > 0 || r.flags&hasDsize != 0 {
		d.PacketEngines = append(d.PacketEngines, DescribedEngine{Name: "packet"})
	}
}

func (c *compiler) hookEngine(h *hook) DescribedEngine {
	e := DescribedEngine{Dir: h.dir, Progress: h.progress, App: "unknown", Name: "hook"}
	p := c.cfg.Registry.ByID(h.proto)
	if p == nil {
		return e
	}
	e.App, e.Name = protoName(p), p.Name
	if int(h.sub) < len(p.Types) {
		e.Type = p.Types[h.sub]
		e.Name += ":" + e.Type
	}
	if states := p.States[h.dir]; int(h.progress) < len(states) {
		e.Name += ":" + states[h.progress]
	}
	e.Name += ":generic"
	return e
}

// describeLists lists the conditions that belong to no buffer, and what is done after a match.
func (c *compiler) describeLists(d *Description, x *built) {
	b, r := x.b, x.r
	var packet, post []Condition
	bits := func(m Match) {
		if u, ok := m.(BitUser); ok {
			cmd, ids := u.FlowBits()
			use := BitUse{Cmd: cmd, IDs: ids}
			for _, id := range ids {
				use.Names = append(use.Names, c.cfg.Names.Name(FlowBit, id))
			}
			d.Bits = append(d.Bits, use)
		}
	}
	for i, m := range r.matches {
		if r.flags&hasDsize != 0 && i == b.sizeAt {
			packet = append(packet, Condition{Name: "dsize", Match: dsizeMatch{r.dsize}})
		}
		packet = append(packet, Condition{Name: b.keys[i], Match: m})
		bits(m)
	}
	if r.flags&hasDsize != 0 && b.sizeAt >= len(r.matches) {
		packet = append(packet, Condition{Name: "dsize", Match: dsizeMatch{r.dsize}})
	}
	for i, m := range r.post {
		post = append(post, Condition{Name: b.postKeys[i], Match: m})
		bits(m)
	}
	if r.flags&filestore != 0 {
		post = append(post, Condition{Name: "__filestore__postmatch__"})
	}
	if r.flags&bypassing != 0 {
		post = append(post, Condition{Name: "bypass"})
	}
	add := func(name string, list []Condition) {
		if len(list) > 0 {
			d.Lists = append(d.Lists, DescribedList{name, list})
		}
	}
	add("packet", packet)
	if !d.Stateful {
		add("payload", d.Payload)
	}
	if b.base64use != nil {
		add("base64_data", b.conditions(b.base64use, nil))
	}
	add("postmatch", post)
	if len(r.tags) > 0 {
		add("tag", []Condition{{Name: "tag"}})
	}
	var limits []Condition
	for _, w := range b.limits {
		limits = append(limits, Condition{Name: w})
	}
	add("threshold", limits)
}
