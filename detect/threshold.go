package detect

import (
	"math/bits"
	"sync"
	"sync/atomic"

	"sentinel/decode"
	"sentinel/rules"
	"sentinel/stream"
)

// ThresholdType is what a threshold does.
type ThresholdType uint8

// The types.
const (
	Limit ThresholdType = iota
	ThresholdEvery
	Both
	DetectionFilter
	RateFilter
	Backoff
	Suppress
)

// Track is what a threshold counts by.
type Track uint8

// The tracks.
const (
	BySrc Track = iota
	ByDst
	ByBoth // the pair of addresses, in either direction
	ByRule
	ByFlow
	ByEither // suppress: source or destination
)

// UniqueOn makes a detection_filter count distinct ports.
type UniqueOn uint8

// The values of unique_on.
const (
	NotUnique UniqueOn = iota
	UniqueSrcPort
	UniqueDstPort
)

// Threshold is one threshold, detection_filter, rate_filter or suppression of a rule.
type Threshold struct {
	Type       ThresholdType
	Track      Track
	Count      uint32
	Seconds    uint32
	Timeout    uint32 // rate_filter, seconds
	Multiplier uint32 // backoff
	Unique     UniqueOn
	NewAction  rules.Action      // rate_filter; 0 = none
	Addrs      *rules.AddressSet // suppress; nil = everything
}

// verdict is what thresholds say of a match.
type verdict uint8

const (
	drop   verdict = iota // not a match
	allow                 // a match
	silent                // no alert, but the rule's action
)

// limitEntry is what a threshold remembers.
type limitEntry struct {
	from    int64  // when the window began
	until   int64  // rate_filter: when the new action began; 0 = it has not
	count   uint32 // in the window
	next    uint32 // backoff: the count of the next alert
	ports   *[1024]uint64
	expires int64
}

// limitKey names an entry.
type limitKey struct {
	sid, gid, rev uint32
	tenant        uint32
	track         Track
	typ           ThresholdType
	version       uint8
	a, b          decode.Addr
}

const limitShards = 64

// thresholdStore keeps what thresholds count by host, for all workers.
type thresholdStore struct {
	most    int // entries a shard may hold
	memcap  uint64
	entries atomic.Int64
	bitmaps atomic.Int64  // of ports
	refused atomic.Uint64 // bitmaps that did not fit
	shards  [limitShards]struct {
		mu sync.Mutex
		m  map[limitKey]*limitEntry
		_  [40]byte
	}
}

// entrySize is about what an entry takes, for the memcap.
const entrySize = 160

func newThresholdStore(memcap uint64) *thresholdStore {
	if memcap == 0 {
		memcap = 16 << 20
	}
	s := &thresholdStore{most: int(max(memcap/entrySize/limitShards, 16)), memcap: memcap}
	for i := range s.shards {
		s.shards[i].m = map[limitKey]*limitEntry{}
	}
	return s
}

func (k *limitKey) shard() uint32 {
	h := k.sid*2654435761 ^ uint32(k.a[0])<<24 ^ uint32(k.a[3])<<8 ^ uint32(k.a[2]) ^ uint32(k.a[15]) ^ uint32(k.b[3])<<16 ^ uint32(k.b[15])
	h ^= h >> 15
	h *= 0x85ebca6b
	return (h ^ h>>13) % limitShards
}

// flowLimit is a threshold that counts by flow.
type flowLimit struct {
	sid, gid, rev uint32
	e             limitEntry
}

// maxFlowLimits bounds the thresholds that one flow keeps.
const maxFlowLimits = 256

// limit asks the rule's suppressions and thresholds about a match.
func (w *Worker) limit(u *stream.Unit, q *queued) verdict {
	r := q.r
	for _, t := range r.suppress {
		if t.suppresses(u.Packet) {
			return silent
		}
	}
	for _, t := range r.thresholds {
		if v := w.threshold(u, q, t); v != allow {
			return v
		}
	}
	return allow
}

