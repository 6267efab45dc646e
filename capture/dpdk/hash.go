package dpdk

import "encoding/binary"

// hash is the twin of sn_hash in hash.c: of the addresses of IP, behind VLAN tags, PPPoE and MPLS labels, the same in both directions.
// With ports it looks at those of TCP, UDP and SCTP too, where they are there. A frame without addresses has the hash 0.
func hash(b []byte, ports uint64) uint32 {
	at := 12
	typ, ok := be16(b, at)
	if !ok {
		return 0
	}
	at += 2
	for range 4 {
		switch typ {
		case 0x8100, 0x88a8, 0x9100:
			if typ, ok = be16(b, at+2); !ok {
				return 0
			}
			at += 4
			continue
		case 0x8864: // PPPoE session
			ppp, ok := be16(b, at+6)
			if !ok {
				return 0
			}
			typ = map[uint16]uint16{0x21: 0x0800, 0x57: 0x86dd}[ppp]
			at += 8
			continue
		}
		break
	}
	if typ == 0x8847 || typ == 0x8848 {
		for bottom, i := false, 0; i < 8 && !bottom; i++ {
			if at+4 > len(b) {
				return 0
			}
			bottom = b[at+2]&1 != 0
			at += 4
		}
		if at >= len(b) {
			return 0
		}
		typ = map[byte]uint16{4: 0x0800, 6: 0x86dd}[b[at]>>4]
	}
	switch {
	case typ == 0x0800 && at+20 <= len(b):
		ip := b[at:]
		h := binary.BigEndian.Uint32(ip[12:]) ^ binary.BigEndian.Uint32(ip[16:])
		head := int(ip[0]&15) * 4
		fragment, _ := be16(ip, 6)
		if ports != 0 && fragment&0x3fff == 0 && head >= 20 && head < len(ip) {
			h ^= portHash(ip[head:], ip[9])
		}
		return mix(h + 0x9e3779b9)
	case typ == 0x86dd && at+40 <= len(b):
		ip := b[at:]
		h := uint32(0)
		for i := 8; i < 40; i += 4 {
			w := binary.BigEndian.Uint32(ip[i:])
			if i&4 == 0 {
				w = mix(w)
			}
			h ^= w
		}
		if ports != 0 {
			h ^= portHash(ip[40:], ip[6])
		}
		return mix(h + 0x9e3779b9)
	}
	return 0
}

func portHash(b []byte, proto byte) uint32 {
	if len(b) < 4 || proto != 6 && proto != 17 && proto != 132 {
		return 0
	}
	return uint32(binary.BigEndian.Uint16(b)^binary.BigEndian.Uint16(b[2:]))<<8 ^ uint32(proto)
}

func mix(h uint32) uint32 {
	h ^= h >> 16
	h *= 0x7feb352d
	h ^= h >> 15
	h *= 0x846ca68b
	return h ^ h>>16
}

func be16(b []byte, at int) (uint16, bool) {
	if at+2 > len(b) {
		return 0, false
	}
	return binary.BigEndian.Uint16(b[at:]), true
}
