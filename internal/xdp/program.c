//go:build ignore

// The one XDP program. A frame goes through three steps, each of which user space can switch off before loading, so that it
// costs nothing: addresses to be dropped, flows to be left alone, sockets to be fed. Whatever none of them wants passes to the
// network stack.

#include <linux/bpf.h>
#include <linux/types.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

// None of the helpers that are called is reserved to programs under the GPL.
char program_license[] SEC("license") = "Apache-2.0";

// What is switched on. The verifier removes what a 0 here makes unreachable.
volatile const __u8 use_networks = 0;
volatile const __u8 use_hosts = 0;
volatile const __u8 use_flows = 0;
volatile const __u8 use_sockets = 0;
volatile const __u8 use_frags = 0;
volatile const __u8 ignore_vlan = 0;

// What becomes of the frames of a flow.
enum action {
	ACTION_DROP = 0,
	ACTION_PASS = 1,
	ACTION_REDIRECT = 2,
};

// Keys have no holes: all bytes count in a lookup.
struct flow4_key {
	__u8 source[4];
	__u8 target[4];
	__u8 source_port[2]; // as on the wire
	__u8 target_port[2];
	__u16 vlan[2]; // outer first, 0 = none; this host's byte order
	__u8 proto;
	__u8 zero[3];
} __attribute__((aligned(4)));

struct flow6_key {
	__u8 source[16];
	__u8 target[16];
	__u8 source_port[2];
	__u8 target_port[2];
	__u16 vlan[2];
	__u8 proto;
	__u8 zero[3];
} __attribute__((aligned(4)));

// A flow's counts lie outside its entry, in a slot: they stay readable when the entry is gone, so that a packet which is
// counted while the entry is being removed is not lost.
struct flow_value {
	__u32 slot;
	__u32 action;
};

struct slot_value {
	__u64 packets;
	__u64 bytes;
	__u64 seen; // CLOCK_MONOTONIC, nanoseconds
};

struct host_value {
	__u64 until; // CLOCK_MONOTONIC, nanoseconds; 0 = for ever
	__u32 counter;
	__u32 zero;
};

struct network4_key {
	__u32 prefix;
	__u8 address[4];
};

struct network6_key {
	__u32 prefix;
	__u8 address[16];
};

struct host4_key {
	__u8 address[4];
} __attribute__((aligned(4)));

struct host6_key {
	__u8 address[16];
} __attribute__((aligned(4)));

struct counter_value {
	__u64 packets;
	__u64 bytes;
};

#define MAP(name, kind, k, v, fl)                                                                                                    \
	struct {                                                                                                                     \
		__uint(type, kind);                                                                                                  \
		__type(key, k);                                                                                                      \
		__type(value, v);                                                                                                    \
		__uint(max_entries, 1);                                                                                              \
		__uint(map_flags, fl);                                                                                               \
	} name SEC(".maps")

MAP(networks4, BPF_MAP_TYPE_LPM_TRIE, struct network4_key, __u32, BPF_F_NO_PREALLOC);
MAP(networks6, BPF_MAP_TYPE_LPM_TRIE, struct network6_key, __u32, BPF_F_NO_PREALLOC);
MAP(hosts4, BPF_MAP_TYPE_LRU_HASH, struct host4_key, struct host_value, 0);
MAP(hosts6, BPF_MAP_TYPE_LRU_HASH, struct host6_key, struct host_value, 0);
MAP(counters, BPF_MAP_TYPE_PERCPU_ARRAY, __u32, struct counter_value, 0);
MAP(flows4, BPF_MAP_TYPE_HASH, struct flow4_key, struct flow_value, 0);
MAP(flows6, BPF_MAP_TYPE_HASH, struct flow6_key, struct flow_value, 0);
MAP(slots, BPF_MAP_TYPE_ARRAY, __u32, struct slot_value, BPF_F_MMAPABLE);
MAP(peer, BPF_MAP_TYPE_DEVMAP, __u32, __u32, 0);
MAP(sockets, BPF_MAP_TYPE_XSKMAP, __u32, __u32, 0);

