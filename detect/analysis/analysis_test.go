package analysis_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"sentinel/detect"
	"sentinel/detect/analysis"
	"sentinel/detect/keyword"
	"sentinel/detect/mpm/ac"
	"sentinel/rules"
	"sentinel/stream/app"
	"sentinel/stream/app/all"
)

// described compiles rules, which must all be good, and returns what became of them.
func described(t *testing.T, text string) ([]detect.Description, *detect.Config) {
	t.Helper()
	list, errs := rules.Parse(strings.NewReader(text), "test.rules")
	for _, err := range errs {
		t.Fatal(err)
	}
	cfg := detect.Config{
		Registry: app.NewRegistry(all.Protocols(), nil), Keywords: keyword.All(), Engine: ac.New(), Names: detect.NewNames(), Describe: true,
	}
	rs, refused := detect.Compile(cfg, list)
	for _, err := range refused {
		t.Fatal(err)
	}
	t.Cleanup(rs.Close)
	return rs.Described, &cfg
}

// report writes reports of rules and returns their text by file.
func report(t *testing.T, text string, o analysis.Options) map[string]string {
	t.Helper()
	list, cfg := described(t, text)
	o.Dir, o.Config, o.Now = t.TempDir(), cfg, time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	if err := analysis.Write(list, o); err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	files, err := os.ReadDir(o.Dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		b, err := os.ReadFile(filepath.Join(o.Dir, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		out[f.Name()] = string(b)
	}
	return out
}

func lines(t *testing.T, text string) map[float64]map[string]any {
	t.Helper()
	out := map[float64]map[string]any{}
	for _, l := range strings.Split(strings.TrimSpace(text), "\n") {
		var v map[string]any
		if err := json.Unmarshal([]byte(l), &v); err != nil {
			t.Fatalf("%v in %s", err, l)
		}
		out[v["id"].(float64)] = v
	}
	return out
}

// comparable takes out of the reference's report what belongs to protocols that it finds under other names, and what its newer
// releases tell differently.
func comparable(v map[string]any) map[string]any {
	var kept []any
	list, _ := v["engines"].([]any)
	for _, e := range list {
		m := e.(map[string]any)
		delete(m, "sub_state")
		if m["app_proto"] != "doh2" && m["app_proto"] != "quic" {
			kept = append(kept, m)
		}
	}
	if list != nil {
		v["engines"] = kept
	}
	return v
}

// The expectation is what Suricata 8.0.7 wrote for the same rules.
func TestReference(t *testing.T) {
	text, err := os.ReadFile("testdata/reference.rules")
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile("testdata/reference.json")
	if err != nil {
		t.Fatal(err)
	}
	want := lines(t, string(b))
	got := lines(t, report(t, string(text), analysis.Options{Rules: true})["rules.json"])
	if len(got) != len(want) || len(got) < 50 {
		t.Fatalf("%d rules, %d expected", len(got), len(want))
	}
	for id, w := range want {
		t.Run(fmt.Sprint(id), func(t *testing.T) {
			w, g := comparable(w), comparable(got[id])
			for k := range w {
				if !reflect.DeepEqual(g[k], w[k]) {
					a, _ := json.Marshal(g[k])
					b, _ := json.Marshal(w[k])
					t.Errorf("%s\n%s\n got %s\nwant %s", w["raw"], k, a, b)
				}
			}
			for k := range g {
				if _, ok := w[k]; !ok {
					t.Errorf("%s: the reference has no %s", w["raw"], k)
				}
			}
		})
	}
}

// Conditions that the reference describes since 9.0, by its conformance cases.
func TestConditions(t *testing.T) {
	for _, x := range []struct{ name, options, list, want string }{
		{"flowbits", "flowbits:isset,a|b;", "packet", `{"name":"flowbits","flowbits":{"cmd":"isset","names":["a","b"],"operator":"or"}}`},
		{"flowint", "flowint:n,>=,3;", "packet", `{"name":"flowint","flowint":{"cmd":"gte","var":"n","value":3}}`},
		{"flowint is set", "flowint:n,isset;", "packet", `{"name":"flowint","flowint":{"cmd":"isset","var":"n"}}`},
		{"flowint adds", "flowint:n,+,1;", "postmatch", `{"name":"flowint","flowint":{"cmd":"add","var":"n","value":1}}`},
		{"xbits", "xbits:toggle,x,track ip_dst;", "postmatch", `{"name":"xbits","xbits":{"cmd":"toggle","name":"x","track":"ip_dst","expire":30}}`},
		{"xbits of pairs", "xbits:isset,x,track ip_pair,expire 5;", "packet", `{"name":"xbits","xbits":{"cmd":"isset","name":"x","track":"ip_pair","expire":5}}`},
		{"protocols", "app-layer-protocol:!tls|http;", "packet", `{"name":"app-layer-protocol","app_layer_protocol":{"protocols":["http","tls","http2","http_any"],"mode":"direction","negated":true}}`},
		{"protocols of either", "app-layer-protocol:unknown|tls,either;", "packet", `{"name":"app-layer-protocol","app_layer_protocol":{"protocols":["unknown","tls"],"mode":"either","negated":false}}`},
		{"phases", "tcp.session:setup,closing;", "packet", `{"name":"tcp.session","tcp_session":{"phases":["setup","closing"]}}`},
		{"elephant", "flow.elephant:both;", "packet", `{"name":"flow.elephant","flow_elephant":{"dir":"both"}}`},
		{"mask", "flow.age:&0xc0!=0;", "packet", `{"name":"flow.age","flow_age":{"negated_bitmask":{"mask":192,"value":0}}}`},
		{"range", "tcp.mss:!123-456;", "packet", `{"name":"tcp.mss","tcp_mss":{"negated_range":{"min":123,"max":456}}}`},
		{"alias", "ack:15;", "packet", `{"name":"tcp.ack","ack":{"equal":15}}`},
	} {
		t.Run(x.name, func(t *testing.T) {
			got := lines(t, report(t, "alert tcp any any -> any any ("+x.options+" sid:1;)", analysis.Options{Rules: true})["rules.json"])
			list, _ := got[1]["lists"].(map[string]any)[x.list].(map[string]any)
			matches, _ := list["matches"].([]any)
			if len(matches) != 1 {
				t.Fatalf("lists: %v", got[1]["lists"])
			}
			var want any
			if err := json.Unmarshal([]byte(x.want), &want); err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(matches[0], want) {
				t.Errorf("got %v, want %v", matches[0], want)
			}
		})
	}
}

func TestWarnings(t *testing.T) {
	const (
		both   = "Rule is inspecting both the request and the response."
		noFlow = "TCP rule without a flow or flags option."
	)
	for _, x := range []struct {
		name, rule string
		want       []string
	}{
		{"none", `alert http any any -> any any (http.uri; content:"abc"; sid:1;)`, nil},
		{"no flow", `alert tcp any any -> any any (content:"abc"; sid:1;)`, []string{noFlow, both}},
		{"flags", `alert tcp any any -> any any (flags:A; content:"abc"; sid:1;)`, []string{both}},
		{"addresses", `alert ip 1.2.3.4 any -> any any (sid:1;)`, nil},
		{"pcre alone", `alert udp any any -> any any (flow:to_server; pcre:"/abc/"; sid:1;)`, []string{"Rule uses pcre without a content option present."}},
		{"offset", `alert tcp any any -> any 80 (flow:established,to_server; content:"abc"; offset:3; sid:1;)`, []string{"Rule has depth/offset with raw content keywords."}},
		{"raw HTTP", `alert http1 any any -> any any (flow:to_server; urilen:44; content:"abc"; sid:1;)`, []string{
			"Rule app layer protocol is http, but content options do not have http_* modifiers.",
			"Rule app layer protocol is http, but the fast_pattern is set on the raw stream."}},
		{"client ports", `alert tcp any 80 -> any any (flow:established,to_server; content:"abc"; sid:1;)`, []string{"Rule contains ports or port variables only on the client side."}},
		{"encoded", `alert http any any -> any any (http.uri; content:"a%20b"; sid:1;)`, []string{"Rule may contain percent encoded content for a normalized http buffer match."}},
		{"stored nowhere", `alert http any any -> any any (flow:to_server; http.uri; content:"abc"; filestore; sid:1;)`, []string{"Rule requires file-store but the output file-store is not enabled."}},
	} {
		t.Run(x.name, func(t *testing.T) {
			text := report(t, x.rule, analysis.Options{Rules: true})["rules_analysis.txt"]
			var got []string
			for _, l := range strings.Split(text, "\n") {
				if w, ok := strings.CutPrefix(l, "    Warning: "); ok {
					got = append(got, w)
				}
			}
			if len(got) != len(x.want) {
				t.Fatalf("got %q, want %q", got, x.want)
			}
			for i := range got {
				if !strings.HasPrefix(got[i], x.want[i]) {
					t.Errorf("got %q, want %q", got[i], x.want[i])
				}
			}
			if strings.Contains(text, "No warnings for this rule.") != (len(x.want) == 0) {
				t.Error(text)
			}
			only := report(t, x.rule, analysis.Options{Rules: true, WarningsOnly: true})["rules_analysis.txt"]
			if strings.Contains(only, "== Sid: 1 ==") != (len(x.want) > 0) {
				t.Errorf("warnings only: %s", only)
			}
		})
	}
}

// The text is Suricata's for the same rule, but for the date.
func TestFastPattern(t *testing.T) {
	const rule = `alert tls any any -> any any (tls.sni; to_lowercase; content:"abcd"; fast_pattern:1,2; sid:11;)`
	got := report(t, rule, analysis.Options{FastPattern: true, Refused: []*rules.Error{{Raw: "alert x", File: "a.rules", Line: 7}}})
	const want = `-------------------------------------------------------------------
Date: 4/3/2026 -- 05:06:07
-------------------------------------------------------------------
== Sid: 11 ==
` + rule + `
    Fast Pattern analysis:
        Fast pattern matcher: TLS Server Name Indication (SNI) extension (tls.sni)
        Flags: None
        Fast pattern set: yes
        Fast pattern only set: no
        Fast pattern chop set: yes
        Fast pattern offset, length: 1, 2
        Original content: abcd
        Final content: bc

== Sid: UNKNOWN ==
alert x
    FAILURE: invalid rule.
    File: a.rules.
    Line: 7.

============
Summary:
============
TLS Server Name Indication (SNI) extension (tls.sni), smallest pattern 2 byte(s), longest pattern 2 byte(s), number of patterns 1, avg pattern len 2.00 byte(s)
`
	if got["rules_fast_pattern.txt"] != want {
		t.Errorf("got %s", got["rules_fast_pattern.txt"])
	}
	if len(got) != 1 {
		t.Errorf("%d files", len(got))
	}
}

func TestPatterns(t *testing.T) {
	got := report(t, `alert tcp any any -> any any (content:"GET /one"; nocase; content:!"|0d 0a|"; sid:1;)
alert http any any -> any any (http.uri; content:"abc"; endswith; sid:2;)`, analysis.Options{Rules: true})["patterns.json"]
	// Suricata's for these rules, but for the numbers of lists.
	const want = `{"buffers":[{"name":"payload","list_id":1,"patterns":[` +
		`{"pattern":"get|20 2F|one","patlen":8,"cnt":2,"mpm":2,"flags":{"nocase":true,"negated":false,"depth":false,"offset":false,"endswith":false}},` +
		`{"pattern":"|0D 0A|","patlen":2,"cnt":2,"mpm":0,"flags":{"nocase":false,"negated":true,"depth":false,"offset":false,"endswith":false}}]},` +
		`{"name":"http_uri","list_id":2,"patterns":[` +
		`{"pattern":"abc","patlen":3,"cnt":2,"mpm":2,"flags":{"nocase":false,"negated":false,"depth":false,"offset":false,"endswith":true}}]}]}`
	if strings.TrimSpace(got) != want {
		t.Errorf("got %s", got)
	}
}

// A rule on packets that waits for a bit of rules on transactions depends on them; see the conformance case
// rules/flowbit-engine-analysis.
func TestDependencies(t *testing.T) {
	files := report(t, `alert http any any -> any any (http.header; content:"abc"; flowbits:set,fb1; sid:1;)
alert tcp any any -> any any (flowbits:isset,fb1; sid:2;)
alert tcp any any -> any any (content:"x"; flowbits:set,fb2; sid:3;)
alert tcp any any -> any any (flowbits:isset,fb2; sid:4;)`, analysis.Options{Rules: true})
	got := lines(t, files["rules.json"])
	for id, want := range map[float64]bool{1: false, 2: true, 3: false, 4: false} {
		if _, ok := got[id]["dependencies"]; ok != want {
			t.Errorf("rule %v: %v", id, got[id]["dependencies"])
		}
	}
	b, _ := json.Marshal(got[2]["dependencies"])
	if string(b) != `{"flowbits":{"upstream":{"state_modifying_rules":{"names":["fb1"],"sids":[1]}}}}` {
		t.Errorf("got %s", b)
	}
	const bits = `{"flowbits":[{"name":"fb1","internal_id":1,"set_cnt":1,"unset_cnt":0,"isset_cnt":1,"isnotset_cnt":0,"sets":[1],"isset":[2]},` +
		`{"name":"fb2","internal_id":2,"set_cnt":1,"unset_cnt":0,"isset_cnt":1,"isnotset_cnt":0,"sets":[3],"isset":[4]}]}`
	if strings.TrimSpace(files["flowbits.json"]) != bits {
		t.Errorf("got %s", files["flowbits.json"])
	}
}

// The expectations are those of the conformance cases rule-grouping/*.
func TestGroups(t *testing.T) {
	for _, x := range []struct {
		name, rules string
		most        int
		want        string
	}{
		{"priority first", `alert tcp any any -> any any (flow:to_server; content:"abc"; sid:1;)
alert tcp any 1024: -> any 80 (flow:to_server; content:"abc"; sid:2;)
alert tcp any 1024: -> any 80:81 (flow:to_server; content:"abc"; sid:3;)
alert tcp any any -> any 445 (flow:to_server; content:"abc"; sid:4;)`, 40,
			"0 80-80 [1 2 3]; 1 445-445 [1 4]; 2 81-81 [1 3]; 3 0-79 [1]; 3 82-444 [1]; 3 446-65535 [1]"},
		{"shared", `alert tcp any any -> any [587,25] (flow:established,to_server; sid:2;)`, 40, "0 25-25 [2]; 0 587-587 [2]"},
		{"edges", `alert tcp any any -> any 0:1000 (flow:to_server; content:"abc"; sid:1;)
alert tcp any any -> any 0 (flow:to_server; content:"abc"; sid:2;)
alert tcp any any -> any 35000:65535 (flow:to_server; content:"abc"; sid:3;)
alert tcp any any -> any 65535 (flow:to_server; content:"abc"; sid:4;)`, 40,
			"0 0-0 [1 2]; 1 65535-65535 [3 4]; 2 1-1000 [1]; 3 35000-65534 [3]"},
		{"too many", `drop tls any 1 -> any 1 (flow:to_server; sid:1;)
drop tls any 2 -> any 2 (flow:to_server; sid:2;)
drop tls any 3 -> any 3 (flow:to_server; sid:3;)
drop tcp any any -> any 1024:65535 (flow:to_server; sid:4;)`, 2, "0 1-1 [1]; 1 2-2 [2]; 2 0-65535 [3 4]"},
		{"none", `alert ip 1.2.3.4 any -> any any (sid:1;)`, 40, ""},
	} {
		t.Run(x.name, func(t *testing.T) {
			list, _ := described(t, x.rules)
			dir := t.TempDir()
			if err := analysis.WriteGroups(dir, list, analysis.GroupOptions{Rules: true, Patterns: true, ToServer: x.most}); err != nil {
				t.Fatal(err)
			}
			b, err := os.ReadFile(filepath.Join(dir, "rule_group.json"))
			if err != nil {
				t.Fatal(err)
			}
			var v struct {
				TCP struct {
					ToServer []struct {
						Port, Port2 int
						RuleGroup   struct {
							ID    int
							Rules []struct {
								SID int `json:"sig_id"`
							}
						}
					}
				}
			}
			if err := json.Unmarshal(b, &v); err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, g := range v.TCP.ToServer {
				var sids []int
				for _, r := range g.RuleGroup.Rules {
					sids = append(sids, r.SID)
				}
				got = append(got, fmt.Sprintf("%d %d-%d %v", g.RuleGroup.ID, g.Port, g.Port2, sids))
			}
			if s := strings.Join(got, "; "); s != x.want {
				t.Errorf("got %s\nwant %s", s, x.want)
			}
		})
	}
}
