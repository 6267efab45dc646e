package afxdp

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"sentinel/capture"
	"sentinel/qa/live"
)

// logged collects what a driver says.
type logged struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logged) Infof(format string, args ...any) { l.add(format, args...) }
func (l *logged) Warnf(format string, args ...any) { l.add("warning: "+format, args...) }

func (l *logged) add(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	fmt.Fprintf(&l.text, format+"\n", args...)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// frame is an Ethernet frame of a local experimental type (IEEE 802) with a number in it; nobody in the kernel answers it.
func frame(number, size int) []byte {
	b := make([]byte, size)
	copy(b, []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 9, 0x88, 0xb5})
	binary.BigEndian.PutUint32(b[14:], uint32(number))
	for i := 18; i < size; i++ {
		b[i] = byte(i * number)
	}
	return b
}

func ours(b []byte) bool { return len(b) >= 18 && b[12] == 0x88 && b[13] == 0xb5 }

func open(t *testing.T, o Options) []capture.Source {
	t.Helper()
	all, err := Open(o)
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EAFNOSUPPORT) {
		live.Skip(t, "%v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, s := range all {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}
	})
	return all
}

// reader reads sources until it has seen so many of our frames, or nothing comes any more.
type reader struct {
	batch [64]capture.Frame
	seen  map[int]int // how often each number
	from  map[int]int // source that each came from
}

func (r *reader) read(t *testing.T, all []capture.Source, want int) {
	t.Helper()
	if r.seen == nil {
		r.seen, r.from = map[int]int{}, map[int]int{}
	}
	for end := time.Now().Add(10 * time.Second); len(r.seen) < want && time.Now().Before(end); {
		for number, s := range all {
			n, err := s.Read(context.Background(), r.batch[:])
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range r.batch[:n] {
				if !ours(f.Data) {
					continue
				}
				i := int(binary.BigEndian.Uint32(f.Data[14:]))
				r.seen[i]++
				r.from[i] = number
				if want := frame(i, len(f.Data)); !bytes.Equal(f.Data, want) {
					t.Fatalf("frame %d of %d bytes has changed", i, len(f.Data))
				}
				if f.WireLen != uint32(len(f.Data)) || f.Link != capture.LinkEthernet || cap(f.Data) != len(f.Data) || f.Time == 0 {
					t.Fatalf("frame %d: %+v", i, f)
				}
			}
			if err := s.Release(r.batch[:n]); err != nil {
				t.Fatal(err)
			}
		}
	}
	if len(r.seen) != want {
		t.Fatalf("%d of %d frames came", len(r.seen), want)
	}
	for i, n := range r.seen {
		if n != 1 {
			t.Fatalf("frame %d came %d times", i, n)
		}
	}
}

var modes = []struct {
	name string
	mode XDPMode
}{{"native", XDPDriver}, {"generic", XDPGeneric}}

func TestPassive(t *testing.T) {
	for _, m := range modes {
		t.Run(m.name, func(t *testing.T) {
			n := live.New(t)
			n.Pair("in0", "out0")
			var log logged
			all := open(t, Options{Interface: "in0", Index: 7, XDP: m.mode, Promisc: true, BusyPoll: m.mode == XDPDriver, BusyPollTime: 20 * time.Microsecond, BusyPollBudget: 64, Log: &log})
			if len(all) != 1 {
				t.Fatalf("%d sources", len(all))
			}
			for _, want := range []string{"in0: 1 receive queues", "XDP in " + m.name + " mode", "frames by copy ("} {
				if !strings.Contains(log.String(), want) {
					t.Errorf("the log has no %q:\n%s", want, &log)
				}
			}
			if !all[0].(*Source).Symmetric() {
				t.Error("one source has both directions")
			}
			send := n.Sender("out0")
			var r reader
			var size uint64
			const rounds, each = 200, 100 // more than there are chunks
			for i := range rounds {
				for k := range each {
					f := frame(i*each+k, 60+k*13)
					size += uint64(len(f))
					if err := send.Send(f); err != nil {
						t.Fatal(err)
					}
				}
				r.read(t, all, (i+1)*each)
			}
			st := all[0].Stats()
			if st.Received < rounds*each || st.Bytes < size || st.Dropped != 0 || st.Invalid != 0 || st.Errors != 0 {
				t.Errorf("%+v, want %d frames of %d bytes", st, rounds*each, size)
			}
		})
	}
}

