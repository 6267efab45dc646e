package detect

import (
	"strings"

	"sentinel/detect/chain"
	"sentinel/stream/app"
	"sentinel/stream/flow"
)

func (b *Builder) Select(name string) error {
	d := b.c.buffers.byName[name]
	if d == nil {
		return problem("there is no buffer " + name)
	}
	return b.selectDef(d, "")
}

func (b *Builder) Payload() error {
	b.base64 = false // pkt_data may follow base64_data
	if err := b.leave(); err != nil {
		return err
	}
	b.cur, b.sticky = nil, false
	return nil
}

func (b *Builder) Sticky() bool { return b.cur != nil }

func (b *Builder) leave() error {
	if b.base64 {
		return problem("Rule buffer cannot be reset after base64_data.")
	}
	if len(b.pending) > 0 {
		return problem("no matches following transform(s)")
	}
	if b.cur != nil && b.cur.empty() {
		return problem("previous sticky buffer has no matches")
	}
	return nil
}

func (b *Builder) selectDef(d *bufferDef, dir string) error {
	if err := b.leave(); err != nil {
		return err
	}
	if dir != "" {
		rest, err := b.Direction(dir)
		if err != nil {
			return err
		}
		if rest != "" || !b.forceTS && !b.forceTC {
			return problem("unknown option: only accepts to_server or to_client")
		}
	}
	u := &bufferUse{def: d, onlyTS: b.forceTS, onlyTC: b.forceTC}
	b.forceTS, b.forceTC = false, false
	if d.kind != bufPacket && !d.apps.empty() {
		if err := b.restrict(d.apps); err != nil {
			return err
		}
	}
	if !d.multi {
		for _, old := range b.uses {
			if old.def == d && old.key == "" && old.onlyTS == u.onlyTS && old.onlyTC == u.onlyTC {
				b.cur = old
				return nil
			}
		}
	}
	if len(b.uses) >= 64 {
		return problem("too many buffers in one rule")
	}
	b.uses = append(b.uses, u)
	b.cur = u
	return nil
}

func (b *Builder) restrict(s appSet) error {
	if b.r.apps.empty() {
		b.r.apps = s
	} else {
		x := b.r.apps.and(s)
		if x.empty() {
			return problem("rule contains conflicting alprotos set")
		}
		b.r.apps = x
	}
	b.r.flags |= appLayer
	return nil
}

func (b *Builder) Restrict(name string) error {
	ids := b.c.cfg.Registry.Rule(name)
	if len(ids) == 0 {
		return problem("the protocol " + name + " is not available")
	}
	return b.restrict(appsOf(ids))
}

func (b *Builder) modifier(word string, d *bufferDef) error {
	if b.cur != nil {
		return problem("\"" + word + "\" keyword seen with a sticky buffer still set.  Reset sticky buffer with pkt_data before using the modifier.")
	}
	at := -1
	for i, x := range b.payload.items {
		if x.content != nil {
			at = i
		}
	}
	if at < 0 {
		return problem("\"" + word + "\" keyword found inside the rule without a content context.  Please use a \"content\" keyword before using the \"" + word + "\" keyword")
	}
	x := b.payload.items[at]
	if x.content.RawBytes {
		return problem(word + " rule can not be used with the rawbytes rule keyword")
	}
	if x.content.Replace != nil {
		return problem(word + " rule can not be used with the replace rule keyword")
	}
	if err := b.restrict(b.oldApps(d)); err != nil {
		return err
	}
	var u *bufferUse
	for _, old := range b.uses {
		if old.def == d && old.key == "" {
			u = old
			break
		}
	}
	if u == nil {
		u = &bufferUse{def: d}
		b.uses = append(b.uses, u)
	}
	b.payload.items = append(b.payload.items[:at], b.payload.items[at+1:]...)
	u.items = append(u.items, x)
	b.last, b.lastAt = x, u
	return nil
}

func (b *Builder) ModifierTo(word, buffer string) error {
	d := b.c.buffers.byName[buffer]
	if d == nil {
		return problem("the buffer " + buffer + " is not available")
	}
	return b.modifier(word, d)
}

func (b *Builder) Size(x chain.BSize) error {
	if b.cur == nil || b.cur.def == nil && b.cur != b.base64use {
		return problem("bsize must be used after a sticky buffer")
	}
	return b.Elem(&x)
}

func (b *Builder) SizeOf(buffer string, x chain.BSize) error {
	d := b.c.buffers.byName[buffer]
	if d == nil {
		return problem("the buffer " + buffer + " is not available")
	}
	if err := b.restrict(d.apps); err != nil {
		return err
	}
	for _, u := range b.uses {
		if u.def == d && u.key == "" {
			b.add(u, &item{other: &x})
			return nil
		}
	}
	u := &bufferUse{def: d}
	b.uses = append(b.uses, u)
	b.add(u, &item{other: &x})
	return nil
}

func (b *Builder) Absent(orElse bool) error {
	u, err := b.Active()
	if err != nil {
		return err
	}
	if u.def == nil || b.cur == nil {
		return problem("absent needs a sticky buffer")
	}
	if len(u.items) > 0 {
		return problem("absent must come first right after buffer")
	}
	u.absent = true
	u.orElse = orElse
	return nil
}

func (b *Builder) Files(m FileMatch, n FileNeeds) error {
	d := b.c.buffers.byName["files"]
	if d == nil || len(d.sources) == 0 {
		return problem("no protocol with files is available")
	}
	var u *bufferUse
	for _, old := range b.uses {
		if old.def == d {
			u = old
		}
	}
	if u == nil {
		u = &bufferUse{def: d}
		b.uses = append(b.uses, u)
	}
	if b.forceTS || b.forceTC {
		u.onlyTS, u.onlyTC = b.forceTS, b.forceTC
		b.forceTS, b.forceTC = false, false
	}
	u.files = append(u.files, m)
	u.fileWords = append(u.fileWords, b.opt)
	u.needs |= n
	b.r.flags |= needsFiles
	return nil
}

