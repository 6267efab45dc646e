package sentinel

import (
	"bytes"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"sentinel/internal/conf"
)

// The lists of keys name keys or sections of the catalogue; a misspelt one would do nothing.
func TestKeysAreKnown(t *testing.T) {
	known := conf.Known()
	for _, list := range [][]string{doneKeys, harmlessKeys} {
		for _, key := range list {
			want := strings.Split(key, ".")
			found := false
			for _, k := range known {
				have := strings.Split(k, ".")
				if len(have) < len(want) {
					continue
				}
				fits := true
				for i, w := range want {
					fits = fits && (w == "*" || have[i] == "*" || w == have[i])
				}
				found = found || fits
			}
			if !found {
				t.Errorf("%s is in no line of the catalogue", key)
			}
		}
	}
}

func messages(t *testing.T, o Options) string {
	t.Helper()
	var b bytes.Buffer
	o.Log = zerolog.New(&b)
	o.NoLogs, o.NoDetection = true, true
	e, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestCheckKeys(t *testing.T) {
	if got := messages(t, Options{}); strings.Contains(got, "unknown key") {
		t.Errorf("the built-in configuration has unknown keys:\n%s", got)
	}
	got := messages(t, Options{Config: []byte("%YAML 1.1\n---\nmax-pendin-packets: 1\nnflog:\n  - group: 2\nnapatech:\n  hba: -1\n" +
		"unix-command:\n  enabled: no\nautofp-scheduler: hash\napp-layer:\n  protocols:\n    dns:\n      enabled: yes\n      tcp:\n        enabled: yes\n" +
		"      udp:\n        enabled: no\n")})
	for text, want := range map[string]bool{
		"unknown key max-pendin-packets, did you mean max-pending-packets?": true,
		"2 keys have no effect yet: nflog, napatech":                        true,
		"configuration:4: nflog has no effect yet":                          true,
		"unix-command":     false, // switched off
		"autofp-scheduler": false, // harmless
		"Inconsistent global (TRUE) and respective ipproto (FALSE) settings found for alproto dns and ipproto udp": true,
		"ipproto tcp":         false,
		"app-layer.protocols": false, // done
	} {
		if strings.Contains(got, text) != want {
			t.Errorf("%q is said: %v, in\n%s", text, !want, got)
		}
	}
}
