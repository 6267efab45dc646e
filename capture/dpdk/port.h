//go:build dpdk

#ifndef SENTINEL_DPDK_PORT_H
#define SENTINEL_DPDK_PORT_H

#include <rte_ethdev.h>
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
	void **dev;    // then: the driver's own record of the port, which begins with its two burst functions; NULL = not found
	struct rte_eth_fp_ops ops; // and what calls of bursts go through, as they were at the start
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

// sn_mend sets right what calls of bursts go through. net_failsafe changes its functions when a device below it goes away, and since DPDK
// 21.11 nobody copies them there; and the way of port 0 is reset when some devices are closed.
static inline void sn_mend(sn_port *p)
{
	struct rte_eth_fp_ops *o = &rte_eth_fp_ops[p->id];
	if (p->dev != NULL && (o->rx_pkt_burst != p->dev[0] || o->tx_pkt_burst != p->dev[1] || o->rxq.data != p->ops.rxq.data)) {
		*o = p->ops;
		o->rx_pkt_burst = (eth_rx_burst_t)p->dev[0];
		o->tx_pkt_burst = (eth_tx_burst_t)p->dev[1];
	}
}

// sn_away reports whether a port must be left alone now.
static inline int sn_away(sn_port *p)
{
	return __atomic_load_n(&p->removed, __ATOMIC_ACQUIRE) || !p->started ||
	       (p->composite && __atomic_load_n(&sn_unplugging, __ATOMIC_ACQUIRE) != 0);
}

#endif
