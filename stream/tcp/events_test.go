package tcp

import (
	"strings"
	"testing"

	"sentinel/decode"
	"sentinel/stream/flow"
)

const (
	syn    = decode.SYN
	ack    = decode.ACK
	synack = decode.SYN | decode.ACK
	finack = decode.FIN | decode.ACK
	rst    = decode.RST
)

// TestEvents drives sessions with oddities. The conditions of the events are those of Suricata's stream-events.rules.
func TestEvents(t *testing.T) {
	async := DefaultConfig()
	async.AsyncOne = true
	inline := DefaultConfig()
	inline.Inline = true
	hs := []pkt{{d: toServer, fl: syn}, {d: toClient, fl: synack, ack: 1}, {d: toServer, fl: ack, seq: 1, ack: 1}}
	after := func(ps ...pkt) []pkt { return append(append([]pkt{}, hs...), ps...) }
	for _, c := range []struct {
		name  string
		cfg   Config
		ps    []pkt
		want  string // events of the last packet
		state State
	}{
		{"rst without session", DefaultConfig(), []pkt{{fl: rst}}, "rst_but_no_session", None},
		{"fin without session", DefaultConfig(), []pkt{{fl: finack, seq: 1, ack: 1}}, "fin_but_no_session", None},
		{"ack without session", DefaultConfig(), []pkt{{fl: ack, seq: 1, ack: 1, data: "x"}}, "", None},
		{"broken ack", DefaultConfig(), []pkt{{fl: syn, opt: func(p *decode.Packet) { p.TCP.Ack = 7 }}}, "pkt_broken_ack", SynSent},
		{"synack with wrong ack", DefaultConfig(), []pkt{hs[0], {d: toClient, fl: synack, ack: 9}}, "3whs_synack_with_wrong_ack", SynSent},
		{"synack from the client", DefaultConfig(), []pkt{hs[0], {fl: synack, seq: 1, ack: 1}}, "3whs_synack_in_wrong_direction", SynSent},
		{"synack again with another ack", DefaultConfig(), []pkt{hs[0], hs[1], {d: toClient, fl: synack, ack: 5}}, "3whs_synack_resend_with_diff_ack", SynRecv},
		{"synack of the client on syn_recv", DefaultConfig(), []pkt{hs[0], hs[1], {fl: synack, ack: 5}}, "3whs_synack_toserver_on_syn_recv", SynRecv},
		{"syn again with another seq", DefaultConfig(), []pkt{hs[0], hs[1], {fl: syn, seq: 5}}, "3whs_syn_resend_diff_seq_on_syn_recv", SynRecv},
		{"syn of the server on syn_recv", DefaultConfig(), []pkt{hs[0], hs[1], {d: toClient, fl: syn}}, "3whs_syn_toclient_on_syn_recv", SynRecv},
		{"right seq, wrong ack", DefaultConfig(), []pkt{hs[0], hs[1], {fl: ack, seq: 1, ack: 99}}, "3whs_right_seq_wrong_ack_evasion", SynRecv},
		{"wrong seq, wrong ack", DefaultConfig(), []pkt{hs[0], hs[1], {fl: ack, seq: 1 << 20, ack: 1 << 20}}, "3whs_wrong_seq_wrong_ack", SynRecv},
		{"server data inline", inline, []pkt{hs[0], hs[1], {d: toClient, fl: ack, seq: 1, ack: 1, data: "x"}}, "3whs_ack_data_inject", SynRecv},
		{"server ack inline", inline, []pkt{hs[0], hs[1], {d: toClient, fl: ack, seq: 1, ack: 1}}, "3whs_ack_in_wrong_dir", SynRecv},
		{"server data, client's ack missed", DefaultConfig(), []pkt{hs[0], hs[1], {d: toClient, fl: ack, seq: 1, ack: 1, data: "x"}}, "", Established},
		{"async wrong seq", async, []pkt{hs[0], {fl: ack, seq: 9, ack: 1}}, "3whs_async_wrong_seq", SynSent},
		{"4whs", DefaultConfig(), []pkt{hs[0], {d: toClient, fl: syn}, {fl: synack, seq: 0, ack: 1}, {d: toClient, fl: ack, seq: 1, ack: 1}}, "", Established},
		{"4whs wrong ack", DefaultConfig(), []pkt{hs[0], {d: toClient, fl: syn}, {fl: synack, seq: 0, ack: 9}}, "4whs_synack_with_wrong_ack", SynSent},
		{"4whs wrong syn", DefaultConfig(), []pkt{hs[0], {d: toClient, fl: syn}, {fl: synack, seq: 9, ack: 1}}, "4whs_synack_with_wrong_syn", SynSent},
		{"4whs wrong seq", DefaultConfig(), []pkt{hs[0], {d: toClient, fl: syn}, {fl: synack, seq: 0, ack: 1}, {d: toClient, fl: ack, seq: 7, ack: 1}}, "4whs_wrong_seq", SynRecv},
		{"out of window", DefaultConfig(), after(pkt{fl: ack, seq: 1 + 70000, ack: 1, data: "x"}), "est_packet_out_of_window", Established},
		{"ack beyond the window", DefaultConfig(), after(pkt{fl: ack, seq: 1, ack: 1 + 70000}), "est_invalid_ack pkt_invalid_ack", Established},
		{"before last ack", DefaultConfig(), after(pkt{fl: ack, seq: 1, ack: 1, data: "hello"}, pkt{d: toClient, fl: ack, seq: 1, ack: 6}, pkt{fl: ack, seq: 1, ack: 1, data: "hel"}), "est_pkt_before_last_ack pkt_spurious_retransmission", Established},
		{"syn again", DefaultConfig(), after(pkt{fl: syn}), "est_syn_resend_diff_seq", Established},
		{"syn of the server", DefaultConfig(), after(pkt{d: toClient, fl: syn}), "est_syn_toclient", Established},
		{"synack of the client", DefaultConfig(), after(pkt{fl: synack, ack: 1}), "est_synack_toserver", Established},
		{"synack again", DefaultConfig(), after(pkt{d: toClient, fl: ack, seq: 1, ack: 1, data: "x"}, pkt{d: toClient, fl: synack, ack: 1}), "est_synack_resend", Established},
		{"synack again, ack was lost", DefaultConfig(), after(pkt{d: toClient, fl: synack, ack: 1}), "", Established},
		{"fin out of window", DefaultConfig(), after(pkt{fl: finack, seq: 1 + 70000, ack: 1}), "fin_out_of_window", Established},
		{"fin and syn", DefaultConfig(), after(pkt{fl: finack | syn, seq: 1, ack: 1}), "fin_syn", Established},
		{"rst with data", DefaultConfig(), after(pkt{fl: rst, seq: 1, data: "no"}), "rst_with_data", Closed},
		{"rst with wrong seq", DefaultConfig(), after(pkt{fl: rst, seq: 17}), "", Established},
		{"rst with wrong ack", DefaultConfig(), after(pkt{fl: rst | ack, seq: 1, ack: 1 << 20}), "pkt_invalid_ack rst_invalid_ack", Established},
		{"keep-alive", DefaultConfig(), after(pkt{fl: ack, seq: 0, ack: 1}), "", Established},
		{"syn in shutdown", DefaultConfig(), after(pkt{d: toClient, fl: finack, seq: 1, ack: 1}, pkt{fl: syn, seq: 0}), "shutdown_syn_resend", FinWait1},
		{"fin_wait1 wrong fin", DefaultConfig(), after(pkt{d: toClient, fl: finack, seq: 1, ack: 1}, pkt{fl: finack, seq: 1 << 20, ack: 2}), "fin1_fin_wrong_seq", FinWait1},
		{"close_wait wrong ack", DefaultConfig(), after(pkt{fl: finack, seq: 1, ack: 1}, pkt{d: toClient, fl: ack, seq: 1 << 20, ack: 2}), "closewait_ack_out_of_window", CloseWait},
		{"bad window update", DefaultConfig(), after(pkt{d: toClient, fl: ack, seq: 1, ack: 1, data: "abc"}, pkt{fl: ack, seq: 100, ack: 100, win: 5}), "pkt_bad_window_update", Established},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, c.cfg)
			for _, k := range c.ps {
				r.send(k)
			}
			r.wantEvents(strings.Fields(c.want)...)
			if s := r.state(); s != c.state {
				t.Errorf("state %v, want %v", s, c.state)
			}
			r.shutdown()
		})
	}
}

