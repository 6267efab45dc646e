//go:build dpdk && cgo

package dpdk

import (
	"bytes"
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sentinel/capture"
)

// Frames that are longer than a buffer come in segments: they are lent whole, and go on whole.
func TestSegments(t *testing.T) {
	if !child(t) {
		return
	}
	dir := t.TempDir()
	frames := [][]byte{frame(1, false, 9000), frame(2, false, 2100), frame(3, false, 70), frame(4, false, 16000)}
	pcap(t, filepath.Join(dir, "in.pcap"), frames...)
	pcap(t, filepath.Join(dir, "empty.pcap"))
	all, _ := start(t, params+`
    vdev:
      - net_pcap0,rx_pcap=`+filepath.Join(dir, "in.pcap")+`,tx_pcap=`+filepath.Join(dir, "back.pcap")+`
      - net_pcap1,rx_pcap=`+filepath.Join(dir, "empty.pcap")+`,tx_pcap=`+filepath.Join(dir, "out.pcap")+`
  interfaces:
    - interface: net_pcap0
      copy-iface: net_pcap1
    - interface: net_pcap1
      copy-iface: net_pcap0
    - interface: default
      threads: 1
      copy-mode: ips
`, "net_pcap0", "net_pcap1")
	s := all[0][0]
	batch := make([]capture.Frame, 8)
	seen := 0
	for end := time.Now().Add(5 * time.Second); seen < len(frames) && time.Now().Before(end); {
		n, err := s.Read(context.Background(), batch)
		if err != nil {
			t.Fatal(err)
		}
		for i := range batch[:n] {
			f := &batch[i]
			if !bytes.Equal(f.Data, frames[seen]) {
				t.Errorf("frame %d has other bytes (%d of %d)", seen, len(f.Data), len(frames[seen]))
			}
			if f.Flags&capture.Writable == 0 {
				t.Error("a frame cannot be changed in place")
			}
			f.Data[len(f.Data)-1] ^= 0xff
			f.Verdict = capture.Modified
			if seen == 2 {
				f.Verdict = capture.Drop
			}
			seen++
		}
		if err := s.Release(batch[:n]); err != nil {
			t.Fatal(err)
		}
	}
	for _, pair := range all {
		for _, s := range pair {
			s.Close() // the driver writes its file to the end
		}
	}
	out := readPcap(t, filepath.Join(dir, "out.pcap"))
	if len(out) != 3 {
		t.Fatalf("%d frames came out, %+v", len(out), s.Stats())
	}
	for i, j := range []int{0, 1, 3} {
		want := bytes.Clone(frames[j])
		want[len(want)-1] ^= 0xff
		if !bytes.Equal(out[i], want) {
			t.Errorf("frame %d went out with other bytes", j)
		}
	}
	if st := s.Stats(); st.Errors != 0 || st.Received != 4 {
		t.Errorf("%+v", st)
	}
}

// One file, four sources: software brings both directions of a flow to the same one, in order, and loses nothing.
func TestSoftwareSpread(t *testing.T) {
	if !child(t) {
		return
	}
	dir := t.TempDir()
	var frames [][]byte
	const flows, each = 100, 6
	for k := range each {
		for i := range flows {
			f := frame(i, k%2 == 1, 80)
			f[50] = byte(k)
			frames = append(frames, f)
		}
	}
	pcap(t, filepath.Join(dir, "in.pcap"), frames...)
	all, log := start(t, params+`
    vdev: net_pcap0,rx_pcap=`+filepath.Join(dir, "in.pcap")+`,tx_pcap=`+filepath.Join(dir, "out.pcap")+`
  interfaces:
    - interface: net_pcap0
      threads: 4
      rx-descriptors: 256
`, "net_pcap0")
	if len(all[0]) != 4 {
		t.Fatalf("%d sources", len(all[0]))
	}
	where, last, total := map[byte]int{}, map[byte]byte{}, 0
	for round := range 3 {
		for q, s := range all[0] {
			want := 0
			if round == 0 {
				want = 1
			}
			for _, f := range collect(t, s, want) {
				total++
				flow := f.Data[29] ^ f.Data[33] ^ 1 // one of the addresses ends in the flow's number, the other in 1
				if at, ok := where[flow]; ok && at != q {
					t.Fatalf("flow %d is at sources %d and %d", flow, at, q)
				}
				where[flow] = q
				if int(f.Queue) != q || f.Flags&capture.HashValid == 0 || f.Hash != hash(f.Data, 0) {
					t.Fatalf("source %d: %+v, hash %#x", q, f, hash(f.Data, 0))
				}
				if k := f.Data[50]; k > 0 && last[flow] != k-1 {
					t.Fatalf("flow %d: frame %d after %d", flow, k, last[flow])
				}
				last[flow] = f.Data[50]
			}
		}
	}
	if total != len(frames) {
		t.Errorf("%d of %d frames", total, len(frames))
	}
	var sum uint64
	for q, s := range all[0] {
		st := s.Stats()
		sum += st.Received
		if st.Received == 0 || st.Dropped != 0 {
			t.Errorf("source %d: %+v", q, st)
		}
	}
	if sum != uint64(total) {
		t.Errorf("statistics say %d", sum)
	}
	log.has(t, "done by a hash in software")
}

