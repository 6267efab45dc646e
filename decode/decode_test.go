package decode

import (
	"bytes"
	"encoding/hex"
	"slices"
	"strings"
	"testing"

	"sentinel/capture"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
)

// unhex reads hex digits with spaces between them.
func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// decodeOne decodes a frame of its own Stack.
func decodeOne(link capture.LinkType, b []byte) (*Stack, int) {
	s := NewStack(DefaultConfig())
	n := s.Decode(&capture.Frame{Data: b, WireLen: uint32(len(b)), Link: link, Time: 5})
	return s, n
}

func eventNamesOf(p *Packet) []string {
	var l []string
	for e, ok := p.Events.Next(0); ok; e, ok = p.Events.Next(e + 1) {
		l = append(l, strings.TrimPrefix(e.Name(), "decoder."))
	}
	slices.Sort(l)
	return l
}

// The heads of hand-made frames. 192.0.2.1 and 198.51.100.2 are the addresses.
const (
	hexEth4  = "020000000002 020000000001 0800 "
	hexEth6  = "020000000002 020000000001 86dd "
	hexAddr4 = "c0000201 c6336402 "
	hexAddr6 = "20010db8000000000000000000000001 20010db8000000000000000000000002 "
	// An IPv4 packet of 28 bytes: UDP, 1 to 2, no data, no checksum.
	hexUDP4 = "4500001c 00070000 40110000 " + hexAddr4 + "00010002 00080000"
	// An IPv6 packet of 48 bytes: UDP, 1 to 2, no data, no checksum.
	hexUDP6 = "60000000 00081140 " + hexAddr6 + "00010002 00080000"
)

// ip6 returns an IPv6 packet with the given next header and payload length, in hex.
func ip6(next, length string) string { return "60000000 " + length + next + "40 " + hexAddr6 }

