package afpacket

import (
	"encoding/binary"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"

	"sentinel/capture"
)

// ring is the memory that the kernel fills, block after block (Documentation/networking/packet_mmap.rst):
//
//	block:  descriptor | frame | frame | …
//	frame:  tpacket3_hdr (48 bytes) | sockaddr_ll | … | bytes
//
// The status word of a block says whose it is. Ours is each block from the moment that its status has the user bit
// until we store 0 there, which we do when all its frames are released.
type ring struct {
	mem    []byte
	size   int // of a block
	blocks int
	vnet   bool // a virtio header precedes each frame's bytes

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
	addrType    = frameHead + 10
	frameMin    = frameHead + 20
)

func newRing(mem []byte, size, blocks int) ring {
	r := ring{mem: mem, size: size, blocks: blocks, lent: make([]int32, blocks)}
	for i := range r.lent {
		r.lent[i] = -1
	}
	return r
}

// status is the word through which the kernel and we hand a block to each other.
func (r *ring) status(block int) *uint32 {
	return (*uint32)(unsafe.Pointer(&r.mem[block*r.size+blockStatus]))
}

// enter opens the block at hand if the kernel has filled it.
func (r *ring) enter() bool {
	if r.lent[r.at] >= 0 || atomic.LoadUint32(r.status(r.at))&unix.TP_STATUS_USER == 0 {
		return false
	}
	b := r.mem[r.at*r.size : (r.at+1)*r.size]
	r.left = binary.NativeEndian.Uint32(b[blockFrames:])
	r.next = int(binary.NativeEndian.Uint32(b[blockFirst:]))
	r.lent[r.at] = 0
	r.open = true
	return true
}

// leave ends the reading of the block at hand.
func (r *ring) leave() {
	r.open = false
	if r.lent[r.at] == 0 {
		r.giveBack(r.at)
	}
	if r.at++; r.at == r.blocks {
		r.at = 0
	}
}

func (r *ring) giveBack(block int) {
	r.lent[block] = -1
	atomic.StoreUint32(r.status(block), unix.TP_STATUS_KERNEL)
}

// A token has the frame's block, above it the type of the VLAN tag that the kernel took out (0 if it did not say), and
// above that where in the block the bytes begin.
const (
	tokenBlock = 0xffff
	tokenTPID  = 16
	tokenData  = 32
)

// offset returns where in the block the bytes begin that are at from behind the frame's header h.
func (r *ring) offset(h []byte, from int) int { return r.size - len(h) + from }

// vnetHeader is the length of struct virtio_net_hdr, which says what the sender has left to the card: checksums
// (to be computed from vnetStart on) and segmentation.
const (
	vnetHeader = 10
	vnetHdrLen = 2
	vnetStart  = 6
)

// withHeader returns a lent frame with the virtio header before it, or nil if the token is not one of ours.
func (r *ring) withHeader(f *capture.Frame) []byte {
	block, at := int(f.Token&tokenBlock), int(f.Token>>tokenData)
	if !r.vnet || block >= r.blocks || at < vnetHeader || at+len(f.Data) > r.size {
		return nil
	}
	at += block * r.size
	return r.mem[at-vnetHeader : at+len(f.Data)]
}

// release takes one frame of a block back.
func (r *ring) release(token uint64) {
	block := token & tokenBlock
	if block >= uint64(r.blocks) || r.lent[block] <= 0 {
		return
	}
	r.out--
	r.lent[block]--
	if r.lent[block] == 0 && !(r.open && int(block) == r.at) {
		r.giveBack(int(block))
	}
}

// take lends up to len(batch) frames. It returns how many, and how many the kernel has described in a way that makes
// no sense (never seen; checked because everything hangs on it).
func (r *ring) take(batch []capture.Frame, as *capture.Frame, raw bool) (n, bad int) {
	for n < len(batch) {
		if !r.open && !r.enter() {
			return n, bad
		}
		if r.left == 0 {
			r.leave()
			continue
		}
		base := r.at * r.size
		if r.next < 0 || r.next > r.size-frameMin {
			bad += int(r.left)
			r.left = 0
			continue
		}
		h := r.mem[base+r.next : base+r.size : base+r.size]
		from := int(binary.NativeEndian.Uint16(h[frameMAC:]))
		if raw {
			from = int(binary.NativeEndian.Uint16(h[frameNet:]))
		}
		size := uint64(binary.NativeEndian.Uint32(h[frameSnap:]))
		r.left--
		r.next += int(binary.NativeEndian.Uint32(h[frameNext:]))
		if from < frameMin || uint64(from)+size > uint64(len(h)) {
			bad++
			continue
		}
		f := &batch[n]
		*f = *as
		to := from + int(size)
		f.Data = h[from:to:to]
		f.Time = int64(binary.NativeEndian.Uint32(h[frameSec:]))*1e9 + int64(binary.NativeEndian.Uint32(h[frameNsec:]))
		f.WireLen = max(binary.NativeEndian.Uint32(h[frameLen:]), uint32(size))
		f.Token = uint64(r.at) | uint64(r.offset(h, from))<<tokenData
		if uint64(f.WireLen) > size {
			f.Flags |= capture.Truncated
		}
		status := binary.NativeEndian.Uint32(h[frameStatus:])
		if status&unix.TP_STATUS_VLAN_VALID != 0 {
			f.VLAN[0] = uint16(binary.NativeEndian.Uint32(h[frameTCI:]))
			if status&unix.TP_STATUS_VLAN_TPID_VALID != 0 {
				f.Token |= uint64(binary.NativeEndian.Uint16(h[frameTPID:])) << tokenTPID
			}
		}
		// A checksum that is not computed yet belongs to a packet that this host sends: it is right when it leaves.
		if status&(unix.TP_STATUS_CSUM_VALID|unix.TP_STATUS_CSUMNOTREADY) != 0 {
			f.Flags |= capture.ChecksumOK
		}
		if h[addrType] == unix.PACKET_OUTGOING {
			f.Flags |= capture.Outgoing
		}
		r.lent[r.at]++
		r.out++
		n++
		if r.left == 0 {
			r.leave()
		}
	}
	return n, bad
}
