package dns

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"encoding/hex"

	"sentinel/internal/conf"
	"sentinel/internal/jsonw"
	"sentinel/stream/app"
	"sentinel/stream/app/apptest"
	"sentinel/stream/flow"
)

func over(t app.Transport) *app.Protocol {
	p := Protocol()
	p.Transport = t
	return p
}

func TestConversations(t *testing.T) {
	apptest.Run(t, over(app.UDP), "testdata/udp/*.txt")
	apptest.Run(t, over(app.TCP), "testdata/tcp/*.txt")
}

// message builds a message: counts of the four sections, then the parts.
func message(flags uint16, counts [4]uint16, parts ...string) []byte {
	b := binary.BigEndian.AppendUint16(nil, 0x1234)
	b = binary.BigEndian.AppendUint16(b, flags)
	for _, c := range counts {
		b = binary.BigEndian.AppendUint16(b, c)
	}
	return append(b, strings.Join(parts, "")...)
}

const (
	question = "\x03www\x07example\x03com\x00\x00\x01\x00\x01" // A, IN, at offset 12
	response = 0x8180
)

// RFC 1035, 4.1.4, and the limits of the reference for what the RFC forbids.
func TestNames(t *testing.T) {
	record := "\x00\x05\x00\x01\x00\x00\x00\x3c" // CNAME, IN, TTL 60
	long := strings.Repeat("\x3f"+strings.Repeat("a", 63), 20)
	tests := []struct {
		name  string
		msg   []byte
		out   Outcome
		want  string
		flags NameFlags
	}{
		{"pointer", message(response, [4]uint16{1, 1}, question, "\xc0\x0c", record, "\x00\x02\xc0\x10"), Good, "example.com", 0},
		{"label then pointer", message(response, [4]uint16{1, 1}, question, "\xc0\x0c", record, "\x00\x06\x03ftp\xc0\x10"), Good,
			"ftp.example.com", 0},
		{"root", message(response, [4]uint16{1, 1}, question, "\xc0\x0c", record, "\x00\x01\x00"), Good, "", 0},
		{"no data", message(response, [4]uint16{1, 1}, question, "\xc0\x0c", record, "\x00\x00"), Good, "", 0},
		{"to the end of the message", message(response, [4]uint16{1, 1}, question, "\xc0\x0c", record, "\x00\x02\xc0\x2f"), Good, "",
			0},
		{"beyond the message", message(response, [4]uint16{1, 1}, question, "\xc0\x0c", record, "\x00\x02\xc1\x00"), Invalid, "", 0},
		{"to itself", message(response, [4]uint16{1, 1}, question, "\xc0\x0c", record, "\x00\x02\xc0\x2d"), Invalid, "", 0},
		{"to a pointer to itself", message(response, [4]uint16{1, 1}, question, "\xc0\x0c", record,
			"\x00\x04\xc0\x2f\xc0\x2f"), Good, "", Loop},
		{"to each other", message(response, [4]uint16{1, 1}, question, "\xc0\x0c", record, "\x00\x04\xc0\x2f\xc0\x2d"), Good, "",
			LabelLimit | Cut},
		{"labels in a loop", message(response, [4]uint16{1, 1}, question, "\xc0\x0c", record, "\x00\x04\x01a\xc0\x2d"), Good,
			strings.TrimSuffix(strings.Repeat("a.", 128), "."), LabelLimit | Cut},
		{"too long", message(response, [4]uint16{1, 1}, question, "\xc0\x0c", record, "\x05\x01", long, "\x00"), Good,
			strings.Repeat(strings.Repeat("a", 63)+".", 17)[:maxName], Cut},
		{"reserved label", message(response, [4]uint16{1, 1}, question, "\xc0\x0c", record, "\x00\x03\x41a\x00"), Invalid, "", 0},
		{"label beyond the data", message(response, [4]uint16{1, 1}, question, "\xc0\x0c", record, "\x00\x02\x05a"), Short, "", 0},
		{"half a pointer", message(response, [4]uint16{1, 1}, question, "\xc0\x0c", record, "\x00\x01\xc0"), Short, "", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var m Message
			if out := m.Parse(tt.msg); out != tt.out {
				t.Fatalf("outcome %d, want %d", out, tt.out)
			}
			if tt.out != Good {
				return
			}
			if got := string(m.Bytes(m.Answers[0].Target)); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if m.Flags != tt.flags {
				t.Errorf("flags %b, want %b", m.Flags, tt.flags)
			}
			if got := string(m.Bytes(m.Answers[0].Name)); got != "www.example.com" {
				t.Errorf("owner %q", got)
			}
		})
	}
}

