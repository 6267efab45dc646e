package decode

import "math/bits"

// Event is something odd that decoding or TCP tracking saw in a packet. Rules name events by their dotted names
// (Suricata user guide, decode-event and stream-event keywords).
type Event uint8

// The decoder events, then from [FirstStreamEvent] the stream events.
const (
	EvAFPacketTruncPacket                   Event = iota // decoder.afpacket.trunc_pkt
	EvIPv4PacketTooSmall                                 // decoder.ipv4.pkt_too_small
	EvIPv4HeaderLenTooSmall                              // decoder.ipv4.hlen_too_small
	EvIPv4IplenSmallerThanHeaderLen                      // decoder.ipv4.iplen_smaller_than_hlen
	EvIPv4TruncPacket                                    // decoder.ipv4.trunc_pkt
	EvIPv4OptInvalid                                     // decoder.ipv4.opt_invalid
	EvIPv4OptInvalidLen                                  // decoder.ipv4.opt_invalid_len
	EvIPv4OptMalformed                                   // decoder.ipv4.opt_malformed
	EvIPv4OptPadRequired                                 // decoder.ipv4.opt_pad_required
	EvIPv4OptEolRequired                                 // decoder.ipv4.opt_eol_required
	EvIPv4OptDuplicate                                   // decoder.ipv4.opt_duplicate
	EvIPv4OptUnknown                                     // decoder.ipv4.opt_unknown
	EvIPv4WrongIPVersion                                 // decoder.ipv4.wrong_ip_version
	EvIPv4ICMPv6                                         // decoder.ipv4.icmpv6
	EvIPv4UnknownProtocol                                // decoder.ipv4.unknown_protocol
	EvICMPv4PacketTooSmall                               // decoder.icmpv4.pkt_too_small
	EvICMPv4UnknownType                                  // decoder.icmpv4.unknown_type
	EvICMPv4UnknownCode                                  // decoder.icmpv4.unknown_code
	EvICMPv4IPv4TruncPacket                              // decoder.icmpv4.ipv4_trunc_pkt
	EvICMPv4IPv4UnknownVer                               // decoder.icmpv4.ipv4_unknown_ver
	EvICMPv6UnknownType                                  // decoder.icmpv6.unknown_type
	EvICMPv6UnknownCode                                  // decoder.icmpv6.unknown_code
	EvICMPv6PacketTooSmall                               // decoder.icmpv6.pkt_too_small
	EvICMPv6IPv6UnknownVersion                           // decoder.icmpv6.ipv6_unknown_version
	EvICMPv6IPv6TruncPacket                              // decoder.icmpv6.ipv6_trunc_pkt
	EvICMPv6MLDMessageWithInvalidHl                      // decoder.icmpv6.mld_message_with_invalid_hl
	EvICMPv6UnassignedType                               // decoder.icmpv6.unassigned_type
	EvICMPv6ExperimentationType                          // decoder.icmpv6.experimentation_type
	EvIPv6PacketTooSmall                                 // decoder.ipv6.pkt_too_small
	EvIPv6TruncPacket                                    // decoder.ipv6.trunc_pkt
	EvIPv6TruncExthdr                                    // decoder.ipv6.trunc_exthdr
	EvIPv6ExthdrDuplFH                                   // decoder.ipv6.exthdr_dupl_fh
	EvIPv6ExthdrUselessFH                                // decoder.ipv6.exthdr_useless_fh
	EvIPv6ExthdrDuplRH                                   // decoder.ipv6.exthdr_dupl_rh
	EvIPv6ExthdrDuplHh                                   // decoder.ipv6.exthdr_dupl_hh
	EvIPv6ExthdrDuplDh                                   // decoder.ipv6.exthdr_dupl_dh
	EvIPv6ExthdrDuplAH                                   // decoder.ipv6.exthdr_dupl_ah
	EvIPv6ExthdrDuplEh                                   // decoder.ipv6.exthdr_dupl_eh
	EvIPv6ExthdrInvalidOptlen                            // decoder.ipv6.exthdr_invalid_optlen
	EvIPv6WrongIPVersion                                 // decoder.ipv6.wrong_ip_version
	EvIPv6ExthdrAHResNotNull                             // decoder.ipv6.exthdr_ah_res_not_null
	EvIPv6HopoptsUnknownOpt                              // decoder.ipv6.hopopts_unknown_opt
	EvIPv6HopoptsOnlyPadding                             // decoder.ipv6.hopopts_only_padding
	EvIPv6DstoptsUnknownOpt                              // decoder.ipv6.dstopts_unknown_opt
	EvIPv6DstoptsOnlyPadding                             // decoder.ipv6.dstopts_only_padding
	EvIPv6RHType0                                        // decoder.ipv6.rh_type_0
	EvIPv6ZeroLenPadN                                    // decoder.ipv6.zero_len_padn
	EvIPv6FHNonZeroReservedField                         // decoder.ipv6.fh_non_zero_reserved_field
	EvIPv6DataAfterNoneHeader                            // decoder.ipv6.data_after_none_header
	EvIPv6UnknownNextHeader                              // decoder.ipv6.unknown_next_header
	EvIPv6ICMPv4                                         // decoder.ipv6.icmpv4
	EvTCPPacketTooSmall                                  // decoder.tcp.pkt_too_small
	EvTCPHeaderLenTooSmall                               // decoder.tcp.hlen_too_small
	EvTCPInvalidOptlen                                   // decoder.tcp.invalid_optlen
	EvTCPOptInvalidLen                                   // decoder.tcp.opt_invalid_len
	EvTCPOptDuplicate                                    // decoder.tcp.opt_duplicate
	EvUDPPacketTooSmall                                  // decoder.udp.pkt_too_small
	EvUDPHeaderLenTooSmall                               // decoder.udp.hlen_too_small
	EvUDPHeaderLenInvalid                                // decoder.udp.hlen_invalid
	EvUDPLenInvalid                                      // decoder.udp.len_invalid
	EvSLLPacketTooSmall                                  // decoder.sll.pkt_too_small
	EvSLL2PacketTooSmall                                 // decoder.sll2.pkt_too_small
	EvEthernetPacketTooSmall                             // decoder.ethernet.pkt_too_small
	EvEthernetUnknownEthertype                           // decoder.ethernet.unknown_ethertype
	EvPPPPacketTooSmall                                  // decoder.ppp.pkt_too_small
	EvPPPVjuPacketTooSmall                               // decoder.ppp.vju_pkt_too_small
	EvPPPIp4PacketTooSmall                               // decoder.ppp.ip4_pkt_too_small
	EvPPPIp6PacketTooSmall                               // decoder.ppp.ip6_pkt_too_small
	EvPPPWrongType                                       // decoder.ppp.wrong_type
	EvPPPUnsupProto                                      // decoder.ppp.unsup_proto
	EvPPPoEPacketTooSmall                                // decoder.pppoe.pkt_too_small
	EvPPPoEWrongCode                                     // decoder.pppoe.wrong_code
	EvPPPoEMalformedTags                                 // decoder.pppoe.malformed_tags
	EvGREPacketTooSmall                                  // decoder.gre.pkt_too_small
	EvGREWrongVersion                                    // decoder.gre.wrong_version
	EvGREVersion0Recur                                   // decoder.gre.version0_recur
	EvGREVersion0Flags                                   // decoder.gre.version0_flags
	EvGREVersion0HeaderTooBig                            // decoder.gre.version0_hdr_too_big
	EvGREVersion0MalformedSreHeader                      // decoder.gre.version0_malformed_sre_hdr
	EvGREVersion1Chksum                                  // decoder.gre.version1_chksum
	EvGREVersion1Route                                   // decoder.gre.version1_route
	EvGREVersion1Ssr                                     // decoder.gre.version1_ssr
	EvGREVersion1Recur                                   // decoder.gre.version1_recur
	EvGREVersion1Flags                                   // decoder.gre.version1_flags
	EvGREVersion1NoKey                                   // decoder.gre.version1_no_key
	EvGREVersion1WrongProtocol                           // decoder.gre.version1_wrong_protocol
	EvGREVersion1MalformedSreHeader                      // decoder.gre.version1_malformed_sre_hdr
	EvGREVersion1HeaderTooBig                            // decoder.gre.version1_hdr_too_big
	EvVLANHeaderTooSmall                                 // decoder.vlan.header_too_small
	EvVLANUnknownType                                    // decoder.vlan.unknown_type
	EvVLANTooManyLayers                                  // decoder.vlan.too_many_layers
	EvIeee8021ahHeaderTooSmall                           // decoder.ieee8021ah.header_too_small
	EvVNTagHeaderTooSmall                                // decoder.vntag.header_too_small
	EvVNTagUnknownType                                   // decoder.vntag.unknown_type
	EvETagHeaderTooSmall                                 // decoder.etag.header_too_small
	EvETagUnknownType                                    // decoder.etag.unknown_type
	EvIprawInvalidIPVersion                              // decoder.ipraw.invalid_ip_version
	EvNullPacketTooSmall                                 // decoder.ltnull.pkt_too_small
	EvNullUnsupportedType                                // decoder.ltnull.unsupported_type
	EvSCTPPacketTooSmall                                 // decoder.sctp.pkt_too_small
	EvSCTPChunkTooSmall                                  // decoder.sctp.chunk_too_small
	EvSCTPChunkLenInvalid                                // decoder.sctp.chunk_len_invalid
	EvSCTPInitChunkBundled                               // decoder.sctp.init_chunk_bundled
	EvSCTPInitWithNonZeroVtag                            // decoder.sctp.init_with_non_zero_vtag
	EvSCTPDataWithZeroVtag                               // decoder.sctp.data_with_zero_vtag
	EvSCTPTooManyChunks                                  // decoder.sctp.too_many_chunks
	EvSCTPTooManyDataChunks                              // decoder.sctp.too_many_data_chunks
	EvESPPacketTooSmall                                  // decoder.esp.pkt_too_small
	EvIPv4FragPacketTooLarge                             // decoder.ipv4.frag_pkt_too_large
	EvIPv6FragPacketTooLarge                             // decoder.ipv6.frag_pkt_too_large
	EvIPv4FragOverlap                                    // decoder.ipv4.frag_overlap
	EvIPv6FragOverlap                                    // decoder.ipv6.frag_overlap
	EvIPv6FragInvalidLength                              // decoder.ipv6.frag_invalid_length
	EvIPv4FragIgnored                                    // decoder.ipv4.frag_ignored
	EvIPv6FragIgnored                                    // decoder.ipv6.frag_ignored
	EvIPv6IPv4InIPv6TooSmall                             // decoder.ipv6.ipv4_in_ipv6_too_small
	EvIPv6IPv4InIPv6WrongVersion                         // decoder.ipv6.ipv4_in_ipv6_wrong_version
	EvIPv6IPv6InIPv6TooSmall                             // decoder.ipv6.ipv6_in_ipv6_too_small
	EvIPv6IPv6InIPv6WrongVersion                         // decoder.ipv6.ipv6_in_ipv6_wrong_version
	EvMPLSHeaderTooSmall                                 // decoder.mpls.header_too_small
	EvMPLSPacketTooSmall                                 // decoder.mpls.pkt_too_small
	EvMPLSBadLabelRouterAlert                            // decoder.mpls.bad_label_router_alert
	EvMPLSBadLabelImplicitNull                           // decoder.mpls.bad_label_implicit_null
	EvMPLSBadLabelReserved                               // decoder.mpls.bad_label_reserved
	EvMPLSUnknownPayloadType                             // decoder.mpls.unknown_payload_type
	EvVXLANUnknownPayloadType                            // decoder.vxlan.unknown_payload_type
	EvGeneveUnknownPayloadType                           // decoder.geneve.unknown_payload_type
	EvERSPANHeaderTooSmall                               // decoder.erspan.header_too_small
	EvERSPANUnsupportedVersion                           // decoder.erspan.unsupported_version
	EvERSPANTooManyVLANLayers                            // decoder.erspan.too_many_vlan_layers
	EvDCEPacketTooSmall                                  // decoder.dce.pkt_too_small
	EvCHDLCPacketTooSmall                                // decoder.chdlc.pkt_too_small
	EvNSHHeaderTooSmall                                  // decoder.nsh.header_too_small
	EvNSHUnsupportedVersion                              // decoder.nsh.unsupported_version
	EvNSHBadHeaderLength                                 // decoder.nsh.bad_header_length
	EvNSHReservedType                                    // decoder.nsh.reserved_type
	EvNSHUnsupportedType                                 // decoder.nsh.unsupported_type
	EvNSHUnknownPayload                                  // decoder.nsh.unknown_payload
	EvIGMPPacketTooSmall                                 // decoder.igmp.pkt_too_small
	EvIGMPV3PacketTooSmall                               // decoder.igmp.v3_pkt_too_small
	EvIGMPMalformed                                      // decoder.igmp.malformed
	EvTooManyLayers                                      // decoder.too_many_layers
	EvARPPacketTooSmall                                  // decoder.arp.pkt_too_small
	EvARPUnsupportedHardware                             // decoder.arp.unsupported_hardware
	EvARPUnsupportedProtocol                             // decoder.arp.unsupported_protocol
	EvARPInvalidPacket                                   // decoder.arp.invalid_pkt
	EvARPInvalidHardwareSize                             // decoder.arp.invalid_hardware_size
	EvARPInvalidProtocolSize                             // decoder.arp.invalid_protocol_size
	EvARPUnsupportedOpcode                               // decoder.arp.unsupported_opcode
	EvStream3WHSACKInWrongDir                            // stream.3whs_ack_in_wrong_dir
	EvStream3WHSAsyncWrongSeq                            // stream.3whs_async_wrong_seq
	EvStream3WHSRightSeqWrongACKEvasion                  // stream.3whs_right_seq_wrong_ack_evasion
	EvStream3WHSSYNACKInWrongDirection                   // stream.3whs_synack_in_wrong_direction
	EvStream3WHSSYNACKResendWithDiffACK                  // stream.3whs_synack_resend_with_diff_ack
	EvStream3WHSSYNACKResendWithDiffSeq                  // stream.3whs_synack_resend_with_diff_seq
	EvStream3WHSSYNACKToserverOnSYNRecv                  // stream.3whs_synack_toserver_on_syn_recv
	EvStream3WHSSYNACKWithWrongACK                       // stream.3whs_synack_with_wrong_ack
	EvStream3WHSSYNACKFlood                              // stream.3whs_synack_flood
	EvStream3WHSSYNACKTfoDataIgnored                     // stream.3whs_synack_tfo_data_ignored
	EvStream3WHSSYNResendDiffSeqOnSYNRecv                // stream.3whs_syn_resend_diff_seq_on_syn_recv
	EvStream3WHSSYNToclientOnSYNRecv                     // stream.3whs_syn_toclient_on_syn_recv
	EvStream3WHSSYNFlood                                 // stream.3whs_syn_flood
	EvStream3WHSWrongSeqWrongACK                         // stream.3whs_wrong_seq_wrong_ack
	EvStream3WHSACKDataInject                            // stream.3whs_ack_data_inject
	EvStream4WHSSYNACKWithWrongACK                       // stream.4whs_synack_with_wrong_ack
	EvStream4WHSSYNACKWithWrongSYN                       // stream.4whs_synack_with_wrong_syn
	EvStream4WHSWrongSeq                                 // stream.4whs_wrong_seq
	EvStream4WHSInvalidACK                               // stream.4whs_invalid_ack
	EvStreamClosewaitACKOutOfWindow                      // stream.closewait_ack_out_of_window
	EvStreamClosewaitFINOutOfWindow                      // stream.closewait_fin_out_of_window
	EvStreamClosewaitPacketBeforeLastACK                 // stream.closewait_pkt_before_last_ack
	EvStreamClosewaitInvalidACK                          // stream.closewait_invalid_ack
	EvStreamClosingACKWrongSeq                           // stream.closing_ack_wrong_seq
	EvStreamClosingInvalidACK                            // stream.closing_invalid_ack
	EvStreamEstPacketOutOfWindow                         // stream.est_packet_out_of_window
	EvStreamEstPacketBeforeLastACK                       // stream.est_pkt_before_last_ack
	EvStreamEstSYNACKResend                              // stream.est_synack_resend
	EvStreamEstSYNACKResendWithDiffACK                   // stream.est_synack_resend_with_diff_ack
	EvStreamEstSYNACKResendWithDiffSeq                   // stream.est_synack_resend_with_diff_seq
	EvStreamEstSYNACKToserver                            // stream.est_synack_toserver
	EvStreamEstSYNResend                                 // stream.est_syn_resend
	EvStreamEstSYNResendDiffSeq                          // stream.est_syn_resend_diff_seq
	EvStreamEstSYNToclient                               // stream.est_syn_toclient
	EvStreamEstInvalidACK                                // stream.est_invalid_ack
	EvStreamEstACKZwpData                                // stream.est_ack_zwp_data
	EvStreamFINInvalidACK                                // stream.fin_invalid_ack
	EvStreamFin1ACKWrongSeq                              // stream.fin1_ack_wrong_seq
	EvStreamFin1FINWrongSeq                              // stream.fin1_fin_wrong_seq
	EvStreamFin1InvalidACK                               // stream.fin1_invalid_ack
	EvStreamFin2ACKWrongSeq                              // stream.fin2_ack_wrong_seq
	EvStreamFin2FINWrongSeq                              // stream.fin2_fin_wrong_seq
	EvStreamFin2InvalidACK                               // stream.fin2_invalid_ack
	EvStreamFINButNoSession                              // stream.fin_but_no_session
	EvStreamFINOutOfWindow                               // stream.fin_out_of_window
	EvStreamFINSYN                                       // stream.fin_syn
	EvStreamLastackACKWrongSeq                           // stream.lastack_ack_wrong_seq
	EvStreamLastackInvalidACK                            // stream.lastack_invalid_ack
	EvStreamRSTButNoSession                              // stream.rst_but_no_session
	EvStreamTimewaitACKWrongSeq                          // stream.timewait_ack_wrong_seq
	EvStreamTimewaitInvalidACK                           // stream.timewait_invalid_ack
	EvStreamShutdownSYNResend                            // stream.shutdown_syn_resend
	EvStreamPacketInvalidTimestamp                       // stream.pkt_invalid_timestamp
	EvStreamPacketInvalidACK                             // stream.pkt_invalid_ack
	EvStreamPacketBrokenACK                              // stream.pkt_broken_ack
	EvStreamRSTInvalidACK                                // stream.rst_invalid_ack
	EvStreamRSTWithData                                  // stream.rst_with_data
	EvStreamPacketRetransmission                         // stream.pkt_retransmission
	EvStreamPacketSpuriousRetransmission                 // stream.pkt_spurious_retransmission
	EvStreamPacketBadWindowUpdate                        // stream.pkt_bad_window_update
	EvStreamSuspectedRSTInject                           // stream.suspected_rst_inject
	EvStreamWrongThread                                  // stream.wrong_thread
	EvStreamReassemblySegmentBeforeBaseSeq               // stream.reassembly_segment_before_base_seq
	EvStreamReassemblyNoSegment                          // stream.reassembly_no_segment
	EvStreamReassemblySeqGap                             // stream.reassembly_seq_gap
	EvStreamReassemblyOverlapDifferentData               // stream.reassembly_overlap_different_data
	EvStreamReassemblyDepthReached                       // stream.reassembly_depth_reached
	EvStreamReassemblyInsertMemcap                       // stream.reassembly_insert_memcap
	EvStreamReassemblyInsertLimit                        // stream.reassembly_insert_limit
	EvStreamReassemblyInsertInvalid                      // stream.reassembly_insert_invalid
	EvStreamReassemblyUrgentOobLimitReached              // stream.reassembly_urgent_oob_limit_reached
	EventCount                              Event = iota // number of events
)