// A full inbox loses frames and counts them.
func TestFullInboxIsCounted(t *testing.T) {
	if !child(t) {
		return
	}
	dir := t.TempDir()
	var frames [][]byte
	for i := range 5000 {
		frames = append(frames, frame(i, false, 64))
	}
	pcap(t, filepath.Join(dir, "in.pcap"), frames...)
	all, _ := start(t, params+`
    vdev: net_pcap0,rx_pcap=`+filepath.Join(dir, "in.pcap")+`,tx_pcap=`+filepath.Join(dir, "out.pcap")+`
  interfaces:
    - interface: net_pcap0
      threads: 2
      rx-descriptors: 256
`, "net_pcap0")
	first := collect(t, all[0][0], 1) // nobody reads the other one meanwhile
	second := collect(t, all[0][1], 1)
	a, b := all[0][0].Stats(), all[0][1].Stats()
	if b.Dropped == 0 || a.Dropped != 0 || uint64(len(first)+len(second))+b.Dropped != uint64(len(frames)) {
		t.Errorf("%d and %d frames, %+v, %+v", len(first), len(second), a, b)
	}
}

// With infinite_rx the whole file must fit into the pool; when it does not, the error says what to do.
func TestInfinitePcap(t *testing.T) {
	if !child(t) {
		return
	}
	dir := t.TempDir()
	var frames [][]byte
	for i := range 2000 {
		frames = append(frames, frame(i, false, 64))
	}
	pcap(t, filepath.Join(dir, "in.pcap"), frames...)
	text := params + `
    vdev: net_pcap0,rx_pcap=` + filepath.Join(dir, "in.pcap") + `,tx_pcap=` + filepath.Join(dir, "out.pcap") + `,infinite_rx=1
  interfaces:
    - interface: net_pcap0
      threads: 1
      rx-descriptors: 512
`
	log := &testLog{t: t}
	g := target(t, text+"      mempool-size: 1023\n", "net_pcap0")
	g.Log = log
	if _, err := Driver.Open(g); err == nil || !strings.Contains(err.Error(), "mempool-size") {
		t.Fatalf("a pool that is too small: %v", err)
	}
	all, _ := start(t, text+"      mempool-size: 8191\n", "net_pcap0")
	if got := collectN(t, all[0][0], 10000); got != 10000 {
		t.Errorf("%d frames", got)
	}
}

func collectN(t testing.TB, s capture.Source, want int) (n int) {
	t.Helper()
	batch := make([]capture.Frame, 50)
	for end := time.Now().Add(5 * time.Second); n < want && time.Now().Before(end); {
		k, err := s.Read(context.Background(), batch[:min(50, want-n)])
		if err != nil {
			t.Fatal(err)
		}
		s.Release(batch[:k])
		n += k
	}
	return n
}