// pairOf makes interfaces with several queues.
func pairOf(t *testing.T, n *live.Net, a, b string, queues int) {
	t.Helper()
	err := netlink.LinkAdd(&netlink.Veth{
		LinkAttrs: netlink.LinkAttrs{Name: a, TxQLen: 1000, NumTxQueues: queues, NumRxQueues: queues}, PeerName: b,
		PeerNumTxQueues: uint32(queues), PeerNumRxQueues: uint32(queues),
	})
	if err != nil {
		t.Fatal(err)
	}
	n.Up(a)
	n.Up(b)
}

// The sources of an interface share its queues, however many there are: nothing is lost.
func TestQueues(t *testing.T) {
	const queues = 4
	for _, m := range modes {
		for _, c := range []struct{ threads, want int }{{1, 1}, {3, 3}, {16, queues}} {
			t.Run(fmt.Sprint(m.name, c.threads), func(t *testing.T) {
				n := live.New(t)
				pairOf(t, n, "in0", "out0", queues)
				var log logged
				all := open(t, Options{Interface: "in0", XDP: m.mode, Threads: c.threads, Log: &log})
				if len(all) != c.want || !strings.Contains(log.String(), fmt.Sprintf("%d receive queues", queues)) {
					t.Fatalf("%d sources, want %d:\n%s", len(all), c.want, &log)
				}
				// The kernel chooses the queue by the sender's socket or processor, so that several senders use several.
				var r reader
				const frames = 2000
				var senders []*live.Sender
				for range 8 {
					senders = append(senders, n.Sender("out0"))
				}
				for i := range frames {
					if err := senders[i%len(senders)].Send(frame(i, 100)); err != nil {
						t.Fatal(err)
					}
					if i%100 == 99 {
						r.read(t, all, i+1)
					}
				}
				var st capture.Stats
				for _, s := range all {
					got := s.Stats()
					st.Received += got.Received
					st.Dropped += got.Dropped
					if s.(*Source).Symmetric() != (c.want == 1) {
						t.Error("Symmetric is wrong")
					}
				}
				if st.Received < frames || st.Dropped != 0 {
					t.Errorf("%+v", st)
				}
			})
		}
	}
}

func TestJumbo(t *testing.T) {
	for _, m := range modes {
		t.Run(m.name, func(t *testing.T) {
			n := live.New(t)
			n.Pair("in0", "out0")
			for _, name := range []string{"in0", "out0"} {
				setMTU(t, name, 9000)
			}
			all := open(t, Options{Interface: "in0", XDP: m.mode})
			send := n.Sender("out0")
			var r reader
			sizes := []int{60, 1514, 3839, 3840, 3841, 4096, 7680, 7681, 9014}
			for i, size := range sizes {
				if err := send.Send(frame(i+1, size)); err != nil {
					t.Fatal(err)
				}
			}
			r.read(t, all, len(sizes))
			for i := range 500 {
				if err := send.Send(frame(100+i, 9014)); err != nil {
					t.Fatal(err)
				}
				if i%50 == 49 {
					r.read(t, all, len(sizes)+i+1)
				}
			}
			if st := all[0].Stats(); st.Dropped != 0 || st.Invalid != 0 {
				t.Errorf("%+v", st)
			}
		})
	}
}

