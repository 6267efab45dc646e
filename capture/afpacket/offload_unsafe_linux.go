package afpacket

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// feature is one of a card's that changes frames before they are captured, and how to ask for it (ethtool(8)).
type feature struct {
	name     string // as ethtool -K has it
	get, set uint32
	bit      uint32 // in the value; 0 = the value is 0 or 1
	joins    bool   // what arrives is not what was on the wire
}

const flagLRO = 1 << 15 // ETH_FLAG_LRO

// features are in the order in which they are switched off; they are switched on the other way round.
var features = [...]feature{
	{"rx", unix.ETHTOOL_GRXCSUM, unix.ETHTOOL_SRXCSUM, 0, false},
	{"tx", unix.ETHTOOL_GTXCSUM, unix.ETHTOOL_STXCSUM, 0, false},
	{"gro", unix.ETHTOOL_GGRO, unix.ETHTOOL_SGRO, 0, true},
	{"tso", unix.ETHTOOL_GTSO, unix.ETHTOOL_STSO, 0, false},
	{"gso", unix.ETHTOOL_GGSO, unix.ETHTOOL_SGSO, 0, false},
	{"sg", unix.ETHTOOL_GSG, unix.ETHTOOL_SSG, 0, false},
	{"lro", unix.ETHTOOL_GFLAGS, unix.ETHTOOL_SFLAGS, flagLRO, true},
}

// offloads are the features that were switched off for a capture.
type offloads struct{ off [len(features)]bool }

// ethtool is a socket to ask the kernel about an interface with.
type ethtool struct {
	fd   int
	name [unix.IFNAMSIZ]byte
}

func newEthtool(name string) (*ethtool, error) {
	if name == Any || len(name) >= unix.IFNAMSIZ {
		return nil, unix.ENODEV
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	e := &ethtool{fd: fd}
	copy(e.name[:], name)
	return e, nil
}

func (e *ethtool) close() { unix.Close(e.fd) }

// ask carries a command out. Its structure begins with the command's number.
func (e *ethtool) ask(data unsafe.Pointer) error {
	req := struct {
		name [unix.IFNAMSIZ]byte
		data unsafe.Pointer
		_    [16]byte
	}{name: e.name, data: data}
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(e.fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&req)))
	runtime.KeepAlive(data)
	if errno != 0 {
		return errno
	}
	return nil
}

func (e *ethtool) get(cmd uint32) (uint32, error) {
	v := [2]uint32{cmd}
	err := e.ask(unsafe.Pointer(&v))
	return v[1], err
}

func (e *ethtool) set(cmd, value uint32) error {
	v := [2]uint32{cmd, value}
	return e.ask(unsafe.Pointer(&v))
}

func (e *ethtool) isOn(f *feature) bool {
	v, err := e.get(f.get)
	if f.bit != 0 {
		v &= f.bit
	}
	return err == nil && v != 0
}

func (e *ethtool) turn(f *feature, on bool) error {
	v := uint32(0)
	if f.bit != 0 {
		var err error
		if v, err = e.get(f.get); err != nil {
			return err
		}
		v &^= f.bit
		if on {
			v |= f.bit
		}
	} else if on {
		v = 1
	}
	return e.set(f.set, v)
}

// inspect switches off what the options say, and warns of what stays on and breaks inspection.
func inspect(o *Options) (*offloads, error) {
	n := new(offloads)
	if o.HardwareTime && o.Ring == Plain {
		o.HardwareTime = false
		o.log().Warnf("%s: the card's timestamps come with a ring only, the kernel's are used", o.Interface)
	}
	if o.HardwareTime {
		if err := stamp(o.Interface); err != nil {
			o.HardwareTime = false
			o.log().Warnf("%s: no timestamps from the card, the kernel's are used: %v", o.Interface, err)
		} else {
			o.log().Infof("%s: timestamps are the card's", o.Interface)
		}
	}
	n.apply(o)
	return n, nil
}

// apply does so for an interface that appears.
func (n *offloads) apply(o *Options) {
	e, err := newEthtool(o.Interface)
	if err != nil {
		return
	}
	defer e.close()
	var off, still []string
	var refused error
	for i := range features {
		f := &features[i]
		wanted := o.Offloads&OffloadsJoining != 0
		if f.name == "rx" || f.name == "tx" {
			wanted = o.Offloads&OffloadsSums != 0
		}
		if !e.isOn(f) {
			continue
		}
		if wanted {
			err := e.turn(f, false)
			if err == nil && !e.isOn(f) {
				n.off[i] = true
				off = append(off, f.name)
				continue
			}
			if err != nil {
				refused = err
			}
		}
		if f.joins {
			still = append(still, f.name)
		}
	}
	if len(off) > 0 {
		o.log().Infof("%s: offloads switched off until the end: %s", o.Interface, strings.Join(off, " "))
	}
	if len(still) > 0 {
		why := ""
		if refused != nil {
			why = fmt.Sprintf(" (%v)", refused)
		}
		o.log().Warnf("%s: the offloads %s are on%s: packets arrive joined, not as they were on the wire. Switch them off: ethtool -K %s %s off",
			o.Interface, strings.Join(still, " and "), why, o.Interface, strings.Join(still, " off "))
	}
}

// restore switches on again what was switched off.
func (n *offloads) restore(o *Options) {
	if n == nil || *n == (offloads{}) {
		return
	}
	e, err := newEthtool(o.Interface)
	if err != nil {
		return
	}
	defer e.close()
	for i := len(features) - 1; i >= 0; i-- {
		if !n.off[i] {
			continue
		}
		n.off[i] = false
		if err := e.turn(&features[i], true); err != nil && err != unix.ENODEV {
			o.log().Warnf("%s: cannot switch the offload %s on again: %v", o.Interface, features[i].name, err)
		}
	}
}

// stamp has the card take the time of every frame.
func stamp(name string) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.IoctlSetHwTstamp(fd, name, &unix.HwTstampConfig{Rx_filter: unix.HWTSTAMP_FILTER_ALL})
}

// Queues returns how many receive queues an interface has, at least 1.
func Queues(name string) int {
	if e, err := newEthtool(name); err == nil {
		defer e.close()
		rings := struct {
			cmd  uint32
			_    uint32
			data uint64
			_    [256]byte
		}{cmd: unix.ETHTOOL_GRXRINGS}
		if e.ask(unsafe.Pointer(&rings)) == nil && rings.data > 0 && rings.data < 1<<16 {
			return int(rings.data)
		}
		// Not every driver answers that one.
		var channels struct{ cmd, maxRx, maxTx, maxOther, maxCombined, rx, tx, other, combined uint32 }
		channels.cmd = unix.ETHTOOL_GCHANNELS
		if e.ask(unsafe.Pointer(&channels)) == nil {
			if n := channels.rx + channels.combined; n > 0 && n < 1<<16 {
				return int(n)
			}
		}
	}
	n := 0
	if list, err := os.ReadDir("/sys/class/net/" + name + "/queues"); err == nil {
		for _, q := range list {
			if strings.HasPrefix(q.Name(), "rx-") {
				n++
			}
		}
	}
	return max(n, 1)
}