func TestEvents(t *testing.T) {
	tests := []struct {
		name   string
		link   capture.LinkType
		frame  string
		want   string // events without "decoder.", sorted
		layers Layer  // of the last packet
		n      int    // packets; 0 means 1
	}{
		{"ethernet short", capture.LinkEthernet, "0200", "ethernet.pkt_too_small", 0, 0},
		{"ethernet type", capture.LinkEthernet, "020000000002 020000000001 1234 00", "ethernet.unknown_ethertype", HasEthernet, 0},
		{"dce short", capture.LinkEthernet, "020000000002 020000000001 8903 0000", "dce.pkt_too_small", HasEthernet, 0},
		{"dce", capture.LinkEthernet, "020000000002 020000000001 8903 0000" + hexEth4 + hexUDP4, "", HasEthernet | HasIPv4 | HasUDP, 0},
		{"vlan", capture.LinkEthernet, "020000000002 020000000001 8100 6005 0800" + hexUDP4, "", HasEthernet | HasVLAN | HasIPv4 | HasUDP, 0},
		{"vlan short", capture.LinkEthernet, "020000000002 020000000001 8100 60", "vlan.header_too_small", HasEthernet, 0},
		{"vlan type", capture.LinkEthernet, "020000000002 020000000001 8100 6005 1234", "ethernet.unknown_ethertype vlan.unknown_type", HasEthernet | HasVLAN, 0},
		{"qinqinq", capture.LinkEthernet, "020000000002 020000000001 88a8 0001 8100 0002 9100 0003 0800" + hexUDP4, "", HasEthernet | HasVLAN | HasIPv4 | HasUDP, 0},
		{"four tags", capture.LinkEthernet, "020000000002 020000000001 88a8 0001 8100 0002 9100 0003 8100 0004 0800" + hexUDP4, "vlan.too_many_layers", HasEthernet | HasVLAN, 0},
		{"802.1ah", capture.LinkEthernet, "020000000002 020000000001 88e7 00000001 020000000002 020000000001 0800" + hexUDP4, "", HasEthernet | HasIPv4 | HasUDP, 0},
		{"802.1ah short", capture.LinkEthernet, "020000000002 020000000001 88e7 00000001", "ieee8021ah.header_too_small", HasEthernet, 0},
		{"etag", capture.LinkEthernet, "020000000002 020000000001 893f 000000000000 0800" + hexUDP4, "", HasEthernet | HasIPv4 | HasUDP, 0},
		{"etag short", capture.LinkEthernet, "020000000002 020000000001 893f 0000", "etag.header_too_small", HasEthernet, 0},
		{"etag type", capture.LinkEthernet, "020000000002 020000000001 893f 000000000000 1234", "etag.unknown_type ethernet.unknown_ethertype", HasEthernet, 0},
		{"vntag", capture.LinkEthernet, "020000000002 020000000001 8926 00000000 0800" + hexUDP4, "", HasEthernet | HasIPv4 | HasUDP, 0},
		{"vntag short", capture.LinkEthernet, "020000000002 020000000001 8926 0000", "vntag.header_too_small", HasEthernet, 0},
		{"vntag type", capture.LinkEthernet, "020000000002 020000000001 8926 00000000 1234", "ethernet.unknown_ethertype vntag.unknown_type", HasEthernet, 0},

		{"sll", capture.LinkSLL, "0000 0001 0006 0200000000010000 0800" + hexUDP4, "", HasIPv4 | HasUDP, 0},
		{"sll short", capture.LinkSLL, "0000", "sll.pkt_too_small", 0, 0},
		{"sll2", capture.LinkSLL2, "86dd 0000 00000001 0001 00 06 0200000000010000" + hexUDP6, "", HasIPv6 | HasUDP, 0},
		{"sll2 short", capture.LinkSLL2, "86dd", "sll2.pkt_too_small", 0, 0},
		{"raw 4", capture.LinkRaw, hexUDP4, "", HasIPv4 | HasUDP, 0},
		{"raw 6", capture.LinkRaw, hexUDP6, "", HasIPv6 | HasUDP, 0},
		{"raw version", capture.LinkRaw, "50" + strings.Repeat("00", 30), "ipraw.invalid_ip_version", 0, 0},
		{"raw short", capture.LinkRaw, "45", "ipv4.pkt_too_small", 0, 0},
		{"null", capture.LinkNull, "02000000" + hexUDP4, "", HasIPv4 | HasUDP, 0},
		{"null 6", capture.LinkNull, "1e000000" + hexUDP6, "", HasIPv6 | HasUDP, 0},
		{"null short", capture.LinkNull, "0200", "ltnull.pkt_too_small", 0, 0},
		{"null type", capture.LinkNull, "63000000" + hexUDP4, "ltnull.unsupported_type", 0, 0},
		{"loop", capture.LinkLoop, "00000002" + hexUDP4, "", HasIPv4 | HasUDP, 0},
		{"chdlc", capture.LinkCHDLC, "0f00 0800" + hexUDP4, "", HasIPv4 | HasUDP, 0},
		{"chdlc short", capture.LinkCHDLC, "0f", "chdlc.pkt_too_small", 0, 0},
		{"nflog", capture.LinkNFLOG, "02000000 0800 0100 08000000 2000 0900" + hexUDP4, "", HasIPv4 | HasUDP, 0},
		{"nflog cut", capture.LinkNFLOG, "02000000 ff00 0900", "ipv4.pkt_too_small", 0, 0},

		{"ppp", capture.LinkPPP, "ff03 0021" + hexUDP4, "", HasIPv4 | HasUDP, 0},
		{"ppp without address", capture.LinkPPP, "0057" + hexUDP6, "", HasIPv6 | HasUDP, 0},
		{"ppp short field", capture.LinkPPP, "21" + hexUDP4, "", HasIPv4 | HasUDP, 0},
		{"ppp empty", capture.LinkPPP, "", "ppp.pkt_too_small", 0, 0},
		{"ppp cut", capture.LinkPPP, "ff03", "ppp.pkt_too_small", 0, 0},
		{"ppp ip4 short", capture.LinkPPP, "ff03 0021 45", "ppp.ip4_pkt_too_small", 0, 0},
		{"ppp ip6 short", capture.LinkPPP, "ff03 0057 60", "ppp.ip6_pkt_too_small", 0, 0},
		{"ppp vju short", capture.LinkPPP, "ff03 002f 45", "ppp.vju_pkt_too_small", 0, 0},
		{"ppp lcp", capture.LinkPPP, "ff03 c021 01", "", 0, 0},
		{"ppp ipx", capture.LinkPPP, "ff03 002b 01", "ppp.unsup_proto", 0, 0},
		{"ppp wrong", capture.LinkPPP, "ff03 1234 01", "ppp.wrong_type", 0, 0},
		{"pppoe", capture.LinkEthernet, "020000000002 020000000001 8864 1100 0001 001e 0021" + hexUDP4, "", HasEthernet | HasIPv4 | HasUDP, 0},
		{"pppoe short", capture.LinkEthernet, "020000000002 020000000001 8864 1100 0001", "pppoe.pkt_too_small", HasEthernet, 0},
		{"pppoe discovery", capture.LinkEthernet, "020000000002 020000000001 8863 1109 0000 0000", "", HasEthernet, 0},
		{"pppoe code", capture.LinkEthernet, "020000000002 020000000001 8863 1110 0000 0000", "pppoe.wrong_code", HasEthernet, 0},
		{"pppoe tags", capture.LinkEthernet, "020000000002 020000000001 8863 1109 0000 0004", "pppoe.malformed_tags", HasEthernet, 0},

		{"arp", capture.LinkEthernet, "ffffffffffff 020000000001 0806 0001 0800 06 04 0001 020000000001 c0000201 000000000000 c6336402", "", HasEthernet | HasARP, 0},
		{"arp short", capture.LinkEthernet, "ffffffffffff 020000000001 0806 0001 0800", "arp.pkt_too_small", HasEthernet, 0},
		{"arp cut", capture.LinkEthernet, "ffffffffffff 020000000001 0806 0001 0800 06 04 0001", "arp.invalid_pkt", HasEthernet, 0},
		{"arp hardware", capture.LinkEthernet, "ffffffffffff 020000000001 0806 0006 0800 06 04 0001", "arp.unsupported_hardware", HasEthernet, 0},
		{"arp protocol", capture.LinkEthernet, "ffffffffffff 020000000001 0806 0001 86dd 06 04 0001", "arp.unsupported_protocol", HasEthernet, 0},
		{"arp hardware size", capture.LinkEthernet, "ffffffffffff 020000000001 0806 0001 0800 07 04 0001" + strings.Repeat("00", 20), "arp.invalid_hardware_size", HasEthernet, 0},
		{"arp protocol size", capture.LinkEthernet, "ffffffffffff 020000000001 0806 0001 0800 06 05 0001" + strings.Repeat("00", 20), "arp.invalid_protocol_size", HasEthernet, 0},
		{"arp opcode", capture.LinkEthernet, "ffffffffffff 020000000001 0806 0001 0800 06 04 0009" + strings.Repeat("00", 20), "arp.unsupported_opcode", HasEthernet, 0},

		{"mpls", capture.LinkEthernet, "020000000002 020000000001 8847 0001 0040 0001 1140" + hexUDP4, "", HasEthernet | HasIPv4 | HasUDP, 0},
		{"mpls explicit null 6", capture.LinkEthernet, "020000000002 020000000001 8847 0000 2140" + hexUDP6, "", HasEthernet | HasIPv6 | HasUDP, 0},
		{"mpls pseudowire", capture.LinkEthernet, "020000000002 020000000001 8848 0001 1140 00000000" + hexEth4 + hexUDP4, "", HasEthernet | HasIPv4 | HasUDP, 0},
		{"mpls short", capture.LinkEthernet, "020000000002 020000000001 8847 0001", "mpls.header_too_small", HasEthernet, 0},
		{"mpls no bottom", capture.LinkEthernet, "020000000002 020000000001 8847 0001 0040", "mpls.header_too_small", HasEthernet, 0},
		{"mpls nothing", capture.LinkEthernet, "020000000002 020000000001 8847 0001 1140 45", "mpls.pkt_too_small", HasEthernet, 0},
		{"mpls router alert", capture.LinkEthernet, "020000000002 020000000001 8847 0000 1140", "mpls.bad_label_router_alert", HasEthernet, 0},
		{"mpls implicit null", capture.LinkEthernet, "020000000002 020000000001 8847 0000 3140", "mpls.bad_label_implicit_null", HasEthernet, 0},
		{"mpls reserved", capture.LinkEthernet, "020000000002 020000000001 8847 0000 5140", "mpls.bad_label_reserved", HasEthernet, 0},
		{"mpls payload", capture.LinkEthernet, "020000000002 020000000001 8847 0001 1140 70000000", "mpls.unknown_payload_type", HasEthernet, 0},

		{"nsh", capture.LinkEthernet, "020000000002 020000000001 894f 0002 02 01 00000101" + hexUDP4, "", HasEthernet | HasIPv4 | HasUDP, 0},
		{"nsh short", capture.LinkEthernet, "020000000002 020000000001 894f 0002", "nsh.header_too_small", HasEthernet, 0},
		{"nsh version", capture.LinkEthernet, "020000000002 020000000001 894f 4002 02 01 00000101", "nsh.unsupported_version", HasEthernet, 0},
		{"nsh length", capture.LinkEthernet, "020000000002 020000000001 894f 0002 02 01 00000101", "nsh.bad_header_length", HasEthernet, 0},
		{"nsh type 1 length", capture.LinkEthernet, "020000000002 020000000001 894f 0002 01 01 00000101" + hexUDP4, "nsh.bad_header_length", HasEthernet, 0},
		{"nsh reserved", capture.LinkEthernet, "020000000002 020000000001 894f 0002 00 01 00000101 00", "nsh.reserved_type", HasEthernet, 0},
		{"nsh type", capture.LinkEthernet, "020000000002 020000000001 894f 0002 03 01 00000101 00", "nsh.unsupported_type", HasEthernet, 0},
		{"nsh payload", capture.LinkEthernet, "020000000002 020000000001 894f 0002 02 04 00000101 00", "nsh.unknown_payload", HasEthernet, 0},

		{"ipv4 short", capture.LinkEthernet, hexEth4 + "45", "ipv4.pkt_too_small", HasEthernet, 0},
		{"ipv4 version", capture.LinkEthernet, hexEth4 + "6" + hexUDP4[1:], "ipv4.wrong_ip_version", HasEthernet, 0},
		{"ipv4 header", capture.LinkEthernet, hexEth4 + "44" + hexUDP4[2:], "ipv4.hlen_too_small", HasEthernet, 0},
		{"ipv4 length", capture.LinkEthernet, hexEth4 + "45000010" + hexUDP4[8:], "ipv4.iplen_smaller_than_hlen", HasEthernet, 0},
		{"ipv4 cut", capture.LinkEthernet, hexEth4 + "4500001d" + hexUDP4[8:], "ipv4.trunc_pkt", HasEthernet, 0},
		{"ipv4 padding", capture.LinkEthernet, hexEth4 + hexUDP4 + "0000", "", HasEthernet | HasIPv4 | HasUDP, 0},
		{"ipv4 fragment", capture.LinkEthernet, hexEth4 + "4500001c 00072000 40110000 " + hexAddr4 + "00010002 00080000", "", HasEthernet | HasIPv4, 0},
		{"ipv4 icmpv6", capture.LinkRaw, "45000014 00070000 403a0000 " + hexAddr4, "ipv4.icmpv6", HasIPv4, 0},
		{"ipv4 protocol", capture.LinkRaw, "45000014 00070000 40fd0000 " + hexAddr4, "ipv4.unknown_protocol", HasIPv4, 0},
		{"option router alert", capture.LinkRaw, "4600001800070000 40fd0000 " + hexAddr4 + "94040000", "ipv4.opt_pad_required ipv4.unknown_protocol", HasIPv4, 0},
		{"option length", capture.LinkRaw, "4700001c00070000 40fd0000 " + hexAddr4 + "9409000000000000", "ipv4.opt_invalid_len", 0, 0},
		{"option length 1", capture.LinkRaw, "4700001c00070000 40fd0000 " + hexAddr4 + "9401000000000000", "ipv4.opt_invalid_len", 0, 0},
		{"option unknown", capture.LinkRaw, "4700001c00070000 40fd0000 " + hexAddr4 + "6004000000000000", "ipv4.opt_invalid ipv4.unknown_protocol", HasIPv4, 0},
		{"option twice", capture.LinkRaw, "4700001c00070000 40fd0000 " + hexAddr4 + "9404000094040000", "ipv4.opt_duplicate ipv4.unknown_protocol", HasIPv4, 0},
		{"option eol", capture.LinkRaw, "4700001c00070000 40fd0000 " + hexAddr4 + "0101010101010194", "ipv4.opt_eol_required ipv4.unknown_protocol", HasIPv4, 0},
		{"option record route", capture.LinkRaw, "4700001c00070000 40fd0000 " + hexAddr4 + "0707040000000000", "ipv4.unknown_protocol", HasIPv4, 0},
		{"option route pointer", capture.LinkRaw, "4700001c00070000 40fd0000 " + hexAddr4 + "0707050000000000", "ipv4.opt_malformed ipv4.unknown_protocol", HasIPv4, 0},
		{"option timestamp", capture.LinkRaw, "4700001c00070000 40fd0000 " + hexAddr4 + "4408050000000000", "ipv4.unknown_protocol", HasIPv4, 0},
		{"option timestamp pointer", capture.LinkRaw, "4700001c00070000 40fd0000 " + hexAddr4 + "4408040000000000", "ipv4.opt_malformed ipv4.unknown_protocol", HasIPv4, 0},
		{"option cipso", capture.LinkRaw, "4900002400070000 40fd0000 " + hexAddr4 + "860a 00000001 01040001 000000000000", "ipv4.unknown_protocol", HasIPv4, 0},
		{"option cipso tag", capture.LinkRaw, "4900002400070000 40fd0000 " + hexAddr4 + "860a 00000001 01040101 000000000000", "ipv4.opt_malformed ipv4.unknown_protocol", HasIPv4, 0},

		{"ipv6 short", capture.LinkEthernet, hexEth6 + "60", "ipv6.pkt_too_small", HasEthernet, 0},
		{"ipv6 version", capture.LinkEthernet, hexEth6 + "4" + hexUDP6[1:], "ipv6.wrong_ip_version", HasEthernet, 0},
		{"ipv6 cut", capture.LinkEthernet, hexEth6 + ip6("11", "0009") + "00010002 00080000", "ipv6.trunc_pkt", HasEthernet, 0},
		{"ipv6 next header", capture.LinkRaw, ip6("fd", "0000"), "ipv6.unknown_next_header", HasIPv6, 0},
		{"ipv6 icmpv4", capture.LinkRaw, ip6("01", "0000"), "ipv6.icmpv4", HasIPv6, 0},
		{"ipv6 none", capture.LinkRaw, ip6("3b", "0000"), "", HasIPv6, 0},
		{"ipv6 data after none", capture.LinkRaw, ip6("3b", "0001") + "00", "ipv6.data_after_none_header", HasIPv6, 0},
		{"hop by hop padding", capture.LinkRaw, ip6("00", "0010") + "1100 0104 00000000 00010002 00080000", "ipv6.hopopts_only_padding", HasIPv6 | HasUDP, 0},
		{"hop by hop zero padding", capture.LinkRaw, ip6("00", "0010") + "1100 0100 0502 0000 00010002 00080000", "ipv6.zero_len_padn", HasIPv6 | HasUDP, 0},
		{"hop by hop unknown", capture.LinkRaw, ip6("00", "0010") + "1100 3e04 00000000 00010002 00080000", "ipv6.hopopts_unknown_opt", HasIPv6 | HasUDP, 0},
		{"hop by hop option length", capture.LinkRaw, ip6("00", "0010") + "1100 3e05 00000000 00010002 00080000", "ipv6.exthdr_invalid_optlen", HasIPv6 | HasUDP, 0},
		{"hop by hop router alert", capture.LinkRaw, ip6("00", "0010") + "1100 0502 0000 0100 00010002 00080000", "ipv6.zero_len_padn", HasIPv6 | HasUDP, 0},
		{"hop by hop twice", capture.LinkRaw, ip6("00", "0018") + "0000 0502 0000 0000 1100 0502 0000 0000 00010002 00080000", "ipv6.exthdr_dupl_hh", HasIPv6 | HasUDP, 0},
		{"hop by hop cut", capture.LinkRaw, ip6("00", "0008") + "1101 0104 00000000", "ipv6.trunc_exthdr", HasIPv6, 0},
		{"destination padding", capture.LinkRaw, ip6("3c", "0010") + "1100 0104 00000000 00010002 00080000", "ipv6.dstopts_only_padding", HasIPv6 | HasUDP, 0},
		{"destination unknown", capture.LinkRaw, ip6("3c", "0010") + "1100 3e04 00000000 00010002 00080000", "ipv6.dstopts_unknown_opt", HasIPv6 | HasUDP, 0},
		{"destination thrice", capture.LinkRaw, ip6("3c", "0020") + strings.Repeat("3c00 0502 0000 0000", 2) + "1100 0502 0000 0000 00010002 00080000", "ipv6.exthdr_dupl_dh", HasIPv6 | HasUDP, 0},
		{"routing type 0", capture.LinkRaw, ip6("2b", "0010") + "1100 0000 00000000 00010002 00080000", "ipv6.rh_type_0", HasIPv6 | HasUDP, 0},
		{"routing twice", capture.LinkRaw, ip6("2b", "0018") + "2b00 0200 00000000 1100 0200 00000000 00010002 00080000", "ipv6.exthdr_dupl_rh", HasIPv6 | HasUDP, 0},
		{"fragment", capture.LinkRaw, ip6("2c", "0010") + "1100 0001 00000007 00010002 00080000", "", HasIPv6, 0},
		{"fragment alone", capture.LinkRaw, ip6("2c", "0010") + "1100 0000 00000007 00010002 00080000", "ipv6.exthdr_useless_fh", HasIPv6 | HasUDP, 0},
		{"fragment reserved", capture.LinkRaw, ip6("2c", "0010") + "1101 0000 00000007 00010002 00080000", "ipv6.exthdr_useless_fh ipv6.fh_non_zero_reserved_field", HasIPv6 | HasUDP, 0},
		{"fragment twice", capture.LinkRaw, ip6("2c", "0018") + "2c00 0000 00000007 1100 0000 00000007 00010002 00080000", "ipv6.exthdr_dupl_fh ipv6.exthdr_useless_fh", HasIPv6 | HasUDP, 0},
		{"fragment length", capture.LinkRaw, ip6("2c", "000c") + "1100 0001 00000007 00010002", "ipv6.frag_invalid_length", HasIPv6, 0},
		{"fragment cut", capture.LinkRaw, ip6("2c", "0004") + "1100 0001", "ipv6.trunc_exthdr", HasIPv6, 0},
		{"authentication", capture.LinkRaw, ip6("33", "0014") + "1101 0000 00000001 00000001 00010002 00080000", "", HasIPv6 | HasUDP, 0},
		{"authentication reserved", capture.LinkRaw, ip6("33", "0014") + "1101 0001 00000001 00000001 00010002 00080000", "ipv6.exthdr_ah_res_not_null", HasIPv6 | HasUDP, 0},
		{"authentication twice", capture.LinkRaw, ip6("33", "0020") + "3301 0000 00000001 00000001 1101 0000 00000001 00000001 00010002 00080000", "ipv6.exthdr_dupl_ah", HasIPv6 | HasUDP, 0},
		{"mobility", capture.LinkRaw, ip6("87", "0010") + "1100 0000 00000000 00010002 00080000", "", HasIPv6 | HasUDP, 0},

		{"tcp short", capture.LinkRaw, ip6("06", "0004") + "00010002", "tcp.pkt_too_small", HasIPv6, 0},
		{"tcp header", capture.LinkRaw, ip6("06", "0014") + "00010002 00000001 00000001 6010 0000 0000 0000", "tcp.hlen_too_small", HasIPv6, 0},
		{"tcp header 16", capture.LinkRaw, ip6("06", "0014") + "00010002 00000001 00000001 4010 0000 0000 0000", "tcp.invalid_optlen", HasIPv6, 0},
		{"tcp option length", capture.LinkRaw, ip6("06", "0018") + "00010002 00000001 00000001 6002 0000 0000 0000 02050000", "tcp.opt_invalid_len", HasIPv6 | HasTCP, 0},
		{"tcp option mss length", capture.LinkRaw, ip6("06", "0018") + "00010002 00000001 00000001 6002 0000 0000 0000 02030001", "tcp.opt_invalid_len", HasIPv6 | HasTCP, 0},
		{"tcp option twice", capture.LinkRaw, ip6("06", "001c") + "00010002 00000001 00000001 7002 0000 0000 0000 02040001 02040002", "tcp.opt_duplicate", HasIPv6 | HasTCP, 0},
		{"udp short", capture.LinkRaw, ip6("11", "0004") + "00010002", "udp.hlen_too_small", HasIPv6, 0},
		{"udp cut", capture.LinkRaw, ip6("11", "0008") + "00010002 00090000", "udp.pkt_too_small", HasIPv6, 0},
		{"udp length", capture.LinkRaw, ip6("11", "0008") + "00010002 00070000", "udp.len_invalid", HasIPv6, 0},

		{"icmp short", capture.LinkRaw, "45000018 00070000 40010000 " + hexAddr4 + "08000000", "icmpv4.pkt_too_small", HasIPv4, 0},
		{"icmp echo", capture.LinkRaw, "4500001c 00070000 40010000 " + hexAddr4 + "08000000 00010002", "", HasIPv4 | HasICMPv4, 0},
		{"icmp code", capture.LinkRaw, "4500001c 00070000 40010000 " + hexAddr4 + "08010000 00010002", "icmpv4.unknown_code", HasIPv4 | HasICMPv4, 0},
		{"icmp type", capture.LinkRaw, "4500001c 00070000 40010000 " + hexAddr4 + "ff000000 00010002", "icmpv4.unknown_type", HasIPv4 | HasICMPv4, 0},
		{"icmp unreachable", capture.LinkRaw, "45000038 00070000 40010000 " + hexAddr4 + "03030000 00000000" + hexUDP4, "", HasIPv4 | HasICMPv4 | HasEmbedded, 0},
		{"icmp unreachable cut", capture.LinkRaw, "45000020 00070000 40010000 " + hexAddr4 + "03030000 00000000 45000000", "icmpv4.ipv4_trunc_pkt", HasIPv4 | HasICMPv4, 0},
		{"icmp unreachable version", capture.LinkRaw, "45000038 00070000 40010000 " + hexAddr4 + "03030000 00000000 6" + hexUDP4[1:], "icmpv4.ipv4_unknown_ver", HasIPv4 | HasICMPv4, 0},
		{"icmp timestamp cut", capture.LinkRaw, "4500001c 00070000 40010000 " + hexAddr4 + "0d000000 00010002", "icmpv4.ipv4_trunc_pkt", HasIPv4 | HasICMPv4, 0},

		{"icmpv6 short", capture.LinkRaw, ip6("3a", "0004") + "80000000", "icmpv6.pkt_too_small", HasIPv6, 0},
		{"icmpv6 echo", capture.LinkRaw, ip6("3a", "0008") + "80000000 00010002", "", HasIPv6 | HasICMPv6, 0},
		{"icmpv6 code", capture.LinkRaw, ip6("3a", "0008") + "80010000 00010002", "icmpv6.unknown_code", HasIPv6 | HasICMPv6, 0},
		{"icmpv6 unassigned", capture.LinkRaw, ip6("3a", "0008") + "32000000 00010002", "icmpv6.unassigned_type", HasIPv6 | HasICMPv6, 0},
		{"icmpv6 experiment", capture.LinkRaw, ip6("3a", "0008") + "64000000 00010002", "icmpv6.experimentation_type", HasIPv6 | HasICMPv6, 0},
		{"icmpv6 unknown", capture.LinkRaw, ip6("3a", "0008") + "7f000000 00010002", "icmpv6.unknown_type", HasIPv6 | HasICMPv6, 0},
		{"icmpv6 mld hop limit", capture.LinkRaw, ip6("3a", "0008") + "82000000 00010002", "icmpv6.mld_message_with_invalid_hl", HasIPv6 | HasICMPv6, 0},
		{"icmpv6 unreachable", capture.LinkRaw, ip6("3a", "0038") + "01040000 00000000" + hexUDP6, "", HasIPv6 | HasICMPv6 | HasEmbedded, 0},
		{"icmpv6 unreachable cut", capture.LinkRaw, ip6("3a", "000c") + "01040000 00000000 60000000", "icmpv6.ipv6_trunc_pkt", HasIPv6 | HasICMPv6, 0},
		{"icmpv6 unreachable version", capture.LinkRaw, ip6("3a", "0038") + "01040000 00000000 4" + hexUDP6[1:], "icmpv6.ipv6_unknown_version", HasIPv6 | HasICMPv6, 0},

		{"igmp query", capture.LinkRaw, "4500001c 00070000 01020000 " + hexAddr4 + "11640000 00000000", "", HasIPv4 | HasIGMP, 0},
		{"igmp short", capture.LinkRaw, "45000018 00070000 01020000 " + hexAddr4 + "11640000", "igmp.pkt_too_small", HasIPv4, 0},
		{"igmp query 3 cut", capture.LinkRaw, "45000020 00070000 01020000 " + hexAddr4 + "11640000 00000000 00000001", "igmp.v3_pkt_too_small", HasIPv4 | HasIGMP, 0},
		{"igmp query 3 malformed", capture.LinkRaw, "45000020 00070000 01020000 " + hexAddr4 + "11640000 00000000 0000ffff", "igmp.malformed", HasIPv4 | HasIGMP, 0},
		{"igmp report 3", capture.LinkRaw, "45000024 00070000 01020000 " + hexAddr4 + "22000000 00000001 04000000 e0000001", "", HasIPv4 | HasIGMP, 0},
		{"igmp report 3 cut", capture.LinkRaw, "45000020 00070000 01020000 " + hexAddr4 + "22000000 00000001 04000000", "igmp.v3_pkt_too_small", HasIPv4 | HasIGMP, 0},
		{"igmp report 3 sources", capture.LinkRaw, "45000024 00070000 01020000 " + hexAddr4 + "22000000 00000001 04000001 e0000001", "igmp.malformed", HasIPv4 | HasIGMP, 0},

		{"sctp short", capture.LinkRaw, ip6("84", "0008") + "00010002 00000001", "sctp.pkt_too_small", HasIPv6, 0},
		{"sctp init", capture.LinkRaw, ip6("84", "0010") + "00010002 00000000 00000000 01000004", "", HasIPv6 | HasSCTP, 0},
		{"sctp init tag", capture.LinkRaw, ip6("84", "0010") + "00010002 00000001 00000000 01000004", "sctp.init_with_non_zero_vtag", HasIPv6 | HasSCTP, 0},
		{"sctp init bundled", capture.LinkRaw, ip6("84", "0014") + "00010002 00000000 00000000 01000004 0b000004", "sctp.init_chunk_bundled", HasIPv6 | HasSCTP, 0},
		{"sctp data tag", capture.LinkRaw, ip6("84", "0010") + "00010002 00000000 00000000 00000004", "sctp.data_with_zero_vtag", HasIPv6 | HasSCTP, 0},
		{"sctp chunk cut", capture.LinkRaw, ip6("84", "000e") + "00010002 00000000 00000000 0000", "sctp.chunk_too_small", HasIPv6, 0},
		{"sctp chunk length", capture.LinkRaw, ip6("84", "0010") + "00010002 00000000 00000000 00000003", "sctp.chunk_len_invalid", HasIPv6, 0},
		{"sctp chunks", capture.LinkRaw, ip6("84", "0050") + "00010002 00000001 00000000" + strings.Repeat("0b000004", 17), "sctp.too_many_chunks", HasIPv6 | HasSCTP, 0},
		{"sctp data chunks", capture.LinkRaw, ip6("84", "011c") + "00010002 00000001 00000000" + strings.Repeat("00030010 00000001 00000000 00000000", 17), "sctp.too_many_chunks sctp.too_many_data_chunks", HasIPv6 | HasSCTP, 0},
		{"esp", capture.LinkRaw, ip6("32", "0008") + "00000001 00000001", "", HasIPv6 | HasESP, 0},
		{"esp short", capture.LinkRaw, ip6("32", "0004") + "00000001", "esp.pkt_too_small", HasIPv6, 0},

		{"gre", capture.LinkRaw, "45000034 00070000 402f0000 " + hexAddr4 + "0000 0800" + hexUDP4, "", HasIPv4 | HasUDP, 2},
		{"gre all fields", capture.LinkRaw, "45000040 00070000 402f0000 " + hexAddr4 + "b000 0800 000000000000000700000001" + hexUDP4, "", HasIPv4 | HasUDP, 2},
		{"gre short", capture.LinkRaw, "45000016 00070000 402f0000 " + hexAddr4 + "0000", "gre.pkt_too_small", HasIPv4, 0},
		{"gre version", capture.LinkRaw, "45000018 00070000 402f0000 " + hexAddr4 + "0002 0800", "gre.wrong_version", HasIPv4 | HasGRE, 0},
		{"gre recursion", capture.LinkRaw, "45000018 00070000 402f0000 " + hexAddr4 + "0100 0800", "gre.version0_recur", HasIPv4 | HasGRE, 0},
		{"gre flags", capture.LinkRaw, "45000018 00070000 402f0000 " + hexAddr4 + "0008 0800", "gre.version0_flags", HasIPv4 | HasGRE, 0},
		{"gre header", capture.LinkRaw, "45000018 00070000 402f0000 " + hexAddr4 + "2000 0800", "gre.version0_hdr_too_big", HasIPv4 | HasGRE, 0},
		{"gre routing", capture.LinkRaw, "4500003c 00070000 402f0000 " + hexAddr4 + "4000 0800 00000000 00000000" + hexUDP4, "", HasIPv4 | HasUDP, 2},
		{"gre routing cut", capture.LinkRaw, "45000020 00070000 402f0000 " + hexAddr4 + "4000 0800 00000000 00010005", "gre.version0_malformed_sre_hdr", HasIPv4 | HasGRE, 0},
		{"pptp", capture.LinkRaw, "4500003a 00070000 402f0000 " + hexAddr4 + "2001 880b 001e0001 0021" + hexUDP4, "", HasIPv4 | HasUDP, 2},
		{"pptp checksum", capture.LinkRaw, "45000018 00070000 402f0000 " + hexAddr4 + "8001 880b", "gre.version1_chksum", HasIPv4 | HasGRE, 0},
		{"pptp route", capture.LinkRaw, "45000018 00070000 402f0000 " + hexAddr4 + "4001 880b", "gre.version1_route", HasIPv4 | HasGRE, 0},
		{"pptp strict", capture.LinkRaw, "45000018 00070000 402f0000 " + hexAddr4 + "0801 880b", "gre.version1_ssr", HasIPv4 | HasGRE, 0},
		{"pptp recursion", capture.LinkRaw, "45000018 00070000 402f0000 " + hexAddr4 + "0101 880b", "gre.version1_recur", HasIPv4 | HasGRE, 0},
		{"pptp flags", capture.LinkRaw, "45000018 00070000 402f0000 " + hexAddr4 + "0009 880b", "gre.version1_flags", HasIPv4 | HasGRE, 0},
		{"pptp protocol", capture.LinkRaw, "45000018 00070000 402f0000 " + hexAddr4 + "0001 0800", "gre.version1_wrong_protocol", HasIPv4 | HasGRE, 0},
		{"pptp key", capture.LinkRaw, "45000018 00070000 402f0000 " + hexAddr4 + "0001 880b", "gre.version1_no_key", HasIPv4 | HasGRE, 0},
		{"pptp header", capture.LinkRaw, "45000018 00070000 402f0000 " + hexAddr4 + "2001 880b", "gre.version1_hdr_too_big", HasIPv4 | HasGRE, 0},
		{"gre inner broken", capture.LinkRaw, "45000019 00070000 402f0000 " + hexAddr4 + "0000 0800 45", "", HasIPv4 | HasGRE, 1},
		{"erspan 1", capture.LinkRaw, "45000042 00070000 402f0000 " + hexAddr4 + "0000 88be" + hexEth4 + hexUDP4, "", HasEthernet | HasIPv4 | HasUDP, 2},
		{"erspan 2", capture.LinkRaw, "4500004e 00070000 402f0000 " + hexAddr4 + "1000 88be 00000001 1007 0000 00000000" + hexEth4 + hexUDP4, "", HasEthernet | HasVLAN | HasIPv4 | HasUDP, 2},
		{"erspan 2 short", capture.LinkRaw, "4500001d 00070000 402f0000 " + hexAddr4 + "1000 88be 00000001 10", "", HasIPv4 | HasGRE, 1},
		{"erspan 3", capture.LinkRaw, "4500004e 00070000 402f0000 " + hexAddr4 + "1000 88be 00000001 2007 0000 00000000" + hexEth4 + hexUDP4, "", HasIPv4 | HasGRE, 1},
		{"transparent bridging", capture.LinkRaw, "45000042 00070000 402f0000 " + hexAddr4 + "0000 6558" + hexEth4 + hexUDP4, "", HasEthernet | HasIPv4 | HasUDP, 2},

		{"4 in 4", capture.LinkRaw, "45000030 00070000 40040000 " + hexAddr4 + hexUDP4, "", HasIPv4 | HasUDP, 2},
		{"6 in 4", capture.LinkRaw, "45000044 00070000 40290000 " + hexAddr4 + hexUDP6, "", HasIPv6 | HasUDP, 2},
		{"4 in 6", capture.LinkRaw, ip6("04", "001c") + hexUDP4, "", HasIPv4 | HasUDP, 2},
		{"6 in 6", capture.LinkRaw, ip6("29", "0030") + hexUDP6, "", HasIPv6 | HasUDP, 2},
		{"4 in 6 short", capture.LinkRaw, ip6("04", "0001") + "45", "ipv6.ipv4_in_ipv6_too_small", HasIPv6, 0},
		{"4 in 6 version", capture.LinkRaw, ip6("04", "001c") + "6" + hexUDP4[1:], "ipv6.ipv4_in_ipv6_wrong_version", HasIPv6, 0},
		{"6 in 6 short", capture.LinkRaw, ip6("29", "0001") + "60", "ipv6.ipv6_in_ipv6_too_small", HasIPv6, 0},
		{"6 in 6 version", capture.LinkRaw, ip6("29", "0030") + "4" + hexUDP6[1:], "ipv6.ipv6_in_ipv6_wrong_version", HasIPv6, 0},

		{"vxlan", capture.LinkRaw, ip6("11", "003a") + "ffff 12b5 003a 0000 08000000 00000700" + hexEth4 + hexUDP4, "", HasEthernet | HasIPv4 | HasUDP, 2},
		{"vxlan reserved", capture.LinkRaw, ip6("11", "003a") + "ffff 12b5 003a 0000 08000001 00000700" + hexEth4 + hexUDP4, "", HasIPv6 | HasUDP, 1},
		{"vxlan payload", capture.LinkRaw, ip6("11", "001e") + "ffff 12b5 001e 0000 08000000 00000700 020000000002 020000000001 1234", "vxlan.unknown_payload_type", HasIPv6 | HasUDP, 1},
		{"geneve", capture.LinkRaw, ip6("11", "0030") + "ffff 17c1 0030 0000 01000800 00000700 00000000" + hexUDP4, "", HasIPv4 | HasUDP, 2},
		{"geneve payload", capture.LinkRaw, ip6("11", "0010") + "ffff 17c1 0010 0000 00001234 00000700", "geneve.unknown_payload_type", HasIPv6 | HasUDP, 1},
		{"geneve options", capture.LinkRaw, ip6("11", "0030") + "ffff 17c1 0030 0000 01000800 00000700 00000001" + hexUDP4, "", HasIPv6 | HasUDP, 1},
		{"teredo", capture.LinkRaw, ip6("11", "0038") + "ffff 0dd8 0038 0000" + hexUDP6, "", HasIPv6 | HasUDP, 2},
		{"teredo origin", capture.LinkRaw, ip6("11", "0040") + "ffff 0dd8 0040 0000 0000 0000 00000000" + hexUDP6, "", HasIPv6 | HasUDP, 2},
		{"teredo inner broken", capture.LinkRaw, ip6("11", "0038") + "ffff 0dd8 0038 0000" + ip6("11", "0008") + "00010002 00090000", "", HasIPv6 | HasUDP, 1},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			s, n := decodeOne(tc.link, unhex(t, tc.frame))
			if n != max(tc.n, 1) {
				t.Fatalf("%d packets, want %d", n, max(tc.n, 1))
			}
			p := &s.Packets[n-1]
			if got := strings.Join(eventNamesOf(&s.Packets[0]), " "); got != tc.want {
				t.Errorf("events %q, want %q", got, tc.want)
			}
			if p.Layers != tc.layers {
				t.Errorf("layers %b, want %b", p.Layers, tc.layers)
			}
			if n > 1 && (!s.Packets[0].Has(IsTunnel) || !p.Has(Tunneled) || p.Depth != 1 || p.Parent != 0) {
				t.Errorf("tunnel marks: parent %b, child %b depth %d parent %d", s.Packets[0].Flags, p.Flags, p.Depth, p.Parent)
			}
		})
	}
}

