package sentinel

import (
	"bytes"
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"sentinel/capture"
	"sentinel/capture/sim"
	"sentinel/stream/app"
)

// network is a simulated source as interfaces are: without a time of its own, packets come now. Their bytes are copies, as a
// worker that is stuck may look at a frame whose memory was given back, and the simulation overwrites that.
type network struct {
	capture.Poller
	capture.Injector
	mu   sync.Mutex
	lent [][]byte // the simulation's bytes, in order
}

func (n *network) Read(ctx context.Context, batch []capture.Frame) (int, error) {
	got, err := n.Poller.Read(ctx, batch)
	return n.lend(batch[:got]), err
}

func (n *network) Poll(batch []capture.Frame) (int, error) {
	got, err := n.Poller.Poll(batch)
	return n.lend(batch[:got]), err
}

func (n *network) lend(batch []capture.Frame) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	for i := range batch {
		f := &batch[i]
		n.lent = append(n.lent, f.Data)
		f.Data = bytes.Clone(f.Data)
		f.Time = time.Now().UnixNano()
		f.Flags |= capture.Writable
	}
	return len(batch)
}

func (n *network) Release(batch []capture.Frame) error {
	n.mu.Lock()
	back := make([]capture.Frame, len(batch))
	for i := range batch {
		f := &back[i]
		*f = batch[i]
		if f.Verdict == capture.Modified {
			copy(n.lent[i], f.Data)
		}
		f.Data = n.lent[i]
	}
	n.lent = n.lent[len(batch):]
	n.mu.Unlock()
	return n.Poller.Release(back)
}

func asNetwork(s *sim.Source) capture.Source { return &network{Poller: s, Injector: s} }

// pair is an engine inline between two simulated interfaces.
func (w *watch) pair(o Options, a, b *sim.Source) (*Engine, []capture.Source) {
	w.t.Helper()
	o.IPS = true
	o.Set = append(o.Set, "livedev.use-for-tracking=no")
	e := w.engine(o)
	sources := []capture.Source{asNetwork(a), asNetwork(b)}
	e.wires, e.apart = join([]side{{"a", "b", sources[:1]}, {"b", "a", sources[1:]}})
	e.SetInterfaces([]string{"a", "b"})
	return e, sources
}

// One worker reads both sides of a wire: a flow whose directions come in on two sources is one flow, in the order of time, and
// verdicts go to the frames they are about, in order.
func TestPairIsOneWorker(t *testing.T) {
	for _, mode := range []string{"", "workers", "single", "autofp"} {
		t.Run("mode "+mode, func(t *testing.T) {
			w := &watch{t: t}
			// The sides take turns: each packet waits until the one before it has gone back.
			turns := make([]chan struct{}, 200)
			for i := range turns {
				turns[i] = make(chan struct{})
			}
			var scripts [2][]sim.Step
			n := 0
			add := func(side int, steps ...sim.Step) {
				for _, s := range steps {
					scripts[side] = append(scripts[side], sim.Hold(turns[n]), s, sim.Drain(), sim.Do(func(i int) func() { return func() { close(turns[i]) } }(n+1)))
					n++
				}
			}
			want := [2][]int{}
			for i := range 8 {
				s := newSession(t, fmt.Sprintf("10.0.0.%d", i+1), 1000+i, "10.9.9.9", 5000, 100*i)
				for k, f := range s.open() {
					add(k%2, f)
				}
				word := "hello"
				if i%2 == 1 {
					word = "bad"
					want[0] = append(want[0], i*6+2) // frames of the client: SYN, ACK, data, ACK, FIN, ACK
				}
				add(0, s.frame(0, false, false, word))
				add(1, s.frame(1, false, false, ""))
				add(1, s.frame(1, false, false, "answer"))
				add(0, s.frame(0, false, false, ""))
				if i%2 == 1 {
					want[0] = append(want[0], i*6+3, i*6+4, i*6+5) // the flow is dropped
					want[1] = append(want[1], i*4+1, i*4+2, i*4+3)
				}
				for k, f := range s.close() {
					add(k%2, f)
				}
			}
			close(turns[0])
			a, b := sim.New(scripts[0]...), sim.New(scripts[1]...)
			e, sources := w.pair(Options{RunMode: mode, Workers: 2, Rules: `drop tcp any any -> any any (msg:"bad"; flow:to_server,established; content:"bad"; sid:1;)`}, a, b)
			if err := e.Run(t.Context(), sources...); err != nil {
				t.Fatal(err)
			}
			if err := e.Close(); err != nil {
				t.Fatal(err)
			}
			for i, s := range []*sim.Source{a, b} {
				if err := s.Err(); err != nil || s.Outstanding() != 0 {
					t.Errorf("side %d: %d frames are out, %v", i, s.Outstanding(), err)
				}
				if got := dropped(t, s); !slices.Equal(got, want[i]) {
					t.Errorf("side %d: dropped %v, want %v", i, got, want[i])
				}
			}
			flows := w.of("flow")
			if len(flows) != 8 {
				t.Errorf("%d flows, want 8", len(flows))
			}
			for _, f := range flows {
				if f.Flow.ToServer != 6 || f.Flow.ToClient != 4 {
					t.Errorf("a flow of %d and %d packets, want 6 and 4", f.Flow.ToServer, f.Flow.ToClient)
				}
			}
			if n := w.sids()[1]; n != 4 {
				t.Errorf("%d alerts, want 4", n)
			}
		})
	}
}

