package tls

import (
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sentinel/internal/conf"
	"sentinel/internal/jsonw"
	"sentinel/stream/app"
	"sentinel/stream/app/apptest"
	"sentinel/stream/flow"
)

// extended is the protocol with the event fields of "extended: yes".
func extended() *app.Protocol {
	p := Protocol()
	p.Log = func(tx app.Transaction, w *jsonw.Builder, o *app.LogOptions) bool {
		o.Flags = prepared | extendedFields | fieldResumed | logResumed
		return logTx(tx, w, o)
	}
	return p
}

func TestConversations(t *testing.T) { apptest.Run(t, extended(), "testdata/*.txt") }

type host struct {
	app.Host
	s app.Scratch
}

func (h *host) Frame(uint8, uint64, int64) *app.Frame { return nil }
func (h *host) OpenFrame(uint8) *app.Frame            { return nil }
func (h *host) Scratch() *app.Scratch                 { return &h.s }

func newParser(t testing.TB, section string) *parser {
	t.Helper()
	tree, _, err := conf.Parse([]byte("tls: {"+section+"}\n"), "x")
	if err != nil {
		t.Fatal(err)
	}
	mk, err := setup(app.Settings{Section: tree.Get("tls"), Warn: t.Logf})
	if err != nil {
		t.Fatal(err)
	}
	return mk().(*parser)
}

// feed gives the parser data, and the rest again as an engine would.
func feed(p *parser, d app.Dir, data string) (r app.Result) {
	in := app.Input{Flow: &flow.Flow{}, Data: []byte(data), Dir: d, Host: &host{}}
	return p.Parse(&in)
}

const (
	alertFatal   = "\x15\x03\x03\x00\x02\x02\x28"
	alertWarning = "\x15\x03\x03\x00\x02\x01\x00"
	application  = "\x17\x03\x03\x00\x04abcd"
	ccs          = "\x14\x03\x03\x00\x01\x01"
)

