package nfqueue

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// mmsghdr is the kernel's struct mmsghdr.
type mmsghdr struct {
	hdr unix.Msghdr
	len uint32
}

// slots is the memory that messages are received into: as many as may be lent, of a size that holds every message.
type slots struct {
	mem  []byte
	iov  []unix.Iovec
	hdrs []mmsghdr
}

// Sizes of the memory. A slot holds the longest packet and what is said of it. The size is no multiple of a page, so that the
// beginnings of the slots do not all compete for the same lines of the cache. What no packet was long enough for is never touched, and
// so takes no memory.
const (
	slotCount = 4096
	slotSize  = 1<<16 + 1024 + 192
)

func newSlots() (*slots, error) {
	mem, err := unix.Mmap(-1, 0, slotCount*slotSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_NORESERVE)
	if err != nil {
		return nil, err
	}
	s := &slots{mem: mem, iov: make([]unix.Iovec, slotCount), hdrs: make([]mmsghdr, slotCount)}
	for i := range s.hdrs {
		s.iov[i].Base = &mem[i*slotSize]
		s.iov[i].SetLen(slotSize)
		s.hdrs[i].hdr.Iov = &s.iov[i]
		s.hdrs[i].hdr.SetIovlen(1)
	}
	return s, nil
}

// receive fills up to n slots from the first on, as far as messages are there. It never waits.
func (s *slots) receive(fd, first, n int) (int, unix.Errno) {
	got, _, err := unix.Syscall6(unix.SYS_RECVMMSG, uintptr(fd), uintptr(unsafe.Pointer(&s.hdrs[first])), uintptr(n), unix.MSG_DONTWAIT, 0, 0)
	if err != 0 {
		return 0, err
	}
	return int(got), 0
}

// message returns what a slot holds; short is true when it did not all fit.
func (s *slots) message(i int) (b []byte, short bool) {
	n := int(min(s.hdrs[i].len, slotSize))
	at := i * slotSize
	return s.mem[at : at+n : at+n], s.hdrs[i].hdr.Flags&unix.MSG_TRUNC != 0
}

func (s *slots) close() error {
	if s == nil || s.mem == nil {
		return nil
	}
	mem := s.mem
	s.mem, s.iov, s.hdrs = nil, nil, nil
	return unix.Munmap(mem)
}

// send sends b without waiting and without allocating.
func send(fd int, b []byte) unix.Errno {
	_, _, err := unix.Syscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), 0, 0, 0)
	return err
}
