package rules

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestParseRule(t *testing.T) {
	tests := []struct {
		name, in string
		want     Rule
	}{
		{"user guide", `alert http $HOME_NET any -> $EXTERNAL_NET any (msg:"HTTP GET Request Containing Rule in URI"; flow:established,to_server; http.method; content:"GET"; sid:123; rev:1;)`,
			Rule{Action: Alert, Proto: "http", Src: "$HOME_NET", SrcPort: "any", Dst: "$EXTERNAL_NET", DstPort: "any", Options: []Option{
				{Name: "msg", Value: `"HTTP GET Request Containing Rule in URI"`, HasValue: true},
				{Name: "flow", Value: "established,to_server", HasValue: true},
				{Name: "http.method"}, {Name: "content", Value: `"GET"`, HasValue: true},
				{Name: "sid", Value: "123", HasValue: true}, {Name: "rev", Value: "1", HasValue: true}}}},
		{"lists with blanks, both ways", `drop:flow TCP [10.0.0.0/24, !10.0.0.5] [80: 82] <> ![1.1.1.1, 1.1.1.2] !80 (sid:1;)`,
			Rule{Action: Drop, Scope: "flow", Proto: "tcp", Src: "[10.0.0.0/24, !10.0.0.5]", SrcPort: "[80: 82]", Dst: "![1.1.1.1, 1.1.1.2]", DstPort: "!80", Bidir: true,
				Options: []Option{{Name: "sid", Value: "1", HasValue: true}}}},
		{"transactional, hook", `reject http2:stream:request_complete any any => 5.6.7.8 80 (sid: 1;)`,
			Rule{Action: Reject, Proto: "http2", Hook: "stream:request_complete", Src: "any", SrcPort: "any", Dst: "5.6.7.8", DstPort: "80", TxBidir: true,
				Options: []Option{{Name: "sid", Value: "1", HasValue: true}}}},
		{"escaped semicolon, colon in value", `pass ip any any -> any any (msg:"Message with semicolon\;"; content: ! "a|3a|:b" ;  nocase ; sid:2;)`,
			Rule{Action: Pass, Proto: "ip", Src: "any", SrcPort: "any", Dst: "any", DstPort: "any", Options: []Option{
				{Name: "msg", Value: `"Message with semicolon\;"`, HasValue: true}, {Name: "content", Value: `! "a|3a|:b"`, HasValue: true},
				{Name: "nocase"}, {Name: "sid", Value: "2", HasValue: true}}}},
		{"parentheses missing or many", "ALERT  tcp\tany any  ->  any any ((sid:3;))) \r",
			Rule{Action: Alert, Proto: "tcp", Src: "any", SrcPort: "any", Dst: "any", DstPort: "any", Options: []Option{{Name: "sid", Value: "3", HasValue: true}}}},
		{"no closing parenthesis", "alert tcp any any -> any any (sid:3;",
			Rule{Action: Alert, Proto: "tcp", Src: "any", SrcPort: "any", Dst: "any", DstPort: "any", Options: []Option{{Name: "sid", Value: "3", HasValue: true}}}},
		{"empty value", "alert tcp any any -> any any (msg: ;)",
			Rule{Action: Alert, Proto: "tcp", Src: "any", SrcPort: "any", Dst: "any", DstPort: "any", Options: []Option{{Name: "msg", HasValue: true}}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ParseRule(tt.in)
			if err != nil {
				t.Fatal(err)
			}
			for i := range got.Options {
				o := &got.Options[i]
				if !strings.HasPrefix(got.Raw[o.Pos:], o.Name) {
					t.Errorf("Pos of %s is wrong", o.Name)
				}
			}
			if again, err := ParseRule(got.String()); err != nil || !reflect.DeepEqual(bare(again), bare(got)) {
				t.Errorf("%q does not round trip: %v", got.String(), err)
			}
			if got = bare(got); !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got %+v\nwant %+v", got, tt.want)
			}
		})
	}
}

// bare returns a rule without what depends on its spelling.
func bare(r Rule) Rule {
	r.Raw, r.File, r.Line = "", "", 0
	o := append([]Option(nil), r.Options...)
	for i := range o {
		o[i].Pos = 0
	}
	r.Options = o
	return r
}

