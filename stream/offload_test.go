package stream

import (
	"testing"

	"sentinel/capture"
	"sentinel/decode"
	"sentinel/stream/flow"
)

// ground takes note of what an engine asks of what carries flows.
type ground struct {
	full  bool
	asked []flow.Flow
	drops int
	left  []uint64 // ids
}

func (l *ground) Ask(f *flow.Flow, _ *decode.Packet, drop bool) bool {
	if l.full {
		return false
	}
	l.asked = append(l.asked, *f)
	if drop {
		l.drops++
	}
	return true
}

func (l *ground) Leave(f *flow.Flow) { l.left = append(l.left, f.ID) }

const start = int64(1e18)

func offloading(t *testing.T) (*Engine, *quiet, *ground) {
	e, q := quietEngine(t, flow.Config{})
	l := &ground{}
	e.SetOffload(l)
	return e, q, l
}

func TestOffloadAsksOnce(t *testing.T) {
	e, _, l := offloading(t)
	p := udpPacket(1, 7, start)
	for range 5 {
		e.Process(p, 1, p.Time)
	}
	if len(l.asked) != 1 || e.Count[CountBypassed] != 4 {
		t.Fatalf("asked %d times, %d packets bypassed locally", len(l.asked), e.Count[CountBypassed])
	}
	f := l.asked[0]
	e.OffloadTaken(f.Index, f.ID)
	e.Process(p, 1, p.Time)
	if e.Count[CountCaptureBypassed] != 1 || e.Table().At(f.Index).State != flow.CaptureBypassed {
		t.Errorf("a packet that was on its way: %d, state %v", e.Count[CountCaptureBypassed], e.Table().At(f.Index).State)
	}
}

// What has no name of its own on the wire, or one that cannot be told apart, is not offered.
func TestOffloadNotOffered(t *testing.T) {
	for name, change := range map[string]func(p *decode.Packet){
		"in a tunnel":           func(p *decode.Packet) { p.Depth = 1 },
		"inner packet":          func(p *decode.Packet) { p.Parent = 0 },
		"no frame":              func(p *decode.Packet) { p.Frame = nil },
		"raw IP":                func(p *decode.Packet) { p.Frame.Link = capture.LinkRaw },
		"SCTP":                  func(p *decode.Packet) { p.Proto, p.Layers = 132, decode.HasIPv4|decode.HasSCTP },
		"datagram put together": func(p *decode.Packet) { p.Parent = 3 },
	} {
		t.Run(name, func(t *testing.T) {
			e, _, l := offloading(t)
			p := udpPacket(1, 7, start)
			change(p)
			e.Process(p, 1, p.Time)
			e.Process(p, 1, p.Time)
			if len(l.asked) != 0 || e.Count[CountBypassed] != 1 {
				t.Errorf("asked %d times, bypassed %d", len(l.asked), e.Count[CountBypassed])
			}
		})
	}
}

func TestOffloadRetry(t *testing.T) {
	e, _, l := offloading(t)
	l.full = true
	p := udpPacket(1, 7, start)
	e.Process(p, 1, p.Time)
	l.full = false
	e.Process(p, 1, p.Time)
	if len(l.asked) != 0 || e.Count[CountOffloadBusy] != 1 {
		t.Fatal("asked again at once")
	}
	p.Time += offloadRetry * 1e9
	e.Process(p, 1, p.Time)
	if len(l.asked) != 1 {
		t.Fatal("never asked again")
	}
	f := l.asked[0]
	e.OffloadRefused(f.Index, f.ID, true) // no room below
	p.Time += offloadRetry * 1e9
	e.Process(p, 1, p.Time)
	e.OffloadRefused(f.Index, f.ID, false) // not of a kind that can be carried
	p.Time += offloadRetry * 1e9
	e.Process(p, 1, p.Time)
	if len(l.asked) != 2 || e.Table().At(f.Index).State != flow.LocalBypassed {
		t.Errorf("asked %d times, state %v", len(l.asked), e.Table().At(f.Index).State)
	}
}

// A flow that has timed out up here is written when its last counts are there, and not at all while packets are counted below.
func TestOffloadTimeout(t *testing.T) {
	e, q, l := offloading(t)
	p := udpPacket(1, 7, start)
	e.Process(p, 1, p.Time)
	f := l.asked[0]
	e.OffloadTaken(f.Index, f.ID)
	now := start + 100e9
	e.Expire(now, 10)
	if len(q.ended) != 0 || len(l.left) != 1 || l.left[0] != f.ID {
		t.Fatalf("%d ended, %d asked back", len(q.ended), len(l.left))
	}
	e.OffloadCounted(f.Index, f.ID, [2]uint64{3, 2}, [2]uint64{300, 200}, start+60e9)
	e.OffloadDone(f.Index, f.ID, now)
	e.Expire(now, 10)
	if len(q.ended) != 0 {
		t.Fatal("ended 40 seconds after its last packet")
	}
	now = start + 160e9
	e.Expire(now, 10)
	e.Expire(now+1e9, 10)
	if len(q.ended) != 1 {
		t.Fatalf("%d flows ended", len(q.ended))
	}
	g := q.ended[0]
	if g.State != flow.CaptureBypassed || g.Reason != flow.ReasonTimeout || g.Last != start+60e9 || g.Bypassed[0].Pkts != 3 || g.Bypassed[1].Bytes != 200 {
		t.Errorf("state %v, reason %v, last %d, %v", g.State, g.Reason, g.Last-start, g.Bypassed)
	}
}

