package afpacket

import (
	"encoding/binary"
	"unsafe"

	"golang.org/x/sys/unix"

	"sentinel/capture"
)

// plain is no ring: packets are copied out of the socket's queue into buffers of ours, several with one call.
//
//	buffer:  plainRoom bytes, the last of them the virtio header | bytes
type plain struct {
	*form
	fd   int
	mem  []byte
	free []uint16 // buffers
	lent []bool

	msgs  [plainBatch]message
	iovs  [plainBatch]unix.Iovec
	addrs [plainBatch][addrLen]byte
	ctrl  [plainBatch][plainCtrl]byte
}

// message is struct mmsghdr.
type message struct {
	unix.Msghdr
	n uint32
}

const (
	plainBuffers = 512
	plainBatch   = 64
	plainRoom    = 32
	plainSize    = 68 << 10 // of a buffer; untouched pages of it cost nothing
	plainCtrl    = 160
)

// Offsets in struct tpacket_auxdata.
const (
	auxStatus = 0
	auxLen    = 4
	auxTCI    = 16
	auxTPID   = 18
	auxSize   = 20
)

func newPlain(m *form, fd int) (*plain, error) {
	mem, err := unix.Mmap(-1, 0, plainBuffers*plainSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return nil, step("buffers", err)
	}
	p := &plain{form: m, fd: fd, mem: mem, lent: make([]bool, plainBuffers)}
	for i := plainBuffers; i > 0; i-- {
		p.free = append(p.free, uint16(i-1))
	}
	return p, nil
}

func (p *plain) held() int { return plainBuffers - len(p.free) }

func (p *plain) close() error { return unix.Munmap(p.mem) }

func (p *plain) take(batch []capture.Frame, as *capture.Frame) (n int) {
	k := min(len(batch), len(p.free), plainBatch)
	if k == 0 {
		return 0
	}
	head, room := plainRoom, p.room()
	if p.vnet {
		head -= vnetHeader
	}
	for i := range k {
		at := int(p.free[len(p.free)-1-i]) * plainSize
		p.iovs[i].Base = &p.mem[at+head]
		p.iovs[i].SetLen(plainSize - head)
		m := &p.msgs[i]
		m.Name, m.Namelen = &p.addrs[i][0], addrLen
		m.Iov = &p.iovs[i]
		m.SetIovlen(1)
		m.Control = &p.ctrl[i][0]
		m.SetControllen(plainCtrl)
	}
	r, _, errno := unix.Syscall6(unix.SYS_RECVMMSG, uintptr(p.fd), uintptr(unsafe.Pointer(&p.msgs)), uintptr(k), unix.MSG_DONTWAIT, 0, 0)
	if errno != 0 {
		p.failed = errno != unix.EAGAIN && errno != unix.EINTR
		return 0
	}
	for i := range int(r) {
		m := &p.msgs[i]
		size := int(m.n) - (plainRoom - head)
		id := p.free[len(p.free)-1]
		p.free = p.free[:len(p.free)-1]
		base := int(id) * plainSize
		if size < 0 || size > plainSize-plainRoom {
			p.bad++
			p.free = append(p.free, id)
			continue
		}
		f := &batch[n]
		*f = *as
		f.WireLen = uint32(size)
		tpid := p.control(f, p.ctrl[i][:min(int(m.Controllen), plainCtrl)], p.addrs[i][addrType])
		if int(f.WireLen) > size || m.Flags&unix.MSG_TRUNC != 0 {
			f.Flags |= capture.Truncated
			if p.vnet { // half a frame must not go on
				p.cut++
				p.free = append(p.free, id)
				continue
			}
		}
		from, to := base+plainRoom, base+plainRoom+size
		switch {
		case p.vnet:
			keepSum(p.mem[from-room:to], room)
		case p.cooked:
			from -= cookedHeader
			f.WireLen += cookedHeader
			cook(p.mem[from:from+cookedHeader], p.addrs[i][:])
		}
		f.Data = p.mem[from:to:to]
		f.Token = uint64(id) | uint64(tpid)<<tokenTPID
		p.lent[id] = true
		n++
	}
	return n
}

// control reads what comes with a packet: time, status and tag.
func (p *plain) control(f *capture.Frame, b []byte, kind byte) (tpid uint16) {
	const align = unsafe.Sizeof(uintptr(0)) - 1
	for len(b) >= unix.SizeofCmsghdr {
		h := (*unix.Cmsghdr)(unsafe.Pointer(&b[0]))
		size := int(h.Len)
		if size < unix.SizeofCmsghdr || size > len(b) {
			break
		}
		d := b[unix.SizeofCmsghdr:size]
		switch {
		case h.Level == unix.SOL_SOCKET && h.Type == unix.SCM_TIMESTAMPNS && len(d) >= int(unsafe.Sizeof(unix.Timespec{})):
			f.Time = (*unix.Timespec)(unsafe.Pointer(&d[0])).Nano()
		case h.Level == unix.SOL_PACKET && h.Type == unix.PACKET_AUXDATA && len(d) >= auxSize:
			f.WireLen = max(f.WireLen, binary.NativeEndian.Uint32(d[auxLen:]))
			tpid = p.mark(f, binary.NativeEndian.Uint32(d[auxStatus:]), binary.NativeEndian.Uint16(d[auxTCI:]),
				binary.NativeEndian.Uint16(d[auxTPID:]), kind)
		}
		next := (size + int(align)) &^ int(align)
		if next >= len(b) {
			break
		}
		b = b[next:]
	}
	return tpid
}

func (p *plain) release(batch []capture.Frame) {
	for i := range batch {
		id := batch[i].Token & tokenID
		if id >= plainBuffers || !p.lent[id] {
			continue
		}
		p.lent[id] = false
		p.free = append(p.free, uint16(id))
	}
}

func (p *plain) whole(f *capture.Frame) ([]byte, uint16) {
	id := int(f.Token & tokenID)
	if id >= plainBuffers || !p.lent[id] || len(f.Data) > plainSize-plainRoom {
		return nil, 0
	}
	at := id*plainSize + plainRoom
	return p.outgoing(p.mem, at, at+len(f.Data), f.Verdict), uint16(f.Token >> tokenTPID)
}
