package main

import (
	"path/filepath"
	"testing"
	"time"
)

// Our own captures, whole and damaged, make no finding.
func TestCaptures(t *testing.T) {
	captures, err := filepath.Glob(filepath.Join("..", "pcaps", "*.pcap"))
	if err != nil || len(captures) == 0 {
		t.Fatalf("no captures: %v", err)
	}
	for _, c := range []struct {
		name   string
		damage int
		ips    bool
	}{{"whole", 0, false}, {"inline", 0, true}, {"damaged", 3, false}, {"damaged inline", 10, true}} {
		t.Run(c.name, func(t *testing.T) {
			s := &suite{out: t.Output(), progress: t.Output(), workers: 4, limit: time.Minute, memory: 2 << 30, damage: c.damage, seed: 7}
			s.groups = []group{{rules: []string{filepath.Join("..", "..", "etc", "rules", "demo.rules")}, captures: captures, ips: c.ips,
				reload: 1, together: 4}}
			s.run()
			for _, f := range s.findings {
				t.Errorf("%s: %s", f.capture, f.what)
			}
			if s.captures != len(captures) || s.frames == 0 || c.damage == 0 && s.alerts == 0 || s.reloaded != len(captures) {
				t.Errorf("%d captures, %d frames, %d alerts, %d reloads", s.captures, s.frames, s.alerts, s.reloaded)
			}
		})
	}
}

// What differs is named, and nothing else.
func TestDifference(t *testing.T) {
	for _, c := range []struct {
		name      string
		want, got map[string]int
		text      string
	}{
		{"equal", map[string]int{"a": 1}, map[string]int{"a": 1}, ""},
		{"nothing", nil, nil, ""},
		{"missing", map[string]int{"a": 1}, nil, "a: 0, with one worker 1"},
		{"more", map[string]int{"a": 1}, map[string]int{"a": 2, "b": 1}, "a: 2, with one worker 1; b: 1, with one worker 0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if text := difference(c.want, c.got); text != c.text {
				t.Errorf("%q, want %q", text, c.text)
			}
		})
	}
}
