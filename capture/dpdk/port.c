//go:build dpdk

// Ports: what they can do, how they are set up, what they count. All of it is called from the one control thread, but for the
// statistics and the event of a removal.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_flow.h>
#include <rte_version.h>

#include "port.h"

static void say(char *text, const char *format, ...)
{
	size_t have = strlen(text);
	va_list args;
	va_start(args, format);
	if (have + 2 < SN_TEXT)
		vsnprintf(text + have, SN_TEXT - have, format, args);
	va_end(args);
}

int sn_port_find(const char *name, uint16_t *id) { return rte_eth_dev_get_port_by_name(name, id); }

int sn_port_info(uint16_t id, sn_info *i)
{
	struct rte_eth_dev_info d;
	memset(&d, 0, sizeof(d));
	int r = rte_eth_dev_info_get(id, &d);
	if (r != 0)
		return r;
	memset(i, 0, sizeof(*i));
	snprintf(i->driver, sizeof(i->driver), "%s", d.driver_name != NULL ? d.driver_name : "");
	i->socket = rte_eth_dev_socket_id(id);
	i->max_rx_queues = d.max_rx_queues;
	i->max_tx_queues = d.max_tx_queues;
	i->rx_max = d.rx_desc_lim.nb_max;
	i->rx_min = d.rx_desc_lim.nb_min;
	i->rx_align = d.rx_desc_lim.nb_align;
	i->tx_max = d.tx_desc_lim.nb_max;
	i->tx_min = d.tx_desc_lim.nb_min;
	i->tx_align = d.tx_desc_lim.nb_align;
	i->min_mtu = d.min_mtu;
	i->max_mtu = d.max_mtu;
	i->rx_offloads = d.rx_offload_capa;
	i->tx_offloads = d.tx_offload_capa;
	i->rss = d.flow_type_rss_offloads;
	i->reta = d.reta_size;
	i->key = d.hash_key_size;
	i->removable = d.dev_flags != NULL && (*d.dev_flags & RTE_ETH_DEV_INTR_RMV) != 0;
	return 0;
}

sn_port *sn_port_new(uint16_t id)
{
	sn_port *p = NULL;
	if (posix_memalign((void **)&p, RTE_CACHE_LINE_SIZE, sizeof(*p)) != 0)
		return NULL;
	memset(p, 0, sizeof(*p));
	p->id = id;
	return p;
}

static int removed(uint16_t id, enum rte_eth_event_type type, void *arg, void *ret)
{
	(void)id, (void)type, (void)ret;
	__atomic_store_n(&((sn_port *)arg)->removed, 1, __ATOMIC_RELEASE);
	return 0;
}

// A driver that has other devices below it (net_failsafe) takes a device away that a reader may be in at this moment. So readers stay away
// from the time a device says that it was pulled out until it is gone.
int sn_unplugging;
static int unplugged[RTE_MAX_ETHPORTS];

static int below_pulled(uint16_t id, enum rte_eth_event_type type, void *arg, void *ret)
{
	(void)type, (void)arg, (void)ret;
	if (unplugged[id] == 0) {
		unplugged[id] = 1;
		__atomic_fetch_add(&sn_unplugging, 1, __ATOMIC_ACQ_REL);
		rte_delay_us_sleep(10000); // who is in a call leaves it
	}
	return 0;
}

static int below_gone(uint16_t id, enum rte_eth_event_type type, void *arg, void *ret)
{
	(void)type, (void)arg, (void)ret;
	if (unplugged[id] != 0) {
		unplugged[id] = 0;
		__atomic_fetch_sub(&sn_unplugging, 1, __ATOMIC_ACQ_REL);
	}
	return 0;
}

static void watch_below(void)
{
	static int watched;
	if (watched)
		return;
	watched = 1;
	rte_eth_dev_callback_register(RTE_ETH_ALL, RTE_ETH_EVENT_INTR_RMV, below_pulled, NULL);
	rte_eth_dev_callback_register(RTE_ETH_ALL, RTE_ETH_EVENT_DESTROY, below_gone, NULL);
}

