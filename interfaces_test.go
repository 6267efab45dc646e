package sentinel

import (
	"context"
	"slices"
	"testing"

	"sentinel/capture"
	"sentinel/capture/sim"
)

// counting is a source that counts its reads besides, and of which some frames are lost.
type counting struct {
	*sim.Source
	reads uint64
	lost  uint64
}

func (c *counting) Read(ctx context.Context, batch []capture.Frame) (int, error) {
	c.reads++
	return c.Source.Read(ctx, batch)
}

func (c *counting) Stats() capture.Stats {
	st := c.Source.Stats()
	st.Dropped, st.Bypassed = c.lost, 2*c.lost
	return st
}

func (c *counting) Counts(dst []capture.Count) []capture.Count {
	return append(dst, capture.Count{Name: "capture.test.reads", Value: c.reads}, capture.Count{Name: "capture.test.lost", Value: c.lost})
}

func TestInterfaceStats(t *testing.T) {
	for _, m := range modes {
		t.Run(m.name, func(t *testing.T) {
			w := &watch{t: t}
			e := w.engine(Options{RunMode: m.mode, Workers: m.workers})
			var script []sim.Step
			for i := range 30 {
				script = append(script, sim.Packet(datagramFrame(t, "10.0.0.1", 1+i, "10.0.0.2", 2, "x"), at(i)))
			}
			src := &counting{Source: sim.New(script...), lost: 7}
			other := &counting{Source: sim.New(), lost: 3}
			e.counters.live.reset()
			e.counters.opened("eth0", []capture.Source{src})
			e.counters.opened("eth1", []capture.Source{other})
			if err := e.Run(context.Background(), src); err != nil {
				t.Fatal(err)
			}
			want := []InterfaceStat{{Name: "eth0", Packets: 30, Drops: 7, Bypassed: 14}, {Name: "eth1"}}
			if got := e.InterfaceStats(); !slices.Equal(got, want) {
				t.Errorf("%+v, want %+v", got, want)
			}
			c := e.Counters()
			for name, want := range map[string]uint64{"capture.kernel_packets": 37, "capture.kernel_drops": 7, "capture.test.lost": 7, "capture.test.reads": src.reads} {
				if c[name] != want {
					t.Errorf("%s is %d, want %d", name, c[name], want)
				}
			}
			// The next Open begins anew.
			e.counters.live.reset()
			if got := e.InterfaceStats(); len(got) != 0 {
				t.Errorf("%+v", got)
			}
		})
	}
}
