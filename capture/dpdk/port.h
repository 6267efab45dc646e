//go:build dpdk

#ifndef SENTINEL_DPDK_PORT_H
#define SENTINEL_DPDK_PORT_H

#include <rte_mbuf.h>
#include <rte_mempool.h>
#include <rte_ring.h>
#include <rte_spinlock.h>

#include "shim.h"

#define SN_HEAD 128 // bytes of a frame that the software hash may look at

struct sn_queue {
	rte_spinlock_t rx; // where any lane may read it
	rte_spinlock_t tx;
	uint16_t sorted[SN_LANES];
	struct rte_mbuf *sort[SN_LANES][SN_BURST];
} __rte_cache_aligned;

struct sn_port {
	uint16_t id;
	int composite; // other devices are below it, which may be pulled out
	uint32_t rx_queues, tx_queues, lanes;
	uint64_t spread;
	int started, removed, returned;
	int hash_usable, checksums;
	int watched;
	rte_spinlock_t irq;
	struct rte_mempool *pool[SN_LANES];
	struct rte_ring *inbox[SN_LANES];
	uint64_t full[SN_LANES]; // frames that found a lane's inbox full
	struct sn_queue queue[SN_LANES];
};

extern int sn_unplugging; // devices below others that were pulled out and are not gone yet

// sn_away reports whether a port must be left alone now.
static inline int sn_away(sn_port *p)
{
	return __atomic_load_n(&p->removed, __ATOMIC_ACQUIRE) || !p->started ||
	       (p->composite && __atomic_load_n(&sn_unplugging, __ATOMIC_ACQUIRE) != 0);
}

#endif
