package sentinel

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sentinel/capture"
	"sentinel/capture/sim"
)

// Verdicts go to the frames that they are about, and frames go back in the order in which they came, whatever worker had them.
func TestVerdictsInOrder(t *testing.T) {
	for _, m := range modes {
		t.Run(m.name, func(t *testing.T) {
			w := &watch{t: t}
			e := w.engine(Options{IPS: true, RunMode: m.mode, Workers: m.workers,
				Rules: `drop udp any any -> any any (msg:"bad"; content:"bad"; sid:1;)`})
			var script []sim.Step
			var want []int
			for i := range 3000 {
				payload := "good"
				if i%7 == 3 {
					payload = "bad"
					want = append(want, i)
				}
				script = append(script, sim.Packet(datagramFrame(t, fmt.Sprintf("10.0.%d.%d", i%5, i%31+1), 1000+i%97, "10.9.9.9", 5000, payload), at(i)))
				if i%211 == 0 {
					script = append(script, sim.Idle(10*time.Millisecond))
				}
			}
			src := w.play(e, script...)
			if got := dropped(t, src); !slices.Equal(got, want) {
				t.Errorf("%d frames were dropped, not %d: %v", len(got), len(want), got)
			}
			if n := w.sids()[1]; n != len(want) {
				t.Errorf("%d alerts, want %d", n, len(want))
			}
		})
	}
}

// Marks that rules give go to the frames that they are about, whatever worker had them.
func TestMarksOfFrames(t *testing.T) {
	for _, m := range modes {
		t.Run(m.name, func(t *testing.T) {
			w := &watch{t: t}
			e := w.engine(Options{IPS: true, RunMode: m.mode, Workers: m.workers, Rules: `alert udp any any -> any any (msg:"a"; content:"a"; nfq_set_mark:0x12/0xff; sid:1;)
alert udp any any -> any any (msg:"b"; content:"b"; nfq_set_mark:0x300/0xf00; sid:2;)
drop udp any any -> any any (msg:"drop"; content:"c"; sid:3;)`})
			payloads := [...]struct {
				text       string
				mark, mask uint32
			}{{"x", 0, 0}, {"a", 0x12, 0xff}, {"ab", 0x312, 0xfff}, {"c", 0, 0}, {"b", 0x300, 0xf00}}
			var script []sim.Step
			for i := range 500 {
				data := datagramFrame(t, fmt.Sprintf("10.0.%d.%d", i%5, i%31+1), 1000+i, "10.9.9.9", 5000, payloads[i%len(payloads)].text)
				script = append(script, sim.Frame(capture.Frame{Data: data, Time: at(i), Link: capture.LinkEthernet, Flags: capture.Markable}))
			}
			src := w.play(e, script...)
			verdicts := src.Verdicts()
			if len(verdicts) != len(script) {
				t.Fatalf("%d verdicts, want %d", len(verdicts), len(script))
			}
			for i, v := range verdicts {
				if want := payloads[i%len(payloads)]; v.Mark != want.mark || v.MarkMask != want.mask {
					t.Errorf("frame %d, %q: mark %#x/%#x, want %#x/%#x", i, want.text, v.Mark, v.MarkMask, want.mark, want.mask)
				}
			}
		})
	}
}

