package sentinel

import (
	"sentinel/decode"
	"sentinel/detect"
	"sentinel/stream/flow"
)

// chooser says which tenant a packet is of. It is immutable.
type chooser struct {
	kind    selector
	vlans   map[uint16]uint32 // tenants by outermost VLAN id
	devices map[string]uint32 // tenants by interface
}

// selector is what tells tenants apart.
type selector uint8

const (
	selectNone   selector = iota // every packet is of no tenant
	selectDirect                 // the one that its capture file was queued with
	selectVLAN
	selectDevice
)

// bench is a worker's detection, by tenant. A flow stays with the tenant that its first packet was of, as do its bits and what
// rules have found in it.
type bench struct {
	judged *judgement
	base   *detect.Worker // of packets that no tenant has
	by     map[uint32]*seat
	ifaces []uint32 // by Frame.Iface: tenant + 1; 0 = not looked up yet
}

// seat is the detection of one tenant.
type seat struct {
	detect *detect.Worker
	rules  *detect.Ruleset
}

// adopt takes over the judgement that was swapped in since the last batch.
func (w *worker) adopt() {
	b := &w.bench
	if w.e.judges.now.Load() == b.judged {
		return
	}
	j := w.e.judges.take()
	if j == nil {
		return
	}
	if b.base == nil {
		b.base = j.base.NewWorker(w.e.shared)
	} else if b.judged.base != j.base {
		b.base.Adopt(j.base)
	}
	flags := w.e.out.FileFlags() | ruleFileFlags(j.base)
	w.wantFrames(j)
	if j.tenants {
		if b.by == nil {
			b.by = map[uint32]*seat{}
		}
		b.ifaces = nil
		for id, rs := range j.byTenant {
			flags |= ruleFileFlags(rs)
			w.seat(id, rs)
		}
		for id := range b.by {
			if j.byTenant[id] == nil {
				w.seat(id, j.nothing)
			}
		}
	}
	w.e.judges.release(b.judged)
	b.judged = j
	w.detect = b.base
	w.stream.SetFiles(flags)
}

// seat gives a tenant its rules.
func (w *worker) seat(id uint32, rs *detect.Ruleset) *seat {
	s := w.bench.by[id]
	switch {
	case s == nil:
		s = &seat{detect: rs.NewWorker(w.e.shared)}
		w.bench.by[id] = s
	case s.rules != rs:
		s.detect.Adopt(rs)
	}
	s.rules = rs
	return s
}

// tenancy reports whether there are tenants.
func (w *worker) tenancy() bool { return w.bench.judged != nil && w.bench.judged.tenants }

// summon makes w.detect that of a packet's tenant. Preconditions: there are tenants.
func (w *worker) summon(f *flow.Flow, p *decode.Packet) {
	if f == nil {
		w.sit(w.registered(w.tenantOf(p)))
		return
	}
	if !f.TenantKnown {
		f.TenantKnown = true
		f.Tenant = w.registered(w.tenantOf(p))
	}
	w.sit(f.Tenant)
}

// registered returns a tenant, or 0 where none of that number is there: such packets are judged by the rules of no tenant.
func (w *worker) registered(tenant uint32) uint32 {
	if tenant != 0 && w.bench.judged.byTenant[tenant] == nil {
		return 0
	}
	return tenant
}

// sit makes w.detect that of a tenant.
func (w *worker) sit(tenant uint32) {
	w.out.Tenant = tenant
	if tenant == 0 {
		w.detect = w.bench.base
		return
	}
	w.detect = w.bench.by[tenant].detect // flows of tenants that are gone have a seat, and no rules
}

func (w *worker) tenantOf(p *decode.Packet) uint32 {
	c := &w.bench.judged.choose
	switch c.kind {
	case selectDirect:
		return w.e.tenant
	case selectVLAN:
		if id := p.VLAN[0]; id != 0 {
			return c.vlans[id]
		}
	case selectDevice:
		if p.Frame == nil {
			return 0
		}
		i := int(p.Frame.Iface)
		for len(w.bench.ifaces) <= i {
			w.bench.ifaces = append(w.bench.ifaces, 0)
		}
		if w.bench.ifaces[i] == 0 {
			w.bench.ifaces[i] = c.devices[w.e.iface(p.Frame.Iface)] + 1
		}
		return w.bench.ifaces[i] - 1
	}
	return 0
}

// each goes through all of a worker's detection.
func (b *bench) each(do func(*detect.Worker)) {
	if b.base == nil {
		return
	}
	do(b.base)
	for _, s := range b.by {
		do(s.detect)
	}
}

// counted is a counter over all tenants.
func (b *bench) counted(c detect.Counter) (n uint64) {
	b.each(func(d *detect.Worker) { n += d.Counters[c] })
	return n
}

// wantFrames has the frames kept that events want, or the rules of a judgement; the others cost nothing. j is nil without rules.
func (w *worker) wantFrames(j *judgement) {
	for id := flow.ProtoFirst; int(id) < w.e.reg.Len(); id++ {
		types := w.e.out.Frames(id)
		if j != nil {
			j.all(func(rs *detect.Ruleset) { types |= rs.Frames(id) })
		}
		w.stream.SetFrames(id, types)
	}
}