func (t *Threshold) suppresses(p *decode.Packet) bool {
	if t.Addrs == nil {
		return true
	}
	switch t.Track {
	case BySrc:
		return addrHas(t.Addrs, &p.Src, p.IPVersion)
	case ByDst:
		return addrHas(t.Addrs, &p.Dst, p.IPVersion)
	}
	return addrHas(t.Addrs, &p.Src, p.IPVersion) || addrHas(t.Addrs, &p.Dst, p.IPVersion)
}

func (w *Worker) threshold(u *stream.Unit, q *queued, t *Threshold) verdict {
	p, m := u.Packet, &q.r.meta
	if t.Track == ByFlow {
		if u.Flow == nil {
			return drop
		}
		s := w.state(u.Flow)
		for i := range s.limits {
			if l := &s.limits[i]; l.sid == m.SID && l.gid == m.GID && l.rev == m.Rev {
				return t.update(&l.e, u, q)
			}
		}
		if len(s.limits) >= maxFlowLimits {
			return drop
		}
		s.limits = append(s.limits, flowLimit{sid: m.SID, gid: m.GID, rev: m.Rev})
		e := &s.limits[len(s.limits)-1].e
		v := t.begin(e, u)
		if t.Type == DetectionFilter && t.Unique != NotUnique {
			e.unique(t, u)
		}
		return v
	}
	if t.Type == ThresholdEvery && t.Count == 1 {
		return allow
	}
	k := limitKey{sid: m.SID, gid: m.GID, rev: m.Rev, tenant: w.rs.cfg.Tenant, track: t.Track, typ: t.Type, version: p.IPVersion}
	switch t.Track {
	case BySrc:
		k.a = p.Src
	case ByDst:
		k.a = p.Dst
	case ByBoth:
		k.a, k.b = p.Src, p.Dst
		if less(&k.b, &k.a) {
			k.a, k.b = k.b, k.a
		}
	}
	if t.Track == ByRule {
		k.version = 0
	}
	return w.shared.thresholds.ask(k, t, u, q)
}

func (s *thresholdStore) ask(k limitKey, t *Threshold, u *stream.Unit, q *queued) verdict {
	sh := &s.shards[k.shard()]
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if e := sh.m[k]; e != nil {
		return t.update(e, u, q)
	}
	if len(sh.m) >= s.most {
		s.prune(sh.m, u.Now)
		if len(sh.m) >= s.most {
			return drop // over the memcap: as if it had not matched
		}
	}
	e := &limitEntry{}
	sh.m[k] = e
	s.entries.Add(1)
	v := t.begin(e, u)
	if t.Type == DetectionFilter && t.Unique != NotUnique {
		s.bitmap(e, t, u)
	}
	return v
}

// bitmap makes an entry count ports, if there is room: else it counts packets.
func (s *thresholdStore) bitmap(e *limitEntry, t *Threshold, u *stream.Unit) {
	if s.memuse()+bitmapSize > s.memcap {
		s.refused.Add(1)
		return
	}
	s.bitmaps.Add(1)
	e.unique(t, u)
}

// bitmapSize is what the bitmap of all ports takes.
const bitmapSize = 1 << 16 / 8

// memuse is about what the store takes, in bytes.
func (s *thresholdStore) memuse() uint64 {
	return uint64(s.entries.Load())*entrySize + uint64(s.bitmaps.Load())*bitmapSize
}

// Memory returns what thresholds take, in bytes, the bitmaps of ports among it, and how many of these did not fit.
func (s *Shared) Memory() (all, bitmaps, refused uint64) {
	t := s.thresholds
	return t.memuse(), uint64(t.bitmaps.Load()) * bitmapSize, t.refused.Load()
}

// prune drops entries whose window is over.
func (s *thresholdStore) prune(m map[limitKey]*limitEntry, now int64) {
	for k, e := range m {
		if e.expires < now {
			if e.ports != nil {
				s.bitmaps.Add(-1)
			}
			s.entries.Add(-1)
			delete(m, k)
		}
	}
}

