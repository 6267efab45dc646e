package afpacket

import (
	"errors"
	"fmt"
	"math/bits"
	"time"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"sentinel/capture"
)

// device is what the kernel says of an interface.
type device struct {
	index    int
	link     capture.LinkType
	raw      bool // frames begin with the network header
	loopback bool
}

// lookup finds an interface by its name.
func lookup(name string) (device, error) {
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
	if err := unix.IoctlIfreq(fd, unix.SIOCGIFHWADDR, req); err != nil {
		return device{}, err
	}
	switch req.Uint16() {
	case unix.ARPHRD_ETHER:
		d.link = capture.LinkEthernet
	case unix.ARPHRD_LOOPBACK:
		d.link, d.loopback = capture.LinkEthernet, true
	default: // tunnels and the like: their headers differ, the IP packets inside do not
		d.link, d.raw = capture.LinkRaw, true
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
		return fmt.Errorf("cannot capture on %s: no memory for the ring, take a smaller block size or fewer blocks: %w", name, err)
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

func htons(v uint16) uint16 {
	if probe := uint16(1); *(*byte)(unsafe.Pointer(&probe)) == 1 {
		return bits.ReverseBytes16(v)
	}
	return v
}

// socket is a packet socket with its ring.
type socket struct {
	fd  int
	dev device
	ring
}

// openSocket makes the socket and its ring, and binds it to the device. No packet arrives before start, because a
// socket hears everything until it has joined its group.
func openSocket(o *Options, dev device) (*socket, error) {
	typ := unix.SOCK_RAW
	if dev.raw {
		typ = unix.SOCK_DGRAM
	}
	fd, err := unix.Socket(unix.AF_PACKET, typ|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, step("socket", err)
	}
	s := &socket{fd: fd, dev: dev}
	if err := s.setup(o); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *socket) setup(o *Options) error {
	if err := unix.SetsockoptInt(s.fd, unix.SOL_PACKET, unix.PACKET_VERSION, unix.TPACKET_V3); err != nil {
		return step("TPACKET_V3", err)
	}
	vnet := o.CopyTo != "" && !s.dev.raw
	if vnet {
		if err := unix.SetsockoptInt(s.fd, unix.SOL_PACKET, unix.PACKET_VNET_HDR, 1); err != nil {
			return step("virtio headers", err)
		}
	}
	req := unix.TpacketReq3{
		Block_size:     uint32(o.BlockSize),
		Block_nr:       uint32(o.Blocks),
		Frame_size:     frameSize,
		Frame_nr:       uint32(o.BlockSize / frameSize * o.Blocks),
		Retire_blk_tov: uint32(o.BlockTimeout / time.Millisecond),
	}
	if err := unix.SetsockoptTpacketReq3(s.fd, unix.SOL_PACKET, unix.PACKET_RX_RING, &req); err != nil {
		return step("ring", err)
	}
	mem, err := unix.Mmap(s.fd, 0, o.BlockSize*o.Blocks, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return step("mapping the ring", err)
	}
	s.ring = newRing(mem, o.BlockSize, o.Blocks)
	s.ring.vnet = vnet
	if err := s.attach([]bpf.RawInstruction{{Op: 0x06, K: 0}}); err != nil {
		return err
	}
	if o.IgnoreOutgoing || o.CopyTo != "" || s.dev.loopback {
		if err := unix.SetsockoptInt(s.fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1); err != nil {
			return step("ignoring outgoing packets", err)
		}
	}
	if o.Promisc && !s.dev.raw {
		m := unix.PacketMreq{Ifindex: int32(s.dev.index), Type: unix.PACKET_MR_PROMISC}
		if err := unix.SetsockoptPacketMreq(s.fd, unix.SOL_PACKET, unix.PACKET_ADD_MEMBERSHIP, &m); err != nil {
			return step("promiscuous mode", err)
		}
	}
	err = unix.Bind(s.fd, &unix.SockaddrLinklayer{Protocol: htons(unix.ETH_P_ALL), Ifindex: s.dev.index})
	if err == unix.ENETDOWN {
		err = nil // bound all the same; packets come when the interface is up
	}
	return step("bind", err)
}

// attach sets the kernel's filter.
func (s *socket) attach(prog []bpf.RawInstruction) error {
	f := make([]unix.SockFilter, len(prog))
	for i, p := range prog {
		f[i] = unix.SockFilter{Code: p.Op, Jt: p.Jt, Jf: p.Jf, K: p.K}
	}
	fp := unix.SockFprog{Len: uint16(len(f)), Filter: &f[0]}
	return step("filter", unix.SetsockoptSockFprog(s.fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &fp))
}

// join makes the socket a member of a fanout group. An id of 0 makes a new group. The group's id is returned.
func (s *socket) join(o *Options, id uint16) (uint16, error) {
	var typ int
	switch o.Cluster {
	case ClusterFlow:
		typ = unix.PACKET_FANOUT_HASH
		if !o.NoDefrag && o.CopyTo == "" { // a whole datagram may be too long to be sent on
			typ |= unix.PACKET_FANOUT_FLAG_DEFRAG
		}
	case ClusterQueue:
		typ = unix.PACKET_FANOUT_QM
	case ClusterEBPF:
		typ = unix.PACKET_FANOUT_EBPF
	case ClusterCPU:
		typ = unix.PACKET_FANOUT_CPU
	case ClusterRandom:
		typ = unix.PACKET_FANOUT_RND
	case ClusterRoundRobin:
		typ = unix.PACKET_FANOUT_LB
	}
	// A group has a switch of its own; what its sockets were told does not count. Without it a copied frame comes back for ever.
	if o.IgnoreOutgoing || o.CopyTo != "" || s.dev.loopback {
		typ |= unix.PACKET_FANOUT_FLAG_IGNORE_OUTGOING
	}
	if id == 0 {
		typ |= unix.PACKET_FANOUT_FLAG_UNIQUEID
	}
	// The upper bit of the type is the sign of the integer that the option is.
	if err := unix.SetsockoptInt(s.fd, unix.SOL_PACKET, unix.PACKET_FANOUT, int(int32(uint32(typ)<<16|uint32(id)))); err != nil {
		return 0, step(fmt.Sprintf("joining cluster %d (%v)", id, o.Cluster), err)
	}
	if o.Cluster == ClusterEBPF {
		if err := unix.SetsockoptInt(s.fd, unix.SOL_PACKET, unix.PACKET_FANOUT_DATA, o.FanoutProgram); err != nil {
			return 0, step("cluster program", err)
		}
	}
	if id != 0 {
		return id, nil
	}
	v, err := unix.GetsockoptInt(s.fd, unix.SOL_PACKET, unix.PACKET_FANOUT)
	return uint16(v), step("cluster id", err)
}

// start lets packets in.
func (s *socket) start(o *Options) error {
	if prog := o.filter(); prog != nil {
		return s.attach(prog)
	}
	return step("filter", unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_DETACH_FILTER, 0))
}

// drops returns how many packets the kernel has lost since the last call.
func (s *socket) drops() uint64 {
	st, err := unix.GetsockoptTpacketStatsV3(s.fd, unix.SOL_PACKET, unix.PACKET_STATISTICS)
	if err != nil {
		return 0
	}
	return uint64(st.Drops)
}

func (s *socket) close() error {
	var err error
	if s.mem != nil {
		err = unix.Munmap(s.mem)
		s.mem = nil
	}
	return errors.Join(err, unix.Close(s.fd))
}
