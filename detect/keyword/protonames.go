package keyword

import "strings"

// protoByName finds an IP protocol by its name. Case matters: what is known is IANA's keyword, and the usual word in small
// letters.
func protoByName(name string) (uint8, bool) {
	if name == "-" {
		return 0, false
	}
	for _, list := range [...]string{protoNames, protoAliases} {
		for i, s := range strings.Fields(list) {
			if s == name {
				return uint8(i), true
			}
		}
	}
	return 0, false
}

// protoNames are the names of the protocols from 0 on.
const protoNames = `
HOPOPT ICMP IGMP GGP IP-in-IP ST TCP CBT EGP IGP BBN-RCC-MON NVP-II PUP ARGUS EMCON XNET CHAOS UDP MUX DCN-MEAS HMP
PRM XNS-IDP TRUNK-1 TRUNK-2 LEAF-1 LEAF-2 RDP IRTP ISO-TP4 NETBLT MFE-NSP MERIT-INP DCCP 3PC IDPR XTP DDP IDPR-CMTP
TP++ IL IPv6 SDRP IPv6-Route IPv6-Frag IDRP RSVP GRE DSR BNA ESP AH I-NLSP SwIPe NARP MOBILE TLSP SKIP IPv6-ICMP
IPv6-NoNxt IPv6-Opts Any CFTP Any SAT-EXPAK KRYPTOLAN RVD IPPC Any SAT-MON VISA IPCU CPNX CPHB WSN PVP BR-SAT-MON
SUN-ND WB-MON WB-EXPAK ISO-IP VMTP SECURE-VMTP VINES TTP NSFNET-IGP DGP TCF EIGRP OSPF Sprite-RPC LARP MTP AX.25 OS
MICP SCC-SP ETHERIP ENCAP Any GMTP IFMP PNNI PIM ARIS SCPS QNX A/N IPComp SNP Compaq-Peer IPX-in-IP VRRP PGM Any L2TP
DDX IATP STP SRP UTI SMP SM PTP IS-IS FIRE CRTP CRUDP SSCOPMCE IPLT SPS PIPE SCTP FC RSVP-E2E-IGNORE Mobility UDPLite
MPLS-in-IP manet HIP Shim6 WESP ROHC Ethernet
`

// protoAliases are other names of the protocols from 0 on; "-" is none.
const protoAliases = `
ip icmp igmp ggp ipencap st tcp - egp igp - - pup - - - - udp - - hmp - xns-idp - - - - rdp - iso-tp4 - - - dccp - -
xtp ddp idpr-cmtp - - ipV6 - ipv6-route ipv6-frag idrp rsvp gre - - esp ah - - - - - skip ipv6-icmp ipv6-nonxt
ipv6-opts - - - - - - - - - - - - cphb - - - - - - - vmtp - - - - - - eigrp ospf - - - ax.25 ipip - - etherip encap -
GMTP - - pim - - - - ipcomp - - - vrrp - - l2tp - - - - - - - - isis - - - - - - - sctp fc - mobility-header udplite
mpls-in-ip - hip shim6 wesp rohc
`
