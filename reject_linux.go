package sentinel

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// rejecter sends answers where no source of a wire does. The methods that send may be called from any goroutine.
type rejecter struct {
	device string // reject-dev; "" = the host's routes decide
	inline bool   // the sources of a wire are to send
	warn   func(string)
	told   atomic.Bool

	raw    [2]int // sockets for IPv4 and IPv6, plus one; 0 = none
	link   int    // for the device, the same
	addr   unix.SockaddrLinklayer
	broken error // why there are no raw sockets
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
	if ip[0]>>4 == 6 {
		if s.raw[1] <= 0 {
			return s.check(s.unprepared())
		}
		to := unix.SockaddrInet6{}
		copy(to.Addr[:], ip[24:40])
		return s.check(unix.Sendto(s.raw[1]-1, ip, unix.MSG_DONTWAIT, &to))
	}
	if s.raw[0] <= 0 {
		return s.check(s.unprepared())
	}
	to := unix.SockaddrInet4{}
	copy(to.Addr[:], ip[16:20])
	return s.check(unix.Sendto(s.raw[0]-1, ip, unix.MSG_DONTWAIT, &to))
}

// prepare opens the raw sockets while there are the rights for it, on the thread whose network is watched. That it cannot is told
// when there is something to send.
func (s *rejecter) prepare() {
	for i, family := range []int{unix.AF_INET, unix.AF_INET6} {
		if s.raw[i] != 0 {
			continue
		}
		fd, err := unix.Socket(family, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
		if err == nil && s.device != "" {
			if err = unix.BindToDevice(fd, s.device); err != nil {
				unix.Close(fd)
			}
		}
		if err != nil {
			s.broken = fmt.Errorf("cannot open a raw socket: %w: it needs CAP_NET_RAW", err)
			continue
		}
		s.raw[i] = fd + 1
	}
}

func (s *rejecter) close() {
	for _, fd := range []int{s.raw[0], s.raw[1], s.link} {
		if fd > 0 {
			unix.Close(fd - 1)
		}
	}
	s.raw, s.link = [2]int{}, 0
}

func (s *rejecter) unprepared() error {
	if s.broken != nil {
		return s.broken
	}
	return errors.New("no raw socket was opened")
}
