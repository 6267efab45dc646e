package dpdk

import (
	"fmt"
	"math/bits"
)

// Limits are what a port says of itself.
type Limits struct {
	Driver                   string // of its members, for a bonding device
	Bond                     int    // members of a bonding device; 0 = none
	Socket                   int    // NUMA node; -1 = unknown
	RxQueues, TxQueues       int
	RxMin, RxMax, TxMin      int
	TxMax                    int
	MinMTU, MaxMTU           int
	RxOffloads, TxOffloads   uint64
	RSS                      uint64 // hash functions
	KeySize, RedirectionSize int
	Removable                bool
}

// Plan is how a port is set up.
type Plan struct {
	Lanes    int // sources
	RxQueues int
	TxQueues int
	RxDesc   int
	TxDesc   int
	Inbox    int // entries of the inbox of each lane; 0 = lanes read queues
	Pools    int // one for each receive queue, or one for all where software spreads
	Pool     int // buffers of each
	Cache    int // buffers that a thread keeps
	Buffer   int // bytes of a buffer with its headroom

	Spread     Spread
	Functions  uint64 // for the card
	Key        []byte // for the card's configuration
	Software   uint64 // ports are hashed if it is not 0
	RxOffloads uint64
	TxOffloads uint64
	HashUsable bool
	Checksums  bool // believe the card

	Quirk *Quirk
	Notes []string // for the log
}

const (
	headroom   = 128
	inboxSize  = 2048 // one less can be in it
	mtuExtra   = 14 + 4 + 4
	bufferUnit = 1024
	// lentOut is how many frames the engine may hold: they are missing in the pool.
	lentOut = 4096
	// burst is how many frames a driver is asked for at once: a cache of fewer buffers is none.
	burst = 32
	// someCache is the cache of a pool whose size has no divisor that would do.
	someCache = 256
	// allQueues is how many queues are read where all are.
	allQueues = 16
)

// plan decides how to set a port up. share is how many cores it may have on auto. soft says that the other side of the wire is spread
// by software, so that this one must be too.
func plan(s *Settings, l *Limits, share int, soft bool) (*Plan, error) {
	q := quirkOf(l.Driver)
	p := &Plan{Quirk: q, Spread: q.Spread}
	if s.MTU < l.MinMTU || l.MaxMTU > 0 && s.MTU > l.MaxMTU {
		return nil, s.errAt("mtu", "mtu %d: the port takes %d to %d", s.MTU, l.MinMTU, l.MaxMTU)
	}
	sends := s.CopyMode != "none" && s.CopyMode != ""
	hardware := spreads(q, l)
	p.Lanes = s.Threads
	if p.Lanes == 0 {
		p.Lanes = max(share, 1)
		if hardware && !soft && p.Lanes > l.RxQueues {
			p.Lanes = l.RxQueues
		}
		p.Lanes = min(p.Lanes, maxThreads)
	}
	if l.RxQueues < 1 {
		return nil, s.errAt("threads", "the port has no receive queue")
	}
	if sends && l.TxQueues < 1 {
		return nil, s.errAt("copy-mode", "copy-mode %s: the port has no transmit queue", s.CopyMode)
	}
	switch {
	case p.Lanes == 1:
		p.RxQueues = 1
		if n := min(l.RxQueues, allQueues); q.AllQueues && n > 1 {
			p.RxQueues, p.Inbox = n, inboxSize
		}
	case soft || !hardware:
		p.Spread = SpreadSoftware
		p.RxQueues, p.Inbox = min(p.Lanes, l.RxQueues), inboxSize
		if q.AllQueues {
			p.RxQueues = min(l.RxQueues, allQueues)
		}
		if q.OneQueue {
			p.RxQueues = 1
		}
	case p.Lanes > l.RxQueues:
		return nil, s.errAt("threads", "too many threads: the port has %d receive queues", l.RxQueues)
	default:
		p.RxQueues = p.Lanes
	}
	p.RxQueues = max(p.RxQueues, 1)

	var err error
	if p.RxDesc, err = descriptors(s, "rx-descriptors", s.RxDesc, l.RxMax, q.MaxDesc); err != nil {
		return nil, err
	}
	switch {
	case s.TxDesc > 0:
		p.TxDesc, err = descriptors(s, "tx-descriptors", s.TxDesc, l.TxMax, q.MaxDesc)
	case s.TxDesc < 0 && sends:
		p.TxDesc, err = descriptors(s, "tx-descriptors", 0, l.TxMax, q.MaxDesc)
	}
	if err != nil {
		return nil, err
	}
	if p.TxDesc > 0 {
		if p.TxQueues = min(p.Lanes, l.TxQueues); p.TxQueues < p.Lanes && sends {
			p.note("%d threads share the port's %d transmit queues", p.Lanes, p.TxQueues)
		}
	}
	if q.Paired && p.TxQueues != p.RxQueues {
		p.RxQueues = min(p.RxQueues, max(l.TxQueues, 1))
		if p.TxQueues = p.RxQueues; p.TxDesc == 0 {
			p.TxDesc = min(p.RxDesc, max(l.TxMax, 1))
		}
	}

	p.functions(s, l)
	p.offloads(s, l)
	return p, p.pools(s, l)
}