func TestFields(t *testing.T) {
	frame := build(t, &layers.Ethernet{SrcMAC: macA, DstMAC: macB, EthernetType: layers.EthernetTypeQinQ},
		&layers.Dot1Q{Priority: 1, VLANIdentifier: 100, Type: layers.EthernetTypeDot1Q},
		&layers.Dot1Q{Priority: 7, VLANIdentifier: 200, Type: layers.EthernetTypeIPv4},
		&layers.IPv4{Version: 4, TTL: 63, TOS: 0x28, Id: 0x1234, Flags: layers.IPv4DontFragment, Protocol: layers.IPProtocolTCP, SrcIP: ip4A, DstIP: ip4B},
		&layers.TCP{SrcPort: 40000, DstPort: 443, Seq: 1, Ack: 2, SYN: true, ECE: true, Window: 512, Urgent: 3, Options: []layers.TCPOption{
			{OptionType: layers.TCPOptionKindMSS, OptionLength: 4, OptionData: []byte{5, 0xb4}},
			{OptionType: layers.TCPOptionKindWindowScale, OptionLength: 3, OptionData: []byte{14}},
			{OptionType: layers.TCPOptionKindSACK, OptionLength: 10, OptionData: []byte{0, 0, 0, 1, 0, 0, 0, 2}},
			{OptionType: layers.TCPOptionKindTimestamps, OptionLength: 10, OptionData: []byte{0, 0, 0, 7, 0, 0, 0, 8}},
			{OptionType: layers.TCPOptionKindNop},
		}}, gopacket.Payload("data"))
	s, n := decodeOne(capture.LinkEthernet, frame)
	p := &s.Packets[0]
	if n != 1 || !p.Is(HasEthernet|HasVLAN|HasIPv4|HasTCP) || !p.Events.Empty() || p.Flags != WantsFlow {
		t.Fatalf("n %d layers %b flags %b events %v", n, p.Layers, p.Flags, eventNamesOf(p))
	}
	if p.VLANCount != 2 || p.VLAN != [3]uint16{100, 200} || p.VLANPrio != [3]uint8{1, 7} || p.EtherType != 0x0800 {
		t.Errorf("VLAN %d %v %v, type %#x", p.VLANCount, p.VLAN, p.VLANPrio, p.EtherType)
	}
	if !bytes.Equal(p.SrcMAC[:], macA) || !bytes.Equal(p.DstMAC[:], macB) {
		t.Errorf("MAC %x %x", p.SrcMAC, p.DstMAC)
	}
	if p.Src.String(4) != "192.0.2.1" || p.Dst.String(4) != "198.51.100.2" || p.TTL != 63 || p.TOS != 0x28 || p.IPID != 0x1234 || !p.DontFrag || p.Proto != 6 || p.IPHeaderLen != 20 {
		t.Errorf("IP %+v", p)
	}
	want := TCP{Seq: 1, Ack: 2, Window: 512, Urgent: 3, Flags: SYN | ECE, HeaderLen: 48, Opts: OptMSS | OptWScale | OptSACK | OptTimestamp,
		WScale: 14, MSS: 1460, TSVal: 7, TSEcr: 8, SACKOff: 29, SACKCount: 1}
	if p.TCP != want || p.SrcPort != 40000 || p.DstPort != 443 {
		t.Errorf("TCP %+v, want %+v", p.TCP, want)
	}
	if string(p.Payload) != "data" || len(p.L4) != 52 || len(p.L3) != 72 || len(p.L2) != len(frame) {
		t.Errorf("payload %q, L4 %d, L3 %d, L2 %d", p.Payload, len(p.L4), len(p.L3), len(p.L2))
	}
	if !p.ChecksumL3OK() || !p.ChecksumL4OK() {
		t.Error("checksums")
	}
	if s.Counts[CountVLAN] != 1 || s.Counts[CountVLANQinQ] != 1 || s.Counts[CountTCPSyn] != 1 || s.Counts[CountBytes] != uint64(len(frame)) {
		t.Errorf("counts %v", s.Counts)
	}
}

