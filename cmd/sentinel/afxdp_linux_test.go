package main

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sentinel/qa/live"
)

// An interface is watched through AF_XDP, in both modes of the program.
func TestLiveAFXDP(t *testing.T) {
	for _, mode := range []string{"drv", "skb"} {
		t.Run(mode, func(t *testing.T) {
			n := live.New(t)
			n.Pair("sen0", "peer0")
			s := n.Sender("peer0")
			rules := filepath.Join(t.TempDir(), "live.rules")
			if err := os.WriteFile(rules, []byte("alert udp any any -> any 9999 (msg:\"live\"; content:\"sentinel\"; sid:1;)\n"), 0o644); err != nil {
				t.Fatal(err)
			}
			p := watch(t, []string{"--quiet", "-S", rules, "--af-xdp=sen0", "--set", "af-xdp.0.interface=sen0", "--set", "af-xdp.0.force-xdp-mode=" + mode}, func(p *program) {
				p.until("eve.json", `"signature_id":1,`, func() {
					if err := s.Send(datagram("hello sentinel")); err != nil {
						t.Error(err)
					}
				})
				p.until("suricata.log", "XDP in "+map[string]string{"drv": "native", "skb": "generic"}[mode]+" mode", nil)
			})
			if text := p.stderr.String(); strings.Contains(text, "panic") {
				t.Error(text)
			}
		})
	}
}

// Between two interfaces, what a rule drops does not arrive, and what it does not drop does.
func TestLiveAFXDPInline(t *testing.T) {
	n := live.New(t)
	n.Pair("in0", "left")
	n.Pair("in1", "right")
	for _, name := range []string{"in0", "left", "in1", "right"} {
		n.PlainFrames(name)
	}
	client, server := n.Host("left", "10.7.0.1/24"), n.Host("right", "10.7.0.2/24")
	dir := t.TempDir()
	config, rules := filepath.Join(dir, "inline.yaml"), filepath.Join(dir, "inline.rules")
	for name, text := range map[string]string{
		config: `%YAML 1.1
---
outputs:
  - eve-log: {enabled: yes, filename: eve.json, types: [alert, drop]}
af-xdp:
  - interface: in0
    copy-iface: in1
  - interface: in1
    copy-iface: in0
  - interface: default
    copy-mode: ips
    threads: 1
`,
		rules: "drop udp any any -> any 9999 (msg:\"evil\"; content:\"evil\"; sid:1;)\n",
	} {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	var in, out net.PacketConn
	var err1, err2 error
	server.Do(func() { in, err1 = net.ListenPacket("udp4", "10.7.0.2:9999") })
	client.Do(func() { out, err2 = net.ListenPacket("udp4", "10.7.0.1:0") })
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	defer in.Close()
	defer out.Close()
	to := &net.UDPAddr{IP: net.IPv4(10, 7, 0, 2), Port: 9999}
	say := func(text string) {
		if _, err := out.WriteTo([]byte(text), to); err != nil {
			t.Error(err)
		}
	}
	watch(t, []string{"--quiet", "-c", config, "-S", rules, "--af-xdp"}, func(p *program) {
		b := make([]byte, 100)
		for end := time.Now().Add(liveWait); ; {
			say("good")
			_ = in.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
			if k, _, err := in.ReadFrom(b); err == nil && string(b[:k]) == "good" {
				break
			}
			if time.Now().After(end) {
				t.Errorf("nothing comes through\n%s", &p.stderr)
				return
			}
		}
		p.until("eve.json", `"event_type":"drop"`, func() { say("evil") })
		say("last")
		for {
			_ = in.SetReadDeadline(time.Now().Add(liveWait))
			k, _, err := in.ReadFrom(b)
			if err != nil {
				break // the flow stays dropped: nothing more comes through
			}
			if string(b[:k]) == "evil" {
				t.Error("what was to be dropped came through")
			}
			if string(b[:k]) == "good" {
				continue
			}
			break
		}
	})
}