func TestParseRuleErrors(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"action", "alarm tcp any any -> any any (sid:1;)", "action: invalid action 'alarm'"},
		{"accept", "accept:hook tcp:all any any -> any any (sid:1;)", "firewall rules only"},
		{"scope", "drop:tx tcp any any -> any any (sid:1;)", "invalid action scope 'tx'"},
		{"alert has no scope", "alert:flow tcp any any -> any any (sid:1;)", "takes no scope"},
		{"reverse arrow", "alert tcp any any <- any any (sid:1;)", "direction: '<-' is not a direction"},
		{"short header", "alert tcp any any -> any", "header is incomplete"},
		{"no semicolon", "alert tcp any any -> any any (sid:1; msg:\"x\")", "msg: no terminating \";\" found"},
		{"escaped last semicolon", `alert tcp any any -> any any (sid:1; msg:"x"\;)`, "msg: no terminating"},
		{"empty option", "alert tcp any any -> any any (sid:1;;)", "an option without a name"},
		{"control character", "alert tcp any any -> any any (msg:\"\x01\"; sid:1;)", "control characters"},
		{"latin-1", "alert tcp any any -> any any (msg:\"\xe9\"; sid:1;)", "not valid UTF-8"},
		{"too long", "alert tcp any any -> any any (msg:\"" + strings.Repeat("x", 8192) + "\"; sid:1;)", "longer than 8191"},
		{"empty hook", "alert tcp: any any -> any any (sid:1;)", "hook is empty"},
		{"bracket not closed", "alert tcp [1.1.1.1 any -> any any (sid:1;)", "header is incomplete"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := ParseRule(tt.in)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

func TestFirewallRule(t *testing.T) {
	r, err := ParseFirewallRule("accept:flow,alert tcp:all any any -> any any (sid:1;)")
	if err != nil {
		t.Fatal(err)
	}
	if r.Action != Accept || r.Scope != "flow" || len(r.More) != 1 || r.More[0] != Alert || r.Hook != "all" {
		t.Errorf("got %+v", r)
	}
	if again, err := ParseFirewallRule(r.String()); err != nil || !reflect.DeepEqual(bare(again), bare(r)) {
		t.Errorf("%q does not round trip: %v", r.String(), err)
	}
	for _, tt := range []struct{ action, dir, want string }{
		{"accept", "->", "needs a scope"},
		{"alert:flow", "->", "takes no scope"},
		{"pass:flow", "->", "the first action"},
		{"accept:flow,drop:flow", "->", "must be the first"},
		{"accept:flow,pass:packet", "->", "different scopes"},
		{"accept:all", "->", "invalid action scope"},
		{"accept:flow", "=>", "both directions"},
	} {
		if _, err := ParseFirewallRule(tt.action + " tcp any any " + tt.dir + " any any (sid:1;)"); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q", tt.action, err, tt.want)
		}
	}
}

func TestOptionSplit(t *testing.T) {
	tests := []struct {
		name      string
		value     string
		q         Quotes
		negatable bool
		want      string
		negated   bool
		bad       bool
	}{
		{"plain", "a,b", QuotesForbidden, false, "a,b", false, false},
		{"quoted", `"a b "`, QuotesMandatory, false, "a b ", false, false},
		{"negated", `! "a"`, QuotesMandatory, true, "a", true, false},
		{"negation not taken", `!a`, QuotesOptional, false, "!a", false, false},
		{"quotes missing", "a", QuotesMandatory, false, "", false, true},
		{"quotes forbidden", `"a"`, QuotesForbidden, false, "", false, true},
		{"unbalanced", `"a`, QuotesOptional, false, "", false, true},
		{"one quote", `"`, QuotesOptional, false, "", false, true},
		{"empty in quotes", `""`, QuotesOptional, false, "", false, true},
		{"nothing negated", "!", QuotesOptional, true, "", false, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := Option{Name: "x", Value: tt.value, HasValue: true}
			v, n, reason := o.Split(tt.q, tt.negatable)
			if v != tt.want || (n != tt.negated && !tt.bad) || (reason != "") != tt.bad {
				t.Errorf("got %q %v %q", v, n, reason)
			}
		})
	}
}