// contextUntil is a context that ends when a condition holds.
func contextUntil(t *testing.T, done func() bool) (context.Context, func()) {
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		for end := time.Now().Add(10 * time.Second); !done() && time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		}
		cancel()
	}()
	return ctx, cancel
}

// Source i of an interface belongs to source i of its peer.
func TestJoin(t *testing.T) {
	q := func(n int) []capture.Source {
		var l []capture.Source
		for range n {
			l = append(l, asNetwork(sim.New()))
		}
		return l
	}
	a, b, c, d, alone := q(2), q(2), q(1), q(1), q(1)
	lone := []capture.Source{&struct{ capture.Source }{sim.New()}}
	crooked := []capture.Source{&asymmetric{network{Poller: sim.New()}}}
	for _, x := range []struct {
		name    string
		sides   []side
		workers int
		want    string // sources by worker, in the order of sides
		apart   string
	}{
		{"two queues", []side{{"a", "b", a}, {"b", "a", b}}, 0, "[0 2] [1 3]", ""},
		{"two wires", []side{{"a", "b", a}, {"c", "d", c}, {"b", "a", b}, {"d", "c", d}}, 0, "[0 3] [1 4] [2 5]", ""},
		{"fewer workers", []side{{"a", "b", a}, {"c", "d", c}, {"b", "a", b}, {"d", "c", d}}, 2, "[0 3 2 5] [1 4]", ""},
		{"passive", []side{{"a", "", a}, {"b", "", b}}, 0, "[0] [1] [2] [3]", ""},
		{"passive, one worker", []side{{"a", "", a}, {"b", "", b}}, 1, "[0 1 2 3]", ""},
		{"to itself", []side{{"a", "a", c}}, 0, "[0]", ""},
		{"one direction", []side{{"a", "b", c}, {"x", "", alone}}, 0, "[0] [1]", ""},
		{"not the same number", []side{{"a", "b", a}, {"b", "a", c}}, 0, "", "a has 2 queues and b has 1"},
		{"cannot be polled", []side{{"a", "b", c}, {"b", "a", lone}}, 0, "", ""},
		{"not symmetric", []side{{"a", "b", crooked}, {"b", "a", c}}, 0, "[0 1]", "a cannot promise that both directions of a flow come in on the same queue"},
	} {
		t.Run(x.name, func(t *testing.T) {
			e := &Engine{}
			e.wires, e.apart = join(x.sides)
			if e.apart != x.apart {
				t.Errorf("apart: %q, want %q", e.apart, x.apart)
			}
			var sources []capture.Source
			for _, s := range x.sides {
				sources = append(sources, s.sources...)
			}
			var got []string
			for _, b := range e.bundles(sources, x.workers) {
				var l []int
				for _, t := range b {
					l = append(l, slices.Index(sources, t.Source))
				}
				got = append(got, fmt.Sprint(l))
			}
			if s := strings.Join(got, " "); x.want != "" && s != x.want || x.want == "" && x.apart == "" && got != nil {
				t.Errorf("%s, want %q", s, x.want)
			}
		})
	}
}

type asymmetric struct{ network }

func (*asymmetric) Symmetric() bool { return false }

