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