func TestSections(t *testing.T) {
	a := "\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\xc0\x00\x02\x01"
	bad := "\xc0\x0c\x00\x10\x00\x01\x00\x00\x00\x3c\x00\x02\x09a" // TXT with a string beyond its end
	tests := []struct {
		name                  string
		msg                   []byte
		out                   Outcome
		answers, auth, added  int
		badAuth, badAdditions bool
	}{
		{"all", message(response, [4]uint16{1, 1, 1, 1}, question, a, a, a), Good, 1, 1, 1, false, false},
		{"trailing bytes", message(response, [4]uint16{1, 1, 0, 0}, question, a, "xyz"), Good, 1, 0, 0, false, false},
		{"bad answer", message(response, [4]uint16{1, 1, 0, 0}, question, bad), Short, 0, 0, 0, false, false},
		{"bad authority", message(response, [4]uint16{1, 1, 2, 1}, question, a, a, bad, a), Good, 1, 0, 0, true, false},
		{"bad additional", message(response, [4]uint16{1, 1, 1, 2}, question, a, a, a, bad), Good, 1, 1, 0, false, true},
		{"cut header", []byte("12345678901"), Short, 0, 0, 0, false, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var m Message
			if out := m.Parse(tt.msg); out != tt.out {
				t.Fatalf("outcome %d, want %d", out, tt.out)
			}
			if tt.out != Good {
				return
			}
			if len(m.Answers) != tt.answers || len(m.Authorities) != tt.auth || len(m.Additionals) != tt.added {
				t.Errorf("%d answers, %d authorities, %d additionals", len(m.Answers), len(m.Authorities), len(m.Additionals))
			}
			if m.InvalidAuthorities != tt.badAuth || m.InvalidAdditionals != tt.badAdditions {
				t.Errorf("invalid: authorities %v, additionals %v", m.InvalidAuthorities, m.InvalidAdditionals)
			}
		})
	}
}

func TestProbes(t *testing.T) {
	query := message(0x0100, [4]uint16{1}, question)
	answer := message(response, [4]uint16{1}, question)
	framed := func(b []byte, extra int) []byte {
		return append(binary.BigEndian.AppendUint16(nil, uint16(len(b)+extra)), b...)
	}
	tests := []struct {
		name string
		tcp  bool
		data []byte
		want app.Verdict
		dir  app.Dir
	}{
		{"query", false, query, app.Yes, app.ToServer},
		{"answer", false, answer, app.Yes, app.ToClient},
		{"cut query", false, query[:20], app.No, app.ToServer},
		{"too many records for the size", false, message(0x0100, [4]uint16{200}, question), app.No, app.ToServer},
		{"query without question", false, message(0x0100, [4]uint16{}), app.No, app.ToServer},
		{"error without question", false, message(0x8181, [4]uint16{}), app.Yes, app.ToClient},
		{"tcp query", true, framed(query, 0), app.Yes, app.ToServer},
		{"tcp query to be continued", true, framed(query, 30), app.Yes, app.ToServer},
		{"tcp answer", true, framed(answer, 0), app.Yes, app.ToClient},
		{"tcp header incomplete", true, framed(query, 0)[:13], app.Unsure, app.ToServer},
		{"tcp text", true, []byte("GET / HTTP/1.0\r\n\r\n"), app.No, app.ToServer},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			probe := detectUDP
			if tt.tcp {
				probe = detectTCP
			}
			if v, d := probe(tt.data, app.ToServer, nil); v != tt.want || d != tt.dir {
				t.Errorf("got %v %v, want %v %v", v, d, tt.want, tt.dir)
			}
		})
	}
}

type host struct {
	app.Host
	s      app.Scratch
	frames int
}

func (h *host) Frame(uint8, uint64, int64) *app.Frame { h.frames++; return nil }
func (h *host) Scratch() *app.Scratch                 { return &h.s }

