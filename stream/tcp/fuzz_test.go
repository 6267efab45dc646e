package tcp

import (
	"testing"

	"sentinel/decode"
	"sentinel/internal/mem"
	"sentinel/stream/flow"
)

// FuzzTracker sends random packets. Nothing may panic, memory stays within its budget and is all given back, and offsets
// only go forward.
func FuzzTracker(f *testing.F) {
	f.Add([]byte{0}, []byte{
		0x02, 0, 0, 0, 0, 0, 0, 0,
		0x92, 0, 0, 0, 1, 0, 0, 0,
		0x10, 0, 1, 0, 1, 0, 0, 0,
		0x18, 0, 1, 0, 1, 100, 0, 0,
		0x18, 1, 1, 0, 1, 100, 0, 0,
		0x90, 0, 1, 0, 101, 0, 0, 0,
		0x11, 0, 101, 0, 1, 0, 0, 0,
		0x91, 0, 1, 0, 102, 0, 0, 0,
	})
	f.Add([]byte{7}, []byte{0x18, 0, 1, 0, 1, 100, 0, 0, 0x98, 0, 1, 0, 101, 100, 0, 9, 0x04, 0, 1, 0, 1, 0, 0, 0})
	f.Fuzz(func(t *testing.T, conf, b []byte) {
		cfg := DefaultConfig()
		c := byte(0)
		if len(conf) > 0 {
			c = conf[0]
		}
		cfg.Inline = c&1 != 0
		cfg.Midstream = c&2 != 0
		cfg.AsyncOne = c&4 != 0
		cfg.CheckOverlap = c&8 != 0
		cfg.UrgentPolicy = Urgent(c >> 4 & 3)
		cfg.StrictTime = c&64 != 0
		if c&128 != 0 {
			cfg.Depth = 3000
		}
		cfg.Sessions, cfg.Reassembly = mem.NewBudget(64<<10), mem.NewBudget(256<<10)
		cfg.PreallocSessions, cfg.PreallocSegments = 0, 0
		next := [2]uint64{}
		app := &checker{}
		tr := New(cfg, app)
		defer tr.Close()
		app.check = func(u *Context, d flow.Dir, off uint64, n int) {
			if tr.Session(u.Flow).swaps == 0 && off < next[d] {
				t.Fatalf("offset %d after %d", off, next[d])
			}
			next[d] = off + uint64(n)
		}
		app.tr = tr
		fl := &flow.Flow{}
		body := make([]byte, 1<<16)
		var p decode.Packet
		u := Context{Packet: &p, Flow: fl}
		now := int64(1e18)
		for ; len(b) >= 8; b = b[8:] {
			h := b[:8]
			now += int64(h[7]) * 1e8
			p = decode.Packet{Time: now, IPVersion: 4, Layers: decode.HasTCP, Proto: 6}
			p.TCP.Flags = decode.TCPFlags(h[0] & 0x3f)
			u.Dir = flow.Dir(h[0] >> 7)
			if fl.Has(flow.Reversed) {
				u.Dir ^= 1
			}
			p.TCP.Seq = uint32(h[1])<<8 | uint32(h[2]) + 0xfffffff0
			p.TCP.Ack = uint32(h[3])<<8 | uint32(h[4]) + 0xfffffff0
			if h[6]&8 != 0 {
				p.TCP.Seq += 300 << 10
			}
			p.Payload = body[:int(h[5])*int(1+h[6]&7)]
			p.TCP.Window = uint16(h[6]) << 8
			p.TCP.Urgent = uint16(h[7])
			switch h[6] >> 4 {
			case 1:
				p.TCP.Opts, p.TCP.TSVal = decode.OptTimestamp, uint32(h[7])
			case 2:
				p.TCP.Opts, p.TCP.SACKOff, p.TCP.SACKCount, p.L4 = decode.OptSACK, 2, 3, h
			case 3:
				p.TCP.Opts = decode.OptFastOpen
			case 4:
				p.TCP.Opts, p.TCP.WScale = decode.OptWScale|decode.OptSACKPermitted, h[7]
			case 5:
				p.TCP.Opts = decode.OptMD5
			}
			app.mode = h[7]
			o := tr.Packet(&u)
			if o.Reuse {
				tr.Free(fl)
				*fl = flow.Flow{}
				next = [2]uint64{}
				continue
			}
			if tr.RawReady(&u, u.Dir, o.Added) {
				last := uint64(0)
				for d, off, ok := tr.Raw(&u, u.Dir, h[7]&1 != 0); ok; d, off, ok = tr.RawNext(&u, u.Dir) {
					if len(d) == 0 || off < last {
						t.Fatalf("raw chunk of %d bytes at %d after %d", len(d), off, last)
					}
					last = off + uint64(len(d))
				}
				tr.RawDone(&u, u.Dir)
			}
			tr.ForEach(fl, u.Dir, 0, true, func(d []byte, gap uint64) bool { return len(d) > 0 })
			tr.Prune(fl, u.Dir)
			if cfg.Reassembly.Used() > cfg.Reassembly.Limit() || cfg.Sessions.Used() > cfg.Sessions.Limit() {
				t.Fatal("over the memcap")
			}
			if s := tr.Session(fl); s != nil {
				for d := range s.Stream {
					x := &s.Stream[d]
					if x.app < x.base && x.Flags&NoReassembly == 0 && s.Flags&AppDisabled == 0 {
						t.Fatalf("base %d passed the application layer at %d", x.base, x.app)
					}
				}
			}
		}
		tr.NeedsFlush(fl)
		for d := range 2 {
			u.Dir = flow.Dir(d)
			tr.Flush(&u, flow.Dir(d))
		}
		tr.Free(fl)
		if n := cfg.Reassembly.Used() + cfg.Sessions.Used(); n != 0 {
			t.Fatalf("%d bytes leaked", n)
		}
	})
}

// checker is an application layer that behaves as the fuzzer says.
type checker struct {
	tr    *Tracker
	check func(u *Context, d flow.Dir, off uint64, n int)
	mode  byte
}

func (c *checker) Data(u *Context, d flow.Dir, data []byte, off uint64, eof bool) (int, int) {
	switch c.mode & 7 {
	case 1:
		c.check(u, d, off, 0)
		return 0, len(data) + 5
	case 2:
		c.tr.TriggerRaw(u.Flow, d)
	case 3:
		c.tr.Offer(&Context{Flow: u.Flow, Dir: d.Other()}, d.Other())
	case 4:
		c.tr.SetMinInspectDepth(u.Flow, d, 10)
		c.check(u, d, off, len(data)/2)
		return len(data) / 2, 0
	case 5:
		if c.mode&0xf0 == 0xf0 {
			c.tr.DisableApp(u.Flow)
		}
	case 6:
		if c.mode&0xf0 == 0xf0 {
			c.tr.Swap(u.Flow)
			u.Flow.Swap()
			u.Dir ^= 1
			return len(data), 0
		}
	}
	c.check(u, d, off, len(data))
	return len(data), 0
}

func (c *checker) Gap(u *Context, d flow.Dir, off uint64, n uint64) bool {
	if c.mode&8 != 0 {
		c.check(u, d, off, 0)
		return false
	}
	c.check(u, d, off, int(n))
	return true
}