// spreads reports whether the port itself, or what is below it, brings flows to queues.
func spreads(q *Quirk, l *Limits) bool {
	switch q.Spread {
	case SpreadSoftware:
		return false
	case SpreadKernel:
		return l.RxQueues > 1
	}
	return l.RSS != 0 && l.RxQueues > 1 && !q.OneQueue
}

// descriptors is a number that was asked for, or the greatest power of two that the driver takes.
func descriptors(s *Settings, key string, want, most, hint int) (int, error) {
	if most <= 0 || most > maxDescriptors {
		most = maxDescriptors
	}
	if want > most {
		return 0, s.errAt(key, "%s %d: the port takes up to %d", key, want, most)
	}
	if want > 0 {
		return want, nil
	}
	if hint > 0 {
		most = min(most, hint)
	}
	return 1 << (bits.Len(uint(most)) - 1), nil
}

// functions chooses what the card hashes, and what the software does.
func (p *Plan) functions(s *Settings, l *Limits) {
	want := s.RSS
	if want == 0 {
		want = rssIP
	}
	p.Software = want & rssPorts
	if p.Lanes == 1 || p.Spread == SpreadSoftware || p.Spread == SpreadKernel {
		return
	}
	q := p.Quirk
	if q.Functions != 0 {
		want = q.Functions
	}
	if p.Functions = want & l.RSS; p.Functions != want {
		p.note("the port does not hash all that was asked for: asked for %#x, configured %#x", want, p.Functions)
	}
	size := q.Key
	if size == 0 {
		size = l.KeySize
	}
	if size == 0 {
		size = 40
	}
	if !q.NoKey {
		p.Key = symmetricKey(size)
	}
	p.HashUsable = true
}

func (p *Plan) offloads(s *Settings, l *Limits) {
	if p.Functions != 0 {
		p.RxOffloads |= l.RxOffloads & rxRSSHash
	}
	if s.Checksums && s.ChecksumOffload && l.RxOffloads&rxChecksum == rxChecksum {
		p.RxOffloads |= rxChecksum
		p.Checksums = true
	}
	if s.VLANStrip {
		if l.RxOffloads&rxVLANStrip != 0 {
			p.RxOffloads |= rxVLANStrip
		} else {
			p.note("vlan-strip-offload: the port cannot, tags stay in the frames")
		}
	}
	p.TxOffloads = l.TxOffloads & txMultiSegs
}

// pools sizes the pools. A pool of 2^n-1 buffers wastes no memory.
func (p *Plan) pools(s *Settings, l *Limits) error {
	p.Buffer = (s.MTU+mtuExtra+bufferUnit-1)/bufferUnit*bufferUnit + headroom
	times := max(l.Bond, 1)
	p.Pools = p.RxQueues
	least := power2(p.RxDesc+p.TxDesc+1)*times - 1
	if p.Inbox > 0 {
		// One pool for all. What waits in the inboxes is missing in it, too; virtual devices hold nothing for their descriptors.
		p.Pools = 1
		rx := p.RxDesc * p.RxQueues
		if p.Quirk.MaxDesc > 0 {
			rx = p.RxDesc
		}
		least = power2(rx+p.TxDesc*max(p.TxQueues, 1)+1+p.Lanes*p.Inbox)*times - 1
	}
	switch {
	case s.Mempool == 0:
		p.Pool = least
		if p.RxDesc+p.TxDesc+lentOut/4 > least {
			p.Pool = (least+1)*2 - 1
		}
	default:
		each := s.Mempool / p.Pools
		switch up := power2(each); each {
		case up, up - 1:
			p.Pool = up - 1
		default:
			p.Pool = up/2 - 1
		}
		if p.Pool < least {
			return s.errAt("mempool-size", "mempool-size %d is too small for %d queues with %d descriptors: use auto, or %d", s.Mempool,
				p.RxQueues, p.RxDesc+p.TxDesc, least*p.Pools+p.Pools-1)
		}
	}
	if p.Cache = s.Cache; p.Cache == 0 {
		p.Cache = divisor(p.Pool, min(maxCache, p.Pool*2/3))
		if p.Cache < burst {
			// 8191, the pool of 4,096 descriptors, is prime. That some buffers then stay in the pool costs less than no cache.
			p.Cache = max(p.Cache, min(someCache, p.Pool/8))
		}
	}
	if p.Cache*3/2 > p.Pool {
		return s.errAt("mempool-cache-size", "mempool-cache-size %d is more than two thirds of a pool of %d", p.Cache, p.Pool)
	}
	return nil
}

// bytes is about how much memory the pools of the port take.
func (p *Plan) bytes() int {
	const object = 64 + 128 // headers of an element of the pool and of a buffer
	return p.Pools*p.Pool*(p.Buffer+object) + p.Lanes*p.Inbox*8
}

func (p *Plan) note(format string, args ...any) {
	p.Notes = append(p.Notes, fmt.Sprintf(format, args...))
}

// power2 is the least power of two that is at least n.
func power2(n int) int {
	if n <= 1 {
		return 1
	}
	return 1 << bits.Len(uint(n-1))
}

// divisor is the greatest divisor of n up to most: caches are filled without a rest.
func divisor(n, most int) int {
	for d := most; d >= 2; d-- {
		if n%d == 0 {
			return d
		}
	}
	return 1
}