// The state and the wish for inspection follow from records alone (RFC 5246, RFC 8446; reference's encryption-handling).
func TestRecords(t *testing.T) {
	tests := []struct {
		name     string
		section  string
		dir      app.Dir
		data     string
		consumed int
		need     int
		status   app.Status
		flags    app.ResultFlags
		progress [2]uint8
		event    int // -1 = none
	}{
		{"part of a header", "", toServer, "\x16\x03\x01", 0, 5, app.OK, 0, [2]uint8{}, -1},
		{"part of a record", "", toServer, "\x16\x03\x01\x00\x10abc", 5, 16, app.OK, 0, [2]uint8{}, -1},
		{"part of application data", "", toClient, "\x17\x03\x03\x00\x10abc", 8, 0, app.OK, app.NoPayload,
			[2]uint8{0, serverHandshakeDone}, -1},
		{"application data", "", toServer, application, 9, 0, app.OK, app.NoPayload | app.TriggerRaw,
			[2]uint8{clientHandshakeDone, 0}, -1},
		{"bypass", "encryption-handling: bypass", toServer, application, 9, 0, app.OK,
			app.NoPayload | app.NoInspect | app.TriggerRaw | app.NoReassembly | app.BypassFlow, [2]uint8{clientHandshakeDone, 0}, -1},
		{"name of long ago", "encrypt-handling: bypass", toServer, application, 9, 0, app.OK, app.NoPayload | app.TriggerRaw,
			[2]uint8{clientHandshakeDone, 0}, -1},
		{"full", "encryption-handling: full", toServer, application, 9, 0, app.OK, app.TriggerRaw,
			[2]uint8{clientHandshakeDone, 0}, -1},
		{"client changes cipher", "", toServer, ccs, 6, 0, app.OK, app.TriggerRaw, [2]uint8{clientHandshakeDone, 0}, -1},
		{"server changes cipher", "", toClient, ccs, 6, 0, app.OK, app.TriggerRaw, [2]uint8{}, -1},
		{"fatal alert", "", toServer, alertFatal, 7, 0, app.OK, app.TriggerRaw, [2]uint8{clientFinished, serverFinished}, -1},
		{"warning", "", toServer, alertWarning, 7, 0, app.OK, app.TriggerRaw, [2]uint8{}, -1},
		{"short alert", "", toServer, "\x15\x03\x03\x00\x01\x02", 5, 0, app.Failed, 0, [2]uint8{}, int(evAlert)},
		{"unknown type", "", toServer, "\x19\x03\x03\x00\x01\x02", 0, 0, app.Failed, 0, [2]uint8{}, int(evRecordType)},
		{"empty record", "", toServer, "\x16\x03\x03\x00\x00", 0, 0, app.Failed, 0, [2]uint8{}, int(evRecordLength)},
		{"long record", "", toServer, "\x16\x03\x03\x44\x01", 0, 0, app.Failed, 0, [2]uint8{}, int(evRecordLength)},
		{"odd version", "", toServer, "\x16\x05\x03\x00\x10", 0, 0, app.Failed, 0, [2]uint8{}, int(evRecordVersion)},
		{"short handshake", "", toServer, "\x16\x03\x03\x00\x02ab", 5, 0, app.Failed, 0, [2]uint8{}, int(evRecord)},
		{"unknown handshake", "", toServer, "\x16\x03\x03\x00\x05\x63\x00\x00\x01a", 10, 0, app.OK, app.TriggerRaw, [2]uint8{},
			int(evHandshakeMessage)},
		{"server hello done", "", toClient, "\x16\x03\x03\x00\x04\x0e\x00\x00\x00", 9, 0, app.OK, app.TriggerRaw,
			[2]uint8{0, serverHelloDone}, -1},
		{"heartbeat overflow", "", toServer, "\x18\x03\x02\x00\x03\x01\x40\x00", 5, 0, app.Failed, 0, [2]uint8{},
			int(evOverflowHeartbeat)},
		{"heartbeat without padding", "", toServer, "\x18\x03\x02\x00\x04\x01\x00\x01a", 5, 0, app.Failed, 0, [2]uint8{},
			int(evInvalidHeartbeat)},
		{"heartbeat", "", toServer, "\x18\x03\x02\x00\x14\x01\x00\x01a0123456789abcdef", 25, 0, app.OK, app.TriggerRaw,
			[2]uint8{}, -1},
		{"heartbeat of unknown type", "", toServer, "\x18\x03\x02\x00\x03\x05\x00\x00", 5, 0, app.Failed, 0, [2]uint8{},
			int(evInvalidHeartbeat)},
		{"ssl2 hello", "", toServer, "\x80\x09\x01\x00\x02\x00\x00\x00\x00\x00\x00", 11, 0, app.OK, 0,
			[2]uint8{clientHelloDone, 0}, -1},
		{"ssl2 hello too short", "", toServer, "\x80\x03\x01\x00\x02", 0, 0, app.Failed, 0, [2]uint8{}, int(evRecord)},
		{"ssl2 empty", "", toServer, "\x80\x00\x01", 0, 0, app.Failed, 0, [2]uint8{}, int(evSSL2Header)},
		{"ssl2 error", "", toServer, "\x80\x03\x00\x00\x01", 5, 0, app.OK, 0, [2]uint8{}, int(evErrorMessage)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := newParser(t, tt.section)
			r := feed(p, tt.dir, tt.data)
			if r.Consumed != tt.consumed || r.Need != tt.need || r.Status != tt.status || r.Flags != tt.flags {
				t.Errorf("result %+v", r)
			}
			if p.tx.Progress != tt.progress {
				t.Errorf("progress %v, want %v", p.tx.Progress, tt.progress)
			}
			if tt.event >= 0 && !p.tx.Events.Has(uint8(tt.event)) || tt.event < 0 && !p.tx.Events.Empty() {
				t.Errorf("events %x", p.tx.Events)
			}
		})
	}
}

// CVE-2014-0160 after encryption began: the response is longer than the request.
func TestHeartbleedEncrypted(t *testing.T) {
	p := newParser(t, "")
	feed(p, toServer, ccs)
	feed(p, toServer, "\x18\x03\x02\x00\x03abc")
	if r := feed(p, toClient, "\x18\x03\x02\x00\x10abcdefghijklmnop"); r.Status != app.Failed || !p.tx.Events.Has(evHeartbeatLeak) {
		t.Errorf("result %+v, events %x", r, p.tx.Events)
	}
}

