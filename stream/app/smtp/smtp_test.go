package smtp

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
	"sentinel/stream/file"
	"sentinel/stream/flow"
)

// whole is the protocol with a log that has both objects of an event, and the mail section of the shipped configuration.
func whole() *app.Protocol {
	p := Protocol()
	p.Log = func(tx app.Transaction, w *jsonw.Builder, o *app.LogOptions) bool {
		w.OpenObject("smtp")
		logTx(tx, w, o)
		w.Close()
		logMail(tx, w, o)
		return true
	}
	p.Setup = func(s app.Settings) (func() app.Parser, error) {
		tree, _, err := conf.Parse([]byte("smtp: {mime: {decode-mime: yes}}\n"), "x")
		if err != nil {
			return nil, err
		}
		s.Section = tree.Get("smtp")
		return setup(s)
	}
	return p
}

func TestConversations(t *testing.T) { apptest.Run(t, whole(), "testdata/*.txt") }

type host struct {
	app.Host
	files []*file.File
	s     app.Scratch
}

func (h *host) Frame(uint8, uint64, int64) *app.Frame { return nil }
func (h *host) OpenFrame(uint8) *app.Frame            { return nil }
func (h *host) Scratch() *app.Scratch                 { return &h.s }
func (h *host) Open(tx *app.Tx, name []byte) *file.File {
	f := &file.File{}
	f.Begin(name, 0, file.Limits{})
	tx.Files[app.ToServer].Add(f)
	h.files = append(h.files, f)
	return f
}

type session struct {
	t    *testing.T
	p    *parser
	h    *host
	last app.Result
}

func newSession(t *testing.T, section string) *session {
	t.Helper()
	tree, _, err := conf.Parse([]byte("smtp: {"+section+"}\n"), "x")
	if err != nil {
		t.Fatal(err)
	}
	mk, err := setup(app.Settings{Section: tree.Get("smtp"), Warn: t.Logf, ID: func(name string) app.ProtoID {
		if name == "tls" {
			return 7
		}
		return 0
	}})
	if err != nil {
		t.Fatal(err)
	}
	return &session{t: t, p: mk().(*parser), h: &host{}}
}

// talk feeds pieces: those that begin with < are the server's.
func (s *session) talk(pieces ...string) *session {
	for _, text := range pieces {
		in := app.Input{Flow: &flow.Flow{}, Data: []byte(text), Host: s.h}
		if text[0] == '<' {
			in.Dir, in.Data = app.ToClient, in.Data[1:]
		}
		s.last = s.p.Parse(&in)
		if s.last.Status == app.OK && s.last.Next == 0 && s.last.Consumed != len(in.Data) {
			s.t.Errorf("%q: %+v", text, s.last)
		}
	}
	return s
}

const (
	welcome = "<220 mx.example.com ESMTP\r\n"
	fine    = "<250 OK\r\n"
	proceed = "<354 go on\r\n"
)

