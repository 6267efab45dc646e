//go:build ignore

// The program of cluster_ebpf: a hash of a packet's flow which is the same in both directions. The kernel takes it modulo the
// number of sockets in the group.
//
// It looks through VLAN tags, MPLS labels, PPPoE, GRE and IP in IP, and at the packet that an ICMP error is about, because that is
// the flow that the error belongs to. Fragments, and what has no ports, go by their addresses.

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/in6.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define STEPS 16 // headers of one packet

// What a header is, besides Ethernet types: numbers that no Ethernet type has.
#define KIND_IP_PROTO 1
#define KIND_DONE 2

#define IPPROTO_UDPLITE_ 136
#define IPPROTO_MH_ 135
#define GRE_CSUM 0x8000
#define GRE_KEY 0x2000
#define GRE_SEQ 0x1000
#define GRE_VERSION 0x0007
#define ETH_P_TEB_ 0x6558

struct walk {
	__u32 off;   // of the header at hand, from the network header on
	__u16 kind;  // of that header
	__u8 proto;  // of IP's payload
	__u8 v6;
	__u8 fragment;
	__u32 hash;  // of the addresses
};

static __always_inline __u32 mix(__u32 h, __u32 v)
{
	h ^= v * 0xcc9e2d51;
	h = (h << 13) | (h >> 19);
	return h * 5 + 0xe6546b64;
}

// both mixes two values so that their order does not count.
static __always_inline __u32 both(__u32 h, __u32 a, __u32 b)
{
	return mix(mix(h, a ^ b), a + b);
}

static __always_inline __u32 finish(__u32 h)
{
	h ^= h >> 16;
	h *= 0x85ebca6b;
	h ^= h >> 13;
	h *= 0xc2b2ae35;
	return h ^ h >> 16;
}

static __always_inline int load(struct __sk_buff *skb, __u32 off, void *to, __u32 len)
{
	return bpf_skb_load_bytes_relative(skb, off, to, len, BPF_HDR_START_NET);
}

static __always_inline void ipv4(struct __sk_buff *skb, struct walk *w)
{
	__u8 b[20];

	w->kind = KIND_DONE;
	if (load(skb, w->off, b, sizeof(b)) < 0 || b[0] >> 4 != 4 || (b[0] & 15) < 5)
		return;
	__u32 *addr = (__u32 *)(b + 12);
	w->hash = both(4, addr[0], addr[1]);
	w->fragment = (b[6] & 0x3f) | b[7];
	w->proto = b[9];
	w->v6 = 0;
	w->off += (b[0] & 15) * 4;
	if (!w->fragment)
		w->kind = KIND_IP_PROTO;
}

static __always_inline void ipv6(struct __sk_buff *skb, struct walk *w)
{
	__u32 b[10];

	w->kind = KIND_DONE;
	if (load(skb, w->off, b, sizeof(b)) < 0 || *(__u8 *)b >> 4 != 6)
		return;
	__u32 h = 6;
	for (int i = 0; i < 4; i++)
		h = both(h, b[2 + i], b[6 + i]);
	w->hash = h;
	w->fragment = 0;
	w->proto = ((__u8 *)b)[6];
	w->v6 = 1;
	w->off += 40;
	w->kind = KIND_IP_PROTO;
}

static __always_inline void gre(struct __sk_buff *skb, struct walk *w)
{
	__u16 b[2];

	w->kind = KIND_DONE;
	if (load(skb, w->off, b, sizeof(b)) < 0)
		return;
	__u16 flags = bpf_ntohs(b[0]);
	if (flags & GRE_VERSION)
		return;
	w->off += 4 + (flags & GRE_CSUM ? 4 : 0) + (flags & GRE_KEY ? 4 : 0) + (flags & GRE_SEQ ? 4 : 0);
	w->kind = bpf_ntohs(b[1]);
}

