package httprange

import (
	"sort"
	"sync"
	"time"

	"sentinel/stream/app"
)

// Bounds of a Store.
const (
	maxParts  = 4096    // of one resource
	MaxPart   = 4 << 20 // bytes of one part that are worth keeping
	overhead  = 128     // of a part, for the memory limit
	maxSweeps = 64      // resources looked at to make room
)

// Store puts parts of resources together that come in several responses, over one connection or several. It is safe for
// concurrent use; it is touched once a part, not once a packet.
type Store struct {
	mu      sync.Mutex
	items   map[string]*resource
	used    uint64
	memcap  uint64
	timeout int64
}

type resource struct {
	total uint64
	parts []part // by start
	seen  int64
	size  uint64
	bytes uint64 // of all parts, where they overlap as well
}

type part struct {
	start uint64
	data  []byte
}

// NewStore makes a Store that keeps at most memcap bytes (0 = no limit), and forgets resources after timeout nanoseconds.
func NewStore(memcap uint64, timeout int64) *Store {
	return &Store{items: map[string]*resource{}, memcap: memcap, timeout: timeout}
}

// Add takes a part of the resource key, of total bytes, that begins at start. The data is the Store's from then on. When it
// was the last one that was missing, the whole is returned in pieces and forgotten.
func (s *Store) Add(key []byte, total, start uint64, data []byte, now int64) [][]byte {
	if len(data) == 0 || start >= total || uint64(len(data)) > total-start {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.items[string(key)]
	if r != nil && (r.total != total || now-r.seen > s.timeout) {
		s.drop(string(key), r)
		r = nil
	}
	need := uint64(len(data)) + overhead
	if s.memcap > 0 && s.used+need > s.memcap {
		s.sweep(now)
		if s.used+need > s.memcap {
			return nil
		}
	}
	if r == nil {
		r = &resource{total: total}
		s.items[string(key)] = r
	}
	r.seen = now
	i := sort.Search(len(r.parts), func(i int) bool { return r.parts[i].start > start })
	if i > 0 {
		if p := r.parts[i-1]; p.start+uint64(len(p.data)) >= start+uint64(len(data)) {
			return nil // nothing new
		}
	}
	if len(r.parts) >= maxParts {
		return nil
	}
	r.parts = append(r.parts, part{})
	copy(r.parts[i+1:], r.parts[i:])
	r.parts[i] = part{start, data}
	r.size += need
	r.bytes += uint64(len(data))
	s.used += need
	out := r.whole()
	if out != nil {
		s.drop(string(key), r)
	}
	return out
}

// whole returns the resource if every byte is there.
func (r *resource) whole() [][]byte {
	if r.bytes < r.total {
		return nil
	}
	at := uint64(0)
	for _, p := range r.parts {
		if p.start > at {
			return nil
		}
		at = max(at, p.start+uint64(len(p.data)))
	}
	if at < r.total {
		return nil
	}
	var out [][]byte
	at = 0
	for _, p := range r.parts {
		if end := p.start + uint64(len(p.data)); end > at {
			out = append(out, p.data[at-p.start:])
			at = end
		}
	}
	return out
}

func (s *Store) drop(key string, r *resource) {
	s.used -= min(s.used, r.size)
	delete(s.items, key)
}

// sweep drops what timed out among some resources.
func (s *Store) sweep(now int64) {
	n := 0
	for k, r := range s.items {
		if now-r.seen > s.timeout {
			s.drop(k, r)
		}
		if n++; n == maxSweeps {
			return
		}
	}
}

// Open returns the Store that the workers share, with the limits that the section of HTTP/1 has for both versions.
func Open(s app.Settings) *Store {
	make := func() any {
		n := s.Root.Get("app-layer.protocols.http.byterange")
		memcap, err := n.Get("memcap").Size(100 << 20)
		if err != nil {
			memcap = 100 << 20
		}
		timeout, err := n.Get("timeout").IntIn(60, 0, 1<<31)
		if err != nil {
			timeout = 60
		}
		return NewStore(memcap, timeout*int64(time.Second))
	}
	if s.Shared == nil {
		return make().(*Store)
	}
	if st, ok := s.Shared("http.byterange", make).(*Store); ok {
		return st
	}
	return make().(*Store)
}
