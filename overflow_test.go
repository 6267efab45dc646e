package sentinel

import (
	"fmt"
	"runtime"
	"slices"
	"testing"
	"time"

	"sentinel/capture"
	"sentinel/capture/sim"
	"sentinel/stream/app"
)

// Frames are handed over: a worker that is stuck or dead does not hold up the others' frames. Its own go on, or are dropped; when it
// is back it judges again.
func TestHandoffStuckWorker(t *testing.T) {
	const flows = 64
	for _, open := range []bool{true, false} {
		for _, dies := range []bool{false, true} {
			t.Run(fmt.Sprintf("open %v, dies %v", open, dies), func(t *testing.T) {
				w := &watch{t: t}
				gate, back := make(chan struct{}), make(chan struct{})
				var script []sim.Step
				udp := func(n int, payload string) {
					script = append(script, sim.Packet(datagramFrame(t, "10.0.0.1", 1000+n, "10.9.9.9", 5000, payload), at(len(script))))
				}
				udp(0, "STALL ")
				for round := range 30 {
					for i := range flows {
						udp(i, []string{"fine", "bad"}[round%2])
					}
				}
				n := 1 + 30*flows
				script = append(script, sim.Drain())
				if !dies {
					script = append(script, sim.Do(func() {
						close(gate)
						time.AfterFunc(500*time.Millisecond, func() { close(back) })
					}), sim.Hold(back))
					for i := range flows {
						udp(i, "bad")
					}
					n += flows
				}
				src := sim.New(script...)
				e := w.engine(Options{IPS: true, RunMode: "autofp", Workers: 3, stall: 250 * time.Millisecond,
					Rules: `drop udp any any -> any any (msg:"bad"; content:"bad"; sid:1;)`, Set: []string{fmt.Sprintf("ips.fail-open=%v", open), "max-pending-packets=65535"},
					more: []*app.Protocol{staller(func() {
						if dies {
							runtime.Goexit()
						}
						<-gate
					})}})
				ctx, cancel := contextUntil(t, func() bool { return len(src.Verdicts()) == n })
				defer cancel()
				if err := e.Run(ctx, asNetwork(src)); err != nil {
					t.Fatal(err)
				}
				if err := src.Err(); err != nil || src.Outstanding() != 0 || len(src.Verdicts()) != n {
					t.Fatalf("%d of %d frames, %d are out, %v", len(src.Verdicts()), n, src.Outstanding(), err)
				}
				c := e.Counters()
				passed, droppedN := c["sentinel.inline.stalled_passed"], c["sentinel.inline.stalled_dropped"]
				if c["sentinel.inline.stalls"] < 1 || (passed > 0) != open || (droppedN > 0) == open || c["sentinel.inline.overflow_passed"]+c["sentinel.inline.overflow_dropped"] > 0 {
					t.Errorf("%d stalls, %d passed, %d dropped, %d and %d overflowed", c["sentinel.inline.stalls"], passed, droppedN,
						c["sentinel.inline.overflow_passed"], c["sentinel.inline.overflow_dropped"])
				}
				// What was not judged is a third of the flows, and more where the machine is so busy that other workers seem stuck.
				unjudged := int(passed + droppedN)
				if unjudged < 1 || unjudged >= n {
					t.Errorf("%d frames were not judged", unjudged)
				}
				bad := (n - 1) / 2 / flows * flows
				if !dies {
					bad = 15*flows + flows
				}
				got := len(dropped(t, src))
				if open && (got > bad || got < bad-unjudged) || !open && (got < bad || got > bad+unjudged) {
					t.Errorf("%d frames were dropped; %d are bad, %d were not judged", got, bad, unjudged)
				}
				if !dies {
					for _, v := range src.Verdicts()[n-flows:] {
						if v.Verdict != capture.Drop {
							t.Fatalf("frame %d was not judged after the worker was back", v.Token)
						}
					}
				}
				if err := e.Close(); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// More frames than may wait for a worker: the rest gets the verdict of frames that nobody judges, is counted, and the flows of
// other workers go on.
func TestHandoffOverflow(t *testing.T) {
	const burst = 1500
	for _, open := range []bool{true, false} {
		t.Run(fmt.Sprintf("open %v", open), func(t *testing.T) {
			w := &watch{t: t}
			gate := make(chan struct{})
			var script []sim.Step
			udp := func(n int, payload string) {
				script = append(script, sim.Packet(datagramFrame(t, "10.0.0.1", 1000+n, "10.9.9.9", 5000, payload), at(len(script))))
			}
			udp(0, "STALL ")
			for range burst {
				udp(0, "fine")
			}
			time.AfterFunc(300*time.Millisecond, func() { close(gate) })
			src := sim.New(script...)
			e := w.engine(Options{IPS: true, RunMode: "autofp", Workers: 2, stall: 10 * time.Second,
				Set:  []string{fmt.Sprintf("ips.fail-open=%v", open), "max-pending-packets=300"},
				more: []*app.Protocol{staller(func() { <-gate })}})
			ctx, cancel := contextUntil(t, func() bool { return len(src.Verdicts()) == burst+1 })
			defer cancel()
			if err := e.Run(ctx, asNetwork(src)); err != nil {
				t.Fatal(err)
			}
			if err := src.Err(); err != nil || src.Outstanding() != 0 {
				t.Fatalf("%d are out, %v", src.Outstanding(), err)
			}
			c := e.Counters()
			passed, lost := c["sentinel.inline.overflow_passed"], c["sentinel.inline.overflow_dropped"]
			// At most 300 wait, in loans of 256.
			if n := passed + lost; n < burst+1-300 || n > burst || open && lost > 0 || !open && passed > 0 || c["sentinel.inline.stalls"] > 0 {
				t.Errorf("%d passed, %d dropped, %d stalls", passed, lost, c["sentinel.inline.stalls"])
			}
			got := dropped(t, src)
			if uint64(len(got)) != lost || slices.Contains(got, 0) {
				t.Errorf("%d frames were dropped, counted %d", len(got), lost)
			}
			if err := e.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// A worker that never comes back does not keep the engine from ending.
func TestStuckForEver(t *testing.T) {
	for _, mode := range []string{"workers", "autofp"} {
		t.Run(mode, func(t *testing.T) {
			w := &watch{t: t}
			never := make(chan struct{})
			defer close(never)
			src := sim.New(sim.Packet(datagramFrame(t, "10.0.0.1", 1, "10.0.0.2", 2, "STALL"), at(0)),
				sim.Packet(datagramFrame(t, "10.0.0.1", 1, "10.0.0.2", 2, "more"), at(1)))
			e := w.engine(Options{IPS: true, RunMode: mode, Workers: 2, stall: 40 * time.Millisecond, more: []*app.Protocol{staller(func() { <-never })}})
			ctx, cancel := contextUntil(t, func() bool { return len(src.Verdicts()) == 2 })
			defer cancel()
			if err := e.Run(ctx, asNetwork(src), asNetwork(sim.New())); err != nil {
				t.Fatal(err)
			}
			if got := dropped(t, src); !slices.Equal(got, []int{0, 1}) {
				t.Errorf("dropped %v, want both frames", got)
			}
			if err := e.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}
