package xdp

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"sentinel/bypass"
	"sentinel/internal/xdp"
	"sentinel/stream/flow"
)

// Offloader carries flows in the XDP programs of the interfaces of one run. It implements bypass.Offloader.
//
// A flow is two entries in the program's map, one a direction, on its interface and on the other side of the wire where it is
// inline. Each entry counts in a slot of its own:
//
//	frame ──▶ entry: action, slot ──▶ slot: packets, bytes, time ──▶ Sweep
type Offloader struct {
	ifaces map[uint16]*iface     // by Frame.Iface
	flows  map[flow.Key]*carried // by name

	// The batch that is being installed, by interface and family.
	keys4 []xdp.Flow4Key
	keys6 []xdp.Flow6Key
	vals  []xdp.FlowValue
	whose []*place
}

// iface is an interface with its program.
type iface struct {
	name    string
	index   uint16 // Frame.Iface
	program *xdp.Program
	slots   *xdp.Slots
	action  uint32 // of flows that are not to be dropped
	peer    *iface // the other side of the wire; nil = none
	novlan  bool   // frames are looked up without their tags
	room    int    // flows of each family
	held    [2]int // by family: 0 = IPv4
}

// carried is a flow that the programs know.
type carried struct {
	key    flow.Key // as it was installed
	places [2]place
	n      int   // of places
	strip  uint8 // tags that count for nothing
}

// place is a flow on one interface.
type place struct {
	at   *iface
	slot [2]uint32
	in   [2]bool // by direction: the entry is there
	was  [2]struct{ pkts, bytes uint64 }
}

// settle is how long a frame may still be counted when its entry is gone: the program runs for less than a microsecond, but the
// machine may be a virtual one.
const settle = 2 * time.Millisecond

// Install implements bypass.Offloader.
func (o *Offloader) Install(batch []bypass.Entry) {
	now := make([]*carried, len(batch))
	for i := range batch {
		if e := &batch[i]; e.Err == nil {
			now[i], e.Err = o.prepare(e)
		}
	}
	for _, f := range o.ifaces {
		for family := range 2 {
			o.keys4, o.keys6, o.vals, o.whose = o.keys4[:0], o.keys6[:0], o.vals[:0], o.whose[:0]
			for i, c := range now {
				if c == nil || family != version(&batch[i].Key) {
					continue
				}
				for k := range c.n {
					if p := &c.places[k]; p.at == f {
						o.entries(p, &batch[i])
					}
				}
			}
			if len(o.vals) == 0 {
				continue
			}
			var err error
			if family == 0 {
				err = put(f.program.Flows4(), o.keys4, o.vals, o.whose)
			} else {
				err = put(f.program.Flows6(), o.keys6, o.vals, o.whose)
			}
			for i, c := range now {
				if c != nil && err != nil && c.has(f) && family == version(&batch[i].Key) && !c.anywhere() {
					batch[i].Err = err
				}
			}
		}
	}
	for i, c := range now {
		if c == nil {
			continue
		}
		if c.anywhere() {
			batch[i].Err = nil // a direction that could not be installed goes on through the engine
			o.flows[o.name(batch[i].Key)] = c
			continue
		}
		if batch[i].Err == nil {
			batch[i].Err = bypass.ErrFull
		}
		o.forget(c, version(&batch[i].Key))
	}
}

func (c *carried) has(f *iface) bool {
	for k := range c.n {
		if c.places[k].at == f {
			return true
		}
	}
	return false
}

func (c *carried) anywhere() bool {
	for k := range c.n {
		if in := c.places[k].in; in[0] || in[1] {
			return true
		}
	}
	return false
}

// prepare finds the places of a flow, and slots.
func (o *Offloader) prepare(e *bypass.Entry) (*carried, error) {
	f := o.ifaces[e.Iface]
	switch {
	case f == nil || e.Depth != 0 || e.IPVersion != 4 && e.IPVersion != 6 || !hasPorts(e.Proto):
		return nil, bypass.ErrUnsupported
	case !f.novlan && e.VLAN[2] != 0:
		return nil, bypass.ErrUnsupported // the program reads two tags
	case o.flows[o.name(e.Key)] != nil:
		return nil, bypass.ErrFull // another flow that looks the same to the program
	}
	c := &carried{key: e.Key, strip: e.Strip}
	family := version(&e.Key)
	for ; f != nil && c.n < 2; f = f.peer {
		if c.n == 1 && c.places[0].at == f {
			break
		}
		if f.held[family] >= f.room {
			o.forget(c, family)
			return nil, bypass.ErrFull
		}
		p := &c.places[c.n]
		p.at = f
		for d := range p.slot {
			s, ok := f.slots.Take()
			if !ok {
				if d == 1 {
					f.slots.Give(p.slot[0])
				}
				o.forget(c, family)
				return nil, bypass.ErrFull
			}
			p.slot[d] = s
		}
		f.held[family]++
		c.n++
	}
	return c, nil
}

