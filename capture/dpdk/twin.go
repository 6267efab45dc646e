//go:build dpdk && cgo

package dpdk

/*
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <rte_ethdev.h>
#include "shim.h"

// sn_unplug does what DPDK's interrupt thread does when a device is gone. The functions are not for programs, so that they are looked up.
static inline int sn_unplug(const char *name)
{
	void *(*find)(const char *) = (void *(*)(const char *))dlsym(RTLD_DEFAULT, "rte_eth_dev_allocated");
	int (*tell)(void *, enum rte_eth_event_type, void *) =
		(int (*)(void *, enum rte_eth_event_type, void *))dlsym(RTLD_DEFAULT, "rte_eth_dev_callback_process");
	void *dev = find != NULL && tell != NULL ? find(name) : NULL;
	if (dev == NULL)
		return -1;
	tell(dev, RTE_ETH_EVENT_INTR_RMV, NULL);
	return 0;
}

// sn_removable makes a device say that it can be pulled out. What dev_flags of the information point to is the device's own.
static inline int sn_removable(const char *name)
{
	uint16_t id;
	void *(*find)(const char *) = (void *(*)(const char *))dlsym(RTLD_DEFAULT, "rte_eth_dev_allocated");
	struct rte_eth_dev_info d;
	for (id = 0; id < RTE_MAX_ETHPORTS; id++) {
		char n[RTE_ETH_NAME_MAX_LEN];
		if (rte_eth_dev_get_name_by_port(id, n) == 0 && strcmp(n, name) == 0)
			break;
	}
	if (find == NULL || find(name) == NULL || id == RTE_MAX_ETHPORTS || rte_eth_dev_info_get(id, &d) != 0 || d.dev_flags == NULL)
		return -1;
	*(uint32_t *)(uintptr_t)d.dev_flags |= RTE_ETH_DEV_INTR_RMV;
	return 0;
}

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

import (
	"errors"
	"unsafe"
)

// Tests hold what is written twice together: these are the sides in C.

func hashC(b []byte, ports uint64) uint32 {
	if len(b) == 0 {
		return 0
	}
	return uint32(C.sn_hash((*C.uint8_t)(unsafe.Pointer(&b[0])), C.uint32_t(len(b)), C.uint64_t(ports)))
}

// unplug makes a device look as if it was pulled out.
func unplug(name string) error {
	n := C.CString(name)
	defer C.free(unsafe.Pointer(n))
	if C.sn_unplug(n) != 0 {
		return errors.New("no device " + name)
	}
	return nil
}

// removable makes a device one that can be pulled out.
func removable(name string) error {
	n := C.CString(name)
	defer C.free(unsafe.Pointer(n))
	if C.sn_removable(n) != 0 {
		return errors.New("no device " + name)
	}
	return nil
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
