// Package filter compiles capture filters, in the language of tcpdump, to classic BPF programs without libpcap.
//
// It has hosts, networks, ports, protocols, VLANs, lengths and tests of header bytes, joined with and, or and not. What it
// does not have is an error that names the word; it never guesses. It knows header layouts, and nothing of flows.
package filter