func TestHardwareVLAN(t *testing.T) {
	s := NewStack(DefaultConfig())
	b := unhex(t, "020000000002 020000000001 8100 0007 0800"+hexUDP4)
	s.Decode(&capture.Frame{Data: b, Link: capture.LinkEthernet, VLAN: [2]uint16{0x2005, 6}})
	p := &s.Packets[0]
	if p.VLANCount != 3 || p.VLAN != [3]uint16{5, 6, 7} || p.VLANPrio[0] != 1 {
		t.Errorf("VLAN %d %v %v", p.VLANCount, p.VLAN, p.VLANPrio)
	}
	if s.Counts[CountVLANQinQinQ] != 1 {
		t.Errorf("counts %v", s.Counts)
	}
}

func TestConfig(t *testing.T) {
	vxlan := ip6("11", "003a") + "ffff 12b5 003a 0000 08000001 00000700" + hexEth4 + hexUDP4 // with a reserved bit set
	geneve := ip6("11", "002c") + "ffff 17c1 002c 0000 00000800 00000700" + hexUDP4
	teredo := ip6("11", "0038") + "ffff 0dd8 0038 0000" + hexUDP6
	nested := "45000044 00070000 40290000 " + hexAddr4 + hexUDP6
	tests := []struct {
		name  string
		frame string
		set   func(*Config)
		n     int
	}{
		{"vxlan strict", vxlan, func(c *Config) {}, 1},
		{"vxlan permissive", vxlan, func(c *Config) { c.VXLANPermissive = true }, 2},
		{"vxlan off", vxlan, func(c *Config) { c.VXLANPermissive, c.VXLAN = true, false }, 1},
		{"vxlan other port", vxlan, func(c *Config) { c.VXLANPermissive, c.VXLANPorts = true, []uint16{1, 2} }, 1},
		{"vxlan source port", vxlan, func(c *Config) { c.VXLANPermissive, c.VXLANPorts = true, []uint16{0xffff} }, 1},
		{"geneve", geneve, func(c *Config) {}, 2},
		{"geneve off", geneve, func(c *Config) { c.Geneve = false }, 1},
		{"geneve source port", geneve, func(c *Config) { c.GenevePorts = []uint16{1, 0xffff} }, 2},
		{"teredo any port", teredo, func(c *Config) {}, 2},
		{"teredo off", teredo, func(c *Config) { c.Teredo = false }, 1},
		{"teredo its port", teredo, func(c *Config) { c.TeredoPorts = []uint16{3544} }, 2},
		{"teredo other port", teredo, func(c *Config) { c.TeredoPorts = []uint16{1} }, 1},
		{"layers enough", nested, func(c *Config) { c.MaxLayers = 4 }, 2},
		{"layers too few", nested, func(c *Config) { c.MaxLayers = 2 }, 1},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			c := DefaultConfig()
			tc.set(&c)
			s := NewStack(c)
			if n := s.Decode(&capture.Frame{Data: unhex(t, tc.frame), Link: capture.LinkRaw}); n != tc.n {
				t.Errorf("%d packets, want %d", n, tc.n)
			}
		})
	}
	c := DefaultConfig()
	c.TruncatedEvent = true
	s := NewStack(c)
	s.Decode(&capture.Frame{Data: unhex(t, hexUDP4), Link: capture.LinkRaw, Flags: capture.Truncated})
	if !s.Packets[0].Events.Has(EvAFPacketTruncPacket) {
		t.Error("no event for a truncated frame")
	}
}

