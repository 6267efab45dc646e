package afxdp

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// device is what must be known of an interface.
type device struct {
	name   string
	index  int
	mtu    int
	queues int // receive queues in use
}

func lookup(name string) (device, error) {
	i, err := net.InterfaceByName(name)
	if err != nil {
		return device{}, fmt.Errorf("cannot capture on %s: no such interface", name)
	}
	d := device{name: name, index: i.Index, mtu: i.MTU}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return d, explain(name, err)
	}
	defer unix.Close(fd)
	req, err := unix.NewIfreq(name)
	if err != nil {
		return d, explain(name, err)
	}
	if err := unix.IoctlIfreq(fd, unix.SIOCGIFHWADDR, req); err != nil {
		return d, explain(name, err)
	}
	if kind := req.Uint16(); kind != unix.ARPHRD_ETHER && kind != unix.ARPHRD_LOOPBACK {
		return d, fmt.Errorf("cannot capture on %s: AF_XDP needs an Ethernet interface: use --af-packet=%s", name, name)
	}
	d.queues = countQueues(fd, d)
	return d, nil
}

// The questions of ethtool that tell the number of receive queues.
const (
	ethtoolRings    = 0x0000002d // ETHTOOL_GRXRINGS: struct ethtool_rxnfc
	ethtoolChannels = 0x0000003c // ETHTOOL_GCHANNELS: struct ethtool_channels
)

const maxQueues = 1024

// countQueues returns how many receive queues an interface has. Not every driver answers every question: the answers are taken in
// the order of how well they are known to be true. An interface that answers none has one queue.
func countQueues(fd int, d device) int {
	sane := func(n int) bool { return n > 0 && n <= maxQueues }
	if n := listQueues(d); sane(n) {
		return n
	}
	// command, then most and present numbers of rx, tx, other and combined channels
	channels := make([]uint32, 9)
	channels[0] = ethtoolChannels
	if ethtool(fd, d.name, channels) == nil {
		if n := int(channels[5]) + int(channels[8]); sane(n) {
			return n
		}
	}
	rings := make([]uint32, 64) // struct ethtool_rxnfc: command, flow type, number (64 bits), …
	rings[0] = ethtoolRings
	if ethtool(fd, d.name, rings) == nil {
		if n := int(max(rings[2], rings[3])); sane(n) { // whichever half the machine's byte order puts it in
			return n
		}
	}
	return 1
}

// sysfs returns the folder of an interface, or nothing where /sys shows another namespace's.
func sysfs(d device) string {
	dir := filepath.Join("/sys/class/net", d.name)
	b, err := os.ReadFile(filepath.Join(dir, "ifindex"))
	if err != nil || strings.TrimSpace(string(b)) != strconv.Itoa(d.index) {
		return ""
	}
	return dir
}

func listQueues(d device) (n int) {
	dir := sysfs(d)
	if dir == "" {
		return 0
	}
	list, err := os.ReadDir(filepath.Join(dir, "queues"))
	if err != nil {
		return 0
	}
	for _, e := range list {
		if strings.HasPrefix(e.Name(), "rx-") {
			n++
		}
	}
	return n
}

// promiscuous makes an interface take frames that are for others, until what it returns is closed.
func promiscuous(d device) (fd int, err error) {
	if fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0); err != nil {
		return -1, err
	}
	m := unix.PacketMreq{Ifindex: int32(d.index), Type: unix.PACKET_MR_PROMISC}
	if err := unix.SetsockoptPacketMreq(fd, unix.SOL_PACKET, unix.PACKET_ADD_MEMBERSHIP, &m); err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// knob is a setting of the interface that is put back at the end.
type knob struct{ path, old string }

// turn sets a file of the interface in /sys.
func turn(d device, name, value string) (*knob, error) {
	dir := sysfs(d)
	if dir == "" {
		return nil, errors.New("/sys does not show the interface")
	}
	k := &knob{path: filepath.Join(dir, name)}
	b, err := os.ReadFile(k.path)
	if err != nil {
		return nil, err
	}
	k.old = strings.TrimSpace(string(b))
	if k.old == value {
		return nil, nil
	}
	return k, os.WriteFile(k.path, []byte(value), 0)
}

func (k *knob) back() {
	if k != nil {
		_ = os.WriteFile(k.path, []byte(k.old), 0)
	}
}

// explain says what to do about an error.
func explain(name string, err error) error {
	hint := ""
	switch {
	case errors.Is(err, unix.ENODEV), errors.Is(err, unix.ENXIO):
		return fmt.Errorf("cannot capture on %s: no such interface", name)
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		hint = ": run as root, or with the capabilities CAP_NET_RAW, CAP_NET_ADMIN and CAP_BPF"
	case errors.Is(err, unix.EAFNOSUPPORT):
		hint = ": the kernel has no AF_XDP (CONFIG_XDP_SOCKETS): use --af-packet=" + name
	case errors.Is(err, unix.ENOBUFS), errors.Is(err, unix.ENOMEM):
		hint = ": not enough memory may be locked: raise the limit (ulimit -l unlimited), or use fewer queues"
	case errors.Is(err, unix.EBUSY):
		hint = ": another program has AF_XDP sockets on its queues"
	case errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.EINVAL):
		hint = ": the driver or the kernel cannot do what force-bind-mode asks for: use none or copy"
	case errors.Is(err, unix.ENETDOWN):
		hint = fmt.Sprintf(": the interface is down: ip link set dev %s up", name)
	}
	return fmt.Errorf("cannot capture on %s: %w%s", name, err, hint)
}
