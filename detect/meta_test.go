package detect_test

import (
	"strings"
	"testing"

	"sentinel/detect"
	"sentinel/rules"
	"sentinel/stream/flow"
)

// Of several priorities the highest, which is the least number, counts (the reference's src/detect-priority.c).
func TestPriorities(t *testing.T) {
	for _, c := range []struct {
		options string
		want    uint8
	}{{"priority:2; priority:4;", 2}, {"priority:4; priority:2;", 2}, {"priority:4;", 4}, {"", 3}} {
		list, wrong := rules.Parse(strings.NewReader(`alert tcp any any -> any any (`+c.options+` content:"a"; sid:1;)`), "test.rules")
		if len(wrong) > 0 {
			t.Fatal(wrong)
		}
		rs, errs := detect.Compile(config(), list)
		if len(errs) > 0 {
			t.Fatal(errs)
		}
		if got := strings.Count(c.options, "priority") > 1; got != (len(rs.Warnings) == 1) {
			t.Errorf("%s: warnings %v", c.options, rs.Warnings)
		}
		n := newConn(6, 1234, 80, "")
		as := worker(rs, n).Inspect(n.unit(flow.ToServer, "a"))
		if len(as) != 1 || as[0].Rule.Priority != c.want {
			t.Errorf("%s: alerts %v, want one of priority %d", c.options, as, c.want)
		}
	}
}

func TestMetaErrors(t *testing.T) {
	refused(t, `alert tcp any any -> any any (target:src_ip; target:dest_ip; sid:1;)`, "Conflicting values of target keyword")
	load(t, config(), `alert tcp any any -> any any (target:src_ip; target:src_ip; sid:1;)`)
}

// An integer that is not set counts as 0 where another one is compared with it, or set to it (the reference's src/detect-flowint.c, and its
// verdicts).
func TestFlowintOfUnset(t *testing.T) {
	n := newConn(6, 1234, 80, "")
	w := worker(load(t, config(), `alert tcp any any -> any any (flowint:aa,=,bb; noalert; sid:1;)
alert tcp any any -> any any (flowint:aa,==,bb; sid:2;)
alert tcp any any -> any any (flowint:aa,>,bb; sid:3;)
alert tcp any any -> any any (flowint:cc,==,bb; sid:4;)`), n)
	if got := sids(w.Inspect(n.unit(flow.ToServer, "a"))); len(got) != 1 || got[0] != 2 {
		t.Errorf("got %v, want rule 2", got)
	}
}

func TestXbitOptions(t *testing.T) {
	load(t, config(), `alert tcp any any -> any any (xbits:set,a,expire 10,track ip_src; sid:1;)
alert tcp any any -> any any (xbits:set,a,track ip_src,expire 10; sid:2;)
alert http1 any any -> any any (http.uri; content:"a"; xbits:set,a,track tx; sid:3;)
alert http1:request_headers any any -> any any (xbits:isset,a,track tx; sid:4;)
alert http1 any any -> any any (app-layer-state:request_headers; xbits:isset,a,track tx; sid:5;)`)
	refused(t, `alert http1 any any -> any any (xbits:toggle,a,track tx; sid:1;)`, "tx xbits only support set and isset")
	refused(t, `alert http1 any any -> any any (xbits:isset,a,track tx; sid:1;)`, "explicit rule hook")
	refused(t, `alert tcp any any -> any any (xbits:set,a,expire 10,expire 10; sid:1;)`, "track was not found")
}

// What is known and refused does not meet a requirement.
func TestRequiresKeyword(t *testing.T) {
	for _, c := range []struct {
		keyword string
		rules   int
	}{{"flowvar", 1}, {"luaxform", 0}, {"lua", 0}, {"http.uri", 1}, {"to_md5", 1}, {"nosuch", 0}} {
		rs := load(t, config(), `alert tcp any any -> any any (requires:keyword `+c.keyword+`; sid:1;)`)
		if rs.Rules() != c.rules || rs.Skipped != 1-c.rules {
			t.Errorf("%s: %d rules, %d skipped", c.keyword, rs.Rules(), rs.Skipped)
		}
	}
}

// What the reference refuses, in its order of words.
func TestMisplaced(t *testing.T) {
	for _, c := range []struct{ name, rule, want string }{
		{"rawbytes after a sticky buffer", `alert http1 any any -> any any (http.uri; content:"a"; rawbytes; sid:1;)`, "cannot be combined"},
		{"rawbytes twice", `alert tcp any any -> any any (content:"a"; rawbytes; rawbytes; sid:1;)`, "multiple rawbytes"},
		{"rawbytes first", `alert tcp any any -> any any (rawbytes; content:"a"; sid:1;)`, "needs a preceding content"},
		{"frame and packet", `alert tcp-pkt any any -> any any (frame:http1.request; content:"a"; sid:1;)`, "packet specific matches"},
		{"frame and size of packets", `alert tcp any any -> any any (frame:http1.request; content:"a"; dsize:5; sid:1;)`, "packet specific matches"},
		{"frame of another transport", `alert udp any any -> any any (frame:http1.request; content:"a"; sid:1;)`, "unknown frame 'request' for protocol 'http1'"},
		{"relative expression alone", `alert tcp any any -> any any (content:"GET"; http_cookie; pcre:"/abc/RM"; sid:1;)`, "needs preceding match in the same buffer"},
		{"protocol of a rule for two", `alert http any any -> any any (app-layer-protocol:smtp; sid:1;)`, "already have the rule match on an app layer protocol"},
		{"protocol after a buffer", `alert tcp any any -> any any (tls.sni; content:"a"; app-layer-protocol:tls|dns; sid:1;)`, "already have the rule match on an app layer protocol"},
		{"absent after a content", `alert http1 any any -> any any (http.user_agent; content:"a"; absent:or_else; sid:1;)`, "must come first"},
		{"bypass before filestore", `alert http1 any any -> any any (bypass; filestore; http.uri; content:"a"; sid:1;)`, "can't work with bypass"},
		{"bypass after filestore", `alert http1 any any -> any any (filestore; bypass; http.uri; content:"a"; sid:1;)`, "can't work with filestore"},
		{"DCERPC in another protocol", `alert http1 any any -> any any (http.uri; content:"a"; byte_test:1,>,1,0,relative,dce; sid:1;)`, "conflicting alprotos"},
		{"capital letters in a host", `alert tcp any any -> any any (content:"a"; http_host; pcre:"/Suricata$/W"; sid:1;)`, "lower case"},
	} {
		t.Run(c.name, func(t *testing.T) { refused(t, c.rule, c.want) })
	}
	load(t, config(), `alert tcp any any -> any any (content:"|2E|suricata"; http_host; pcre:"/\x2Esuricata$/W"; sid:1;)
alert tcp any any -> any any (content:"GET"; http_method; pcre:"/abc/RM"; sid:2;)
alert tcp any any -> any any (content:"a"; rawbytes; sid:3;)
alert tcp any any -> any any (content:"a"; byte_jump:1,0,relative,dce; byte_extract:1,0,x,relative,dce; sid:5;)
alert http1 any any -> any any (http.user_agent; absent:or_else; content:"a"; sid:4;)`)
}
