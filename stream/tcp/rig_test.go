package tcp

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"sentinel/decode"
	"sentinel/stream/flow"
)

// rig drives a tracker with hand-made packets and records what goes up.
type rig struct {
	t       testing.TB
	flows   *flow.Table
	tr      *Tracker
	f       *flow.Flow
	u       Context
	now     int64
	seq     [2]uint32 // initial sequence numbers, by Dir
	got     [2][]byte
	gaps    [2][]string
	eof     [2]int
	end0    [2]uint64 // where the end was
	out     Outcome
	p       decode.Packet
	events  decode.EventSet // of all packets
	consume func(d flow.Dir, data []byte, off uint64, eof bool) (int, int)
	onData  func(u *Context, d flow.Dir)
	noPrune bool
	stopGap bool
}

const (
	toServer = flow.ToServer
	toClient = flow.ToClient
	win      = 65535
)

func newRig(t testing.TB, cfg Config) *rig {
	r := &rig{t: t, now: 1_700_000_000e9, seq: [2]uint32{1000, 5000}}
	r.flows = flow.NewTable(flow.Config{Seed: 1})
	r.tr = New(cfg, r)
	t.Cleanup(func() { r.tr.Close(); r.flows.Close() })
	return r
}

func (r *rig) Data(u *Context, d flow.Dir, data []byte, off uint64, eof bool) (int, int) {
	if r.eof[d] > 0 && (eof || len(data) == 0 || off < r.end0[d]) {
		r.t.Errorf("%v: data after the end: %d bytes at %d, eof %v", d, len(data), off, eof)
	}
	if eof {
		r.end0[d] = off + uint64(len(data))
	}
	if eof {
		r.eof[d]++
	}
	if r.onData != nil {
		r.onData(u, d)
	}
	n, need := len(data), 0
	if r.consume != nil {
		n, need = r.consume(d, data, off, eof)
	}
	r.got[d] = append(r.got[d], data[:n]...)
	return n, need
}

func (r *rig) Gap(u *Context, d flow.Dir, off uint64, n uint64) bool {
	r.gaps[d] = append(r.gaps[d], fmt.Sprintf("%d+%d", off, n))
	r.got[d] = append(r.got[d], strings.Repeat("?", int(min(n, 1000)))...)
	return !r.stopGap
}

// pkt describes a packet; numbers are relative to the initial ones.
type pkt struct {
	d        flow.Dir
	fl       decode.TCPFlags
	seq, ack uint32
	data     string
	win      uint16
	opt      func(p *decode.Packet)
}

func (r *rig) send(k pkt) {
	r.t.Helper()
	p := &r.p
	*p = decode.Packet{Parent: -1, Time: r.now, IPVersion: 4, Proto: 6, Layers: decode.HasIPv4 | decode.HasTCP, TTL: 64}
	a, b := [4]byte{10, 0, 0, 1}, [4]byte{10, 0, 0, 2}
	p.SrcPort, p.DstPort = 1234, 80
	if k.d == toClient {
		a, b = b, a
		p.SrcPort, p.DstPort = 80, 1234
	}
	copy(p.Src[:], a[:])
	copy(p.Dst[:], b[:])
	p.Payload = []byte(k.data)
	p.Data = make([]byte, 54+len(k.data))
	p.TCP.Flags = k.fl
	p.TCP.Seq = r.seq[k.d] + k.seq
	if k.fl&decode.ACK != 0 {
		p.TCP.Ack = r.seq[k.d^1] + k.ack
	}
	p.TCP.Window = k.win
	if k.win == 0 {
		p.TCP.Window = win
	}
	if k.opt != nil {
		k.opt(p)
	}
	r.run()
}

// run passes the packet in r.p through flow table and tracker, as a worker does.
func (r *rig) run() {
	p := &r.p
	f, created := r.flows.Lookup(p, p.Time)
	if f == nil {
		r.t.Fatal("no flow")
	}
	d := r.flows.Dir(p, f)
	if !created && r.tr.Reuses(p, f, d) {
		f = r.flows.Replace(f, p, p.Time)
		d = r.flows.Dir(p, f)
	}
	r.flows.Update(p, f, d)
	r.f = f
	r.u = Context{Packet: p, Flow: f, Dir: d, Now: p.Time}
	r.out = r.tr.Packet(&r.u)
	for e, ok := p.Events.Next(0); ok; e, ok = p.Events.Next(e + 1) {
		r.events.Set(e)
	}
	if !r.noPrune {
		r.raw()
		r.tr.Prune(f, r.u.Dir)
	}
	r.flows.Expire(p.Time, 100, r.end)
}