int sn_port_removed(sn_port *p) { return __atomic_load_n(&p->removed, __ATOMIC_ACQUIRE); }

static int modes(sn_port *p, sn_config *c, char *text, char *warn)
{
	int r = c->multicast ? rte_eth_allmulticast_enable(p->id) : rte_eth_allmulticast_disable(p->id);
	if (r == -ENOTSUP) {
		r = rte_eth_allmulticast_get(p->id);
		if (r >= 0 && r != c->multicast)
			say(warn, "multicast cannot be switched %s here\n", c->multicast ? "on" : "off");
	} else if (r < 0) {
		say(text, "cannot switch multicast");
		return r;
	}
	r = c->promisc ? rte_eth_promiscuous_enable(p->id) : rte_eth_promiscuous_disable(p->id);
	if (r == -ENOTSUP) {
		r = rte_eth_promiscuous_get(p->id);
		if (r >= 0 && r != c->promisc)
			say(warn, "the promiscuous mode cannot be switched %s here\n", c->promisc ? "on" : "off");
	} else if (r < 0) {
		say(text, "cannot switch the promiscuous mode");
		return r;
	}
	r = rte_eth_dev_set_mtu(p->id, (uint16_t)c->mtu);
	if (r == -ENOTSUP) {
		uint16_t mtu = 0;
		rte_eth_dev_get_mtu(p->id, &mtu);
		if (mtu != c->mtu)
			say(warn, "the MTU cannot be changed here, it is %u\n", mtu);
	} else if (r < 0) {
		say(text, "cannot set the MTU to %u", c->mtu);
		return r;
	}
	return 0;
}

static int queues(sn_port *p, sn_config *c, const char *name, char *text)
{
	struct rte_eth_dev_info d;
	int r = rte_eth_dev_info_get(p->id, &d);
	if (r != 0)
		return r;
	int socket = rte_eth_dev_socket_id(p->id);
	static int made; // pools of ports that were closed keep their names
	for (uint32_t q = 0; q < c->rx_queues; q++) {
		if (q < c->pools) {
			char pool[RTE_MEMPOOL_NAMESIZE];
			snprintf(pool, sizeof(pool), "sn%d_%u_%.10s", made++, q, name);
			p->pool[q] = rte_pktmbuf_pool_create(pool, c->pool, c->cache, 0, (uint16_t)c->buffer, socket);
			if (p->pool[q] == NULL) {
				say(text, "cannot make a pool of %u buffers of %u bytes", c->pool, c->buffer);
				return -rte_errno;
			}
		} else {
			p->pool[q] = p->pool[0];
		}
		struct rte_eth_rxconf rx = d.default_rxconf;
		rx.offloads = c->rx_offloads;
		memset(&rx.rx_thresh, 0, sizeof(rx.rx_thresh));
		rx.rx_free_thresh = 0;
		rx.rx_drop_en = 0;
		r = rte_eth_rx_queue_setup(p->id, (uint16_t)q, (uint16_t)c->rx_desc, (unsigned int)socket, &rx, p->pool[q]);
		if (r < 0) {
			say(text, "cannot set up receive queue %u with %u descriptors", q, c->rx_desc);
			return r;
		}
		rte_spinlock_init(&p->queue[q].rx);
		rte_spinlock_init(&p->queue[q].tx);
	}
	for (uint32_t q = 0; q < c->tx_queues; q++) {
		struct rte_eth_txconf tx = d.default_txconf;
		tx.offloads = c->tx_offloads;
		rte_spinlock_init(&p->queue[q].tx);
		r = rte_eth_tx_queue_setup(p->id, (uint16_t)q, (uint16_t)c->tx_desc, (unsigned int)socket, &tx);
		if (r < 0) {
			say(text, "cannot set up transmit queue %u with %u descriptors", q, c->tx_desc);
			return r;
		}
	}
	for (uint32_t i = 0; c->inbox > 0 && i < c->lanes; i++) {
		char ring[RTE_RING_NAMESIZE];
		snprintf(ring, sizeof(ring), "sn%d_%u", made++, i);
		p->inbox[i] = rte_ring_create(ring, c->inbox, socket, RING_F_SC_DEQ);
		if (p->inbox[i] == NULL) {
			say(text, "cannot make an inbox of %u entries", c->inbox);
			return -rte_errno;
		}
	}
	return 0;
}