// What is injected on a ring comes back on it.
func TestRingInjectAndPoll(t *testing.T) {
	if !child(t) {
		return
	}
	all, _ := start(t, params+`
    vdev: net_ring0
  interfaces:
    - interface: net_ring0
      threads: 1
      tx-descriptors: 512
`, "net_ring0")
	s := all[0][0].(*Source)
	batch := make([]capture.Frame, 3)
	if n, err := s.Poll(batch); n != 0 || err != nil {
		t.Fatal(n, err)
	}
	if s.Descriptor() != -1 {
		t.Error("a queue without interrupts has a descriptor")
	}
	begin := time.Now()
	if n, err := s.Read(context.Background(), batch); n != 0 || err != nil {
		t.Fatal(n, err)
	}
	if d := time.Since(begin); d < 2*time.Millisecond || d > time.Second {
		t.Errorf("a read of nothing took %v", d)
	}
	for i := range 10 {
		if err := s.Inject(frame(i, false, 100)); err != nil {
			t.Fatal(err)
		}
	}
	got := 0
	for got < 10 {
		n, err := s.Poll(batch)
		if err != nil || n == 0 {
			t.Fatal(n, err)
		}
		for _, f := range batch[:n] {
			if !bytes.Equal(f.Data, frame(got, false, 100)) {
				t.Fatalf("frame %d is not the one that was sent", got)
			}
			got++
		}
		s.Release(batch[:n])
	}
	for i := range 40 {
		if err := s.Inject(frame(i, false, 100)); err != nil {
			t.Fatal(err)
		}
	}
	wide := make([]capture.Frame, 32)
	for i, want := range []int{32, 8, 0} {
		if n, err := s.Poll(wide); n != want || err != nil || s.Emptied() != (i == 2) { // only a look that finds nothing tells, where the software spreads
			t.Errorf("poll %d: %d frames, %v, emptied %v", i, n, err, s.Emptied())
		}
		s.Release(wide[:want])
	}
	f := frame(1, false, 100)
	if allocs := testing.AllocsPerRun(100, func() {
		if err := s.Inject(f); err != nil {
			t.Fatal(err)
		}
		n, _ := s.Poll(batch)
		s.Release(batch[:n])
	}); allocs != 0 {
		t.Errorf("%v allocations for a frame that is injected, polled and released", allocs)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := s.Read(ctx, batch); err != context.Canceled {
		t.Errorf("cancelled: %v", err)
	}
	c := counted(s)
	if c["capture.packets"] < 110 {
		t.Errorf("counters: %v", c)
	}
	for _, name := range []string{"capture.rx_errors", "capture.tx_errors", "capture.dpdk.imissed", "capture.dpdk.no_mbufs", "capture.dpdk.ierrors"} {
		if v, ok := c[name]; !ok || v != 0 {
			t.Errorf("%s: %d, %v", name, v, ok)
		}
	}
	if x, err := s.Extended(); err != nil || x["rx_good_packets"] < 110 {
		t.Errorf("%v, %v", x, err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := s.Read(context.Background(), batch); err == nil {
		t.Error("a closed source can be read")
	}
	if st := s.Stats(); st.Received < 110 {
		t.Errorf("after the end: %+v", st)
	}
}

// A port can be opened again with other settings, and errors leave it usable.
func TestOpenAgain(t *testing.T) {
	if !child(t) {
		return
	}
	base := params + `
    vdev: net_null0
  interfaces:
    - interface: net_null0
`
	for _, threads := range []string{"1", "3", "2"} {
		g := target(t, base+"      threads: "+threads+"\n", "net_null0")
		g.Log = &testLog{t: t}
		all, err := Driver.Open(g)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Driver.Open(g); err == nil || !strings.Contains(err.Error(), "open already") {
			t.Errorf("open twice: %v", err)
		}
		// What has no addresses comes to the first source. The frames are not given back.
		if n, err := all[0].Read(context.Background(), make([]capture.Frame, 40)); n == 0 || err != nil {
			t.Fatal(n, err)
		}
		for _, s := range all {
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
	g := target(t, base, "net_null0")
	g.Log = &testLog{t: t}
	g.Name = "0000:99:00.0"
	if _, err := Driver.Open(g); err == nil || !strings.Contains(err.Error(), "DPDK has no port 0000:99:00.0") {
		t.Errorf("a port that is not there: %v", err)
	}
	g = target(t, strings.Replace(base, "no-pci:", "no-hpet:", 1), "net_null0")
	g.Log = &testLog{t: t}
	if _, err := Driver.Open(g); err == nil || !strings.Contains(err.Error(), "eal-params have changed") {
		t.Errorf("other parameters: %v", err)
	}
}

// What DPDK refuses is an error with what it said, and not the end of the process.
func TestEALErrors(t *testing.T) {
	if !child(t) {
		return
	}
	g := target(t, params+`
    vdev: net_nosuch0
  interfaces:
    - interface: net_null0
`, "net_null0")
	g.Log = &testLog{t: t}
	_, err := Driver.Open(g)
	if err == nil || !strings.Contains(err.Error(), "DPDK does not start") || !strings.Contains(err.Error(), "net_nosuch0") || !strings.Contains(err.Error(), "vdev") {
		t.Errorf("%v", err)
	}
}

// counted returns the counts of a source by name.
func counted(s *Source) map[string]uint64 {
	m := map[string]uint64{}
	for _, c := range s.Counts(nil) {
		m[c.Name] = c.Value
	}
	return m
}
