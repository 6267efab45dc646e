package flow

import (
	"math/bits"

	"sentinel/decode"
	"sentinel/internal/mem"
)

// second is the nanoseconds of a second.
const second = int64(1e9)

// Refusal says why Lookup returned no flow.
type Refusal uint8

// The refusals.
const (
	RefusedNone      Refusal = iota
	RefusedNoFlow            // packets of this kind have no flow
	RefusedMidstream         // emergency mode: only a SYN creates a TCP flow
	RefusedMemcap            // no memory: flow.memcap-policy decides
)

// Table holds the flows of one worker. See the package comment.
type Table struct {
	cfg    Config
	hasher Hasher
	ids    ids
	slab   *mem.Slab[Flow]
	budget *mem.Budget

	// The hash table grows by linear hashing: one row is split for each new flow once there are more flows than rows, so
	// that growing never stops the worker. rows has address space for all rows that there can ever be.
	rows  []uint32
	nrows uint32 // rows in use
	mask  uint32 // 2^k - 1 with 2^(k-1) <= nrows <= 2^k

	lists   [listCount]list // by protocol class and state, oldest first
	ended   list            // flows that left the hash table and wait for Expire
	pending int             // length of ended
	held    list            // flows that have ended, but of which an offloader has counts
	holding int             // length of held
	release func(*Flow)     // asks for the counts of a flow that has timed out
	last    uint32          // flow that Lookup returned last: its state may have changed since
	active  int
	refusal Refusal

	emergency   bool
	emergSpare  int64 // since when enough is spare; 0 = it is not
	count       Counters
	rates       []rateSlot
	maxFlows    uint32
	closedTable bool
}

const (
	listCount = int(ClassCount) * int(StateCount)
	listEnded = 0xff
	listHeld  = 0xfe
	// reserve is the number of evicted flows that may wait for Expire beyond the memcap.
	reserve = 256
)

type list struct{ head, tail uint32 }

// NewTable returns an empty table. Its memory is mapped as it grows.
func NewTable(c Config) *Table {
	c = c.WithDefaults()
	t := &Table{cfg: c, hasher: NewHasher(c.Seed), budget: mem.NewBudget(0)}
	t.slab = mem.NewSlab[Flow](mem.Flows, t.budget)
	idKey := NewHasher(c.Seed ^ 0x5bd1e995)
	if c.Seed == 0 {
		idKey = global // the same for all tables of the process
	}
	t.ids = ids{worker: uint64(c.Worker), k: idKey.k}

	// Half of 2^32 rows is far beyond what any memcap allows.
	t.maxFlows = uint32(min(max(c.Memcap/t.slab.Size(), 1), 1<<28))
	t.nrows = 1 << bits.Len32(min(max(c.HashSize, 16), 1<<28)-1)
	total := max(t.nrows, 1<<bits.Len32(t.maxFlows))
	t.rows = mem.Words(mem.Flows, int(total))
	if t.rows == nil {
		t.nrows = 16
		t.rows = make([]uint32, 16)
	}
	t.mask = t.nrows - 1
	t.slab.Prealloc(int(min(c.Prealloc, t.maxFlows)))
	return t
}

// SetMemcap changes flow.memcap while the table runs. The hash table keeps its greatest size.
func (t *Table) SetMemcap(n int64) {
	t.cfg.Memcap = n
	t.maxFlows = uint32(min(max(n/t.slab.Size(), 1), 1<<28))
}

// Close returns the table's memory. No flow may be touched afterwards.
func (t *Table) Close() {
	if t.closedTable {
		return
	}
	t.closedTable = true
	t.slab.Close()
	if t.nrows > 16 {
		mem.UnmapWords(mem.Flows, t.rows)
	}
	t.rows = nil
}

func (t *Table) row(h uint32) *uint32 {
	i := h & t.mask
	if i >= t.nrows {
		i &= t.mask >> 1
	}
	return &t.rows[i]
}

// split moves the flows of one row that belong to a new one.
func (t *Table) split() {
	if t.nrows > t.mask {
		if int(t.nrows) >= len(t.rows) {
			return
		}
		t.mask = t.mask<<1 | 1
	}
	fresh := t.nrows
	old := &t.rows[fresh&(t.mask>>1)]
	t.nrows++
	i := *old
	*old, t.rows[fresh] = 0, 0
	for i != 0 {
		f := t.slab.At(i)
		n := f.link.chainNext
		r := t.row(f.Hash)
		f.link.chainNext = *r
		*r = i
		i = n
	}
}

// At returns the flow with an index. Preconditions: the flow is in the table.
func (t *Table) At(index uint32) *Flow { return t.slab.At(index) }

// Active returns the number of flows.
func (t *Table) Active() int { return t.active }

// Emergency reports whether the table is in emergency mode.
func (t *Table) Emergency() bool { return t.emergency }

// Refusal says why the last Lookup or Replace returned no flow.
func (t *Table) Refusal() Refusal { return t.refusal }

