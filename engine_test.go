package sentinel

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2/hpack"

	"sentinel/capture"
	"sentinel/capture/pcapfile"
	"sentinel/capture/sim"
	"sentinel/internal/jsonw"
	"sentinel/stream/app"
)

// A packet that is injected is judged, and its events are out, before Inject returns.
func TestInject(t *testing.T) {
	w := &watch{t: t}
	e := w.engine(Options{IPS: true, Rules: `drop udp any any -> any any (msg:"bad"; content:"bad"; sid:1;)
alert udp any any -> any any (msg:"all"; dsize:>0; sid:2;)`})
	for i, c := range []struct {
		payload string
		pass    bool
		alerts  map[int]int
	}{{"good", true, map[int]int{2: 1}}, {"bad", false, map[int]int{1: 1, 2: 2}}, {"fine", true, map[int]int{1: 1, 2: 3}}} {
		frame := datagramFrame(t, "10.0.0.1", 1000, "10.0.0.2", 2000, c.payload)
		pass, err := e.Inject(frame, capture.LinkEthernet, epoch.Add(time.Duration(i)*time.Second))
		if err != nil || pass != c.pass {
			t.Errorf("%s: pass %v, %v", c.payload, pass, err)
		}
		for j := range frame {
			frame[j] = 0xCC // not kept
		}
		if got := w.sids(); fmt.Sprint(got) != fmt.Sprint(c.alerts) {
			t.Errorf("%s: alerts %v, want %v", c.payload, got, c.alerts)
		}
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	flows := w.of("flow")
	if len(flows) != 1 || flows[0].Flow.ToServer != 3 || flows[0].Flow.Reason != "shutdown" {
		t.Errorf("flows %+v", flows)
	}
	if _, err := e.Inject(nil, capture.LinkEthernet, epoch); err == nil {
		t.Error("a closed engine takes packets")
	}
	if err := e.Run(t.Context(), sim.New()); err == nil {
		t.Error("a closed engine runs")
	}
}

// Nonsense does no harm.
func TestInjectNonsense(t *testing.T) {
	w := &watch{t: t}
	e := w.engine(Options{})
	frame := datagramFrame(t, "10.0.0.1", 1000, "10.0.0.2", 53, strings.Repeat("\xff", 60))
	for n := range frame {
		for _, link := range []capture.LinkType{capture.LinkEthernet, capture.LinkRaw, capture.LinkSLL, capture.LinkNull, 9999} {
			if _, err := e.Inject(frame[:n], link, epoch); err != nil {
				t.Fatal(err)
			}
		}
	}
	if n := e.Counters()["decoder.pkts"]; n != 0 && n < uint64(len(frame)) {
		t.Errorf("%d packets", n)
	}
}

// A reload in the middle of a run: the flow goes on, the old rules end and the new ones begin with the next packet. Variables of flows
// go, bits of hosts stay (Suricata: Detect frees a flow's variables when its version of the rules is another).
func TestReloadInTheMiddle(t *testing.T) {
	const (
		before = `alert tcp any any -> any any (msg:"first"; flow:to_server; content:"first"; dsize:<100; flowbits:set,seen; xbits:set,host,track ip_src; sid:1;)
alert tcp any any -> any any (msg:"old"; flow:to_server; content:"second"; dsize:<100; sid:2;)
`
		after = `alert tcp any any -> any any (msg:"new"; flow:to_server; content:"second"; dsize:<100; sid:3;)
alert tcp any any -> any any (msg:"bit of the flow"; flow:to_server; content:"second"; dsize:<100; flowbits:isset,seen; sid:4;)
alert tcp any any -> any any (msg:"bit of the host"; flow:to_server; content:"second"; dsize:<100; xbits:isset,host,track ip_src; sid:5;)
alert tcp any any -> any any (msg:"first"; flow:to_server; content:"never"; dsize:<100; flowbits:set,seen; xbits:set,host,track ip_src; sid:6;)
`
	)
	for _, m := range modes {
		t.Run(m.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "test.rules")
			write := func(text string) {
				if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
					t.Error(err)
				}
			}
			write(before)
			w := &watch{t: t}
			e := w.engine(Options{RunMode: m.mode, Workers: m.workers, RuleFiles: []string{file}})
			const flows = 8
			var script, rest []sim.Step
			for i := range flows {
				s := newSession(t, fmt.Sprintf("10.0.0.%d", i+1), 1000+i, "10.9.9.9", 5000, 100*i)
				script = append(script, s.open()...)
				script = append(script, s.say(0, "first ")...)
				s.ms += 1000
				rest = append(rest, s.say(0, "second ")...)
				rest = append(rest, s.close()...)
			}
			script = append(script, sim.Drain(), sim.Do(func() {
				write(after)
				if err := e.Reload(); err != nil {
					t.Error(err)
				}
				write("alert nonsense\n")
			}))
			script = append(script, rest...)
			w.play(e, script...)
			if got, want := fmt.Sprint(w.sids()), fmt.Sprint(map[int]int{1: flows, 3: flows, 5: flows}); got != want {
				t.Errorf("alerts %v, want %v", got, want)
			}
			list := w.of("flow")
			for _, f := range list {
				if f.Flow.ToServer != 6 || f.Flow.ToClient != 4 {
					t.Errorf("flow has %d and %d packets, want 6 and 4", f.Flow.ToServer, f.Flow.ToClient)
				}
			}
			if len(list) != flows {
				t.Errorf("%d flows, want %d", len(list), flows)
			}
		})
	}
}

