package detect_test

import (
	"errors"
	"strings"
	"testing"

	"sentinel/decode"
	"sentinel/detect"
	"sentinel/detect/keyword"
	"sentinel/detect/mpm"
	"sentinel/detect/mpm/ac"
	"sentinel/rules"
	"sentinel/stream"
	"sentinel/stream/app"
	"sentinel/stream/file"
	"sentinel/stream/flow"
)

// fakeTx is a transaction whose buffers are in a map.
type fakeTx struct {
	app.Tx
	b      map[string]string
	multi  map[string][]string
	num    map[string]uint64
	stream map[string]*file.Stream
}

// fakeParser holds transactions.
type fakeParser struct{ txs []*fakeTx }

func (p *fakeParser) Parse(*app.Input) app.Result { return app.Result{} }
func (p *fakeParser) Next(after uint64) (app.Transaction, bool) {
	for _, t := range p.txs {
		if t.ID > after {
			return t, true
		}
	}
	return nil, false
}
func (p *fakeParser) Free(id uint64) {
	for i, t := range p.txs {
		if t.ID == id {
			p.txs = append(p.txs[:i], p.txs[i+1:]...)
			return
		}
	}
}

func single(name, legacy string, d app.Dir, progress uint8) app.Buffer {
	b := app.Bytes(name, name, app.At(d, progress), func(t *fakeTx, _ app.Dir, _ *app.Scratch) []byte {
		if v, ok := t.b[name]; ok {
			return []byte(v)
		}
		return nil
	})
	b.Legacy = legacy
	if name == "http.host" {
		b.Check = func(c []byte, nocase bool) error {
			if !nocase && strings.ToLower(string(c)) != string(c) {
				return errors.New("rule is in upper case, the buffer is in lower case")
			}
			return nil
		}
	}
	if legacy == "" && strings.HasPrefix(name, "http.") {
		b.Alias = strings.Replace(name, ".", "_", 1)
	}
	return b
}

func several(name string, d app.Dir, progress uint8) app.Buffer {
	return app.Multi(name, name, app.At(d, progress), func(t *fakeTx, _ app.Dir, i int, _ *app.Scratch) ([]byte, bool) {
		if l := t.multi[name]; i < len(l) {
			return []byte(l[i]), true
		}
		return nil, false
	})
}

func body(name, legacy string, d app.Dir, progress uint8) app.Buffer {
	b := app.Stream(name, name, app.At(d, progress), func(t *fakeTx, dir app.Dir) *file.Stream { return t.stream[name] })
	b.Legacy = legacy
	return b
}

// The states of the fake HTTP: line, headers, body, complete.
const (
	atLine = 1 + iota
	atHeaders
	atBody
	atTrailer
	atComplete
)

func fakeHTTP(name string, aliases ...string) *app.Protocol {
	ts, tc := app.ToServer, app.ToClient
	p := &app.Protocol{
		Name: name, Aliases: append(aliases, "http"), Transport: app.TCP,
		States: [2][]string{
			{"request_started", "request_line", "request_headers", "request_body", "request_trailer", "request_complete"},
			{"response_started", "response_line", "response_headers", "response_body", "response_trailer", "response_complete"},
		},
		Events: []string{"invalid_header", "too_long"},
		Frames: []string{"request", "response"},
	}
	for _, x := range []struct{ n, l string }{{"http.uri", "http_uri"}, {"http.uri.raw", "http_raw_uri"}, {"http.method", "http_method"}, {"http.request_line", ""}} {
		p.Buffers = append(p.Buffers, single(x.n, x.l, ts, atLine))
	}
	for _, x := range []struct{ n, l string }{{"http.header", "http_header"}, {"http.header.raw", "http_raw_header"}, {"http.cookie", "http_cookie"},
		{"http.user_agent", "http_user_agent"}, {"http.host", "http_host"}, {"http.host.raw", "http_raw_host"}, {"http.referer", ""}, {"http.accept", ""},
		{"http.accept_enc", ""}, {"http.accept_lang", ""}, {"http.content_type", ""}, {"http.content_len", ""}, {"http.connection", ""}, {"http.header_names", ""},
		{"http.protocol", ""}, {"http.start", ""}} {
		p.Buffers = append(p.Buffers, single(x.n, x.l, ts, atHeaders))
	}
	p.Buffers = append(p.Buffers, body("http.request_body", "http_client_body", ts, atBody), several("http.request_header", ts, atHeaders))
	for _, x := range []struct{ n, l string }{{"http.stat_code", "http_stat_code"}, {"http.stat_msg", "http_stat_msg"}, {"http.response_line", ""}} {
		p.Buffers = append(p.Buffers, single(x.n, x.l, tc, atLine))
	}
	for _, x := range []struct{ n, l string }{{"http.header", "http_header"}, {"http.header.raw", "http_raw_header"}, {"http.cookie", "http_cookie"},
		{"http.content_type", ""}, {"http.content_len", ""}, {"http.connection", ""}, {"http.header_names", ""}, {"http.server", ""}, {"http.location", ""},
		{"http.protocol", ""}, {"http.start", ""}} {
		p.Buffers = append(p.Buffers, single(x.n, x.l, tc, atHeaders))
	}
	p.Buffers = append(p.Buffers, body("http.response_body", "http_server_body", tc, atBody), body("file.data", "", tc, atBody), several("http.response_header", tc, atHeaders))
	return p
}

