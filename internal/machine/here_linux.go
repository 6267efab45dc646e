package machine

import (
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// Here is the machine and the network namespace that the program runs in.
func Here() *System {
	return &System{Links: links, Ask: ask, Synchronised: synchronised}
}

// links lists the interfaces of the namespace.
func links() ([]Interface, error) {
	list, err := netlink.LinkList()
	if err != nil {
		return nil, err
	}
	all := make([]Interface, 0, len(list))
	for _, l := range list {
		a := l.Attrs()
		f := Interface{Name: a.Name, Index: a.Index, MTU: a.MTU, MAC: a.HardwareAddr.String(), Up: a.RawFlags&unix.IFF_UP != 0,
			Carrier: a.RawFlags&unix.IFF_LOWER_UP != 0, State: strings.ToLower(a.OperState.String()), Master: a.MasterIndex,
			Queues: Queues{RX: a.NumRxQueues, TX: a.NumTxQueues}, Type: "other"}
		switch {
		case a.RawFlags&unix.IFF_LOOPBACK != 0:
			f.Type = "loopback"
		case a.EncapType == "ether":
			f.Type = "ethernet"
		}
		if t := l.Type(); t != "device" {
			f.Kind = t
		}
		if f.Type == "loopback" {
			f.Kind = "loopback"
		}
		if x := a.Xdp; x != nil && x.Attached {
			f.XDP.Program = x.ProgId
			switch x.AttachMode {
			case nl.XDP_ATTACHED_DRV:
				f.XDP.Attached = "native"
			case nl.XDP_ATTACHED_SKB:
				f.XDP.Attached = "generic"
			case nl.XDP_ATTACHED_HW:
				f.XDP.Attached = "offloaded"
			default:
				f.XDP.Attached = "several"
			}
		}
		all = append(all, f)
	}
	return all, nil
}

func ask(f *Interface) {
	_ = askEthtool(f) // what is not said stays unknown
	_ = askXDP(f)
}

// The kernel's family "netdev" (include/uapi/linux/netdev.h, Linux 6.3).
const (
	netdevGet      = 1
	netdevIndex    = 1
	netdevFeatures = 3

	xdpBasic    = 1 << 0
	xdpRedirect = 1 << 1
	xdpTransmit = 1 << 2
	xdpZeroCopy = 1 << 3
	xdpOffload  = 1 << 4
	xdpFragment = 1 << 5
)

func askXDP(f *Interface) error {
	family, err := netlink.GenlFamilyGet("netdev")
	if err != nil {
		return err
	}
	req := nl.NewNetlinkRequest(int(family.ID), 0)
	// Command, version, and two bytes that must be 0; then an attribute.
	b := append([]byte{netdevGet, 1, 0, 0}, nl.NewRtAttr(netdevIndex, nl.Uint32Attr(uint32(f.Index))).Serialize()...)
	req.AddRawData(b)
	messages, err := req.Execute(unix.NETLINK_GENERIC, 0)
	if err != nil {
		return err
	}
	for _, m := range messages {
		if len(m) < nl.SizeofGenlmsg {
			continue
		}
		attrs, err := nl.ParseRouteAttr(m[nl.SizeofGenlmsg:])
		if err != nil {
			return err
		}
		for _, a := range attrs {
			if a.Attr.Type != netdevFeatures || len(a.Value) < 8 {
				continue
			}
			v := binary.NativeEndian.Uint64(a.Value)
			x := &f.XDP
			x.Known = true
			x.Native, x.Redirect, x.Transmit = v&xdpBasic != 0, v&xdpRedirect != 0, v&xdpTransmit != 0
			x.ZeroCopy, x.Offload, x.Fragments = v&xdpZeroCopy != 0, v&xdpOffload != 0, v&xdpFragment != 0
			return nil
		}
	}
	return fmt.Errorf("the kernel says nothing of XDP on %s", f.Name)
}

// synchronised reports whether something keeps the clock right.
func synchronised() (bool, error) {
	var t unix.Timex
	state, err := unix.Adjtimex(&t)
	const unsynchronised = 0x40 // STA_UNSYNC
	return err == nil && state != unix.TIME_ERROR && t.Status&unsynchronised == 0, err
}
