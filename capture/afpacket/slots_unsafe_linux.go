package afpacket

import (
	"encoding/binary"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"

	"sentinel/capture"
)

// slots is the memory of TPACKET_V2: the kernel fills slot after slot, and hands each over at once.
//
//	slot:  tpacket2_hdr (32 bytes) | sockaddr_ll | … | bytes
//
// A slot is ours from the moment that its status is not 0 until we store 0 there. A frame that is longer than a slot, joined by
// a card or made by a host that leaves the cutting to its card, comes whole through the socket besides (PACKET_COPY_THRESH).
type slots struct {
	*form
	mem  []byte
	fd   int
	size int      // of a slot
	off  []uint32 // where each slot begins

	lent []uint16 // by slot: 0 = not lent, 1 = lent, more = lent with the long frame of this number less two
	out  int
	at   int // slot to read

	long []byte // longFrames buffers, once they are needed
	free []uint16
}

// Offsets in a slot.
const (
	slotStatus = 0
	slotLen    = 4
	slotSnap   = 8
	slotMAC    = 12
	slotNet    = 14
	slotSec    = 16
	slotNsec   = 20
	slotTCI    = 24
	slotTPID   = 26
	slotHead   = 32
	slotMin    = slotHead + addrLen
	// slotRoom is what the kernel needs before the bytes at most: header, address, link header and virtio header, aligned.
	slotRoom = 128
)

const (
	longFrames = 16
	longRoom   = 32               // before the bytes
	longSize   = 256<<10 + 2*4096 // BIG TCP joins more than 64 KiB
)

// tokenSlot has more bits than a block: the place of the bytes follows from the slot.
const (
	tokenSlot     = 1<<24 - 1
	tokenSlotTPID = 24
	tokenSlotData = 40
)

// shape lays slots for packets of a device out in blocks: bytes of a slot and of a block, and the number of both.
func shape(mtu, packets, block, page int) (size, blockSize, blockCount, count int) {
	size = (slotRoom + min(mtu, 1<<16) + 14 + 8 + 127) &^ 127
	if size > 1024 && size < 2048 {
		size = 2048
	}
	if block == 0 {
		block = 128 << 10
	}
	for block < size {
		block += page
	}
	per := block / size
	blockCount = max((packets+per-1)/per, 1)
	return size, block, blockCount, blockCount * per
}

func newSlots(m *form, fd int, mem []byte, size, blockSize, blockCount int) *slots {
	s := &slots{form: m, fd: fd, mem: mem, size: size}
	for b := range blockCount {
		for i := range blockSize / size {
			s.off = append(s.off, uint32(b*blockSize+i*size))
		}
	}
	s.lent = make([]uint16, len(s.off))
	return s
}

func (s *slots) status(slot int) *uint32 {
	return (*uint32)(unsafe.Pointer(&s.mem[s.off[slot]]))
}

func (s *slots) held() int { return s.out }

func (s *slots) close() error {
	err := unix.Munmap(s.mem)
	if s.long != nil {
		_ = unix.Munmap(s.long)
	}
	return err
}

func (s *slots) next() {
	if s.at++; s.at == len(s.off) {
		s.at = 0
	}
}

func (s *slots) take(batch []capture.Frame, as *capture.Frame) (n int) {
	room := s.room()
	for n < len(batch) {
		if s.lent[s.at] != 0 {
			return n
		}
		word := s.status(s.at)
		status := atomic.LoadUint32(word)
		if status == unix.TP_STATUS_KERNEL {
			return n
		}
		base := int(s.off[s.at])
		h := s.mem[base : base+s.size : base+s.size]
		from := int(binary.NativeEndian.Uint16(h[slotMAC:]))
		if s.raw {
			from = int(binary.NativeEndian.Uint16(h[slotNet:]))
		}
		size, wire := uint64(binary.NativeEndian.Uint32(h[slotSnap:])), binary.NativeEndian.Uint32(h[slotLen:])
		if from < slotMin+room || uint64(from)+size > uint64(len(h)) {
			s.bad++
			atomic.StoreUint32(word, unix.TP_STATUS_KERNEL)
			s.next()
			continue
		}
		data := h[from-room : from+int(size)]
		mine := uint16(1)
		if status&unix.TP_STATUS_COPY != 0 {
			if s.long == nil && !s.makeLong() || len(s.free) == 0 {
				return n // the engine has them all: it gives some back first
			}
			k := s.free[len(s.free)-1]
			b := s.long[int(k)*longSize : int(k+1)*longSize]
			head := longRoom
			if s.vnet {
				head -= vnetHeader
			}
			got, err := unix.Read(s.fd, b[head:])
			if got -= longRoom - head; err == nil && got >= int(wire) {
				s.free = s.free[:len(s.free)-1]
				mine = k + 2
				size = uint64(got)
				data = b[longRoom-room : longRoom+got]
			}
		}
		if mine == 1 && uint64(wire) > size && s.vnet {
			// Half a frame must not go on; it counts as lost.
			s.cut++
			atomic.StoreUint32(word, unix.TP_STATUS_KERNEL)
			s.next()
			continue
		}
		f := &batch[n]
		*f = *as
		f.WireLen = max(wire, uint32(size))
		if uint64(f.WireLen) > size {
			f.Flags |= capture.Truncated
		}
		start := room
		switch {
		case s.vnet:
			keepSum(data, room)
		case s.cooked:
			start = 0
			f.WireLen += cookedHeader
			cook(data[:cookedHeader], h[slotHead:slotMin])
		}
		f.Data = data[start:len(data):len(data)]
		f.Time = int64(binary.NativeEndian.Uint32(h[slotSec:]))*1e9 + int64(binary.NativeEndian.Uint32(h[slotNsec:]))
		tpid := s.mark(f, status, binary.NativeEndian.Uint16(h[slotTCI:]), binary.NativeEndian.Uint16(h[slotTPID:]), h[slotHead+addrType])
		f.Token = uint64(s.at) | uint64(tpid)<<tokenSlotTPID | uint64(from-room+start)<<tokenSlotData
		s.lent[s.at] = mine
		s.out++
		n++
		s.next()
	}
	return n
}

// makeLong makes room for frames that are longer than a slot.
func (s *slots) makeLong() bool {
	mem, err := unix.Mmap(-1, 0, longFrames*longSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return false
	}
	s.long = mem
	s.free = make([]uint16, 0, longFrames)
	for i := range longFrames {
		s.free = append(s.free, uint16(i))
	}
	return true
}

func (s *slots) release(batch []capture.Frame) {
	for i := range batch {
		slot := int(batch[i].Token & tokenSlot)
		if slot >= len(s.lent) || s.lent[slot] == 0 {
			continue
		}
		if k := s.lent[slot]; k > 1 {
			s.free = append(s.free, k-2)
		}
		s.lent[slot] = 0
		s.out--
		atomic.StoreUint32(s.status(slot), unix.TP_STATUS_KERNEL)
	}
}

func (s *slots) whole(f *capture.Frame) ([]byte, uint16) {
	slot, at := int(f.Token&tokenSlot), int(f.Token>>tokenSlotData)
	if slot >= len(s.lent) || s.lent[slot] == 0 {
		return nil, 0
	}
	mem := s.mem[s.off[slot] : int(s.off[slot])+s.size]
	if k := s.lent[slot]; k > 1 {
		mem, at = s.long[int(k-2)*longSize:int(k-1)*longSize], longRoom
	}
	if at+len(f.Data) > len(mem) {
		return nil, 0
	}
	return s.outgoing(mem, at, at+len(f.Data), f.Verdict), uint16(f.Token >> tokenSlotTPID)
}
