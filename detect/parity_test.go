package detect_test

import (
	"math/rand"
	"os"
	"reflect"
	"strings"
	"testing"

	"sentinel/detect"
	"sentinel/detect/chain"
	"sentinel/detect/mpm/hyperscan"
	"sentinel/rules"
	"sentinel/stream"
	"sentinel/stream/app"
	"sentinel/stream/file"
)

// traffic makes packets that rules are likely to match: it puts their contents where they look for them.
type traffic struct {
	r    *rand.Rand
	list []rules.Rule
}

// step is one packet, as a function of the connection, so that two connections can be given the same.
type step func(c *conn) *stream.Unit

var bufferOf = map[string]string{"http_uri": "http.uri", "http_user_agent": "http.user_agent", "http_header": "http.header", "http_host": "http.host",
	"http_method": "http.method", "http_cookie": "http.cookie", "http_client_body": "http.request_body", "file_data": "file.data", "dns_query": "dns.query"}

// contents collects a rule's contents by buffer.
func contents(r *rules.Rule) map[string]string {
	out := map[string]string{}
	cur, last := "", ""
	for i := range r.Options {
		o := &r.Options[i]
		if strings.Contains(o.Name, ".") && !o.HasValue || o.Name == "file_data" || o.Name == "dns_query" {
			cur = o.Name
			if x := bufferOf[cur]; x != "" {
				cur = x
			}
			continue
		}
		if o.Name == "pkt_data" {
			cur = ""
		}
		if o.Name == "content" && !strings.HasPrefix(o.Value, "!") && len(o.Value) > 2 {
			b, err := chain.ParseBytes(o.Value[1 : len(o.Value)-1])
			if err != nil {
				continue
			}
			out[cur] += string(b)
			last = string(b)
			continue
		}
		if x := bufferOf[o.Name]; x != "" && cur == "" && last != "" {
			out[""] = strings.TrimSuffix(out[""], last)
			out[x] += last
			last = ""
		}
	}
	return out
}

func (t *traffic) noise(n int) string {
	b := make([]byte, t.r.Intn(n+1))
	for i := range b {
		b[i] = "abcdefghij /=&?.\x00\x01\xff\r\n"[t.r.Intn(21)]
	}
	return string(b)
}

// closed reports whether a buffer cannot change any more.
func closed(p *app.Protocol, name string, progress [2]uint8, there bool) bool {
	for i := range p.Buffers {
		b := &p.Buffers[i]
		if b.Name != name {
			continue
		}
		if now := progress[b.At.Dir]; now > b.At.Progress || now == b.At.Progress && there && b.Kind != app.Streamed {
			return true
		}
	}
	return false
}

// connection makes a whole connection.
func (t *traffic) connection() (proto uint8, port uint16, appName string, steps []step) {
	kind := t.r.Intn(4)
	proto, port, appName = 6, 80, "http1"
	switch kind {
	case 1:
		proto, port, appName = 17, 53, "dns"
	case 2:
		appName, port = "", uint16([]int{21, 25, 80, 443, 445, 1433, 8080, 31337}[t.r.Intn(8)])
	case 3:
		appName, port = "tls", 443
	}
	n := 1 + t.r.Intn(4)
	for i := 0; i < n; i++ {
		d := app.Dir(t.r.Intn(2))
		pick := map[string]string{}
		for k := t.r.Intn(3); k >= 0; k-- {
			for b, s := range contents(&t.list[t.r.Intn(len(t.list))]) {
				pick[b] += t.noise(3) + s
			}
		}
		payload := pick[""] + t.noise(8)
		if t.r.Intn(8) == 0 {
			payload = ""
		}
		progress := uint8(t.r.Intn(6))
		inStream := t.r.Intn(2) == 0
		raw := ""
		if t.r.Intn(2) == 0 {
			raw = pick[""] + t.noise(30)
		}
		eof := t.r.Intn(10) == 0
		var tx *fakeTx
		steps = append(steps, func(c *conn) *stream.Unit {
			c.raw = nil
			if raw != "" {
				c.raw = []byte(raw)
			}
			u := c.unit(d, payload)
			if inStream {
				u.Flags |= stream.InStream
			}
			if eof {
				u.Flags |= stream.EndOfFlow | stream.Pseudo
				u.Packet.Payload = nil
			}
			if c.p == nil {
				return u
			}
			if len(c.p.txs) == 0 || progress == 0 {
				tx = c.tx(uint64(len(c.p.txs) + 1))
			} else {
				tx = c.p.txs[len(c.p.txs)-1]
			}
			tx.Updated[d] = true
			before := tx.Progress
			if last := uint8(len(c.st.Proto.States[d])); last > 0 && progress < last {
				tx.Progress[d] = max(tx.Progress[d], progress)
			} else {
				tx.Progress[d] = max(tx.Progress[d], c.st.Complete(d))
			}
			for b, s := range pick {
				_, there := tx.b[b]
				if closed(c.st.Proto, b, before, there) {
					continue // no protocol changes a buffer whose state is over
				}
				tx.b[b] += s
				tx.multi[b] = append(tx.multi[b], s, strings.TrimSpace(s))
				if tx.stream[b] == nil {
					tx.stream[b] = &file.Stream{}
				}
				tx.stream[b].Append([]byte(s))
			}
			return u
		})
	}
	return
}

