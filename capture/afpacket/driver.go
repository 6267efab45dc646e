package afpacket

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"sentinel/capture"
	"sentinel/capture/filter"
)

// Driver is the way of capturing that the command line and the configuration call af-packet.
var Driver = capture.Driver{
	Name: "af-packet", Section: "af-packet", Doc: "Linux interfaces, through rings that the kernel fills", Inline: capture.CopiesInline,
	Checksums: func(t *capture.Target) bool { return t.Get("checksum-checks").Str("kernel") != "auto" },
	Open: func(t *capture.Target) ([]capture.Source, error) {
		o, err := Configure(t)
		if err != nil {
			return nil, err
		}
		return Open(o)
	},
}

// keys reads a target's settings and gathers what is wrong with them.
type keys struct {
	*capture.Target
	errs []error
}

func (k *keys) fail(err error) {
	if err != nil {
		k.errs = append(k.errs, err)
	}
}

func (k *keys) number(key string, high int64) int64 {
	v, err := k.Int(key, 0, 0, high)
	k.fail(err)
	return v
}

// size reads a size that is a multiple of unit.
func (k *keys) size(key string, high uint64, unit int) int {
	n := k.Get(key)
	if v, _ := n.Value(); v == "" {
		return 0
	}
	size, err := n.SizeMax(0, high)
	k.fail(err)
	if err == nil && size%uint64(unit) != 0 {
		k.fail(fmt.Errorf("%s: %s must be a multiple of %d bytes, the size of a page", n.Pos(), key, unit))
	}
	return int(size)
}

func (k *keys) bool(key string, def bool) bool {
	v, err := k.Get(key).StrictBool(def)
	k.fail(err)
	return v
}

// warn says that a key has no effect, if it is there.
func (k *keys) warn(key, why string) {
	if n := k.Get(key); n.Exists() && !n.IsFalse() && k.Log != nil {
		k.Log.Warnf("%s: %s has no effect: %s", n.Pos(), key, why)
	}
}

// Configure reads how a target is to be captured from. The error joins all that is wrong.
func Configure(t *capture.Target) (Options, error) {
	k := &keys{Target: t}
	page := os.Getpagesize()
	o := Options{Interface: t.Name, Index: t.Index, Log: t.Log, Promisc: !k.bool("disable-promisc", false),
		Locked: k.bool("mmap-locked", false), Flush: k.bool("use-emergency-flush", false), HardwareTime: k.bool("enable-hwtimestamp", false)}
	o.ClusterID = uint16(k.number("cluster-id", 65535))
	var err error
	if n := t.Get("cluster-type"); n.Str("") != "" {
		if o.Cluster, err = ParseCluster(n.Str("")); err != nil {
			k.fail(fmt.Errorf("%s: %w", n.Pos(), err))
		} else if n.Str("") == "cluster_rollover" && t.Log != nil {
			t.Log.Warnf("%s: cluster_rollover would bring packets of one flow to different threads: cluster_flow is used", n.Pos())
		}
	}
	auto := *t
	if o.Cluster == ClusterQueue { // one for each queue: fewer would get several, more would get nothing
		auto.Auto = Queues(t.Name)
	}
	o.Threads, err = auto.Threads(maxThreads)
	k.fail(err)

	mode, to, err := t.CopyMode()
	k.fail(err)
	o.Tap = mode == "tap"
	if o.CopyTo = to; to != "" && to == t.Name {
		k.fail(fmt.Errorf("%s: copy-iface and interface are both %s: an interface cannot be copied to itself", t.Get("copy-iface").Pos(), to))
	}
	if mode == "none" && t.Log != nil && t.Get("copy-iface").Str("") != "" {
		t.Log.Warnf("%s: copy-iface has no effect without copy-mode", t.Get("copy-iface").Pos())
	}
	o.NoDefrag = !k.bool("defrag", to == "")
	if to != "" && !o.NoDefrag && t.Log != nil {
		t.Log.Warnf("%s: defrag has no effect when frames are copied: whole datagrams would not fit on the other side", t.Get("defrag").Pos())
	}
	k.ring(&o, page)
	o.Checksums = k.checksums()
	off, err := DisableOffloading(t)
	k.fail(err)
	if off {
		o.Offloads = OffloadsJoining
	}
	o.FanoutFile, o.FilterFile = t.Get("ebpf-lb-file").Str(""), t.Get("ebpf-filter-file").Str("")
	if o.FanoutFile != "" && o.Cluster != ClusterEBPF {
		k.warn("ebpf-lb-file", "it is for cluster-type cluster_ebpf")
		o.FanoutFile = ""
	}
	if o.Filter = t.FilterText(); o.Filter != "" {
		if _, err = filter.Kernel(o.Filter); err != nil {
			k.fail(fmt.Errorf("%sbpf-filter of %s: %w", k.at("bpf-filter"), t.Name, err))
		}
		if o.FilterFile != "" {
			k.warn("ebpf-filter-file", "bpf-filter is used")
			o.FilterFile = ""
		}
	}
	k.warn("rollover", "it would bring packets of one flow to different threads")
	return o, errors.Join(k.errs...)
}

// DisableOffloading reports whether features of cards that join packets are to be switched off, which they are by default.
func DisableOffloading(t *capture.Target) (bool, error) {
	return t.Root.Get("capture.disable-offloading").StrictBool(true)
}

// at is where a key of the target is, for an error; empty if the value comes from elsewhere.
func (k *keys) at(key string) string {
	if n := k.Get(key); n.Exists() && k.Target.Filter == "" {
		return n.Pos() + ": "
	}
	return ""
}

// ring reads how packets come from the kernel.
func (k *keys) ring(o *Options, page int) {
	switch v3 := k.Get("tpacket-v3"); {
	case !k.bool("use-mmap", true):
		o.Ring = Plain
	case v3.Exists() && !k.bool("tpacket-v3", true), !v3.Exists() && o.CopyTo != "":
		o.Ring = Slots
	default:
		o.Ring = Blocks
	}
	o.Packets = int(k.number("ring-size", maxPackets))
	v3, v2 := k.size("block-size", maxBlockSize, page), k.size("v2-block-size", maxBlockSize, page)
	if o.BlockSize = v3; o.Ring == Slots {
		o.BlockSize = v2
	}
	o.BlockTimeout = time.Duration(k.number("block-timeout", 60000)) * time.Millisecond
	o.Buffer = k.size("buffer-size", 1<<30, 1)
}

// checksums reads checksum-checks.
func (k *keys) checksums() Checksums {
	n := k.Get("checksum-checks")
	switch v := strings.ToLower(n.Str("kernel")); {
	case v == "kernel" || v == "":
		return ChecksumsKernel
	case v == "auto":
		return ChecksumsAuto
	case n.IsFalse():
		return ChecksumsNo
	case n.Bool(false):
		return ChecksumsYes
	default:
		k.fail(fmt.Errorf("%s: unknown checksum-checks %q: use kernel, auto, yes or no", n.Pos(), v))
	}
	return ChecksumsKernel
}
