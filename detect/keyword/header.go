package keyword

import "sentinel/detect"

// header lists the keywords of packet headers, in the order of the user guide, and what stands beside them there.
func header() []detect.Keyword {
	return concat(
		[]detect.Keyword{
			etherHdr(),
			TTL(), ipOpts(), sameIP(), ipProto(), ipv4Hdr(), ipv6Hdr(), ipID(), fragBits(), fragOffset(), tos(), l3Proto(),
			tcpFlags(),
		},
		tcpInts(),
		[]detect.Keyword{tcpHdr(), udpHdr()},
		icmpInts(),
		[]detect.Keyword{
			icmpv4Hdr(), icmpv6Hdr(), icmpv6MTU(), igmpHdr(), igmpType(),
			sctpHdr(), sctpChunkData(), sctpVtag(), sctpChunkType(), sctpChunkCnt(),
			vlanID(), vlanLayers(), ipSrc(), ipDst(),
		},
		csums(),
		flowCounts(),
		[]detect.Keyword{tcpSession(), rpc(), entropy(), asn1()},
		unsupported(),
	)
}