// GO_ON is no action of XDP: the step has nothing to say of the frame.
#define GO_ON (-1)

#define TYPE_IPV4 0x0800
#define TYPE_IPV6 0x86dd
#define TYPE_VLAN 0x8100
#define TYPE_QINQ 0x88a8

#define PROTO_TCP 6
#define PROTO_UDP 17
#define PROTO_SCTP 132

#define ETHERNET 14
#define TAG 4
#define IPV4 20
#define IPV6 40
#define PORTS 4

struct frame {
	__u8 *end;
	__u64 size; // of the whole frame, also where it lies in several buffers
	__u16 vlan[2];
};

static __always_inline __u16 word(const __u8 *p)
{
	return bpf_ntohs(*(const __u16 *)p);
}

static __always_inline int is_tag(__u16 type)
{
	return type == TYPE_VLAN || type == TYPE_QINQ;
}

static __always_inline int dropped(__u32 at, __u64 size)
{
	struct counter_value *c = bpf_map_lookup_elem(&counters, &at);

	if (c) {
		c->packets++;
		c->bytes += size;
	}
	return XDP_DROP;
}

static __always_inline int living(const struct host_value *h)
{
	return h->until == 0 || h->until > bpf_ktime_get_ns();
}

static __always_inline int unwanted4(const __u8 *address, __u64 size)
{
	if (use_networks) {
		struct network4_key k = {.prefix = 32};
		__u32 *at;

		*(__u32 *)k.address = *(const __u32 *)address;
		at = bpf_map_lookup_elem(&networks4, &k);
		if (at)
			return dropped(*at, size);
	}
	if (use_hosts) {
		struct host4_key k;
		struct host_value *h;

		*(__u32 *)k.address = *(const __u32 *)address;
		h = bpf_map_lookup_elem(&hosts4, &k);
		if (h && living(h))
			return dropped(h->counter, size);
	}
	return GO_ON;
}

static __always_inline void copy16(__u8 *to, const __u8 *from)
{
	((__u32 *)to)[0] = ((const __u32 *)from)[0];
	((__u32 *)to)[1] = ((const __u32 *)from)[1];
	((__u32 *)to)[2] = ((const __u32 *)from)[2];
	((__u32 *)to)[3] = ((const __u32 *)from)[3];
}

static __always_inline int unwanted6(const __u8 *address, __u64 size)
{
	if (use_networks) {
		struct network6_key k = {.prefix = 128};
		__u32 *at;

		copy16(k.address, address);
		at = bpf_map_lookup_elem(&networks6, &k);
		if (at)
			return dropped(*at, size);
	}
	if (use_hosts) {
		struct host6_key k;
		struct host_value *h;

		copy16(k.address, address);
		h = bpf_map_lookup_elem(&hosts6, &k);
		if (h && living(h))
			return dropped(h->counter, size);
	}
	return GO_ON;
}

// known counts a frame of a flow that is left alone, and says what becomes of it.
static __always_inline int known(const struct flow_value *f, __u64 size)
{
	__u32 at = f->slot;
	struct slot_value *s = bpf_map_lookup_elem(&slots, &at);

	if (!s)
		return GO_ON; // not countable: the engine shall see it
	__sync_fetch_and_add(&s->packets, 1);
	__sync_fetch_and_add(&s->bytes, size);
	s->seen = bpf_ktime_get_ns();
	switch (f->action) {
	case ACTION_PASS:
		return XDP_PASS;
	case ACTION_REDIRECT:
		return bpf_redirect_map(&peer, 0, 0);
	}
	return XDP_DROP;
}

static __always_inline int has_ports(__u8 proto)
{
	return proto == PROTO_TCP || proto == PROTO_UDP || proto == PROTO_SCTP;
}

