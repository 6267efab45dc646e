package afpacket

import (
	"encoding/binary"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"

	"sentinel/capture"
)

// blocks is the memory of TPACKET_V3, which the kernel fills block after block (Documentation/networking/packet_mmap.rst):
//
//	block:  descriptor | frame | frame | …
//	frame:  tpacket3_hdr (48 bytes) | sockaddr_ll | … | bytes
//
// The status word of a block says whose it is. Ours is each block from the moment that its status has the user bit
// until we store 0 there, which we do when all its frames are released.
type blocks struct {
	*form
	mem  []byte
	size int // of a block
	n    int

	lent []int32 // frames of each block that the engine has; -1 if the block is the kernel's
	out  int     // sum of the frames that the engine has

	at   int // block to read
	open bool
	left uint32 // frames in it that are not lent yet
	next int    // offset in it of the next frame
}

// Offsets in the block descriptor, in a frame's header and in the address behind it.
const (
	blockStatus = 8
	blockFrames = 12
	blockFirst  = 16

	frameNext   = 0
	frameSec    = 4
	frameNsec   = 8
	frameSnap   = 12
	frameLen    = 16
	frameStatus = 20
	frameMAC    = 24
	frameNet    = 26
	frameTCI    = 32
	frameTPID   = 36
	frameHead   = 48
	addrType    = 10 // in struct sockaddr_ll
	addrLen     = 20
	frameMin    = frameHead + addrLen
)

func newBlocks(m *form, mem []byte, size, n int) *blocks {
	r := &blocks{form: m, mem: mem, size: size, n: n, lent: make([]int32, n)}
	for i := range r.lent {
		r.lent[i] = -1
	}
	return r
}

// status is the word through which the kernel and we hand a block to each other.
func (r *blocks) status(block int) *uint32 {
	return (*uint32)(unsafe.Pointer(&r.mem[block*r.size+blockStatus]))
}

// enter opens the block at hand if the kernel has filled it.
func (r *blocks) enter() bool {
	if r.lent[r.at] >= 0 {
		return false
	}
	status := atomic.LoadUint32(r.status(r.at))
	if status&unix.TP_STATUS_USER == 0 {
		return false
	}
	if status&unix.TP_STATUS_LOSING != 0 {
		r.losing = true
	}
	b := r.mem[r.at*r.size : (r.at+1)*r.size]
	r.left = binary.NativeEndian.Uint32(b[blockFrames:])
	r.next = int(binary.NativeEndian.Uint32(b[blockFirst:]))
	r.lent[r.at] = 0
	r.open = true
	return true
}

// leave ends the reading of the block at hand.
func (r *blocks) leave() {
	r.open = false
	if r.lent[r.at] == 0 {
		r.giveBack(r.at)
	}
	if r.at++; r.at == r.n {
		r.at = 0
	}
}

func (r *blocks) giveBack(block int) {
	r.lent[block] = -1
	atomic.StoreUint32(r.status(block), unix.TP_STATUS_KERNEL)
}

func (r *blocks) whole(f *capture.Frame) ([]byte, uint16) {
	block, at := int(f.Token&tokenID), int(f.Token>>tokenData)
	if block >= r.n || at+len(f.Data) > r.size {
		return nil, 0
	}
	at += block * r.size
	return r.outgoing(r.mem, at, at+len(f.Data), f.Verdict), uint16(f.Token >> tokenTPID)
}

func (r *blocks) held() int { return r.out }

func (r *blocks) close() error { return unix.Munmap(r.mem) }

func (r *blocks) release(batch []capture.Frame) {
	for i := range batch {
		block := batch[i].Token & tokenID
		if block >= uint64(r.n) || r.lent[block] <= 0 {
			continue
		}
		r.out--
		r.lent[block]--
		if r.lent[block] == 0 && !(r.open && int(block) == r.at) {
			r.giveBack(int(block))
		}
	}
}

func (r *blocks) take(batch []capture.Frame, as *capture.Frame) (n int) {
	room := r.room()
	for n < len(batch) {
		if !r.open && !r.enter() {
			return n
		}
		if r.left == 0 {
			r.leave()
			continue
		}
		base := r.at * r.size
		if r.next < 0 || r.next > r.size-frameMin {
			r.bad += uint64(r.left)
			r.left = 0
			continue
		}
		h := r.mem[base+r.next : base+r.size : base+r.size]
		from := int(binary.NativeEndian.Uint16(h[frameMAC:]))
		if r.raw {
			from = int(binary.NativeEndian.Uint16(h[frameNet:]))
		}
		size := uint64(binary.NativeEndian.Uint32(h[frameSnap:]))
		begins := r.next
		r.left--
		if step := binary.NativeEndian.Uint32(h[frameNext:]); step >= frameMin || r.left == 0 {
			r.next += int(step)
		} else {
			r.next = r.size // nothing sensible follows
		}
		if from < frameMin+room || uint64(from)+size > uint64(len(h)) {
			r.bad++
			continue
		}
		f := &batch[n]
		*f = *as
		to := from + int(size)
		f.WireLen = max(binary.NativeEndian.Uint32(h[frameLen:]), uint32(size))
		if uint64(f.WireLen) > size {
			f.Flags |= capture.Truncated
		}
		switch {
		case r.vnet:
			keepSum(h[from-vnetRoom:to], vnetRoom)
		case r.cooked:
			from -= cookedHeader
			f.WireLen += cookedHeader
			cook(h[from:from+cookedHeader], h[frameHead:frameMin])
		}
		f.Data = h[from:to:to]
		f.Time = int64(binary.NativeEndian.Uint32(h[frameSec:]))*1e9 + int64(binary.NativeEndian.Uint32(h[frameNsec:]))
		tpid := r.mark(f, binary.NativeEndian.Uint32(h[frameStatus:]), uint16(binary.NativeEndian.Uint32(h[frameTCI:])),
			binary.NativeEndian.Uint16(h[frameTPID:]), h[frameHead+addrType])
		f.Token = uint64(r.at) | uint64(tpid)<<tokenTPID | uint64(begins+from)<<tokenData
		r.lent[r.at]++
		r.out++
		n++
		if r.left == 0 {
			r.leave()
		}
	}
	return n
}
