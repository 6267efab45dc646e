package live

import (
	"errors"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The switches of struct ethtool_value that make an interface send something else than what goes over a wire: checksums that are left
// to the card, and packets that it is to cut or has put together.
const (
	setChecksum = 0x17 // ETHTOOL_STXCSUM
	setTSO      = 0x1f
	setGSO      = 0x24
	setGRO      = 0x2c
)

// PlainFrames makes an interface send and receive frames as they are on a wire: whole, no longer than the MTU, with their checksums.
// Interfaces do so before they are moved to a Host.
func (n *Net) PlainFrames(name string) {
	n.t.Helper()
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	n.must("socket", err)
	defer unix.Close(fd)
	for _, what := range []uint32{setChecksum, setTSO, setGSO, setGRO} {
		value := [2]uint32{what, 0}
		var req struct {
			name [unix.IFNAMSIZ]byte
			data unsafe.Pointer
			_    [16]byte
		}
		copy(req.name[:unix.IFNAMSIZ-1], name)
		req.data = unsafe.Pointer(&value)
		_, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&req)))
		if e != 0 && !errors.Is(e, unix.EOPNOTSUPP) {
			n.must("offloads of "+name+" off", e)
		}
	}
}
