package defrag

import (
	"math/bits"
	"math/rand/v2"
	"time"

	"sentinel/decode"
)

// Config holds the settings of the defrag section of the configuration. Zero values mean the defaults in brackets.
type Config struct {
	Memcap   int           // bytes of all memory but the datagrams given back [32 MiB] (defrag.memcap)
	Trackers int           // datagrams in work at a time [65535] (defrag.trackers)
	MaxFrags int           // pieces of datagrams held at a time [65535] (defrag.max-frags)
	HashSize int           // buckets, rounded up to a power of two [65536] (defrag.hash-size)
	Timeout  time.Duration // after a datagram's last fragment [60 s] (defrag.timeout)
	Prealloc bool          // take the trackers' memory at once (defrag.prealloc)

	IgnoreVLAN  bool // VLAN ids do not tell datagrams apart (vlan.use-for-tracking: no)
	IgnoreDepth bool // nor does the tunnel depth (decoder.recursion-level.use-for-tracking: no)

	// Policy returns the policy of a receiver (host-os-policy). nil means BSD for all.
	Policy func(dst decode.Addr, v6 bool) Policy
	// HostTimeout returns the timeout of a receiver (defrag.host-config), 0 for the general one. nil means the general one.
	HostTimeout func(dst decode.Addr, v6 bool) time.Duration
}

// Stats are totals since the Table was made.
type Stats struct {
	Fragments4   uint64 // defrag.ipv4.fragments
	Reassembled4 uint64 // defrag.ipv4.reassembled
	Fragments6   uint64 // defrag.ipv6.fragments
	Reassembled6 uint64 // defrag.ipv6.reassembled
	MaxTrackers  uint64 // defrag.max_trackers_reached
	MaxFrags     uint64 // defrag.max_frags_reached
	SoftReuse    uint64 // defrag.tracker_soft_reuse: taken from a datagram that had timed out
	HardReuse    uint64 // defrag.tracker_hard_reuse: taken from one that had not
	Timeouts     uint64 // defrag.wrk.tracker_timeout
}

// key tells datagrams apart (RFC 791, 3.2; RFC 8200, 4.5). The next header of IPv6 is not part of it: it may differ
// between fragments.
type key struct {
	src, dst decode.Addr
	id       uint32
	vlan     [decode.MaxVLAN]uint16
	version  uint8
	proto    uint8
	depth    uint8
}

// none ends the lists, whose links are indexes.
const none = ^uint32(0)

// unknown is the length of a datagram whose last fragment has not come.
const unknown = ^uint32(0)

// tracker is one datagram in work.
type tracker struct {
	key      key
	next     uint32 // in the bucket, or in the list of free trackers
	older    uint32 // in the order of use
	newer    uint32
	bucket   uint32
	first    uint32 // pieces, by offset
	recent   uint32 // the piece that was added last; none when there is none
	pages    uint32 // data
	expires  int64
	length   uint32 // of the data; unknown until the last fragment comes
	covered  uint32 // bytes in pieces
	header   uint32 // page of the header; none when the first fragment has not come
	headLen  uint16
	nextAt   uint16 // IPv6: where in the header the type of what follows the fragment header goes
	nextType uint8
	policy   Policy
	live     bool
}

// Table reassembles datagrams. One worker owns it.
type Table struct {
	Stats Stats

	config   Config
	timeout  int64
	seed     uint64
	mask     uint32
	buckets  []uint32
	trackers []tracker
	freeTrk  uint32
	oldest   uint32
	newest   uint32
	store    store

	out  [decode.MaxPackets][]byte
	outN int
}

// New returns an empty Table.
func New(c Config) *Table {
	if c.Memcap <= 0 {
		c.Memcap = 32 << 20
	}
	if c.Trackers <= 0 {
		c.Trackers = 65535
	}
	if c.MaxFrags <= 0 {
		c.MaxFrags = 65535
	}
	if c.HashSize <= 0 {
		c.HashSize = 65536
	}
	if c.Timeout <= 0 {
		c.Timeout = 60 * time.Second
	}
	size := uint32(1) << bits.Len32(uint32(min(c.HashSize, 1<<24)-1))
	t := &Table{
		config:  c,
		timeout: int64(c.Timeout),
		seed:    rand.Uint64(),
		mask:    size - 1,
		buckets: make([]uint32, size),
		freeTrk: none,
		oldest:  none,
		newest:  none,
		store:   store{freePage: none, freePiece: none, maxPieces: c.MaxFrags, memcap: c.Memcap},
	}
	for i := range t.buckets {
		t.buckets[i] = none
	}
	t.store.used = len(t.buckets) * 4
	if c.Prealloc {
		n := min(c.Trackers, max(0, c.Memcap/2-t.store.used)/trackerSize)
		t.trackers = make([]tracker, 0, n)
		for range n {
			t.trackers = append(t.trackers, tracker{next: t.freeTrk})
			t.freeTrk = uint32(len(t.trackers) - 1)
		}
		t.store.used += n * trackerSize
	}
	return t
}

