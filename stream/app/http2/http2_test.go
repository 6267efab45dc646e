package http2

import (
	"bytes"
	"compress/gzip"
	"encoding/hex"
	"fmt"
	"math/rand"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/net/http2/hpack"

	"sentinel/stream/app"
	"sentinel/stream/app/apptest"
)

// peer writes one side of a connection with the reference encoder.
type peer struct {
	buf bytes.Buffer
	enc *hpack.Encoder
	blk bytes.Buffer
}

func newPeer() *peer {
	p := &peer{}
	p.enc = hpack.NewEncoder(&p.blk)
	return p
}

func (p *peer) fields(kv ...string) []byte {
	p.blk.Reset()
	for i := 0; i < len(kv); i += 2 {
		p.enc.WriteField(hpack.HeaderField{Name: kv[i], Value: kv[i+1]})
	}
	return append([]byte(nil), p.blk.Bytes()...)
}

// frame writes a frame (RFC 9113, 4.1).
func (p *peer) frame(kind, flags uint8, stream uint32, payload ...byte) {
	n := len(payload)
	p.buf.Write([]byte{byte(n >> 16), byte(n >> 8), byte(n), kind, flags, byte(stream >> 24), byte(stream >> 16), byte(stream >> 8), byte(stream)})
	p.buf.Write(payload)
}

// take returns what was written since the last call.
func (p *peer) take() []byte {
	b := append([]byte(nil), p.buf.Bytes()...)
	p.buf.Reset()
	return b
}

// script renders a conversation in apptest's language.
type script struct{ bytes.Buffer }

func (s *script) say(side string, b []byte) {
	h := hex.EncodeToString(b)
	fmt.Fprintf(s, "%sx", side)
	for len(h) > 0 {
		fmt.Fprintf(s, " %s", h[:2])
		h = h[2:]
	}
	s.WriteString("\n")
}

func run(t *testing.T, s *script) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "case.txt")
	if err := os.WriteFile(name, s.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	apptest.Run(t, Protocol(), name)
}

func TestExchange(t *testing.T) {
	var zipped bytes.Buffer
	w := gzip.NewWriter(&zipped)
	w.Write([]byte("hello hello hello"))
	w.Close()
	c, v := newPeer(), newPeer()
	c.buf.WriteString(magic)
	c.frame(frameSettings, 0, 0, 0, 3, 0, 0, 0, 100)
	c.frame(frameHeaders, flagEndStream|flagEndHeaders|flagPriority, 1, append([]byte{0, 0, 0, 0, 7},
		c.fields(":method", "GET", ":path", "/a?b", ":authority", "User@Www.Example.com:8080", "user-agent", "nghttp2/1", "cookie", "a=b", "cookie", "c=d")...)...)
	v.frame(frameSettings, 0, 0)
	block := v.fields(":status", "200", "content-encoding", "gzip", "content-length", "33")
	v.frame(frameHeaders, 0, 1, block[:7]...)
	v.frame(frameContinuation, flagEndHeaders, 1, block[7:]...)
	v.frame(frameData, flagPadded, 1, append(append([]byte{5}, zipped.Bytes()[:12]...), 0, 0, 0, 0, 0)...)
	v.frame(frameData, flagEndStream, 1, zipped.Bytes()[12:]...)
	v.frame(frameGoAway, 0, 0, 0, 0, 0, 1, 0, 0, 0, 11)
	s := &script{}
	s.say(">", c.take())
	s.say("<", v.take())
	s.WriteString(`want
log {"version":"2","http2":{"stream_id":0,"request":{"settings":[{"settings_id":"SETTINGSMAXCONCURRENTSTREAMS","settings_value":100}]}}}
log {"version":"2","request_headers":[{"name":":method","value":"GET"},{"name":":path","value":"/a?b"},{"name":":authority","value":"User@Www.Example.com:8080"},{"name":"user-agent","value":"nghttp2/1"},{"name":"cookie","value":"a=b"},{"name":"cookie","value":"c=d"}],"response_headers":[{"name":":status","value":"200"},{"name":"content-encoding","value":"gzip"},{"name":"content-length","value":"33"}],"http_method":"GET","url":"/a?b","http_user_agent":"nghttp2/1","length":33,"status":200,"http2":{"stream_id":1,"request":{"priority":7}}}
log {"version":"2","http2":{"stream_id":0,"response":{"error_code":"ENHANCEYOURCALM"}}}
event 2 userinfo_in_uri
file 2 <  17 CLOSED
buffer 2 > http.uri "/a?b"
buffer 2 > http.host "www.example.com"
buffer 2 > http.host.raw "User@Www.Example.com:8080"
buffer 2 > http.cookie "a=b, c=d"
buffer 2 > http.request_line "GET /a?b HTTP/2\r\n"
buffer 2 > http.header ":method: GET\r\n:path: /a?b\r\n:authority: User@Www.Example.com:8080\r\nuser-agent: nghttp2/1\r\n"
buffer 2 < http.header_names "\r\n:status\r\ncontent-encoding\r\ncontent-length\r\n\r\n"
buffer 2 < http.stat_code "200"
buffer 2 < file.data "hello hello hello"
progress 2 4 4
`)
	run(t, s)
}

