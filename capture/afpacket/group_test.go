//go:build linux

package afpacket_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sentinel/capture"
	"sentinel/capture/afpacket"
	"sentinel/qa/live"
)

// flowOf is the number of a frame's flow: one of its ports is always the same.
func flowOf(f *capture.Frame) uint16 {
	return binary.BigEndian.Uint16(f.Data[34:]) ^ binary.BigEndian.Uint16(f.Data[36:])
}

// where returns which of the sources has each flow, and fails if one flow is at two of them or frames are missing.
func where(t *testing.T, all []capture.Source, want int) map[uint16]int {
	t.Helper()
	at := map[uint16]int{}
	total := 0
	for end := time.Now().Add(5 * time.Second); total < want && time.Now().Before(end); {
		for q, s := range all {
			batch := make([]capture.Frame, 64)
			k, err := s.Read(context.Background(), batch)
			if err != nil {
				t.Fatal(err)
			}
			for i := range batch[:k] {
				flow := flowOf(&batch[i])
				if old, seen := at[flow]; seen && old != q {
					t.Fatalf("flow %d is at sources %d and %d", flow, old, q)
				}
				at[flow] = q
				batch[i].Verdict = capture.Drop // nothing goes round
			}
			s.Release(batch[:k])
			total += k
		}
	}
	if total != want {
		t.Fatalf("%d frames of %d", total, want)
	}
	return at
}

// Sources of the same number on both sides of a wire have the same flows, in both directions; also after one side was down, and
// after one was replaced.
func TestPairsShareFlows(t *testing.T) {
	for name, o := range map[string]afpacket.Options{
		"slots": {Ring: afpacket.Slots}, "blocks": {Ring: afpacket.Blocks}, "ebpf": {Ring: afpacket.Slots, Cluster: afpacket.ClusterEBPF},
	} {
		t.Run(name, func(t *testing.T) {
			n := live.New(t)
			n.Pair("left", "in0")
			n.Pair("in1", "right")
			o.Threads = 3
			there, back := o, o
			there.Interface, there.CopyTo = "in0", "in1"
			back.Interface, back.CopyTo = "in1", "in0"
			a, b := open(t, there), open(t, back)
			const flows = 90
			same := func(when string) {
				t.Helper()
				l, r := n.Sender("left"), n.Sender("right")
				for i := range flows {
					if err := l.Send(udp(t, i, false, 0, "x")); err != nil {
						t.Fatal(err)
					}
					if err := r.Send(udp(t, i, true, 0, "x")); err != nil {
						t.Fatal(err)
					}
				}
				to, from := where(t, a, flows), where(t, b, flows)
				used := map[int]bool{}
				for flow, q := range to {
					used[q] = true
					if from[flow] != q {
						t.Errorf("%s: flow %d is at source %d of one side and %d of the other", when, flow, q, from[flow])
					}
				}
				if len(used) != 3 {
					t.Errorf("%s: only %d of 3 sources are used", when, len(used))
				}
			}
			same("at the start")
			n.Down("in0")
			idle(t, a)
			n.Up("in0")
			same("after a side was down")
			n.Delete("in1")
			until(t, "the interface is gone", func() bool {
				idle(t, a, b)
				return b[0].(capture.Poller).Descriptor() < 0 && b[1].(capture.Poller).Descriptor() < 0 && b[2].(capture.Poller).Descriptor() < 0
			})
			n.Pair("in1", "right")
			until(t, "the interface is back", func() bool {
				idle(t, a, b)
				return b[0].(capture.Poller).Descriptor() >= 0 && b[1].(capture.Poller).Descriptor() >= 0 && b[2].(capture.Poller).Descriptor() >= 0
			})
			same("after a side was replaced")
		})
	}
}

func until(t *testing.T, what string, f func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); {
		if f() {
			return
		}
	}
	t.Fatalf("it never came: %s", what)
}

// idle reads what there is, and drops it.
func idle(t *testing.T, sides ...[]capture.Source) {
	t.Helper()
	batch := make([]capture.Frame, 64)
	for _, side := range sides {
		for _, s := range side {
			k, err := s.Read(context.Background(), batch)
			if err != nil {
				t.Fatal(err)
			}
			for i := range batch[:k] {
				batch[i].Verdict = capture.Drop
			}
			s.Release(batch[:k])
		}
	}
}