func fakeDNS() *app.Protocol {
	p := &app.Protocol{Name: "dns", Transport: app.TCP | app.UDP, Events: []string{"malformed_data"},
		States: [2][]string{{"request_started", "request_complete"}, {"response_started", "response_complete"}}}
	for _, n := range []string{"dns.query", "dns.queries.rrname"} {
		p.Buffers = append(p.Buffers, several(n, app.ToServer, 1))
	}
	p.Buffers[0].Alias = "dns_query"
	p.Buffers = append(p.Buffers, several("dns.answer.name", app.ToClient, 1), several("dns.answers.rrname", app.ToClient, 1))
	for _, d := range []app.Dir{app.ToServer, app.ToClient} {
		p.Numbers = append(p.Numbers, app.Num("dns.opcode", "", app.At(d, 1), 8, nil, func(t *fakeTx, _ app.Dir) (uint64, bool) { v, ok := t.num["dns.opcode"]; return v, ok }),
			app.Num("dns.rrtype", "", app.At(d, 1), 16, map[string]uint64{"a": 1, "txt": 16, "null": 10}, func(t *fakeTx, _ app.Dir) (uint64, bool) { v, ok := t.num["dns.rrtype"]; return v, ok }))
	}
	return p
}

func fakeTLS() *app.Protocol {
	p := &app.Protocol{Name: "tls", Transport: app.TCP, Events: []string{"invalid_sslv2_header"}}
	for _, n := range []string{"tls.sni", "ja3.hash", "ja3.string", "ja4.hash"} {
		p.Buffers = append(p.Buffers, single(n, "", app.ToServer, 0))
	}
	for i := range p.Buffers {
		p.Buffers[i].Alias = strings.ReplaceAll(p.Buffers[i].Name, ".", "_")
	}
	for _, n := range []string{"tls.cert_subject", "tls.cert_issuer", "tls.cert_serial", "tls.cert_fingerprint", "ja3s.hash", "ja3s.string"} {
		b := single(n, "", app.ToClient, 0)
		b.Alias = strings.ReplaceAll(n, ".", "_")
		p.Buffers = append(p.Buffers, b)
	}
	p.Buffers = append(p.Buffers, several("tls.certs", app.ToClient, 0), several("tls.subjectaltname", app.ToClient, 0))
	any := func(string) (func(app.Transaction, app.Dir) bool, string, error) {
		return func(app.Transaction, app.Dir) bool { return false }, "", nil
	}
	for _, n := range []string{"tls.version", "ssl_version", "ssl_state", "tls_cert_expired", "tls_cert_valid", "tls_cert_notbefore", "tls_cert_notafter"} {
		for _, d := range []app.Dir{app.ToServer, app.ToClient} {
			p.Matches = append(p.Matches, app.Match{Name: n, At: app.At(d, 0), Setup: any})
		}
	}
	return p
}

func fakeSMTP() *app.Protocol {
	p := &app.Protocol{Name: "smtp", Transport: app.TCP, States: [2][]string{{"request_started", "request_data", "request_complete"}, {"response_started", "response_complete"}}}
	for _, n := range []string{"smtp.helo", "smtp.mail_from", "email.from", "email.subject", "email.to", "email.cc", "email.message_id", "email.x_mailer", "email.url", "email.received", "email.body_md5"} {
		p.Buffers = append(p.Buffers, single(n, "", app.ToServer, 0))
	}
	return p
}

func plainProto(name string, tr app.Transport) *app.Protocol {
	return &app.Protocol{Name: name, Transport: tr}
}

var registry = app.NewRegistry([]*app.Protocol{fakeHTTP("http1"), fakeHTTP("http2"), fakeDNS(), fakeTLS(), fakeSMTP(),
	plainProto("ftp", app.TCP), plainProto("ftp-data", app.TCP), plainProto("ssh", app.TCP), plainProto("smb", app.TCP), plainProto("imap", app.TCP),
	plainProto("pop3", app.TCP), plainProto("tftp", app.UDP), plainProto("krb5", app.TCP|app.UDP), plainProto("ntp", app.UDP), plainProto("dcerpc", app.TCP|app.UDP),
	plainProto("ikev2", app.UDP), plainProto("quic", app.UDP), plainProto("rdp", app.TCP), plainProto("snmp", app.UDP), plainProto("sip", app.TCP|app.UDP)}, nil)