// reap frees pools of an earlier use to which all buffers have come back. The others stay: something may still hold a buffer.
static void reap(struct rte_mempool **old)
{
	for (int i = 0; i < SN_LANES; i++) {
		int again = 0;
		for (int k = 0; k < i; k++)
			again |= old[k] == old[i];
		if (old[i] != NULL && !again && rte_mempool_full(old[i]))
			rte_mempool_free(old[i]);
	}
}

static void release(sn_port *p)
{
	for (int i = 0; i < SN_LANES; i++) {
		if (p->inbox[i] != NULL)
			rte_ring_free(p->inbox[i]);
		p->inbox[i] = NULL;
	}
}

// sn_port_open sets a port up. It may change what it was asked for: c then has what the port has.
int sn_port_open(sn_port *p, const char *name, sn_config *c, char *text, char *warn)
{
	struct rte_eth_conf conf;
	memset(&conf, 0, sizeof(conf));
	text[0] = warn[0] = 0;
	if (c->lanes > SN_LANES || c->rx_queues > SN_LANES || c->tx_queues > SN_LANES) {
		say(text, "more than %d queues", SN_LANES);
		return -ERANGE;
	}
	release(p);
	conf.rxmode.mtu = c->mtu;
	conf.rxmode.offloads = c->rx_offloads;
	conf.txmode.offloads = c->tx_offloads;
	conf.intr_conf.rxq = c->interrupts ? 1 : 0;
	conf.intr_conf.rmv = 0;
	struct rte_eth_dev_info d;
	int r = rte_eth_dev_info_get(p->id, &d);
	if (r != 0) {
		say(text, "the port does not say what it is");
		return r;
	}
	if (d.dev_flags != NULL && (*d.dev_flags & RTE_ETH_DEV_INTR_RMV))
		conf.intr_conf.rmv = 1;
	if (c->rss != 0) {
		conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
		conf.rx_adv_conf.rss_conf.rss_hf = c->rss;
		conf.rx_adv_conf.rss_conf.rss_key = c->key_len > 0 ? c->key : NULL;
		conf.rx_adv_conf.rss_conf.rss_key_len = (uint8_t)c->key_len;
	}
	r = rte_eth_dev_configure(p->id, (uint16_t)c->rx_queues, (uint16_t)c->tx_queues, &conf);
	if (r != 0 && c->interrupts) {
		say(warn, "no receive interrupts here (%s): polling instead\n", rte_strerror(-r));
		c->interrupts = 0;
		conf.intr_conf.rxq = 0;
		r = rte_eth_dev_configure(p->id, (uint16_t)c->rx_queues, (uint16_t)c->tx_queues, &conf);
	}
	if (r != 0) {
		say(text, "the port refuses %u receive and %u transmit queues", c->rx_queues, c->tx_queues);
		return r;
	}
	uint16_t rx = (uint16_t)c->rx_desc, tx = (uint16_t)c->tx_desc;
	r = rte_eth_dev_adjust_nb_rx_tx_desc(p->id, &rx, &tx);
	if (r != 0) {
		say(text, "the port refuses %u receive and %u transmit descriptors", c->rx_desc, c->tx_desc);
		return r;
	}
	if (rx != c->rx_desc || (c->tx_queues > 0 && tx != c->tx_desc))
		say(warn, "the port takes %u receive and %u transmit descriptors instead of %u and %u\n", rx, tx, c->rx_desc, c->tx_desc);
	c->rx_desc = rx;
	c->tx_desc = tx;
	r = modes(p, c, text, warn);
	if (r != 0)
		return r;
	p->rx_queues = c->rx_queues;
	p->tx_queues = c->tx_queues;
	p->lanes = c->lanes;
	p->spread = c->spread;
	p->hash_usable = c->hash_usable || c->inbox > 0;
	p->checksums = c->checksums;
	rte_spinlock_init(&p->irq);
	memset(p->full, 0, sizeof(p->full));
	struct rte_mempool *old[SN_LANES];
	memcpy(old, p->pool, sizeof(old));
	memset(p->pool, 0, sizeof(p->pool));
	r = queues(p, c, name, text);
	if (r != 0) {
		release(p);
		return r;
	}
	reap(old);
	p->composite = d.driver_name != NULL && strcmp(d.driver_name, "net_failsafe") == 0;
	if (p->composite)
		watch_below();
	if (!p->watched) {
		p->watched = 1;
		rte_eth_dev_callback_register(p->id, RTE_ETH_EVENT_INTR_RMV, removed, p);
	}
	return 0;
}