// While sources are opened traffic goes on: each flow of which one packet is seen is seen from there on, at one source.
func TestNoFlowIsSplitAtTheStart(t *testing.T) {
	n := live.New(t)
	n.Pair("a", "b")
	tx := n.Sender("a")
	var mu sync.Mutex
	stop := false
	last := uint32(0)
	wait := thread(t, func() {
		for seq := uint32(1); ; seq++ {
			mu.Lock()
			end := stop
			last = seq
			mu.Unlock()
			for flow := range 16 {
				f := udp(t, flow, seq%2 == 0, 0, fmt.Sprintf("%08x", seq))
				if err := tx.Send(f); err != nil {
					t.Error(err)
				}
			}
			if end {
				return
			}
		}
	})
	time.Sleep(10 * time.Millisecond)
	all := open(t, afpacket.Options{Interface: "b", Threads: 4, NoDefrag: true})
	time.Sleep(50 * time.Millisecond)
	mu.Lock()
	stop = true
	mu.Unlock()
	wait()
	first, next, at := map[uint16]uint32{}, map[uint16]uint32{}, map[uint16]int{}
	for q, s := range all {
		for _, f := range collect(t, s, 0) {
			flow := flowOf(&f)
			var seq uint32
			if _, err := fmt.Sscanf(string(f.Data[42:50]), "%08x", &seq); err != nil {
				t.Fatal(err)
			}
			switch {
			case first[flow] == 0:
				first[flow], at[flow] = seq, q
			case at[flow] != q:
				t.Fatalf("flow %d is at sources %d and %d", flow, at[flow], q)
			case next[flow] != seq:
				t.Fatalf("flow %d: packet %d comes after %d", flow, seq, next[flow]-1)
			}
			next[flow] = seq + 1
		}
	}
	if len(first) != 16 {
		t.Fatalf("%d flows of 16", len(first))
	}
	for flow, seq := range next {
		if seq != last+1 {
			t.Errorf("flow %d ends with packet %d, not %d", flow, seq-1, last)
		}
	}
}

// Two programs with the same cluster-id share the packets of an interface; another interface cannot have it.
func TestClusterID(t *testing.T) {
	n := live.New(t)
	n.Pair("a", "b")
	o := afpacket.Options{Interface: "b", ClusterID: 4711}
	one, two := open(t, o), open(t, o)
	tx := n.Sender("a")
	const flows = 200
	for i := range flows {
		if err := tx.Send(udp(t, i, false, 0, "x")); err != nil {
			t.Fatal(err)
		}
	}
	at := where(t, append(one, two...), flows)
	var count [2]int
	for _, q := range at {
		count[q]++
	}
	if count[0] == 0 || count[1] == 0 {
		t.Errorf("flows at the two: %v", count)
	}
	o.Interface = "a"
	if _, err := afpacket.Open(o); err == nil || !bytes.Contains([]byte(err.Error()), []byte("cluster-id 4711 belongs to another interface")) {
		t.Errorf("the id is taken, but: %v", err)
	}
}

// What was sent is what was seen and what the kernel dropped, whatever the ring, and while it overruns again and again.
func TestCountsAddUp(t *testing.T) {
	for name, o := range map[string]afpacket.Options{
		"blocks":       {Ring: afpacket.Blocks, BlockSize: 4096, Blocks: 4, BlockTimeout: time.Millisecond},
		"slots":        {Ring: afpacket.Slots, Packets: 16},
		"plain":        {Ring: afpacket.Plain, Buffer: 8192},
		"flush":        {Ring: afpacket.Slots, Packets: 16, Flush: true},
		"flush blocks": {Ring: afpacket.Blocks, BlockSize: 4096, Blocks: 4, BlockTimeout: time.Millisecond, Flush: true},
	} {
		for _, threads := range []int{1, 2} {
			t.Run(fmt.Sprintf("%s %d", name, threads), func(t *testing.T) {
				n := live.New(t)
				n.Pair("a", "b")
				o.Interface, o.Threads, o.NoDefrag = "b", threads, true
				all := open(t, o)
				tx := n.Sender("a")
				sent := uint64(0)
				for range 5 {
					for i := range 400 {
						if err := tx.Send(udp(t, i, false, 0, "some bytes")); err != nil {
							t.Fatal(err)
						}
						sent++
					}
					for _, s := range all {
						batch := make([]capture.Frame, 7)
						k, err := s.Read(context.Background(), batch)
						if err != nil {
							t.Fatal(err)
						}
						s.Release(batch[:k])
						s.Stats() // asking in between loses no count
					}
				}
				var got uint64
				var st capture.Stats
				for _, s := range all {
					collect(t, s, 0)
					x := s.Stats()
					st.Received += x.Received
					st.Dropped += x.Dropped
				}
				got = st.Received + st.Dropped
				if got != sent || st.Dropped == 0 || st.Received == 0 {
					t.Errorf("%d were sent; %d were seen and %d dropped", sent, st.Received, st.Dropped)
				}
			})
		}
	}
}

