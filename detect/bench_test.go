package detect_test

import (
	"os"
	"strings"
	"sync"
	"testing"

	"sentinel/detect"
	"sentinel/detect/mpm"
	"sentinel/detect/mpm/hyperscan"
	"sentinel/stream"
	"sentinel/stream/flow"
)

var et struct {
	once sync.Once
	rs   *detect.Ruleset
}

func etSet(t testing.TB) *detect.Ruleset {
	if _, err := os.Stat(etOpen); err != nil {
		t.Skip("the rule set is not there: " + etOpen)
	}
	e, err := hyperscan.New()
	if err != nil {
		t.Skip("no hyperscan: ", err)
	}
	et.once.Do(func() {
		cfg := config()
		cfg.Engine = e
		if dir := os.Getenv("SENTINEL_MPM_CACHE"); dir != "" {
			cfg.Cache = &mpm.Cache{Dir: dir}
		}
		et.rs = loadET(t, cfg)
	})
	return et.rs
}

const request = "GET /index.html?id=1234 HTTP/1.1\r\nHost: www.example.org\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\nAccept: */*\r\n\r\n"

// scene is a packet that is judged again and again.
type scene struct {
	name string
	make func() (*conn, *stream.Unit)
}

func scenes() []scene {
	established := func(c *conn, d flow.Dir, payload string) *stream.Unit {
		c.unit(d, "")
		u := c.unit(d, payload)
		u.Flags |= stream.InStream
		return u
	}
	return []scene{
		{"tcp ack", func() (*conn, *stream.Unit) {
			c := newConn(6, 40000, 443, "tls")
			return c, established(c, flow.ToServer, "")
		}},
		{"tcp segment", func() (*conn, *stream.Unit) {
			c := newConn(6, 40000, 80, "http1")
			return c, established(c, flow.ToClient, strings.Repeat("some text of a page, ", 60))
		}},
		{"tcp stream", func() (*conn, *stream.Unit) {
			c := newConn(6, 40000, 80, "http1")
			c.raw = []byte(strings.Repeat("some text of a page, ", 100))
			return c, established(c, flow.ToClient, strings.Repeat("some text of a page, ", 60))
		}},
		{"http request", func() (*conn, *stream.Unit) {
			c := newConn(6, 40000, 80, "http1")
			tx := c.tx(1)
			tx.b["http.uri"], tx.b["http.host"], tx.b["http.user_agent"], tx.b["http.method"] = "/index.html?id=1234", "www.example.org", "Mozilla/5.0 (X11; Linux x86_64)", "GET"
			tx.b["http.header"] = request[34:]
			tx.Progress[0] = atHeaders
			c.raw = []byte(request)
			return c, established(c, flow.ToServer, request)
		}},
		{"dns query", func() (*conn, *stream.Unit) {
			c := newConn(17, 40000, 53, "dns")
			tx := c.tx(1)
			tx.multi["dns.query"] = []string{"www.example.org"}
			tx.Progress[0] = 1
			c.unit(flow.ToServer, "")
			return c, c.unit(flow.ToServer, "\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x03www\x07example\x03org\x00\x00\x01\x00\x01")
		}},
	}
}

// reset makes a transaction be looked at again.
func reset(c *conn) {
	if c.p != nil {
		for _, t := range c.p.txs {
			t.Inspected, t.InspectEnd = [2]uint8{}, [2]bool{}
		}
	}
}

func BenchmarkInspect(b *testing.B) {
	rs := etSet(b)
	for _, s := range scenes() {
		b.Run(s.name, func(b *testing.B) {
			c, u := s.make()
			w := worker(rs, c)
			defer w.Close()
			w.Inspect(u)
			b.ReportAllocs()
			for b.Loop() {
				reset(c)
				w.Inspect(u)
			}
		})
	}
}

// TestInspectAllocates asserts that a packet that no rule matches allocates nothing.
func TestInspectAllocates(t *testing.T) {
	rs := etSet(t)
	for _, s := range scenes() {
		t.Run(s.name, func(t *testing.T) {
			c, u := s.make()
			w := worker(rs, c)
			defer w.Close()
			for range 3 {
				reset(c)
				if a := w.Inspect(u); len(a) > 0 {
					t.Fatalf("it matched: %v", sids(a))
				}
			}
			// The fake getters convert strings: what is made by them is not the engine's.
			base := 0.0
			if c.p != nil && len(c.p.txs) > 0 {
				base = 40
			}
			if n := testing.AllocsPerRun(100, func() { reset(c); w.Inspect(u) }); n > base {
				t.Errorf("%v allocations", n)
			}
		})
	}
}