// error goes on with the packet that an ICMP error is about.
static __always_inline void error(struct __sk_buff *skb, struct walk *w)
{
	__u8 type;

	w->kind = KIND_DONE;
	if (load(skb, w->off, &type, 1) < 0)
		return;
	if (w->v6 ? type >= 1 && type <= 4 : type == 3 || type == 4 || type == 5 || type == 11 || type == 12) {
		w->off += 8;
		w->kind = w->v6 ? ETH_P_IPV6 : ETH_P_IP;
	}
}

static __always_inline void transport(struct __sk_buff *skb, struct walk *w)
{
	__u8 ext[4];
	__u16 ports[2];

	switch (w->proto) {
	case IPPROTO_TCP:
	case IPPROTO_UDP:
	case IPPROTO_SCTP:
	case IPPROTO_DCCP:
	case IPPROTO_UDPLITE_:
		w->kind = KIND_DONE;
		if (load(skb, w->off, ports, sizeof(ports)) >= 0)
			w->hash = both(w->hash, ports[0], ports[1]);
		return;
	case IPPROTO_IPIP:
		w->kind = ETH_P_IP;
		return;
	case IPPROTO_IPV6:
		w->kind = ETH_P_IPV6;
		return;
	case IPPROTO_GRE:
		gre(skb, w);
		return;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		error(skb, w);
		return;
	case IPPROTO_FRAGMENT:
	case IPPROTO_HOPOPTS:
	case IPPROTO_ROUTING:
	case IPPROTO_DSTOPTS:
	case IPPROTO_MH_:
	case IPPROTO_AH:
		if (!w->v6 && w->proto != IPPROTO_AH) {
			w->kind = KIND_DONE;
			return;
		}
		if (load(skb, w->off, ext, sizeof(ext)) < 0) {
			w->kind = KIND_DONE;
			return;
		}
		if (w->proto == IPPROTO_FRAGMENT) {
			if (ext[2] | (ext[3] & 0xf9)) // an atomic fragment (RFC 6946) is whole
				w->kind = KIND_DONE;
			w->off += 8;
		} else if (w->proto == IPPROTO_AH) {
			w->off += (ext[1] + 2) * 4;
		} else {
			w->off += (ext[1] + 1) * 8;
		}
		w->proto = ext[0];
		return;
	}
	w->kind = KIND_DONE;
}

static __always_inline void link(struct __sk_buff *skb, struct walk *w)
{
	__u8 b[8];

	switch (w->kind) {
	case ETH_P_IP:
		ipv4(skb, w);
		return;
	case ETH_P_IPV6:
		ipv6(skb, w);
		return;
	case ETH_P_8021Q:
	case ETH_P_8021AD:
	case ETH_P_QINQ1:
		if (load(skb, w->off, b, 4) < 0)
			break;
		w->off += 4;
		w->kind = b[2] << 8 | b[3];
		return;
	case ETH_P_MPLS_UC:
	case ETH_P_MPLS_MC:
		if (load(skb, w->off, b, 5) < 0)
			break;
		w->off += 4;
		if (b[2] & 1) // the bottom of the stack: what follows says itself what it is
			w->kind = b[4] >> 4 == 4 ? ETH_P_IP : b[4] >> 4 == 6 ? ETH_P_IPV6 : KIND_DONE;
		return;
	case ETH_P_PPP_SES:
		if (load(skb, w->off, b, 8) < 0)
			break;
		w->off += 8;
		w->kind = b[6] == 0 && b[7] == 0x21 ? ETH_P_IP : b[6] == 0 && b[7] == 0x57 ? ETH_P_IPV6 : KIND_DONE;
		return;
	case ETH_P_TEB_:
		if (load(skb, w->off + 12, b, 2) < 0)
			break;
		w->off += 14;
		w->kind = b[0] << 8 | b[1];
		return;
	}
	w->kind = KIND_DONE;
}

SEC("socket")
int loadbalancer(struct __sk_buff *skb)
{
	struct walk w = {.kind = bpf_ntohs(skb->protocol)};

	for (int i = 0; i < STEPS; i++) {
		if (w.kind == KIND_DONE)
			break;
		if (w.kind == KIND_IP_PROTO)
			transport(skb, &w);
		else
			link(skb, &w);
	}
	return finish(w.hash);
}

char _license[] SEC("license") = "Apache-2.0";