func less(a, b *decode.Addr) bool {
	for i := range a {
		if a[i] != b[i] {
			return a[i] < b[i]
		}
	}
	return false
}

const second = int64(1e9)

// begin is the first match that an entry sees.
func (t *Threshold) begin(e *limitEntry, u *stream.Unit) verdict {
	*e = limitEntry{from: u.Now, count: 1, expires: u.Now + int64(t.Seconds+t.Timeout)*second}
	switch t.Type {
	case Limit, RateFilter:
		return allow
	case ThresholdEvery, Both:
		if t.Count == 1 {
			return allow
		}
	case Backoff:
		e.next = t.Count
		if t.Count == 1 {
			e.next = times(e.next, t.Multiplier)
			return allow
		}
	}
	return drop
}

// unique makes the entry count ports instead of packets, beginning with this one.
func (e *limitEntry) unique(t *Threshold, u *stream.Unit) {
	e.ports = new([1024]uint64)
	e.count = 0
	e.port(t, u)
}

// port counts a port that was not seen before.
func (e *limitEntry) port(t *Threshold, u *stream.Unit) {
	x := u.Packet.DstPort
	if t.Unique == UniqueSrcPort {
		x = u.Packet.SrcPort
	}
	if m := uint64(1) << (x & 63); e.ports[x>>6]&m == 0 {
		e.ports[x>>6] |= m
		e.count++
	}
}

func times(a, b uint32) uint32 {
	hi, lo := bits.Mul32(a, b)
	if hi != 0 {
		return ^uint32(0)
	}
	return lo
}

// update is a further match.
func (t *Threshold) update(e *limitEntry, u *stream.Unit, q *queued) verdict {
	now := u.Now
	inside := now <= e.from+int64(t.Seconds)*second
	restart := func() {
		e.from, e.count = now, 1
		e.expires = now + int64(t.Seconds+t.Timeout)*second
	}
	switch t.Type {
	case Limit:
		if !inside {
			restart()
			return allow
		}
		if e.count++; e.count <= t.Count {
			return allow
		}
		return silent
	case ThresholdEvery:
		if !inside {
			restart()
			return drop
		}
		if e.count++; e.count >= t.Count {
			e.count = 0
			return allow
		}
	case Both:
		if !inside {
			restart()
			if t.Count == 1 {
				return allow
			}
			return drop
		}
		e.count++
		if e.count == t.Count {
			return allow
		}
		if e.count > t.Count {
			return silent
		}
	case DetectionFilter:
		if !inside {
			restart()
			if e.ports != nil {
				clear(e.ports[:])
				e.count = 0
				e.port(t, u)
			}
			return drop
		}
		if e.ports != nil {
			e.port(t, u)
		} else {
			e.count++
		}
		if e.count > t.Count {
			q.source = t.Track == BySrc
			return allow
		}
	case RateFilter:
		switch {
		case e.until != 0:
			if left := int64(t.Timeout) - (now-e.until)/second; left < 0 {
				e.until = 0
			} else {
				q.change(t.NewAction)
				q.source, q.lasts = t.Track == BySrc, uint32(max(left, 1))
			}
		case inside:
			if e.count++; e.count > t.Count {
				e.until = now
				e.expires = now + int64(t.Timeout+1)*second
				q.change(t.NewAction)
				q.source, q.lasts = t.Track == BySrc, max(t.Timeout, 1)
			}
		default:
			restart()
		}
		return allow
	case Backoff:
		if e.count == ^uint32(0) {
			return silent
		}
		if e.count++; e.count == e.next {
			e.next = times(e.next, t.Multiplier)
			return allow
		}
		return silent
	}
	return drop
}

// change is what rate_filter does to a match's action.
func (q *queued) change(a rules.Action) {
	if a != 0 {
		q.action = a
		q.flags |= RateFiltered
	}
}
