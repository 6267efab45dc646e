package etc

import (
	"bytes"
	"io/fs"
	"regexp"
	"testing"

	"sentinel/internal/conf"
)

func TestConfigLoads(t *testing.T) {
	tree, warnings, err := conf.Parse(Config, "sentinel.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range warnings {
		t.Error(w)
	}
	_, unknown := tree.Check(func(string) bool { return true })
	for _, u := range unknown {
		t.Errorf("%s", u)
	}
	// What users of Suricata's file rely on.
	tests := []struct{ path, want string }{
		{"vars.address-groups.HOME_NET", "[192.168.0.0/16,10.0.0.0/8,172.16.0.0/12]"},
		{"outputs.eve-log.enabled", "yes"},
		{"outputs.eve-log.types.alert.tagged-packets", "yes"},
		{"outputs.eve-log.types.pgsql.enabled", "no"},
		{"outputs.eve-log.types.llmnr", "llmnr"},
		{"app-layer.protocols.imap.enabled", "detection-only"},
		{"app-layer.protocols.http.libhtp.default-config.request-body-limit", "100 KiB"},
		{"stream.reassembly.toserver-chunk-size", "2560"},
		{"flow-timeouts.tcp.established", "600"},
		{"host-os-policy.windows.0", "0.0.0.0/0"},
	}
	for _, tt := range tests {
		t.Run(tt.path, func(t *testing.T) {
			if got := tree.Get(tt.path).Str("missing"); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// Options that are commented out must be keys that exist.
func TestCommentedKeysAreKnown(t *testing.T) {
	commented := regexp.MustCompile(`(?m)^( *)#( *)([a-z0-9-]+:(?: .*)?|- [a-z0-9-]+:?(?: .*)?)$`)
	text := commented.ReplaceAll(Config, []byte("$1$2$3"))
	text = regexp.MustCompile(`(?m)^include:$`).ReplaceAll(text, nil)
	tree, _, err := conf.Parse(text, "sentinel.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if !tree.Get("stream.midstream").Exists() || !tree.Get("outputs.eve-log.types.netflow").Exists() {
		t.Fatal("the test no longer finds the commented keys")
	}
	_, unknown := tree.Check(func(string) bool { return true })
	for _, u := range unknown {
		t.Errorf("%s", u)
	}
}

func TestClassesAndReferences(t *testing.T) {
	tests := []struct {
		name string
		data []byte
		line *regexp.Regexp
		want int // as many as the reference engine ships
	}{
		{"classification", Classification, regexp.MustCompile(`(?m)^config classification: [a-z0-9-]+,[^,\n]+,[1-4]$`), 43},
		{"reference", Reference, regexp.MustCompile(`(?m)^config reference: \S+ https?://\S*$`), 19},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := len(tt.line.FindAll(tt.data, -1))
			if got != tt.want || bytes.Count(tt.data, []byte("\nconfig ")) != got {
				t.Errorf("%d good lines, want %d", got, tt.want)
			}
		})
	}
}

func TestDemoRules(t *testing.T) {
	b, err := fs.ReadFile(Files, "rules/demo.rules")
	if err != nil {
		t.Fatal(err)
	}
	rule := regexp.MustCompile(`^alert [a-z0-9]+ any any -> any any \(msg:"SENTINEL DEMO [^"]+"; .* sid:(90000[0-9]{2}); rev:1;\)$`)
	seen := map[string]bool{}
	for line := range bytes.Lines(b) {
		line = bytes.TrimSpace(line)
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		m := rule.FindSubmatch(line)
		if m == nil || seen[string(m[1])] {
			t.Errorf("not a demo rule, or a sid twice: %s", line)
			continue
		}
		seen[string(m[1])] = true
	}
	if len(seen) < 15 {
		t.Errorf("only %d rules", len(seen))
	}
}
