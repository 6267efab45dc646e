package sim_test

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"sentinel/capture"
	"sentinel/capture/sim"
)

var ctx = context.Background()

func read(t *testing.T, s *sim.Source, n int) []capture.Frame {
	t.Helper()
	batch := make([]capture.Frame, n)
	got, err := s.Read(ctx, batch)
	if err != nil {
		t.Fatal(err)
	}
	return batch[:got]
}

func TestScript(t *testing.T) {
	boom := errors.New("boom")
	called := false
	s := sim.New(
		sim.Packet([]byte("a"), 100), sim.Lose(3), sim.Packet([]byte("b"), 200),
		sim.Idle(25*time.Millisecond),
		sim.Broken(2), sim.Do(func() { called = true }), sim.Frame(capture.Frame{Data: []byte("c"), Time: 5, WireLen: 9, Link: capture.LinkRaw}),
		sim.Fail(boom))
	got := read(t, s, 8)
	if len(got) != 2 || string(got[0].Data) != "a" || string(got[1].Data) != "b" || got[1].Time != 200 || got[1].Link != capture.LinkEthernet {
		t.Fatalf("first: %+v", got)
	}
	for i, now := range []int64{200 + 10e6, 200 + 20e6, 200 + 25e6} {
		if f := read(t, s, 8); len(f) != 0 || s.Now() != now {
			t.Fatalf("idle %d: %d frames at %d, want %d", i, len(f), s.Now(), now)
		}
	}
	if called {
		t.Error("called before its turn")
	}
	got = append(got, read(t, s, 8)...)
	if len(got) != 3 || got[2].WireLen != 9 || got[2].Link != capture.LinkRaw || !called {
		t.Fatalf("second: %+v, %v", got, called)
	}
	if n, err := s.Read(ctx, make([]capture.Frame, 1)); n != 0 || err != boom {
		t.Errorf("end: %d, %v", n, err)
	}
	if st := s.Stats(); st != (capture.Stats{Received: 3, Bytes: 3, Dropped: 3, Invalid: 2}) {
		t.Errorf("stats %+v", st)
	}
	got[1].Verdict = capture.Drop
	s.Release(got)
	want := []sim.Verdict{{Token: 0}, {Token: 1, Verdict: capture.Drop}, {Token: 2}}
	if v := s.Verdicts(); !slices.EqualFunc(v, want, func(a, b sim.Verdict) bool { return a.Token == b.Token && a.Verdict == b.Verdict }) {
		t.Errorf("verdicts %+v", v)
	}
	if s.Count(capture.Drop) != 1 || s.Count(capture.Accept) != 2 || s.Outstanding() != 0 || s.Err() != nil {
		t.Errorf("%d, %d, %d, %v", s.Count(capture.Drop), s.Count(capture.Accept), s.Outstanding(), s.Err())
	}
	if string(got[0].Data) != "\xcc" {
		t.Errorf("a released frame still has its bytes: %q", got[0].Data)
	}
}

func TestMisuse(t *testing.T) {
	tests := []struct {
		name string
		do   func(s *sim.Source, f []capture.Frame)
		say  string
	}{
		{"nothing wrong", func(s *sim.Source, f []capture.Frame) { s.Release(f[:1]); s.Release(f[1:]) }, ""},
		{"out of order", func(s *sim.Source, f []capture.Frame) { s.Release(f[1:]); s.Release(f[:1]) }, "frame 1 released before frame 0"},
		{"twice", func(s *sim.Source, f []capture.Frame) { s.Release(f); s.Release(f[:1]) }, "frame 0 released twice"},
		{"never lent", func(s *sim.Source, f []capture.Frame) { f[0].Token = 7; s.Release(f[:1]) }, "frame 7 released, which was never lent"},
		{"other bytes", func(s *sim.Source, f []capture.Frame) { f[0].Data = []byte("z"); s.Release(f) }, "frame 0 released with other bytes"},
		{"not writable", func(s *sim.Source, f []capture.Frame) { f[1].Verdict = capture.Modified; s.Release(f) }, "frame 1 was modified and is not writable"},
		{"no such verdict", func(s *sim.Source, f []capture.Frame) { f[1].Verdict = 77; s.Release(f) }, "verdict 77"},
		{"read after close", func(s *sim.Source, f []capture.Frame) { s.Close(); s.Read(ctx, f) }, "read after close"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := sim.New(sim.Packet([]byte("a"), 1), sim.Packet([]byte("b"), 2), sim.Packet([]byte("c"), 3))
			tt.do(s, read(t, s, 3))
			err := s.Err()
			if (tt.say == "") != (err == nil) || (err != nil && !strings.Contains(err.Error(), tt.say)) {
				t.Errorf("got %v, want %q", err, tt.say)
			}
		})
	}
}

