package stream

import (
	"strings"
	"testing"

	"sentinel/decode"
	"sentinel/internal/conf"
	"sentinel/stream/app"
	"sentinel/stream/flow"
	"sentinel/stream/tcp"
)

// lines is a protocol whose frames are lines that end in LF: "line", which it opens before the end is there.
type lines struct{ tx toyTx }

func (p *lines) Parse(in *app.Input) (r app.Result) {
	for r.Consumed < len(in.Data) {
		if in.Host.OpenFrame(0) == nil {
			in.Host.Frame(0, in.Offset+uint64(r.Consumed), -1)
		}
		rest := in.Data[r.Consumed:]
		i := strings.IndexByte(string(rest), '\n')
		if i < 0 {
			return r
		}
		f := in.Host.OpenFrame(0)
		f.SetLen(int64(i + 1))
		f.SetTx(1)
		r.Consumed += i + 1
	}
	return r
}
func (p *lines) Next(uint64) (app.Transaction, bool) { return nil, false }
func (p *lines) Free(uint64)                         {}
func (p *lines) Reset()                              { *p = lines{} }

// watch keeps what frames looked like when packets were run.
type watch struct {
	quiet
	seen func(u *Unit)
}

func (w *watch) Run(u *Unit) { w.seen(u) }

// talk is a TCP conversation that tests lead.
type talk struct {
	e    *Engine
	seq  [2]uint32
	port uint16
	tick int64
}

func frameEngine(tb testing.TB, inline bool, seen func(u *Unit)) *Engine {
	tb.Helper()
	tree, _, err := conf.Parse(nil, "test")
	if err != nil {
		tb.Fatal(err)
	}
	p := &app.Protocol{
		Name: "lines", Transport: app.TCP | app.UDP, Frames: []string{"line"},
		Patterns: []app.Pattern{{Transport: app.TCP, Dir: app.ToServer, Data: "GET "}},
		Setup:    func(app.Settings) (func() app.Parser, error) { return func() app.Parser { return new(lines) }, nil },
		States:   [2][]string{{"open", "done"}, {"open", "done"}},
	}
	c := tcp.DefaultConfig()
	c.Inline = inline
	w := &watch{seen: seen}
	e, err := New(Config{Registry: app.NewRegistry([]*app.Protocol{p}, nil), Root: tree.Root(), TCP: c, IPS: inline, Checksums: ChecksumNone}, w)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(e.Close)
	return e
}

func (t *talk) packet(d flow.Dir, fl decode.TCPFlags, data string) *Unit {
	p := udpPacket(t.port, 80, 1e18+t.tick)
	t.tick += 1e6
	p.Proto, p.Layers = 6, decode.HasIPv4|decode.HasTCP
	if d == flow.ToClient {
		p.Src, p.Dst = p.Dst, p.Src
		p.SrcPort, p.DstPort = p.DstPort, p.SrcPort
	}
	p.TCP.Seq, p.TCP.Window, p.TCP.Flags = t.seq[d], 65535, fl
	if fl&decode.ACK != 0 {
		p.TCP.Ack = t.seq[d.Other()]
	}
	p.Payload = []byte(data)
	t.seq[d] += uint32(len(data))
	if fl&(decode.SYN|decode.FIN) != 0 {
		t.seq[d]++
	}
	return t.e.Process(p, 1, p.Time)
}

func (t *talk) open() {
	t.seq = [2]uint32{1000, 5000}
	t.packet(flow.ToServer, decode.SYN, "")
	t.packet(flow.ToClient, decode.SYN|decode.ACK, "")
	t.packet(flow.ToServer, decode.ACK, "")
}

// say sends data to the server, which acknowledges it, and another packet that brings it to rules.
func (t *talk) say(data string) *flow.Flow {
	t.packet(flow.ToServer, decode.ACK|decode.PSH, data)
	t.packet(flow.ToClient, decode.ACK, "")
	return t.packet(flow.ToServer, decode.ACK, "").Flow
}

type shown struct {
	Type uint8
	ID   uint64
	Off  uint64
	Len  int64
}

// A frame is there from its first byte to the packet at which rules have seen its last one (Suricata's frames: user guide,
// rules, frame).
func TestFramesLive(t *testing.T) {
	var now []shown
	e := frameEngine(t, false, func(u *Unit) {
		if u.App == nil || u.Dir != flow.ToServer {
			return
		}
		now = now[:0]
		for _, f := range u.App.Frames(u.Dir) {
			now = append(now, shown{f.Type, f.ID, f.Off, f.Len})
		}
	})
	e.SetFrames(e.reg.ID("lines"), 1|1<<app.StreamFrame)
	c := &talk{e: e, port: 4000}
	c.open()
	for _, step := range []struct {
		data string
		want []shown
	}{
		{"GET a\n", []shown{{63, 1, 0, -1}, {0, 2, 0, 6}}},
		{"bc", []shown{{63, 1, 0, -1}, {0, 3, 6, -1}}},
		{"d\nef\n", []shown{{63, 1, 0, -1}, {0, 3, 6, 4}, {0, 4, 10, 3}}},
		{"", []shown{{63, 1, 0, -1}}},
	} {
		f := c.say(step.data)
		if len(now) != len(step.want) {
			t.Fatalf("after %q: %v, want %v", step.data, now, step.want)
		}
		for i := range now {
			if now[i] != step.want[i] {
				t.Errorf("after %q: %v, want %v", step.data, now[i], step.want[i])
			}
		}
		if step.data == "bc" {
			if got, _, ok := e.tracker.Chunk(f, flow.ToServer, 6, true); !ok || string(got) != "bc" {
				t.Errorf("the bytes of the open frame: %q", got)
			}
		}
	}
}

