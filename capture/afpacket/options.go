package afpacket

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/net/bpf"

	"sentinel/capture"
)

// Options of a capture. Only Interface is required.
type Options struct {
	Interface string // by its name; Any with Cooked stands for all of the machine
	Index     uint16 // goes into Frame.Iface
	Threads   int    // sources to open; 1 if zero

	// Cluster says how the kernel shares packets out among the sources.
	Cluster Cluster
	// ClusterID joins several processes into one group. The kernel chooses a free one if it is zero.
	ClusterID uint16
	// NoDefrag leaves IP fragments as they are. By default ClusterFlow has the kernel put datagrams together first, so
	// that all their fragments go to the worker of their flow.
	NoDefrag bool
	// FanoutFile is an object file with a program for ClusterEBPF in its section "loadbalancer". Our own is loaded without.
	FanoutFile string
	// FilterFile is an object file with a socket filter in its section "filter". BPF and Filter are not used then.
	FilterFile string

	// Ring is how packets come from the kernel: by default in blocks, and one by one when CopyTo is set.
	Ring Ring
	// Packets is how many packets of full length a ring is to hold, in place of Blocks; 0 = Blocks says so, and 8192 of
	// Slots.
	Packets      int
	BlockSize    int           // bytes of a block of the ring, a multiple of a page; 128 KiB if zero
	Blocks       int           // blocks of a ring; 256 if zero
	BlockTimeout time.Duration // after which a block that is not full is handed over; 10 ms if zero
	Locked       bool          // keep the ring in memory
	Buffer       int           // bytes of the socket's receive buffer, for Plain and for frames longer than a slot; 0 = 16 MiB
	// Flush throws away what is in the ring, uninspected, when the kernel says that it loses packets.
	Flush bool

	Promisc bool
	SnapLen int                  // cut packets to so many bytes; 0 does not
	Filter  string               // for the kernel, in the language of tcpdump; empty lets everything pass
	BPF     []bpf.RawInstruction // the same as a program, for the interface's link type; instead of Filter
	// IgnoreOutgoing leaves out what this host sends. It is implied by CopyTo and on loopback interfaces, which would
	// show each packet twice.
	IgnoreOutgoing bool
	// Cooked has frames of interfaces without Ethernet or plain IP begin with a pseudo header that says what they are
	// (LINUX_SLL), as libpcap does. Without, only the IP packets in them are lent.
	Cooked bool

	Checksums Checksums
	// HardwareTime asks the card for timestamps. The kernel's are used where it has none.
	HardwareTime bool
	// Offloads says what to do about a card that joins segments: nothing, or which of its features to switch off until the last
	// source is closed.
	Offloads Offloads

	// CopyTo makes the sources inline: frames whose verdict is not Drop are sent on this interface. What Filter keeps out
	// is not sent on either. NoDefrag and IgnoreOutgoing are implied.
	CopyTo string
	// Tap sends all frames on, whatever their verdict is.
	Tap bool

	// Log is told what was got; it may be nil.
	Log capture.Log
}

// Any is the name that stands for all interfaces.
const Any = "any"

// Ring is a way in which packets come from the kernel.
type Ring uint8

// The rings. Blocks cost least; a packet waits until its block is full or BlockTimeout is over. Slots hand each packet over
// at once. Plain has no ring: packets are copied out of the socket.
const (
	RingAuto Ring = iota
	Blocks        // TPACKET_V3
	Slots         // TPACKET_V2
	Plain         // recvmmsg
)

// String returns the name of the kernel's interface.
func (r Ring) String() string {
	switch r {
	case Blocks:
		return "TPACKET_V3"
	case Slots:
		return "TPACKET_V2"
	case Plain:
		return "plain socket"
	}
	return "auto"
}

// Checksums says whose word on checksums counts.
type Checksums uint8

// The modes, named as in checksum-checks.
const (
	ChecksumsKernel Checksums = iota // frames are marked as the kernel marks them
	ChecksumsAuto                    // the same, and the engine looks whether all are wrong
	ChecksumsYes                     // no frame is marked
	ChecksumsNo                      // all are marked as right
)

// Offloads are features of a card that change frames before they are captured.
type Offloads uint8

// What can be done about them.
const (
	OffloadsLeave   Offloads = 0         // only say what is on
	OffloadsJoining Offloads = 1 << iota // switch off GRO, LRO, TSO, GSO and SG
	OffloadsSums                         // and checksums
)

// Cluster is a way of sharing packets out, named as in af-packet's cluster-type.
type Cluster uint8

// The cluster types. Only the first three keep both directions of a flow together, ClusterQueue if the card does.
const (
	ClusterFlow       Cluster = iota // by a symmetric hash of the flow
	ClusterQueue                     // by the card's receive queue
	ClusterEBPF                      // by a program
	ClusterCPU                       // by the CPU that handled the interrupt
	ClusterRandom                    // at random
	ClusterRoundRobin                // in turn
)