// SetMemcap changes defrag.memcap while the table runs. What is in use stays.
func (t *Table) SetMemcap(n int) { t.store.memcap = n }

// MemUse returns the bytes that count against the memcap.
func (t *Table) MemUse() int { return t.store.used }

// Add takes a fragment. When it was the last one missing, Add returns the datagram, from its network header on and
// without a fragment field, and true. The datagram belongs to the table and is valid until decode.MaxPackets more were
// completed, which is longer than the fragment's frame can live. Oddities become events of p. now is the packet's time.
func (t *Table) Add(p *decode.Packet, now int64) ([]byte, bool) {
	if p.Flags&decode.Fragment == 0 || int(p.IPHeaderLen) > len(p.L3) {
		return nil, false
	}
	v6 := p.IPVersion == 6
	f := fragment{
		start: uint32(p.FragOffset),
		data:  p.L3[p.IPHeaderLen:],
		more:  p.MoreFrags,
	}
	f.end = f.start + uint32(len(f.data))
	if v6 {
		t.Stats.Fragments6++
		// The payload length counts the extension headers before the fragment header too (RFC 8200, 4.5).
		if at, _ := p.FragmentHeader(); f.end+uint32(max(at, 40))-40 > 65535 {
			p.Events.Set(decode.EvIPv6FragPacketTooLarge)
			return nil, false
		}
	} else {
		t.Stats.Fragments4++
		if f.end+20 > 65535 {
			p.Events.Set(decode.EvIPv4FragPacketTooLarge)
			return nil, false
		}
	}

	i := t.lookup(p, now)
	if i == none {
		t.Stats.MaxTrackers++
		t.ignored(p)
		return nil, false
	}
	k := &t.trackers[i]
	overlap, ok := t.insert(i, p, &f, now)
	if overlap {
		if v6 {
			p.Events.Set(decode.EvIPv6FragOverlap)
		} else {
			p.Events.Set(decode.EvIPv4FragOverlap)
		}
	}
	if !ok {
		t.Stats.MaxFrags++
		t.ignored(p)
		t.remove(i)
		return nil, false
	}
	if k.header == none || k.covered < k.length || !t.complete(k) {
		return nil, false
	}
	b := t.datagram(k)
	t.remove(i)
	if b == nil {
		if v6 {
			p.Events.Set(decode.EvIPv6FragPacketTooLarge)
		} else {
			p.Events.Set(decode.EvIPv4FragPacketTooLarge)
		}
		return nil, false
	}
	if v6 {
		t.Stats.Reassembled6++
	} else {
		t.Stats.Reassembled4++
	}
	return b, true
}

func (t *Table) ignored(p *decode.Packet) {
	if p.IPVersion == 6 {
		p.Events.Set(decode.EvIPv6FragIgnored)
	} else {
		p.Events.Set(decode.EvIPv4FragIgnored)
	}
}

// Expire gives up on datagrams whose time is over, and returns how many. Add looks only at the few that it meets; call
// Expire now and then.
func (t *Table) Expire(now int64) int {
	n := 0
	for i := t.oldest; i != none; {
		newer := t.trackers[i].newer
		if t.trackers[i].expires <= now {
			t.remove(i)
			n++
		}
		i = newer
	}
	t.Stats.Timeouts += uint64(n)
	return n
}

// Len returns the number of datagrams in work. It walks them.
func (t *Table) Len() int {
	n := 0
	for i := t.oldest; i != none; i = t.trackers[i].newer {
		n++
	}
	return n
}

