package dataset

import (
	"hash/maphash"
	"sync"
	"sync/atomic"
)

// Set is a set of values of one type. Its methods may be called from any goroutine.
type Set struct {
	Name string
	Type Type

	load, save string // files; empty = none
	format     Format
	removeKey  bool
	memcap     uint64 // bytes; 0 = maxMemory
	hashSize   uint64 // as configured; only counts for the memcap
	used       atomic.Uint64
	seed       maphash.Seed
	shards     [shardCount]shard
	count      atomic.Uint64
}

const (
	shardCount = 64
	// overhead is what a value costs beside its bytes, prealloc how many of them are counted from the start, and row what a
	// bucket costs: Suricata's numbers, so that its memcaps mean the same.
	overhead  = 104
	prealloc  = 1000
	row       = 64
	maxMemory = 1 << 32
)

type shard struct {
	mu   sync.RWMutex
	at   map[uint64]int32 // by hash: index of the first entry + 1
	list []entry
	free int32 // index + 1 of the first free entry
}

type entry struct {
	value []byte
	next  int32 // index + 1
	content
}

// content is what a set has for a value. It is not changed once it is there.
type content struct {
	rep    uint16
	hasRep bool
	json   []byte // nil = none
}

// cost is how many bytes a value takes beside the overhead.
func (s *Set) cost(v []byte, c *content) uint64 {
	n := uint64(len(c.json))
	if s.Type == String {
		n += uint64(len(v))
	}
	return n
}

func newSet(name string, t Type, load, save string, memcap, hashSize uint64) *Set {
	s := &Set{Name: name, Type: t, load: load, save: save, memcap: memcap, hashSize: hashSize, seed: maphash.MakeSeed()}
	if memcap == 0 {
		s.memcap = maxMemory
	}
	s.used.Store(hashSize*row + prealloc*overhead)
	for i := range s.shards {
		s.shards[i].at = map[uint64]int32{}
	}
	return s
}

// key brings a value into the form that is kept. It reports whether the value can be one of the set's.
func (s *Set) key(v []byte, room *[16]byte) ([]byte, bool) {
	switch s.Type {
	case String:
		return v, len(v) > 0
	case MD5:
		return v, len(v) == 16
	case SHA256:
		return v, len(v) == 32
	case IPv4:
		return v, len(v) == 4
	case IP:
		if len(v) == 4 {
			*room = [16]byte{10: 0xff, 11: 0xff, 12: v[0], 13: v[1], 14: v[2], 15: v[3]}
			return room[:], true
		}
		return v, len(v) == 16
	}
	return nil, false
}

// find returns the entry of a value, or nil. The shard is locked.
func (h *shard) find(hash uint64, v []byte) *entry {
	for i := h.at[hash]; i > 0; {
		e := &h.list[i-1]
		if string(e.value) == string(v) {
			return e
		}
		i = e.next
	}
	return nil
}

// Has reports whether the value is in the set, and its number.
func (s *Set) Has(v []byte) (rep uint16, ok bool) {
	c, ok := s.get(v)
	return c.rep, ok
}

func (s *Set) get(v []byte) (c content, ok bool) {
	var room [16]byte
	if v, ok = s.key(v, &room); !ok {
		return c, false
	}
	hash := maphash.Bytes(s.seed, v)
	h := &s.shards[hash%shardCount]
	h.mu.RLock()
	defer h.mu.RUnlock()
	if e := h.find(hash, v); e != nil {
		return e.content, true
	}
	return c, false
}

// Add puts a value into the set. It reports whether the value is new; at the memcap nothing is added.
func (s *Set) Add(v []byte) bool { return s.add(v, content{}) == added }

// outcome is what came of adding a value.
type outcome uint8

const (
	added outcome = iota
	present
	full
	unfit
)

func (s *Set) add(v []byte, c content) outcome {
	var room [16]byte
	v, ok := s.key(v, &room)
	if !ok {
		return unfit
	}
	hash := maphash.Bytes(s.seed, v)
	h := &s.shards[hash%shardCount]
	h.mu.Lock()
	defer h.mu.Unlock()
	if e := h.find(hash, v); e != nil {
		return present
	}
	cost := s.cost(v, &c)
	if s.count.Load() >= prealloc {
		cost += overhead
	}
	if s.used.Add(cost) > s.memcap {
		s.used.Add(-cost)
		return full
	}
	e := entry{value: append([]byte(nil), v...), next: h.at[hash], content: c}
	s.count.Add(1)
	if i := h.free; i > 0 {
		h.free = h.list[i-1].next
		h.list[i-1] = e
		h.at[hash] = i
		return added
	}
	h.list = append(h.list, e)
	h.at[hash] = int32(len(h.list))
	return added
}

// Remove takes a value out of the set. It reports whether it was there.
func (s *Set) Remove(v []byte) bool {
	var room [16]byte
	v, ok := s.key(v, &room)
	if !ok {
		return false
	}
	hash := maphash.Bytes(s.seed, v)
	h := &s.shards[hash%shardCount]
	h.mu.Lock()
	defer h.mu.Unlock()
	for prev, i := int32(0), h.at[hash]; i > 0; prev, i = i, h.list[i-1].next {
		e := &h.list[i-1]
		if string(e.value) != string(v) {
			continue
		}
		switch {
		case prev > 0:
			h.list[prev-1].next = e.next
		case e.next > 0:
			h.at[hash] = e.next
		default:
			delete(h.at, hash)
		}
		s.used.Add(-s.cost(v, &e.content))
		if s.count.Add(^uint64(0)) >= prealloc {
			s.used.Add(^uint64(overhead - 1))
		}
		*e = entry{next: h.free}
		h.free = i
		return true
	}
	return false
}

// Len is the number of values.
func (s *Set) Len() int { return int(s.count.Load()) }
