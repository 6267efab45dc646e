package flow

import "sentinel/decode"

// Seen is what Update found about a packet.
type Seen uint8

// The findings.
const (
	First       Seen = 1 << iota // first packet in its direction
	FlowEstab                    // the flow is established; for TCP ask the session too
	NowElephant                  // this packet passed the rate of flow.rate-tracking
)

// Update accounts for p in f and moves the states of flows other than TCP. d comes from Dir.
func (t *Table) Update(p *decode.Packet, f *Flow, d Dir) (s Seen) {
	if f.State == CaptureBypassed {
		// A packet may have been on its way. But when they keep coming, the driver does not bypass the flow any more.
		half := int64(t.cfg.Normal[classOf(f.Proto)].Bypassed) * second / 2
		if p.Time-f.Last > half {
			f.Last = p.Time
			f.State = LocalBypassed
		}
	} else if p.Time > f.Last {
		f.Last = p.Time
	}
	f.Pkts[d]++
	f.Bytes[d] += uint64(p.Len())
	seen := SeenTS.InDir(d)
	if f.Flags&seen == 0 && !(p.Is(decode.HasICMPv4) && icmpError(p.ICMPType)) {
		f.Flags |= seen
		s |= First
	}
	l := &f.TTL[d]
	if l.Min == 0 || p.TTL < l.Min {
		l.Min = p.TTL
	}
	if p.TTL > l.Max {
		l.Max = p.TTL
	}
	if t.rates != nil && f.Flags&ElephantTS.InDir(d) == 0 && t.rate(f, p, d) {
		s |= NowElephant
	}
	if f.State == Established {
		s |= FlowEstab
	} else if f.Proto != protoTCP && f.Flags&(SeenTS|SeenTC) == SeenTS|SeenTC {
		s |= FlowEstab
		if f.State == New || f.State == Closed {
			f.State = Established
		}
	}
	return s
}

// Swap exchanges client and server of the flow with all that is counted by direction. What hangs on the flow swaps itself.
func (f *Flow) Swap() {
	f.Flags ^= Reversed
	f.Src, f.Dst = f.Dst, f.Src
	f.SrcPort, f.DstPort = f.DstPort, f.SrcPort
	f.Pkts[0], f.Pkts[1] = f.Pkts[1], f.Pkts[0]
	f.Bytes[0], f.Bytes[1] = f.Bytes[1], f.Bytes[0]
	f.Bypassed[0], f.Bypassed[1] = f.Bypassed[1], f.Bypassed[0]
	f.TTL[0], f.TTL[1] = f.TTL[1], f.TTL[0]
	f.AppDir[0], f.AppDir[1] = f.AppDir[1], f.AppDir[0]
	f.SrcMAC, f.DstMAC = f.DstMAC, f.SrcMAC
	const ts = SeenTS | ProtoDoneTS | ProtoNewsTS | GroupsDoneTS | FileNoStoreTS | DropLoggedTS | ElephantTS
	x := f.Flags
	f.Flags = x&^(ts|ts<<1) | x&ts<<1 | x&(ts<<1)>>1
}

// Swap exchanges client and server of f; see [Flow.Swap].
func (t *Table) Swap(f *Flow) { f.Swap() }

const maxRateInterval = 60

// rateSlot counts the bytes of a flow's direction by second, over the last RateInterval seconds.
type rateSlot struct {
	sum  uint64
	last int64 // second of the newest cell
	cell [maxRateInterval]uint64
}

func (t *Table) rateReset(i uint32) {
	if t.cfg.RateBytes == 0 {
		return
	}
	for int(i)*2+1 >= len(t.rates) {
		t.rates = append(t.rates, rateSlot{})
	}
	t.rates[2*i], t.rates[2*i+1] = rateSlot{}, rateSlot{}
}

// rate adds p and reports whether its direction passed the configured rate.
func (t *Table) rate(f *Flow, p *decode.Packet, d Dir) bool {
	r := &t.rates[2*f.Index+uint32(d)]
	now, n := p.Time/second, int64(t.cfg.RateInterval)
	if r.last == 0 || now-r.last >= n {
		*r = rateSlot{last: now}
	}
	for r.last < now { // at most n steps
		r.last++
		c := &r.cell[r.last%n]
		r.sum -= *c
		*c = 0
	}
	if now <= r.last-n || now < 0 {
		return false // a step back of the clock
	}
	r.cell[now%n] += uint64(p.Len())
	r.sum += uint64(p.Len())
	if r.sum <= t.cfg.RateBytes {
		return false
	}
	if f.Flags&Elephant == 0 {
		t.count[CountElephant]++
	}
	f.Flags |= Elephant | ElephantTS.InDir(d)
	t.count[CountElephantTS+Counter(d)]++
	return true
}

// RecordSize is the bytes of a flow record, for messages about flow.memcap.
func (t *Table) RecordSize() int64 { return t.slab.Size() }