func (r *rig) raw() {
	if r.tr.RawReady(&r.u, r.u.Dir, r.out.Added) {
		for _, _, ok := r.tr.Raw(&r.u, r.u.Dir, false); ok; _, _, ok = r.tr.RawNext(&r.u, r.u.Dir) {
		}
		r.tr.RawDone(&r.u, r.u.Dir)
	}
}

func (r *rig) end(f *flow.Flow) {
	ts, tc := r.tr.NeedsFlush(f)
	for d, need := range []bool{ts, tc} {
		if need {
			u := Context{Flow: f, Dir: flow.Dir(d), Now: r.now}
			r.tr.Flush(&u, flow.Dir(d))
			r.tr.Prune(f, flow.Dir(d))
		}
	}
	r.tr.Free(f)
	r.flows.Free(f)
}

func (r *rig) shutdown() {
	r.flows.All(r.end)
	if n := r.tr.cfg.Reassembly.Used() + r.tr.cfg.Sessions.Used(); n != 0 {
		r.t.Errorf("%d bytes leaked", n)
	}
}

// open runs the handshake.
func (r *rig) open() {
	r.t.Helper()
	r.send(pkt{d: toServer, fl: decode.SYN})
	r.send(pkt{d: toClient, fl: decode.SYN | decode.ACK, ack: 1})
	r.send(pkt{d: toServer, fl: decode.ACK, seq: 1, ack: 1})
	if s := r.state(); s != Established {
		r.t.Fatalf("state %v after the handshake", s)
	}
}

// data sends a segment of the client, at an offset into the stream.
func (r *rig) data(off uint32, s string) {
	r.t.Helper()
	r.send(pkt{d: toServer, fl: decode.ACK | decode.PSH, seq: 1 + off, ack: 1, data: s})
}

// ack sends the server's acknowledgement of the client's bytes before off.
func (r *rig) ack(off uint32) {
	r.t.Helper()
	r.send(pkt{d: toClient, fl: decode.ACK, seq: 1, ack: 1 + off})
}

func (r *rig) state() State {
	if s := r.tr.Session(r.f); s != nil {
		return s.State
	}
	return None
}

func (r *rig) want(d flow.Dir, s string) {
	r.t.Helper()
	if string(r.got[d]) != s {
		r.t.Errorf("%v got %q, want %q", d, r.got[d], s)
	}
}

// wantEvents checks the events of the last packet.
func (r *rig) wantEvents(names ...string) {
	r.t.Helper()
	var got []string
	for e, ok := r.p.Events.Next(0); ok; e, ok = r.p.Events.Next(e + 1) {
		got = append(got, strings.TrimPrefix(e.Name(), "stream."))
	}
	if strings.Join(got, " ") != strings.Join(names, " ") {
		r.t.Errorf("events %v, want %v", got, names)
	}
}

func withTS(val, ecr uint32) func(p *decode.Packet) {
	return func(p *decode.Packet) {
		p.TCP.Opts |= decode.OptTimestamp
		p.TCP.TSVal, p.TCP.TSEcr = val, ecr
	}
}

func withSACK(r *rig, d flow.Dir, blocks ...[2]uint32) func(p *decode.Packet) {
	return func(p *decode.Packet) {
		p.TCP.Opts |= decode.OptSACK
		p.TCP.SACKOff, p.TCP.SACKCount = 20, uint8(len(blocks))
		p.L4 = make([]byte, 20)
		for _, b := range blocks {
			p.L4 = binary.BigEndian.AppendUint32(p.L4, r.seq[d]+1+b[0])
			p.L4 = binary.BigEndian.AppendUint32(p.L4, r.seq[d]+1+b[1])
		}
	}
}
