package main

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sentinel/qa/live"
)

// Packets that a firewall rule queues are judged: what a rule drops does not arrive, all else does.
func TestLiveQueue(t *testing.T) {
	live.New(t)
	path, err := exec.LookPath("iptables")
	if err != nil {
		live.Skip(t, "needs iptables to put packets into a queue")
	}
	rule := strings.Fields("-w 10 -A OUTPUT -p udp --dport 9999 -j NFQUEUE --queue-balance 0:1 --queue-bypass")
	if out, err := exec.Command(path, rule...).CombinedOutput(); err != nil {
		live.Skip(t, "iptables: %v: %s", err, out)
	}
	rules := filepath.Join(t.TempDir(), "queue.rules")
	if err := os.WriteFile(rules, []byte("drop udp any any -> any 9999 (msg:\"evil\"; content:\"evil\"; sid:1;)\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	in, err := net.ListenPacket("udp4", "127.0.0.1:9999")
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := net.Dial("udp4", "127.0.0.1:9999")
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	say := func(text string) {
		// The sender is told of a packet that is dropped on its way out.
		if _, err := out.Write([]byte(text)); err != nil && !strings.Contains(err.Error(), "not permitted") {
			t.Error(err)
		}
	}
	heard := func(wait time.Duration) string {
		b := make([]byte, 100)
		_ = in.SetReadDeadline(time.Now().Add(wait))
		n, _, err := in.ReadFrom(b)
		if err != nil {
			return ""
		}
		return string(b[:n])
	}
	p := watch(t, []string{"--quiet", "-S", rules, "-q", "0:1"}, func(p *program) {
		if !p.until("eve.json", `"signature_id":1,`, func() { say("evil") }) {
			return
		}
		for heard(200*time.Millisecond) != "" {
			// Those of before the engine listened have passed by --queue-bypass.
		}
		say("evil")
		say("good")
		if got := heard(liveWait); got != "good" {
			t.Errorf("%q arrives", got)
		}
		say("evil")
		if got := heard(300 * time.Millisecond); got != "" {
			t.Errorf("%q arrives", got)
		}
	})
	b, err := os.ReadFile(filepath.Join(p.dir, "eve.json"))
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	for want, has := range map[string]bool{`"action":"blocked"`: true, `"src_ip":"127.0.0.1"`: true, `"event_type":"flow"`: true, `"in_iface"`: false} {
		if strings.Contains(text, want) != has {
			t.Errorf("%s in the events: %v\n%.2000s", want, !has, text)
		}
	}
}
