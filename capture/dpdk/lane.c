//go:build dpdk

// The path of packets. Nothing here allocates, but for frames that lie in segments and do not fit into one.
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/epoll.h>

#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_ether.h>
#include <rte_interrupts.h>
#include <rte_lcore.h>
#include <rte_mbuf.h>
#include <rte_pause.h>
#include <rte_prefetch.h>
#include <rte_ring.h>

#include "port.h"

// A frame whose segments do not fit into the first one is lent as a copy. Its token is odd.
struct copy {
	struct rte_mbuf *m;
	uint32_t len;
	uint8_t data[];
};

static __thread int registered;

// DPDK keeps caches by thread, for threads it knows.
static inline void know_thread(void)
{
	if (likely(registered))
		return;
	registered = 1;
	if (rte_lcore_id() == LCORE_ID_ANY)
		(void)rte_thread_register(); // without it there is no cache, and all else works
}

static struct rte_mbuf *untoken(uint64_t token, struct copy **c)
{
	if (unlikely(token & 1)) {
		*c = (struct copy *)(uintptr_t)(token & ~(uint64_t)1);
		return (*c)->m;
	}
	*c = NULL;
	return (struct rte_mbuf *)(uintptr_t)token;
}

static int lend(sn_lane *l, struct rte_mbuf *m, sn_frame *f)
{
	f->token = (uint64_t)(uintptr_t)m;
	f->len = rte_pktmbuf_pkt_len(m);
	if (likely(rte_pktmbuf_is_contiguous(m)) || rte_pktmbuf_linearize(m) == 0) {
		f->data = rte_pktmbuf_mtod(m, void *);
	} else {
		struct copy *c = malloc(sizeof(*c) + f->len);
		if (c == NULL)
			return -1;
		c->m = m;
		c->len = f->len;
		const void *at = rte_pktmbuf_read(m, 0, f->len, c->data);
		if (at == NULL) {
			free(c);
			return -1;
		}
		f->data = c->data;
		f->token = (uint64_t)(uintptr_t)c | 1;
	}
	uint64_t ol = m->ol_flags;
	uint32_t flags = 0;
	f->hash = 0;
	f->vlan[0] = f->vlan[1] = 0;
	if (l->port->hash_usable && (ol & RTE_MBUF_F_RX_RSS_HASH)) {
		flags |= SN_HASH;
		f->hash = m->hash.rss;
	}
	if (unlikely(ol & RTE_MBUF_F_RX_VLAN_STRIPPED)) {
		if (ol & RTE_MBUF_F_RX_QINQ_STRIPPED) {
			f->vlan[0] = m->vlan_tci_outer;
			f->vlan[1] = m->vlan_tci;
		} else {
			f->vlan[0] = m->vlan_tci;
		}
	}
	if (l->port->checksums) {
		if ((ol & RTE_MBUF_F_RX_IP_CKSUM_MASK) == RTE_MBUF_F_RX_IP_CKSUM_BAD ||
		    (ol & RTE_MBUF_F_RX_L4_CKSUM_MASK) == RTE_MBUF_F_RX_L4_CKSUM_BAD)
			flags |= SN_CSUM_BAD;
		else if ((ol & RTE_MBUF_F_RX_L4_CKSUM_MASK) == RTE_MBUF_F_RX_L4_CKSUM_GOOD &&
			 (ol & RTE_MBUF_F_RX_IP_CKSUM_MASK) != RTE_MBUF_F_RX_IP_CKSUM_NONE)
			flags |= SN_CSUM_GOOD;
	}
	f->flags = flags;
	return 0;
}

