package main

import (
	"os"
	"path/filepath"
	"testing"

	"sentinel/qa/live"
)

// Live capture as with libpcap alerts, on one interface and on any, and by AF_PACKET in all its ways.
func TestLiveWays(t *testing.T) {
	for name, c := range map[string]struct {
		args   []string
		config string
	}{
		"pcap": {args: []string{"--pcap=sen1"}}, "pcap any": {args: []string{"--pcap=any"}},
		"pcap of the configuration": {[]string{"--pcap"}, "pcap:\n  - interface: sen1\n    threads: 2\n"},
		"slots":                     {[]string{"--af-packet"}, "af-packet:\n  - interface: sen1\n    tpacket-v3: no\n"},
		"no ring":                   {[]string{"--af-packet"}, "af-packet:\n  - interface: sen1\n    use-mmap: no\n"},
		"ebpf":                      {[]string{"--af-packet"}, "af-packet:\n  - interface: sen1\n    cluster-type: cluster_ebpf\n    threads: 2\n"},
	} {
		t.Run(name, func(t *testing.T) {
			n := live.New(t)
			n.Pair("sen1", "peer1")
			s := n.Sender("peer1")
			dir := t.TempDir()
			rules := filepath.Join(dir, "live.rules")
			config := filepath.Join(dir, "live.yaml")
			files := map[string]string{
				rules:  "alert udp any any -> any 9999 (msg:\"live\"; content:\"sentinel\"; sid:1;)\n",
				config: "%YAML 1.1\n---\noutputs:\n  - eve-log: {enabled: yes, filename: eve.json, types: [alert]}\n" + c.config,
			}
			for name, text := range files {
				if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			args := append([]string{"--quiet", "-S", rules, "-c", config}, c.args...)
			watch(t, args, func(p *program) {
				p.until("eve.json", `"signature_id":1,`, func() {
					if err := s.Send(datagram("hello sentinel")); err != nil {
						t.Error(err)
					}
				})
			})
		})
	}
}