// What the interface had brought when it went away is seen, or counts as lost.
func TestCountsAddUpWhenTheInterfaceGoes(t *testing.T) {
	for name, o := range map[string]afpacket.Options{"blocks": {Ring: afpacket.Blocks, BlockTimeout: time.Minute}, "slots": {Ring: afpacket.Slots}, "plain": {Ring: afpacket.Plain}} {
		t.Run(name, func(t *testing.T) {
			n := live.New(t)
			n.Pair("a", "b")
			o.Interface = "b"
			s := open(t, o)[0].(capture.Poller)
			tx := n.Sender("a")
			const packets = 50
			for i := range packets {
				if err := tx.Send(udp(t, i, false, 0, "x")); err != nil {
					t.Fatal(err)
				}
			}
			n.Delete("a")
			until(t, "the interface is gone", func() bool {
				idle(t, []capture.Source{s})
				return s.Descriptor() < 0
			})
			if st := s.Stats(); st.Received+st.Dropped != packets {
				t.Errorf("%d were sent: %+v", packets, st)
			}
		})
	}
}

// The descriptor is readable when Poll has frames, and Poll does not wait.
func TestPoll(t *testing.T) {
	for name, o := range rings {
		t.Run(name, func(t *testing.T) {
			n := live.New(t)
			n.Pair("a", "b")
			s := open(t, with(o, afpacket.Options{Interface: "b"}))[0].(capture.Poller)
			batch := make([]capture.Frame, 8)
			start := time.Now()
			for range 50 {
				if k, err := s.Poll(batch); k != 0 || err != nil {
					t.Fatal(k, err)
				}
			}
			if d := time.Since(start); d > 400*time.Millisecond { // 50 reads would take 500
				t.Errorf("50 polls took %v", d)
			}
			tx := n.Sender("a")
			for i := range 20 {
				if err := tx.Send(udp(t, i, false, 0, "x")); err != nil {
					t.Fatal(err)
				}
				fds := []unix.PollFd{{Fd: int32(s.Descriptor()), Events: unix.POLLIN}}
				var k int
				until(t, "a frame", func() bool {
					if ready, err := unix.Poll(fds, 1000); err != nil && err != unix.EINTR || ready != 1 {
						return false
					}
					var err error
					if k, err = s.Poll(batch); err != nil {
						t.Fatal(err)
					}
					return k == 1
				})
				if k, err := s.Poll(batch[1:]); k != 0 || err != nil {
					t.Fatalf("another frame: %d, %v", k, err)
				}
				s.Release(batch[:1])
			}
		})
	}
}

// An interface that is down at the start is captured from when it is up.
func TestDownAtTheStart(t *testing.T) {
	n := live.New(t)
	n.Pair("a", "b")
	n.Down("b")
	var log record
	all := open(t, afpacket.Options{Interface: "b", Threads: 2, Log: &log})
	idle(t, all)
	n.Up("b")
	tx := n.Sender("a")
	until(t, "a frame", func() bool {
		tx.Send(udp(t, 1, false, 0, "x"))
		batch := make([]capture.Frame, 8)
		for _, s := range all {
			if k, _ := s.Read(context.Background(), batch); k > 0 {
				s.Release(batch[:k])
				return true
			}
		}
		return false
	})
	if !log.has("b: the interface is down; the capture begins when it is up") {
		t.Errorf("log:\n%s", log.text())
	}
}

// record is a log that tests look at.
type record struct {
	mu    sync.Mutex
	lines []string
}

func (r *record) add(format string, args []any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines = append(r.lines, fmt.Sprintf(format, args...))
}
func (r *record) Infof(format string, args ...any) { r.add(format, args) }
func (r *record) Warnf(format string, args ...any) { r.add(format, args) }
func (r *record) text() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var b bytes.Buffer
	for _, l := range r.lines {
		b.WriteString(l + "\n")
	}
	return b.String()
}
func (r *record) has(text string) bool { return bytes.Contains([]byte(r.text()), []byte(text)) }