// A worker that is slow holds back the frames behind its own, and no verdict is lost.
func TestSlowWorker(t *testing.T) {
	gate, slow := make(chan struct{}), make(chan struct{})
	var once sync.Once
	w := &watch{t: t, block: func(e event) {
		if e.Type == "alert" {
			once.Do(func() { close(slow) })
			<-gate
		}
	}}
	e := w.engine(Options{IPS: true, RunMode: "autofp", Workers: 4, Rules: `drop udp any any -> any any (msg:"slow"; content:"slow"; sid:1;)`})
	var script []sim.Step
	udp := func(n int, payload string) {
		for i := range n {
			script = append(script, sim.Packet(datagramFrame(t, "10.0.0.1", 1000+i, "10.9.9.9", 5000, payload), at(len(script))))
		}
		script = append(script, sim.Idle(10*time.Millisecond)) // ends the loan
	}
	udp(10, "first")
	udp(1, "slow")
	udp(200, "others")
	hold := make(chan struct{})
	script = append(script, sim.Hold(hold))
	src := sim.New(script...)
	done := make(chan error, 1)
	go func() { done <- e.Run(t.Context(), src) }()
	<-slow
	// The other workers have time to finish; what they did must wait.
	for end := time.Now().Add(100 * time.Millisecond); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if n := len(src.Verdicts()); n > 10 {
			t.Fatalf("%d frames were released although frame 10 is not judged", n)
		}
	}
	close(gate)
	close(hold)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if err := src.Err(); err != nil {
		t.Error(err)
	}
	if got := dropped(t, src); !slices.Equal(got, []int{10}) || len(src.Verdicts()) != 211 {
		t.Errorf("dropped %v of %d frames, want frame 10 of 211", got, len(src.Verdicts()))
	}
}

// A worker that does not get on is told of, once, with where it is.
func TestStalledWorker(t *testing.T) {
	for _, m := range modes {
		t.Run(m.name, func(t *testing.T) {
			gate := make(chan struct{})
			w := &watch{t: t, block: func(e event) {
				if e.Type == "alert" {
					<-gate
				}
			}}
			e := w.engine(Options{RunMode: m.mode, Workers: m.workers, Rules: `alert udp any any -> any any (msg:"x"; content:"x"; sid:1;)`,
				stall: 20 * time.Millisecond})
			var stalled atomic.Bool // what the watchdog of a service manager goes by
			go func() {
				for end := time.Now().Add(10 * time.Second); !w.logged("does not get on") && time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
				}
				time.Sleep(100 * time.Millisecond) // time to tell it twice
				stalled.Store(e.Stalled())
				close(gate)
			}()
			w.play(e, sim.Packet(datagramFrame(t, "10.0.0.1", 1, "10.0.0.2", 2, "x"), at(0)), sim.Packet(datagramFrame(t, "10.0.0.1", 1, "10.0.0.2", 2, "y"), at(1)))
			if !stalled.Load() || e.Stalled() {
				t.Errorf("stalled: %v, and at the end %v", stalled.Load(), e.Stalled())
			}
			log := w.log.String()
			if n := strings.Count(log, "does not get on"); n != 1 {
				t.Errorf("told %d times", n)
			}
			if !strings.Contains(log, "TestStalledWorker") {
				t.Error("the log does not tell where")
			}
		})
	}
}

// What a tunnel carries is judged by the worker of the inner flow, and the verdict is for the frame.
func TestInnerFlowsOfOtherWorkers(t *testing.T) {
	for _, m := range modes {
		t.Run(m.name, func(t *testing.T) {
			w := &watch{t: t}
			e := w.engine(Options{IPS: true, RunMode: m.mode, Workers: m.workers,
				Rules: `drop udp 192.168.0.0/16 any -> any 7000 (msg:"inner"; content:"bad"; sid:1;)`})
			var script []sim.Step
			var want []int
			for i := range 400 {
				payload := "good"
				if i%5 == 2 {
					payload = "bad"
					want = append(want, i)
				}
				inner := datagramFrame(t, fmt.Sprintf("192.168.0.%d", i%40+1), 2000+i%40, "192.168.9.9", 7000, payload)
				script = append(script, sim.Packet(vxlan(t, "10.0.0.1", "10.0.0.2", 3000+i%3, inner), at(i)))
			}
			src := w.play(e, script...)
			if got := dropped(t, src); !slices.Equal(got, want) {
				t.Errorf("dropped %v, want %v", got, want)
			}
			if n := w.sids()[1]; n != len(want) {
				t.Errorf("%d alerts, want %d", n, len(want))
			}
			if n := len(w.of("flow")); n != 43 {
				t.Errorf("%d flows, want 40 inner and 3 outer", n)
			}
		})
	}
}

