package eve_test

import (
	"os"
	"testing"

	"sentinel/eve"
	"sentinel/stream"
)

func discard(t testing.TB) *eve.Worker {
	t.Helper()
	out, err := eve.Open(eve.Options{Registry: registry, Root: tree(t, `
outputs:
  - fast: {enabled: yes, filename: `+os.DevNull+`}
  - eve-log:
      enabled: yes
      filename: `+os.DevNull+`
      community-id: yes
      types: [alert: {payload: yes, packet: yes}, drop, anomaly, http, dns, tls, files, flow, netflow]
`)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { out.Close() })
	return out.NewWorker(0)
}

// TestNoAllocation holds events to reused memory.
func TestNoAllocation(t *testing.T) {
	w := discard(t)
	u, alerts := udpUnit()
	for name, f := range map[string]func(){
		"a packet with nothing to say": func() { w.Packet(u, nil) },
		"an alert":                     func() { w.Packet(u, alerts); w.Flush() },
		"a flow":                       func() { w.FlowEnd(u.Flow, nil, nil); w.Flush() },
		"an event of protocol detection": func() {
			v := *u
			v.LayerEvent(stream.UnexpectedProtocol)
			w.Packet(&v, nil)
			w.Flush()
		},
	} {
		f()
		if n := testing.AllocsPerRun(100, f); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func BenchmarkIdle(b *testing.B) {
	w := discard(b)
	u, _ := udpUnit()
	b.ReportAllocs()
	for b.Loop() {
		w.Packet(u, nil)
	}
}

func BenchmarkAlert(b *testing.B) {
	w := discard(b)
	u, alerts := udpUnit()
	b.ReportAllocs()
	for b.Loop() {
		w.Packet(u, alerts)
		w.Flush()
	}
}

func BenchmarkFlow(b *testing.B) {
	w := discard(b)
	u, _ := udpUnit()
	b.ReportAllocs()
	for b.Loop() {
		w.FlowEnd(u.Flow, nil, nil)
		w.Flush()
	}
}
