package http1

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"testing"

	"sentinel/stream/app"
	"sentinel/stream/app/apptest"
	"sentinel/stream/file"
)

func FuzzParse(f *testing.F) {
	var z bytes.Buffer
	w := gzip.NewWriter(&z)
	w.Write(bytes.Repeat([]byte("hello "), 100))
	w.Close()
	for _, s := range [][2]string{
		{"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\nX: y\r\n\r\n"},
		{"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 120\r\nContent-Type: multipart/form-data; boundary=xx\r\n\r\n" +
			"--xx\r\nContent-Disposition: form-data; name=\"f\"; filename=\"a.txt\"\r\n\r\ncontent\r\n--xx--\r\n", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No\r\n\r\n"},
		{"GET /x", "junk"},
		{"CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n"},
		{"GET / HTTP/1.1\r\nUpgrade: h2c\r\nHost: x\r\n\r\n", "HTTP/1.1 101 Switching\r\nUpgrade: h2c\r\n\r\nrest"},
		{"GET /z HTTP/1.0\r\n\r\n", fmt.Sprintf("HTTP/1.0 200 OK\r\nContent-Encoding: gzip, deflate\r\nContent-Length: %d\r\n\r\n%s", z.Len(), z.Bytes())},
	} {
		f.Add(apptest.Seed(app.ToServer, s[0], app.ToClient, s[1]))
	}
	p := Protocol()
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) < 1<<14 {
			apptest.Feed(t, p, b)
		}
	})
}

type noFiles struct{ recorder }

func (*noFiles) Open(*app.Tx, []byte) *file.File { return nil }

const (
	request = "GET /wp-content/themes/index.php?id=42&x=%20y HTTP/1.1\r\nHost: www.example.com\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36\r\n" +
		"Accept: text/html,application/xhtml+xml\r\nAccept-Language: en-US,en;q=0.5\r\nAccept-Encoding: gzip, deflate\r\nConnection: keep-alive\r\nCookie: session=0123456789abcdef\r\n\r\n"
	answer = "HTTP/1.1 200 OK\r\nDate: Mon, 01 Jan 2024 00:00:00 GMT\r\nServer: nginx\r\nContent-Type: text/html; charset=UTF-8\r\nContent-Length: 13\r\nConnection: keep-alive\r\n\r\nHello, world!"
)

// exchange feeds one request and its response and frees the transaction, as the engine does.
func exchange(p *Parser, in *app.Input, req, res []byte) {
	in.Dir, in.Data = app.ToServer, req
	p.Parse(in)
	in.Dir, in.Data = app.ToClient, res
	p.Parse(in)
	x, ok := p.Next(0)
	for ok {
		id := x.Base().ID
		p.Free(id)
		x, ok = p.Next(id)
	}
}

func newParser(t testing.TB) *Parser {
	mk, err := setup(app.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	return mk().(*Parser)
}

func TestAllocs(t *testing.T) {
	p, in := newParser(t), &app.Input{Host: &noFiles{}}
	req, res := []byte(request), []byte(answer)
	exchange(p, in, req, res)
	if n := testing.AllocsPerRun(100, func() { exchange(p, in, req, res) }); n != 0 {
		t.Errorf("%v allocations for a request and its response", n)
	}
}

func TestGetterAllocs(t *testing.T) {
	p, in := newParser(t), &app.Input{Host: &noFiles{}}
	in.Data = []byte(request)
	p.Parse(in)
	in.Dir, in.Data = app.ToClient, []byte(answer)
	p.Parse(in)
	x, _ := p.Next(0)
	var s app.Scratch
	for _, b := range Protocol().Buffers {
		call := func() {
			s.Reset()
			switch b.Kind {
			case app.Single:
				b.Single(x, b.At.Dir, &s)
			case app.Multiple:
				for i := 0; ; i++ {
					if _, ok := b.Multi(x, b.At.Dir, i, &s); !ok {
						break
					}
				}
			case app.Streamed:
				b.Stream(x, b.At.Dir)
			}
		}
		call()
		if n := testing.AllocsPerRun(10, call); n != 0 {
			t.Errorf("%s: %v allocations", b.Name, n)
		}
	}
}

func BenchmarkExchange(b *testing.B) {
	p, in := newParser(b), &app.Input{Host: &noFiles{}}
	req, res := []byte(request), []byte(answer)
	b.ReportAllocs()
	for b.Loop() {
		exchange(p, in, req, res)
	}
}