// FirstStreamEvent is where the stream events begin.
const FirstStreamEvent = EvStream3WHSACKInWrongDir

var eventNames = [EventCount]string{
	EvAFPacketTruncPacket:                   "decoder.afpacket.trunc_pkt",
	EvIPv4PacketTooSmall:                    "decoder.ipv4.pkt_too_small",
	EvIPv4HeaderLenTooSmall:                 "decoder.ipv4.hlen_too_small",
	EvIPv4IplenSmallerThanHeaderLen:         "decoder.ipv4.iplen_smaller_than_hlen",
	EvIPv4TruncPacket:                       "decoder.ipv4.trunc_pkt",
	EvIPv4OptInvalid:                        "decoder.ipv4.opt_invalid",
	EvIPv4OptInvalidLen:                     "decoder.ipv4.opt_invalid_len",
	EvIPv4OptMalformed:                      "decoder.ipv4.opt_malformed",
	EvIPv4OptPadRequired:                    "decoder.ipv4.opt_pad_required",
	EvIPv4OptEolRequired:                    "decoder.ipv4.opt_eol_required",
	EvIPv4OptDuplicate:                      "decoder.ipv4.opt_duplicate",
	EvIPv4OptUnknown:                        "decoder.ipv4.opt_unknown",
	EvIPv4WrongIPVersion:                    "decoder.ipv4.wrong_ip_version",
	EvIPv4ICMPv6:                            "decoder.ipv4.icmpv6",
	EvIPv4UnknownProtocol:                   "decoder.ipv4.unknown_protocol",
	EvICMPv4PacketTooSmall:                  "decoder.icmpv4.pkt_too_small",
	EvICMPv4UnknownType:                     "decoder.icmpv4.unknown_type",
	EvICMPv4UnknownCode:                     "decoder.icmpv4.unknown_code",
	EvICMPv4IPv4TruncPacket:                 "decoder.icmpv4.ipv4_trunc_pkt",
	EvICMPv4IPv4UnknownVer:                  "decoder.icmpv4.ipv4_unknown_ver",
	EvICMPv6UnknownType:                     "decoder.icmpv6.unknown_type",
	EvICMPv6UnknownCode:                     "decoder.icmpv6.unknown_code",
	EvICMPv6PacketTooSmall:                  "decoder.icmpv6.pkt_too_small",
	EvICMPv6IPv6UnknownVersion:              "decoder.icmpv6.ipv6_unknown_version",
	EvICMPv6IPv6TruncPacket:                 "decoder.icmpv6.ipv6_trunc_pkt",
	EvICMPv6MLDMessageWithInvalidHl:         "decoder.icmpv6.mld_message_with_invalid_hl",
	EvICMPv6UnassignedType:                  "decoder.icmpv6.unassigned_type",
	EvICMPv6ExperimentationType:             "decoder.icmpv6.experimentation_type",
	EvIPv6PacketTooSmall:                    "decoder.ipv6.pkt_too_small",
	EvIPv6TruncPacket:                       "decoder.ipv6.trunc_pkt",
	EvIPv6TruncExthdr:                       "decoder.ipv6.trunc_exthdr",
	EvIPv6ExthdrDuplFH:                      "decoder.ipv6.exthdr_dupl_fh",
	EvIPv6ExthdrUselessFH:                   "decoder.ipv6.exthdr_useless_fh",
	EvIPv6ExthdrDuplRH:                      "decoder.ipv6.exthdr_dupl_rh",
	EvIPv6ExthdrDuplHh:                      "decoder.ipv6.exthdr_dupl_hh",
	EvIPv6ExthdrDuplDh:                      "decoder.ipv6.exthdr_dupl_dh",
	EvIPv6ExthdrDuplAH:                      "decoder.ipv6.exthdr_dupl_ah",
	EvIPv6ExthdrDuplEh:                      "decoder.ipv6.exthdr_dupl_eh",
	EvIPv6ExthdrInvalidOptlen:               "decoder.ipv6.exthdr_invalid_optlen",
	EvIPv6WrongIPVersion:                    "decoder.ipv6.wrong_ip_version",
	EvIPv6ExthdrAHResNotNull:                "decoder.ipv6.exthdr_ah_res_not_null",
	EvIPv6HopoptsUnknownOpt:                 "decoder.ipv6.hopopts_unknown_opt",
	EvIPv6HopoptsOnlyPadding:                "decoder.ipv6.hopopts_only_padding",
	EvIPv6DstoptsUnknownOpt:                 "decoder.ipv6.dstopts_unknown_opt",
	EvIPv6DstoptsOnlyPadding:                "decoder.ipv6.dstopts_only_padding",
	EvIPv6RHType0:                           "decoder.ipv6.rh_type_0",
	EvIPv6ZeroLenPadN:                       "decoder.ipv6.zero_len_padn",
	EvIPv6FHNonZeroReservedField:            "decoder.ipv6.fh_non_zero_reserved_field",
	EvIPv6DataAfterNoneHeader:               "decoder.ipv6.data_after_none_header",
	EvIPv6UnknownNextHeader:                 "decoder.ipv6.unknown_next_header",
	EvIPv6ICMPv4:                            "decoder.ipv6.icmpv4",
	EvTCPPacketTooSmall:                     "decoder.tcp.pkt_too_small",
	EvTCPHeaderLenTooSmall:                  "decoder.tcp.hlen_too_small",
	EvTCPInvalidOptlen:                      "decoder.tcp.invalid_optlen",
	EvTCPOptInvalidLen:                      "decoder.tcp.opt_invalid_len",
	EvTCPOptDuplicate:                       "decoder.tcp.opt_duplicate",
	EvUDPPacketTooSmall:                     "decoder.udp.pkt_too_small",
	EvUDPHeaderLenTooSmall:                  "decoder.udp.hlen_too_small",
	EvUDPHeaderLenInvalid:                   "decoder.udp.hlen_invalid",
	EvUDPLenInvalid:                         "decoder.udp.len_invalid",
	EvSLLPacketTooSmall:                     "decoder.sll.pkt_too_small",
	EvSLL2PacketTooSmall:                    "decoder.sll2.pkt_too_small",
	EvEthernetPacketTooSmall:                "decoder.ethernet.pkt_too_small",
	EvEthernetUnknownEthertype:              "decoder.ethernet.unknown_ethertype",
	EvPPPPacketTooSmall:                     "decoder.ppp.pkt_too_small",
	EvPPPVjuPacketTooSmall:                  "decoder.ppp.vju_pkt_too_small",
	EvPPPIp4PacketTooSmall:                  "decoder.ppp.ip4_pkt_too_small",
	EvPPPIp6PacketTooSmall:                  "decoder.ppp.ip6_pkt_too_small",
	EvPPPWrongType:                          "decoder.ppp.wrong_type",
	EvPPPUnsupProto:                         "decoder.ppp.unsup_proto",
	EvPPPoEPacketTooSmall:                   "decoder.pppoe.pkt_too_small",
	EvPPPoEWrongCode:                        "decoder.pppoe.wrong_code",
	EvPPPoEMalformedTags:                    "decoder.pppoe.malformed_tags",
	EvGREPacketTooSmall:                     "decoder.gre.pkt_too_small",
	EvGREWrongVersion:                       "decoder.gre.wrong_version",
	EvGREVersion0Recur:                      "decoder.gre.version0_recur",
	EvGREVersion0Flags:                      "decoder.gre.version0_flags",
	EvGREVersion0HeaderTooBig:               "decoder.gre.version0_hdr_too_big",
	EvGREVersion0MalformedSreHeader:         "decoder.gre.version0_malformed_sre_hdr",
	EvGREVersion1Chksum:                     "decoder.gre.version1_chksum",
	EvGREVersion1Route:                      "decoder.gre.version1_route",
	EvGREVersion1Ssr:                        "decoder.gre.version1_ssr",
	EvGREVersion1Recur:                      "decoder.gre.version1_recur",
	EvGREVersion1Flags:                      "decoder.gre.version1_flags",
	EvGREVersion1NoKey:                      "decoder.gre.version1_no_key",
	EvGREVersion1WrongProtocol:              "decoder.gre.version1_wrong_protocol",
	EvGREVersion1MalformedSreHeader:         "decoder.gre.version1_malformed_sre_hdr",
	EvGREVersion1HeaderTooBig:               "decoder.gre.version1_hdr_too_big",
	EvVLANHeaderTooSmall:                    "decoder.vlan.header_too_small",
	EvVLANUnknownType:                       "decoder.vlan.unknown_type",
	EvVLANTooManyLayers:                     "decoder.vlan.too_many_layers",
	EvIeee8021ahHeaderTooSmall:              "decoder.ieee8021ah.header_too_small",
	EvVNTagHeaderTooSmall:                   "decoder.vntag.header_too_small",
	EvVNTagUnknownType:                      "decoder.vntag.unknown_type",
	EvETagHeaderTooSmall:                    "decoder.etag.header_too_small",
	EvETagUnknownType:                       "decoder.etag.unknown_type",
	EvIprawInvalidIPVersion:                 "decoder.ipraw.invalid_ip_version",
	EvNullPacketTooSmall:                    "decoder.ltnull.pkt_too_small",
	EvNullUnsupportedType:                   "decoder.ltnull.unsupported_type",
	EvSCTPPacketTooSmall:                    "decoder.sctp.pkt_too_small",
	EvSCTPChunkTooSmall:                     "decoder.sctp.chunk_too_small",
	EvSCTPChunkLenInvalid:                   "decoder.sctp.chunk_len_invalid",
	EvSCTPInitChunkBundled:                  "decoder.sctp.init_chunk_bundled",
	EvSCTPInitWithNonZeroVtag:               "decoder.sctp.init_with_non_zero_vtag",
	EvSCTPDataWithZeroVtag:                  "decoder.sctp.data_with_zero_vtag",
	EvSCTPTooManyChunks:                     "decoder.sctp.too_many_chunks",
	EvSCTPTooManyDataChunks:                 "decoder.sctp.too_many_data_chunks",
	EvESPPacketTooSmall:                     "decoder.esp.pkt_too_small",
	EvIPv4FragPacketTooLarge:                "decoder.ipv4.frag_pkt_too_large",
	EvIPv6FragPacketTooLarge:                "decoder.ipv6.frag_pkt_too_large",
	EvIPv4FragOverlap:                       "decoder.ipv4.frag_overlap",
	EvIPv6FragOverlap:                       "decoder.ipv6.frag_overlap",
	EvIPv6FragInvalidLength:                 "decoder.ipv6.frag_invalid_length",
	EvIPv4FragIgnored:                       "decoder.ipv4.frag_ignored",
	EvIPv6FragIgnored:                       "decoder.ipv6.frag_ignored",
	EvIPv6IPv4InIPv6TooSmall:                "decoder.ipv6.ipv4_in_ipv6_too_small",
	EvIPv6IPv4InIPv6WrongVersion:            "decoder.ipv6.ipv4_in_ipv6_wrong_version",
	EvIPv6IPv6InIPv6TooSmall:                "decoder.ipv6.ipv6_in_ipv6_too_small",
	EvIPv6IPv6InIPv6WrongVersion:            "decoder.ipv6.ipv6_in_ipv6_wrong_version",
	EvMPLSHeaderTooSmall:                    "decoder.mpls.header_too_small",
	EvMPLSPacketTooSmall:                    "decoder.mpls.pkt_too_small",
	EvMPLSBadLabelRouterAlert:               "decoder.mpls.bad_label_router_alert",
	EvMPLSBadLabelImplicitNull:              "decoder.mpls.bad_label_implicit_null",
	EvMPLSBadLabelReserved:                  "decoder.mpls.bad_label_reserved",
	EvMPLSUnknownPayloadType:                "decoder.mpls.unknown_payload_type",
	EvVXLANUnknownPayloadType:               "decoder.vxlan.unknown_payload_type",
	EvGeneveUnknownPayloadType:              "decoder.geneve.unknown_payload_type",
	EvERSPANHeaderTooSmall:                  "decoder.erspan.header_too_small",
	EvERSPANUnsupportedVersion:              "decoder.erspan.unsupported_version",
	EvERSPANTooManyVLANLayers:               "decoder.erspan.too_many_vlan_layers",
	EvDCEPacketTooSmall:                     "decoder.dce.pkt_too_small",
	EvCHDLCPacketTooSmall:                   "decoder.chdlc.pkt_too_small",
	EvNSHHeaderTooSmall:                     "decoder.nsh.header_too_small",
	EvNSHUnsupportedVersion:                 "decoder.nsh.unsupported_version",
	EvNSHBadHeaderLength:                    "decoder.nsh.bad_header_length",
	EvNSHReservedType:                       "decoder.nsh.reserved_type",
	EvNSHUnsupportedType:                    "decoder.nsh.unsupported_type",
	EvNSHUnknownPayload:                     "decoder.nsh.unknown_payload",
	EvIGMPPacketTooSmall:                    "decoder.igmp.pkt_too_small",
	EvIGMPV3PacketTooSmall:                  "decoder.igmp.v3_pkt_too_small",
	EvIGMPMalformed:                         "decoder.igmp.malformed",
	EvTooManyLayers:                         "decoder.too_many_layers",
	EvARPPacketTooSmall:                     "decoder.arp.pkt_too_small",
	EvARPUnsupportedHardware:                "decoder.arp.unsupported_hardware",
	EvARPUnsupportedProtocol:                "decoder.arp.unsupported_protocol",
	EvARPInvalidPacket:                      "decoder.arp.invalid_pkt",
	EvARPInvalidHardwareSize:                "decoder.arp.invalid_hardware_size",
	EvARPInvalidProtocolSize:                "decoder.arp.invalid_protocol_size",
	EvARPUnsupportedOpcode:                  "decoder.arp.unsupported_opcode",
	EvStream3WHSACKInWrongDir:               "stream.3whs_ack_in_wrong_dir",
	EvStream3WHSAsyncWrongSeq:               "stream.3whs_async_wrong_seq",
	EvStream3WHSRightSeqWrongACKEvasion:     "stream.3whs_right_seq_wrong_ack_evasion",
	EvStream3WHSSYNACKInWrongDirection:      "stream.3whs_synack_in_wrong_direction",
	EvStream3WHSSYNACKResendWithDiffACK:     "stream.3whs_synack_resend_with_diff_ack",
	EvStream3WHSSYNACKResendWithDiffSeq:     "stream.3whs_synack_resend_with_diff_seq",
	EvStream3WHSSYNACKToserverOnSYNRecv:     "stream.3whs_synack_toserver_on_syn_recv",
	EvStream3WHSSYNACKWithWrongACK:          "stream.3whs_synack_with_wrong_ack",
	EvStream3WHSSYNACKFlood:                 "stream.3whs_synack_flood",
	EvStream3WHSSYNACKTfoDataIgnored:        "stream.3whs_synack_tfo_data_ignored",
	EvStream3WHSSYNResendDiffSeqOnSYNRecv:   "stream.3whs_syn_resend_diff_seq_on_syn_recv",
	EvStream3WHSSYNToclientOnSYNRecv:        "stream.3whs_syn_toclient_on_syn_recv",
	EvStream3WHSSYNFlood:                    "stream.3whs_syn_flood",
	EvStream3WHSWrongSeqWrongACK:            "stream.3whs_wrong_seq_wrong_ack",
	EvStream3WHSACKDataInject:               "stream.3whs_ack_data_inject",
	EvStream4WHSSYNACKWithWrongACK:          "stream.4whs_synack_with_wrong_ack",
	EvStream4WHSSYNACKWithWrongSYN:          "stream.4whs_synack_with_wrong_syn",
	EvStream4WHSWrongSeq:                    "stream.4whs_wrong_seq",
	EvStream4WHSInvalidACK:                  "stream.4whs_invalid_ack",
	EvStreamClosewaitACKOutOfWindow:         "stream.closewait_ack_out_of_window",
	EvStreamClosewaitFINOutOfWindow:         "stream.closewait_fin_out_of_window",
	EvStreamClosewaitPacketBeforeLastACK:    "stream.closewait_pkt_before_last_ack",
	EvStreamClosewaitInvalidACK:             "stream.closewait_invalid_ack",
	EvStreamClosingACKWrongSeq:              "stream.closing_ack_wrong_seq",
	EvStreamClosingInvalidACK:               "stream.closing_invalid_ack",
	EvStreamEstPacketOutOfWindow:            "stream.est_packet_out_of_window",
	EvStreamEstPacketBeforeLastACK:          "stream.est_pkt_before_last_ack",
	EvStreamEstSYNACKResend:                 "stream.est_synack_resend",
	EvStreamEstSYNACKResendWithDiffACK:      "stream.est_synack_resend_with_diff_ack",
	EvStreamEstSYNACKResendWithDiffSeq:      "stream.est_synack_resend_with_diff_seq",
	EvStreamEstSYNACKToserver:               "stream.est_synack_toserver",
	EvStreamEstSYNResend:                    "stream.est_syn_resend",
	EvStreamEstSYNResendDiffSeq:             "stream.est_syn_resend_diff_seq",
	EvStreamEstSYNToclient:                  "stream.est_syn_toclient",
	EvStreamEstInvalidACK:                   "stream.est_invalid_ack",
	EvStreamEstACKZwpData:                   "stream.est_ack_zwp_data",
	EvStreamFINInvalidACK:                   "stream.fin_invalid_ack",
	EvStreamFin1ACKWrongSeq:                 "stream.fin1_ack_wrong_seq",
	EvStreamFin1FINWrongSeq:                 "stream.fin1_fin_wrong_seq",
	EvStreamFin1InvalidACK:                  "stream.fin1_invalid_ack",
	EvStreamFin2ACKWrongSeq:                 "stream.fin2_ack_wrong_seq",
	EvStreamFin2FINWrongSeq:                 "stream.fin2_fin_wrong_seq",
	EvStreamFin2InvalidACK:                  "stream.fin2_invalid_ack",
	EvStreamFINButNoSession:                 "stream.fin_but_no_session",
	EvStreamFINOutOfWindow:                  "stream.fin_out_of_window",
	EvStreamFINSYN:                          "stream.fin_syn",
	EvStreamLastackACKWrongSeq:              "stream.lastack_ack_wrong_seq",
	EvStreamLastackInvalidACK:               "stream.lastack_invalid_ack",
	EvStreamRSTButNoSession:                 "stream.rst_but_no_session",
	EvStreamTimewaitACKWrongSeq:             "stream.timewait_ack_wrong_seq",
	EvStreamTimewaitInvalidACK:              "stream.timewait_invalid_ack",
	EvStreamShutdownSYNResend:               "stream.shutdown_syn_resend",
	EvStreamPacketInvalidTimestamp:          "stream.pkt_invalid_timestamp",
	EvStreamPacketInvalidACK:                "stream.pkt_invalid_ack",
	EvStreamPacketBrokenACK:                 "stream.pkt_broken_ack",
	EvStreamRSTInvalidACK:                   "stream.rst_invalid_ack",
	EvStreamRSTWithData:                     "stream.rst_with_data",
	EvStreamPacketRetransmission:            "stream.pkt_retransmission",
	EvStreamPacketSpuriousRetransmission:    "stream.pkt_spurious_retransmission",
	EvStreamPacketBadWindowUpdate:           "stream.pkt_bad_window_update",
	EvStreamSuspectedRSTInject:              "stream.suspected_rst_inject",
	EvStreamWrongThread:                     "stream.wrong_thread",
	EvStreamReassemblySegmentBeforeBaseSeq:  "stream.reassembly_segment_before_base_seq",
	EvStreamReassemblyNoSegment:             "stream.reassembly_no_segment",
	EvStreamReassemblySeqGap:                "stream.reassembly_seq_gap",
	EvStreamReassemblyOverlapDifferentData:  "stream.reassembly_overlap_different_data",
	EvStreamReassemblyDepthReached:          "stream.reassembly_depth_reached",
	EvStreamReassemblyInsertMemcap:          "stream.reassembly_insert_memcap",
	EvStreamReassemblyInsertLimit:           "stream.reassembly_insert_limit",
	EvStreamReassemblyInsertInvalid:         "stream.reassembly_insert_invalid",
	EvStreamReassemblyUrgentOobLimitReached: "stream.reassembly_urgent_oob_limit_reached",
}