func TestTooManyLayers(t *testing.T) {
	// IP in IP, twenty times.
	var b []byte
	for i := 20; i > 0; i-- {
		h := unhex(t, "45000000 00070000 40040000 "+hexAddr4)
		h[3] = byte(20 * i % 256)
		h[2] = byte(20 * i / 256)
		b = append(b, h...)
	}
	s, n := decodeOne(capture.LinkRaw, b)
	if n > MaxPackets || n < 2 {
		t.Fatalf("%d packets", n)
	}
	last := &s.Packets[n-1]
	if !last.Events.Has(EvTooManyLayers) || !last.Has(Invalid) {
		t.Errorf("packet %d of %d: events %v", n-1, n, eventNamesOf(last))
	}
}

func TestDatagram(t *testing.T) {
	s, n := decodeOne(capture.LinkEthernet, unhex(t, "020000000002 020000000001 8100 0007 0800 4500001c 00072000 40110000 "+hexAddr4+"00010002 00080000"))
	if n != 1 || !s.Packets[0].Has(Fragment) || s.Packets[0].Payload != nil || len(s.Packets[0].L4) != 8 {
		t.Fatalf("not a fragment: %+v", s.Packets[0])
	}
	n = s.DecodeDatagram(0, unhex(t, hexUDP4), false)
	if n != 2 {
		t.Fatalf("%d packets", n)
	}
	p := &s.Packets[1]
	if p.Kind != Datagram || !p.Has(Reassembled) || p.VLAN[0] != 7 || p.Depth != 0 || p.Parent != 0 || p.SrcPort != 1 || p.Time != 5 {
		t.Errorf("%+v", p)
	}
	if n = s.DecodeDatagram(0, unhex(t, "45"), false); n != 2 {
		t.Errorf("a broken datagram was added: %d", n)
	}
	if n = s.DecodeDatagram(7, unhex(t, hexUDP4), false); n != 2 {
		t.Errorf("a datagram without parent was added: %d", n)
	}
}

