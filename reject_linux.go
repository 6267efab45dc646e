package sentinel

import (
	"encoding/binary"
	"fmt"
	"net"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// rejecter sends answers where no source of a wire does. Its methods may be called from any goroutine.
type rejecter struct {
	device string // reject-dev; "" = the host's routes decide
	inline bool   // the sources of a wire are to send
	warn   func(string)
	told   atomic.Bool

	mu   sync.Mutex
	raw  [2]int // sockets for IPv4 and IPv6, plus one; 0 = not opened, -1 = cannot be
	link int    // for the device, the same
	addr unix.SockaddrLinklayer
}

// openDevice opens the device that answers are to go out of.
func (s *rejecter) openDevice() error {
	i, err := net.InterfaceByName(s.device)
	if err != nil {
		return fmt.Errorf("cannot send rejects on %s: %w", s.device, err)
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("cannot send rejects on %s: %w: it needs CAP_NET_RAW", s.device, err)
	}
	s.link, s.addr = fd+1, unix.SockaddrLinklayer{Ifindex: i.Index}
	return nil
}

// sendDevice sends on the device that the user has named: whole frames where they can be made, else packets, for which the host
// finds the next hop.
func (s *rejecter) sendDevice(r *reply) bool {
	if len(r.frame) == len(r.ip) || s.link <= 0 {
		return s.sendRaw(r.ip)
	}
	addr := s.addr
	addr.Protocol = binary.NativeEndian.Uint16([]byte{r.frame[12], r.frame[13]})
	return s.check(unix.Sendto(s.link-1, r.frame, 0, &addr))
}

// sendRaw sends an IP packet through the host's own routes.
func (s *rejecter) sendRaw(ip []byte) bool {
	v6 := ip[0]>>4 == 6
	fd, err := s.socket(v6)
	if err != nil || fd < 0 {
		return s.check(err) && false
	}
	if v6 {
		to := unix.SockaddrInet6{}
		copy(to.Addr[:], ip[24:40])
		return s.check(unix.Sendto(fd, ip, unix.MSG_DONTWAIT, &to))
	}
	to := unix.SockaddrInet4{}
	copy(to.Addr[:], ip[16:20])
	return s.check(unix.Sendto(fd, ip, unix.MSG_DONTWAIT, &to))
}

// socket returns the raw socket of a version of IP. It opens it once.
func (s *rejecter) socket(v6 bool) (int, error) {
	family, i := unix.AF_INET, 0
	if v6 {
		family, i = unix.AF_INET6, 1
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.raw[i] != 0 {
		return s.raw[i] - 1, nil
	}
	fd, err := unix.Socket(family, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
	if err == nil && s.device != "" {
		if err = unix.BindToDevice(fd, s.device); err != nil {
			unix.Close(fd)
		}
	}
	if err != nil {
		s.raw[i] = -1
		return -1, fmt.Errorf("cannot open a raw socket: %w", err)
	}
	s.raw[i] = fd + 1
	return fd, nil
}

func (s *rejecter) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, fd := range []int{s.raw[0], s.raw[1], s.link} {
		if fd > 0 {
			unix.Close(fd - 1)
		}
	}
	s.raw, s.link = [2]int{-1, -1}, -1
}
