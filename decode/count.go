package decode

import "strings"

// Count is one of the decoder's counters.
type Count uint8

// The counters. CountVLAN and its two successors stay in order.
const (
	CountPackets Count = iota
	CountBytes
	CountInvalid
	CountIPv4
	CountIPv6
	CountEthernet
	CountARP
	CountUnknownEtherType
	CountCHDLC
	CountRaw
	CountNull
	CountSLL
	CountSLL2
	CountTCP
	CountUDP
	CountSCTP
	CountESP
	CountICMPv4
	CountICMPv6
	CountIGMP
	CountPPP
	CountPPPoE
	CountGeneve
	CountGRE
	CountVLAN
	CountVLANQinQ
	CountVLANQinQinQ
	CountVXLAN
	CountVNTag
	CountETag
	CountIEEE8021ah
	CountTeredo
	CountIPv4InIPv4
	CountIPv6InIPv4
	CountIPv4InIPv6
	CountIPv6InIPv6
	CountIPv4UnknownProto
	CountMPLS
	CountAvgPacketSize // derived from CountBytes and CountPackets where counters are read
	CountMaxPacketSize // a maximum, not a sum
	CountMaxMACsSrc    // set where addresses are collected for output
	CountMaxMACsDst
	CountERSPAN
	CountNSH
	CountTCPSyn
	CountTCPSynAck
	CountTCPRst
	CountTCPUrg
	CountSCTPInit
	CountSCTPInitAck
	CountSCTPData
	CountSCTPAbort
	CountSCTPShutdown
	NumCounts
)

// CountNames are the dotted names of the counters, as in stats events.
var CountNames = [NumCounts]string{
	CountPackets:          "decoder.pkts",
	CountBytes:            "decoder.bytes",
	CountInvalid:          "decoder.invalid",
	CountIPv4:             "decoder.ipv4",
	CountIPv6:             "decoder.ipv6",
	CountEthernet:         "decoder.ethernet",
	CountARP:              "decoder.arp",
	CountUnknownEtherType: "decoder.unknown_ethertype",
	CountCHDLC:            "decoder.chdlc",
	CountRaw:              "decoder.raw",
	CountNull:             "decoder.null",
	CountSLL:              "decoder.sll",
	CountSLL2:             "decoder.sll2",
	CountTCP:              "decoder.tcp",
	CountUDP:              "decoder.udp",
	CountSCTP:             "decoder.sctp",
	CountESP:              "decoder.esp",
	CountICMPv4:           "decoder.icmpv4",
	CountICMPv6:           "decoder.icmpv6",
	CountIGMP:             "decoder.igmp",
	CountPPP:              "decoder.ppp",
	CountPPPoE:            "decoder.pppoe",
	CountGeneve:           "decoder.geneve",
	CountGRE:              "decoder.gre",
	CountVLAN:             "decoder.vlan",
	CountVLANQinQ:         "decoder.vlan_qinq",
	CountVLANQinQinQ:      "decoder.vlan_qinqinq",
	CountVXLAN:            "decoder.vxlan",
	CountVNTag:            "decoder.vntag",
	CountETag:             "decoder.etag",
	CountIEEE8021ah:       "decoder.ieee8021ah",
	CountTeredo:           "decoder.teredo",
	CountIPv4InIPv4:       "decoder.ipv4_in_ipv4",
	CountIPv6InIPv4:       "decoder.ipv6_in_ipv4",
	CountIPv4InIPv6:       "decoder.ipv4_in_ipv6",
	CountIPv6InIPv6:       "decoder.ipv6_in_ipv6",
	CountIPv4UnknownProto: "decoder.ipv4.unknown_protocol",
	CountMPLS:             "decoder.mpls",
	CountAvgPacketSize:    "decoder.avg_pkt_size",
	CountMaxPacketSize:    "decoder.max_pkt_size",
	CountMaxMACsSrc:       "decoder.max_mac_addrs_src",
	CountMaxMACsDst:       "decoder.max_mac_addrs_dst",
	CountERSPAN:           "decoder.erspan",
	CountNSH:              "decoder.nsh",
	CountTCPSyn:           "tcp.syn",
	CountTCPSynAck:        "tcp.synack",
	CountTCPRst:           "tcp.rst",
	CountTCPUrg:           "tcp.urg",
	CountSCTPInit:         "sctp.init",
	CountSCTPInitAck:      "sctp.init_ack",
	CountSCTPData:         "sctp.data",
	CountSCTPAbort:        "sctp.abort",
	CountSCTPShutdown:     "sctp.shutdown",
}

// Counts are totals by counter. One worker writes them.
type Counts [NumCounts]uint64

// EventCounts are totals by event. One worker writes them, once a packet is done with: later stages set events too.
type EventCounts [EventCount]uint64

// Add counts the events of a packet. It costs a test when there are none.
func (c *EventCounts) Add(s *EventSet) {
	if !s.Empty() {
		c.add(s)
	}
}

func (c *EventCounts) add(s *EventSet) {
	for e, ok := s.Next(0); ok; e, ok = s.Next(e + 1) {
		if e >= EventCount {
			return
		}
		c[e]++
	}
}

// CounterName returns the name of the event's counter: for decoder events the prefix, which stats.decoder-events-prefix
// sets ("decoder.event"), and the rest of the name; for stream events the name itself.
func (e Event) CounterName(prefix string) string {
	name := e.Name()
	if rest, ok := strings.CutPrefix(name, "decoder."); ok {
		return prefix + "." + rest
	}
	return name
}
