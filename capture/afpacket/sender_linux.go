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

// expect says whether what is sent has a virtio header. With one the kernel completes checksums and cuts up segments
// that the sender had left to its card; without, they would leave as they are, and TCP would stall.
func (s *sender) expect(vnet bool) error {
	if !vnet {
		return nil
	}
	if s.dev.raw {
		return errors.New("the interface does not take Ethernet frames")
	}
	return step("virtio headers", unix.SetsockoptInt(s.fd, unix.SOL_PACKET, unix.PACKET_VNET_HDR, 1))
}

// forward sends a captured frame, with the VLAN tag that the kernel had taken out.
func (s *sender) forward(f *capture.Frame, r *ring) error {
	b, head := f.Data, 0
	if r.vnet {
		if b = r.withHeader(f); b == nil {
			return errShort
		}
		head = vnetHeader
	}
	if f.VLAN[0] == 0 {
		return s.send(b)
	}
	macs := head + 12
	if len(b) < macs {
		return errShort
	}
	tpid := uint16(f.Token >> tokenTPID)
	if tpid == 0 {
		tpid = unix.ETH_P_8021Q
	}
	t := append(s.tag[:0], b[:macs]...)
	t = binary.BigEndian.AppendUint16(t, tpid)
	t = binary.BigEndian.AppendUint16(t, f.VLAN[0])
	t = append(t, b[macs:]...)
	s.tag = t
	if head > 0 { // all that comes behind the tag has moved
		for _, at := range []int{vnetHdrLen, vnetStart} {
			if v := binary.NativeEndian.Uint16(t[at:]); v != 0 {
				binary.NativeEndian.PutUint16(t[at:], v+4)
			}
		}
	}
	return s.send(t)
}

func (s *sender) close() error {
	if s == nil {
		return nil
	}
	return unix.Close(s.fd)
}
