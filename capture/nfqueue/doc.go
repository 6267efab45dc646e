// Package nfqueue captures from Linux netfilter queues: the packets that a firewall rule such as iptables -j NFQUEUE hands to a
// program, which then decides on them. It is always inline.
//
// The messages of the kernel are received into memory that is mapped once and are lent from there; the verdicts of a release go
// back in one message each run of equal ones. The package knows nothing of what is inside a packet.
package nfqueue
