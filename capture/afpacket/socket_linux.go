package afpacket

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"sentinel/capture"
	"sentinel/capture/filter"
)

// socket is a packet socket with its memory.
type socket struct {
	fd  int
	dev device
	form
	rx   receiver
	size string // what memory it has got, for the log

	arrived uint64 // packets that the kernel counted, without those that it lost
	took    uint64 // of these, those that were read
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
	s.raw, s.cooked = dev.raw, dev.cooked
	s.vnet = o.CopyTo != "" && !dev.raw
	s.sums = trusted(o.Checksums)
	if err := s.setup(o); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// trusted are the bits of a frame's status which say that its checksum need not be looked at. One that is not computed yet
// belongs to a packet that this host or a neighbour in the same machine sends: it is right when it leaves.
func trusted(c Checksums) uint32 {
	switch {
	case c == ChecksumsYes:
		return 0
	case kernelMajor() < 6:
		// Older kernels say that a checksum is valid when the card has only computed it: whoever sends wrong ones on purpose
		// would have them believed.
		return unix.TP_STATUS_CSUMNOTREADY
	}
	return unix.TP_STATUS_CSUMNOTREADY | unix.TP_STATUS_CSUM_VALID
}

func kernelMajor() int {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return 0
	}
	n := 0
	for _, c := range u.Release {
		if c < '0' || c > '9' {
			break
		}
		n = n*10 + int(c-'0')
	}
	return n
}

func (s *socket) set(what string, option, value int) error {
	return step(what, unix.SetsockoptInt(s.fd, unix.SOL_PACKET, option, value))
}

