package pcapfile

import "sentinel/capture"

// blockSize is how much is read at a time. Two blocks in turn stay in the second-level cache.
const blockSize = 256 << 10

// maxBlocks bounds the memory that frames not yet released can hold: 64 MiB, and more only if the file
// is full of frames longer than Ethernet's.
const maxBlocks = 256

// block is a piece of the file. Frames point into it.
type block struct {
	buf  []byte
	lent int
	id   uint64
}

// pool has the blocks of one source. Its frames' tokens are indexes into all.
type pool struct {
	all  []*block
	free []*block // last used last: it is still in the cache
}

// get returns a block of at least size bytes, or nil if too many are lent.
func (p *pool) get(size int) *block {
	size = max(size, blockSize)
	if n := len(p.free); n > 0 {
		b := p.free[n-1]
		p.free = p.free[:n-1]
		if len(b.buf) < size {
			b.buf = make([]byte, size)
		}
		return b
	}
	if len(p.all) >= maxBlocks {
		return nil
	}
	b := &block{buf: make([]byte, size), id: uint64(len(p.all))}
	p.all = append(p.all, b)
	return b
}

// giveBack returns a frame to its block, and the block to the pool unless the reader is still at it.
func (r *reader) giveBack(f *capture.Frame) {
	if f.Token >= uint64(len(r.pool.all)) {
		return
	}
	b := r.pool.all[f.Token]
	if b.lent == 0 {
		return
	}
	if poison {
		for i := range f.Data {
			f.Data[i] = 0xCC
		}
	}
	b.lent--
	if b.lent == 0 && b != r.cur {
		r.pool.free = append(r.pool.free, b)
	}
}