// Name returns the event's dotted name, such as "decoder.ipv4.trunc_pkt".
func (e Event) Name() string {
	if e < EventCount {
		return eventNames[e]
	}
	return ""
}

// IsStream reports whether TCP tracking sets the event, not the decoder.
func (e Event) IsStream() bool { return e >= FirstStreamEvent }

// EventByName finds an event by its dotted name.
func EventByName(name string) (Event, bool) {
	for e := Event(0); e < EventCount; e++ {
		if eventNames[e] == name {
			return e, true
		}
	}
	return 0, false
}

// EventSet is a set of events.
type EventSet [4]uint64

// Set adds e.
func (s *EventSet) Set(e Event) { s[e>>6] |= 1 << (e & 63) }

// Has reports whether e is in the set.
func (s *EventSet) Has(e Event) bool { return s[e>>6]&(1<<(e&63)) != 0 }

// Merge adds the events of o.
func (s *EventSet) Merge(o *EventSet) {
	for i := range s {
		s[i] |= o[i]
	}
}

// Empty reports whether nothing is in the set.
func (s *EventSet) Empty() bool { return s[0]|s[1]|s[2]|s[3] == 0 }

// Next returns the first event at or after e in the set.
func (s *EventSet) Next(e Event) (Event, bool) {
	for w := int(e >> 6); w < len(s); w++ {
		m := s[w]
		if w == int(e>>6) {
			m &= ^uint64(0) << (e & 63)
		}
		if m != 0 {
			return Event(w<<6 + bits.TrailingZeros64(m)), true
		}
	}
	return 0, false
}
