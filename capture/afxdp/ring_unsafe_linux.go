package afxdp

import (
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ring is one of the four rings of a socket, in memory that is shared with the kernel
// (Documentation/networking/af_xdp.rst):
//
//	     consumer            producer
//	        v                   v
//	| free | full | full | full | free | free |
//
// Both indices only grow; the slot is the index modulo the size. Of each ring one index is ours: the consumer of RX and
// completion, the producer of TX and fill.
type ring struct {
	mem      []byte
	producer *uint32
	consumer *uint32
	flags    *uint32
	first    unsafe.Pointer // the slots
	size     uint32
	mask     uint32
	mine     uint32 // our index; what is stored lags behind until the batch is done
	theirs   uint32 // the kernel's, when we last looked
}

// The rings of a socket, by the option that sizes them.
var rings = [...]struct {
	option int
	offset int64
	slot   uintptr
}{
	{unix.XDP_RX_RING, unix.XDP_PGOFF_RX_RING, unsafe.Sizeof(unix.XDPDesc{})},
	{unix.XDP_TX_RING, unix.XDP_PGOFF_TX_RING, unsafe.Sizeof(unix.XDPDesc{})},
	{unix.XDP_UMEM_FILL_RING, unix.XDP_UMEM_PGOFF_FILL_RING, 8},
	{unix.XDP_UMEM_COMPLETION_RING, unix.XDP_UMEM_PGOFF_COMPLETION_RING, 8},
}

// mapRing makes a ring of a socket and maps it.
func mapRing(r *ring, fd, kind int, size uint32) error {
	k := &rings[kind]
	if err := unix.SetsockoptInt(fd, unix.SOL_XDP, k.option, int(size)); err != nil {
		return err
	}
	var all unix.XDPMmapOffsets
	if err := getsockopt(fd, unix.XDP_MMAP_OFFSETS, unsafe.Pointer(&all), unsafe.Sizeof(all)); err != nil {
		return err
	}
	at := [...]*unix.XDPRingOffset{&all.Rx, &all.Tx, &all.Fr, &all.Cr}[kind]
	mem, err := unix.Mmap(fd, k.offset, int(at.Desc+uint64(size)*uint64(k.slot)), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_POPULATE)
	if err != nil {
		return err
	}
	word := func(off uint64) *uint32 { return (*uint32)(unsafe.Pointer(&mem[off])) }
	*r = ring{
		mem: mem, producer: word(at.Producer), consumer: word(at.Consumer), flags: word(at.Flags),
		first: unsafe.Pointer(&mem[at.Desc]), size: size, mask: size - 1,
	}
	return nil
}

func (r *ring) close() {
	if r.mem != nil {
		_ = unix.Munmap(r.mem)
		*r = ring{}
	}
}

// desc returns a slot of RX or TX.
//
// Preconditions: at is below size.
func (r *ring) desc(at uint32) *unix.XDPDesc {
	return (*unix.XDPDesc)(unsafe.Add(r.first, uintptr(at&r.mask)*unsafe.Sizeof(unix.XDPDesc{})))
}

// addr returns a slot of fill or completion.
func (r *ring) addr(at uint32) *uint64 {
	return (*uint64)(unsafe.Add(r.first, uintptr(at&r.mask)*8))
}

// full returns how many slots of RX or completion are ours to read, from mine on.
func (r *ring) full() uint32 {
	if n := r.theirs - r.mine; n > 0 && n <= r.size {
		return n
	}
	r.theirs = atomic.LoadUint32(r.producer)
	return min(r.theirs-r.mine, r.size)
}

// consumed gives the slots before mine back to the kernel.
func (r *ring) consumed() { atomic.StoreUint32(r.consumer, r.mine) }

// free returns how many slots of TX or fill are ours to write, from mine on.
func (r *ring) free() uint32 {
	r.theirs = atomic.LoadUint32(r.consumer)
	return r.size - min(r.mine-r.theirs, r.size)
}

// produced gives the slots before mine to the kernel.
func (r *ring) produced() { atomic.StoreUint32(r.producer, r.mine) }

// asleep reports whether the kernel looks at the ring only when it is told to.
func (r *ring) asleep() bool { return atomic.LoadUint32(r.flags)&unix.XDP_RING_NEED_WAKEUP != 0 }

// register makes mem the memory that a socket's frames lie in.
func register(fd int, mem []byte, chunk int, unaligned bool) error {
	reg := unix.XDPUmemReg{Addr: uint64(uintptr(unsafe.Pointer(&mem[0]))), Len: uint64(len(mem)), Size: uint32(chunk)}
	if unaligned {
		reg.Flags = unix.XDP_UMEM_UNALIGNED_CHUNK_FLAG
	}
	_, _, e := unix.Syscall6(unix.SYS_SETSOCKOPT, uintptr(fd), unix.SOL_XDP, unix.XDP_UMEM_REG, uintptr(unsafe.Pointer(&reg)), unsafe.Sizeof(reg), 0)
	if e != 0 {
		return e
	}
	return nil
}

func getsockopt(fd, option int, p unsafe.Pointer, size uintptr) error {
	n := uint32(size)
	_, _, e := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_XDP, uintptr(option), uintptr(p), uintptr(unsafe.Pointer(&n)), 0)
	if e != 0 {
		return e
	}
	return nil
}

// losses returns how many frames a socket could not take: for want of memory, and for want of room in its RX ring.
func losses(fd int) (uint64, error) {
	var st unix.XDPStatistics
	err := getsockopt(fd, unix.XDP_STATISTICS, unsafe.Pointer(&st), unsafe.Sizeof(st))
	return st.Rx_dropped + st.Rx_ring_full, err
}

// kick makes the kernel look at the TX ring.
func kick(fd int) unix.Errno {
	_, _, e := unix.Syscall6(unix.SYS_SENDTO, uintptr(fd), 0, 0, unix.MSG_DONTWAIT, 0, 0)
	return e
}

// wake makes the kernel look at the fill ring, and, when busy polling, the driver look for frames.
func wake(fd int) {
	_, _, _ = unix.Syscall6(unix.SYS_RECVFROM, uintptr(fd), 0, 0, unix.MSG_DONTWAIT, 0, 0)
}

// ethtool asks the driver of an interface. The command is the first word of req.
func ethtool(fd int, name string, req []uint32) error {
	var ifreq struct {
		name [unix.IFNAMSIZ]byte
		data unsafe.Pointer
		_    [16]byte
	}
	copy(ifreq.name[:unix.IFNAMSIZ-1], name)
	ifreq.data = unsafe.Pointer(&req[0])
	_, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&ifreq)))
	if e != 0 {
		return e
	}
	return nil
}