// TestHPACK compares with the library on random header lists, table updates included.
func TestHPACK(t *testing.T) {
	r := rand.New(rand.NewSource(2))
	var buf bytes.Buffer
	enc := hpack.NewEncoder(&buf)
	dec := hpack.NewDecoder(4096, nil)
	dec.SetAllowedMaxDynamicTableSize(65536)
	enc.SetMaxDynamicTableSizeLimit(65536)
	var tb table
	tb.reset(65536)
	for round := 0; round < 300; round++ {
		buf.Reset()
		if round%20 == 0 {
			enc.SetMaxDynamicTableSize(uint32(r.Intn(8192)))
		}
		for i := r.Intn(20); i >= 0; i-- {
			name := []string{"cookie", "x-a", ":path", "date", strings.Repeat("n", r.Intn(40)+1)}[r.Intn(5)]
			value := make([]byte, r.Intn(60))
			for j := range value {
				value[j] = byte(r.Intn(256))
			}
			if r.Intn(3) == 0 {
				value = []byte("again")
			}
			enc.WriteField(hpack.HeaderField{Name: name, Value: string(value), Sensitive: r.Intn(5) == 0})
		}
		want, err := dec.DecodeFull(buf.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		got, rest, ok := tb.decode(nil, buf.Bytes())
		if !ok || rest != 0 {
			t.Fatalf("round %d: not decoded", round)
		}
		k := 0
		for _, b := range got {
			switch b.kind {
			case blockSize:
			case blockField:
				if k >= len(want) || string(b.name) != want[k].Name || string(b.value) != want[k].Value {
					t.Fatalf("round %d field %d: %q: %q, want %v", round, k, b.name, b.value, want[k])
				}
				k++
			default:
				t.Fatalf("round %d: kind %d", round, b.kind)
			}
		}
		if k != len(want) {
			t.Fatalf("round %d: %d fields, want %d", round, k, len(want))
		}
	}
}

func TestInterval(t *testing.T) {
	for _, c := range []struct {
		text    string
		yes, no []uint64
	}{
		{"", []uint64{0, 5}, nil}, {"5", []uint64{5}, []uint64{4, 6}}, {"=5", []uint64{5}, []uint64{6}},
		{" >100", []uint64{101}, []uint64{100}}, {"<3", []uint64{0, 2}, []uint64{3}}, {"!7", []uint64{6, 8}, []uint64{7}},
		{"1-5", []uint64{2, 4}, []uint64{1, 5}}, {">=4", []uint64{4}, []uint64{3}}, {"<=4", []uint64{4}, []uint64{5}},
	} {
		i, err := parseInterval(c.text)
		if err != nil {
			t.Errorf("%q: %v", c.text, err)
		}
		for _, n := range c.yes {
			if !i.has(n) {
				t.Errorf("%q: not %d", c.text, n)
			}
		}
		for _, n := range c.no {
			if i.has(n) {
				t.Errorf("%q: %d", c.text, n)
			}
		}
	}
	for _, bad := range []string{"x", ">", "5-4", "-"} {
		if _, err := parseInterval(bad); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

func FuzzParse(f *testing.F) {
	c, v := newPeer(), newPeer()
	c.buf.WriteString(magic)
	c.frame(frameHeaders, flagEndStream|flagEndHeaders, 1, c.fields(":method", "GET", ":path", "/")...)
	v.frame(frameSettings, 0, 0, 0, 1, 0, 16, 0, 0)
	v.frame(framePush, flagEndHeaders, 1, append([]byte{0, 0, 0, 2}, v.fields(":path", "/x")...)...)
	v.frame(frameData, flagEndStream, 1, []byte("data")...)
	f.Add(apptest.Seed(app.ToServer, string(c.take()), app.ToClient, string(v.take())))
	p := Protocol()
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) < 1<<14 {
			apptest.Feed(t, p, b)
		}
	})
}

func BenchmarkRequests(b *testing.B) {
	c := newPeer()
	c.buf.WriteString(magic)
	first := c.take()
	mk, _ := setup(app.Settings{})
	p := mk().(*Parser)
	p.Parse(&app.Input{Data: first})
	var frames [][]byte
	for i := 0; i < 1000; i++ {
		c.frame(frameHeaders, flagEndStream|flagEndHeaders, uint32(2*i+1), c.fields(":method", "GET", ":scheme", "https",
			":path", "/index.html", ":authority", "example.com", "user-agent", "Mozilla/5.0", "accept", "*/*")...)
		frames = append(frames, c.take())
	}
	for i := 0; b.Loop(); i++ {
		p.Parse(&app.Input{Data: frames[i%1000]})
		p.Free(p.lastID)
	}
}