func TestInlineDropsInvalid(t *testing.T) {
	cfg := DefaultConfig()
	cfg.Inline = true
	r := newRig(t, cfg)
	r.send(pkt{fl: rst})
	if r.out.Drop != DropError || !r.out.NoPayload {
		t.Errorf("drop %v", r.out.Drop)
	}
	cfg.DropInvalid = false
	r = newRig(t, cfg)
	r.send(pkt{fl: rst})
	if r.out.Drop != DropNone {
		t.Errorf("drop %v", r.out.Drop)
	}
}

func TestTimestamps(t *testing.T) {
	r := newRig(t, DefaultConfig())
	r.send(pkt{fl: syn, opt: withTS(100, 0)})
	r.send(pkt{d: toClient, fl: synack, ack: 1, opt: withTS(900, 100)})
	r.send(pkt{fl: ack, seq: 1, ack: 1, opt: withTS(101, 900)})
	r.send(pkt{fl: ack, seq: 1, ack: 1, data: "abc", opt: withTS(102, 900)})
	r.wantEvents()
	r.send(pkt{fl: ack, seq: 4, ack: 1, data: "evil", opt: withTS(50, 900)})
	r.wantEvents("pkt_invalid_timestamp")
	r.send(pkt{fl: ack, seq: 4, ack: 1, data: "good", opt: withTS(103, 900)})
	r.ack(7)
	r.want(toServer, "abcgood")
	r.shutdown()
}

