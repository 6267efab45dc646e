package stream

import (
	"context"
	"os"
	"testing"

	"sentinel/capture"
	"sentinel/capture/pcapfile"
	"sentinel/decode"
	"sentinel/internal/conf"
	"sentinel/stream/app"
	"sentinel/stream/tcp"
)

// BenchmarkCapture takes the capture that SENTINEL_BENCH_PCAP names, or a recorded one of ours, through decoder, flows, TCP and
// a parser that only counts: what every packet costs before rules and protocols. ns/packet is what to look at.
func BenchmarkCapture(b *testing.B) {
	name := os.Getenv("SENTINEL_BENCH_PCAP")
	if name == "" {
		name = "../qa/pcaps/demo.pcap"
	}
	tree, _, err := conf.Parse(nil, "bench")
	if err != nil {
		b.Fatal(err)
	}
	frames := make([]capture.Frame, 256)
	packets := 0
	for b.Loop() {
		src, err := pcapfile.Open(name, pcapfile.Options{})
		if err != nil {
			b.Fatal(err)
		}
		k := &book{}
		e, err := New(Config{Registry: app.NewRegistry([]*app.Protocol{toyProtocol()}, nil), Root: tree.Root(),
			TCP: tcp.DefaultConfig(), Checksums: ChecksumNone}, k)
		if err != nil {
			b.Fatal(err)
		}
		k.e = e
		stack := decode.NewStack(decode.DefaultConfig())
		count := uint64(0)
		for {
			n, err := src.Read(context.Background(), frames)
			for i := range frames[:n] {
				count++
				for j := range stack.Decode(&frames[i]) {
					e.Process(&stack.Packets[j], count, frames[i].Time)
				}
			}
			if n > 0 {
				e.Expire(frames[n-1].Time, 256)
				packets += n
			}
			src.Release(frames[:n])
			if err != nil {
				break
			}
		}
		e.Shutdown()
		e.Close()
		src.Close()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(packets), "ns/packet")
}
