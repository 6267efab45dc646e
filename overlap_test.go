package sentinel

import (
	"bytes"
	"testing"

	"sentinel/capture"
	"sentinel/capture/sim"
)

// A segment that says something else than the one before it is changed to say the same: the receiver gets what was inspected. One
// that does not fit the session is dropped.
func TestInlineOverlap(t *testing.T) {
	for _, mode := range []string{"workers", "autofp"} {
		t.Run(mode, func(t *testing.T) {
			w := &watch{t: t}
			s := newSession(t, "10.0.0.1", 1000, "10.0.0.2", 5000, 0)
			open := s.open()
			frame := func(seq uint32, fin bool, payload string) []byte {
				x := *s
				x.seq[0] = seq
				f := x.frame(0, false, fin, payload)
				src := sim.New(f)
				b := make([]capture.Frame, 1)
				if n, err := src.Read(t.Context(), b); n != 1 || err != nil {
					t.Fatal(err)
				}
				return bytes.Clone(b[0].Data)
			}
			seq := s.seq[0]
			turn, back, end := make(chan struct{}), make(chan struct{}), make(chan struct{})
			a := sim.New(open[0], sim.Drain(), sim.Do(func() { close(turn) }), sim.Hold(back), open[2],
				sim.Packet(frame(seq, false, "GET /good"), at(10)), sim.Drain(),
				sim.Packet(frame(seq+4, false, "/evil and more"), at(11)), sim.Drain(),
				sim.Packet(frame(seq+1<<28, true, ""), at(12)), sim.Drain(), sim.Do(func() { close(end) }))
			b := sim.New(sim.Hold(turn), open[1], sim.Drain(), sim.Do(func() { close(back) }), sim.Hold(end))
			e, sources := w.pair(Options{RunMode: mode, Workers: 2}, a, b)
			if err := e.Run(t.Context(), sources...); err != nil {
				t.Fatal(err)
			}
			if err := a.Err(); err != nil {
				t.Error(err)
			}
			v := a.Verdicts()
			if len(v) != 5 {
				t.Fatalf("%d frames", len(v))
			}
			for i, want := range []capture.Verdict{capture.Accept, capture.Accept, capture.Accept, capture.Modified, capture.Drop} {
				if v[i].Verdict != want {
					t.Errorf("frame %d: verdict %d, want %d", i, v[i].Verdict, want)
				}
			}
			if want := frame(seq+4, false, "/good and more"); !bytes.Equal(v[3].Data, want) {
				t.Errorf("\n%x, want\n%x", v[3].Data, want)
			}
			if c := e.Counters(); c["ips.replaced"] != 1 || c["ips.drop_reason.stream_error"] != 1 {
				t.Errorf("%d replaced, %d stream errors", c["ips.replaced"], c["ips.drop_reason.stream_error"])
			}
		})
	}
}

// Judging a batch of a wire allocates nothing.
func TestInlineAllocatesNothing(t *testing.T) {
	w := &watch{t: t}
	src := sim.New()
	e, sources := w.pair(Options{Rules: `drop udp any any -> any any (msg:"bad"; content:"never"; sid:1;)`}, src, sim.New())
	x, err := e.newWorker(0)
	if err != nil {
		t.Fatal(err)
	}
	defer x.free()
	side := e.bundles(sources, 0)[0][0]
	side.Source = nothing{}
	x.attend(t.Context(), []*tap{side})
	data := datagramFrame(t, "10.0.0.1", 1000, "10.0.0.2", 2000, "some payload")
	now := at(0)
	run := func() {
		for i := range inlineFrames {
			now += 1000
			x.lent[i] = capture.Frame{Data: data, Time: now, WireLen: uint32(len(data)), Link: capture.LinkEthernet, Flags: capture.Writable}
		}
		if err := x.take(side, inlineFrames); err != nil {
			t.Fatal(err)
		}
	}
	run()
	if n := testing.AllocsPerRun(100, run); n > 0 {
		t.Errorf("%v allocations a batch", n)
	}
}

// nothing is a source that takes frames back.
type nothing struct{ capture.Source }

func (nothing) Release([]capture.Frame) error { return nil }
func (nothing) Stats() capture.Stats          { return capture.Stats{} }