func TestPAWSAfterIdle(t *testing.T) {
	r := newRig(t, DefaultConfig())
	r.send(pkt{fl: syn, opt: withTS(100, 0)})
	r.send(pkt{d: toClient, fl: synack, ack: 1, opt: withTS(900, 100)})
	r.send(pkt{fl: ack, seq: 1, ack: 1, opt: withTS(101, 900)})
	u, p := r.u, r.p
	p.Time += 25 * 24 * 3600 * 1e9
	p.TCP.TSVal = 50
	u.Packet = &p
	r.tr.Packet(&u)
	if p.Events.Has(decode.EvStreamPacketInvalidTimestamp) {
		t.Error("after 24 days a smaller timestamp is valid (RFC 7323 section 5.5)")
	}
}

func TestSynQueue(t *testing.T) {
	r := newRig(t, DefaultConfig())
	r.send(pkt{fl: syn, seq: 0, opt: withTS(100, 0)})
	r.send(pkt{fl: syn, seq: 50, opt: withTS(200, 0)})
	r.send(pkt{fl: syn, seq: 90, opt: withTS(300, 0)})
	r.send(pkt{d: toClient, fl: synack, ack: 51, opt: withTS(900, 200)}) // answers the second
	r.wantEvents()
	r.send(pkt{fl: ack, seq: 51, ack: 1, data: "x", opt: withTS(201, 900)})
	if r.state() != Established {
		t.Errorf("state %v", r.state())
	}
	r.shutdown()

	cfg := DefaultConfig()
	cfg.MaxSynQueued = 3
	r = newRig(t, cfg)
	for i := range uint32(5) {
		r.send(pkt{fl: syn, seq: 10 * i, opt: withTS(100+i, 0)})
	}
	r.wantEvents("3whs_syn_flood")
	r.shutdown()
}

func TestSynAckQueue(t *testing.T) {
	r := newRig(t, DefaultConfig())
	r.send(pkt{fl: syn})
	r.send(pkt{d: toClient, fl: synack, seq: 0, ack: 1})
	r.send(pkt{d: toClient, fl: synack, seq: 700, ack: 1}) // another SYN/ACK
	r.wantEvents()
	r.send(pkt{fl: ack, seq: 1, ack: 701}) // answers the second
	r.wantEvents()
	if r.state() != Established {
		t.Errorf("state %v", r.state())
	}
	r.send(pkt{d: toClient, fl: ack, seq: 701, ack: 1, data: "x"})
	r.send(pkt{fl: ack, seq: 1, ack: 702})
	r.want(toClient, "x")
	r.shutdown()

	r = newRig(t, DefaultConfig())
	r.send(pkt{fl: syn})
	for i := range uint32(7) {
		r.send(pkt{d: toClient, fl: synack, seq: 100 * i, ack: 1})
	}
	r.wantEvents("3whs_synack_flood")
	r.shutdown()
}

func TestMidstream(t *testing.T) {
	cfg := DefaultConfig()
	cfg.Midstream = true
	t.Run("data", func(t *testing.T) {
		r := newRig(t, cfg)
		r.data(0, "GET")
		if r.state() != Established || !r.f.Has(flow.Midstream) || r.out.Exceptions != OnMidstream {
			t.Errorf("state %v, exceptions %v", r.state(), r.out.Exceptions)
		}
		r.ack(3)
		r.want(toServer, "GET")
		r.shutdown()
		if r.tr.Counters()[CountMidstream] != 1 {
			t.Error("not counted")
		}
	})
	t.Run("syn/ack", func(t *testing.T) {
		r := newRig(t, cfg)
		r.send(pkt{d: toClient, fl: synack, ack: 1})
		if !r.out.Swapped || !r.f.Has(flow.Reversed) || r.u.Dir != toClient || r.f.SrcPort != 1234 {
			t.Errorf("swapped %v, direction %v, client port %d", r.out.Swapped, r.u.Dir, r.f.SrcPort)
		}
		r.send(pkt{fl: ack, seq: 1, ack: 1})
		r.data(0, "GET")
		r.ack(3)
		r.want(toServer, "GET")
		r.shutdown()
	})
	t.Run("policy", func(t *testing.T) {
		c := cfg
		c.MidstreamPolicy = ExceptionDropFlow
		r := newRig(t, c)
		r.data(0, "GET")
		if r.state() != None || r.out.Exceptions != OnMidstream {
			t.Errorf("state %v, exceptions %v", r.state(), r.out.Exceptions)
		}
		r.shutdown()
	})
}