var clusterNames = [...]string{"cluster_flow", "cluster_qm", "cluster_ebpf", "cluster_cpu", "cluster_random", "cluster_round_robin"}

// String returns the name as it is in the configuration.
func (c Cluster) String() string {
	if int(c) < len(clusterNames) {
		return clusterNames[c]
	}
	return "unknown"
}

// ParseCluster reads a cluster-type. The obsolete cluster_rollover is taken for cluster_flow.
func ParseCluster(name string) (Cluster, error) {
	if name == "cluster_rollover" {
		return ClusterFlow, nil
	}
	for i, n := range clusterNames {
		if n == name {
			return Cluster(i), nil
		}
	}
	return 0, fmt.Errorf("cluster-type %q is not known: use cluster_flow, cluster_qm, cluster_cpu or cluster_ebpf", name)
}

// A block that is not full is handed over at its time-out: when packets are few, it is the number of blocks that decides how long the
// engine may be held up before some are lost, 2.5 seconds with these. A block must hold what the kernel has merged to 64 KiB.
const (
	defaultBlockSize = 128 << 10
	defaultBlocks    = 256
	defaultSlots     = 8192
	defaultTimeout   = 10 * time.Millisecond
	defaultBuffer    = 16 << 20
	maxThreads       = 1024
	maxBlockSize     = 64 << 20
	maxBlocks        = 1 << 16
	maxPackets       = 1 << 24
	maxRing          = 1<<31 - 1 // bytes of one
)

// complete fills in the defaults and checks the rest.
func (o *Options) complete(page int) error {
	if o.Threads == 0 {
		o.Threads = 1
	}
	if o.Ring == RingAuto {
		o.Ring = Blocks
		if o.CopyTo != "" {
			o.Ring = Slots
		}
	}
	if o.BlockSize == 0 {
		o.BlockSize = defaultBlockSize
	}
	if o.Blocks == 0 {
		o.Blocks = defaultBlocks
	}
	if o.BlockTimeout == 0 {
		o.BlockTimeout = defaultTimeout
	}
	if o.Buffer == 0 {
		o.Buffer = defaultBuffer
	}
	if o.CopyTo != "" {
		o.IgnoreOutgoing = true
	}
	switch {
	case o.Interface == "":
		return errors.New("no interface is named")
	case o.Threads < 0 || o.Threads > maxThreads:
		return fmt.Errorf("%d threads are not between 1 and %d", o.Threads, maxThreads)
	case o.BlockSize < page || o.BlockSize > maxBlockSize || o.BlockSize%page != 0:
		return fmt.Errorf("block size %d is not a multiple of %d up to %d", o.BlockSize, page, maxBlockSize)
	case o.Blocks < 2 || o.Blocks > maxBlocks:
		return fmt.Errorf("%d blocks are not between 2 and %d", o.Blocks, maxBlocks)
	case o.Packets < 0 || o.Packets > maxPackets:
		return fmt.Errorf("%d packets are not between 1 and %d", o.Packets, maxPackets)
	case o.Buffer < 0 || o.Buffer > 1<<30:
		return fmt.Errorf("buffer size %d is not between 1 and %d", o.Buffer, 1<<30)
	case o.BlockTimeout < time.Millisecond || o.BlockTimeout > time.Minute:
		return fmt.Errorf("block timeout %v is not between 1ms and 1m", o.BlockTimeout)
	case int(o.Cluster) >= len(clusterNames):
		return fmt.Errorf("cluster type %d is not known", o.Cluster)
	case o.CopyTo == o.Interface:
		return errors.New("an interface cannot be copied to itself")
	case o.CopyTo != "" && o.Interface == Any && o.Cooked:
		return errors.New("all interfaces cannot be copied to one")
	case o.SnapLen > 0 && o.CopyTo != "":
		return errors.New("a bridge must not cut packets to a snapshot length")
	case o.SnapLen < 0:
		return fmt.Errorf("snapshot length %d is negative", o.SnapLen)
	}
	return nil
}

// cut returns the program to attach, or nil: one that was asked for, with its results cut to SnapLen.
func (o *Options) cut(asked []bpf.RawInstruction) []bpf.RawInstruction {
	const retConstant = 0x06
	snap := uint32(o.SnapLen)
	if len(asked) == 0 {
		if snap == 0 {
			return nil
		}
		return []bpf.RawInstruction{{Op: retConstant, K: snap}}
	}
	prog := append([]bpf.RawInstruction(nil), asked...)
	for i := range prog {
		if snap != 0 && prog[i].Op == retConstant && prog[i].K > snap {
			prog[i].K = snap
		}
	}
	return prog
}

// silent is the log of those who have none.
type silent struct{}

func (silent) Infof(string, ...any) {}
func (silent) Warnf(string, ...any) {}

func (o *Options) log() capture.Log {
	if o.Log == nil {
		return silent{}
	}
	return o.Log
}
