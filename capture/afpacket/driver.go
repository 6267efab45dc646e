package afpacket

import (
	"errors"
	"fmt"
	"os"
	"time"

	"sentinel/capture"
	"sentinel/capture/filter"
)

// Driver is the way of capturing that the command line and the configuration call af-packet.
var Driver = capture.Driver{
	Name: "af-packet", Section: "af-packet", Doc: "Linux interfaces, through rings that the kernel fills", Inline: capture.CopiesInline,
	Open: func(t *capture.Target) ([]capture.Source, error) {
		o, err := Configure(t)
		if err != nil {
			return nil, err
		}
		return Open(o)
	},
}

// Configure reads how a target is to be captured from. The error joins all that is wrong.
func Configure(t *capture.Target) (Options, error) {
	var errs []error
	fail := func(err error) {
		if err != nil {
			errs = append(errs, err)
		}
	}
	number := func(key string, high int64) int64 {
		v, err := t.Int(key, 0, 0, high)
		fail(err)
		return v
	}
	o := Options{Interface: t.Name, Index: t.Index, Promisc: !t.Get("disable-promisc").Bool(false), NoDefrag: !t.Get("defrag").Bool(true)}
	var err error
	o.Threads, err = t.Threads(maxThreads)
	fail(err)
	o.ClusterID = uint16(number("cluster-id", 65535))
	if n := t.Get("cluster-type"); n.Str("") != "" {
		if o.Cluster, err = ParseCluster(n.Str("")); err != nil {
			fail(fmt.Errorf("%s: %w", n.Pos(), err))
		}
	}
	if n := t.Get("block-size"); n.Exists() {
		size, err := n.SizeMax(0, 1<<30)
		fail(err)
		o.BlockSize = int(size)
		if page := os.Getpagesize(); o.BlockSize != 0 && (o.BlockSize < page || o.BlockSize&(o.BlockSize-1) != 0) {
			fail(fmt.Errorf("%s: block-size must be a power of two of at least %d bytes", n.Pos(), page))
		}
	}
	// ring-size is in packets of full length.
	if ring := number("ring-size", 1<<24); ring > 0 {
		size := o.BlockSize
		if size == 0 {
			size = defaultBlockSize
		}
		o.Blocks = max(int(ring)*1600/size, 4)
	}
	o.BlockTimeout = time.Duration(number("block-timeout", 60000)) * time.Millisecond
	_, o.CopyTo, err = t.CopyMode()
	fail(err)
	if text := t.FilterText(); text != "" {
		if o.BPF, err = filter.Kernel(text); err != nil {
			fail(fmt.Errorf("bpf-filter of %s: %w", t.Name, err))
		}
	}
	return o, errors.Join(errs...)
}
