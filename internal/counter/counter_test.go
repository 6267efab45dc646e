package counter

import (
	"slices"
	"sync"
	"testing"

	"sentinel/internal/jsonw"
)

func TestKinds(t *testing.T) {
	r := NewRegistry()
	pkts := r.Register("decoder.pkts", Sum)
	avg := r.Register("decoder.avg_pkt_size", Average)
	top := r.Register("decoder.max_pkt_size", Max)
	flows := r.Register("flow.active", Gauge)
	r.Func("flow.memuse", func() uint64 { return 77 })
	if r.Register("decoder.pkts", Sum) != pkts {
		t.Error("registering twice gave two counters")
	}
	a, b := r.NewSet("W#01"), r.NewSet("W#02")
	for _, v := range []uint64{100, 200} {
		a.Inc(pkts)
		a.Observe(avg, v)
		a.Max(top, v)
	}
	b.Add(pkts, 5)
	b.Observe(avg, 60)
	b.Max(top, 60)
	a.Put(flows, 3)
	b.Put(flows, 2)
	b.Dec(flows)
	b.Inc(0)

	tests := []struct {
		name        string
		total, w, x uint64
	}{
		{"decoder.pkts", 7, 2, 5},
		{"decoder.avg_pkt_size", 120, 150, 60},
		{"decoder.max_pkt_size", 200, 200, 60},
		{"flow.active", 4, 3, 1},
		{"flow.memuse", 77, 0, 0},
	}
	var s Snapshot
	r.Snapshot(&s)
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if s.Names[i] != tt.name {
				t.Fatalf("place %d is %s", i, s.Names[i])
			}
			if v, ok := s.Get(tt.name); v != tt.total || !ok {
				t.Errorf("total %d, want %d", v, tt.total)
			}
			if v := s.Threads[0].Values[i]; v != tt.w {
				t.Errorf("first thread %d, want %d", v, tt.w)
			}
			if v := s.Threads[1].Values[i]; v != tt.x {
				t.Errorf("second thread %d, want %d", v, tt.x)
			}
		})
	}
	if s.Threads[0].Has[4] || !s.Total.Has[4] {
		t.Error("a function's counter belongs to the total only")
	}
	a.Inc(pkts)
	r.Snapshot(&s)
	if s.Total.Values[0] != 8 || s.Total.Previous[0] != 7 {
		t.Errorf("second reading %d after %d, want 8 after 7", s.Total.Values[0], s.Total.Previous[0])
	}
}

func TestNesting(t *testing.T) {
	r := NewRegistry()
	pkts := r.Register("decoder.pkts", Sum)
	r.Register("tcp.syn", Sum)
	small := r.Register("decoder.event.ipv4.pkt_too_small", Sum)
	r.Register("uptime_like", Sum)
	s := r.NewSet("W#01")
	m := r.NewSet("FM#01", "tcp")
	m.Inc(pkts)
	s.Add(pkts, 3)
	var snap Snapshot
	r.Snapshot(&snap)
	s.Add(pkts, 2)
	s.Inc(small)
	r.Snapshot(&snap)
	group := func(name string, b *jsonw.Builder) {
		if name == "tcp" {
			b.Bool("extra", true)
		}
	}
	tests := []struct {
		name string
		of   *Thread
		f    Format
		want string
	}{
		{"all", &snap.Total, Format{Group: group},
			`{"decoder":{"pkts":5,"event":{"ipv4":{"pkt_too_small":1}}},"tcp":{"extra":true,"syn":0},"uptime_like":0}`},
		{"no zeros", &snap.Total, Format{NoZeros: true, Group: group},
			`{"decoder":{"pkts":5,"event":{"ipv4":{"pkt_too_small":1}}}}`},
		{"deltas", &snap.Total, Format{NoZeros: true, Deltas: true},
			`{"decoder":{"pkts":5,"pkts_delta":2,"event":{"ipv4":{"pkt_too_small":1,"pkt_too_small_delta":1}}}}`},
		{"thread of one group", &snap.Threads[1], Format{}, `{"tcp":{"syn":0}}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var b jsonw.Builder
			b.StartObject()
			snap.Members(&b, tt.of, tt.f)
			b.Close()
			if got := string(b.Bytes()); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestLateRegistration(t *testing.T) {
	r := NewRegistry()
	s := r.NewSet("W")
	var last ID
	for i := range spare + 10 {
		last = r.Register(string(rune('a'+i%26))+"x"+string(rune(0x4e00+i)), Sum)
		s.Inc(last)
	}
	if last != 0 {
		t.Error("a counter beyond the set's room must go into the void")
	}
	var snap Snapshot
	r.Snapshot(&snap)
	if snap.Total.Values[spare-1] != 1 || snap.Total.Has[spare+1] {
		t.Error("counters registered late are not read right")
	}
}

func TestBadNames(t *testing.T) {
	for _, name := range []string{"", ".", "a.", ".a", "a..b", "tcp", "tcp.syn.x"} {
		t.Run(name, func(t *testing.T) {
			r := NewRegistry()
			r.Register("tcp.syn", Sum)
			defer func() {
				if recover() == nil {
					t.Error("accepted")
				}
			}()
			r.Register(name, Sum)
		})
	}
}

// Readers run beside the writer; under the race detector this proves the pattern.
func TestReadWhileWriting(t *testing.T) {
	r := NewRegistry()
	id := r.Register("n", Sum)
	s := r.NewSet("W")
	const n = 100000
	var wg sync.WaitGroup
	wg.Go(func() {
		for range n {
			s.Inc(id)
		}
	})
	var snap Snapshot
	var seen []uint64
	for range 50 {
		r.Snapshot(&snap)
		seen = append(seen, snap.Total.Values[0])
	}
	wg.Wait()
	r.Snapshot(&snap)
	if !slices.IsSorted(seen) || snap.Total.Values[0] != n {
		t.Errorf("ended at %d after %v", snap.Total.Values[0], seen)
	}
}

func TestNoAllocation(t *testing.T) {
	r := NewRegistry()
	id, avg := r.Register("a.b", Sum), r.Register("a.c", Average)
	s := r.NewSet("W")
	var snap Snapshot
	r.Snapshot(&snap)
	r.Snapshot(&snap)
	if n := testing.AllocsPerRun(50, func() { s.Inc(id); s.Observe(avg, 4); s.Max(id, 2); r.Snapshot(&snap) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkInc(b *testing.B) {
	r := NewRegistry()
	id := r.Register("a", Sum)
	s := r.NewSet("W")
	for b.Loop() {
		s.Inc(id)
	}
}

func TestRetire(t *testing.T) {
	r := NewRegistry()
	sum, level, most, mid := r.Register("sum", Sum), r.Register("level", Gauge), r.Register("most", Max), r.Register("mid", Average)
	var s Snapshot
	for run := range 2 {
		set := r.NewSet("W#01")
		set.Add(sum, 5)
		set.Put(level, 7)
		set.Max(most, uint64(9-run))
		set.Observe(mid, uint64(10+10*run))
		r.Snapshot(&s)
		if len(s.Threads) != 1 || s.Threads[0].Values[0] != 5 || s.Threads[0].Previous[0] != 0 {
			t.Errorf("run %d: threads %+v", run, s.Threads)
		}
		if run == 0 {
			r.Retire(set)
			r.Retire(set) // once only
		}
	}
	for name, want := range map[string]uint64{"sum": 10, "level": 7, "most": 9, "mid": 15} {
		if got, _ := s.Get(name); got != want {
			t.Errorf("%s is %d, want %d", name, got, want)
		}
	}
}
