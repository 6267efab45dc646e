package xdp

import (
	"encoding/binary"
	"errors"
	"net"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// The part of the kernel's family netdev that is needed (Documentation/netlink/specs/netdev.yaml of Linux).
const (
	netdevGet         = 1
	netdevIfindex     = 1
	netdevXDPFeatures = 3
	netdevTransmits   = 1 << 2 // NETDEV_XDP_ACT_NDO_XMIT
)

// header is that of a generic netlink message: command, version, and two bytes that must be 0.
type header [nl.SizeofGenlmsg]byte

func (h header) Len() int          { return len(h) }
func (h header) Serialize() []byte { return h[:] }

var errUnknown = errors.New("the kernel does not tell")

// transmits reports whether an interface's driver sends frames that an XDP program in another driver redirects to it. Where it does
// not they are lost, and nobody is told. Kernels before Linux 6.3 do not tell.
func transmits(name string) (bool, error) {
	i, err := net.InterfaceByName(name)
	if err != nil {
		return false, err
	}
	f, err := netlink.GenlFamilyGet("netdev")
	if err != nil {
		return false, errUnknown
	}
	req := nl.NewNetlinkRequest(int(f.ID), 0)
	req.AddData(header{netdevGet, 1})
	req.AddData(nl.NewRtAttr(netdevIfindex, nl.Uint32Attr(uint32(i.Index))))
	answers, err := req.Execute(unix.NETLINK_GENERIC, 0)
	if err != nil {
		return false, err
	}
	for _, a := range answers {
		if len(a) < nl.SizeofGenlmsg {
			continue
		}
		attrs, err := nl.ParseRouteAttr(a[nl.SizeofGenlmsg:])
		if err != nil {
			return false, err
		}
		for _, x := range attrs {
			if x.Attr.Type == netdevXDPFeatures && len(x.Value) >= 8 {
				return binary.NativeEndian.Uint64(x.Value)&netdevTransmits != 0, nil
			}
		}
	}
	return false, errUnknown
}