// A packet that comes when a flow has timed out begins a new one; the old one waits for its counts, whatever was under way with it.
func TestOffloadHeld(t *testing.T) {
	for _, c := range []struct {
		name  string
		taken bool // before it ends
	}{{"taken", true}, {"only asked for", false}} {
		t.Run(c.name, func(t *testing.T) {
			e, q, l := offloading(t)
			p := udpPacket(1, 7, start)
			e.Process(p, 1, p.Time)
			f := l.asked[0]
			if c.taken {
				e.OffloadTaken(f.Index, f.ID)
			}
			p.Time = start + 200e9
			e.Process(p, 1, p.Time)
			e.Expire(p.Time, 10)
			if len(q.ended) != 0 || e.Table().Held() != 1 || len(l.asked) != 2 || l.asked[1].ID == f.ID {
				t.Fatalf("%d ended, %d held, %d asked", len(q.ended), e.Table().Held(), len(l.asked))
			}
			if !c.taken {
				e.OffloadTaken(f.Index, f.ID)
			}
			if len(l.left) != 1 || l.left[0] != f.ID {
				t.Fatalf("asked back: %v", l.left)
			}
			e.OffloadCounted(f.Index, f.ID, [2]uint64{1, 0}, [2]uint64{100, 0}, start+150e9)
			e.OffloadDone(f.Index, f.ID, p.Time)
			e.Expire(p.Time, 10)
			if len(q.ended) != 1 || q.ended[0].ID != f.ID || q.ended[0].Bypassed[0].Bytes != 100 || e.Table().Held() != 0 {
				t.Errorf("ended %v, %d held", q.ended, e.Table().Held())
			}
		})
	}
}

// At the end all flows are written, whether or not their counts came.
func TestOffloadShutdown(t *testing.T) {
	e, q, l := offloading(t)
	for i := range uint16(50) {
		p := udpPacket(i, 7, start+int64(i))
		e.Process(p, 1, p.Time)
		if i%2 == 0 {
			e.OffloadTaken(l.asked[i].Index, l.asked[i].ID)
		}
	}
	e.Expire(start+200e9, 30) // some wait
	e.Shutdown()
	if len(q.ended) != 50 || e.Table().Active() != 0 || e.Table().Held() != 0 {
		t.Errorf("%d ended, %d active, %d held", len(q.ended), e.Table().Active(), e.Table().Held())
	}
}

// Reports about a flow that is gone, or another one in its place, change nothing but the totals.
func TestOffloadStaleReports(t *testing.T) {
	e, _, l := offloading(t)
	p := udpPacket(1, 7, start)
	e.Process(p, 1, p.Time)
	f := l.asked[0]
	for _, id := range []uint64{f.ID + 1, 0} {
		for _, i := range []uint32{f.Index, 0, 1 << 30} {
			e.OffloadTaken(i, id)
			e.OffloadRefused(i, id, true)
			e.OffloadDone(i, id, start)
			e.OffloadCounted(i, id, [2]uint64{1, 1}, [2]uint64{1, 1}, start)
		}
	}
	g := e.Table().At(f.Index)
	if g.Offload != flow.OffloadAsked || g.Bypassed[0].Pkts != 0 || e.Count[CountOffloaded] != 12 {
		t.Errorf("stage %v, %v, total %d", g.Offload, g.Bypassed, e.Count[CountOffloaded])
	}
}

func TestBypassedPacketsDoNotAllocate(t *testing.T) {
	for name, with := range map[string]bool{"nothing below": false, "carried below": true} {
		t.Run(name, func(t *testing.T) {
			e, _ := quietEngine(t, flow.Config{})
			l := &ground{asked: make([]flow.Flow, 0, 10)}
			if with {
				e.SetOffload(l)
			}
			p := udpPacket(1, 7, start)
			e.Process(p, 1, p.Time)
			if with {
				e.OffloadTaken(l.asked[0].Index, l.asked[0].ID)
			}
			if n := testing.AllocsPerRun(1000, func() { e.Process(p, 1, p.Time) }); n != 0 {
				t.Errorf("%v allocations", n)
			}
		})
	}
}
