package afpacket

import (
	"encoding/binary"
	"errors"

	"golang.org/x/sys/unix"

	"sentinel/capture"
)

// sender sends frames on a device.
type sender struct {
	fd   int
	dev  device
	addr unix.SockaddrLinklayer
	tag  []byte // scratch for a frame whose VLAN tag is put back
}

// newSender makes a socket that only sends: with protocol 0 it hears nothing.
func newSender(dev device) (*sender, error) {
	typ := unix.SOCK_RAW
	if dev.raw {
		typ = unix.SOCK_DGRAM
	}
	fd, err := unix.Socket(unix.AF_PACKET, typ|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, step("socket", err)
	}
	return &sender{fd: fd, dev: dev}, nil
}

var errShort = errors.New("frame is too short to send")

func (s *sender) send(b []byte) error {
	if len(b) == 0 {
		return errShort
	}
	s.addr.Ifindex = s.dev.index
	if s.dev.raw {
		s.addr.Protocol = htons(unix.ETH_P_IP)
		if b[0]>>4 == 6 {
			s.addr.Protocol = htons(unix.ETH_P_IPV6)
		}
	}
	return unix.Sendto(s.fd, b, 0, &s.addr)
}

// forward sends a captured frame, with the VLAN tag that the kernel had taken out.
func (s *sender) forward(f *capture.Frame) error {
	if f.VLAN[0] == 0 {
		return s.send(f.Data)
	}
	if len(f.Data) < 12 {
		return errShort
	}
	b := append(s.tag[:0], f.Data[:12]...)
	tpid := uint16(f.Token >> tokenTPID)
	if tpid == 0 {
		tpid = unix.ETH_P_8021Q
	}
	b = binary.BigEndian.AppendUint16(b, tpid)
	b = binary.BigEndian.AppendUint16(b, f.VLAN[0])
	b = append(b, f.Data[12:]...)
	s.tag = b
	return s.send(b)
}

func (s *sender) close() error {
	if s == nil {
		return nil
	}
	return unix.Close(s.fd)
}
