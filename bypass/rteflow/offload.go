package rteflow

import (
	"errors"
	"fmt"

	"sentinel/bypass"
	"sentinel/capture"
	"sentinel/stream/flow"
)

// Offloader has cards drop flows. It implements bypass.Offloader.
//
// A flow is two rules, one a direction. On a port that only listens both are on it; a wire has the rule of each direction on the port where
// its packets come in. What is dropped counts as passed by: a port that only listens has nowhere to send it on to. On a wire only flows
// that are to be dropped are taken.
type Offloader struct {
	ports map[uint16]*side      // by Frame.Iface
	flows map[flow.Key]*carried // as they were installed
}

// side is a port.
type side struct {
	name  string
	flows Flows
	wire  bool  // frames are sent on to a peer
	peer  *side // nil = none, or it cannot make rules
	held  int   // flows by their key's interface
	room  int   // of them
}

// carried is a flow.
type carried struct {
	at    *side
	rules [2]rule // by direction
	strip uint64  // bytes of a packet that do not count
}

// rule is one direction of a flow.
type rule struct {
	on    *side
	name  Handle
	pkts  uint64 // reported
	bytes uint64
}

// Bounds of bypass.max-flows, the flows of a port. A sweep asks the card for two rules a flow.
const (
	defaultFlows = 65536
	maxFlows     = 1 << 22
)

// Open makes rules possible on those targets of a run that have bypass switched on. It returns nil without such a target. The error joins
// what keeps targets from it; the others work.
func Open(targets []capture.Target) (bypass.Offloader, error) { return open(targets, openPort) }

func open(targets []capture.Target, port func(string) (Flows, error)) (bypass.Offloader, error) {
	o := &Offloader{ports: map[uint16]*side{}, flows: map[flow.Key]*carried{}}
	byName := map[string]*side{}
	var errs []error
	for i := range targets {
		t := &targets[i]
		if !t.Get("bypass").Bool(false) {
			continue
		}
		n, err := t.Root.Get("bypass.max-flows").IntIn(defaultFlows, 1, maxFlows)
		if err != nil {
			return nil, err
		}
		f, err := port(t.Name)
		if err != nil {
			errs = append(errs, fmt.Errorf("flows of %s are not offloaded to the card: %w", t.Name, err))
			continue
		}
		mode, _, _ := t.CopyMode()
		s := &side{name: t.Name, flows: f, wire: mode != "none", room: int(n)}
		o.ports[t.Index], byName[t.Name] = s, s
	}
	for i := range targets {
		if s := o.ports[targets[i].Index]; s != nil && s.wire {
			_, to, _ := targets[i].CopyMode()
			s.peer = byName[to]
		}
	}
	if len(o.ports) == 0 {
		return nil, errors.Join(errs...)
	}
	return o, errors.Join(errs...)
}

// Install implements bypass.Offloader.
func (o *Offloader) Install(batch []bypass.Entry) {
	for i := range batch {
		if e := &batch[i]; e.Err == nil {
			e.Err = o.install(e)
		}
	}
}

func (o *Offloader) install(e *bypass.Entry) error {
	s := o.ports[e.Iface]
	switch {
	case s == nil || e.Depth != 0 || e.VLAN[2] != 0 || e.IPVersion != 4 && e.IPVersion != 6:
		return bypass.ErrUnsupported
	case e.Proto != 6 && e.Proto != 17 && e.Proto != 132:
		return bypass.ErrUnsupported
	case s.wire && (!e.Drop || s.peer == nil):
		return bypass.ErrUnsupported // to forward is not in the card's power
	case s.held >= s.room:
		return bypass.ErrFull
	}
	if o.flows[e.Key] != nil {
		return bypass.ErrFull // it is there: its counts are still to be fetched
	}
	c := &carried{at: s, strip: uint64(e.Strip) * 4}
	for d := range c.rules {
		r := &c.rules[d]
		if r.on = s; s.wire && d == 1 {
			r.on = s.peer
		}
		var err error
		if r.name, err = r.on.flows.Create(match(&e.Key, d)); err == nil {
			continue
		}
		if d == 1 {
			// One direction alone would be worse than none: the engine would see half a flow. What the rule has dropped by now is lost
			// to the counts, as there is no flow to count it for.
			if derr := c.rules[0].on.flows.Destroy(c.rules[0].name); derr != nil {
				return errors.Join(err, derr)
			}
		}
		switch {
		case errors.Is(err, ErrFull):
			return bypass.ErrFull
		case errors.Is(err, ErrUnsupported):
			return bypass.ErrUnsupported
		}
		return fmt.Errorf("port %s: %w", r.on.name, err)
	}
	s.held++
	o.flows[e.Key] = c
	return nil
}