func TestAsync(t *testing.T) {
	cfg := DefaultConfig()
	cfg.AsyncOne = true
	r := newRig(t, cfg)
	r.send(pkt{fl: syn})
	r.send(pkt{fl: ack, seq: 1, ack: 1})
	if r.state() != Established || !r.f.Has(flow.Async) {
		t.Fatalf("state %v", r.state())
	}
	r.data(0, "one")
	r.data(3, "two")
	r.want(toServer, "onetwo") // nobody will acknowledge
	r.shutdown()
}

func TestReuse(t *testing.T) {
	r := newRig(t, DefaultConfig())
	r.open()
	id := r.f.ID
	r.send(pkt{fl: rst, seq: 1})
	r.send(pkt{fl: syn, seq: 0}) // the same SYN once more
	if r.f.ID != id {
		t.Error("a repeated SYN began a new flow")
	}
	r.send(pkt{fl: syn, seq: 9999})
	if r.f.ID == id || r.state() != SynSent {
		t.Errorf("the flow was not replaced; state %v", r.state())
	}
	if r.flows.Counters()[flow.CountTCPReuse] != 1 {
		t.Error("not counted")
	}
	r.shutdown()
}

func TestDepth(t *testing.T) {
	cfg := DefaultConfig()
	cfg.Depth = 10
	r := newRig(t, cfg)
	r.open()
	r.data(0, "12345678")
	r.data(8, "90")
	r.ack(10)
	r.wantEvents()
	r.want(toServer, "1234567890")
	r.data(10, "x")
	r.wantEvents("reassembly_depth_reached")
	r.ack(11)
	r.data(11, "y")
	r.wantEvents() // said once
	r.shutdown()
	r.want(toServer, "1234567890")
	if r.tr.Counters()[CountDepth] != 1 {
		t.Error("not counted once")
	}
}

func TestUrgent(t *testing.T) {
	urg := func(n uint16) func(p *decode.Packet) { return func(p *decode.Packet) { p.TCP.Urgent = n } }
	for _, c := range []struct {
		policy Urgent
		want   string
	}{{UrgentInline, "abcXdef"}, {UrgentOOB, "abcdef"}} {
		cfg := DefaultConfig()
		cfg.UrgentPolicy = c.policy
		r := newRig(t, cfg)
		r.open()
		r.send(pkt{fl: ack | decode.URG, seq: 1, ack: 1, data: "abcX", opt: urg(4)})
		r.send(pkt{fl: ack, seq: 5, ack: 1, data: "def"})
		r.ack(7)
		r.shutdown()
		r.want(toServer, c.want)
	}
	cfg := DefaultConfig()
	cfg.UrgentPolicy, cfg.Inline = UrgentDrop, true
	r := newRig(t, cfg)
	r.open()
	r.send(pkt{fl: ack | decode.URG, seq: 1, ack: 1, data: "abcX", opt: urg(4)})
	if r.out.Drop != DropUrgent {
		t.Errorf("drop %v", r.out.Drop)
	}
}

func TestFastOpen(t *testing.T) {
	tfo := func(p *decode.Packet) { p.TCP.Opts |= decode.OptFastOpen }
	r := newRig(t, DefaultConfig())
	r.send(pkt{fl: syn, data: "GET /", opt: tfo})
	if !r.out.Established {
		t.Error("data in a SYN is for rules on streams, too")
	}
	r.send(pkt{d: toClient, fl: synack, ack: 6})
	r.wantEvents()
	r.send(pkt{fl: ack, seq: 6, ack: 1})
	r.send(pkt{d: toClient, fl: ack, seq: 1, ack: 6, data: "OK"})
	r.want(toServer, "GET /")
	r.shutdown()

	r = newRig(t, DefaultConfig())
	r.send(pkt{fl: syn, data: "GET /", opt: tfo})
	r.send(pkt{d: toClient, fl: synack, ack: 1})
	r.wantEvents("3whs_synack_tfo_data_ignored")
	r.shutdown()
}