func TestUpdates(t *testing.T) {
	p := newParser(t, "")
	for i, tt := range []struct {
		data string
		want bool
	}{{ccs, true}, {application, false}, {application, false}, {alertWarning, true}} {
		p.tx.Updated = [2]bool{}
		feed(p, toServer, tt.data)
		if p.tx.Updated != [2]bool{tt.want, tt.want} {
			t.Errorf("%d: updated %v, want %v", i, p.tx.Updated, tt.want)
		}
	}
}

func TestEndOfStream(t *testing.T) {
	p := newParser(t, "")
	in := app.Input{Flow: &flow.Flow{}, Dir: toServer, EOF: true, Host: &host{}}
	p.Parse(&in)
	if p.tx.Progress != [2]uint8{clientFinished, 0} {
		t.Errorf("progress %v", p.tx.Progress)
	}
	in.Dir = toClient
	p.Parse(&in)
	if p.tx.Progress != [2]uint8{clientFinished, serverFinished} {
		t.Errorf("progress %v", p.tx.Progress)
	}
}

func TestMatches(t *testing.T) {
	tx := &Tx{now: 1600000000e9}
	tx.side[toServer].version = version12
	tx.side[toClient].version = 0x7f17
	tx.current = flagClientHello
	s := &tx.side[toClient]
	s.hasCert = true
	s.cert.NotBefore, s.cert.NotAfter = 1451606400, 1483228799 // 2016
	tests := []struct {
		keyword, value string
		dir            app.Dir
		want           bool
	}{
		{"tls.version", "1.2", toServer, true},
		{"tls.version", "\"1.2\"", toServer, true},
		{"tls.version", "1.3", toServer, false},
		{"tls.version", "1.3", toClient, true},
		{"tls.version", "0x7f17", toClient, true},
		{"tls.version", "0x0304", toClient, false},
		{"ssl_version", "tls1.2,tls1.3", toServer, true},
		{"ssl_version", "!tls1.2", toServer, false},
		{"ssl_version", "SSLv2", toServer, false},
		{"ssl_state", "client_hello", toServer, true},
		{"ssl_state", "!client_hello", toServer, false},
		{"ssl_state", "server_hello,client_keyx", toServer, false},
		{"tls_cert_notbefore", "2016-01-01 00:00:00", toClient, true},
		{"tls_cert_notbefore", "<2015", toClient, false},
		{"tls_cert_notbefore", ">2015-12", toClient, true},
		{"tls_cert_notafter", "2016-12-31<>2017-02-01", toClient, true},
		{"tls_cert_notafter", "1483228799", toClient, true},
		{"tls_cert_notafter", "<2016-12-31T23:59", toClient, false},
		{"tls_cert_notafter", ">2016", toServer, false},
		{"tls_cert_expired", "", toClient, true},
		{"tls_cert_valid", "", toClient, false},
		{"tls.fingerprint", "!\"00:11\"", toClient, true},
		{"tls.subject", "!\"CN=x\"", toServer, false},
		{"tls_store", "", toClient, true},
	}
	for _, tt := range tests {
		t.Run(tt.keyword+" "+tt.value, func(t *testing.T) {
			for _, m := range Protocol().Matches {
				if m.Name != tt.keyword || m.At.Dir != tt.dir {
					continue
				}
				f, _, err := m.Setup(tt.value)
				if err != nil {
					t.Fatal(err)
				}
				if got := f(tx, tt.dir); got != tt.want {
					t.Errorf("got %v", got)
				}
			}
		})
	}
	for _, bad := range []struct{ keyword, value string }{{"tls.version", "9"}, {"ssl_version", "tls9"}, {"ssl_version", ""},
		{"ssl_version", "tls1.0,tls1.0"}, {"ssl_state", "x"}, {"tls_cert_notafter", "2017<>2016"}, {"tls_cert_notafter", "12:30"},
		{"tls.subject", "\"\""}} {
		for _, m := range Protocol().Matches {
			if m.Name == bad.keyword {
				if _, _, err := m.Setup(bad.value); err == nil {
					t.Errorf("%s:%q is accepted", bad.keyword, bad.value)
				}
			}
		}
	}
}