// Rulesets that nobody uses any more are given up, whatever order reloads and idle workers come in.
func TestReloadsInARow(t *testing.T) {
	w := &watch{t: t}
	e := w.engine(Options{RunMode: "autofp", Workers: 4, Rules: `alert udp any any -> any any (msg:"x"; content:"word"; sid:1;)`})
	var script []sim.Step
	for i := range 40 {
		for k := range 20 {
			script = append(script, sim.Packet(datagramFrame(t, "10.0.0.1", 1000+k, "10.0.0.2", 2000, "a word"), at(100*i+k)))
		}
		script = append(script, sim.Do(func() {
			if err := e.Reload(); err != nil {
				t.Error(err)
			}
			e.judges.mu.Lock()
			defer e.judges.mu.Unlock()
			if n := len(e.judges.using); n > 5 {
				t.Errorf("%d rulesets for 4 workers", n)
			}
		}))
	}
	src := sim.New(script...)
	if err := e.Run(t.Context(), src); err != nil {
		t.Fatal(err)
	}
	if n := w.sids()[1]; n != 800 {
		t.Errorf("%d alerts, want 800", n)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if len(e.judges.using) != 0 {
		t.Errorf("%d rulesets are in use after the end", len(e.judges.using))
	}
}

// A reload that fails leaves the running rules alone.
func TestReloadFails(t *testing.T) {
	file := filepath.Join(t.TempDir(), "test.rules")
	if err := os.WriteFile(file, []byte(`alert udp any any -> any any (msg:"x"; content:"word"; sid:1;)`), 0o600); err != nil {
		t.Fatal(err)
	}
	w := &watch{t: t}
	e := w.engine(Options{RuleFiles: []string{file}})
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if err := e.Reload(); err == nil {
		t.Error("a rule file that is missing is no error")
	}
	if _, err := e.Inject(datagramFrame(t, "10.0.0.1", 1000, "10.0.0.2", 2000, "a word"), capture.LinkEthernet, epoch); err != nil {
		t.Fatal(err)
	}
	if n := w.sids()[1]; n != 1 {
		t.Errorf("%d alerts, want 1", n)
	}
}

// Run may be called again: counters go on, flows begin anew, and nothing stays of earlier workers.
func TestRunAgain(t *testing.T) {
	for _, m := range modes {
		t.Run(m.name, func(t *testing.T) {
			w := &watch{t: t}
			e := w.engine(Options{RunMode: m.mode, Workers: m.workers, Rules: `alert udp any any -> any any (msg:"x"; content:"word"; sid:1;)`})
			before := runtime.NumGoroutine()
			for run := 1; run <= 5; run++ {
				src := sim.New(sim.Packet(datagramFrame(t, "10.0.0.1", 1000, "10.0.0.2", 2000, "a word"), at(0)))
				if err := e.Run(t.Context(), src); err != nil {
					t.Fatal(err)
				}
				if n, c := w.sids()[1], e.Counters(); n != run || c["decoder.pkts"] != uint64(run) || c["detect.alert"] != uint64(run) {
					t.Errorf("run %d: %d alerts, %d packets, %d alerts counted", run, n, c["decoder.pkts"], c["detect.alert"])
				}
				if s := e.Summary(); s.Packets != uint64(run) {
					t.Errorf("run %d: summary of %d packets", run, s.Packets)
				}
				if len(e.workers) != m.workers {
					t.Errorf("%d workers", len(e.workers))
				}
			}
			if n := len(w.of("flow")); n != 5 {
				t.Errorf("%d flows, want 5", n)
			}
			// A goroutine that has signalled its end may still be on its way out.
			n := runtime.NumGoroutine()
			for wait := time.Now().Add(5 * time.Second); n > before && time.Now().Before(wait); n = runtime.NumGoroutine() {
				time.Sleep(time.Millisecond)
			}
			if n > before {
				t.Errorf("%d goroutines, %d before", n, before)
			}
		})
	}
}

// An error of the source ends the run, and what came before it is judged.
func TestSourceFails(t *testing.T) {
	for _, m := range modes {
		t.Run(m.name, func(t *testing.T) {
			w := &watch{t: t}
			e := w.engine(Options{RunMode: m.mode, Workers: m.workers, Rules: `alert udp any any -> any any (msg:"x"; sid:1;)`})
			broken := errors.New("cable cut")
			src := sim.New(sim.Packet(datagramFrame(t, "10.0.0.1", 1000, "10.0.0.2", 2000, "x"), at(0)), sim.Fail(broken))
			if err := e.Run(t.Context(), src); !errors.Is(err, broken) {
				t.Errorf("error %v", err)
			}
			if n := w.sids()[1]; n != 1 || src.Outstanding() != 0 {
				t.Errorf("%d alerts, %d frames are out", n, src.Outstanding())
			}
		})
	}
}

// Of a network, what has arrived when the run is to end is judged still; of a file no more is read.
func TestEndOfRun(t *testing.T) {
	for _, m := range modes {
		for _, live := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s live %v", m.name, live), func(t *testing.T) {
				w := &watch{t: t}
				e := w.engine(Options{RunMode: m.mode, Workers: m.workers, Rules: `alert udp any any -> any any (msg:"x"; content:"x"; sid:1;)`})
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				var script []sim.Step
				for i := range 3 {
					script = append(script, sim.Packet(datagramFrame(t, "10.0.0.1", 1000+i, "10.0.0.2", 2000, "x"), at(i)), sim.Idle(10*time.Millisecond))
					if i == 0 {
						script = append(script, sim.Do(cancel), sim.Idle(10*time.Millisecond))
					}
				}
				// What the network brings from now on is not waited for.
				future := time.Now().Add(time.Hour).UnixNano()
				script = append(script, sim.Packet(datagramFrame(t, "10.0.0.1", 3000, "10.0.0.2", 2000, "x"), future), sim.Idle(time.Second),
					sim.Packet(datagramFrame(t, "10.0.0.1", 3001, "10.0.0.2", 2000, "x"), future))
				src := sim.New(script...)
				var from capture.Source = src
				want := 1
				if live {
					from, want = struct{ capture.Source }{src}, 4 // without a clock of its own
				}
				if err := e.Run(ctx, from); err != nil {
					t.Error(err)
				}
				if n := w.sids()[1]; n != want {
					t.Errorf("%d alerts, want %d", n, want)
				}
				if err := src.Err(); err != nil || src.Outstanding() != 0 {
					t.Errorf("%d frames are out, %v", src.Outstanding(), err)
				}
			})
		}
	}
}

