package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

// TestCaptures judges every capture of qa/pcaps with the shipped rules, with one worker and with several: no run fails, each
// line of output is an event, and both ways see as many alerts and flows.
func TestCaptures(t *testing.T) {
	files, err := filepath.Glob("../../qa/pcaps/*.pcap")
	if err != nil || len(files) == 0 {
		t.Fatalf("no captures: %v", err)
	}
	for _, f := range files {
		t.Run(filepath.Base(f), func(t *testing.T) {
			one := judge(t, f, "--runmode", "single")
			many := judge(t, f, "--runmode", "autofp", "--workers", "3")
			if one["flow"] == 0 {
				t.Error("no flow is seen")
			}
			for _, kind := range []string{"flow", "alert"} {
				if one[kind] != many[kind] {
					t.Errorf("%s: one worker sees %d, three see %d", kind, one[kind], many[kind])
				}
			}
		})
	}
}

// judge runs the program and counts the events by type.
func judge(t *testing.T, pcap string, args ...string) map[string]int {
	t.Helper()
	dir := t.TempDir()
	t.Setenv("XDG_CACHE_HOME", dir)
	var stdout, stderr bytes.Buffer
	all := append([]string{"-r", pcap, "-S", "../../etc/rules/demo.rules", "-l", dir, "--no-random"}, args...)
	if status := run(all, &stdout, &stderr); status != 0 {
		t.Fatalf("status %d\n%s%s", status, &stdout, &stderr)
	}
	out, err := os.Open(filepath.Join(dir, "eve.json"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	count := map[string]int{}
	s := bufio.NewScanner(out)
	s.Buffer(nil, 16<<20)
	for n := 1; s.Scan(); n++ {
		var e struct {
			Type string `json:"event_type"`
			Time string `json:"timestamp"`
		}
		if err := json.Unmarshal(s.Bytes(), &e); err != nil || e.Type == "" || e.Time == "" {
			t.Errorf("line %d is not an event: %v: %.200s", n, err, s.Bytes())
		}
		count[e.Type]++
	}
	if err := s.Err(); err != nil {
		t.Fatal(err)
	}
	return count
}
