//go:build linux

package afpacket_test

import (
	"context"
	"runtime"
	"slices"
	"testing"
	"time"
	"unsafe"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"sentinel/capture"
	"sentinel/capture/afpacket"
	"sentinel/qa/live"
)

// blast sends frames on an interface as fast as it can until stop is closed, and returns how many.
func blast(t testing.TB, name string, frames [][]byte, stop <-chan struct{}) uint64 {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Error(err)
		return 0
	}
	defer unix.Close(fd)
	l, err := netlink.LinkByName(name)
	if err != nil {
		t.Error(err)
		return 0
	}
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Ifindex: l.Attrs().Index}); err != nil {
		t.Error(err)
	}
	type message struct {
		unix.Msghdr
		n uint32
	}
	msgs := make([]message, len(frames))
	iovs := make([]unix.Iovec, len(frames))
	for i, f := range frames {
		iovs[i].Base = &f[0]
		iovs[i].SetLen(len(f))
		msgs[i].Iov = &iovs[i]
		msgs[i].SetIovlen(1)
	}
	sent := uint64(0)
	for {
		select {
		case <-stop:
			return sent
		default:
		}
		n, _, errno := unix.Syscall6(unix.SYS_SENDMMSG, uintptr(fd), uintptr(unsafe.Pointer(&msgs[0])), uintptr(len(msgs)), 0, 0, 0)
		if errno == 0 {
			sent += uint64(n)
		}
	}
}

// thread runs f on a thread of its own that is in the test's namespace.
func thread(t testing.TB, f func()) (wait func()) {
	t.Helper()
	ns, err := unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // for good
		defer unix.Close(ns)
		if err := unix.Setns(ns, unix.CLONE_NEWNET); err != nil {
			t.Error(err)
			return
		}
		f()
	}()
	return func() { <-done }
}

// used is the CPU time of this thread.
func used() time.Duration {
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_THREAD, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func flows(t testing.TB, n, size int) [][]byte {
	var all [][]byte
	for i := range n {
		f := udp(t, i, false, 0, string(make([]byte, size)))
		all = append(all, f)
	}
	return all
}

func modes() map[string]afpacket.Options { return rings }

func BenchmarkForward(b *testing.B) {
	for name, o := range modes() {
		b.Run(name, func(b *testing.B) {
			n := live.New(b)
			n.Pair("a", "b")
			n.Pair("c", "d")
			o.Interface, o.CopyTo = "b", "c"
			s := open(b, o)[0]
			stop := make(chan struct{})
			frames := flows(b, 256, 10)
			tx := thread(b, func() { blast(b, "a", frames, stop) })
			batch := make([]capture.Frame, 256)
			ctx := context.Background()
			b.ResetTimer()
			cpu, start := used(), time.Now()
			for done := 0; done < b.N; {
				k, err := s.Read(ctx, batch)
				if err != nil {
					b.Fatal(err)
				}
				s.Release(batch[:k])
				done += k
			}
			took := time.Since(start)
			b.ReportMetric(float64(used()-cpu)/float64(b.N), "cpu-ns/frame")
			b.StopTimer()
			close(stop)
			tx()
			l, err := netlink.LinkByName("d")
			if err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(b.N)/took.Seconds()/1e6, "Mpps")
			b.ReportMetric(float64(l.Attrs().Statistics.RxPackets)/1e6, "arrived-M")
		})
	}
}

func BenchmarkRead(b *testing.B) {
	for name, o := range modes() {
		b.Run(name, func(b *testing.B) {
			n := live.New(b)
			n.Pair("a", "b")
			o.Interface = "b"
			s := open(b, o)[0]
			stop := make(chan struct{})
			frames := flows(b, 256, 10)
			tx := thread(b, func() { blast(b, "a", frames, stop) })
			batch := make([]capture.Frame, 256)
			ctx := context.Background()
			b.ResetTimer()
			cpu, start := used(), time.Now()
			for done := 0; done < b.N; {
				k, err := s.Read(ctx, batch)
				if err != nil {
					b.Fatal(err)
				}
				s.Release(batch[:k])
				done += k
			}
			took := time.Since(start)
			b.ReportMetric(float64(used()-cpu)/float64(b.N), "cpu-ns/frame")
			b.StopTimer()
			close(stop)
			tx()
			st := s.Stats()
			b.ReportMetric(float64(b.N)/took.Seconds()/1e6, "Mpps")
			b.ReportMetric(100*float64(st.Dropped)/float64(st.Dropped+st.Received), "%dropped")
		})
	}
}

// BenchmarkLatency paces a probe through the bridge.
func BenchmarkLatency(b *testing.B) {
	for name, o := range modes() {
		b.Run(name, func(b *testing.B) {
			n := live.New(b)
			n.Pair("a", "b")
			n.Pair("c", "d")
			o.Interface, o.CopyTo = "b", "c"
			s := open(b, o)[0]
			stop := make(chan struct{})
			bridge := thread(b, func() {
				batch := make([]capture.Frame, 64)
				for {
					select {
					case <-stop:
						return
					default:
					}
					k, _ := s.Read(context.Background(), batch)
					s.Release(batch[:k])
				}
			})
			rx, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
			if err != nil {
				b.Fatal(err)
			}
			defer unix.Close(rx)
			l, _ := netlink.LinkByName("d")
			if err := unix.Bind(rx, &unix.SockaddrLinklayer{Protocol: 0x0300, Ifindex: l.Attrs().Index}); err != nil {
				b.Fatal(err)
			}
			unix.SetsockoptTimeval(rx, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 1})
			tx := n.Sender("a")
			frame := udp(b, 1, false, 0, "probe")
			buf := make([]byte, 2048)
			var took []time.Duration
			for range b.N {
				start := time.Now()
				tx.Send(frame)
				for {
					if _, err := unix.Read(rx, buf); err == nil {
						break
					} else if err != unix.EINTR {
						close(stop)
						bridge()
						b.Fatalf("a probe was lost: %v, %+v", err, s.Stats())
					}
				}
				took = append(took, time.Since(start))
				time.Sleep(500 * time.Microsecond)
			}
			close(stop)
			bridge()
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Microseconds()), "median-µs")
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
		})
	}
}
