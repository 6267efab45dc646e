package afxdp

import (
	"fmt"
	"time"
)

// Options say how to capture from an interface.
type Options struct {
	Interface string
	Index     uint16 // of the interface for Frame.Iface
	Threads   int    // sources; at most one for each receive queue; 0 = one
	Promisc   bool   // see frames that are for others
	CopyTo    string // forward to this interface; empty = passive

	XDP       XDPMode
	Bind      BindMode
	Unaligned bool // keep frames in huge pages, in chunks that need no alignment

	BusyPoll       bool          // poll the driver from the worker instead of being interrupted
	BusyPollTime   time.Duration // how long a waiting read polls
	BusyPollBudget int           // frames for each poll
	FlushTimeout   time.Duration // gro_flush_timeout of the interface while busy polling; 0 = leave it
	DeferHardIRQ   int           // napi_defer_hard_irqs of the interface while busy polling; 0 = leave it

	Filter     string // capture filter in the language of tcpdump; frames that it leaves out are forwarded, but not read
	NoChecksum bool   // say of all frames that their checksums are right

	Log Log

	frames   int  // for each queue; 0 = framesPerQueue; tests make it small
	separate bool // an inline pair has memory of its own at either side, as before Linux 5.10
}

// Log takes messages. capture.Log is one.
type Log interface {
	Infof(format string, args ...any)
	Warnf(format string, args ...any)
}

type silent struct{}

func (silent) Infof(string, ...any) {}
func (silent) Warnf(string, ...any) {}

// XDPMode is where the XDP program is to run: force-xdp-mode.
type XDPMode uint8

// The modes of the program.
const (
	XDPAny XDPMode = iota // in the driver, else in the stack
	XDPDriver
	XDPGeneric
)

// BindMode is how frames get into our memory: force-bind-mode.
type BindMode uint8

// The modes of the sockets.
const (
	BindAny  BindMode = iota // without a copy, else with one
	BindZero                 // the card writes into our memory
	BindCopy                 // the kernel copies
)

// ParseXDPMode reads a value of force-xdp-mode.
func ParseXDPMode(s string) (XDPMode, error) {
	switch s {
	case "", "none":
		return XDPAny, nil
	case "drv":
		return XDPDriver, nil
	case "skb":
		return XDPGeneric, nil
	}
	return 0, fmt.Errorf("unknown force-xdp-mode %q: use none, drv or skb", s)
}

// ParseBindMode reads a value of force-bind-mode.
func ParseBindMode(s string) (BindMode, error) {
	switch s {
	case "", "none":
		return BindAny, nil
	case "zero":
		return BindZero, nil
	case "copy":
		return BindCopy, nil
	}
	return 0, fmt.Errorf("unknown force-bind-mode %q: use none, zero or copy", s)
}

// Defaults of the section af-xdp.
const (
	defaultBusyPollTime   = 20 * time.Microsecond
	defaultBusyPollBudget = 64
	defaultFlushTimeout   = 2 * time.Millisecond
	defaultDeferHardIRQ   = 2
)

const (
	maxThreads = 1024
	// framesPerQueue is the number of chunks for each queue: 32 MiB in chunks of 2048 bytes. Where one source reads many queues each has
	// fewer, down to leastFrames.
	framesPerQueue = 16384
	leastFrames    = 2048
	smallChunk     = 2048
	bigChunk       = 4096
	// headroom is what the kernel keeps free before a frame (XDP_PACKET_HEADROOM).
	headroom = 256
	// linkBytes is how much longer than the MTU a frame may be: Ethernet, and two tags.
	linkBytes = 14 + 8
)

// complete fills in the defaults and checks the rest.
func (o *Options) complete() error {
	if o.Threads == 0 {
		o.Threads = 1
	}
	if o.Log == nil {
		o.Log = silent{}
	}
	switch {
	case o.Interface == "":
		return fmt.Errorf("no interface is named")
	case o.Interface == o.CopyTo:
		return fmt.Errorf("an interface is not copied to itself")
	case o.Threads < 0 || o.Threads > maxThreads:
		return fmt.Errorf("%d threads are not between 1 and %d", o.Threads, maxThreads)
	case o.XDP > XDPGeneric || o.Bind > BindCopy:
		return fmt.Errorf("unknown mode")
	}
	return nil
}

// framesFor returns the number of chunks for each of the queues that a source reads: a power of two.
func framesFor(queues int) int {
	n := framesPerQueue
	for ; queues > 2 && n > leastFrames; queues /= 2 {
		n /= 2
	}
	return n
}

// chunkFor returns the size of the chunks for frames of an interface with this MTU. Frames that are longer than a chunk come in
// several.
func chunkFor(mtu int) int {
	if mtu+linkBytes <= smallChunk-headroom {
		return smallChunk
	}
	return bigChunk
}