// RFC 5321 and its extensions, and the reference's events and states.
func TestSessions(t *testing.T) {
	greet := []string{welcome, "EHLO c.example\r\n", fine}
	mail := append(append([]string{}, greet...), "MAIL FROM:<a@example.com> SIZE=10\r\n", fine, "RCPT TO:<b@example.com>\r\n", fine)
	tests := []struct {
		name     string
		talk     []string
		txs      int
		progress [2]uint8 // of the last transaction
		events   []uint8  // of all
		failed   bool
	}{
		{"greeting", greet, 1, [2]uint8{}, nil, false},
		{"quit", append(greet, "QUIT\r\n", "<221 bye\r\n"), 1, [2]uint8{complete, complete}, nil, false},
		{"reset", append(greet, "RSET\r\n", fine), 1, [2]uint8{complete, complete}, nil, false},
		{"greeting again resets", append(mail, "EHLO c.example\r\n", fine), 1, [2]uint8{complete, complete}, []uint8{evDuplicate},
			false},
		{"data", append(mail, "DATA\r\n", proceed), 1, [2]uint8{data, data}, nil, false},
		{"mail", append(mail, "DATA\r\n", proceed, "Subject: x\r\n\r\ntext\r\n.\r\n", fine), 1, [2]uint8{complete, complete}, nil,
			false},
		{"two mails", append(mail, "DATA\r\n", proceed, "\r\n.\r\n", fine, "MAIL FROM:<c@example.com>\r\n", fine), 2, [2]uint8{},
			nil, false},
		{"data refused", append(mail, "DATA\r\n", "<554 no\r\n"), 1, [2]uint8{data, 0}, []uint8{evDataRejected}, false},
		{"data twice", append(mail, "DATA\r\n", "DATA\r\n"), 1, [2]uint8{data, 0}, []uint8{evUnparsable}, false},
		{"command behind data", append(mail, "DATA\r\nNOOP\r\n"), 1, [2]uint8{data, 0}, []uint8{evPipelining}, false},
		{"pipelining server", []string{welcome, "EHLO c\r\n", "<250-mx\r\n250-PIPELINING\r\n250 OK\r\n",
			"DATA\r\nSubject: x\r\n\r\n.\r\n", proceed, fine}, 1, [2]uint8{complete, complete}, []uint8{evPipelining}, false},
		{"no welcome", []string{"EHLO c\r\n"}, 1, [2]uint8{}, []uint8{evNoWelcome}, false},
		{"odd welcome", []string{"<250 hm\r\n", "EHLO c\r\n"}, 1, [2]uint8{}, nil, false},
		{"no reply", append(greet, "NOOP\r\n", "<hello\r\n"), 1, [2]uint8{}, []uint8{evInvalidReply}, true},
		{"short reply", append(greet, "NOOP\r\n", "<25\r\n"), 1, [2]uint8{}, []uint8{evInvalidReply}, true},
		{"sender twice", append(mail, "MAIL FROM:<c@example.com>\r\n"), 1, [2]uint8{}, []uint8{evDuplicate}, false},
		{"tls refused", append(greet, "STARTTLS\r\n", "<454 no\r\n"), 1, [2]uint8{}, []uint8{evTLSRejected}, false},
		{"tls", append(greet, "STARTTLS\r\n", "<220 go\r\n"), 1, [2]uint8{complete, complete}, nil, false},
		{"chunks", append(mail, "BDAT 5\r\nab\r\nc", fine, "BDAT 3 LAST\r\nxyzRSET\r\n", fine, fine), 1,
			[2]uint8{complete, complete}, nil, false},
		{"empty last chunk", append(mail, "BDAT 0 LAST\r\n", fine), 1, [2]uint8{complete, complete}, nil, false},
		{"bad chunk", append(mail, "BDAT x\r\n", "<501 no\r\n"), 1, [2]uint8{}, []uint8{evInvalidBDAT}, false},
		{"huge chunk", append(mail, "BDAT 4294967296\r\n", "<501 no\r\n"), 1, [2]uint8{}, []uint8{evInvalidBDAT}, false},
		{"long command", append(greet, "NOOP "+strings.Repeat("x", 5000)+"\r\nQUIT\r\n", fine, "<221 bye\r\n"), 1,
			[2]uint8{complete, complete}, []uint8{evTruncated}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newSession(t, "mime: {decode-mime: yes}").talk(tt.talk...)
			if failed := s.last.Status == app.Failed; failed != tt.failed {
				t.Errorf("result %+v", s.last)
			}
			if len(s.p.live) != tt.txs {
				t.Fatalf("%d transactions, want %d", len(s.p.live), tt.txs)
			}
			if got := s.p.live[tt.txs-1].Progress; got != tt.progress {
				t.Errorf("progress %v, want %v", got, tt.progress)
			}
			var want, got app.EventSet
			for _, e := range tt.events {
				want.Set(e)
			}
			for _, tx := range s.p.live {
				for e := range uint8(64) {
					if tx.Events.Has(e) {
						got.Set(e)
					}
				}
			}
			if got != want {
				t.Errorf("events %x, want %x", got, want)
			}
		})
	}
}

func TestSTARTTLS(t *testing.T) {
	s := newSession(t, "").talk(welcome, "EHLO c\r\n", fine, "STARTTLS\r\n", "<220 go\r\n\x16\x03\x03")
	if s.last.Next != 7 || s.last.Consumed != len("220 go\r\n") {
		t.Errorf("result %+v", s.last)
	}
}