int sn_port_start(sn_port *p, char *text)
{
	text[0] = 0;
	int r = rte_eth_dev_start(p->id);
	if (r != 0) {
		say(text, "the port does not start");
		return r;
	}
	if (p->composite) {
		char name[RTE_ETH_NAME_MAX_LEN];
		void *(*find)(const char *) = (void *(*)(const char *))dlsym(RTLD_DEFAULT, "rte_eth_dev_allocated");
		p->ops = rte_eth_fp_ops[p->id];
		p->dev = NULL;
		// Only where the record is what it is known to be.
		if (find != NULL && rte_eth_dev_get_name_by_port(p->id, name) == 0)
			p->dev = find(name);
		if (p->dev != NULL && (p->dev[0] != (void *)p->ops.rx_pkt_burst || p->dev[1] != (void *)p->ops.tx_pkt_burst))
			p->dev = NULL;
	}
	p->started = 1;
	return 0;
}

int sn_port_stop(sn_port *p)
{
	if (!p->started)
		return 0;
	p->started = 0;
	for (uint32_t q = 0; q < p->tx_queues; q++) { // nobody is sending when this is through
		rte_spinlock_lock(&p->queue[q].tx);
		rte_spinlock_unlock(&p->queue[q].tx);
	}
	int r = rte_eth_dev_stop(p->id);
	release(p);
	return r;
}

int sn_port_link(sn_port *p, uint32_t *speed)
{
	struct rte_eth_link l;
	memset(&l, 0, sizeof(l));
	int r = rte_eth_link_get_nowait(p->id, &l);
	if (r != 0)
		return r;
	*speed = l.link_speed;
	return l.link_status == RTE_ETH_LINK_UP;
}

int sn_port_reta(sn_port *p, uint32_t size, uint32_t n)
{
	struct rte_eth_rss_reta_entry64 t[16];
	if (size > 64 * 16)
		return -ERANGE;
	memset(t, 0, sizeof(t));
	for (uint32_t i = 0; i < size; i++) {
		t[i / RTE_ETH_RETA_GROUP_SIZE].mask |= UINT64_C(1) << (i % RTE_ETH_RETA_GROUP_SIZE);
		t[i / RTE_ETH_RETA_GROUP_SIZE].reta[i % RTE_ETH_RETA_GROUP_SIZE] = (uint16_t)(i % n);
	}
	return rte_eth_dev_rss_reta_update(p->id, t, (uint16_t)size);
}

int sn_port_rss_update(sn_port *p, uint64_t rss, uint8_t *key, uint32_t len)
{
	struct rte_eth_rss_conf c = {.rss_hf = rss, .rss_key = len > 0 ? key : NULL, .rss_key_len = (uint8_t)len};
	return rte_eth_dev_rss_hash_update(p->id, &c);
}

