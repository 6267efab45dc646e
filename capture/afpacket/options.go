package afpacket

import (
	"fmt"
	"time"

	"golang.org/x/net/bpf"
)

// Options of a capture. Only Interface is required.
type Options struct {
	Interface string
	Index     uint16 // goes into Frame.Iface
	Threads   int    // sources to open; 1 if zero

	// Cluster says how the kernel shares packets out among the sources.
	Cluster Cluster
	// ClusterID joins several processes into one group. The kernel chooses a free one if it is zero.
	ClusterID uint16
	// NoDefrag leaves IP fragments as they are. By default ClusterFlow has the kernel put datagrams together first, so
	// that all their fragments go to the worker of their flow.
	NoDefrag bool
	// FanoutProgram is the file descriptor of a loaded program for ClusterEBPF.
	FanoutProgram int

	BlockSize    int           // bytes of a block of the ring, a power of two of at least a page; 256 KiB if zero
	Blocks       int           // blocks of a ring; 64 if zero
	BlockTimeout time.Duration // after which a block that is not full is handed over; 8 ms if zero

	Promisc bool
	SnapLen int                  // cut packets to so many bytes; 0 does not
	BPF     []bpf.RawInstruction // filter for the kernel; empty lets everything pass
	// IgnoreOutgoing leaves out what this host sends. It is implied by CopyTo and on loopback interfaces, which would
	// show each packet twice.
	IgnoreOutgoing bool

	// CopyTo makes the sources inline: frames whose verdict is not Drop are sent on this interface. What BPF keeps out
	// is not sent on either. NoDefrag and IgnoreOutgoing are implied.
	CopyTo string
}

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
	return 0, fmt.Errorf("cluster-type %q is not known", name)
}

const (
	defaultBlockSize = 256 << 10
	defaultBlocks    = 64
	defaultTimeout   = 8 * time.Millisecond
	frameSize        = 2048 // nominal: the ring packs frames of any length
	maxThreads       = 1024
	maxBlockSize     = 64 << 20
	maxBlocks        = 1 << 16
)

// complete fills in the defaults and checks the rest.
func (o *Options) complete(page int) error {
	if o.Threads == 0 {
		o.Threads = 1
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
	switch {
	case o.Interface == "":
		return fmt.Errorf("no interface is named")
	case o.Threads < 0 || o.Threads > maxThreads:
		return fmt.Errorf("%d threads are not between 1 and %d", o.Threads, maxThreads)
	case o.BlockSize < page || o.BlockSize > maxBlockSize || o.BlockSize&(o.BlockSize-1) != 0:
		return fmt.Errorf("block size %d is not a power of two between %d and %d", o.BlockSize, page, maxBlockSize)
	case o.Blocks < 2 || o.Blocks > maxBlocks:
		return fmt.Errorf("%d blocks are not between 2 and %d", o.Blocks, maxBlocks)
	case o.BlockTimeout < time.Millisecond || o.BlockTimeout > time.Minute:
		return fmt.Errorf("block timeout %v is not between 1ms and 1m", o.BlockTimeout)
	case int(o.Cluster) >= len(clusterNames):
		return fmt.Errorf("cluster type %d is not known", o.Cluster)
	case o.SnapLen > 0 && o.CopyTo != "":
		return fmt.Errorf("a bridge must not cut packets to a snapshot length")
	case o.SnapLen < 0:
		return fmt.Errorf("snapshot length %d is negative", o.SnapLen)
	}
	return nil
}

// filter returns the program to attach, or nil: the caller's, with its results cut to SnapLen.
func (o *Options) filter() []bpf.RawInstruction {
	const retConstant = 0x06
	snap := uint32(o.SnapLen)
	if len(o.BPF) == 0 {
		if snap == 0 {
			return nil
		}
		return []bpf.RawInstruction{{Op: retConstant, K: snap}}
	}
	prog := append([]bpf.RawInstruction(nil), o.BPF...)
	for i := range prog {
		if snap != 0 && prog[i].Op == retConstant && prog[i].K > snap {
			prog[i].K = snap
		}
	}
	return prog
}
