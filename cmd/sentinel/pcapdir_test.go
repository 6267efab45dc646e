package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A folder that is watched: files are read when they are old enough, in the order of their times, and removed; flows go on from file
// to file. A signal ends the program with all that it knows written.
func TestContinuousFolder(t *testing.T) {
	dir, elsewhere := t.TempDir(), t.TempDir()
	b, err := os.ReadFile(filepath.Join("..", "..", "qa", "pcaps", "dns.pcap"))
	if err != nil {
		t.Fatal(err)
	}
	put := func(name string, age time.Duration) string {
		// Under another folder's name first, so that it appears with its age.
		path, made := filepath.Join(dir, name), filepath.Join(elsewhere, name)
		at := time.Now().Add(-age)
		if err := errors.Join(os.WriteFile(made, b, 0o600), os.Chtimes(made, at, at), os.Rename(made, path)); err != nil {
			t.Error(err)
		}
		return path
	}
	gone := func(path string) bool {
		for end := time.Now().Add(liveWait); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
			if _, err := os.Stat(path); err != nil {
				return true
			}
		}
		return false
	}
	first, second := put("z.pcap", 2*time.Hour), put("a.pcap", time.Hour)
	young := put("b.pcap", 0)
	args := []string{"--quiet", "-r", dir, "--pcap-file-continuous", "--pcap-file-delete", "--disable-detection",
		"--set", "pcap-file.poll-interval=1", "--set", "pcap-file.delay=600"}
	p := watch(t, args, func(p *program) {
		if !gone(first) || !gone(second) {
			t.Error("the files that were there are not read")
		}
		if !gone(put("later.pcap", 20*time.Minute)) {
			t.Error("a file that came later is not read")
		}
	})
	if _, err := os.Stat(young); err != nil {
		t.Errorf("a file that may still be written was read: %v", err)
	}
	events, err := os.ReadFile(filepath.Join(p.dir, "eve.json"))
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(events), `"event_type":"flow"`); n == 0 {
		t.Errorf("no flow records: %.1000s", events)
	}
}