// A network whose frames have the time at which they are read: what waits in it when the run is to end is judged, however much it is.
func TestEndOfRunWithBacklog(t *testing.T) {
	for _, m := range modes {
		t.Run(m.name, func(t *testing.T) {
			w := &watch{t: t}
			e := w.engine(Options{RunMode: m.mode, Workers: m.workers, Rules: `alert udp any any -> any any (msg:"x"; content:"x"; sid:1;)`})
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			const waiting = 3*loanFrames + 10
			read := time.Now().Add(time.Hour).UnixNano() // after the end was asked for
			var script []sim.Step
			for i := range waiting {
				script = append(script, sim.Packet(datagramFrame(t, "10.0.0.1", 1000+i, "10.0.0.2", 2000, "x"), read))
			}
			src := sim.New(append(script, sim.Idle(time.Second))...)
			if err := e.Run(ctx, struct{ capture.Source }{src}); err != nil {
				t.Error(err)
			}
			if n := w.sids()[1]; n != waiting || src.Outstanding() != 0 {
				t.Errorf("%d alerts, want %d; %d frames are out", n, waiting, src.Outstanding())
			}
			if now := src.Now(); now > read+int64(500*time.Millisecond) {
				t.Errorf("the engine has waited for %v", time.Duration(now-read))
			}
		})
	}
}