func setMTU(t *testing.T, name string, mtu int) {
	t.Helper()
	l, err := netlink.LinkByName(name)
	if err == nil {
		err = netlink.LinkSetMTU(l, mtu)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// What the engine does not take away is counted: sent = received + dropped.
func TestLossIsCounted(t *testing.T) {
	for _, m := range modes {
		t.Run(m.name, func(t *testing.T) {
			n := live.New(t)
			n.Pair("in0", "out0")
			all := open(t, Options{Interface: "in0", XDP: m.mode, frames: 128})
			s := all[0]
			send := n.Sender("out0")
			const frames = 400
			for i := range frames {
				if err := send.Send(frame(i, 200)); err != nil {
					t.Fatal(err)
				}
				time.Sleep(20 * time.Microsecond) // the pair itself loses frames when its receiver is not scheduled
			}
			var batch [64]capture.Frame
			lent := 0
			for end := time.Now().Add(10 * time.Second); time.Now().Before(end); {
				k, err := s.Read(context.Background(), batch[:])
				if err != nil {
					t.Fatal(err)
				}
				for _, f := range batch[:k] {
					if ours(f.Data) {
						lent++
					}
				}
				if err := s.Release(batch[:k]); err != nil {
					t.Fatal(err)
				}
				if k == 0 {
					break
				}
			}
			st := s.Stats()
			l, err := netlink.LinkByName("out0")
			if err != nil {
				t.Fatal(err)
			}
			lost := l.Attrs().Statistics.TxDropped
			if st.Received+st.Dropped+lost != frames {
				t.Errorf("%d sent, %d lost on the wire, but %+v", frames, lost, st)
			}
			if lent != int(st.Received) || st.Dropped == 0 {
				t.Errorf("%d lent; %+v", lent, st)
			}
			// And it goes on.
			var r reader
			if err := send.Send(frame(100000, 64)); err != nil {
				t.Fatal(err)
			}
			r.read(t, all, 1)
		})
	}
}

func TestFilter(t *testing.T) {
	n := live.New(t)
	n.Pair("in0", "out0")
	all := open(t, Options{Interface: "in0", Filter: "greater 100"})
	send := n.Sender("out0")
	for i := range 1000 {
		if err := send.Send(frame(i, 60+80*(i%2))); err != nil {
			t.Fatal(err)
		}
		if i%20 == 19 {
			time.Sleep(time.Millisecond)
		}
	}
	var r reader
	r.read(t, all, 500)
	if got := all[0].Stats(); got.Received != 500 || got.Dropped != 0 {
		t.Errorf("%+v", got)
	}
}

// An interface that is down when it is opened is captured from as soon as it is up.
func TestDownAtFirst(t *testing.T) {
	n := live.New(t)
	n.Pair("in0", "out0")
	n.Down("in0")
	all := open(t, Options{Interface: "in0"})
	n.Up("in0")
	carrier(t, "out0")
	if err := n.Sender("out0").Send(frame(1, 100)); err != nil {
		t.Fatal(err)
	}
	var r reader
	r.read(t, all, 1)
}

func TestDownAndUp(t *testing.T) {
	for _, m := range modes {
		t.Run(m.name, func(t *testing.T) {
			n := live.New(t)
			n.Pair("in0", "out0")
			all := open(t, Options{Interface: "in0", XDP: m.mode})
			send := n.Sender("out0")
			var r reader
			for i := range 3 {
				if err := send.Send(frame(i, 100)); err != nil {
					t.Fatal(err)
				}
				r.read(t, all, i+1)
				n.Down("in0")
				var batch [8]capture.Frame
				for range 3 {
					k, err := all[0].Read(context.Background(), batch[:])
					if err != nil {
						t.Fatal(err)
					}
					if err := all[0].Release(batch[:k]); err != nil {
						t.Fatal(err)
					}
				}
				n.Up("in0")
				carrier(t, "out0")
			}
		})
	}
}

// carrier waits until an interface can send.
func carrier(t *testing.T, name string) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		l, err := netlink.LinkByName(name)
		if err != nil {
			t.Fatal(err)
		}
		if l.Attrs().OperState == netlink.OperUp {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%s does not come up", name)
		}
	}
}

func TestCloseWhileReading(t *testing.T) {
	n := live.New(t)
	n.Pair("in0", "out0")
	all := open(t, Options{Interface: "in0"})
	done := make(chan error)
	go func() {
		var batch [64]capture.Frame
		for {
			k, err := all[0].Read(context.Background(), batch[:])
			if err == nil {
				err = all[0].Release(batch[:k])
			}
			all[0].Stats()
			if err != nil {
				done <- err
				return
			}
		}
	}()
	send := n.Sender("out0")
	for i := range 1000 {
		if err := send.Send(frame(i, 100)); err != nil {
			t.Fatal(err)
		}
	}
	for end := time.Now().Add(10 * time.Second); all[0].Stats().Received == 0 && time.Now().Before(end); time.Sleep(time.Millisecond) {
	}
	if err := all[0].Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err == nil || !strings.Contains(err.Error(), "closed") {
		t.Errorf("%v", err)
	}
	if _, err := all[0].(*Source).Poll(make([]capture.Frame, 1)); err == nil {
		t.Error("a closed source can be polled")
	}
	if err := all[0].(*Source).Inject(frame(0, 60)); err == nil {
		t.Error("a closed source can send")
	}
	if all[0].Stats().Received == 0 {
		t.Error("the totals are gone")
	}
	// The queue is free again.
	again := open(t, Options{Interface: "in0"})
	if err := send.Send(frame(1, 100)); err != nil {
		t.Fatal(err)
	}
	var r reader
	r.read(t, again, 1)
}

func TestInject(t *testing.T) {
	n := live.New(t)
	n.Pair("in0", "out0")
	all, far := open(t, Options{Interface: "in0", frames: 64}), open(t, Options{Interface: "out0"})
	var r reader
	for i := range 500 {
		if err := all[0].(capture.Injector).Inject(frame(i, 60+i)); err != nil {
			t.Fatal(err)
		}
		if i%20 == 19 {
			r.read(t, far, i+1)
		}
	}
	if err := all[0].(capture.Injector).Inject(nil); err == nil {
		t.Error("an empty frame was sent")
	}
}

