package pcaplive

import (
	"errors"
	"fmt"
	"strings"

	"sentinel/capture"
	"sentinel/capture/afpacket"
	"sentinel/capture/filter"
)

// Driver is the way of capturing that the command line and the configuration call pcap.
var Driver = capture.Driver{
	Name: "pcap", Section: "pcap", Doc: "Linux interfaces of any type, also " + afpacket.Any + " for all",
	Checksums: func(t *capture.Target) bool { return t.Get("checksum-checks").IsTrue() },
	Open: func(t *capture.Target) ([]capture.Source, error) {
		o, err := Configure(t)
		if err != nil {
			return nil, err
		}
		return afpacket.Open(o)
	},
}

const (
	maxThreads = 1024
	blockSize  = 256 << 10
	minBlocks  = 4
	maxBuffer  = 1 << 31
	maxSnapLen = 1 << 18
)

// Configure reads how a target is to be captured from. The error joins all that is wrong.
func Configure(t *capture.Target) (afpacket.Options, error) {
	var errs []error
	fail := func(err error) {
		if err != nil {
			errs = append(errs, err)
		}
	}
	promisc, err := t.Get("promisc").StrictBool(true)
	fail(err)
	o := afpacket.Options{Interface: t.Name, Index: t.Index, Log: t.Log, Promisc: promisc, Cooked: true, BlockSize: blockSize}

	one := *t
	one.Auto = 1
	o.Threads, err = one.Threads(maxThreads)
	fail(err)
	// Several sources share packets out; the fragments of a datagram stay with its flow.
	o.NoDefrag = o.Threads == 1

	// buffer-size is all memory of a ring. Suricata's command line sets it for the section as a whole.
	n := t.Get("buffer-size")
	if s := t.Root.Get("pcap.buffer-size"); s.Exists() {
		n = s
	}
	if v, _ := n.Value(); v != "" {
		size, err := n.SizeMax(0, maxBuffer)
		fail(err)
		o.Blocks = max(int(size/blockSize), minBlocks)
		if size == 0 {
			o.Blocks = 0
		}
	}
	// A negative length, and one that no frame reaches, does not cut.
	snap, err := t.Get("snaplen").Int(0)
	fail(err)
	if snap > 0 && snap < maxSnapLen {
		o.SnapLen = int(snap)
	}
	o.Checksums, err = checksums(t)
	fail(err)
	off, err := afpacket.DisableOffloading(t)
	fail(err)
	if off {
		o.Offloads = afpacket.OffloadsJoining | afpacket.OffloadsSums
	}
	if o.Filter = t.FilterText(); o.Filter != "" {
		if _, err := filter.Kernel(o.Filter); err != nil {
			at := ""
			if n := t.Get("bpf-filter"); n.Exists() && t.Filter == "" {
				at = n.Pos() + ": "
			}
			fail(fmt.Errorf("%sbpf-filter of %s: %w", at, t.Name, err))
		}
	}
	return o, errors.Join(errs...)
}

// checksums reads checksum-checks.
func checksums(t *capture.Target) (afpacket.Checksums, error) {
	n := t.Get("checksum-checks")
	switch v := strings.ToLower(n.Str("auto")); {
	case v == "auto" || v == "":
		return afpacket.ChecksumsAuto, nil
	case n.IsFalse():
		return afpacket.ChecksumsNo, nil
	case n.IsTrue():
		return afpacket.ChecksumsYes, nil
	default:
		return 0, fmt.Errorf("%s: unknown checksum-checks %q: use auto, yes or no", n.Pos(), v)
	}
}
