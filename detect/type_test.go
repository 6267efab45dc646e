package detect_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sentinel/detect"
	"sentinel/rules"
)

// The rules and their types are those of the reference's engine analysis.
func TestTypes(t *testing.T) {
	for _, c := range []struct{ rule, typ string }{
		{`alert dns any any -> any any (sid:1;)`, "app_layer"},
		{`alert http any any -> any any (sid:1;)`, "app_layer"},
		{`alert tls any any -> any any (flowint:tls_error_int,=,0; sid:1;)`, "app_layer"},
		{`alert pkthdr any any -> any any (decode-event:ipv6.exthdr_dupl_hh; sid:1;)`, "de_only"},
		{`alert tcp-stream any any -> any any (sid:1;)`, "ip_only"},
		{`alert tcp-pkt [192.168.0.0/16,10.0.0.0/8] any -> any any (sid:1;)`, "ip_only"},
		{`alert ip any any -> any any (hostbits:set,myflow2; sid:1;)`, "ip_only"},
		{`alert ip !10.0.0.0/8 any -> any any (sid:1;)`, "like_ip_only"},
		{`alert tcp any any -> any any (app-layer-protocol:!http; sid:1;)`, "pd_only"},
		{`alert tcp any any -> any any (app-layer-protocol:dns; flow:to_server; sid:1;)`, "pd_only"},
		{`alert tcp-pkt any any -> any any (content:"abc"; startswith; sid:1;)`, "pkt"},
		{`alert tcp any any -> any any (ttl:123; sid:1;)`, "pkt"},
		{`alert udp any any -> any any (flow:to_server; sid:1;)`, "pkt"},
		{`alert tcp any any -> any 443 (flow:to_server; flowbits:set,tls_error; sid:1;)`, "pkt"},
		{`alert tcp-pkt any any -> any any (flowbits:isset,fb6; sid:1;)`, "pkt"},
		{`alert tcp any any -> any any (content:"abc"; startswith; sid:1;)`, "pkt_stream"},
		{`alert http any any -> any any (content:"abc"; depth:30; sid:1;)`, "pkt_stream"},
		{`alert tcp any any -> any any (content:"abc"; sid:1;)`, "stream"},
		{`alert http any any -> any any (http.uri; content:"abc"; sid:1;)`, "app_tx"},
		{`alert http1:request_line any any -> any any (sid:1;)`, "app_tx"},
	} {
		t.Run(c.rule, func(t *testing.T) {
			cfg := config()
			cfg.Keywords = append(cfg.Keywords, ttlKeyword())
			if got := load(t, cfg, c.rule).TypeOf(0).String(); got != c.typ {
				t.Errorf("got %s, want %s", got, c.typ)
			}
		})
	}
}

func TestFastPattern(t *testing.T) {
	for _, c := range []struct{ rule, data, buffer string }{
		{`alert tcp any any -> any any (content:"one"; content:"1"; prefilter; sid:1;)`, "1", "payload"},
		{`alert tcp any any -> any any (uricontent:"one"; uricontent:"1"; prefilter; sid:2;)`, "1", "http.uri"},
		{`alert tcp any any -> any any (content:"one"; http_uri; content:"1"; prefilter; http_uri; sid:3;)`, "1", "http.uri"},
		{`alert tcp any any -> any any (http.uri; content:"one"; content:"1"; prefilter; sid:4;)`, "1", "http.uri"},
		{`alert tcp any any -> any any (content:"a long pattern"; http.uri; content:"one"; sid:1;)`, "one", "http.uri"},
		{`alert tcp any any -> any any (content:"abcdef"; content:"abcabc"; sid:1;)`, "abcdef", "payload"},
		{`alert tcp any any -> any any (content:!"abcdefg"; content:"ab"; sid:1;)`, "ab", "payload"},
		{`alert tcp any any -> any any (content:"abcdefg"; fast_pattern:2,3; sid:1;)`, "cde", "payload"},
		{`alert tcp any any -> any any (flow:to_server,established; content:"attach"; file.data; content:".pdf.exe"; prefilter; within:64; sid:10;)`, ".pdf.exe", "file.data"},
	} {
		t.Run(c.rule, func(t *testing.T) {
			data, buffer := load(t, config(), c.rule).FastPattern(0)
			if data != c.data || buffer != c.buffer {
				t.Errorf("got %q in %s, want %q in %s", data, buffer, c.data, c.buffer)
			}
		})
	}
}

// Every rule of the cases of this name is refused by the reference.
func TestInvalid(t *testing.T) {
	const cases = "../../shared/conformance/cases"
	if _, err := os.Stat(cases); err != nil {
		t.Skip("the cases are not there: " + cases)
	}
	files, _ := filepath.Glob(cases + "/test-bad-*/test.rules")
	more, _ := filepath.Glob(cases + "/*invalid*/*.rules")
	for _, f := range append(files, more...) {
		name := filepath.Base(filepath.Dir(f))
		if strings.HasPrefix(name, "dataset") || strings.HasPrefix(name, "smb-") || strings.HasPrefix(name, "file-force") || strings.HasPrefix(name, "flowbits-") {
			continue // keywords of others; the last are warnings only
		}
		t.Run(name, func(t *testing.T) {
			rs, perrs := rules.ParseFile(f)
			set, errs := detect.Compile(config(), rs)
			if name == "pcre-invalid-rule-01" { // 13 of its 24 rules are wrong
				if set.FailedRules != 13 {
					t.Errorf("%d rules were refused, not 13: %v", set.FailedRules, errs)
				}
				return
			}
			if set.Rules() > 0 || len(errs)+len(perrs) == 0 {
				t.Errorf("%d rules were loaded", set.Rules())
			}
			for _, e := range errs {
				t.Log(e)
			}
		})
	}
}