func TestErrors(t *testing.T) {
	n := live.New(t)
	n.Pair("in0", "out0")
	for _, c := range []struct {
		name string
		o    Options
		want string
	}{
		{"no interface", Options{Interface: "nowhere"}, "cannot capture on nowhere: no such interface"},
		{"no copy interface", Options{Interface: "in0", CopyTo: "nowhere"}, "cannot capture on nowhere: no such interface"},
		{"to itself", Options{Interface: "in0", CopyTo: "in0"}, "itself"},
		{"zero-copy", Options{Interface: "in0", Bind: BindZero}, "force-bind-mode"},
		{"filter", Options{Interface: "in0", Filter: "prot tcp"}, ""},
	} {
		// Not in a subtest, which would not be in the namespace.
		all, err := Open(c.o)
		if err == nil {
			all[0].Close()
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
	// Nothing of what went wrong is left.
	open(t, Options{Interface: "in0", XDP: XDPGeneric})
}

// bridge reads both ends of a wire as one worker does.
func bridge(sources []capture.Source, verdict func(*capture.Frame) capture.Verdict, stop <-chan struct{}) error {
	var batch [64]capture.Frame
	fds := make([]unix.PollFd, len(sources))
	for {
		select {
		case <-stop:
			return nil
		default:
		}
		for i, s := range sources {
			fds[i] = unix.PollFd{Fd: int32(s.(capture.Poller).Descriptor()), Events: unix.POLLIN}
		}
		if _, err := unix.Poll(fds, maxWait); err != nil && !errors.Is(err, unix.EINTR) {
			return err
		}
		for _, s := range sources {
			n, err := s.(capture.Poller).Poll(batch[:])
			if err != nil {
				return err
			}
			for i := range batch[:n] {
				batch[i].Verdict = verdict(&batch[i])
			}
			if err := s.Release(batch[:n]); err != nil {
				return err
			}
		}
	}
}

// Two hosts talk TCP through a wire that is made of two interfaces: what goes in comes out, and what is dropped does not.
func TestInline(t *testing.T) {
	for _, c := range []struct {
		name     string
		mode     XDPMode
		separate bool
		mtu      int
		busy     bool // and unaligned
		queues   int
		threads  int
	}{
		{"native", XDPDriver, false, 1500, false, 1, 1}, {"generic", XDPGeneric, false, 1500, false, 1, 1},
		{"memory apart", XDPDriver, true, 1500, false, 1, 1}, {"jumbo", XDPDriver, false, 9000, false, 1, 1},
		{"jumbo apart", XDPDriver, true, 9000, false, 1, 1}, {"busy and unaligned", XDPDriver, false, 1500, true, 1, 1},
		{"two sources", XDPDriver, false, 1500, false, 2, 2}, {"three queues apart", XDPDriver, true, 1500, false, 3, 2},
		{"three queues generic", XDPGeneric, false, 1500, false, 3, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := live.New(t)
			pairOf(t, n, "a0", "a1", c.queues)
			pairOf(t, n, "b0", "b1", c.queues)
			for _, name := range []string{"a0", "a1", "b0", "b1"} {
				setMTU(t, name, c.mtu)
				n.PlainFrames(name)
			}
			left, right := n.Host("a1", "10.1.0.1/24"), n.Host("b1", "10.1.0.2/24")
			var log logged
			o := Options{XDP: c.mode, Promisc: true, Log: &log, separate: c.separate, Unaligned: c.busy, BusyPoll: c.busy,
				Threads: c.threads, BusyPollTime: defaultBusyPollTime, BusyPollBudget: defaultBusyPollBudget}
			o.Interface, o.CopyTo, o.Index = "a0", "b0", 0
			sources := open(t, o)
			o.Interface, o.CopyTo, o.Index = "b0", "a0", 1
			sources = append(sources, open(t, o)...)
			if got := strings.Contains(log.String(), "cannot share memory"); got != c.separate {
				t.Errorf("the log says:\n%s", &log)
			}
			if len(sources) != 2*c.threads {
				t.Fatalf("%d sources", len(sources))
			}
			for i := range c.threads {
				if a, b := sources[i].(*Source), sources[c.threads+i].(*Source); a.wire != b.wire || a.in[0] != b.out[0] {
					t.Fatal("the ends do not meet")
				}
			}
			var mu sync.Mutex
			block := false
			stop, done := make(chan struct{}), make(chan error)
			go func() {
				done <- bridge(sources, func(f *capture.Frame) capture.Verdict {
					if f.Flags&capture.Writable == 0 {
						t.Error("a frame is not writable")
					}
					mu.Lock()
					defer mu.Unlock()
					if block && f.Data[12] == 8 && f.Data[13] == 0 {
						return capture.Drop
					}
					// What is changed in place goes out changed.
					if at := bytes.Index(f.Data, []byte("SECRET")); at >= 0 {
						copy(f.Data[at:], "PUBLIC")
						mend(f.Data)
						return capture.Modified
					}
					return capture.Accept
				}, stop)
			}()
			var l net.Listener
			var err error
			left.Do(func() { l, err = net.Listen("tcp", "10.1.0.1:7") })
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			go func() {
				for {
					conn, err := l.Accept()
					if err != nil {
						return
					}
					go func() {
						defer conn.Close()
						_, _ = io.Copy(conn, conn)
					}()
				}
			}()
			dial := func(wait time.Duration) (conn net.Conn, err error) {
				right.Do(func() { conn, err = net.DialTimeout("tcp", "10.1.0.1:7", wait) })
				return conn, err
			}
			conn, err := dial(10 * time.Second)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
			const size = 4 << 20
			sent := make([]byte, size)
			for i := range sent {
				sent[i] = byte(i % 251)
			}
			copy(sent[100:], "SECRET")
			want := slices.Clone(sent)
			copy(want[100:], "PUBLIC")
			go func() { _, _ = conn.Write(sent) }()
			got := make([]byte, size)
			if _, err := io.ReadFull(conn, got); err != nil {
				t.Fatalf("%v: %+v %+v", err, sources[0].Stats(), sources[1].Stats())
			}
			if !bytes.Equal(got, want) {
				t.Error("what came back differs from what was sent")
			}
			mu.Lock()
			block = true
			mu.Unlock()
			if conn, err := dial(300 * time.Millisecond); err == nil {
				conn.Close()
				t.Error("a connection was made through a wire that drops")
			}
			close(stop)
			if err := <-done; err != nil {
				t.Error(err)
			}
			for _, s := range sources {
				if st := s.Stats(); st.Invalid != 0 || st.Errors != 0 {
					t.Errorf("%+v", st)
				}
			}
		})
	}
}

// An end of a wire that goes down stops nothing: what goes there is lost until it comes up again.
func TestInlineDownAndUp(t *testing.T) {
	n := live.New(t)
	n.Pair("a0", "a1")
	n.Pair("b0", "b1")
	wire := append(open(t, Options{Interface: "a0", CopyTo: "b0", frames: 64}), open(t, Options{Interface: "b0", CopyTo: "a0", frames: 64})...)
	far := open(t, Options{Interface: "b1"})
	send := n.Sender("a1")
	var batch [64]capture.Frame
	pump := func() {
		t.Helper()
		for range 5 {
			for _, s := range wire {
				k, err := s.(capture.Poller).Poll(batch[:])
				if err == nil {
					err = s.Release(batch[:k])
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(200 * time.Microsecond)
		}
	}
	pass := func(from, to int) {
		t.Helper()
		for i := from; i < to; i++ {
			if err := send.Send(frame(i, 100)); err != nil {
				t.Fatal(err)
			}
			if i%8 == 7 {
				pump()
			}
		}
		pump()
	}
	var r reader
	pass(0, 200)
	r.read(t, far, 200)
	n.Down("b0")
	pass(1000, 1200)
	n.Up("b0")
	carrier(t, "b1")
	pump()
	// Some of those that were on their way out may still come.
	for k := 1; k > 0; {
		var err error
		if k, err = far[0].Read(context.Background(), batch[:]); err == nil {
			err = far[0].Release(batch[:k])
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	r = reader{}
	pass(2000, 2200)
	r.read(t, far, 200)
	if st := wire[0].Stats(); st.Received != 600 || st.Errors == 0 {
		t.Errorf("%+v", st)
	}
}

// mend computes the checksum of a TCP segment over IPv4 anew (RFC 9293, RFC 1071).
func mend(b []byte) {
	ip := b[14:]
	head := int(ip[0]&15) * 4
	total := int(binary.BigEndian.Uint16(ip[2:]))
	segment := ip[head:total]
	segment[16], segment[17] = 0, 0
	sum := uint32(6) + uint32(len(segment))
	add := func(b []byte) {
		for i := 0; i+1 < len(b); i += 2 {
			sum += uint32(b[i])<<8 | uint32(b[i+1])
		}
		if len(b)%2 == 1 {
			sum += uint32(b[len(b)-1]) << 8
		}
	}
	add(ip[12:20])
	add(segment)
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	binary.BigEndian.PutUint16(segment[16:], ^uint16(sum))
}