// match is a direction of a flow as it is in frames. Tags are matched also where the card takes them out: rules come first.
func match(k *flow.Key, d int) Match {
	m := Match{Version: k.IPVersion, Proto: k.Proto, Src: k.Src, Dst: k.Dst, SrcPort: k.SrcPort, DstPort: k.DstPort,
		VLAN: [2]uint16{k.VLAN[0], k.VLAN[1]}}
	if d == 1 {
		m.Src, m.Dst, m.SrcPort, m.DstPort = m.Dst, m.Src, m.DstPort, m.SrcPort
	}
	return m
}

// count adds what a flow's rules have counted since they were asked last.
func (c *carried) count(to *bypass.Counters) error {
	var errs []error
	for d := range c.rules {
		r := &c.rules[d]
		pkts, bytes, err := r.on.flows.Query(r.name)
		if err != nil {
			errs = append(errs, fmt.Errorf("port %s: %w", r.on.name, err))
			continue
		}
		if pkts < r.pkts || bytes < r.bytes { // the card has begun anew
			r.pkts, r.bytes = 0, 0
		}
		p, b := pkts-r.pkts, bytes-r.bytes
		r.pkts, r.bytes = pkts, bytes
		to.Pkts[d] += p
		to.Bytes[d] += b - min(b, p*c.strip)
	}
	return errors.Join(errs...)
}

// Remove implements bypass.Offloader. A packet between the last look at a rule and its end is dropped and not counted: cards know no
// way to do both at once.
func (o *Offloader) Remove(batch []bypass.Return) {
	for i := range batch {
		r := &batch[i]
		c := o.flows[r.Key]
		if c == nil {
			r.Err = bypass.ErrUnknown
			continue
		}
		delete(o.flows, r.Key)
		c.at.held--
		r.Err = c.count(&r.Counters)
		r.Err = errors.Join(r.Err, c.destroy())
	}
}

func (c *carried) destroy() error {
	var errs []error
	for d := range c.rules {
		if err := c.rules[d].on.flows.Destroy(c.rules[d].name); err != nil {
			errs = append(errs, fmt.Errorf("port %s: %w", c.rules[d].on.name, err))
		}
	}
	return errors.Join(errs...)
}

// Sweep implements bypass.Offloader.
func (o *Offloader) Sweep(_ int64, report func(flow.Key, bypass.Counters)) error {
	var first error
	for k, c := range o.flows {
		var n bypass.Counters
		if err := c.count(&n); err != nil && first == nil {
			first = err
		}
		if !n.Zero() {
			report(k, n)
		}
	}
	return first
}

// Occupancy implements bypass.Occupied.
func (o *Offloader) Occupancy(iface uint16) (flows, room int) {
	if s := o.ports[iface]; s != nil {
		return s.held, s.room
	}
	return 0, 0
}

// Close implements bypass.Offloader.
func (o *Offloader) Close() error {
	var errs []error
	for k, c := range o.flows {
		if err := c.destroy(); err != nil {
			errs = append(errs, err)
		}
		delete(o.flows, k)
	}
	return errors.Join(errs...)
}
