package tcp

import (
	"testing"

	"sentinel/decode"
	"sentinel/stream/flow"
)

// sink is an application layer that consumes everything.
type sink struct{ n int }

func (s *sink) Data(u *Context, d flow.Dir, data []byte, off uint64, eof bool) (int, int) {
	s.n += len(data)
	return len(data), 0
}
func (s *sink) Gap(u *Context, d flow.Dir, off uint64, n uint64) bool { return true }

// stream is an open session that sends segments of one size, acknowledged every second one.
type stream struct {
	tr    *Tracker
	f     *flow.Flow
	u     Context
	p     decode.Packet
	seq   uint32
	body  []byte
	count int
}

func newStream(t testing.TB, cfg Config, size int) *stream {
	r := newRig(t, cfg)
	r.open()
	r.tr.app = &sink{}
	r.tr.SetDepth(r.f, 0)
	s := &stream{tr: r.tr, f: r.f, seq: r.seq[0] + 1, body: make([]byte, size), p: r.p}
	s.u = Context{Packet: &s.p, Flow: r.f}
	return s
}

func (s *stream) step() {
	p := &s.p
	p.Events = decode.EventSet{}
	p.TCP.Flags = decode.ACK
	s.count++
	if s.count%3 == 0 {
		p.TCP.Seq, p.TCP.Ack, p.Payload = 5001, s.seq, nil
		s.u.Dir = toClient
	} else {
		p.TCP.Seq, p.TCP.Ack, p.Payload = s.seq, 5001, s.body
		s.u.Dir = toServer
		s.seq += uint32(len(s.body))
	}
	o := s.tr.Packet(&s.u)
	if s.tr.RawReady(&s.u, s.u.Dir, o.Added) {
		s.tr.Raw(&s.u, s.u.Dir, false)
		s.tr.RawDone(&s.u, s.u.Dir)
	}
	s.tr.Prune(s.f, s.u.Dir)
}

func TestDataDoesNotAllocate(t *testing.T) {
	for _, inline := range []bool{false, true} {
		cfg := DefaultConfig()
		cfg.Inline = inline
		s := newStream(t, cfg, 1000)
		for range 1000 {
			s.step()
		}
		if n := testing.AllocsPerRun(1000, s.step); n != 0 {
			t.Errorf("inline %v: %v allocations", inline, n)
		}
		if a := s.tr.app.(*sink); a.n < 100_000 {
			t.Errorf("inline %v: only %d bytes went up", inline, a.n)
		}
	}
}

func TestSessionDoesNotAllocate(t *testing.T) {
	r := newRig(t, DefaultConfig())
	r.tr.app = &sink{}
	var p decode.Packet
	f := flow.Flow{}
	u := Context{Packet: &p, Flow: &f}
	session := func() {
		f = flow.Flow{}
		for i, k := range []struct {
			d        flow.Dir
			fl       decode.TCPFlags
			seq, ack uint32
			data     []byte
		}{
			{0, decode.SYN, 0, 0, nil}, {1, decode.SYN | decode.ACK, 0, 1, nil}, {0, decode.ACK, 1, 1, nil},
			{0, decode.ACK, 1, 1, r.tr.scratch[:100]}, {1, decode.ACK, 1, 101, nil}, {0, decode.RST, 101, 0, nil},
		} {
			p = decode.Packet{Time: 1e9 * int64(i), TCP: decode.TCP{Flags: k.fl, Seq: k.seq, Ack: k.ack, Window: win}, Payload: k.data}
			u.Dir = k.d
			r.tr.Packet(&u)
		}
		r.tr.Free(&f)
	}
	for range 100 {
		session()
	}
	if n := testing.AllocsPerRun(1000, session); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkSegment(b *testing.B) {
	for _, c := range []struct {
		name   string
		size   int
		inline bool
	}{{"1", 1, false}, {"1400", 1400, false}, {"1/inline", 1, true}, {"1400/inline", 1400, true}} {
		b.Run(c.name, func(b *testing.B) {
			cfg := DefaultConfig()
			cfg.Inline = c.inline
			s := newStream(b, cfg, c.size)
			b.ReportAllocs()
			for range b.N {
				s.step()
			}
		})
	}
}

// BenchmarkReversed sends windows of small segments in reverse order: the worst case for the list of segments.
func BenchmarkReversed(b *testing.B) {
	s := newStream(b, DefaultConfig(), 10)
	const n = 1000
	base := s.seq
	p := &s.p
	i := n
	for range b.N {
		i--
		p.TCP.Flags, p.TCP.Seq, p.TCP.Ack, p.Payload = decode.ACK, base+uint32(i*10), 5001, s.body
		s.u.Dir = toServer
		s.tr.Packet(&s.u)
		if i == 0 {
			base += n * 10
			p.TCP.Seq, p.TCP.Ack, p.Payload = 5001, base, nil
			s.u.Dir = toClient
			s.tr.Packet(&s.u)
			s.u.Dir = toServer
			s.tr.Raw(&s.u, 0, false)
			s.tr.RawDone(&s.u, 0)
			s.tr.Prune(s.f, 0)
			i = n
		}
	}
}
