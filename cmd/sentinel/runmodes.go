package main

import (
	"fmt"
	"io"
	"strings"

	"sentinel"
)

// runmodeNames are what Suricata's table of run modes calls the ways of capturing.
var runmodeNames = map[string]string{"pcap": "PCAP_DEV", "af-packet": "AF_PACKET_DEV", "af-xdp": "AF_XDP_DEV", "nfq": "NFQ", "dpdk": "DPDK"}

// runmodes prints the run modes of all ways of getting packets.
func runmodes(w io.Writer) error {
	line := strings.Repeat("-", 88)
	b := &strings.Builder{}
	row := func(kind, mode, doc string) { fmt.Fprintf(b, "| %-17s | %-17s | %s\n", kind, mode, doc) }
	table := func(kind string, modes [][2]string) {
		for i, m := range modes {
			if i > 0 {
				fmt.Fprintf(b, "|                   %s\n", line[:69])
				kind = ""
			}
			row(kind, m[0], m[1])
		}
		fmt.Fprintf(b, "|%s\n", line)
	}
	fmt.Fprintf(b, "%s Runmodes %s\n", line[:37], line[:42])
	row("RunMode Type", "Custom Mode", "Description")
	fmt.Fprintf(b, "|%s\n", line)
	table("PCAP_FILE", [][2]string{
		{"single", "one worker does everything"},
		{"autofp", "packets are shared out to workers by flow (default)"},
	})
	for _, d := range sentinel.Drivers() {
		name := runmodeNames[d.Name]
		if name == "" {
			name = strings.ToUpper(strings.ReplaceAll(d.Name, "-", "_"))
		}
		table(name, [][2]string{
			{"single", "one queue, and one worker that reads it and does everything"},
			{"autofp", "queues are read by threads of their own, and packets shared out to workers by flow"},
			{"workers", "each queue of an interface has a worker that does everything for it (default)"},
		})
	}
	_, err := io.WriteString(w, b.String())
	return err
}