// TestParity compares what rules find with and without prefilters, on the same random traffic.
func TestParity(t *testing.T) {
	if _, err := os.Stat(etOpen); err != nil {
		t.Skip("the rule set is not there: " + etOpen)
	}
	all, _ := rules.ParseFile(etOpen)
	var list []rules.Rule
	for i := range all {
		if i%7 == 0 {
			list = append(list, all[i])
		}
	}
	engine, err := hyperscan.New()
	if err != nil {
		t.Skip("no hyperscan: ", err)
	}
	plain := config()
	plain.Engine, plain.NoPrefilter = nil, true
	a, _ := detect.Compile(plain, list)
	for _, tt := range []struct {
		name  string
		after int
	}{{"sets of all patterns", -1}, {"sets of a class's patterns", 1}} {
		t.Run(tt.name, func(t *testing.T) {
			fast := config()
			fast.Engine, fast.NarrowAfter = engine, tt.after
			b, _ := detect.Compile(fast, list)
			if a.Rules() != b.Rules() {
				t.Fatalf("%d and %d rules", a.Rules(), b.Rules())
			}
			defer b.Close()
			parity(t, a, b, list)
			if n := b.Narrowed(); (n > 0) != (tt.after > 0) {
				t.Errorf("%d sets were made for classes", n)
			}
		})
	}
}

// parity compares what two sets of the same rules find.
func parity(t *testing.T, a, b *detect.Ruleset, list []rules.Rule) {
	src := &traffic{r: rand.New(rand.NewSource(1)), list: list}
	total, bad := 0, 0
	n := 500
	if testing.Short() {
		n = 100
	}
	for i := 0; i < n && bad < 5; i++ {
		proto, port, name, steps := src.connection()
		var got [2][][]uint32
		for side, rs := range []*detect.Ruleset{a, b} {
			c := newConn(proto, 40000, port, name)
			w := worker(rs, c)
			for _, s := range steps {
				got[side] = append(got[side], sids(w.Inspect(s(c))))
			}
			w.Close()
		}
		b.Narrowed() // the next connection finds what this one asked for
		for k := range steps {
			total += len(got[0][k])
		}
		if !reflect.DeepEqual(got[0], got[1]) {
			bad++
			c := newConn(proto, 40000, port, name)
			for _, s := range steps {
				u := s(c)
				for _, x := range c.p.txs {
					t.Logf("dir %v tx %d progress %v %q", u.Dir, x.ID, x.Progress, x.b)
				}
			}
			t.Errorf("connection %d (%s): plain %v, prefiltered %v", i, name, got[0], got[1])
		}
	}
	t.Logf("%d alerts", total)
	if total < n/10 {
		t.Errorf("only %d alerts: the traffic tests nothing", total)
	}
}
