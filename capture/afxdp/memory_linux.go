package afxdp

import (
	"golang.org/x/sys/unix"
)

// memory is what frames lie in (a UMEM): chunks of one size, that the kernel and we pass to each other by their addresses. A chunk
// is in one place at a time: in the free list, in a fill ring, in an RX ring, lent to the engine, or in a TX or completion ring.
//
// The wire's lock guards it.
type memory struct {
	mem       []byte
	chunk     int
	unaligned bool
	small     bool     // unaligned, but in ordinary pages
	free      []uint32 // numbers of chunks, the last one is the next to be used
	spare     int      // chunks that are kept out of the fill rings, for frames that we write ourselves
	owner     int      // socket that it is registered with; -1 before
}

// addrBits is where the offset begins that the kernel adds to an address in unaligned chunks.
const addrBits = 48

// hugePage is the size of the pages that unaligned chunks are kept in.
const hugePage = 2 << 20

// newMemory maps memory. Unaligned chunks are kept in ordinary pages where there are no huge ones.
func newMemory(chunks, chunk int, unaligned bool) (*memory, error) {
	const flags = unix.MAP_PRIVATE | unix.MAP_ANONYMOUS | unix.MAP_POPULATE
	size := chunks * chunk
	small := false
	var mem []byte
	var err error
	if unaligned {
		size = (size + hugePage - 1) / hugePage * hugePage
		mem, err = unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, flags|unix.MAP_HUGETLB)
		small = err != nil
	}
	if mem == nil {
		mem, err = unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, flags)
	}
	if err != nil {
		return nil, err
	}
	m := &memory{mem: mem, chunk: chunk, unaligned: unaligned, small: small, free: make([]uint32, chunks), spare: chunks / 8, owner: -1}
	for i := range m.free {
		m.free[i] = uint32(chunks - 1 - i)
	}
	return m, nil
}

func (m *memory) close() error {
	if m == nil || m.mem == nil {
		return nil
	}
	err := unix.Munmap(m.mem)
	m.mem = nil
	return err
}

// place returns where in mem the bytes of an address of the kernel's are.
func (m *memory) place(addr uint64) uint64 { return addr&(1<<addrBits-1) + addr>>addrBits }

// give puts the chunk at a place back into the free list. The list cannot outgrow the number of chunks unless one is given twice,
// which is a bug of ours or the kernel's: it is ignored then.
func (m *memory) give(place uint64) {
	if n := len(m.free); n < cap(m.free) && place < uint64(len(m.mem)) {
		m.free = append(m.free, uint32(place/uint64(m.chunk)))
	}
}

// take returns the place of a free chunk.
func (m *memory) take() (place uint64, ok bool) {
	n := len(m.free)
	if n == 0 {
		return 0, false
	}
	place = uint64(m.free[n-1]) * uint64(m.chunk)
	m.free = m.free[:n-1]
	return place, true
}

// maxParts bounds the chunks of one frame: as many buffers as a packet of the kernel's can have (MAX_SKB_FRAGS, 17), and its head.
const maxParts = 18

// joint is a frame that came in several chunks, put together for the engine.
type joint struct {
	data  []byte
	parts int
	desc  [maxParts]unix.XDPDesc // when the frame is to be forwarded: its chunks
}