func TestModified(t *testing.T) {
	s := sim.New(sim.Frame(capture.Frame{Data: []byte("abc"), Flags: capture.Writable}))
	f := read(t, s, 1)
	f[0].Data[1], f[0].Verdict = 'X', capture.Modified
	s.Release(f)
	if v := s.Verdicts(); len(v) != 1 || string(v[0].Data) != "aXc" || s.Err() != nil {
		t.Errorf("%+v, %v", v, s.Err())
	}
}

func TestHoldDrainWindow(t *testing.T) {
	gate := make(chan struct{})
	s := sim.New(sim.Packet([]byte("a"), 1), sim.Drain(), sim.Packet([]byte("b"), 2), sim.Hold(gate),
		sim.Packet([]byte("c"), 3), sim.Packet([]byte("d"), 4), sim.Packet([]byte("e"), 5)).Window(2)
	a := read(t, s, 4)
	if len(a) != 1 || len(read(t, s, 4)) != 0 {
		t.Fatal("did not wait for the release")
	}
	s.Release(a)
	b := read(t, s, 4)
	if len(b) != 1 || len(read(t, s, 4)) != 0 {
		t.Fatal("did not hold")
	}
	close(gate)
	if c := read(t, s, 4); len(c) != 1 || string(c[0].Data) != "c" || len(read(t, s, 4)) != 0 {
		t.Fatal("more than the window allows")
	}
	s.Release(b)
	if d := read(t, s, 4); len(d) != 1 || string(d[0].Data) != "d" {
		t.Fatal("the window did not move")
	}
}

func TestRepeat(t *testing.T) {
	s := sim.New(sim.Packet([]byte("a"), 1000), sim.Packet([]byte("b"), 2000), sim.Idle(time.Millisecond)).Repeat(3)
	var times []int64
	batch := make([]capture.Frame, 8)
	for {
		n, err := s.Read(ctx, batch)
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range batch[:n] {
			times = append(times, f.Time)
		}
		s.Release(batch[:n])
	}
	if len(times) != 6 || !slices.IsSorted(times) {
		t.Errorf("times %v", times)
	}
	endless := sim.New(sim.Packet([]byte("a"), 1)).Repeat(-1)
	for range 10_000 {
		f := read(t, endless, 4)
		endless.Release(f)
	}
	if endless.Stats().Received < 10_000 || endless.Err() != nil {
		t.Errorf("%+v, %v", endless.Stats(), endless.Err())
	}
	if f := read(t, sim.New(sim.Lose(1)).Repeat(-1), 1); len(f) != 0 {
		t.Errorf("got %v", f)
	}
}

func TestQueuesAndInject(t *testing.T) {
	q := sim.Queues([]sim.Step{sim.Packet([]byte("a"), 1)}, []sim.Step{sim.Packet([]byte("b"), 1)})
	if f := read(t, q[1], 1); f[0].Queue != 1 || string(f[0].Data) != "b" {
		t.Errorf("%+v", f)
	}
	b := []byte("reset")
	if err := q[0].Inject(b); err != nil {
		t.Fatal(err)
	}
	b[0] = 'X'
	if got := q[0].Injected(); len(got) != 1 || string(got[0]) != "reset" {
		t.Errorf("%q", got)
	}
	no := errors.New("no")
	if err := sim.New().RefuseInject(no).Inject(b); err != no {
		t.Error(err)
	}
}

func TestEmptyScriptEnds(t *testing.T) {
	if n, err := sim.New().Read(ctx, make([]capture.Frame, 1)); n != 0 || err != io.EOF {
		t.Errorf("%d, %v", n, err)
	}
}