func (s *socket) setup(o *Options) error {
	if s.vnet {
		if err := s.set("virtio headers", unix.PACKET_VNET_HDR, 1); err != nil {
			return err
		}
	}
	if unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, o.Buffer) != nil {
		_ = unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_RCVBUF, o.Buffer)
	}
	if o.HardwareTime {
		if err := s.set("hardware timestamps", unix.PACKET_TIMESTAMP, unix.SOF_TIMESTAMPING_RAW_HARDWARE); err != nil {
			return err
		}
	}
	var err error
	switch o.Ring {
	case Slots:
		err = s.slots(o)
	case Plain:
		err = s.plain(o)
	default:
		err = s.blocks(o)
	}
	if err != nil {
		return err
	}
	if err := s.attach([]bpf.RawInstruction{{Op: 0x06, K: 0}}); err != nil {
		return err
	}
	if o.IgnoreOutgoing || s.dev.loopback {
		if err := s.set("ignoring outgoing packets", unix.PACKET_IGNORE_OUTGOING, 1); err != nil {
			return err
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

func (s *socket) mmap(o *Options, size int) ([]byte, error) {
	if size > maxRing {
		return nil, fmt.Errorf("a ring of %d MiB is too large", size>>20)
	}
	flags := unix.MAP_SHARED
	if o.Locked {
		flags |= unix.MAP_LOCKED
	}
	mem, err := unix.Mmap(s.fd, 0, size, unix.PROT_READ|unix.PROT_WRITE, flags)
	if err != nil && o.Locked && (err == unix.EAGAIN || err == unix.EPERM) {
		return nil, fmt.Errorf("mapping the ring: mmap-locked needs the capability CAP_IPC_LOCK or a higher limit (ulimit -l): %w", err)
	}
	return mem, step("mapping the ring", err)
}

// blocks makes a ring of TPACKET_V3.
func (s *socket) blocks(o *Options) error {
	const frame = 2048 // nominal: the ring packs frames of any length
	if err := s.set("TPACKET_V3", unix.PACKET_VERSION, unix.TPACKET_V3); err != nil {
		return err
	}
	n := o.Blocks
	if o.Packets > 0 {
		per := max(o.BlockSize/(min(s.dev.mtu, 1<<16)+slotRoom), 1)
		n = min(max(o.Packets/per+1, 4), maxBlocks)
	}
	req := unix.TpacketReq3{
		Block_size:     uint32(o.BlockSize),
		Block_nr:       uint32(n),
		Frame_size:     frame,
		Frame_nr:       uint32(o.BlockSize / frame * n),
		Retire_blk_tov: uint32(o.BlockTimeout / time.Millisecond),
	}
	if err := unix.SetsockoptTpacketReq3(s.fd, unix.SOL_PACKET, unix.PACKET_RX_RING, &req); err != nil {
		return step("ring", err)
	}
	mem, err := s.mmap(o, o.BlockSize*n)
	if err != nil {
		return err
	}
	s.rx = newBlocks(&s.form, mem, o.BlockSize, n)
	s.size = fmt.Sprintf("%s, %d blocks of %d KiB (%d MiB), time-out %v", o.Ring, n, o.BlockSize>>10, len(mem)>>20, o.BlockTimeout)
	return nil
}

// slots makes a ring of TPACKET_V2.
func (s *socket) slots(o *Options) error {
	if err := s.set("TPACKET_V2", unix.PACKET_VERSION, unix.TPACKET_V2); err != nil {
		return err
	}
	packets := o.Packets
	if packets == 0 {
		packets = defaultSlots
	}
	block := 0
	if o.BlockSize != defaultBlockSize {
		block = o.BlockSize
	}
	size, blockSize, count, n := shape(s.dev.mtu, packets, block, unix.Getpagesize())
	if n > tokenSlot || blockSize*count > maxRing {
		return fmt.Errorf("a ring for %d packets of %d bytes is too large", n, size)
	}
	req := unix.TpacketReq{Block_size: uint32(blockSize), Block_nr: uint32(count), Frame_size: uint32(size), Frame_nr: uint32(n)}
	if err := unix.SetsockoptTpacketReq(s.fd, unix.SOL_PACKET, unix.PACKET_RX_RING, &req); err != nil {
		return step("ring", err)
	}
	if err := s.set("long frames", unix.PACKET_COPY_THRESH, size); err != nil {
		return err
	}
	mem, err := s.mmap(o, blockSize*count)
	if err != nil {
		return err
	}
	s.rx = newSlots(&s.form, s.fd, mem, size, blockSize, count)
	s.size = fmt.Sprintf("%s, %d slots of %d bytes (%d MiB)", o.Ring, n, size, len(mem)>>20)
	return nil
}

// plain asks for what else is to come with each packet.
func (s *socket) plain(o *Options) error {
	if err := s.set("auxiliary data", unix.PACKET_AUXDATA, 1); err != nil {
		return err
	}
	if err := unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1); err != nil {
		return step("timestamps", err)
	}
	p, err := newPlain(&s.form, s.fd)
	if err != nil {
		return err
	}
	s.rx = p
	got, _ := unix.GetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_RCVBUF)
	s.size = fmt.Sprintf("%s with a buffer of %d KiB", o.Ring, got>>10)
	return nil
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
func (s *socket) join(o *Options, id uint16, prog *program) (uint16, error) {
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
	err := unix.SetsockoptInt(s.fd, unix.SOL_PACKET, unix.PACKET_FANOUT, int(int32(uint32(typ)<<16|uint32(id))))
	switch {
	case id != 0 && (err == unix.EINVAL || err == unix.EALREADY):
		return 0, fmt.Errorf("cluster-id %d belongs to another interface, or to a group with another cluster-type or defrag: take a free one: %w", id, err)
	case err != nil:
		return 0, step(fmt.Sprintf("joining cluster %d (%v)", id, o.Cluster), err)
	}
	if prog != nil {
		if err := unix.SetsockoptInt(s.fd, unix.SOL_PACKET, unix.PACKET_FANOUT_DATA, prog.fd()); err != nil {
			return 0, step("program of cluster_ebpf", err)
		}
	}
	if id != 0 {
		return id, nil
	}
	v, err := unix.GetsockoptInt(s.fd, unix.SOL_PACKET, unix.PACKET_FANOUT)
	return uint16(v), step("cluster id", err)
}

// start lets packets in: those that the filter lets pass.
func (s *socket) start(o *Options, prog *program) error {
	if prog != nil {
		return step("ebpf-filter-file", unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_ATTACH_BPF, prog.fd()))
	}
	asked := o.BPF
	if o.Filter != "" {
		var err error
		if asked, err = compile(o.Filter, s.dev.raw); err != nil {
			return err
		}
	}
	if p := o.cut(asked); p != nil {
		return s.attach(p)
	}
	return step("filter", unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_DETACH_FILTER, 0))
}

// compile makes a program for the frames of a socket: on one that is raw they begin with the network header.
func compile(text string, raw bool) ([]bpf.RawInstruction, error) {
	if !raw {
		return filter.Kernel(text)
	}
	p, err := filter.Parse(text)
	if err != nil {
		return nil, err
	}
	return p.Compile(capture.LinkRaw)
}

// drops returns how many packets the kernel has lost since the last call.
func (s *socket) drops() uint64 {
	var packets, drops uint32 // the first with the second
	if _, ok := s.rx.(*blocks); ok {
		if st, err := unix.GetsockoptTpacketStatsV3(s.fd, unix.SOL_PACKET, unix.PACKET_STATISTICS); err == nil {
			packets, drops = st.Packets, st.Drops
		}
	} else if st, err := unix.GetsockoptTpacketStats(s.fd, unix.SOL_PACKET, unix.PACKET_STATISTICS); err == nil {
		packets, drops = st.Packets, st.Drops
	}
	s.arrived += uint64(packets - min(drops, packets))
	return uint64(drops)
}

// unread returns how many packets lie in the ring that nobody has read.
func (s *socket) unread() uint64 { return s.arrived - min(s.took, s.arrived) }

func (s *socket) close() error {
	var err error
	if s.rx != nil {
		err = s.rx.close()
		s.rx = nil
	}
	return errors.Join(err, unix.Close(s.fd))
}
