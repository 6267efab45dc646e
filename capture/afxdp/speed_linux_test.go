package afxdp

import (
	"context"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sentinel/capture"
	"sentinel/qa/live"
)

// Reading, forwarding and giving back allocate nothing, also where frames are put together out of several chunks.
func TestAllocations(t *testing.T) {
	for _, c := range []struct {
		name   string
		size   int
		mtu    int
		inline bool
	}{{"passive", 200, 1500, false}, {"inline", 200, 1500, true}, {"jumbo", 9000, 9000, false}, {"jumbo inline", 9000, 9000, true}} {
		t.Run(c.name, func(t *testing.T) {
			n := live.New(t)
			n.Pair("a0", "a1")
			n.Pair("b0", "b1")
			for _, name := range []string{"a0", "a1", "b0", "b1"} {
				setMTU(t, name, c.mtu)
			}
			o := Options{Interface: "a0"}
			if c.inline {
				o.CopyTo = "b0"
			}
			s := open(t, o)[0]
			send, f := n.Sender("a1"), frame(1, c.size)
			batch := make([]capture.Frame, 64)
			ctx, failed, seen := context.Background(), error(nil), 0
			round := func() {
				for range 4 {
					if err := send.Send(f); err != nil {
						failed = err
					}
				}
				for want := seen + 4; seen < want && failed == nil; {
					k, err := s.Read(ctx, batch)
					if err == nil {
						err = s.Release(batch[:k])
					}
					if err != nil {
						failed = err
					}
					seen += k
				}
				s.Stats()
			}
			round()
			bare := testing.AllocsPerRun(100, func() {
				for range 4 {
					_ = send.Send(f)
				}
			})
			for k := 1; k > 0 && failed == nil; { // take away what only the sender was measured with
				k, failed = s.Read(ctx, batch)
				_ = s.Release(batch[:k])
			}
			if got := testing.AllocsPerRun(100, round) - bare; got > 0 || failed != nil {
				t.Errorf("%v allocations a round, %v", got, failed)
			}
			if st := s.Stats(); st.Errors != 0 || st.Dropped != 0 {
				t.Errorf("%+v", st)
			}
		})
	}
}

// BenchmarkRead measures how many frames a second a source takes while another processor sends as fast as it can.
func BenchmarkRead(b *testing.B) {
	for _, m := range modes {
		for _, size := range []int{60, 1000} {
			b.Run(m.name+"/"+map[bool]string{true: "small", false: "large"}[size == 60], func(b *testing.B) { benchmark(b, m.mode, size) })
		}
	}
}

func benchmark(b *testing.B, mode XDPMode, size int) {
	n := live.New(b)
	n.Pair("in0", "out0")
	all, err := Open(Options{Interface: "in0", XDP: mode, BusyPoll: strings.Contains(os.Getenv("SENTINEL_BENCH"), "busy"), BusyPollTime: defaultBusyPollTime, BusyPollBudget: defaultBusyPollBudget})
	if err != nil {
		b.Fatal(err)
	}
	s := all[0]
	defer s.Close()
	// The sender is a socket of the same kind, so that one call sends many frames.
	far, err := Open(Options{Interface: "out0", XDP: mode})
	if err != nil {
		b.Fatal(err)
	}
	defer far[0].Close()
	out := far[0].(*Source).in[0]
	var stop atomic.Bool
	var sent atomic.Uint64
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		pin(1)
		f := frame(1, size)
		for !stop.Load() {
			out.reap()
			for range 64 {
				if out.write(f) == nil {
					sent.Add(1)
				}
			}
			out.flush()
		}
	}()
	pin(0)
	batch := make([]capture.Frame, 256)
	b.ResetTimer()
	start, cpu := time.Now(), busy(b)
	got := 0
	for got < b.N {
		k, err := s.Read(context.Background(), batch)
		if err != nil {
			b.Fatal(err)
		}
		if err := s.Release(batch[:k]); err != nil {
			b.Fatal(err)
		}
		got += k
	}
	took, used := time.Since(start), busy(b)-cpu
	b.StopTimer()
	stop.Store(true)
	<-done
	st := s.Stats()
	b.ReportMetric(float64(got)/took.Seconds()/1e6, "Mpps")
	b.ReportMetric(float64(used)/float64(got), "cpu-ns/frame")
	b.ReportMetric(float64(st.Dropped), "dropped")
	b.ReportMetric(float64(sent.Load()), "sent")
}

// busy returns the processor time of this thread.
func busy(b *testing.B) time.Duration {
	var r unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_THREAD, &r); err != nil {
		b.Fatal(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// pin keeps this thread on a processor.
func pin(cpu int) {
	var set unix.CPUSet
	set.Set(cpu % runtime.NumCPU())
	_ = unix.SchedSetaffinity(0, &set)
}