func TestReuse(t *testing.T) {
	// A frame must not show through the next one.
	s := NewStack(DefaultConfig())
	tcp := build(t, eth(layers.EthernetTypeIPv6), v6(layers.IPProtocolTCP), tcpSegment(), gopacket.Payload("x"))
	s.Decode(&capture.Frame{Data: tcp, Link: capture.LinkEthernet, VLAN: [2]uint16{9}})
	s.Decode(&capture.Frame{Data: []byte{1}, Link: capture.LinkEthernet})
	p := &s.Packets[0]
	if p.Layers != 0 || p.L3 != nil || p.L4 != nil || p.Payload != nil || p.VLANCount != 0 || p.VLAN[0] != 0 || p.SrcPort != 0 ||
		p.Proto != 0 || p.IPVersion != 0 || p.Flags != Invalid {
		t.Errorf("%+v", p)
	}
}

func TestAllocs(t *testing.T) {
	frames := map[string][]byte{
		"tcp": build(t, eth(layers.EthernetTypeIPv4), v4(layers.IPProtocolTCP), tcpSegment(), gopacket.Payload("x")),
		"gre": build(t, eth(layers.EthernetTypeIPv4), v4(layers.IPProtocolGRE), &layers.GRE{Protocol: layers.EthernetTypeIPv6}, v6(layers.IPProtocolTCP), tcpSegment()),
		"ext": unhex(t, hexEth6+ip6("00", "0010")+"1100 0104 00000000 00010002 00080000"),
		"opt": unhex(t, hexEth4+"4700001c00070000 40fd0000 "+hexAddr4+"9404000094040000"),
	}
	for name, b := range frames {
		t.Run(name, func(t *testing.T) {
			s := NewStack(DefaultConfig())
			f := &capture.Frame{Data: b, Link: capture.LinkEthernet}
			var events EventCounts
			if n := testing.AllocsPerRun(100, func() {
				n := s.Decode(f)
				for i := 0; i < n; i++ {
					p := &s.Packets[i]
					p.ChecksumL3OK()
					p.ChecksumL4OK()
					events.Add(&p.Events)
				}
			}); n != 0 {
				t.Errorf("%v allocations", n)
			}
		})
	}
}
