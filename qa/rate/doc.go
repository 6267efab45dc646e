// Command rate measures the engine on a network of its own, beside Suricata in the same set-up: namespaces and veth pairs, frames from
// a capture, real programs.
//
//	go run ./qa/rate search -rules RULES -pcap FILE      highest rate without loss
//	go run ./qa/rate inline -rules RULES                 throughput and added latency between two hosts
//
// It needs root. What it prints are tables for docs/performance.md. Both engines get the same configuration, rules and traffic, and are
// asked for their counters through the control socket, which both have. The folder knows nothing of the engine but its program.
package main
