package detect

import (
	"strings"

	"sentinel/stream/app"
	"sentinel/stream/flow"
)

// stateTest compares how far a transaction is with one of its states.
type stateTest struct {
	beyond   bool // it must be beyond the state, else before it
	progress uint8
}

// stateName is the buffer that app-layer-state makes, by the name that reports know.
const stateName = "app-layer-state"

// AppState is what app-layer-state does. "STATE" ties the rule to the state, as the hook of a rule's header does; "<STATE" and ">STATE"
// compare how far transactions are, each time that the rule is looked at, and all such conditions of a direction together.
func (b *Builder) AppState(v string) error {
	id, why := b.exactApp()
	if why != "" {
		return problem(why)
	}
	p := b.c.cfg.Registry.ByID(id)
	name := strings.TrimSpace(strings.TrimLeft(v, "<>"))
	ops := len(v) - len(strings.TrimLeft(v, "<>"))
	if ops > 1 {
		return problem("\"" + v + "\" has more than one operator: write STATE, <STATE or >STATE")
	}
	dir, progress, ok := stateOf(p, name)
	if !ok {
		return problem("the protocol " + p.Name + " has no state \"" + name + "\": those of requests are " + strings.Join(p.States[app.ToServer], ", ") +
			", those of responses " + strings.Join(p.States[app.ToClient], ", "))
	}
	if ops == 0 {
		return b.stateHook(id, dir, progress)
	}
	if err := b.restrict(appsOf([]flow.ProtoID{id})); err != nil {
		return err
	}
	both := b.r.flags&bothDirs != 0
	var u *bufferUse
	for _, old := range b.uses {
		switch {
		case old.def.kind != bufState:
		case old.def.sources[0].at.Dir == dir:
			u = old
		case !both:
			return problem("states of requests and of responses in one rule: it must be for both directions, =>")
		}
	}
	if u == nil {
		d := &bufferDef{name: stateName, kind: bufState, noFast: true, multi: true}
		d.source(id, app.At(dir, 0))
		if !both {
			if b.r.flags&hasFlow != 0 && !b.r.flags.in(dir) {
				return problem("the state " + name + " is of the other direction than the rule")
			}
			// A rule whose flow keyword names no direction is looked at in both of them, as in the reference: the places of the
			// states are compared.
			d.source(id, app.At(dir.Other(), 0))
			if dir == app.ToServer {
				b.r.flags |= toServer
			} else {
				b.r.flags |= toClient
			}
		}
		u = &bufferUse{def: d}
		b.uses = append(b.uses, u)
	}
	u.states = append(u.states, stateTest{v[0] == '>', progress})
	if u.value != "" {
		u.value += ", "
	}
	u.value += v
	return nil
}

// Hooked reports whether the rule is tied to a state of transactions.
func (b *Builder) Hooked() bool { return b.r.hook != nil }

// stateHook ties the rule to a state.
func (b *Builder) stateHook(id flow.ProtoID, dir app.Dir, progress uint8) error {
	h := &hook{proto: id, dir: dir, progress: progress}
	if old := b.r.hook; old != nil && *old != *h {
		return problem("the rule is tied to another state already")
	}
	d, other := toServer, toClient
	if dir == app.ToClient {
		d, other = toClient, toServer
	}
	if b.r.flags&bothDirs != 0 || b.r.flags&hasFlow != 0 && b.r.flags&bothWays == other {
		return problem("the direction conflicts with the hook")
	}
	if err := b.restrict(appsOf([]flow.ProtoID{id})); err != nil {
		return err
	}
	b.r.flags = b.r.flags&^other | d
	b.r.hook = h
	return nil
}

// exactApp is the one protocol that the rule is for, or why there is none that has states.
func (b *Builder) exactApp() (id flow.ProtoID, why string) {
	n := 0
	for x := flow.ProtoID(flow.ProtoFirst); int(x) < b.c.cfg.Registry.Len(); x++ {
		if !b.r.apps.empty() && b.r.apps.has(x) {
			id = x
			n++
		}
	}
	if n > 1 && b.app != flow.ProtoUnknown && b.r.apps.has(b.app) {
		id, n = b.app, 1
	}
	if n != 1 {
		return id, "states are those of one protocol: name it in the header of the rule, such as http1 instead of http"
	}
	if p := b.c.cfg.Registry.ByID(id); len(p.Types) > 0 {
		return id, "the protocol " + p.Name + " has states for each type of transaction: use a hook in the header of the rule, " + p.Name + ":TYPE:STATE"
	}
	return id, ""
}

// stateOf finds a state by its name; the first and the last one have names in every protocol.
func stateOf(p *app.Protocol, name string) (dir app.Dir, progress uint8, ok bool) {
	last := func(d app.Dir) uint8 {
		if n := len(p.States[d]); n > 0 {
			return uint8(n - 1)
		}
		return 1
	}
	switch name {
	case "request_started":
		return app.ToServer, 0, true
	case "response_started":
		return app.ToClient, 0, true
	case "request_complete":
		return app.ToServer, last(app.ToServer), true
	case "response_complete":
		return app.ToClient, last(app.ToClient), true
	}
	for _, d := range [2]app.Dir{app.ToServer, app.ToClient} {
		for i, s := range p.States[d] {
			if s == name {
				return d, uint8(i), true
			}
		}
	}
	return 0, 0, false
}