// playFile plays one of our captures, and returns what the engine told.
func playFile(t *testing.T, name, mode string, workers int, rules string) *watch {
	t.Helper()
	w := &watch{t: t}
	e := w.engine(Options{RunMode: mode, Workers: workers, Rules: rules, Checksums: "none"})
	src, err := pcapfile.Open(filepath.Join("qa", "pcaps", name), pcapfile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	if err := e.Run(t.Context(), src); err != nil {
		t.Fatal(err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	return w
}

// The second session of the capture goes over to TLS: what came before is SMTP, what comes after is TLS.
func TestProtocolChange(t *testing.T) {
	for _, m := range modes {
		t.Run(m.name, func(t *testing.T) {
			w := playFile(t, "smtp.pcap", m.mode, m.workers, `alert smtp any any -> any any (msg:"mail"; flow:to_server; content:"MAIL FROM"; sid:1;)
alert smtp any any -> any any (msg:"asks for TLS"; flow:to_server; content:"STARTTLS"; sid:2;)
alert tls any any -> any any (msg:"TLS"; flow:to_server; tls.sni; content:"."; sid:3;)`)
			var apps []string
			for _, f := range w.of("flow") {
				if f.App != "dns" {
					apps = append(apps, f.App)
				}
			}
			slices.Sort(apps)
			if !slices.Equal(apps, []string{"smtp", "tls"}) {
				t.Errorf("flows of %v, want smtp and tls", apps)
			}
			if s := w.sids(); s[1] == 0 || s[2] == 0 || len(w.of("tls")) != 1 {
				t.Errorf("alerts %v, %d TLS events", s, len(w.of("tls")))
			}
		})
	}
}

// Streams of HTTP/2 are answered in another order than they were asked in: each answer belongs to its question.
func TestTransactionsOutOfOrder(t *testing.T) {
	// A frame is its length, type, flags and stream (RFC 9113, 4.1).
	const data, headers, settings, endStream, endHeaders = 0, 1, 4, 1, 4
	frame := func(b *bytes.Buffer, typ, flags byte, id uint32, payload []byte) {
		h := binary.BigEndian.AppendUint32(nil, uint32(len(payload))<<8|uint32(typ))
		b.Write(binary.BigEndian.AppendUint32(append(h, flags), id))
		b.Write(payload)
	}
	var ask, answer, block bytes.Buffer
	enc := [2]*hpack.Encoder{hpack.NewEncoder(&block), hpack.NewEncoder(&block)}
	fields := func(side int, list ...string) []byte {
		block.Reset()
		for i := 0; i < len(list); i += 2 {
			if err := enc[side].WriteField(hpack.HeaderField{Name: list[i], Value: list[i+1]}); err != nil {
				t.Fatal(err)
			}
		}
		return block.Bytes()
	}
	ask.WriteString("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
	frame(&ask, settings, 0, 0, nil)
	for _, id := range []uint32{1, 3, 5} {
		frame(&ask, headers, endStream|endHeaders, id, fields(0, ":method", "GET", ":scheme", "http", ":path", fmt.Sprintf("/%d", id),
			":authority", "www.example.com"))
	}
	frame(&answer, settings, 0, 0, nil)
	for _, id := range []uint32{5, 1, 3} {
		frame(&answer, headers, endHeaders, id, fields(1, ":status", fmt.Sprint(200+id), "content-type", "text/plain"))
	}
	for _, id := range []uint32{3, 5, 1} {
		frame(&answer, data, endStream, id, []byte(fmt.Sprintf("body %d", id)))
	}
	for _, m := range modes {
		t.Run(m.name, func(t *testing.T) {
			w := &watch{t: t}
			e := w.engine(Options{RunMode: m.mode, Workers: m.workers, Set: []string{"app-layer.protocols.http2.enabled=yes"},
				Rules: `alert http2 any any -> any any (msg:"asked"; http.uri; content:"/3"; sid:1;)
alert http2 any any -> any any (msg:"answered"; flow:to_client; http.stat_code; content:"205"; sid:2;)`})
			s := newSession(t, "10.0.0.1", 1000, "10.0.0.2", 80, 0)
			script := s.open()
			script = append(script, s.say(0, ask.String())...)
			script = append(script, s.say(1, answer.String())...)
			script = append(script, s.close()...)
			w.play(e, script...)
			got := map[string]int{}
			for _, h := range w.of("http") {
				got[h.HTTP.URL] = h.HTTP.Status
			}
			if want := map[string]int{"/1": 201, "/3": 203, "/5": 205}; fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("answers %v, want %v", got, want)
			}
			if a := w.sids(); a[1] != 1 || a[2] != 1 {
				t.Errorf("alerts %v, want each once", a)
			}
		})
	}
}

const panicRules = `alert panicky any any -> any any (msg:"buffer"; panicky.word; content:"x"; sid:1;)
alert tcp any any -> any any (msg:"raw"; flow:to_server; content:"hello"; sid:2;)
`

// panicky is a protocol with a bug in each of its parts.
func panicky() *app.Protocol {
	return &app.Protocol{
		Name: "panicky", Transport: app.TCP,
		Patterns: []app.Pattern{{Transport: app.TCP, Dir: app.ToServer, Data: "PANIC "}},
		Setup: func(app.Settings) (func() app.Parser, error) {
			return func() app.Parser { return new(panicParser) }, nil
		},
		States:  [2][]string{{"begun", "done"}, {"begun", "done"}},
		Buffers: []app.Buffer{app.Bytes("panicky.word", "a word", app.At(app.ToServer, 1), func(t *panicTx, _ app.Dir, _ *app.Scratch) []byte { return t.buffer() })},
		Log: func(tx app.Transaction, b *jsonw.Builder, _ *app.LogOptions) bool {
			if tx.(*panicTx).where == "log" {
				panic("in the logger")
			}
			b.String("where", tx.(*panicTx).where)
			return true
		},
	}
}

type panicTx struct {
	app.Tx
	where string
}

func (t *panicTx) buffer() []byte {
	if t.where == "buffer" {
		panic("in a buffer")
	}
	return []byte(t.where)
}

type panicParser struct {
	tx   panicTx
	live bool
}

func (p *panicParser) Parse(in *app.Input) app.Result {
	if word, ok := strings.CutPrefix(string(in.Data), "PANIC "); ok {
		p.tx.where = word
	}
	switch {
	case p.tx.where == "parser":
		var none []byte
		_ = none[len(in.Data)]
	case p.tx.where == "end" && in.EOF:
		panic("at the end")
	}
	if p.tx.ID == 0 {
		p.tx.ID, p.live = 1, true
	}
	if p.tx.where != "end" && p.tx.where != "free" {
		p.tx.Progress = [2]uint8{1, 1}
	}
	return app.Result{Consumed: len(in.Data)}
}

func (p *panicParser) Next(after uint64) (app.Transaction, bool) { return &p.tx, p.live && after < 1 }

func (p *panicParser) Free(uint64) {
	if p.tx.where == "free" {
		panic("in free")
	}
	p.live = false
}

// A bug stays in its flow, wherever it is: it is counted and told of once, the flow is not inspected any more, and other flows are.
func TestBugsStayInTheirFlow(t *testing.T) {
	for _, m := range modes {
		for _, where := range []string{"none", "parser", "buffer", "log", "end", "free"} {
			t.Run(m.name+" "+where, func(t *testing.T) {
				w := &watch{t: t}
				e := w.engine(Options{RunMode: m.mode, Workers: m.workers, more: []*app.Protocol{panicky()}, Rules: panicRules,
					Config: []byte("%YAML 1.1\n---\noutputs:\n  - eve-log:\n      enabled: yes\n      types: [alert, flow, panicky]\n")})
				const bugs = 6
				var script []sim.Step
				for i := range bugs {
					s := newSession(t, fmt.Sprintf("10.0.0.%d", i+1), 1000+i, "10.9.9.9", 5000, 100*i)
					script = append(script, s.open()...)
					script = append(script, s.say(0, "PANIC "+where)...)
					script = append(script, s.say(1, "reply")...)
					script = append(script, s.say(0, "more")...)
					good := newSession(t, fmt.Sprintf("10.0.1.%d", i+1), 1000+i, "10.9.9.9", 5000, 100*i)
					script = append(script, good.open()...)
					script = append(script, good.say(0, "hello")...)
					script = append(script, good.close()...)
				}
				w.play(e, script...)
				want := uint64(bugs)
				if where == "none" {
					want = 0
				}
				if n := e.Counters()["sentinel.caught_panics"]; n != want {
					t.Errorf("%d bugs were caught, want %d\n%s", n, want, w.log.String())
				}
				if n := strings.Count(w.log.String(), "a bug was caught"); (n > 0) != (want > 0) || n > m.workers {
					t.Errorf("the log tells %d times", n)
				}
				if want > 0 && !strings.Contains(w.log.String(), `"place":"sentinel.`) {
					t.Errorf("the log does not name the place: %s", w.log.String())
				}
				if n := w.sids()[2]; n != bugs {
					t.Errorf("%d alerts in other flows, want %d", n, bugs)
				}
				good := 0
				for _, f := range w.of("flow") {
					if strings.HasPrefix(f.SrcIP, "10.0.1.") {
						good++
					}
				}
				if good != bugs {
					t.Errorf("%d records of other flows, want %d", good, bugs)
				}
			})
		}
	}
}