func TestPrepareLog(t *testing.T) {
	tests := []struct {
		name, yaml string
		want       uint64
		warnings   int
	}{
		{"basic", "{extended: no}", basicFields | fieldResumed | logResumed, 0},
		{"extended", "{extended: yes, session-resumption: no}", extendedFields, 0},
		{"custom", "{custom: [sni, Version, nonsense], session-resumption: no}", fieldSNI | fieldVersion, 1},
		{"client chain", "{custom: [client_chain], session-resumption: no}", fieldClientChain | fieldClient, 0},
		{"both", "{custom: [certificate, chain], session-resumption: no}", fieldCertificate | fieldChain, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tree, _, err := conf.Parse([]byte("tls: "+tt.yaml+"\n"), "x")
			if err != nil {
				t.Fatal(err)
			}
			warnings := 0
			got := prepareLog(tree.Get("tls"), func(string, ...any) { warnings++ })
			if got != tt.want|prepared || warnings != tt.warnings {
				t.Errorf("got %x with %d warnings, want %x", got, warnings, tt.want|prepared)
			}
		})
	}
}

type piece struct {
	dir  app.Dir
	data []byte
}

// conversation reads the pieces of a file in testdata.
func conversation(t testing.TB, name string) (out []piece) {
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(string(text), "\n") {
		if len(line) < 4 || line[1] != 'x' {
			continue
		}
		b, err := hex.DecodeString(line[3:])
		if err != nil {
			t.Fatal(err)
		}
		d := toServer
		if line[0] == '<' {
			d = toClient
		}
		out = append(out, piece{d, b})
	}
	return out
}

// session plays a conversation. It keeps what a parser leaves over in pend.
func session(p *parser, in *app.Input, pieces []piece, pend *[2][]byte) {
	p.Reset()
	pend[0], pend[1] = pend[0][:0], pend[1][:0]
	for _, s := range pieces {
		pend[s.dir] = append(pend[s.dir], s.data...)
		in.Dir, in.Data = s.dir, pend[s.dir]
		r := p.Parse(in)
		pend[s.dir] = pend[s.dir][:copy(pend[s.dir], pend[s.dir][r.Consumed:])]
	}
}

func TestAllocations(t *testing.T) {
	pieces := conversation(t, "testdata/tls12.txt")
	p := newParser(t, "ja3-fingerprints: yes")
	in := app.Input{Flow: &flow.Flow{}, Host: &host{}}
	var pend [2][]byte
	var w jsonw.Builder
	o := app.LogOptions{Flags: prepared | extendedFields}
	run := func() {
		session(p, &in, pieces, &pend)
		w.Reset()
		w.StartObject()
		logTx(&p.tx, &w, &o)
		w.Close()
	}
	run()
	if !p.tx.side[toClient].hasCert {
		t.Fatal("no certificate was read")
	}
	if n := testing.AllocsPerRun(50, run); n > 0 {
		t.Errorf("%v allocations a session", n)
	}
}

func BenchmarkSession(b *testing.B) {
	pieces := conversation(b, "testdata/tls12.txt")
	p := newParser(b, "ja3-fingerprints: yes")
	in := app.Input{Flow: &flow.Flow{}, Host: &host{}}
	var pend [2][]byte
	b.ReportAllocs()
	for b.Loop() {
		session(p, &in, pieces, &pend)
	}
}

func FuzzSession(f *testing.F) {
	names, _ := filepath.Glob("testdata/*.txt")
	if len(names) == 0 {
		f.Fatal("no seeds")
	}
	for _, name := range names {
		var parts []any
		for _, s := range conversation(f, name) {
			parts = append(parts, s.dir, string(s.data))
		}
		f.Add(apptest.Seed(parts...))
	}
	p := extended()
	f.Fuzz(func(t *testing.T, b []byte) { apptest.Feed(t, p, b) })
}
