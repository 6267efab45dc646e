package sentinel

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// A folder is watched for capture files until that is interrupted; files that were read are deleted on demand; what cannot be read
// keeps nothing else from being read.
func TestQueueOfFiles(t *testing.T) {
	in, out, other := t.TempDir(), t.TempDir(), t.TempDir()
	e, err := New(Options{Queue: true, NoRandom: true, Workers: 1, DataDir: t.TempDir(), RuleFiles: []string{}})
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join("qa", "pcaps", "dns.pcap"))
	if err != nil {
		t.Fatal(err)
	}
	old := time.Now().Add(-time.Hour).Truncate(time.Second)
	put := func(path string, at time.Time) {
		writeFile(t, path, string(data))
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
	}
	first, bad := filepath.Join(in, "a.pcap"), filepath.Join(other, "bad.pcap")
	put(first, old)
	writeFile(t, bad, "this is no capture file")
	x := &controller{e: e}
	message := func(command string) string {
		b, _ := json.Marshal(runCommand(t, x, command).Message)
		return string(b)
	}
	want := func(command, text string) {
		t.Helper()
		for end := time.Now().Add(20 * time.Second); message(command) != text; time.Sleep(10 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%s: got %s, want %s", command, message(command), text)
			}
		}
	}
	want("pcap-file "+bad+" "+out, `"Successfully added file to list"`)
	want("pcap-file-continuous "+in+" "+out+" 0 true 1 1", `"Successfully added file to list"`)
	want("pcap-file-number", "2")
	want("pcap-file-list", `{"count":2,"files":["`+bad+`","`+in+`"]}`)
	want("pcap-current", `"None"`)
	want("pcap-last-processed", "0")
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- e.ServeFiles(ctx, nil) }()
	gone := func(path string) {
		t.Helper()
		for end := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
			if _, err := os.Stat(path); os.IsNotExist(err) {
				return
			}
			if time.Now().After(end) {
				t.Fatalf("%s is still there", path)
			}
		}
	}
	gone(first)
	want("pcap-current", `"`+in+`"`)
	want("pcap-file-number", "0")
	second := filepath.Join(in, "b.pcap")
	put(second, old.Add(time.Minute))
	gone(second)
	b, _ := json.Marshal(old.Add(time.Minute).UnixMilli())
	want("pcap-last-processed", string(b))
	want("pcap-interrupt", `"Interrupted"`)
	want("pcap-current", `"None"`)
	if st, err := os.Stat(filepath.Join(out, "eve.json")); err != nil || st.Size() == 0 {
		t.Errorf("the run has no events: %v", err)
	}
	if _, err := os.Stat(bad); err != nil {
		t.Errorf("a file that was not to be deleted is gone: %v", err)
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if err := e.Close(); err != nil {
		t.Error(err)
	}
}