int sn_port_flow(sn_port *p, sn_flow_rule *r, char *text)
{
	struct rte_flow_attr attr = {.ingress = 1};
	struct rte_flow_item items[4];
	uint16_t queues[SN_LANES];
	struct rte_flow_action_rss rss;
	struct rte_flow_error err;
	int n = 0;
	text[0] = 0;
	memset(items, 0, sizeof(items));
	memset(&rss, 0, sizeof(rss));
	memset(&err, 0, sizeof(err));
	if (!r->any)
		items[n++].type = RTE_FLOW_ITEM_TYPE_ETH;
	if (r->l3 != 0)
		items[n++].type = r->l3 == 4 ? RTE_FLOW_ITEM_TYPE_IPV4 : RTE_FLOW_ITEM_TYPE_IPV6;
	if (r->l4 != 0)
		items[n++].type = r->l4 == 6 ? RTE_FLOW_ITEM_TYPE_TCP : r->l4 == 17 ? RTE_FLOW_ITEM_TYPE_UDP : RTE_FLOW_ITEM_TYPE_SCTP;
	items[n].type = RTE_FLOW_ITEM_TYPE_END;
	rss.func = r->hash == 1 ? RTE_ETH_HASH_FUNCTION_TOEPLITZ : r->hash == 3 ? RTE_ETH_HASH_FUNCTION_SYMMETRIC_TOEPLITZ : RTE_ETH_HASH_FUNCTION_DEFAULT;
	rss.types = r->types;
	rss.key = r->key_len > 0 ? r->key : NULL;
	rss.key_len = r->key_len;
	if (r->queues > SN_LANES)
		return -ERANGE;
	for (uint32_t i = 0; i < r->queues; i++)
		queues[i] = (uint16_t)i;
	rss.queue = r->queues > 0 ? queues : NULL;
	rss.queue_num = r->queues;
	struct rte_flow_action actions[] = {{.type = RTE_FLOW_ACTION_TYPE_RSS, .conf = &rss}, {.type = RTE_FLOW_ACTION_TYPE_END}};
	if (rte_flow_create(p->id, &attr, items, actions, &err) == NULL) {
		say(text, "%s", err.message != NULL ? err.message : "no reason given");
		return rte_errno > 0 ? -rte_errno : -ENOTSUP;
	}
	return 0;
}

int sn_port_flush(sn_port *p)
{
	struct rte_flow_error err;
	return rte_flow_flush(p->id, &err);
}

int sn_port_stats(sn_port *p, sn_stats *s)
{
	struct rte_eth_stats e;
	memset(&e, 0, sizeof(e));
	int r = rte_eth_stats_get(p->id, &e);
	if (r != 0)
		return r;
	s->ipackets = e.ipackets;
	s->opackets = e.opackets;
	s->ibytes = e.ibytes;
	s->obytes = e.obytes;
	s->imissed = e.imissed;
	s->ierrors = e.ierrors;
	s->oerrors = e.oerrors;
	s->nombuf = e.rx_nombuf;
	return 0;
}

uint64_t sn_port_inbox_full(sn_port *p, int lane) { return __atomic_load_n(&p->full[lane], __ATOMIC_RELAXED); }

// sn_port_buffers counts the buffers of the port's pools, and those that nobody holds.
void sn_port_buffers(sn_port *p, uint32_t *spare, uint32_t *all)
{
	*spare = *all = 0;
	for (int i = 0; i < SN_LANES; i++) {
		if (p->pool[i] == NULL || (i > 0 && p->pool[i] == p->pool[0]))
			continue;
		*spare += rte_mempool_avail_count(p->pool[i]);
		*all += p->pool[i]->size;
	}
}

int sn_port_xstats_count(sn_port *p) { return rte_eth_xstats_get_names(p->id, NULL, 0); }

int sn_port_xstats_names(sn_port *p, char *names, int n)
{
	_Static_assert(RTE_ETH_XSTATS_NAME_SIZE == 64, "names are 64 bytes");
	return rte_eth_xstats_get_names(p->id, (struct rte_eth_xstat_name *)names, (unsigned int)n);
}

int sn_port_xstats(sn_port *p, uint64_t *ids, uint64_t *values, int n)
{
	struct rte_eth_xstat *x = calloc((size_t)n, sizeof(*x));
	if (x == NULL)
		return -ENOMEM;
	int k = rte_eth_xstats_get(p->id, x, (unsigned int)n);
	for (int i = 0; i < k && i < n; i++) {
		ids[i] = x[i].id;
		values[i] = x[i].value;
	}
	free(x);
	return k;
}
