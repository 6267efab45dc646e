package detect

import (
	"sync"
	"sync/atomic"

	"sentinel/decode"
)

// bitKey names a bit of a host, or of a pair of hosts in either direction.
type bitKey struct {
	kind    NameKind
	id      uint32
	version uint8
	a, b    decode.Addr
}

const bitShards = 64

// bitStore keeps the bits of hosts and pairs, for all workers, until they expire.
type bitStore struct {
	memcap atomic.Uint64 // bytes
	shards [bitShards]struct {
		mu sync.Mutex
		m  map[bitKey]int64 // when it expires, nanoseconds
		_  [40]byte
	}
}

func newBitStore(memcap uint64) *bitStore {
	if memcap == 0 {
		memcap = 16 << 20
	}
	s := &bitStore{}
	s.memcap.Store(memcap)
	for i := range s.shards {
		s.shards[i].m = map[bitKey]int64{}
	}
	return s
}

// bitSize is about what a bit takes, for the memcap.
const bitSize = 128

// most is how many bits a shard may hold.
func (s *bitStore) most() int { return int(max(s.memcap.Load()/bitSize/bitShards, 16)) }

func (k *bitKey) shard() uint32 {
	h := k.id*2654435761 ^ uint32(k.a[0])<<24 ^ uint32(k.a[3])<<8 ^ uint32(k.a[2]) ^ uint32(k.a[15]) ^ uint32(k.b[3])<<16 ^ uint32(k.b[15])
	h ^= h >> 15
	h *= 0x85ebca6b
	return (h ^ h>>13) % bitShards
}

func (s *bitStore) set(k bitKey, now, expires int64) {
	sh := &s.shards[k.shard()]
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if _, ok := sh.m[k]; !ok && len(sh.m) >= s.most() {
		for x, t := range sh.m {
			if t < now {
				delete(sh.m, x)
			}
		}
		if len(sh.m) >= s.most() {
			return
		}
	}
	sh.m[k] = expires
}

func (s *bitStore) unset(k bitKey) {
	sh := &s.shards[k.shard()]
	sh.mu.Lock()
	defer sh.mu.Unlock()
	delete(sh.m, k)
}

func (s *bitStore) isset(k bitKey, now int64) bool {
	sh := &s.shards[k.shard()]
	sh.mu.Lock()
	defer sh.mu.Unlock()
	t, ok := sh.m[k]
	if ok && t < now {
		delete(sh.m, k)
		return false
	}
	return ok
}

// SharedBit sets (op 's'), clears ('u'), toggles ('t') or asks for a bit of a host or a pair of hosts. track is BySrc, ByDst or
// ByBoth. It returns whether the bit was set before.
func (w *Worker) SharedBit(op byte, k NameKind, id uint32, track Track, seconds uint32) bool {
	p := w.ctx.Packet
	key := bitKey{kind: k, id: id, version: p.IPVersion}
	switch track {
	case BySrc:
		key.a = p.Src
	case ByDst:
		key.a = p.Dst
	default:
		key.a, key.b = p.Src, p.Dst
		if less(&key.b, &key.a) {
			key.a, key.b = key.b, key.a
		}
	}
	s := w.shared.bits
	was := s.isset(key, w.ctx.Now)
	switch {
	case op == 's' || op == 't' && !was:
		s.set(key, w.ctx.Now, w.ctx.Now+int64(seconds)*second)
	case op == 'u' || op == 't':
		s.unset(key)
	}
	return was
}
