package tcp

import (
	"math/rand"
	"testing"

	"sentinel/decode"
	"sentinel/stream/flow"
)

func TestOrdinarySession(t *testing.T) {
	r := newRig(t, DefaultConfig())
	r.send(pkt{d: toServer, fl: decode.SYN})
	if r.f.State != flow.New || r.state() != SynSent {
		t.Errorf("after SYN: %v, %v", r.f.State, r.state())
	}
	r.send(pkt{d: toClient, fl: decode.SYN | decode.ACK, ack: 1})
	r.send(pkt{d: toServer, fl: decode.ACK, seq: 1, ack: 1})
	if r.f.State != flow.Established || !r.out.Established {
		t.Errorf("after the handshake: %v", r.f.State)
	}
	r.data(0, "GET /")
	r.want(toServer, "") // not acknowledged yet
	r.ack(5)
	r.want(toServer, "GET /")
	r.send(pkt{d: toClient, fl: decode.ACK, seq: 1, ack: 6, data: "200 OK"})
	r.want(toClient, "")
	r.send(pkt{d: toServer, fl: decode.ACK, seq: 6, ack: 7})
	r.want(toClient, "200 OK")
	r.send(pkt{d: toServer, fl: decode.FIN | decode.ACK, seq: 6, ack: 7})
	if r.state() != CloseWait {
		t.Errorf("state %v after the client's FIN", r.state())
	}
	r.send(pkt{d: toClient, fl: decode.FIN | decode.ACK, seq: 7, ack: 7})
	if r.state() != LastAck || r.f.State != flow.Closed {
		t.Errorf("state %v, flow %v after the server's FIN", r.state(), r.f.State)
	}
	r.send(pkt{d: toServer, fl: decode.ACK, seq: 7, ack: 8})
	if r.state() != Closed {
		t.Errorf("state %v after the last ACK", r.state())
	}
	if r.eof != [2]int{1, 1} {
		t.Errorf("ends: %v", r.eof)
	}
	if !r.events.Empty() {
		t.Error("an ordinary session has events")
	}
	r.shutdown()
	c := r.tr.Counters()
	if c[CountSessions] != 1 || c[CountSYN] != 1 || c[CountSYNACK] != 1 || c[CountEndClosed] != 1 || c[CountActive] != 0 {
		t.Errorf("counters %v", c)
	}
}

func TestWrapAround(t *testing.T) {
	r := newRig(t, DefaultConfig())
	r.seq = [2]uint32{0xfffffffa, 0xffffffff}
	r.open()
	r.data(10, "world")
	r.data(0, "hello")
	r.data(5, "-the-")
	r.ack(15)
	r.want(toServer, "hello-the-world")
	r.shutdown()
}

func TestGap(t *testing.T) {
	r := newRig(t, DefaultConfig())
	r.open()
	r.data(0, "abc")
	r.data(6, "ghi")
	r.ack(3)
	r.want(toServer, "abc")
	r.ack(9)
	r.want(toServer, "abc???ghi")
	if len(r.gaps[0]) != 1 || r.gaps[0][0] != "3+3" {
		t.Errorf("gaps %v", r.gaps[0])
	}
	r.wantEvents("reassembly_seq_gap")
	if !r.tr.Session(r.f).Stream[0].Gap() || r.tr.Counters()[CountGap] != 1 {
		t.Error("gap is not noted")
	}
	r.data(3, "def") // too late
	r.wantEvents("est_pkt_before_last_ack", "pkt_spurious_retransmission")
	r.want(toServer, "abc???ghi")
	r.shutdown()
}

func TestUnackedAtEnd(t *testing.T) {
	r := newRig(t, DefaultConfig())
	r.open()
	r.data(0, "abc")
	r.want(toServer, "")
	r.shutdown()
	r.want(toServer, "abc")
	if r.eof != [2]int{1, 1} {
		t.Errorf("ends: %v", r.eof)
	}
}

func TestNeed(t *testing.T) {
	r := newRig(t, DefaultConfig())
	calls := 0
	r.consume = func(d flow.Dir, data []byte, off uint64, eof bool) (int, int) {
		calls++
		if len(data) < 8 && !eof {
			return 2, 8
		}
		return len(data), 0
	}
	r.open()
	r.data(0, "abcd")
	r.ack(4)
	r.want(toServer, "ab")
	r.data(4, "efgh")
	r.ack(8) // 6 bytes are there, 8 are needed
	r.want(toServer, "ab")
	if calls != 1 {
		t.Errorf("%d calls", calls)
	}
	r.data(8, "ij")
	r.ack(10)
	r.want(toServer, "abcdefghij")
	r.shutdown()
}

// TestAnySegmentation sends a stream in random pieces, out of order, with duplicates and overlaps of equal data, and
// expects it to go up exactly once and in order.
func TestAnySegmentation(t *testing.T) {
	for seed := range int64(300) {
		rnd := rand.New(rand.NewSource(seed))
		cfg := DefaultConfig()
		cfg.Inline = seed%3 == 0
		cfg.CheckOverlap = seed%5 == 0
		if seed%7 == 0 {
			cfg.Chunk = [2]uint32{1, 1}
		}
		r := newRig(t, cfg)
		r.seq[0] = rnd.Uint32()
		r.noPrune = seed%4 == 0
		if seed%2 == 0 {
			r.consume = func(d flow.Dir, data []byte, off uint64, eof bool) (int, int) {
				if eof {
					return len(data), 0
				}
				return rnd.Intn(len(data) + 1), 0
			}
		}
		r.open()
		size := 1 + rnd.Intn(40000)
		want := make([]byte, size)
		rnd.Read(want)
		type piece struct{ a, b int }
		var ps []piece
		for a := 0; a < size; {
			b := min(size, a+1+rnd.Intn(1460))
			ps = append(ps, piece{a, b})
			if rnd.Intn(4) == 0 {
				x := rnd.Intn(size)
				ps = append(ps, piece{x, min(size, x+1+rnd.Intn(2000))})
			}
			a = b
		}
		reach := 1 + rnd.Intn(12) // how far packets overtake each other
		for i := range ps {
			j := i + rnd.Intn(min(reach, len(ps)-i))
			ps[i], ps[j] = ps[j], ps[i]
		}
		have := make([]bool, size+1)
		edge := 0
		for _, p := range ps {
			if p.b-edge > win {
				continue
			}
			r.data(uint32(p.a), string(want[p.a:p.b]))
			for i := p.a; i < p.b; i++ {
				have[i] = true
			}
			for have[edge] {
				edge++
			}
			if rnd.Intn(3) == 0 {
				r.ack(uint32(edge))
			}
			if t.Failed() {
				t.Fatalf("seed %d", seed)
			}
		}
		r.ack(uint32(edge))
		r.shutdown()
		if string(r.got[0]) != string(want[:edge]) || edge != size || len(r.gaps[0]) != 0 {
			t.Fatalf("seed %d: got %d bytes, want %d; gaps %v", seed, len(r.got[0]), size, r.gaps[0])
		}
	}
}