func TestForgedReset(t *testing.T) {
	r := newRig(t, DefaultConfig())
	r.open()
	r.send(pkt{fl: rst, seq: 1, opt: func(p *decode.Packet) { p.TCP.Opts = decode.OptMD5 }})
	if r.state() != Closed {
		t.Fatalf("state %v", r.state())
	}
	r.send(pkt{fl: ack, seq: 1, ack: 1, data: "it was not me"}) // a real RST would be its sender's last word
	if r.state() != Established {
		t.Errorf("state %v", r.state())
	}
	r.wantEvents("suspected_rst_inject")
	r.shutdown()
}

func TestResetPolicy(t *testing.T) {
	for _, c := range []struct {
		p     Policy
		seq   uint32 // 1 is next
		close bool
	}{
		{PolicyWindows, 1, true}, {PolicyWindows, 2, false}, {PolicyBSD, 100, false}, {PolicyLinux, 100, true},
		{PolicySolaris, 100, true}, {PolicyLinux, 1 + 2*win, false}, {PolicyHPUX11, 1 + 2*win, true}, {PolicyHPUX11, 0, false},
	} {
		r := newRig(t, policyConfig(c.p))
		r.open()
		r.send(pkt{d: toClient, fl: ack, seq: 1, ack: 1, data: "x"}) // sets the window of the client
		r.send(pkt{fl: rst, seq: c.seq})
		if got := r.state() == Closed; got != c.close {
			t.Errorf("%v, seq %d: closed %v", c.p, c.seq, got)
		}
		r.shutdown()
	}
}

func TestSACK(t *testing.T) {
	r := newRig(t, DefaultConfig())
	ok := func(p *decode.Packet) { p.TCP.Opts |= decode.OptSACKPermitted }
	r.send(pkt{fl: syn, opt: ok})
	r.send(pkt{d: toClient, fl: synack, ack: 1, opt: ok})
	r.send(pkt{fl: ack, seq: 1, ack: 1})
	if r.tr.Session(r.f).Flags&SACK == 0 {
		t.Error("SACK is not permitted")
	}
	r.data(10, strings.Repeat("a", 10))
	r.data(30, strings.Repeat("a", 10))
	s := &r.tr.Session(r.f).Stream[0]
	for _, c := range []struct {
		blocks [][2]uint32
		ack    uint32
		size   uint32
	}{
		{[][2]uint32{{10, 20}}, 0, 10},
		{[][2]uint32{{30, 40}}, 0, 20},
		{[][2]uint32{{20, 30}}, 0, 30}, // joins the two
		{[][2]uint32{{12, 15}}, 0, 30},
		{nil, 15, 25},
		{nil, 41, 0},
	} {
		r.send(pkt{d: toClient, fl: ack, seq: 1, ack: 1 + c.ack, opt: withSACK(r, toServer, c.blocks...)})
		if s.sackSize != c.size {
			t.Errorf("%v, ack %d: %d bytes in the list, want %d", c.blocks, c.ack, s.sackSize, c.size)
		}
	}
	r.shutdown()
}

func TestKeepAlive(t *testing.T) {
	r := newRig(t, DefaultConfig())
	r.open()
	r.data(0, "abc")
	r.ack(3)
	r.send(pkt{fl: ack, seq: 3, ack: 1})
	if r.out.Flags&KeepAlive == 0 {
		t.Error("keep-alive is not seen")
	}
	r.ack(3)
	if r.out.Flags&KeepAliveAck == 0 {
		t.Error("its ACK is not seen")
	}
	r.send(pkt{fl: ack, seq: 3, ack: 1, data: "c"}) // with one byte of garbage
	if r.out.Flags&KeepAlive == 0 {
		t.Error("keep-alive with a byte is not seen")
	}
	r.shutdown()
	r.want(toServer, "abc")
}

func TestZeroWindowProbe(t *testing.T) {
	r := newRig(t, DefaultConfig())
	r.open()
	zero := func(p *decode.Packet) { p.TCP.Window = 0 }
	r.data(0, "abc")
	r.send(pkt{d: toClient, fl: ack, seq: 1, ack: 4, opt: zero})
	r.data(3, "d")
	if r.out.Flags&ZeroWindowProbe == 0 {
		t.Error("probe is not seen")
	}
	r.send(pkt{d: toClient, fl: ack, seq: 1, ack: 4, opt: zero})
	if r.out.Flags&ZeroWindowProbeAck == 0 {
		t.Error("its ACK is not seen")
	}
	r.ack(3)
	r.data(3, "def")
	r.ack(6)
	r.shutdown()
	r.want(toServer, "abcdef")
}
