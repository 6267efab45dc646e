//go:build dpdk

// The twin of hash.go: both must give the same.
#include <string.h>

#include "shim.h"

static inline uint16_t be16(const uint8_t *b) { return (uint16_t)(b[0] << 8 | b[1]); }

static inline uint32_t be32(const uint8_t *b)
{
	return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static inline uint32_t mix(uint32_t h)
{
	h ^= h >> 16;
	h *= 0x7feb352d;
	h ^= h >> 15;
	h *= 0x846ca68b;
	return h ^ h >> 16;
}

static uint32_t ports(const uint8_t *b, uint32_t len, uint32_t proto)
{
	if (len < 4 || (proto != 6 && proto != 17 && proto != 132))
		return 0;
	return (uint32_t)(be16(b) ^ be16(b + 2)) << 8 ^ proto;
}

uint32_t sn_hash(const uint8_t *b, uint32_t len, uint64_t types)
{
	if (len < 14)
		return 0;
	uint32_t at = 12, h;
	uint16_t type = be16(b + at);
	at += 2;
	for (int i = 0; i < 4; i++) {
		if (type == 0x8100 || type == 0x88a8 || type == 0x9100) {
			if (at + 4 > len)
				return 0;
			type = be16(b + at + 2);
			at += 4;
		} else if (type == 0x8864) { // PPPoE session
			if (at + 8 > len)
				return 0;
			uint16_t ppp = be16(b + at + 6);
			type = ppp == 0x21 ? 0x0800 : ppp == 0x57 ? 0x86dd : 0;
			at += 8;
		} else {
			break;
		}
	}
	if (type == 0x8847 || type == 0x8848) {
		int bottom = 0;
		for (int i = 0; i < 8 && !bottom; i++) {
			if (at + 4 > len)
				return 0;
			bottom = b[at + 2] & 1;
			at += 4;
		}
		if (at >= len)
			return 0;
		type = b[at] >> 4 == 4 ? 0x0800 : b[at] >> 4 == 6 ? 0x86dd : 0;
	}
	if (type == 0x0800) {
		if (at + 20 > len)
			return 0;
		const uint8_t *ip = b + at;
		h = be32(ip + 12) ^ be32(ip + 16);
		uint32_t head = (uint32_t)(ip[0] & 15) * 4;
		if (types && !(be16(ip + 6) & 0x3fff) && head >= 20 && at + head < len)
			h ^= ports(ip + head, len - at - head, ip[9]);
		return mix(h + 0x9e3779b9);
	}
	if (type == 0x86dd) {
		if (at + 40 > len)
			return 0;
		const uint8_t *ip = b + at;
		h = 0;
		for (int i = 8; i < 40; i += 4)
			h ^= i & 4 ? be32(ip + i) : mix(be32(ip + i));
		if (types)
			h ^= ports(ip + 40, len - at - 40, ip[6]);
		return mix(h + 0x9e3779b9);
	}
	return 0;
}
