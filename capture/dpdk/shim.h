//go:build dpdk

// What the Go side sees of DPDK: plain structs and functions. Static inlines, macros and thread-local errors stay in the C files.
#ifndef SENTINEL_DPDK_SHIM_H
#define SENTINEL_DPDK_SHIM_H

#include <stdint.h>

#define SN_BURST 32   // mbufs a receive call asks for: vector drivers want a multiple of it
#define SN_MAX 256    // frames a call may lend
#define SN_LANES 128  // sources of a port
#define SN_TEXT 1024  // of messages

// Flags of a frame.
#define SN_HASH 1
#define SN_CSUM_GOOD 2
#define SN_CSUM_BAD 4

// What becomes of a frame.
#define SN_FREE 0
#define SN_SEND 1
#define SN_SEND_CHANGED 2

typedef struct sn_frame {
	void *data;
	uint64_t token;
	uint32_t len;
	uint32_t hash;
	uint16_t vlan[2];
	uint32_t flags;
} sn_frame;

typedef struct sn_release {
	uint64_t token;
	uint32_t fate;
	uint32_t unused;
} sn_release;

typedef struct sn_port sn_port;

// sn_lane is one source: a receive queue of a port, or an inbox that software fills.
typedef struct sn_lane {
	sn_frame in[SN_MAX];
	sn_release out[SN_MAX];
	sn_port *port;
	sn_port *peer; // where frames are sent on; NULL = nowhere
	void *inbox;   // ring; NULL = the queue itself
	void *pool;    // for frames that are injected
	void *stash[SN_BURST];
	uint16_t queue; // of this port to receive, and of this port or the peer to send
	uint16_t stashed, taken;
	int epoll; // of the interrupt; -1 = none
	int emptied; // the last look has taken all there was
	int ever;  // the interrupt cannot be switched: it is always on
	uint32_t quiet; // waits in vain, one after the other
	int64_t now;
	uint64_t unsent, invalid, errors;
} sn_lane;

typedef struct sn_info {
	char driver[64];
	int32_t socket;
	uint32_t max_rx_queues, max_tx_queues;
	uint32_t rx_max, rx_min, rx_align, tx_max, tx_min, tx_align;
	uint32_t min_mtu, max_mtu;
	uint64_t rx_offloads, tx_offloads, rss;
	uint32_t reta, key;
	uint32_t removable;
} sn_info;

typedef struct sn_config {
	uint32_t rx_queues, tx_queues, rx_desc, tx_desc;
	uint32_t lanes, inbox; // inbox: entries of each lane's ring; 0 = lanes read queues
	uint32_t pools, pool, cache, buffer;
	uint32_t mtu;
	uint64_t rx_offloads, tx_offloads;
	uint64_t rss; // hash functions of the card; 0 = none
	uint64_t spread; // hash functions of the software
	uint8_t key[64];
	uint32_t key_len; // 0 = the driver's own key
	uint32_t hash_usable; // the card's hash is symmetric
	uint32_t checksums; // believe what the card says
	int32_t promisc, multicast, interrupts;
} sn_config;

typedef struct sn_stats {
	uint64_t ipackets, opackets, ibytes, obytes, imissed, ierrors, oerrors, nombuf;
} sn_stats;

typedef struct sn_flow_rule {
	uint32_t l3;    // 0, 4, 6
	uint32_t l4;    // 0, 6, 17, 132
	uint32_t any;   // no pattern at all
	uint32_t hash;  // 0 = default, 1 = Toeplitz, 3 = symmetric Toeplitz
	uint32_t queues; // 0 = none named
	uint64_t types;
	uint8_t key[64];
	uint32_t key_len;
} sn_flow_rule;

int sn_eal_init(int argc, char **argv, int log);
int sn_eal_cleanup(void);
int sn_has_hugepages(void);
int sn_errors(char *text, int size); // the last error messages of DPDK, and forgets them
const char *sn_strerror(int err);
const char *sn_version(void);

int sn_port_find(const char *name, uint16_t *id);
int sn_port_info(uint16_t id, sn_info *i);
sn_port *sn_port_new(uint16_t id);
int sn_port_open(sn_port *p, const char *name, sn_config *c, char *text, char *warn);
int sn_port_start(sn_port *p, char *text);
int sn_port_stop(sn_port *p);
int sn_port_removed(sn_port *p);
int sn_port_returned(sn_port *p);
int sn_port_link(sn_port *p, uint32_t *speed);
int sn_port_reta(sn_port *p, uint32_t size, uint32_t queues);
int sn_port_rss_update(sn_port *p, uint64_t rss, uint8_t *key, uint32_t len);
int sn_port_flow(sn_port *p, sn_flow_rule *r, char *text);
int sn_port_flush(sn_port *p);
int sn_port_stats(sn_port *p, sn_stats *s);
int sn_port_xstats_count(sn_port *p);
int sn_port_xstats_names(sn_port *p, char *names, int n); // 64 bytes each
int sn_port_xstats(sn_port *p, uint64_t *ids, uint64_t *values, int n);
uint64_t sn_port_inbox_full(sn_port *p, int lane);
void sn_port_buffers(sn_port *p, uint32_t *spare, uint32_t *all);
int sn_rings(const char *a, const char *b);

sn_lane *sn_lane_new(sn_port *p, uint16_t queue);
void sn_lane_free(sn_lane *l);
void sn_lane_peer(sn_lane *l, sn_port *peer);
int sn_lane_arm(sn_lane *l);
int sn_receive(sn_lane *l, int n, int wait_us);
int sn_wait(sn_lane *l, int ms);
int sn_return(sn_lane *l, int n);
int sn_inject(sn_lane *l, void *data, uint32_t len);
uint32_t sn_hash(const uint8_t *data, uint32_t len, uint64_t types);

#endif