// pump reads each queue of the port that nobody else reads now, and puts what it finds into the inboxes of the lanes. One
// reader a queue at a time, and everything goes through the inboxes: so a flow's packets stay in order. It returns
// whether it has looked into all queues and found nothing.
static int pump(sn_port *p)
{
	struct rte_mbuf *m[SN_BURST];
	int empty = 1;
	for (uint32_t q = 0; q < p->rx_queues; q++) {
		struct sn_queue *sq = &p->queue[q];
		if (!rte_spinlock_trylock(&sq->rx)) {
			empty = 0; // who reads it may have frames in its hands
			continue;
		}
		uint16_t n = rte_eth_rx_burst(p->id, (uint16_t)q, m, SN_BURST);
		for (uint16_t i = 0; i < n; i++) {
			uint8_t head[SN_HEAD];
			uint32_t len = RTE_MIN(rte_pktmbuf_pkt_len(m[i]), (uint32_t)SN_HEAD);
			const uint8_t *at = rte_pktmbuf_read(m[i], 0, len, head);
			uint32_t hash = at != NULL ? sn_hash(at, len, p->spread) : 0;
			m[i]->hash.rss = hash;
			m[i]->ol_flags |= RTE_MBUF_F_RX_RSS_HASH;
			uint32_t lane = (uint32_t)(((uint64_t)hash * p->lanes) >> 32);
			sq->sort[lane][sq->sorted[lane]++] = m[i];
		}
		if (n > 0) {
			empty = 0;
			for (uint32_t i = 0; i < p->lanes; i++) {
				unsigned int k = sq->sorted[i];
				if (k == 0)
					continue;
				sq->sorted[i] = 0;
				unsigned int in = rte_ring_mp_enqueue_burst(p->inbox[i], (void **)sq->sort[i], k, NULL);
				if (unlikely(in < k)) {
					__atomic_fetch_add(&p->full[i], k - in, __ATOMIC_RELAXED);
					rte_pktmbuf_free_bulk(sq->sort[i] + in, k - in);
				}
			}
		}
		rte_spinlock_unlock(&sq->rx);
	}
	return empty;
}

// take receives without waiting, and notes whether that was all there was.
static int take(sn_lane *l, struct rte_mbuf **m, int max)
{
	if (l->inbox != NULL) {
		int n = (int)rte_ring_sc_dequeue_burst(l->inbox, (void **)m, (unsigned int)max, NULL);
		l->emptied = 0;
		if (n < max) {
			l->emptied = pump(l->port);
			n += (int)rte_ring_sc_dequeue_burst(l->inbox, (void **)(m + n), (unsigned int)(max - n), NULL);
			l->emptied &= n < max;
		}
		return n;
	}
	int n = 0;
	l->emptied = 0;
	while (l->taken < l->stashed && n < max)
		m[n++] = l->stash[l->taken++];
	while (max - n >= SN_BURST) {
		uint16_t k = rte_eth_rx_burst(l->port->id, l->queue, m + n, SN_BURST);
		n += k;
		if (k < SN_BURST) {
			l->emptied = 1;
			return n;
		}
	}
	if (n == 0) { // fewer than a burst are wanted
		l->taken = 0;
		l->stashed = rte_eth_rx_burst(l->port->id, l->queue, (struct rte_mbuf **)l->stash, SN_BURST);
		while (l->taken < l->stashed && n < max)
			m[n++] = l->stash[l->taken++];
		l->emptied = l->stashed < SN_BURST && l->taken == l->stashed;
	}
	return n;
}

// Waiting without packets: first this long without sleep, then in steps that double up to the longest. A queue of 4,096
// descriptors takes the longest step at 16 million packets a second.
#define SPIN_US 100
#define SLEEP_FIRST_US 10
#define SLEEP_LONGEST_US 200

// settle waits until there is something to take, for wait_us at most. After a wait in vain the next one does not spin.
static int settle(sn_lane *l, struct rte_mbuf **m, int n, int wait_us)
{
	uint64_t us = rte_get_tsc_hz() / 1000000, begin = rte_get_tsc_cycles();
	uint64_t end = begin + us * (uint64_t)wait_us, spin = begin + us * (l->quiet > 1 ? 0 : SPIN_US);
	long step = SLEEP_FIRST_US;
	for (;;) {
		uint64_t now = rte_get_tsc_cycles();
		if (now >= end || sn_away(l->port)) {
			l->quiet++;
			return 0;
		}
		if (now < spin) {
			for (int i = 0; i < 16; i++)
				rte_pause();
		} else {
			struct timespec ts = {0, step * 1000};
			nanosleep(&ts, NULL);
			step = RTE_MIN(step * 2, (long)SLEEP_LONGEST_US);
		}
		if (unlikely(l->port->composite))
			sn_mend(l->port);
		int k = take(l, m, n);
		if (k > 0) {
			l->quiet = 0;
			return k;
		}
	}
}

