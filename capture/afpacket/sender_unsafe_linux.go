package afpacket

import (
	"encoding/binary"
	"errors"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"sentinel/capture"
)

// sender sends frames on a device, one by one or in batches:
//
//	add, add, … flush
//
// What is added stays where it is until flush has given it to the kernel.
type sender struct {
	fd   int
	name string
	dev  device
	addr unix.RawSockaddrLinklayer
	to   unix.SockaddrLinklayer
	head int // bytes of the virtio header

	n     int
	msgs  [sendBatch]message
	iovs  [sendBatch][3]unix.Iovec
	tags  [sendBatch][4]byte
	heads [sendBatch][vnetHeader + 12]byte // virtio header and MAC addresses of a frame that gets a tag
	poll  [1]unix.PollFd

	looked time.Time
}

const (
	sendBatch = 128
	// sendWait is how long a batch may wait for room in the socket's buffer or the device's queue, in milliseconds.
	sendWait   = 5
	sendBuffer = 16 << 20
	etherMACs  = 12
)

// newSender makes a socket that only sends: with protocol 0 it hears nothing.
func newSender(name string, dev device) (*sender, error) {
	typ := unix.SOCK_RAW
	if dev.raw {
		typ = unix.SOCK_DGRAM
	}
	fd, err := unix.Socket(unix.AF_PACKET, typ|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, step("socket", err)
	}
	s := &sender{fd: fd, name: name}
	s.aim(dev)
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, sendBuffer) != nil {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, sendBuffer)
	}
	return s, nil
}

// aim makes dev the device that frames leave through.
func (s *sender) aim(dev device) {
	s.dev = dev
	s.addr = unix.RawSockaddrLinklayer{Family: unix.AF_PACKET, Ifindex: int32(dev.index)}
	s.to.Ifindex = dev.index
}

var errShort = errors.New("frame is too short to send")

// send sends one frame.
func (s *sender) send(b []byte) error {
	if len(b) == 0 {
		return errShort
	}
	s.to.Protocol = 0
	if s.dev.raw {
		s.to.Protocol = protocolOf(b[0])
	}
	return unix.Sendto(s.fd, b, 0, &s.to)
}

// protocolOf is the protocol of an IP packet's first byte, in network order.
func protocolOf(first byte) uint16 {
	if first>>4 == 6 {
		return htons(unix.ETH_P_IPV6)
	}
	return htons(unix.ETH_P_IP)
}

// expect says whether what is sent has a virtio header. With one the kernel completes checksums and cuts up segments
// that the sender had left to its card; without, they would leave as they are, and TCP would stall.
func (s *sender) expect(vnet bool) error {
	if !vnet {
		return nil
	}
	if s.dev.raw {
		return errors.New("the interface does not take Ethernet frames")
	}
	s.head = vnetHeader
	return step("virtio headers", unix.SetsockoptInt(s.fd, unix.SOL_PACKET, unix.PACKET_VNET_HDR, 1))
}

// full reports whether flush must come before the next add.
func (s *sender) full() bool { return s.n == sendBatch }

// add takes a frame, with its virtio header, for the next flush, with the VLAN tag that the kernel had taken out. It reports
// whether that makes sense.
func (s *sender) add(b []byte, f *capture.Frame, tpid uint16) bool {
	if len(b) <= s.head {
		return false
	}
	m, v := &s.msgs[s.n], &s.iovs[s.n]
	m.Name, m.Namelen = (*byte)(unsafe.Pointer(&s.addr)), unix.SizeofSockaddrLinklayer
	m.Iov = &v[0]
	if tpid == 0 {
		v[0].Base = &b[0]
		v[0].SetLen(len(b))
		m.SetIovlen(1)
	} else {
		macs := s.head + etherMACs
		if len(b) <= macs {
			return false
		}
		h, tag := s.heads[s.n][:macs], s.tags[s.n][:]
		copy(h, b)
		if s.head > 0 { // all that comes behind the tag has moved
			for _, at := range [...]int{vnetHdrLen, vnetStart} {
				if x := binary.NativeEndian.Uint16(h[at:]); x != 0 {
					binary.NativeEndian.PutUint16(h[at:], x+4)
				}
			}
		}
		binary.BigEndian.PutUint16(tag, tpid)
		binary.BigEndian.PutUint16(tag[2:], f.VLAN[0])
		v[0].Base, v[1].Base, v[2].Base = &h[0], &tag[0], &b[macs]
		v[0].SetLen(macs)
		v[1].SetLen(4)
		v[2].SetLen(len(b) - macs)
		m.SetIovlen(3)
	}
	if s.dev.raw {
		s.addr.Protocol = protocolOf(b[0])
	}
	s.n++
	if s.dev.raw {
		// The address is shared by the batch, so that one must not mix protocols.
		return s.flush() == 0
	}
	return true
}

// flush sends what was added and returns how many frames could not be sent.
func (s *sender) flush() (unsent int) {
	waited := false
	for i := 0; i < s.n; {
		r, _, errno := unix.Syscall6(unix.SYS_SENDMMSG, uintptr(s.fd), uintptr(unsafe.Pointer(&s.msgs[i])), uintptr(s.n-i), unix.MSG_DONTWAIT, 0, 0)
		switch {
		case errno == 0:
			i += max(int(r), 1)
		case errno == unix.EINTR:
		case (errno == unix.EAGAIN || errno == unix.ENOBUFS) && !waited:
			waited = true
			s.poll[0] = unix.PollFd{Fd: int32(s.fd), Events: unix.POLLOUT}
			if errno == unix.ENOBUFS { // the device's queue: the socket has room
				time.Sleep(sendWait * time.Millisecond / 10)
			} else {
				_, _ = unix.Poll(s.poll[:], sendWait)
			}
		case errno == unix.ENXIO || errno == unix.ENODEV:
			unsent += s.n - i
			i = s.n
			s.refind()
		default: // this one cannot be sent; the next may
			unsent++
			i++
		}
	}
	s.n = 0
	return unsent
}

// refind looks from time to time whether another interface has the name of one that went away.
func (s *sender) refind() {
	now := time.Now()
	if now.Sub(s.looked) < lookEvery {
		return
	}
	s.looked = now
	if dev, err := lookup(s.name, false); err == nil && dev.raw == s.dev.raw {
		s.aim(dev)
	}
}

func (s *sender) close() error {
	if s == nil {
		return nil
	}
	return unix.Close(s.fd)
}
