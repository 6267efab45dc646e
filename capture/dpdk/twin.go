//go:build dpdk && cgo

package dpdk

/*
#include <rte_ethdev.h>
#include "shim.h"

static inline uint64_t sn_constant(unsigned int i)
{
	const uint64_t all[] = {
		RTE_ETH_RSS_IPV4, RTE_ETH_RSS_FRAG_IPV4, RTE_ETH_RSS_NONFRAG_IPV4_TCP, RTE_ETH_RSS_NONFRAG_IPV4_UDP, RTE_ETH_RSS_NONFRAG_IPV4_SCTP,
		RTE_ETH_RSS_NONFRAG_IPV4_OTHER, RTE_ETH_RSS_IPV6, RTE_ETH_RSS_FRAG_IPV6, RTE_ETH_RSS_NONFRAG_IPV6_TCP, RTE_ETH_RSS_NONFRAG_IPV6_UDP,
		RTE_ETH_RSS_NONFRAG_IPV6_SCTP, RTE_ETH_RSS_NONFRAG_IPV6_OTHER, RTE_ETH_RSS_L2_PAYLOAD, RTE_ETH_RSS_IPV6_EX, RTE_ETH_RSS_IPV6_TCP_EX,
		RTE_ETH_RSS_IPV6_UDP_EX, RTE_ETH_RSS_L3_SRC_ONLY, RTE_ETH_RSS_L3_DST_ONLY, RTE_ETH_RSS_IP, RTE_ETH_RX_OFFLOAD_VLAN_STRIP,
		RTE_ETH_RX_OFFLOAD_CHECKSUM, RTE_ETH_RX_OFFLOAD_RSS_HASH, RTE_ETH_TX_OFFLOAD_MULTI_SEGS,
	};
	return i < sizeof(all) / sizeof(all[0]) ? all[i] : 0;
}
*/
import "C"

import "unsafe"

// Tests hold what is written twice together: these are the sides in C.

func hashC(b []byte, ports uint64) uint32 {
	if len(b) == 0 {
		return 0
	}
	return uint32(C.sn_hash((*C.uint8_t)(unsafe.Pointer(&b[0])), C.uint32_t(len(b)), C.uint64_t(ports)))
}

func constantsC() []uint64 {
	var out []uint64
	for i := C.uint(0); ; i++ {
		c := uint64(C.sn_constant(i))
		if c == 0 {
			return out
		}
		out = append(out, c)
	}
}