func newParser(t testing.TB) app.Parser {
	t.Helper()
	mk, err := setup(app.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	return mk()
}

func TestGaps(t *testing.T) {
	query := message(0x0100, [4]uint16{1}, question)
	framed := append([]byte{0, byte(len(query))}, query...)
	p, h := newParser(t), &host{}
	in := app.Input{Flow: &flow.Flow{Key: flow.Key{Proto: protoTCP}}, Host: h, Dir: app.ToClient}
	step := func(data []byte, lost uint32) app.Result {
		in.Data, in.Lost = data, lost
		return p.Parse(&in)
	}
	step(nil, 100)
	if r := step([]byte("rest of a message that nobody knows"), 0); r.Status != app.OK || r.Consumed != 35 {
		t.Errorf("after a gap: %+v", r)
	}
	if r := step(framed, 0); r.Status != app.OK || r.Consumed != len(framed) || r.Flags&app.TriggerRaw == 0 {
		t.Errorf("resynchronised: %+v", r)
	}
	if tx, ok := p.Next(0); !ok || !tx.Base().Events.Has(evNotResponse) {
		t.Error("the message after the gap is missing")
	}
	if r := step([]byte("\x00\x04abcd"), 0); r.Status != app.Failed {
		t.Errorf("junk in step: %+v", r)
	}
}

// What the config keyword asks for on a request holds for its response, whether the request lives or not.
func TestConfigKeyword(t *testing.T) {
	query, answer := typical()
	for _, free := range []bool{false, true} {
		p := newParser(t)
		in := app.Input{Flow: &flow.Flow{Key: flow.Key{Proto: 17}}, Host: &host{}, Data: query}
		p.Parse(&in)
		tx, _ := p.Next(0)
		tx.Base().LogFlags = 5
		if free {
			p.Free(tx.Base().ID)
		}
		in.Dir, in.Data = app.ToClient, answer
		for i, want := range []uint32{5, 0} {
			p.Parse(&in)
			tx, ok := p.Next(uint64(i + 1))
			if !ok {
				t.Fatal("no response")
			}
			if got := tx.Base().LogFlags; got != want && (free || i == 0) {
				t.Errorf("freed %v, response %d: flags %d, want %d", free, i, got, want)
			}
		}
	}
}

func TestRead(t *testing.T) {
	query, answer := typical()
	var tx Tx
	if !tx.Read(query, app.ToServer) || tx.Response || !tx.Events.Empty() {
		t.Error("a query is refused")
	}
	if tx.Read(answer, app.ToServer) || tx.Read(query[:20], app.ToServer) {
		t.Error("an answer or half a query is taken for a query")
	}
	if !tx.Read(answer, app.ToClient) || len(tx.Msg.Answers) != 2 {
		t.Error("an answer is refused")
	}
}

func TestPrepareLog(t *testing.T) {
	tests := []struct {
		name, yaml string
		want       uint64
		warnings   int
	}{
		{"nothing", "", logAll, 0},
		{"version 2", "version: 2", logAll | logV2, 0},
		{"bad version", "version: 7", logAll, 1},
		{"requests off", "requests: no", logAll &^ logRequest, 0},
		{"types", "types: [a, AAAA]", logAll&^logTypes | 1<<typeIndex[typeA] | 1<<typeIndex[typeAAAA], 0},
		{"formats", "formats: [grouped]", logAll &^ logDetailed, 0},
		{"empty formats", "formats: []", logAll, 1},
		{"odd format", "formats: [detailed, x]", logAll &^ logGrouped, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tree, _, err := conf.Parse([]byte("dns: {"+tt.yaml+"}\n"), "x")
			if err != nil {
				t.Fatal(err)
			}
			warnings := 0
			if got := prepareLog(tree.Get("dns"), func(string, ...any) { warnings++ }); got != tt.want || warnings != tt.warnings {
				t.Errorf("got %x with %d warnings, want %x with %d", got, warnings, tt.want, tt.warnings)
			}
		})
	}
}

