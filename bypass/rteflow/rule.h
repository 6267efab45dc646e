//go:build dpdk

#ifndef SENTINEL_RTEFLOW_RULE_H
#define SENTINEL_RTEFLOW_RULE_H

#include <stdint.h>

typedef struct rf_match {
	uint8_t version, proto;
	uint8_t src[16], dst[16];
	uint16_t sport, dport;
	uint16_t vlan[2];
} rf_match;

int rf_port(const char *name, uint16_t *id);
const char *rf_strerror(int err);
int rf_create(uint16_t port, const rf_match *m, void **rule, char *text, int size);
int rf_query(uint16_t port, void *rule, uint64_t *pkts, uint64_t *bytes);
int rf_destroy(uint16_t port, void *rule);

#endif