// name returns what flows have in common that look the same to the programs: whoever sent first, and from whichever side of a wire.
func (o *Offloader) name(k flow.Key) flow.Key {
	if c := bytes.Compare(k.Src[:], k.Dst[:]); c > 0 || c == 0 && k.SrcPort > k.DstPort {
		k.Src, k.Dst, k.SrcPort, k.DstPort = k.Dst, k.Src, k.DstPort, k.SrcPort
	}
	f := o.ifaces[k.Iface]
	if f == nil {
		return k
	}
	if f.peer != nil {
		k.Iface = min(k.Iface, f.peer.index)
	}
	if f.novlan {
		k.VLAN = [len(k.VLAN)]uint16{}
	}
	return k
}

// forget gives back the slots of a flow that has no entries.
func (o *Offloader) forget(c *carried, family int) {
	for k := range c.n {
		p := &c.places[k]
		p.at.held[family]--
		for _, s := range p.slot {
			p.at.slots.Give(s)
		}
	}
}

// entries adds the two entries of a flow at a place to the batch.
func (o *Offloader) entries(p *place, e *bypass.Entry) {
	action := p.at.action
	if e.Drop {
		action = xdp.Drop
	}
	for d := range p.slot {
		if e.IPVersion == 4 {
			o.keys4 = append(o.keys4, key4(&e.Key, d, p.at.novlan))
		} else {
			o.keys6 = append(o.keys6, key6(&e.Key, d, p.at.novlan))
		}
		o.vals = append(o.vals, xdp.FlowValue{Slot: p.slot[d], Action: action})
		o.whose = append(o.whose, p)
	}
}

// put adds entries to a map, as many as it takes, and marks those that are in. It returns the last error.
func put[K any](m *ebpf.Map, keys []K, vals []xdp.FlowValue, whose []*place) (last error) {
	if m == nil {
		return bypass.ErrUnsupported
	}
	batches := true
	for at := 0; at < len(keys); {
		n := 0
		var err error
		if batches {
			n, err = m.BatchUpdate(keys[at:], vals[at:], nil)
			if err != nil && !errors.Is(err, unix.E2BIG) {
				batches = false // before Linux 5.6, or it does not say how far it came: one by one, and again
				continue
			}
		} else if err = m.Update(keys[at], vals[at], ebpf.UpdateAny); err == nil {
			n = 1
		}
		for i := at; i < at+n; i++ {
			whose[i].in[i&1] = true // entries come in pairs
		}
		at += n
		switch {
		case errors.Is(err, unix.E2BIG):
			last = bypass.ErrFull
			at++
		case err != nil:
			last = fmt.Errorf("cannot add a flow to the map: %w", err)
			at++
		case n == 0:
			return errors.New("the kernel has taken no flow")
		}
	}
	return last
}

// Remove implements bypass.Offloader.
func (o *Offloader) Remove(batch []bypass.Return) {
	gone := make([]*carried, len(batch))
	for i := range batch {
		r := &batch[i]
		name := o.name(r.Key)
		c := o.flows[name]
		if c == nil || c.key != r.Key {
			r.Err = bypass.ErrUnknown
			continue
		}
		delete(o.flows, name)
		gone[i] = c
		for k := range c.n {
			p := &c.places[k]
			for d, in := range p.in {
				if !in {
					continue
				}
				var err error
				if r.Key.IPVersion == 4 {
					x := key4(&r.Key, d, p.at.novlan)
					err = p.at.program.Flows4().Delete(x)
				} else {
					x := key6(&r.Key, d, p.at.novlan)
					err = p.at.program.Flows6().Delete(x)
				}
				if err != nil {
					r.Err = fmt.Errorf("cannot take a flow out of the map of %s: %w", p.at.name, err)
				}
			}
		}
	}
	time.Sleep(settle)
	clock := newClock(time.Now().UnixNano())
	for i, c := range gone {
		if c == nil {
			continue
		}
		batch[i].Counters = c.count(clock)
		o.forget(c, version(&batch[i].Key))
	}
}