// lookup finds or makes the tracker of a fragment's datagram. It returns none when there is no room.
func (t *Table) lookup(p *decode.Packet, now int64) uint32 {
	k := key{src: p.Src, dst: p.Dst, id: p.IPID, version: p.IPVersion}
	if !t.config.IgnoreVLAN {
		k.vlan = p.VLAN
	}
	if !t.config.IgnoreDepth {
		k.depth = p.Depth
	}
	if p.IPVersion == 4 {
		k.proto = p.Proto
	}
	v6 := p.IPVersion == 6
	timeout := t.timeout
	if t.config.HostTimeout != nil {
		if d := int64(t.config.HostTimeout(p.Dst, v6)); d > 0 {
			timeout = d
		}
	}
	b := t.hash(&k) & t.mask
	for i := t.buckets[b]; i != none; {
		c := &t.trackers[i]
		next := c.next
		if c.expires <= now {
			t.remove(i)
			t.Stats.Timeouts++
		} else if c.key == k {
			c.expires = now + timeout
			t.unlink(i)
			t.link(i)
			return i
		}
		i = next
	}
	i := t.take(now)
	if i == none {
		return none
	}
	c := &t.trackers[i]
	*c = tracker{key: k, bucket: b, next: t.buckets[b], first: none, recent: none, pages: none, header: none, length: unknown, live: true}
	c.expires = now + timeout
	if t.config.Policy != nil {
		c.policy = t.config.Policy(p.Dst, v6)
	}
	t.buckets[b] = i
	t.link(i)
	return i
}

// trackerSize is what a tracker counts against the memcap.
const trackerSize = 128

// take returns a tracker that is in no list: a free one, a new one, or the one that was used longest ago.
func (t *Table) take(now int64) uint32 {
	if t.freeTrk == none {
		if len(t.trackers) < t.config.Trackers && t.store.used+trackerSize <= t.store.memcap {
			t.store.used += trackerSize
			t.trackers = append(t.trackers, tracker{})
			return uint32(len(t.trackers) - 1)
		}
		if !t.reuse(now, none) {
			return none
		}
	}
	i := t.freeTrk
	t.freeTrk = t.trackers[i].next
	return i
}

// reuse frees the tracker that was used longest ago, but not the one at keep, and reports whether there was one.
func (t *Table) reuse(now int64, keep uint32) bool {
	i := t.oldest
	if i == none || i == keep {
		return false
	}
	if t.trackers[i].expires <= now {
		t.Stats.SoftReuse++
	} else {
		t.Stats.HardReuse++
	}
	t.remove(i)
	return true
}

// remove forgets a datagram.
func (t *Table) remove(i uint32) {
	c := &t.trackers[i]
	if !c.live {
		return
	}
	for l := &t.buckets[c.bucket]; *l != none; l = &t.trackers[*l].next {
		if *l == i {
			*l = c.next
			break
		}
	}
	t.unlink(i)
	t.store.freePieces(c.first)
	t.store.freePages(c.pages)
	t.store.freePages(c.header)
	c.live = false
	c.next = t.freeTrk
	t.freeTrk = i
}

// link makes i the tracker used last.
func (t *Table) link(i uint32) {
	c := &t.trackers[i]
	c.older, c.newer = t.newest, none
	if t.newest != none {
		t.trackers[t.newest].newer = i
	} else {
		t.oldest = i
	}
	t.newest = i
}

func (t *Table) unlink(i uint32) {
	c := &t.trackers[i]
	if c.older != none {
		t.trackers[c.older].newer = c.newer
	} else {
		t.oldest = c.newer
	}
	if c.newer != none {
		t.trackers[c.newer].older = c.older
	} else {
		t.newest = c.older
	}
}

// hash mixes the parts of a key with a seed that senders cannot know.
func (t *Table) hash(k *key) uint32 {
	h := t.seed
	for _, a := range [...]*decode.Addr{&k.src, &k.dst} {
		h = mix(h ^ le64(a[:8]))
		h = mix(h ^ le64(a[8:]))
	}
	h = mix(h ^ (uint64(k.id) | uint64(k.proto)<<32 | uint64(k.depth)<<40 | uint64(k.version)<<48))
	h = mix(h ^ (uint64(k.vlan[0]) | uint64(k.vlan[1])<<16 | uint64(k.vlan[2])<<32))
	return uint32(h)
}

func mix(h uint64) uint64 {
	hi, lo := bits.Mul64(h, 0x9e3779b97f4a7c15)
	return hi ^ lo
}

func le64(b []byte) uint64 {
	_ = b[7]
	return uint64(b[0]) | uint64(b[1])<<8 | uint64(b[2])<<16 | uint64(b[3])<<24 |
		uint64(b[4])<<32 | uint64(b[5])<<40 | uint64(b[6])<<48 | uint64(b[7])<<56
}
