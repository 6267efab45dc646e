package afxdp

import (
	"context"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sentinel/capture"
	"sentinel/internal/xdp"
	"sentinel/qa/live"
)

// Without the right to load programs the error says which rights are needed.
func TestWithoutRights(t *testing.T) {
	result := make(chan error)
	go func() {
		runtime.LockOSThread() // for good: the thread is of no use afterwards, and ends with the goroutine
		head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var none [2]unix.CapUserData
		if err := unix.Capset(&head, &none[0]); err != nil {
			result <- err
			return
		}
		all, err := Open(Options{Interface: "lo"})
		for _, s := range all {
			_ = s.Close()
		}
		result <- err
	}()
	err := <-result
	for _, want := range []string{" lo: ", "run as root", "CAP_BPF"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

// An interface that is taken away is said once, and costs nothing more; a new one of the same name goes on.
func TestGoneAndBack(t *testing.T) {
	n := live.New(t)
	n.Pair("in0", "out0")
	var log logged
	all := open(t, Options{Interface: "in0", Log: &log})
	s := all[0]
	var r reader
	if err := n.Sender("out0").Send(frame(0, 100)); err != nil {
		t.Fatal(err)
	}
	r.read(t, all, 1)
	var batch [8]capture.Frame
	idle := func(rounds int) {
		t.Helper()
		for range rounds {
			k, err := s.Read(context.Background(), batch[:])
			if err == nil {
				err = s.Release(batch[:k])
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	n.Delete("in0")
	start := time.Now()
	idle(20)
	if took := time.Since(start); took < 20*time.Millisecond {
		t.Errorf("20 reads of nothing took %v: they spin", took)
	}
	if c := strings.Count(log.String(), "in0: the interface is gone"); c != 1 {
		t.Errorf("said %d times:\n%s", c, &log)
	}
	n.Pair("in0", "out0")
	for end := time.Now().Add(15 * time.Second); !strings.Contains(log.String(), "in0: the interface is back"); idle(5) {
		if time.Now().After(end) {
			t.Fatalf("it does not come back:\n%s", &log)
		}
	}
	carrier(t, "out0")
	if err := n.Sender("out0").Send(frame(1, 100)); err != nil {
		t.Fatal(err)
	}
	r.read(t, all, 2)
	if got := s.Stats().Received; got < 2 {
		t.Errorf("%d received", got)
	}
}

// Each way of asking for the number of queues is right about an interface that is known.
func TestQueueCount(t *testing.T) {
	n := live.New(t)
	pairOf(t, n, "in0", "out0", 3)
	d, err := lookup("in0")
	if err != nil || d.queues != 3 {
		t.Errorf("%+v %v, want 3 queues", d, err)
	}
	// The loopback interface answers no question of ethtool.
	if d, err = lookup("lo"); err != nil || d.queues != 1 {
		t.Errorf("%+v %v, want one queue", d, err)
	}
}

// An address of unaligned memory has its offset in the upper bits (Documentation/networking/af_xdp.rst).
func TestPlace(t *testing.T) {
	m := &memory{mem: make([]byte, 8192), chunk: 2048, free: make([]uint32, 0, 4)}
	if got := m.place(4096 | 256<<48); got != 4352 {
		t.Errorf("%d, want 4352", got)
	}
	m.give(4352)
	if got, ok := m.take(); !ok || got != 4096 {
		t.Errorf("%d %v, want the chunk at 4096", got, ok)
	}
	if _, ok := m.take(); ok {
		t.Error("a chunk too many")
	}
	m.give(1 << 40) // not ours
	if len(m.free) != 0 {
		t.Error("a chunk that does not exist was taken back")
	}
}

// Unaligned chunks lie in huge pages, or else in ordinary ones.
func TestUnaligned(t *testing.T) {
	n := live.New(t)
	n.Pair("in0", "out0")
	all := open(t, Options{Interface: "in0", Unaligned: true})
	if !all[0].(*Source).in[0].mem.unaligned {
		t.Fatal("the chunks are aligned")
	}
	send := n.Sender("out0")
	var r reader
	for i := range 10000 {
		if err := send.Send(frame(i, 60+i%1400)); err != nil {
			t.Fatal(err)
		}
		if i%50 == 49 {
			r.read(t, all, i+1)
		}
	}
}

// A user of the program beside us takes flows and hosts away; we get the rest.
func TestSharedProgram(t *testing.T) {
	n := live.New(t)
	n.Pair("in0", "out0")
	all := open(t, Options{Interface: "in0"})
	p, err := xdp.Share(xdp.Options{Interface: "in0", Flows: 16, Hosts: 16})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Flows4().Put(xdp.Flow4Key{
		Source: [4]byte{10, 0, 0, 1}, Target: [4]byte{10, 0, 0, 2}, SourcePort: [2]byte{0, 1}, TargetPort: [2]byte{0, 2}, Proto: 17,
	}, xdp.FlowValue{Slot: 5, Action: xdp.Drop}); err != nil {
		t.Fatal(err)
	}
	send := n.Sender("out0")
	udp := []byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0,
		0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 0, 1, 0, 2, 0, 8, 0, 0}
	var r reader
	for i := range 100 {
		for _, f := range [][]byte{udp, frame(i, 60)} {
			if err := send.Send(f); err != nil {
				t.Fatal(err)
			}
		}
	}
	r.read(t, all, 100)
	if got := p.Slots().Read(5); got.Packets != 100 || got.Bytes != 100*uint64(len(udp)) {
		t.Errorf("%+v, want 100 packets", got)
	}
	if got := all[0].Stats(); got.Received != 100 {
		t.Errorf("%+v: frames of the flow came through", got)
	}
	// The other user leaves, and we go on.
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	if err := send.Send(frame(100, 60)); err != nil {
		t.Fatal(err)
	}
	r.read(t, all, 101)
}

func TestFramesFor(t *testing.T) {
	for queues, want := range map[int]int{1: 16384, 2: 16384, 3: 8192, 4: 8192, 8: 4096, 64: 2048} {
		if got := framesFor(queues); got != want {
			t.Errorf("%d queues: %d chunks, want %d", queues, got, want)
		}
	}
}