// Lookup finds the flow of p, or makes one. It returns nil when p has no flow or none can be made; see Refusal. A
// matching flow that has timed out ends here: Expire hands it up, and p begins a new one.
func (t *Table) Lookup(p *decode.Packet, now int64) (f *Flow, created bool) {
	t.settle()
	var k Key
	m, create := t.keyOf(p, &k)
	if m == matchNone {
		t.refusal = RefusedNoFlow
		return nil, false
	}
	hk := k
	if m != matchPair || k.Proto != protoTCP && k.Proto != protoUDP {
		hk.SrcPort, hk.DstPort = 0, 0
	}
	h := t.hasher.key(&hk)
	for i := *t.row(h); i != 0; {
		f = t.slab.At(i)
		if f.Hash == h && same(&f.Key, &k, m) {
			if now >= f.Last+t.timeout(f) {
				t.end(f, ReasonTimeout)
				t.count[CountWorkerEvicted]++
				break
			}
			t.last = i
			t.refusal = RefusedNone
			return f, false
		}
		i = f.link.chainNext
	}
	if !create {
		t.refusal = RefusedNoFlow
		return nil, false
	}
	f = t.make(p, &k, h, now)
	return f, f != nil
}

func (t *Table) make(p *decode.Packet, k *Key, h uint32, now int64) *Flow {
	if t.emergency && k.Proto == protoTCP && t.cfg.Midstream &&
		p.TCP.Flags&(decode.SYN|decode.ACK|decode.RST|decode.FIN) != decode.SYN {
		t.refusal = RefusedMidstream
		return nil
	}
	if uint32(t.active+t.holding) >= t.maxFlows {
		if !t.emergency {
			t.emergency = true
			t.emergSpare = 0
			t.count[CountEmergEntered]++
		}
		if t.pending >= reserve || !t.evict(now) {
			t.count[CountMemcap]++
			t.refusal = RefusedMemcap
			return nil
		}
	}
	i := t.slab.New()
	if i == 0 {
		t.count[CountMemcap]++
		t.refusal = RefusedMemcap
		return nil
	}
	f := t.slab.At(i)
	f.Key, f.Index, f.Hash, f.ID = *k, i, h, t.ids.next()
	f.Start, f.Last = now, now
	f.TTL[ToServer].Min, f.TTL[ToServer].Max = p.TTL, p.TTL
	f.SrcMAC, f.DstMAC = p.SrcMAC, p.DstMAC
	f.Tags = p.VLAN
	f.link.inUse = true
	r := t.row(h)
	f.link.chainNext = *r
	*r = i
	t.active++
	t.append(f)
	t.rateReset(i)
	t.last = i
	t.refusal = RefusedNone
	t.count[CountTotal]++
	switch k.Proto {
	case protoTCP:
		t.count[CountTCP]++
	case protoUDP:
		t.count[CountUDP]++
	case protoICMP:
		t.count[CountICMPv4]++
	case protoICMPv6:
		t.count[CountICMPv6]++
	}
	if uint32(t.active) > t.nrows {
		t.split()
	}
	return f
}

// Replace ends f because p begins a new session on its ports, and returns the new flow; nil when there is no memory.
// Expire hands f up.
func (t *Table) Replace(f *Flow, p *decode.Packet, now int64) *Flow {
	t.count[CountTCPReuse]++
	var k Key
	t.keyOf(p, &k)
	h := f.Hash
	f.Flags |= Reused
	t.end(f, ReasonTCPReuse)
	return t.make(p, &k, h, now)
}

// Free forgets f. The caller has freed what hangs on it. It is for flows that Expire or All handed up.
func (t *Table) Free(f *Flow) {
	switch f.State {
	case New:
		t.count[CountEndNew]++
	case Established:
		t.count[CountEndEstablished]++
	case Closed:
		t.count[CountEndClosed]++
	case LocalBypassed:
		t.count[CountEndLocalBypassed]++
	case CaptureBypassed:
		t.count[CountEndCaptureBypassed]++
	}
	switch f.link.timeClass {
	case listEnded:
		t.pending--
	case listHeld:
		t.holding--
	default:
		t.unhash(f)
		t.active--
	}
	t.remove(f)
	f.link.inUse = false
	if t.last == f.Index {
		t.last = 0
	}
	t.slab.Free(f.Index)
}

// end takes f out of the hash table and lets it wait for Expire.
func (t *Table) end(f *Flow, why Reason) {
	f.Reason = why
	t.unhash(f)
	t.remove(f)
	t.active--
	t.pending++
	f.link.timeClass = listEnded
	t.push(&t.ended, f)
}

func (t *Table) unhash(f *Flow) {
	// The row was found by the hash, so its length is that of a random chain.
	for r := t.row(f.Hash); *r != 0; r = &t.slab.At(*r).link.chainNext {
		if *r == f.Index {
			*r = f.link.chainNext
			f.link.chainNext = 0
			return
		}
	}
}
