package eve_test

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"testing"

	"sentinel/capture"
	"sentinel/capture/pcapfile"
	"sentinel/decode"
	"sentinel/detect"
	"sentinel/eve"
	"sentinel/internal/conf"
	"sentinel/rules"
	"sentinel/stream"
	"sentinel/stream/app"
	"sentinel/stream/app/dns"
	"sentinel/stream/app/http1"
	"sentinel/stream/app/tls"
	"sentinel/stream/defrag"
	"sentinel/stream/flow"
	"sentinel/stream/tcp"
)

var registry = app.NewRegistry([]*app.Protocol{http1.Protocol(), tls.Protocol(), dns.Protocol()}, nil)

func tree(t testing.TB, text string) *conf.Node {
	t.Helper()
	c, _, err := conf.Parse([]byte(text), "test.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return c.Root()
}

// engine is a worker without detection: rules finds the alerts.
type engine struct {
	t      testing.TB
	stream *stream.Engine
	out    *eve.Worker
	stack  *decode.Stack
	frags  *defrag.Table
	rules  func(*stream.Unit) []detect.Alert
	count  uint64
	drop   bool // what the frame's tunnel carries is dropped
}

func newEngine(t testing.TB, out *eve.Output, root *conf.Node, ips bool, find func(*stream.Unit) []detect.Alert) *engine {
	t.Helper()
	c := stream.Config{Registry: registry, Root: root, IPS: ips, Files: out.FileFlags(), Wants: out.Wants, Checksums: stream.ChecksumNone,
		TCP: tcp.DefaultConfig()}
	c.Flow.Seed = 1
	c.TCP.Inline = ips
	e := &engine{t: t, rules: find, stack: decode.NewStack(decode.DefaultConfig()), frags: defrag.New(defrag.Config{})}
	var err error
	if e.stream, err = stream.New(c, e); err != nil {
		t.Fatal(err)
	}
	for id := flow.ProtoFirst; int(id) < registry.Len(); id++ {
		e.stream.SetLoggers(id, out.Mask(id))
	}
	e.out = out.NewWorker(0)
	t.Cleanup(e.stream.Close)
	return e
}

func (e *engine) Run(u *stream.Unit) {
	var alerts []detect.Alert
	if e.rules != nil {
		alerts = e.rules(u)
	}
	if e.drop && u.Packet.Root() == nil && !u.Has(stream.Pseudo) && u.Action&stream.DropPacket == 0 {
		u.Drop(stream.DropPacket, stream.DropInnerPacket)
	}
	e.out.Packet(u, alerts)
}

func (e *engine) FlowEnd(f *flow.Flow, s *stream.State, t *tcp.Session) { e.out.FlowEnd(f, s, t) }
func (e *engine) TxFree(*flow.Flow, *app.Tx)                            {}
func (e *engine) FlowFree(*flow.Flow)                                   {}

func (e *engine) frame(f *capture.Frame) {
	e.count++
	n := e.stack.Decode(f)
	for i := 0; i < n; i++ {
		if p := &e.stack.Packets[i]; p.Has(decode.Fragment) && !p.Has(decode.Invalid) {
			if d, done := e.frags.Add(p, f.Time); done {
				n = e.stack.DecodeDatagram(i, d, p.IPVersion == 6)
			}
		}
	}
	e.drop = false
	for i := n - 1; i >= 0; i-- {
		u := e.stream.Process(&e.stack.Packets[i], e.count, f.Time)
		e.drop = e.drop || u.Action&stream.DropPacket != 0
	}
}

func (e *engine) file(name string) {
	e.t.Helper()
	src, err := pcapfile.Open(filepath.Join("..", "qa", "pcaps", name), pcapfile.Options{})
	if err != nil {
		e.t.Fatal(err)
	}
	defer src.Close()
	batch := make([]capture.Frame, 32)
	for {
		n, err := src.Read(context.Background(), batch)
		if err == io.EOF {
			break
		}
		if err != nil {
			e.t.Fatal(err)
		}
		for i := range batch[:n] {
			e.frame(&batch[i])
		}
		if err := src.Release(batch[:n]); err != nil {
			e.t.Fatal(err)
		}
	}
	e.stream.Shutdown()
	if err := e.out.Flush(); err != nil {
		e.t.Fatal(err)
	}
}

// meta is the rules of testdata/events.rules and ips.rules, by sid.
func meta(t testing.TB, file string) map[uint32]*detect.Meta {
	t.Helper()
	list, errs := rules.ParseFile(filepath.Join("testdata", file))
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	sids := map[string]uint32{"1": 1, "2": 2, "3": 3, "4": 4, "7": 7}
	m := map[uint32]*detect.Meta{}
	for i := range list {
		r := &list[i]
		sid, _ := r.Get("sid")
		msg, _ := r.Get("msg")
		x := &detect.Meta{SID: sids[sid.Value], GID: 1, Priority: 3, Action: r.Action, Raw: r.Raw,
			Msg: string(bytes.Trim([]byte(msg.Value), `"`))}
		switch x.SID {
		case 1:
			x.Rev, x.Priority, x.ClassText, x.Target = 3, 2, "Potentially Bad Traffic", detect.DestIP
			x.Metadata = []detect.KeyValues{{Key: "tag", Values: []string{"one", "two"}}, {Key: "who", Values: []string{"me"}}}
		case 2:
			if _, ok := r.Get("reference"); ok {
				x.References = []detect.Reference{{Key: "url", URL: "https://example.com/x"}}
			}
		case 7:
			x.Target = detect.SrcIP
		}
		m[x.SID] = x
	}
	return m
}

// finder does the work of the few rules in testdata.
func finder(m map[uint32]*detect.Meta, ips bool) func(*stream.Unit) []detect.Alert {
	var alerts []detect.Alert
	return func(u *stream.Unit) []detect.Alert {
		alerts = alerts[:0]
		p := u.Packet
		add := func(sid uint32, f detect.AlertFlags, t app.Transaction) {
			r := m[sid]
			if r == nil || u.Flow.Has(flow.ActionDrop) {
				return
			}
			a := detect.Alert{Rule: r, Action: r.Action, Flags: f, Tx: t}
			if t != nil {
				t.Base().Alerted = true
				a.TxID = t.Base().ID
			}
			if r.Action == rules.Drop {
				u.Drop(stream.DropPacket, stream.DropRules)
				if t != nil {
					u.Flow.Flags |= flow.ActionDrop
				}
			}
			u.Flow.Flags |= flow.HasAlerts
			alerts = append(alerts, a)
		}
		if p.Is(decode.HasTCP) && p.TCP.Flags == decode.SYN && !u.Has(stream.Pseudo) {
			add(1, 0, nil)
		}
		if p.Is(decode.HasICMPv4) && p.ICMPType == 8 {
			add(4, 0, nil)
		}
		if s := u.App; s != nil && u.Dir == flow.ToServer {
			sid := map[string]uint32{"http1": 2, "tls": 7}[s.Proto.Name]
			for t, ok := s.Next(0); ok; t, ok = s.Next(t.Base().ID) {
				if !t.Base().Alerted && sid != 0 && s.Progress(t.Base(), flow.ToServer) > 0 {
					add(sid, detect.FromTx|detect.FromState, t)
				}
			}
		}
		if data, _, ok := u.Raw(); ok && m[3] != nil && bytes.Contains(data, []byte("HTTP/1.1 200")) {
			add(3, detect.FromStream, nil)
		}
		return alerts
	}
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