// staller is a protocol that holds the worker up, or ends it.
func staller(do func()) *app.Protocol {
	return &app.Protocol{
		Name: "staller", Transport: app.UDP,
		Patterns: []app.Pattern{{Transport: app.UDP, Dir: app.ToServer, Data: "STALL"}},
		Setup: func(app.Settings) (func() app.Parser, error) {
			return func() app.Parser { return &stallParser{do} }, nil
		},
		States: [2][]string{{"begun", "done"}, {"begun", "done"}},
	}
}

type stallParser struct{ do func() }

func (p *stallParser) Parse(in *app.Input) app.Result {
	if strings.HasPrefix(string(in.Data), "STALL") {
		p.do()
	}
	return app.Result{Consumed: len(in.Data)}
}
func (p *stallParser) Next(uint64) (app.Transaction, bool) { return nil, false }
func (p *stallParser) Free(uint64)                         {}

// A worker that is stuck, or dead, does not hold up the wire: frames go on, or are dropped, as configured, and what it had judged
// before counts. When it is back it goes on.
func TestStuckWorkerOfPair(t *testing.T) {
	const before, after = 40, 300
	for _, open := range []bool{true, false} {
		for _, dies := range []string{"", "goexit"} {
			t.Run(fmt.Sprintf("open %v %s", open, dies), func(t *testing.T) {
				gate := make(chan struct{})
				w := &watch{t: t}
				var a *sim.Source
				udp := func(n int, payload string) sim.Step {
					return sim.Packet(datagramFrame(t, "10.0.0.1", 1000+n, "10.9.9.9", 5000, payload), at(n))
				}
				var script []sim.Step
				for i := range before {
					script = append(script, udp(i, []string{"fine", "bad"}[i%2]))
				}
				script = append(script, udp(before, "STALL "))
				for i := range after {
					script = append(script, udp(before+1+i, "bad"))
				}
				script = append(script, sim.Drain())
				if dies == "" {
					script = append(script, sim.Do(func() { close(gate) }), sim.Idle(50*time.Millisecond))
					// The worker is back: it judges again.
					back := make(chan struct{})
					script = append(script, sim.Do(func() { time.AfterFunc(500*time.Millisecond, func() { close(back) }) }), sim.Hold(back))
					script = append(script, udp(1000, "bad"), udp(1001, "fine"))
				}
				b := sim.New(sim.Hold(gate))
				o := Options{
					Rules: `drop udp any any -> any any (msg:"bad"; content:"bad"; sid:1;)`,
					Set:   []string{fmt.Sprintf("ips.fail-open=%v", open)}, stall: 250 * time.Millisecond,
					more: []*app.Protocol{staller(func() {
						if dies != "" {
							runtime.Goexit()
						}
						<-gate
					})},
				}
				if dies != "" {
					script = append(script, sim.Do(func() { close(gate) }))
				}
				a = sim.New(script...)
				e, sources := w.pair(o, a, b)
				ctx, cancel := t.Context(), func() {}
				if dies != "" {
					ctx, cancel = contextUntil(t, func() bool { return len(a.Verdicts()) == before+1+after })
				}
				defer cancel()
				if err := e.Run(ctx, sources...); err != nil {
					t.Fatal(err)
				}
				var want []int
				for i := range before {
					if i%2 == 1 {
						want = append(want, i)
					}
				}
				n := before + 1 + after
				if !open {
					for i := range after + 1 {
						want = append(want, before+i)
					}
				}
				if dies == "" {
					want = append(want, n)
					n += 2
				}
				if err := a.Err(); err != nil || a.Outstanding() != 0 {
					t.Errorf("%d frames are out, %v", a.Outstanding(), err)
				}
				if got := dropped(t, a); !slices.Equal(got, want) || len(a.Verdicts()) != n {
					t.Errorf("dropped %v of %d, want %v of %d", got, len(a.Verdicts()), want, n)
				}
				c := e.Counters()
				k := "sentinel.inline.stalled_dropped"
				if open {
					k = "sentinel.inline.stalled_passed"
				}
				if c["sentinel.inline.stalls"] != 1 || c[k] != after+1 {
					t.Errorf("%d stalls, %s = %d, want 1 and %d", c["sentinel.inline.stalls"], k, c[k], after+1)
				}
				if err := e.Close(); err != nil {
					t.Error(err)
				}
			})
		}
	}
}
