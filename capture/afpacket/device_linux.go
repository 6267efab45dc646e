package afpacket

import (
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"sentinel/capture"
)

// device is what the kernel says of an interface.
type device struct {
	index    int // 0 = all
	link     capture.LinkType
	raw      bool // frames begin with the network header
	cooked   bool // and we put a pseudo header before it
	loopback bool
	up       bool
	mtu      int
}

// lookup finds an interface by its name.
func lookup(name string, cooked bool) (device, error) {
	if name == Any && cooked {
		return device{link: capture.LinkSLL, raw: true, cooked: true, up: true, mtu: 1 << 16}, nil
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return device{}, err
	}
	defer unix.Close(fd)
	req, err := unix.NewIfreq(name)
	if err != nil {
		return device{}, unix.ENODEV
	}
	if err := unix.IoctlIfreq(fd, unix.SIOCGIFINDEX, req); err != nil {
		return device{}, err
	}
	d := device{index: int(req.Uint32())}
	if err := unix.IoctlIfreq(fd, unix.SIOCGIFMTU, req); err != nil {
		return device{}, err
	}
	d.mtu = int(req.Uint32())
	if err := unix.IoctlIfreq(fd, unix.SIOCGIFFLAGS, req); err != nil {
		return device{}, err
	}
	d.up = req.Uint16()&unix.IFF_UP != 0
	if err := unix.IoctlIfreq(fd, unix.SIOCGIFHWADDR, req); err != nil {
		return device{}, err
	}
	switch req.Uint16() {
	case unix.ARPHRD_ETHER:
		d.link = capture.LinkEthernet
	case unix.ARPHRD_LOOPBACK:
		d.link, d.loopback = capture.LinkEthernet, true
	case unix.ARPHRD_NONE, unix.ARPHRD_RAWIP, unix.ARPHRD_TUNNEL, unix.ARPHRD_TUNNEL6, unix.ARPHRD_SIT, unix.ARPHRD_IPGRE, unix.ARPHRD_IP6GRE:
		d.link, d.raw = capture.LinkRaw, true
	default: // PPP, InfiniBand and the like: their headers differ, what is inside does not
		d.link, d.raw = capture.LinkRaw, true
		if cooked {
			d.link, d.cooked = capture.LinkSLL, true
		}
	}
	return d, nil
}

// explain says what to do about an error.
func explain(name string, err error) error {
	switch {
	case errors.Is(err, unix.ENODEV), errors.Is(err, unix.ENXIO):
		return fmt.Errorf("cannot capture on %s: no such interface", name)
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		return fmt.Errorf("cannot capture on %s: needs the capability CAP_NET_RAW, or root: %w", name, err)
	case errors.Is(err, unix.EAFNOSUPPORT):
		return fmt.Errorf("cannot capture on %s: the kernel has no AF_PACKET: %w", name, err)
	case errors.Is(err, unix.ENOMEM):
		return fmt.Errorf("cannot capture on %s: no memory for the ring, take a smaller ring-size or block-size: %w", name, err)
	}
	return fmt.Errorf("cannot capture on %s: %w", name, err)
}

// step names the system call that failed.
func step(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}

// htons is v in network order.
func htons(v uint16) uint16 {
	var b [2]byte
	binary.BigEndian.PutUint16(b[:], v)
	return binary.NativeEndian.Uint16(b[:])
}