// Fragments are put together once, and the datagram goes to the worker of its flow: the inner flow of a tunnel is one flow although
// some of its packets come in fragments.
func TestFragmentsOfATunnel(t *testing.T) {
	for _, m := range modes {
		t.Run(m.name, func(t *testing.T) {
			w := &watch{t: t}
			e := w.engine(Options{RunMode: m.mode, Workers: m.workers,
				Rules: `alert udp any any -> any 7000 (msg:"end"; content:"END"; sid:1;)`})
			var script []sim.Step
			const flows = 24
			for round := range 4 {
				for i := range flows {
					payload := "short END"
					if round%2 == 1 {
						payload = strings.Repeat("long ", 250) + "END"
					}
					inner := datagramFrame(t, fmt.Sprintf("192.168.0.%d", i+1), 2000+i, "192.168.9.9", 7000, payload)
					outer := vxlan(t, "10.0.0.1", "10.0.0.2", 3000+i%3, inner)
					ms := 100*round + i
					if round%2 == 0 {
						script = append(script, sim.Packet(outer, at(ms)))
						continue
					}
					for _, f := range fragments(outer, uint16(round*flows+i), 800) {
						script = append(script, sim.Packet(f, at(ms)))
					}
				}
			}
			w.play(e, script...)
			if n := w.sids()[1]; n != 4*flows {
				t.Errorf("%d alerts, want %d", n, 4*flows)
			}
			inner := 0
			for _, f := range w.of("flow") {
				if f.DPort == 7000 {
					if inner++; f.Flow.ToServer != 4 {
						t.Errorf("flow of port %d has %d packets, want 4", f.SPort, f.Flow.ToServer)
					}
				}
			}
			if inner != flows {
				t.Errorf("%d inner flows, want %d", inner, flows)
			}
		})
	}
}

// fragments cuts the IPv4 packet of a frame.
func fragments(frame []byte, id uint16, size int) [][]byte {
	const eth, ip = 14, 20
	payload := frame[eth+ip:]
	var out [][]byte
	for off := 0; off < len(payload); off += size {
		part := payload[off:min(off+size, len(payload))]
		f := append(slices.Clone(frame[:eth+ip]), part...)
		h := f[eth:]
		h[2], h[3] = byte((ip+len(part))>>8), byte(ip+len(part))
		h[4], h[5] = byte(id>>8), byte(id)
		v := off / 8
		if off+size < len(payload) {
			v |= 0x2000
		}
		h[6], h[7] = byte(v>>8), byte(v)
		h[10], h[11] = 0, 0
		sum := uint32(0)
		for i := 0; i < ip; i += 2 {
			sum += uint32(h[i])<<8 | uint32(h[i+1])
		}
		for sum > 0xffff {
			sum = sum>>16 + sum&0xffff
		}
		h[10], h[11] = byte(^sum>>8), byte(^sum)
		out = append(out, f)
	}
	return out
}

// Several sources share the workers; each gets its own frames back.
func TestSeveralQueues(t *testing.T) {
	w := &watch{t: t}
	e := w.engine(Options{IPS: true, RunMode: "autofp", Workers: 3, Rules: `drop udp any any -> any any (msg:"bad"; content:"bad"; sid:1;)`})
	scripts := make([][]sim.Step, 3)
	for q := range scripts {
		for i := range 600 {
			payload := "good"
			if i%10 == q {
				payload = "bad"
			}
			scripts[q] = append(scripts[q], sim.Packet(datagramFrame(t, fmt.Sprintf("10.0.%d.1", q), 1000+i%50, "10.9.9.9", 5000, payload), at(i)))
		}
	}
	queues := sim.Queues(scripts...)
	var sources []capture.Source
	for _, s := range queues {
		sources = append(sources, s)
	}
	if err := e.Run(t.Context(), sources...); err != nil {
		t.Fatal(err)
	}
	for q, s := range queues {
		got := dropped(t, s)
		if len(got) != 60 || got[0] != q || s.Err() != nil || s.Outstanding() != 0 {
			t.Errorf("queue %d: dropped %v, %v", q, got, s.Err())
		}
	}
}
