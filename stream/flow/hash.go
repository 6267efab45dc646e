package flow

import (
	"crypto/rand"
	"encoding/binary"
	"math/bits"

	"sentinel/decode"
)

// Hasher computes the symmetric hash of packets under a secret key, so that nobody outside can make flows collide.
type Hasher struct {
	k [4]uint64
}

// NewHasher returns a hasher. A seed of 0 takes a random key.
func NewHasher(seed uint64) Hasher {
	var h Hasher
	if seed == 0 {
		var b [32]byte
		rand.Read(b[:]) // never fails
		for i := range h.k {
			h.k[i] = binary.LittleEndian.Uint64(b[8*i:])
		}
		return h
	}
	for i := range h.k {
		h.k[i] = splitmix(&seed)
	}
	return h
}

func splitmix(s *uint64) uint64 {
	*s += 0x9e3779b97f4a7c15
	z := *s
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

var global = NewHasher(0)

// Hash returns the hash of the flow that p belongs to, equal in both directions. It is for handing packets to workers:
// fragments hash by their addresses only, ICMPv4 unreachables by the packet that they quote (as Lookup does). Packets
// without addresses are 0.
func Hash(p *decode.Packet) uint32 { return global.Hash(p) }

// Hash is like [Hash], with the hasher's own key.
func (h *Hasher) Hash(p *decode.Packet) uint32 {
	if p.IPVersion == 0 {
		return 0
	}
	var k Key
	if quotes(p) {
		k.Src, k.Dst, k.Proto, k.IPVersion = p.InnerSrc, p.InnerDst, p.InnerProto, p.InnerIPVersion
		k.SrcPort, k.DstPort = p.InnerSrcPort, p.InnerDstPort
	} else {
		k.Src, k.Dst, k.Proto, k.IPVersion = p.Src, p.Dst, p.Proto, p.IPVersion
		if !p.Has(decode.Fragment) && p.Layers&(decode.HasTCP|decode.HasUDP) != 0 {
			k.SrcPort, k.DstPort = p.SrcPort, p.DstPort
		}
	}
	return h.key(&k)
}

// key hashes the part of a key that both directions share. Ports count for TCP and UDP only: the flows of other
// protocols between two hosts share a row.
func (h *Hasher) key(k *Key) uint32 {
	misc := uint64(k.Proto)<<56 | uint64(k.Depth)<<48 | uint64(k.Iface)<<32 | uint64(k.IPVersion)<<28
	misc ^= uint64(k.VLAN[0]) | uint64(k.VLAN[1])<<12 | uint64(k.VLAN[2])<<36
	if k.IPVersion == 4 {
		a := uint64(binary.LittleEndian.Uint32(k.Src[:4]))<<16 | uint64(k.SrcPort)
		b := uint64(binary.LittleEndian.Uint32(k.Dst[:4]))<<16 | uint64(k.DstPort)
		if a > b {
			a, b = b, a
		}
		x := mum(a^h.k[0], b^h.k[1])
		x = mum(x^misc^h.k[2], h.k[3]^b)
		return uint32(x ^ x>>32)
	}
	a0, a1, ap := binary.LittleEndian.Uint64(k.Src[:8]), binary.LittleEndian.Uint64(k.Src[8:]), uint64(k.SrcPort)
	b0, b1, bp := binary.LittleEndian.Uint64(k.Dst[:8]), binary.LittleEndian.Uint64(k.Dst[8:]), uint64(k.DstPort)
	if a0 > b0 || (a0 == b0 && (a1 > b1 || (a1 == b1 && ap > bp))) {
		a0, a1, ap, b0, b1, bp = b0, b1, bp, a0, a1, ap
	}
	x := mum(a0^h.k[0], a1^h.k[1]^ap)
	y := mum(b0^h.k[2], b1^h.k[3]^bp<<16)
	x = mum(x^misc^h.k[1], y^h.k[2])
	x = mum(x^ap<<16^h.k[3], bp^h.k[0])
	return uint32(x ^ x>>32)
}

func mum(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}

// ids hands out flow ids: a counter, scrambled by a keyed permutation of 51 bits. Ids of one key never repeat, and
// cannot be told from each other without the key.
type ids struct {
	n      uint64
	worker uint64
	k      [4]uint64
}

const idMask = 1<<51 - 1

func (i *ids) next() uint64 {
	for {
		i.n++
		x := (i.n<<8 | i.worker) & idMask
		x = (x ^ i.k[0]) & idMask
		x = x * (i.k[1] | 1) & idMask
		x ^= x >> 26
		x = x * (i.k[2] | 1) & idMask
		x ^= x >> 23
		x = (x + i.k[3]) & idMask
		if x != 0 { // 0 means none in Flow.Parent
			return x
		}
	}
}