func (b *Builder) Event(name string) error {
	proto, ev, ok := strings.Cut(name, ".")
	if !ok {
		return problem("the event " + name + " has no protocol")
	}
	ids := b.c.cfg.Registry.Rule(proto)
	if len(ids) == 0 {
		return problem("the protocol " + proto + " is not available")
	}
	u := &bufferUse{event: map[flow.ProtoID]uint8{}, negate: b.Negated}
	var apps appSet
	for _, id := range ids {
		p := b.c.cfg.Registry.ByID(id)
		if proto == "http" && p.Name != "http1" {
			continue // events of "http" are those of version 1
		}
		for i, e := range p.Events {
			if strings.EqualFold(e, ev) {
				u.event[id] = uint8(i)
				apps.add(id)
			}
		}
	}
	if apps.empty() {
		reason := "app-layer-event keyword's protocol \"" + proto + "\" doesn't have event \"" + ev + "\" registered"
		if b.c.cfg.StrictRuleKeywords {
			return problem(reason)
		}
		b.c.warn(b.rule, "app-layer-event", reason)
		return ErrSkip
	}
	if err := b.restrict(apps); err != nil {
		return err
	}
	u.def = &bufferDef{name: "app-layer-events", kind: bufEvents, apps: apps, noFast: true, multi: true}
	for id := range ids {
		if _, ok := u.event[ids[id]]; !ok {
			continue
		}
		for _, d := range [2]app.Dir{app.ToServer, app.ToClient} {
			u.def.source(ids[id], app.At(d, 0))
		}
	}
	b.uses = append(b.uses, u)
	return nil
}

func (b *Builder) word(name string, w *word, value string, has bool) error {
	d := w.def
	switch {
	case w.modifier:
		if value != "" {
			return problem(name + " shouldn't be supplied with an argument")
		}
		return b.modifier(name, d)
	case d.kind == bufBytes:
		return b.selectDef(d, value)
	case d.kind == bufNumber:
		return b.number(name, d, value)
	case d.kind == bufTest:
		return b.test(name, d, value)
	}
	return problem("the keyword cannot be used here")
}

func (b *Builder) number(name string, d *bufferDef, value string) error {
	value, err := b.Direction(value)
	if err != nil {
		return err
	}
	if value == "" {
		return problem("invalid formatting or malformed option to " + name + " keyword")
	}
	n := d.sources[0].number
	var x UintList
	if n.List {
		x, err = ParseUintList(value, int(n.Bits), n.Names)
	} else {
		x.One, err = ParseUint(value, int(n.Bits), n.Names)
	}
	if err != nil {
		return err
	}
	if err := b.restrict(d.apps); err != nil {
		return err
	}
	u := &bufferUse{def: d, uint: x, value: value}
	u.onlyTS, u.onlyTC = b.forceTS, b.forceTC
	b.forceTS, b.forceTC = false, false
	b.uses = append(b.uses, u)
	return nil
}

func (b *Builder) test(name string, d *bufferDef, value string) error {
	f, key, err := d.sources[0].match.Setup(value)
	if err != nil {
		return err
	}
	if err := b.restrict(d.apps); err != nil {
		return err
	}
	b.uses = append(b.uses, &bufferUse{def: d, test: f, testKey: key, value: value})
	return nil
}

func (b *Builder) Direction(v string) (rest string, err error) {
	head, tail, more := strings.Cut(v, ",")
	ts := strings.TrimSpace(head) == "to_server"
	if !ts && strings.TrimSpace(head) != "to_client" {
		return v, nil
	}
	if more {
		rest = strings.TrimSpace(tail)
	}
	b.forceTS, b.forceTC = ts, !ts
	if b.r.flags&bothDirs == 0 {
		d, other := toServer, toClient
		if !ts {
			d, other = toClient, toServer
		}
		if b.r.flags&other != 0 {
			return "", problem("contradictory directions")
		}
		b.r.flags |= d
	}
	return rest, nil
}

// oldApps is the protocols that the older notations mean: those of HTTP are of version 1 alone, as in the reference.
func (b *Builder) oldApps(d *bufferDef) appSet {
	for _, s := range d.sources {
		if p := b.c.cfg.Registry.ByID(s.proto); p != nil && p.Name == "http1" {
			return appsOf([]flow.ProtoID{s.proto})
		}
	}
	return d.apps
}

func (b *Builder) ElemIn(buffer string, e chain.Elem) error {
	d := b.c.buffers.byName[buffer]
	if d == nil {
		return problem("the buffer " + buffer + " is not available")
	}
	if err := b.restrict(b.oldApps(d)); err != nil {
		return err
	}
	_, pcre := e.(*chain.Pcre)
	for _, u := range b.uses {
		if u.def == d && u.key == "" {
			b.add(u, &item{other: e, pcre: pcre})
			return nil
		}
	}
	u := &bufferUse{def: d}
	b.uses = append(b.uses, u)
	b.add(u, &item{other: e, pcre: pcre})
	return nil
}

func (b *Builder) Known(buffer string) bool { return b.c.buffers.byName[buffer] != nil }

func (b *Builder) Selected(buffer string) bool {
	return b.cur != nil && b.cur.def != nil && b.cur.def.name == buffer && b.cur.key == "" && len(b.pending) == 0
}