// sn_receive lends up to n frames. Without any it waits up to wait_us.
int sn_receive(sn_lane *l, int n, int wait_us)
{
	struct rte_mbuf *m[SN_MAX];
	if (unlikely(sn_away(l->port))) {
		struct timespec ts = {0, 1000000};
		l->emptied = 1;
		if (wait_us > 0)
			nanosleep(&ts, NULL);
		return 0;
	}
	know_thread();
	if (unlikely(l->port->composite))
		sn_mend(l->port);
	if (n > SN_MAX)
		n = SN_MAX;
	int k = take(l, m, n);
	if (k == 0 && wait_us > 0)
		k = settle(l, m, n, wait_us);
	if (k == 0)
		return 0;
	struct timespec ts;
	clock_gettime(CLOCK_REALTIME, &ts);
	l->now = (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
	int lent = 0;
	for (int i = 0; i < 4 && i < k; i++)
		rte_prefetch0(rte_pktmbuf_mtod(m[i], void *));
	for (int i = 0; i < k; i++) {
		if (i + 4 < k)
			rte_prefetch0(rte_pktmbuf_mtod(m[i + 4], void *));
		if (likely(lend(l, m[i], &l->in[lent]) == 0)) {
			lent++;
		} else {
			l->invalid++;
			rte_pktmbuf_free(m[i]);
		}
	}
	return lent;
}

// transmit sends mbufs, or frees them and counts them as unsent.
static void transmit(sn_lane *l, sn_port *to, uint16_t queue, struct rte_mbuf **m, uint16_t n)
{
	uint16_t sent = 0;
	if (likely(to->tx_queues > 0)) {
		queue %= to->tx_queues;
		rte_spinlock_lock(&to->queue[queue].tx);
		if (unlikely(to->composite))
			sn_mend(to);
		int tries = sn_away(to) ? 64 : 0;
		while (sent < n && tries < 64) {
			uint16_t k = rte_eth_tx_burst(to->id, queue, m + sent, (uint16_t)(n - sent));
			sent += k;
			if (k == 0) { // the ring is full: it is soon not, or the link is down
				tries++;
				rte_delay_us_block(1);
			}
		}
		rte_spinlock_unlock(&to->queue[queue].tx);
	}
	if (unlikely(sent < n)) {
		l->unsent += n - sent;
		rte_pktmbuf_free_bulk(m + sent, (unsigned int)(n - sent));
	}
}

// ready makes an mbuf as it was on the wire. The copy of one that was lent so is put back.
static int ready(struct rte_mbuf **m, struct copy *c, uint32_t fate)
{
	if (c != NULL && fate == SN_SEND_CHANGED) {
		uint32_t at = 0;
		for (struct rte_mbuf *s = *m; s != NULL && at < c->len; s = s->next) {
			uint32_t k = RTE_MIN((uint32_t)rte_pktmbuf_data_len(s), c->len - at);
			memcpy(rte_pktmbuf_mtod(s, void *), c->data + at, k);
			at += k;
		}
	}
	uint64_t ol = (*m)->ol_flags;
	(*m)->ol_flags = ol & (RTE_MBUF_F_INDIRECT | RTE_MBUF_F_EXTERNAL);
	if (unlikely(ol & RTE_MBUF_F_RX_VLAN_STRIPPED)) {
		if (rte_vlan_insert(m) != 0)
			return -1;
		if (ol & RTE_MBUF_F_RX_QINQ_STRIPPED) {
			(*m)->vlan_tci = (*m)->vlan_tci_outer;
			if (rte_vlan_insert(m) != 0)
				return -1;
			rte_pktmbuf_mtod(*m, struct rte_ether_hdr *)->ether_type = rte_cpu_to_be_16(RTE_ETHER_TYPE_QINQ);
		}
		(*m)->ol_flags &= RTE_MBUF_F_INDIRECT | RTE_MBUF_F_EXTERNAL;
	}
	return 0;
}

// sn_return takes n frames of l->out back.
int sn_return(sn_lane *l, int n)
{
	struct rte_mbuf *gone[SN_MAX], *send[SN_MAX];
	unsigned int done = 0;
	uint16_t out = 0;
	if (n > SN_MAX)
		return -EINVAL;
	know_thread();
	for (int i = 0; i < n; i++) {
		struct copy *c;
		struct rte_mbuf *m = untoken(l->out[i].token, &c);
		if (l->out[i].fate != SN_FREE && l->peer != NULL) {
			if (likely(ready(&m, c, l->out[i].fate) == 0)) {
				send[out++] = m;
			} else {
				l->unsent++;
				gone[done++] = m;
			}
		} else {
			gone[done++] = m;
		}
		if (unlikely(c != NULL))
			free(c);
	}
	if (out > 0)
		transmit(l, l->peer, l->queue, send, out);
	if (done > 0)
		rte_pktmbuf_free_bulk(gone, done);
	return 0;
}

int sn_inject(sn_lane *l, void *data, uint32_t len)
{
	if (l->port->tx_queues == 0)
		return -ENOTSUP;
	know_thread();
	struct rte_mbuf *m = rte_pktmbuf_alloc(l->pool);
	if (m == NULL)
		return -ENOBUFS;
	char *at = rte_pktmbuf_append(m, (uint16_t)RTE_MIN(len, (uint32_t)UINT16_MAX));
	if (at == NULL || len > UINT16_MAX) {
		rte_pktmbuf_free(m);
		return -EMSGSIZE;
	}
	memcpy(at, data, len);
	uint64_t before = l->unsent;
	transmit(l, l->port, l->queue, &m, 1);
	if (l->unsent != before) {
		l->unsent = before;
		return -EAGAIN;
	}
	return 0;
}

sn_lane *sn_lane_new(sn_port *p, uint16_t queue)
{
	sn_lane *l = NULL;
	if (posix_memalign((void **)&l, 64, sizeof(*l)) != 0)
		return NULL;
	memset(l, 0, sizeof(*l));
	l->port = p;
	l->queue = queue;
	l->inbox = p->inbox[queue];
	l->pool = p->pool[l->inbox != NULL ? 0 : queue];
	l->epoll = -1;
	return l;
}

void sn_lane_free(sn_lane *l)
{
	if (l == NULL)
		return;
	while (l->taken < l->stashed)
		rte_pktmbuf_free(l->stash[l->taken++]);
	if (l->inbox != NULL) {
		void *m;
		while (rte_ring_sc_dequeue(l->inbox, &m) == 0)
			rte_pktmbuf_free(m);
	}
	if (l->epoll >= 0) {
		rte_eth_dev_rx_intr_ctl_q(l->port->id, l->queue, l->epoll, RTE_INTR_EVENT_DEL, NULL);
		close(l->epoll);
	}
	free(l);
}

void sn_lane_peer(sn_lane *l, sn_port *peer) { l->peer = peer; }

// sn_lane_arm prepares waiting for the queue's interrupt.
int sn_lane_arm(sn_lane *l)
{
	if (l->inbox != NULL)
		return -ENOTSUP;
	int fd = epoll_create1(EPOLL_CLOEXEC);
	if (fd < 0)
		return -errno;
	int r = rte_eth_dev_rx_intr_ctl_q(l->port->id, l->queue, fd, RTE_INTR_EVENT_ADD, NULL);
	if (r == 0) {
		r = rte_eth_dev_rx_intr_enable(l->port->id, l->queue);
		if (r == 0)
			r = rte_eth_dev_rx_intr_disable(l->port->id, l->queue);
		if (r == -ENOTSUP) { // as with net_tap
			l->ever = 1;
			r = 0;
		}
		if (r != 0)
			rte_eth_dev_rx_intr_ctl_q(l->port->id, l->queue, fd, RTE_INTR_EVENT_DEL, NULL);
	}
	if (r != 0) {
		close(fd);
		return r;
	}
	l->epoll = fd;
	return 0;
}

// sn_wait waits up to ms for the queue's interrupt; 0 only switches it on. Look again after it: a packet may have come before.
int sn_wait(sn_lane *l, int ms)
{
	struct rte_epoll_event ev;
	if (!l->ever) {
		rte_spinlock_lock(&l->port->irq);
		int r = rte_eth_dev_rx_intr_enable(l->port->id, l->queue);
		rte_spinlock_unlock(&l->port->irq);
		if (r != 0)
			return r;
	}
	return rte_epoll_wait(l->epoll, &ev, 1, ms);
}