func TestResponseNames(t *testing.T) {
	cname := "\xc0\x0c\x00\x05\x00\x01\x00\x00\x00\x3c\x00\x06\x03ftp\xc0\x10"
	a := "\xc0\x2d\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\xc0\x00\x02\x01"
	tx := &Tx{Response: true}
	if tx.Msg.Parse(message(response, [4]uint16{1, 2}, question, cname, a)) != Good {
		t.Fatal("the message is not good")
	}
	want := []string{"www.example.com", "www.example.com", "ftp.example.com", "ftp.example.com"}
	for _, order := range [][]int{{0, 1, 2, 3}, {3, 2, 1, 0}, {2, 2, 0, 3}} {
		for _, i := range order {
			if b, ok := responseName(tx, app.ToClient, i, nil); !ok || string(b) != want[i] {
				t.Errorf("name %d: %q, want %q", i, b, want[i])
			}
		}
		if b, ok := responseName(tx, app.ToClient, 4, nil); ok {
			t.Errorf("name 4: %q", b)
		}
	}
}

// typical is a query and its answer.
func typical() (query, answer []byte) {
	a := "\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\xc0\x00\x02\x01"
	return message(0x0100, [4]uint16{1}, question), message(response, [4]uint16{1, 2}, question, a, a)
}

func exchange(p app.Parser, in *app.Input, query, answer []byte) {
	in.Dir, in.Data = app.ToServer, query
	p.Parse(in)
	in.Dir, in.Data = app.ToClient, answer
	p.Parse(in)
	for {
		tx, ok := p.Next(0)
		if !ok {
			return
		}
		p.Free(tx.Base().ID)
	}
}

func TestAllocations(t *testing.T) {
	query, answer := typical()
	p := newParser(t)
	in := app.Input{Flow: &flow.Flow{Key: flow.Key{Proto: 17}}, Host: &host{}}
	exchange(p, &in, query, answer)
	if n := testing.AllocsPerRun(100, func() { exchange(p, &in, query, answer) }); n > 0 {
		t.Errorf("%v allocations an exchange", n)
	}
	tx := &Tx{Response: true}
	tx.ID = 1
	tx.Msg.Parse(answer)
	var w jsonw.Builder
	o := app.LogOptions{Flags: logAll}
	log := func() {
		w.Reset()
		w.StartObject()
		logTx(tx, &w, &o)
		w.Close()
	}
	log()
	if n := testing.AllocsPerRun(100, log); n > 0 {
		t.Errorf("%v allocations an event", n)
	}
}

func BenchmarkExchange(b *testing.B) {
	query, answer := typical()
	p := newParser(b)
	in := app.Input{Flow: &flow.Flow{Key: flow.Key{Proto: 17}}, Host: &host{}}
	b.ReportAllocs()
	for b.Loop() {
		exchange(p, &in, query, answer)
	}
}

// seeds are the pieces of the conversations in testdata.
func seeds(t testing.TB) (out [][]byte) {
	names, _ := filepath.Glob("testdata/*/*.txt")
	if len(names) == 0 {
		t.Fatal("no seeds")
	}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range strings.Split(string(text), "\n") {
			if len(line) > 3 && line[1] == 'x' {
				b, err := hex.DecodeString(line[3:])
				if err != nil {
					t.Fatal(err)
				}
				out = append(out, b)
			}
		}
	}
	return out
}

func FuzzParse(f *testing.F) {
	for _, s := range seeds(f) {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		tx := &Tx{Response: true}
		tx.ID = 1
		before := bytes.Clone(b)
		out := tx.Msg.Parse(b)
		if !bytes.Equal(b, before) {
			t.Fatal("input changed")
		}
		if out != Good {
			return
		}
		if len(tx.Msg.names) > maxNames+maxName+64 {
			t.Fatalf("%d bytes of names", len(tx.Msg.names))
		}
		for i := 0; ; i++ {
			if _, ok := responseName(tx, app.ToClient, i, nil); !ok {
				break
			}
		}
		var w jsonw.Builder
		w.StartObject()
		logTx(tx, &w, &app.LogOptions{})
		w.Close()
	})
}

func FuzzStream(f *testing.F) {
	for _, s := range seeds(f) {
		f.Add(apptest.Seed(app.ToServer, string(s), app.ToClient, string(s)))
	}
	p := over(app.TCP)
	f.Fuzz(func(t *testing.T, b []byte) { apptest.Feed(t, p, b) })
}
