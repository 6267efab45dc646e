package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"sentinel/qa/live"
)

// ctl sends one command to the program and returns its reply.
func (p *program) ctl(command string) (reply string, status int) {
	var out, errs safeBuffer
	status = run([]string{"ctl", "--socket", filepath.Join(p.dir, "s"), "-c", command}, &out, &errs)
	return out.String() + errs.String(), status
}

// replies asks until the reply to a command has a text.
func (p *program) replies(command, text string) {
	reply := ""
	for end := time.Now().Add(liveWait); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if reply, _ = p.ctl(command); regexp.MustCompile(text).MatchString(reply) {
			return
		}
	}
	p.t.Errorf("%s: got %.500s, want %s", command, reply, text)
}

// An engine that watches an interface answers commands, until one of them ends it.
func TestLiveControl(t *testing.T) {
	n := live.New(t)
	n.Pair("sen0", "peer0")
	s := n.Sender("peer0")
	send := func() {
		if err := s.Send(datagram("hello sentinel")); err != nil {
			t.Error(err)
		}
	}
	rules := filepath.Join(t.TempDir(), "live.rules")
	writeRules(t, rules, `alert udp any any -> any 9999 (msg:"live"; content:"sentinel"; sid:1;)
alert udp any any -> any 9999 (msg:"bit"; content:"sentinel"; hostbits:isset,marked,src; sid:2;)
`)
	watch(t, []string{"--quiet", "-S", rules, "--af-packet=sen0"}, func(p *program) {
		if !p.until("eve.json", `"signature_id":1,`, send) {
			return
		}
		p.replies("capture-mode", `^{"message":"AF_PACKET_DEV","return":"OK"}\n$`)
		p.replies("running-mode", `"workers"`)
		p.replies("iface-list", `^{"message":{"count":1,"ifaces":\["sen0"\]},"return":"OK"}\n$`)
		p.replies("iface-stat sen0", `^{"message":{"pkts":[1-9]\d*,"invalid-checksums":\d+,"drop":0,"bypassed":0},"return":"OK"}\n$`)
		p.replies("dump-counters", `"flow":{.*"total":[1-9]`)
		if reply, _ := p.ctl("dump-counters"); !strings.Contains(reply, `"threads":{"`) || !json.Valid([]byte(reply)) {
			t.Errorf("dump-counters: %.500s", reply)
		}
		b := p.read("eve.json")
		id := regexp.MustCompile(`"flow_id":(\d+),.*"signature_id":1,`).FindStringSubmatch(b)
		if id == nil {
			t.Errorf("no flow_id: %.500s", b)
			return
		}
		p.replies("get-flow-stats-by-id "+id[1], `^{"message":{"pkts_toclient":0,"pkts_toserver":[1-9]\d*,"bytes_toclient":0,"bytes_toserver":[1-9]\d*,"age":\d+},"return":"OK"}\n$`)
		p.replies("add-hostbit 192.0.2.1 marked 60", `"hostbit added"`)
		p.until("eve.json", `"signature_id":2,`, send)
		p.replies("memcap-set flow 99mb", `updated: 103809024 `)
		p.replies("memcap-show flow", `"99mb"`)
		if reply, status := p.ctl("pcap-current"); status != 1 || !strings.Contains(reply, "Unknown command") {
			t.Errorf("pcap-current: %s, status %d", reply, status)
		}
		if reply, status := p.ctl("shutdown"); status != 0 {
			t.Errorf("shutdown: %s", reply)
		}
	})
}

func (p *program) read(name string) string {
	b, err := os.ReadFile(filepath.Join(p.dir, name))
	if err != nil {
		p.t.Error(err)
	}
	return string(b)
}

func writeRules(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