// Sweep implements bypass.Offloader. It makes no system call: the slots are shared with the kernel.
func (o *Offloader) Sweep(now int64, report func(flow.Key, bypass.Counters)) error {
	clock := newClock(now)
	for _, c := range o.flows {
		if n := c.count(clock); !n.Zero() {
			report(c.key, n)
		}
	}
	return nil
}

// count returns what was counted since it was called last.
func (c *carried) count(clock clock) (n bypass.Counters) {
	for k := range c.n {
		p := &c.places[k]
		for d, in := range p.in {
			if !in {
				continue
			}
			// Packets and bytes are not counted in one step: what is seen of one but not yet of the other comes with the next report.
			v := p.at.slots.Read(p.slot[d])
			was := &p.was[d]
			size := v.Bytes - min(v.Bytes, 4*uint64(c.strip)*v.Packets)
			if v.Packets == was.pkts && size <= was.bytes {
				continue
			}
			n.Pkts[d] += v.Packets - was.pkts
			was.pkts = v.Packets
			if size > was.bytes {
				n.Bytes[d] += size - was.bytes
				was.bytes = size
			}
			n.Last = max(n.Last, clock.wall(v.Seen))
		}
	}
	return n
}

// clock turns the kernel's time since the machine was started into the time of day.
type clock struct{ offset int64 }

func newClock(now int64) clock {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		return clock{}
	}
	return clock{now - ts.Nano()}
}

// wall returns 0 where the time is not known.
func (c clock) wall(seen uint64) int64 {
	if seen == 0 || c.offset == 0 {
		return 0
	}
	return int64(seen) + c.offset
}

// Occupancy implements bypass.Occupied.
func (o *Offloader) Occupancy(index uint16) (flows, room int) {
	f := o.ifaces[index]
	if f == nil {
		return 0, 0
	}
	return f.held[0] + f.held[1], 2 * f.room
}

// Close implements bypass.Offloader. The programs leave the interfaces with their last user.
func (o *Offloader) Close() error {
	var errs []error
	for _, f := range o.ifaces {
		errs = append(errs, f.program.Close())
	}
	o.ifaces, o.flows = nil, nil
	return errors.Join(errs...)
}

const (
	protoTCP  = 6
	protoUDP  = 17
	protoSCTP = 132
)

func hasPorts(proto uint8) bool { return proto == protoTCP || proto == protoUDP || proto == protoSCTP }

// version is 0 for IPv4 and 1 for IPv6.
func version(k *flow.Key) int {
	if k.IPVersion == 6 {
		return 1
	}
	return 0
}

func port(p uint16) [2]uint8 { return [2]uint8{uint8(p >> 8), uint8(p)} }

// key4 is a flow's key in the frames of a direction.
func key4(k *flow.Key, dir int, novlan bool) xdp.Flow4Key {
	x := xdp.Flow4Key{Source: [4]uint8(k.Src[:4]), Target: [4]uint8(k.Dst[:4]), SourcePort: port(k.SrcPort), TargetPort: port(k.DstPort),
		Proto: k.Proto}
	if dir == int(flow.ToClient) {
		x.Source, x.Target, x.SourcePort, x.TargetPort = x.Target, x.Source, x.TargetPort, x.SourcePort
	}
	if !novlan {
		x.Vlan = [2]uint16{k.VLAN[0], k.VLAN[1]}
	}
	return x
}

func key6(k *flow.Key, dir int, novlan bool) xdp.Flow6Key {
	x := xdp.Flow6Key{Source: k.Src, Target: k.Dst, SourcePort: port(k.SrcPort), TargetPort: port(k.DstPort), Proto: k.Proto}
	if dir == int(flow.ToClient) {
		x.Source, x.Target, x.SourcePort, x.TargetPort = x.Target, x.Source, x.TargetPort, x.SourcePort
	}
	if !novlan {
		x.Vlan = [2]uint16{k.VLAN[0], k.VLAN[1]}
	}
	return x
}