static __always_inline int ipv4(const struct frame *fr, const __u8 *h)
{
	const __u8 *ports;
	int r;

	if (h + IPV4 > fr->end || h[0] >> 4 != 4)
		return GO_ON;
	r = unwanted4(h + 12, fr->size);
	if (r == GO_ON)
		r = unwanted4(h + 16, fr->size);
	if (r != GO_ON)
		return r;
	if (!use_flows)
		return GO_ON;
	// A fragment (more to come, or not the first one) belongs to a datagram that only the engine can put together.
	if (word(h + 6) & 0x3fff)
		return GO_ON;
	if ((h[0] & 15) < IPV4 / 4 || !has_ports(h[9]))
		return GO_ON;
	ports = h + (h[0] & 15) * 4;
	if (ports + PORTS > fr->end)
		return GO_ON;

	struct flow4_key k = {.proto = h[9], .vlan = {fr->vlan[0], fr->vlan[1]}};

	*(__u32 *)k.source = *(const __u32 *)(h + 12);
	*(__u32 *)k.target = *(const __u32 *)(h + 16);
	*(__u16 *)k.source_port = *(const __u16 *)ports;
	*(__u16 *)k.target_port = *(const __u16 *)(ports + 2);

	struct flow_value *f = bpf_map_lookup_elem(&flows4, &k);

	return f ? known(f, fr->size) : GO_ON;
}

static __always_inline int ipv6(const struct frame *fr, const __u8 *h)
{
	const __u8 *ports = h + IPV6;
	int r;

	if (ports > fr->end || h[0] >> 4 != 6)
		return GO_ON;
	r = unwanted6(h + 8, fr->size);
	if (r == GO_ON)
		r = unwanted6(h + 24, fr->size);
	if (r != GO_ON)
		return r;
	// Packets with extension headers, fragments among them, are left to the engine.
	if (!use_flows || !has_ports(h[6]) || ports + PORTS > fr->end)
		return GO_ON;

	struct flow6_key k = {.proto = h[6], .vlan = {fr->vlan[0], fr->vlan[1]}};

	copy16(k.source, h + 8);
	copy16(k.target, h + 24);
	*(__u16 *)k.source_port = *(const __u16 *)ports;
	*(__u16 *)k.target_port = *(const __u16 *)(ports + 2);

	struct flow_value *f = bpf_map_lookup_elem(&flows6, &k);

	return f ? known(f, fr->size) : GO_ON;
}

static __always_inline int ethernet(struct xdp_md *ctx)
{
	__u8 *p = (__u8 *)(long)ctx->data;
	struct frame fr = {.end = (__u8 *)(long)ctx->data_end};
	__u16 type;

	fr.size = use_frags ? bpf_xdp_get_buff_len(ctx) : (__u64)(fr.end - p);
	if (p + ETHERNET > fr.end)
		return GO_ON;
	type = word(p + 12);
	p += ETHERNET;
	if (is_tag(type)) {
		if (p + TAG > fr.end)
			return GO_ON;
		if (!ignore_vlan)
			fr.vlan[0] = word(p) & 0x0fff;
		type = word(p + 2);
		p += TAG;
	}
	if (is_tag(type)) {
		if (p + TAG > fr.end)
			return GO_ON;
		if (!ignore_vlan)
			fr.vlan[1] = word(p) & 0x0fff;
		type = word(p + 2);
		p += TAG;
	}
	if (type == TYPE_IPV4)
		return ipv4(&fr, p);
	if (type == TYPE_IPV6)
		return ipv6(&fr, p);
	return GO_ON;
}

SEC("xdp.frags")
int sentinel(struct xdp_md *ctx)
{
	if (use_networks || use_hosts || use_flows) {
		int r = ethernet(ctx);

		if (r != GO_ON)
			return r;
	}
	// A queue that no socket is bound to is not ours.
	if (use_sockets)
		return bpf_redirect_map(&sockets, ctx->rx_queue_index, XDP_PASS);
	return XDP_PASS;
}
