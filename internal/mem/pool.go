package mem

import "math/bits"

// Block names a block of a Pool; 0 names none.
type Block uint32

const (
	unitShift   = 10 // smallest block: 1 KiB
	regionShift = 24 // largest block: a region of 16 MiB
	orders      = regionShift - unitShift + 1
	unitsShift  = regionShift - unitShift
	regionUnits = 1 << unitsShift

	// MinBlock and MaxBlock are the sizes of the smallest and the largest block of a Pool.
	MinBlock = 1 << unitShift
	MaxBlock = 1 << regionShift
)

// Pool hands out blocks of bytes whose sizes are powers of two: a buddy allocator over regions of 16 MiB. Bytes in use
// are charged to a Budget.
type Pool struct {
	regions []*region
	free    [orders]uint32 // heads of the lists of free blocks; unit number + 1
	purpose Purpose
	budget  *Budget
	spare   int // regions without a block in use
}

// region is 16 MiB of address space. The system gives pages when they are touched first.
type region struct {
	data []byte
	// state of the block that begins at a unit: order + 1 when free, -(order + 1) when in use, 0 inside a block.
	state      [regionUnits]int8
	next, prev [regionUnits]uint32 // list of free blocks of one order
}

// NewPool returns an empty pool.
func NewPool(p Purpose, b *Budget) *Pool { return &Pool{purpose: p, budget: b} }

// Size returns the size of the block that Get(n) would return.
func Size(n int) int { return 1 << (order(n) + unitShift) }

func order(n int) int {
	if n <= MinBlock {
		return 0
	}
	return bits.Len(uint(n-1)) - unitShift
}

// Get returns a block of at least n bytes, not zeroed; 0 when n is larger than MaxBlock or the budget is used up.
func (p *Pool) Get(n int) Block {
	if n <= 0 || n > MaxBlock {
		return 0
	}
	want := order(n)
	size := int64(1) << (want + unitShift)
	if !p.budget.Take(size) {
		return 0
	}
	o := want
	for o < orders && p.free[o] == 0 {
		o++
	}
	if o == orders {
		if !p.grow() {
			p.budget.Give(size)
			return 0
		}
		o = orders - 1
	}
	u := p.free[o] - 1
	if o == orders-1 {
		p.spare--
	}
	p.unlink(u, o)
	for o > want {
		o--
		p.link(u+1<<o, o)
	}
	r := p.regions[u>>unitsShift]
	r.state[u&(regionUnits-1)] = int8(-(want + 1))
	return Block(u + 1)
}

func (p *Pool) grow() bool {
	n := len(p.regions)
	slot := n
	for i, r := range p.regions {
		if r == nil {
			slot = i
			break
		}
	}
	if slot >= 1<<(31-unitsShift) {
		return false
	}
	d := Map(p.purpose, MaxBlock)
	if d == nil {
		return false
	}
	if slot == n {
		p.regions = append(p.regions, nil)
	}
	p.regions[slot] = &region{data: d}
	p.spare++
	p.link(uint32(slot)<<unitsShift, orders-1)
	return true
}

// Bytes returns the bytes of a block, capped. They are valid until Put.
func (p *Pool) Bytes(b Block) []byte {
	u := uint32(b) - 1
	r := p.regions[u>>unitsShift]
	u &= regionUnits - 1
	n := 1 << (-int(r.state[u]) - 1 + unitShift)
	i := int(u) << unitShift
	return r.data[i : i+n : i+n]
}

// Put gives a block back. Putting 0 does nothing.
func (p *Pool) Put(b Block) {
	if b == 0 {
		return
	}
	u := uint32(b) - 1
	r := p.regions[u>>unitsShift]
	o := -int(r.state[u&(regionUnits-1)]) - 1
	if o < 0 {
		panic("mem: block freed twice")
	}
	if Invariants {
		d := p.Bytes(b)
		for i := range d {
			d[i] = Poison
		}
	}
	p.budget.Give(int64(1) << (o + unitShift))
	r.state[u&(regionUnits-1)] = 0
	for o < orders-1 {
		buddy := u ^ 1<<o
		if r.state[buddy&(regionUnits-1)] != int8(o+1) {
			break
		}
		p.unlink(buddy, o)
		u &^= 1 << o
		o++
	}
	if o == orders-1 {
		if p.spare > 0 { // one free region is kept against thrashing
			Unmap(p.purpose, r.data)
			p.regions[u>>unitsShift] = nil
			return
		}
		p.spare++
	}
	p.link(u, o)
}

func (p *Pool) link(u uint32, o int) {
	r := p.regions[u>>unitsShift]
	i := u & (regionUnits - 1)
	r.state[i] = int8(o + 1)
	r.prev[i] = 0
	h := p.free[o]
	r.next[i] = h
	if h != 0 {
		p.regions[(h-1)>>unitsShift].prev[(h-1)&(regionUnits-1)] = u + 1
	}
	p.free[o] = u + 1
}

func (p *Pool) unlink(u uint32, o int) {
	r := p.regions[u>>unitsShift]
	i := u & (regionUnits - 1)
	n, v := r.next[i], r.prev[i]
	if v == 0 {
		p.free[o] = n
	} else {
		p.regions[(v-1)>>unitsShift].next[(v-1)&(regionUnits-1)] = n
	}
	if n != 0 {
		p.regions[(n-1)>>unitsShift].prev[(n-1)&(regionUnits-1)] = v
	}
	r.state[i] = 0
}

// Close returns all memory. No block may be touched afterwards.
func (p *Pool) Close() {
	for _, r := range p.regions {
		if r == nil {
			continue
		}
		for i := range r.state {
			if s := r.state[i]; s < 0 {
				p.budget.Give(int64(1) << (-int(s) - 1 + unitShift))
			}
		}
		Unmap(p.purpose, r.data)
	}
	*p = Pool{purpose: p.purpose, budget: p.budget}
}