var vars = rules.Vars{
	Address: map[string]string{"HOME_NET": "[192.168.0.0/16,10.0.0.0/8,172.16.0.0/12]", "EXTERNAL_NET": "!$HOME_NET", "HTTP_SERVERS": "$HOME_NET",
		"SMTP_SERVERS": "$HOME_NET", "SQL_SERVERS": "$HOME_NET", "DNS_SERVERS": "$HOME_NET", "TELNET_SERVERS": "$HOME_NET", "AIM_SERVERS": "$EXTERNAL_NET",
		"DC_SERVERS": "$HOME_NET", "DNP3_SERVER": "$HOME_NET", "DNP3_CLIENT": "$HOME_NET", "MODBUS_CLIENT": "$HOME_NET", "MODBUS_SERVER": "$HOME_NET", "ENIP_CLIENT": "$HOME_NET", "ENIP_SERVER": "$HOME_NET"},
	Port: map[string]string{"HTTP_PORTS": "80", "SHELLCODE_PORTS": "!80", "ORACLE_PORTS": "1521", "SSH_PORTS": "22", "DNP3_PORTS": "20000", "MODBUS_PORTS": "502",
		"FILE_DATA_PORTS": "[$HTTP_PORTS,110,143]", "FTP_PORTS": "21", "GENEVE_PORTS": "6081", "VXLAN_PORTS": "4789", "TEREDO_PORTS": "3544"},
}

func config() detect.Config {
	return detect.Config{Registry: registry, Keywords: keyword.All(), Vars: vars, Engine: ac.New(), Generation: 1}
}

// load compiles rules that must all be right.
func load(t testing.TB, cfg detect.Config, text string) *detect.Ruleset {
	t.Helper()
	rs, errs := rules.Parse(strings.NewReader(text), "test.rules")
	for _, e := range errs {
		t.Fatal(e)
	}
	set, es := detect.Compile(cfg, rs)
	for _, e := range es {
		t.Fatal(e)
	}
	return set
}

var _ mpm.Engine = ac.New()

// conn is a flow with units made for it.
type conn struct {
	f   flow.Flow
	st  *stream.State
	p   *fakeParser
	raw []byte
	off uint64
	now int64
	n   [2]int
}

func newConn(proto uint8, sp, dp uint16, appName string) *conn {
	c := &conn{now: 1e9}
	c.f.Proto, c.f.IPVersion = proto, 4
	c.f.Src, c.f.Dst = decode.Addr{192, 168, 1, 1}, decode.Addr{8, 8, 8, 8}
	c.f.SrcPort, c.f.DstPort = sp, dp
	if appName != "" {
		c.setApp(appName)
	}
	return c
}

func (c *conn) setApp(name string) {
	id := registry.ID(name)
	c.f.App, c.f.AppDir = id, [2]flow.ProtoID{id, id}
	c.p = &fakeParser{}
	c.st = &stream.State{Proto: registry.ByID(id), ID: id, Parser: c.p}
}

func (c *conn) tx(id uint64) *fakeTx {
	t := &fakeTx{b: map[string]string{}, multi: map[string][]string{}, num: map[string]uint64{}, stream: map[string]*file.Stream{}}
	t.ID = id
	t.Updated = [2]bool{true, true}
	c.p.txs = append(c.p.txs, t)
	return t
}

// unit makes a packet of the flow.
func (c *conn) unit(d flow.Dir, payload string) *stream.Unit {
	p := &decode.Packet{Proto: c.f.Proto, IPVersion: 4, Layers: decode.HasIPv4, Payload: []byte(payload), TTL: 64}
	switch c.f.Proto {
	case 6:
		p.Layers |= decode.HasTCP
	case 17:
		p.Layers |= decode.HasUDP
	}
	p.Src, p.Dst, p.SrcPort, p.DstPort = c.f.Src, c.f.Dst, c.f.SrcPort, c.f.DstPort
	if d == flow.ToClient {
		p.Src, p.Dst, p.SrcPort, p.DstPort = p.Dst, p.Src, p.DstPort, p.SrcPort
	}
	u := &stream.Unit{Packet: p, Flow: &c.f, Dir: d, Now: c.now, App: c.st, Flags: stream.Established | stream.StreamEstablished}
	if c.n[d] == 0 {
		u.Flags |= stream.FirstInDir
	}
	if c.p != nil {
		for _, t := range c.p.txs {
			t.Updated = [2]bool{true, true}
		}
	}
	c.n[d]++
	c.now += 1e6
	return u
}

// worker makes a worker whose raw streams are those of connections.
func worker(rs *detect.Ruleset, c *conn) *detect.Worker {
	w := rs.NewWorker(detect.NewShared(0))
	w.SetRaw(func(u *stream.Unit) ([]byte, uint64, bool) { return c.raw, c.off, c.raw != nil })
	return w
}

// sids lists the rules that alerted.
func sids(as []detect.Alert) []uint32 {
	var out []uint32
	for _, a := range as {
		out = append(out, a.Rule.SID)
	}
	return out
}

func ttlKeyword() detect.Keyword { return keyword.TTL() }
