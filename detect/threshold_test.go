package detect_test

import (
	"reflect"
	"strings"
	"testing"

	"sentinel/detect"
	"sentinel/rules"
	"sentinel/stream"
	"sentinel/stream/flow"
)

// alerts counts the alerts of n packets that a rule matches, a second apart.
func alerts(t *testing.T, cfg detect.Config, rule string, n int, gap int64, change func(i int, u *stream.Unit)) (got []int, w *detect.Worker, c *conn) {
	t.Helper()
	c = newConn(17, 1000, 53, "")
	w = worker(load(t, cfg, rule), c)
	for i := range n {
		u := c.unit(flow.ToServer, "abc")
		c.now += gap
		if change != nil {
			change(i, u)
		}
		if len(w.Inspect(u)) > 0 {
			got = append(got, i+1)
		}
	}
	return
}

// The expectations follow the user guide, "thresholding keywords".
func TestThresholdKeyword(t *testing.T) {
	const s = 1e9
	for _, c := range []struct {
		name, option string
		n            int
		gap          int64
		want         []int
	}{
		{"limit", "threshold:type limit, track by_src, count 2, seconds 60;", 5, 0, []int{1, 2}},
		{"limit renewed", "threshold:type limit, track by_src, count 1, seconds 3;", 6, s, []int{1, 4}},
		{"threshold", "threshold:type threshold, track by_dst, count 3, seconds 60;", 7, 0, []int{3, 6}},
		{"both", "threshold:type both, track by_src, count 3, seconds 60;", 7, 0, []int{3}},
		{"by flow", "threshold:type limit, track by_flow, count 1, seconds 60;", 4, 0, []int{1}},
		{"by rule", "threshold:type limit, track by_rule, count 1, seconds 60;", 4, 0, []int{1}},
		{"by both", "threshold:type limit, track by_both, count 1, seconds 60;", 4, 0, []int{1}},
		{"backoff", "threshold:type backoff, track by_flow, count 1, multiplier 2;", 10, 0, []int{1, 2, 4, 8}},
		{"detection filter", "detection_filter:track by_src, count 3, seconds 60;", 6, 0, []int{4, 5, 6}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, _, _ := alerts(t, config(), `alert udp any any -> any any (content:"abc"; `+c.option+` sid:1;)`, c.n, c.gap, nil)
			if !reflect.DeepEqual(got, c.want) {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

func TestDetectionFilterUnique(t *testing.T) {
	rule := `alert udp any any -> any any (content:"abc"; detection_filter:track by_src, count 2, seconds 60, unique_on dst_port; sid:1;)`
	got, _, _ := alerts(t, config(), rule, 6, 0, func(i int, u *stream.Unit) { u.Packet.DstPort = uint16(53 + i/2) })
	if want := []int{5, 6}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func thresholds(t *testing.T, text string) []detect.ThresholdLine {
	t.Helper()
	l, errs := detect.ParseThresholds(strings.NewReader(text), "threshold.config", vars)
	for _, e := range errs {
		t.Fatal(e)
	}
	return l
}

func TestThresholdConfig(t *testing.T) {
	const rule = `alert udp any any -> any any (content:"abc"; sid:1;)`
	for _, c := range []struct {
		name, conf string
		want       []int
	}{
		{"suppress rule", "suppress gen_id 1, sig_id 1", nil},
		{"suppress source", "suppress gen_id 1, sig_id 1, track by_src, ip 192.168.0.0/16", nil},
		{"suppress other source", "suppress gen_id 1, sig_id 1, track by_src, ip 10.0.0.0/8", []int{1, 2, 3}},
		{"suppress list", "suppress gen_id 1, sig_id 1, track by_either, ip [1.2.3.4, 8.8.8.8]", nil},
		{"suppress variable", "suppress gen_id 1, sig_id 1, track by_src, ip $HOME_NET", nil},
		{"event filter", "event_filter gen_id 1, sig_id 1, type limit, track by_src, count 1, seconds 60", []int{1}},
		{"threshold for all", "threshold gen_id 0, sig_id 0, type threshold, track by_src, count 2, seconds 60", []int{2}},
		{"continued line", "event_filter gen_id 1, sig_id 1, \\\n type limit, track by_src, count 2, seconds 60", []int{1, 2}},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := config()
			cfg.Thresholds = thresholds(t, c.conf)
			got, _, _ := alerts(t, cfg, rule, 3, 0, nil)
			if !reflect.DeepEqual(got, c.want) {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

func TestRateFilter(t *testing.T) {
	cfg := config()
	cfg.Thresholds = thresholds(t, "rate_filter gen_id 1, sig_id 1, track by_src, count 2, seconds 60, new_action drop, timeout 10")
	c := newConn(17, 1000, 53, "")
	w := worker(load(t, cfg, `alert udp any any -> any any (content:"abc"; sid:1;)`), c)
	for i, want := range []rules.Action{rules.Alert, rules.Alert, rules.Drop, rules.Drop} {
		u := c.unit(flow.ToServer, "abc")
		a := w.Inspect(u)
		if len(a) != 1 || a[0].Action != want {
			t.Fatalf("packet %d: %v", i, a)
		}
		if dropped := u.Action&stream.DropPacket != 0; dropped != (want == rules.Drop) || dropped && u.Reason != stream.DropThreshold {
			t.Errorf("packet %d: action %x, reason %v", i, u.Action, u.Reason)
		}
	}
}

// A suppressed or limited drop drops all the same.
func TestDropBehindThreshold(t *testing.T) {
	c := newConn(17, 1000, 53, "")
	w := worker(load(t, config(), `drop udp any any -> any any (content:"abc"; threshold:type limit, track by_src, count 1, seconds 60; sid:1;)`), c)
	for i := range 3 {
		u := c.unit(flow.ToServer, "abc")
		n := len(w.Inspect(u))
		if u.Action&stream.DropPacket == 0 || (n == 1) != (i == 0) {
			t.Errorf("packet %d: %d alerts, action %x", i, n, u.Action)
		}
	}
}

func TestThresholdErrors(t *testing.T) {
	_, errs := detect.ParseThresholds(strings.NewReader(`# a comment
suppress gen_id 1
event_filter gen_id 1, sig_id 2, type limit, track by_src, count 0, seconds 60
event_filter gen_id 1, sig_id 2, type never, track by_src, count 1, seconds 60
suppress gen_id 1, sig_id 2, track by_src, ip nowhere
rate_filter gen_id 1, sig_id 2, track by_src, count 1, seconds 60, new_action dance, timeout 1
`), "x", vars)
	if len(errs) != 5 {
		t.Errorf("%d errors: %v", len(errs), errs)
	}
}

func TestClassesAndReferences(t *testing.T) {
	cl, errs := detect.ParseClasses(strings.NewReader("# c\nconfig classification: not-suspicious,Not Suspicious Traffic,3\nconfig classification: BAD\nconfig classification:  Web-App , Web, 1 \n"), "classification.config")
	if len(errs) != 1 || cl.Len() != 2 {
		t.Errorf("%d classes, %v", cl.Len(), errs)
	}
	if c, ok := cl.Find("web-APP"); !ok || c.Text != "Web" || c.Priority != 1 {
		t.Errorf("%+v %v", c, ok)
	}
	refs, errs := detect.ParseReferences(strings.NewReader("config reference: url http://\nconfig reference: cve\nconfig reference:  bugtraq   http://bt/\n"), "reference.config")
	if len(errs) != 1 || refs.Len() != 2 {
		t.Errorf("%d references, %v", refs.Len(), errs)
	}
	cfg := config()
	cfg.Classes, cfg.References = cl, refs
	m := load(t, cfg, `alert ip any any -> any any (msg:"a \"b\""; reference:url,example.org/x; classtype:web-app; metadata:a b, c d, a e; target:src_ip; sid:1; rev:3;)`).Meta()[0]
	if m.Msg != `a "b"` || m.Class != "web-app" || m.ClassText != "Web" || m.Priority != 1 || m.Target != detect.SrcIP || m.Rev != 3 {
		t.Errorf("%+v", m)
	}
	if len(m.References) != 1 || m.References[0].URL != "http://example.org/x" {
		t.Errorf("%+v", m.References)
	}
	if len(m.Metadata) != 2 || len(m.Metadata[0].Values) != 2 {
		t.Errorf("%+v", m.Metadata)
	}
}

func TestAlertQueue(t *testing.T) {
	var b strings.Builder
	for i := 1; i <= 20; i++ {
		b.WriteString(`alert udp any any -> any any (content:"abc"; priority:`)
		b.WriteString([]string{"2", "1"}[i%2])
		b.WriteString("; sid:" + string(rune('0'+i/10)) + string(rune('0'+i%10)) + ";)\n")
	}
	c := newConn(17, 1000, 53, "")
	w := worker(load(t, config(), b.String()), c)
	got := sids(w.Inspect(c.unit(flow.ToServer, "abc")))
	if len(got) != 15 || got[0] != 1 || got[9] != 19 || got[10] != 2 {
		t.Errorf("got %v", got)
	}
	if w.Counters[detect.CountOverflow] != 5 || w.Counters[detect.CountAlerts] != 15 {
		t.Errorf("counters %v", w.Counters)
	}
}

func TestReload(t *testing.T) {
	c := newConn(17, 1000, 53, "")
	names := detect.NewNames()
	cfg := config()
	cfg.Names = names
	one := load(t, cfg, `alert udp any any -> any any (content:"abc"; flowbits:set,x; sid:1;)`)
	cfg.Generation = 2
	two := load(t, cfg, `alert udp any any -> any 99 (content:"abc"; sid:2;)
alert udp any any -> any 53 (content:"abc"; sid:3;)`)
	w := worker(one, c)
	if got := sids(w.Inspect(c.unit(flow.ToServer, "abc"))); !reflect.DeepEqual(got, []uint32{1}) {
		t.Fatalf("got %v", got)
	}
	w.Adopt(two)
	if got := sids(w.Inspect(c.unit(flow.ToServer, "abc"))); !reflect.DeepEqual(got, []uint32{3}) {
		t.Fatalf("got %v", got)
	}
	w.FlowFree(&c.f)
	if c.f.Detect != 0 {
		t.Error("the flow's state was not freed")
	}
}

func TestDuplicates(t *testing.T) {
	list, _ := rules.Parse(strings.NewReader(`alert udp any any -> any any (content:"a"; sid:1; rev:1;)
alert udp any any -> any any (content:"b"; sid:1; rev:3;)
alert udp any any -> any any (content:"c"; sid:1; rev:2;)
alert udp any any -> any any (content:"d"; sid:1; rev:1; gid:2;)
`), "x")
	rs, errs := detect.Compile(config(), list)
	if rs.Rules() != 2 || len(errs) != 1 || len(rs.Warnings) != 1 {
		t.Errorf("%d rules, %v, %v", rs.Rules(), errs, rs.Warnings)
	}
	for _, m := range rs.Meta() {
		if m.GID == 1 && m.Rev != 3 {
			t.Errorf("revision %d stayed", m.Rev)
		}
	}
}
