package detect_test

import (
	"strings"
	"testing"

	"sentinel/detect"
	"sentinel/rules"
	"sentinel/stream"
	"sentinel/stream/flow"
)

// FuzzCompile compiles anything that looks like rules, and judges a packet and a transaction by them.
func FuzzCompile(f *testing.F) {
	for _, s := range []string{
		`alert http any any -> any any (msg:"x"; flow:established,to_server; http.uri; content:"/a"; nocase; pcre:"/b+/Ri"; sid:1;)`,
		`drop tcp $HOME_NET any <> any [80,!81] (content:"a|20|b"; offset:1; depth:9; byte_extract:1,0,x,relative; content:"z"; within:x; sid:2;)`,
		`alert udp any any -> any 53 (dsize:3<>90; content:!"q"; threshold:type limit, track by_src, count 1, seconds 2; sid:3;)`,
		`alert http any any => any any (http.uri; content:"a"; http.stat_code; content:"200"; sid:4;)`,
		`alert tcp any any -> any any (flowbits:set,a; flowint:b,+,1; xbits:set,c,track ip_pair,expire 3; tag:session; sid:5;)`,
		`alert dns any any -> any any (dns.query; dotprefix; content:".x"; bsize:>3; dns.opcode:!1; sid:6;)`,
		`pass ip [1.2.3.0/24,!1.2.3.4] any -> any any (sid:7;)`,
		`alert http1:request_line any any -> any any (http.method; absent; sid:8;)`,
		`alert tcp any any -> any any (frame:http1.request; content:"GET "; startswith; frame:http1.stream; to_md5; bsize:9; sid:10;)`,
		`alert http1 any any -> any any (app-layer-state:>request_line; app-layer-state:<request_complete; http.uri; content:"/a"; sid:11;)`,
		`alert http1 any any => any any (app-layer-state:<request_body; app-layer-state:>response_started; sid:12;)`,
		`alert http1 any any -> any any (app-layer-state:request_headers; sid:13;)`,
		`alert tcp any any -> any any (pcre:"/(a) (?P<flow_x>b)/, pkt:x, alert:y"; flowvar:x,"b|20|"; pktvar:x,a; nfq_set_mark:0x1/0xff; sid:14;)`,
		`alert sctp any any -> any any (sctp.chunk_data; to_md5; content:"a"; sid:15;)`,
		`alert ip any any -> any any (ip.src; xor:"ff"; content:"a"; bsize:4; sid:16;)`,
		`alert tcp any any -> any any (file.data; base64_decode:bytes 9,relative; base64_data; content:"x"; filesize:<9; sid:9;)`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(text, "filemd5") || strings.Contains(text, "filesha") {
			return // they read files
		}
		list, _ := rules.Parse(strings.NewReader(text), "fuzz")
		if len(list) > 20 {
			return
		}
		rs, _ := detect.Compile(config(), list)
		for _, name := range []string{"", "http1", "dns"} {
			c := newConn(6, 1000, 80, name)
			w := worker(rs, c)
			c.raw = []byte("GET /a b z HTTP/1.1\r\n")
			if c.p != nil {
				x := c.tx(1)
				x.b["http.uri"], x.b["http.method"], x.b["http.stat_code"] = "/ab", "GET", "200"
				x.multi["dns.query"] = []string{"a.x", ""}
				x.Progress = [2]uint8{5, 5}
			}
			w.Inspect(c.unit(flow.ToServer, "a b z"))
			u := c.unit(flow.ToClient, "")
			u.Flags |= stream.Pseudo | stream.EndOfFlow
			w.Inspect(u)
			w.FlowFree(&c.f)
			w.Close()
		}
		rs.Close()
	})
}

// FuzzTables reads anything as a number, a threshold, a classification and a reference.
func FuzzTables(f *testing.F) {
	for _, s := range []string{"5", ">=0x10", "3<>9", "!1-7", "&0x0f=3", "10kb",
		"suppress gen_id 1, sig_id 1, track by_src, ip [1.2.3.4,!5.6.7.8]",
		"rate_filter gen_id 1, sig_id 1, track by_src, count 2, seconds 60, new_action drop, timeout 10",
		"config classification: a-b,c d,3", "config reference: url http://"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, bits := range []int{8, 16, 32, 64} {
			if u, err := detect.ParseUint(s, bits, map[string]uint64{"a": 1}); err == nil {
				u.Match(0)
				u.Match(1<<bits - 1)
			}
		}
		detect.ParseThresholds(strings.NewReader(s), "x", vars)
		detect.ParseClasses(strings.NewReader(s), "x")
		detect.ParseReferences(strings.NewReader(s), "x")
	})
}