func TestEnvelope(t *testing.T) {
	s := newSession(t, "").talk(welcome, "EHLO  c.example \r\n", fine, "mail from: <a@example.com> SIZE=10\r\n", "RCPT TO:\r\n",
		"rcpt to:<b@example.com>\r\n")
	tx := s.p.live[0]
	if string(s.p.helo) != "c.example" || string(tx.from) != "<a@example.com>" {
		t.Errorf("greeting %q, sender %q", s.p.helo, tx.from)
	}
	if a, _ := tx.Recipient(0); len(a) != 0 {
		t.Errorf("first recipient %q", a)
	}
	if b, ok := tx.Recipient(1); !ok || string(b) != "<b@example.com>" {
		t.Errorf("second recipient %q", b)
	}
	if _, ok := tx.Recipient(2); ok {
		t.Error("a third recipient")
	}
}

func TestRawExtraction(t *testing.T) {
	s := newSession(t, "raw-extraction: yes, mime: {decode-mime: no}").talk(welcome, "DATA\r\n", proceed, "a: b\r\n\r\ntext\n.\r\n", fine)
	if len(s.h.files) != 1 || string(s.h.files[0].Name) != "rawmsg" || s.h.files[0].State != file.Closed {
		t.Fatalf("files %v", s.h.files)
	}
	if b, _ := s.h.files[0].Body.All(); string(b) != "a: b\r\n\r\ntext\n" {
		t.Errorf("body %q", b)
	}
}

func TestMaxTransactions(t *testing.T) {
	s := newSession(t, "max-tx: 2").talk(welcome)
	for range 3 {
		s.talk("DATA\r\n", proceed, ".\r\n", fine)
	}
	if s.talk("NOOP\r\n"); s.last.Status != app.Failed {
		t.Errorf("result %+v", s.last)
	}
}

func TestProbe(t *testing.T) {
	spoken := &flow.Flow{}
	spoken.Bytes[app.ToServer] = 60
	known := &flow.Flow{AppDir: [2]flow.ProtoID{flow.ProtoFirst, 0}}
	tests := []struct {
		name, data string
		f          *flow.Flow
		want       app.Verdict
	}{
		{"short", "220", spoken, app.Unsure},
		{"other code", "250 mx.example.com\r\n", spoken, app.No},
		{"domain", "220 mx.example.com ESMTP\r\n", spoken, app.Yes},
		{"line not complete", "220-mx.example.com", spoken, app.Unsure},
		{"no domain", "220 (vsFTPd)\r\n", spoken, app.No},
		{"one label", "220 mx ESMTP\r\n", spoken, app.No},
		{"one label, client known", "220 mx ESMTP\r\n", known, app.Yes},
	}
	for _, tt := range tests {
		if got, _ := probeServer([]byte(tt.data), app.ToClient, tt.f); got != tt.want {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestLossy(t *testing.T) {
	tests := []struct{ in, want string }{
		{"grüße", "grüße"}, {"a\xffb", "a\uFFFDb"}, {"\xe2\x82x", "\uFFFDx"}, {"\xe2\x82", "\uFFFD"},
		{"\xf0\x9f\x98\xf0", "\uFFFD\uFFFD"}, {"\xc0\x80", "\uFFFD\uFFFD"}, {"\xed\xa0\x80", "\uFFFD\uFFFD\uFFFD"},
	}
	for _, tt := range tests { // Unicode, chapter 3.9, U+FFFD substitution of maximal subparts
		if got := string(lossy([]byte(tt.in))); got != tt.want {
			t.Errorf("%q: got %q, want %q", tt.in, got, tt.want)
		}
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
		d := app.ToServer
		if line[0] == '<' {
			d = app.ToClient
		}
		out = append(out, piece{d, b})
	}
	return out
}

func BenchmarkMail(b *testing.B) {
	pieces := conversation(b, "testdata/cc.txt")
	mk, err := whole().Setup(app.Settings{})
	if err != nil {
		b.Fatal(err)
	}
	p := mk().(*parser)
	in := app.Input{Flow: &flow.Flow{}, Host: &host{}}
	var pend [2][]byte
	b.ReportAllocs()
	for b.Loop() {
		p.Reset()
		pend[0], pend[1] = pend[0][:0], pend[1][:0]
		for _, s := range pieces {
			pend[s.dir] = append(pend[s.dir], s.data...)
			in.Dir, in.Data = s.dir, pend[s.dir]
			r := p.Parse(&in)
			pend[s.dir] = pend[s.dir][:copy(pend[s.dir], pend[s.dir][r.Consumed:])]
		}
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
	p := whole()
	f.Fuzz(func(t *testing.T, b []byte) { apptest.Feed(t, p, b) })
}