// Frames that nobody wants are not kept, and those above the limit are not.
func TestFramesBounded(t *testing.T) {
	most := 0
	e := frameEngine(t, true, func(u *Unit) {
		if u.App != nil {
			most = max(most, len(u.App.Frames(flow.ToServer)))
		}
	})
	c := &talk{e: e, port: 4000}
	c.open()
	c.say("GET a\n" + strings.Repeat("x\n", 400))
	if most != 0 {
		t.Fatalf("%d frames that nobody wants", most)
	}
	e.SetFrames(e.reg.ID("lines"), 1)
	c.say(strings.Repeat("y\n", 400))
	if most != maxFrames {
		t.Fatalf("%d frames, want the limit of %d", most, maxFrames)
	}
	e.Shutdown()
	if len(e.frameSets) != 1 {
		t.Fatalf("%d sets of frames were given back, want 1", len(e.frameSets))
	}
}

// Rules see a frame as a whole, or by pieces of 2500 bytes; inline as it comes.
func TestFrameStart(t *testing.T) {
	for _, x := range []struct {
		name   string
		inline bool
		send   []string
		want   []bool // at the packet behind each
	}{
		{"whole", false, []string{"GET a\n"}, []bool{true}},
		{"not whole", false, []string{"GET a", "\n"}, []bool{false, true}},
		{"long", false, []string{"GET " + strings.Repeat("a", 1000), strings.Repeat("b", 1000), strings.Repeat("c", 1000)}, []bool{false, false, false}},
		{"inline", true, []string{"GET a\n", "b\n"}, []bool{true, true}},
	} {
		t.Run(x.name, func(t *testing.T) {
			due := false
			e := frameEngine(t, x.inline, func(u *Unit) {
				if u.App == nil || u.Dir != flow.ToServer {
					return
				}
				list := u.App.Frames(u.Dir)
				for i := range list {
					from, to, ok := u.FrameStart(&list[i])
					due = due || ok
					if ok && from >= to {
						t.Errorf("from %d to %d", from, to)
					}
				}
			})
			e.SetFrames(e.reg.ID("lines"), 1)
			c := &talk{e: e, port: 4000}
			c.open()
			for i, s := range x.send {
				due = false
				c.say(s)
				if due != x.want[i] {
					t.Errorf("after %d: due is %v, want %v", i+1, due, x.want[i])
				}
			}
		})
	}
}

// Frames allocate nothing once their lists are as long as they get.
func TestFramesAllocate(t *testing.T) {
	e := frameEngine(t, true, func(*Unit) {})
	e.SetFrames(e.reg.ID("lines"), 1|1<<app.StreamFrame)
	var s State
	run := func() {
		for d := range flow.Dir(2) {
			e.streamFrame(&s, d, []byte("a"), 0, false)
			for i := range uint64(300) {
				e.addFrame(&s, d, 0, i, 1).SetTx(1)
			}
			e.streamFrame(&s, d, nil, 300, true)
		}
		e.dropFrames(&s)
	}
	for range 3 {
		run()
	}
	if n := testing.AllocsPerRun(50, run); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzFrames has a conversation in pieces of any size, in both modes: frames lie in order of their ids within what was sent,
// and rules never get bytes outside of them.
func FuzzFrames(f *testing.F) {
	f.Add([]byte("GET a\nb"), uint8(3), false)
	f.Add([]byte("GET "+strings.Repeat("a\n", 300)), uint8(200), true)
	f.Add([]byte("GET a\n\xff\xffskip\n"), uint8(1), true)
	var look func(u *Unit)
	engines := map[bool]*Engine{}
	for _, inline := range []bool{false, true} {
		engines[inline] = frameEngine(f, inline, func(u *Unit) { look(u) })
	}
	port := uint16(1024)
	f.Fuzz(func(t *testing.T, data []byte, piece uint8, inline bool) {
		if len(data) > 8192 {
			return
		}
		sent := uint64(0)
		e := engines[inline]
		look = func(u *Unit) {
			if u.App == nil || u.Flow.TCP == 0 {
				return
			}
			last := uint64(0)
			list := u.App.Frames(u.Dir)
			if len(list) > maxFrames {
				t.Fatalf("%d frames", len(list))
			}
			for i := range list {
				x := &list[i]
				if x.ID <= last || x.Off > sent {
					t.Fatalf("frame %+v behind id %d, %d bytes sent", *x, last, sent)
				}
				last = x.ID
				from, to, ok := u.FrameStart(x)
				if !ok {
					continue
				}
				if from < x.Off || x.Len >= 0 && to > x.Off+uint64(x.Len) || to > sent {
					t.Fatalf("frame %+v: from %d to %d of %d", *x, from, to, sent)
				}
				u.FrameSeen(x, to-x.Off)
			}
		}
		e.SetFrames(e.reg.ID("lines"), 1|1<<app.StreamFrame)
		port++
		c := &talk{e: e, port: port}
		c.open()
		n := int(piece) + 1
		for len(data) > 0 {
			k := min(n, len(data))
			if k >= 2 && data[0] == 0xff { // lost
				c.seq[0] += uint32(k)
				sent += uint64(k)
				data = data[k:]
				continue
			}
			sent += uint64(k)
			c.say(string(data[:k]))
			data = data[k:]
		}
		c.packet(flow.ToServer, decode.ACK|decode.FIN, "")
		c.packet(flow.ToClient, decode.ACK|decode.FIN, "")
		c.packet(flow.ToServer, decode.ACK, "")
		e.Shutdown()
	})
}