func TestParseFile(t *testing.T) {
	const a, b = `alert tcp any any -> any any (sid:1;)`, `alert udp any any -> any any (sid:2;)`
	in := "\ufeff# comment\r\n\r\n" + a + "\r\n" + // 3
		" " + b + "\n" + // 4: a leading blank hides the rule
		"#" + b + "\n" + // 5
		"alert udp any any -> any any \\  \n  (msg:\"a\"; \\\n\tsid:2;)\n" + // 6 to 8
		"# alert or not\nnonsense\n" + // 9, 10
		b // 11, no line end
	got, errs := ParseWithDisabled(strings.NewReader(in), "x.rules")
	type id struct {
		line     int
		proto    string
		disabled bool
	}
	var ids []id
	for _, r := range got {
		ids = append(ids, id{r.Line, r.Proto, r.Disabled})
	}
	want := []id{{3, "tcp", false}, {5, "udp", true}, {6, "udp", false}, {11, "udp", false}}
	if !reflect.DeepEqual(ids, want) {
		t.Errorf("got %v, want %v", ids, want)
	}
	if len(errs) != 1 || !strings.HasPrefix(errs[0].Error(), "x.rules:10: the header") {
		t.Errorf("errors: %v", errs)
	}
	if got, _ := Parse(strings.NewReader(in), ""); len(got) != 3 {
		t.Errorf("%d rules without the disabled one", len(got))
	}
	path := filepath.Join(t.TempDir(), "firewall.rules")
	if err := os.WriteFile(path, []byte("accept:hook tcp:all any any -> any any (sid:1;)\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, errs := ParseFirewallFile(path); len(got) != 1 || len(errs) != 0 {
		t.Errorf("firewall file: %v, %v", got, errs)
	}
	if _, errs := Parse(strings.NewReader("alert ip \\\n"), "y"); len(errs) != 1 || errs[0].Line != 1 {
		t.Errorf("rule cut by the end of file: %v", errs)
	}
	if _, errs := ParseFile(filepath.Join(t.TempDir(), "none")); len(errs) != 1 || !strings.Contains(errs[0].Error(), "cannot open") {
		t.Errorf("missing file: %v", errs)
	}
}

// etOpen is the Emerging Threats ruleset that lies beside the project where it is developed.
const etOpen = "../../shared/rules/et-open.rules"

func TestEmergingThreats(t *testing.T) {
	if _, err := os.Stat(etOpen); err != nil {
		t.Skip("the Emerging Threats ruleset is not beside the project")
	}
	start := time.Now()
	rs, errs := ParseFile(etOpen)
	took := time.Since(start)
	for _, e := range errs {
		t.Error(e)
	}
	if len(rs) != 32584 {
		t.Errorf("%d rules, 32584 lines", len(rs))
	}
	if took > 5*time.Second { // ten times the target: the machine may be busy
		t.Errorf("parsing took %v", took)
	}
	nets := "[192.168.0.0/16,10.0.0.0/8,172.16.0.0/12]"
	vars := Vars{Address: map[string]string{"HOME_NET": nets, "EXTERNAL_NET": "!$HOME_NET"},
		Port: map[string]string{"HTTP_PORTS": "80", "SSH_PORTS": "22", "FTP_PORTS": "21", "ORACLE_PORTS": "1521",
			"FILE_DATA_PORTS": "[$HTTP_PORTS,110,143]", "SHELLCODE_PORTS": "!80", "DNP3_PORTS": "20000", "MODBUS_PORTS": "502"}}
	for _, n := range []string{"HTTP_SERVERS", "SMTP_SERVERS", "SQL_SERVERS", "DNS_SERVERS", "TELNET_SERVERS", "AIM_SERVERS", "DC_SERVERS"} {
		vars.Address[n] = "$HOME_NET"
	}
	for i := range rs {
		r := &rs[i]
		for _, s := range []string{r.Src, r.Dst} {
			if _, err := ParseAddresses(s, vars); err != nil {
				t.Errorf("%s:%d: %v", r.File, r.Line, err)
			}
		}
		if i%20 != 0 { // ports repeat
			continue
		}
		for _, s := range []string{r.SrcPort, r.DstPort} {
			if _, err := ParsePorts(s, vars); err != nil {
				t.Errorf("%s:%d: %v", r.File, r.Line, err)
			}
		}
		if again, err := ParseRule(r.String()); err != nil || !reflect.DeepEqual(bare(again), bare(*r)) {
			t.Errorf("line %d does not round trip", r.Line)
		}
	}
}

func BenchmarkEmergingThreats(b *testing.B) {
	if _, err := os.Stat(etOpen); err != nil {
		b.Skip("the Emerging Threats ruleset is not beside the project")
	}
	for b.Loop() {
		ParseFile(etOpen)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("alert tcp any any -> any any (msg:\"a\\;\"; sid:1;)\n")
	f.Add("drop:flow http1:request_line [1.1.1.1,!2.2.2.2] 1:2 <> !$X any \\\n (content:!\"|00|\"; sid:1;)\r\n")
	f.Add("#alert ip any any => any any (sid:1;;)")
	f.Fuzz(func(t *testing.T, s string) {
		rs, _ := ParseWithDisabled(strings.NewReader(s), "f")
		for _, r := range rs {
			again, err := ParseRule(strings.TrimPrefix(r.String(), "# "))
			if err != nil {
				if len(r.String()) > MaxLen {
					continue
				}
				t.Fatalf("%q: %v", r.String(), err)
			}
			again.Disabled = r.Disabled
			if !reflect.DeepEqual(bare(again), bare(r)) {
				t.Fatalf("%q does not round trip", r.Raw)
			}
		}
	})
}
