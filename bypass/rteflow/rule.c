//go:build dpdk

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <rte_byteorder.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_flow.h>

#include "rule.h"

int rf_port(const char *name, uint16_t *id) { return rte_eth_dev_get_port_by_name(name, id); }

const char *rf_strerror(int err) { return rte_strerror(err < 0 ? -err : err); }

int rf_create(uint16_t port, const rf_match *m, void **rule, char *text, int size)
{
	struct rte_flow_attr attr = {.ingress = 1};
	struct rte_flow_item items[6];
	struct rte_flow_item_vlan vlan[2], vlan_mask;
	struct rte_flow_item_ipv4 v4, v4_mask;
	struct rte_flow_item_ipv6 v6, v6_mask;
	struct rte_flow_item_tcp tcp, tcp_mask;
	struct rte_flow_item_udp udp, udp_mask;
	struct rte_flow_item_sctp sctp, sctp_mask;
	struct rte_flow_action_count count;
	struct rte_flow_error err;
	int n = 0;

	memset(items, 0, sizeof(items));
	memset(vlan, 0, sizeof(vlan));
	memset(&vlan_mask, 0, sizeof(vlan_mask));
	memset(&v4, 0, sizeof(v4));
	memset(&v4_mask, 0, sizeof(v4_mask));
	memset(&v6, 0, sizeof(v6));
	memset(&v6_mask, 0, sizeof(v6_mask));
	memset(&tcp, 0, sizeof(tcp));
	memset(&tcp_mask, 0, sizeof(tcp_mask));
	memset(&udp, 0, sizeof(udp));
	memset(&udp_mask, 0, sizeof(udp_mask));
	memset(&sctp, 0, sizeof(sctp));
	memset(&sctp_mask, 0, sizeof(sctp_mask));
	memset(&count, 0, sizeof(count));
	memset(&err, 0, sizeof(err));

	items[n++].type = RTE_FLOW_ITEM_TYPE_ETH;
	vlan_mask.tci = rte_cpu_to_be_16(0x0fff);
	for (int i = 0; i < 2 && m->vlan[i] != 0; i++) {
		vlan[i].tci = rte_cpu_to_be_16(m->vlan[i] & 0x0fff);
		items[n].type = RTE_FLOW_ITEM_TYPE_VLAN;
		items[n].spec = &vlan[i];
		items[n++].mask = &vlan_mask;
	}
	if (m->version == 4) {
		memcpy(&v4.hdr.src_addr, m->src, 4);
		memcpy(&v4.hdr.dst_addr, m->dst, 4);
		memset(&v4_mask.hdr.src_addr, 0xff, 4);
		memset(&v4_mask.hdr.dst_addr, 0xff, 4);
		items[n].type = RTE_FLOW_ITEM_TYPE_IPV4;
		items[n].spec = &v4;
		items[n++].mask = &v4_mask;
	} else {
		memcpy(v6.hdr.src_addr, m->src, 16);
		memcpy(v6.hdr.dst_addr, m->dst, 16);
		memset(v6_mask.hdr.src_addr, 0xff, 16);
		memset(v6_mask.hdr.dst_addr, 0xff, 16);
		items[n].type = RTE_FLOW_ITEM_TYPE_IPV6;
		items[n].spec = &v6;
		items[n++].mask = &v6_mask;
	}
	rte_be16_t sport = rte_cpu_to_be_16(m->sport), dport = rte_cpu_to_be_16(m->dport);
	switch (m->proto) {
	case 6:
		tcp.hdr.src_port = sport;
		tcp.hdr.dst_port = dport;
		tcp_mask.hdr.src_port = tcp_mask.hdr.dst_port = 0xffff;
		items[n].type = RTE_FLOW_ITEM_TYPE_TCP;
		items[n].spec = &tcp;
		items[n++].mask = &tcp_mask;
		break;
	case 17:
		udp.hdr.src_port = sport;
		udp.hdr.dst_port = dport;
		udp_mask.hdr.src_port = udp_mask.hdr.dst_port = 0xffff;
		items[n].type = RTE_FLOW_ITEM_TYPE_UDP;
		items[n].spec = &udp;
		items[n++].mask = &udp_mask;
		break;
	case 132:
		sctp.hdr.src_port = sport;
		sctp.hdr.dst_port = dport;
		sctp_mask.hdr.src_port = sctp_mask.hdr.dst_port = 0xffff;
		items[n].type = RTE_FLOW_ITEM_TYPE_SCTP;
		items[n].spec = &sctp;
		items[n++].mask = &sctp_mask;
		break;
	default:
		return -ENOTSUP;
	}
	items[n].type = RTE_FLOW_ITEM_TYPE_END;
	struct rte_flow_action actions[] = {
		{.type = RTE_FLOW_ACTION_TYPE_COUNT, .conf = &count},
		{.type = RTE_FLOW_ACTION_TYPE_DROP},
		{.type = RTE_FLOW_ACTION_TYPE_END},
	};
	rte_errno = 0;
	struct rte_flow *f = rte_flow_create(port, &attr, items, actions, &err);
	if (f == NULL) {
		snprintf(text, (size_t)size, "%s", err.message != NULL ? err.message : "no reason given");
		return rte_errno > 0 ? -rte_errno : -ENOTSUP;
	}
	*rule = f;
	return 0;
}

int rf_query(uint16_t port, void *rule, uint64_t *pkts, uint64_t *bytes)
{
	struct rte_flow_query_count c;
	struct rte_flow_error err;
	memset(&c, 0, sizeof(c));
	struct rte_flow_action what = {.type = RTE_FLOW_ACTION_TYPE_COUNT};
	int r = rte_flow_query(port, rule, &what, &c, &err);
	if (r != 0)
		return r < 0 ? r : -r;
	if (!c.hits_set)
		return -ENOTSUP;
	*pkts = c.hits;
	*bytes = c.bytes_set ? c.bytes : 0;
	return 0;
}

int rf_destroy(uint16_t port, void *rule)
{
	struct rte_flow_error err;
	return rte_flow_destroy(port, rule, &err);
}
