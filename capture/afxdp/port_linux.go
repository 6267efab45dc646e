package afxdp

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// port is one socket: a receive queue, and a way out of the same interface. The wire's lock guards its rings.
type port struct {
	dev   device
	queue int
	fd    int
	mem   *memory
	sg    bool // frames may be in several chunks

	rx, tx, fill, comp ring
}

// newPort makes a socket for a queue. The first one with a memory registers that; the others share it.
func newPort(o *Options, m *memory, dev device, queue int, flags uint16) (*port, error) {
	fd, err := unix.Socket(unix.AF_XDP, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("socket: %w", err)
	}
	p := &port{dev: dev, queue: queue, fd: fd, mem: m, sg: flags&unix.XDP_USE_SG != 0}
	if err := p.setup(o, flags); err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

func (p *port) setup(o *Options, flags uint16) error {
	if p.mem.owner < 0 {
		if err := register(p.fd, p.mem.mem, p.mem.chunk, p.mem.unaligned); err != nil {
			return fmt.Errorf("frame memory: %w", err)
		}
	}
	half := uint32(o.frames / 2)
	for kind, r := range []*ring{&p.rx, &p.tx, &p.fill, &p.comp} {
		size := half
		if r == &p.tx {
			size = min(half, 2048)
		}
		if err := mapRing(r, p.fd, kind, size); err != nil {
			return fmt.Errorf("ring: %w", err)
		}
	}
	p.tune(o)
	a := unix.SockaddrXDP{Flags: flags, Ifindex: uint32(p.dev.index), QueueID: uint32(p.queue)}
	if p.mem.owner >= 0 {
		a.Flags, a.SharedUmemFD = unix.XDP_SHARED_UMEM, uint32(p.mem.owner)
	}
	// The kernel takes its time to let go of a socket that was closed.
	var err error
	for range 50 {
		if err = unix.Bind(p.fd, &a); !errors.Is(err, unix.EBUSY) {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	if err != nil {
		return fmt.Errorf("queue %d of %s: %w", p.queue, p.dev.name, err)
	}
	if p.mem.owner < 0 {
		p.mem.owner = p.fd
	}
	return nil
}

// tune sets what may fail without harm.
func (p *port) tune(o *Options) {
	// One call shall send a whole batch in copy mode (Linux 6.17; 32 frames before).
	_ = unix.SetsockoptInt(p.fd, unix.SOL_XDP, unix.XDP_MAX_TX_SKB_BUDGET, int(p.tx.size))
	if !o.BusyPoll {
		return
	}
	err := errors.Join(
		unix.SetsockoptInt(p.fd, unix.SOL_SOCKET, unix.SO_PREFER_BUSY_POLL, 1),
		unix.SetsockoptInt(p.fd, unix.SOL_SOCKET, unix.SO_BUSY_POLL, int(o.BusyPollTime/time.Microsecond)),
		unix.SetsockoptInt(p.fd, unix.SOL_SOCKET, unix.SO_BUSY_POLL_BUDGET, o.BusyPollBudget),
	)
	if err != nil && p.queue == 0 {
		o.Log.Warnf("%s: no busy polling: %v", p.dev.name, err)
	}
}

func (p *port) close() {
	for _, r := range []*ring{&p.rx, &p.tx, &p.fill, &p.comp} {
		r.close()
	}
	if p.fd >= 0 {
		_ = unix.Close(p.fd)
		p.fd = -1
	}
}

// refill gives free chunks to the kernel, to receive into.
func (p *port) refill() {
	m := p.mem
	n := int(p.fill.free())
	if n = min(n, len(m.free)-m.spare); n <= 0 {
		return
	}
	for range n {
		place, _ := m.take()
		*p.fill.addr(p.fill.mine) = place
		p.fill.mine++
	}
	p.fill.produced()
	if p.fill.asleep() {
		wake(p.fd)
	}
}

// reap takes back the chunks of frames that were sent.
func (p *port) reap() {
	n := p.comp.full()
	if n == 0 {
		return
	}
	for range n {
		p.mem.give(p.mem.place(*p.comp.addr(p.comp.mine)))
		p.comp.mine++
	}
	p.comp.consumed()
}

// room makes sure that n slots of the TX ring are free.
func (p *port) room(n int) bool {
	for range 4 {
		if int(p.tx.free()) >= n {
			return true
		}
		p.flush()
		p.reap()
	}
	return false
}

// move puts a chunk of this port's memory on its way out.
//
// Preconditions: there is room.
func (p *port) move(place uint64, size, options uint32) {
	*p.tx.desc(p.tx.mine) = unix.XDPDesc{Addr: place, Len: size, Options: options}
	p.tx.mine++
}

// write copies a frame into chunks of this port's memory and puts them on their way out.
func (p *port) write(b []byte) error {
	m := p.mem
	parts := (len(b) + m.chunk - 1) / m.chunk
	switch {
	case len(b) == 0:
		return errEmpty
	case parts > maxParts || parts > 1 && !p.sg:
		return errLong
	case !p.room(parts):
		return errBusy
	}
	if len(m.free) < parts {
		if p.reap(); len(m.free) < parts {
			return errBusy
		}
	}
	for len(b) > 0 {
		place, _ := m.take()
		n := copy(m.mem[place:place+uint64(m.chunk)], b)
		b = b[n:]
		more := uint32(0)
		if len(b) > 0 {
			more = unix.XDP_PKT_CONTD
		}
		p.move(place, uint32(n), more)
	}
	return nil
}

var (
	errEmpty = errors.New("cannot send an empty frame")
	errLong  = errors.New("cannot send a frame that is longer than a chunk: the kernel knows no frames in several buffers")
	errBusy  = errors.New("cannot send: the interface does not take frames")
)

// flush makes the kernel send what is on its way. In copy mode a call sends a bounded number; what is left goes with the next flush.
func (p *port) flush() {
	left := p.tx.size - p.tx.free()
	if left == 0 && p.tx.mine == p.tx.theirs {
		return
	}
	p.tx.produced()
	for tries := p.tx.size/32 + 4; tries > 0; tries-- {
		if !p.tx.asleep() {
			return
		}
		if e := kick(p.fd); e != 0 && e != unix.EAGAIN && e != unix.EINTR {
			return
		}
		if p.tx.free() == p.tx.size {
			return
		}
	}
}
