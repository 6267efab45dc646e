package dpdk

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"sentinel/capture"
	"sentinel/internal/conf"
)

// Settings are an interface's element of dpdk.interfaces, with what "default" adds, before the port is asked for its limits.
type Settings struct {
	Name      string
	Threads   int // 0 = auto
	Interrupt bool
	Promisc   bool
	Multicast bool

	Checksums       bool // whether checksums are to be right at all
	ChecksumOffload bool // whether the card may say so
	VLANStrip       bool

	MTU         int
	LinkTimeout int    // seconds
	RSS         uint64 // hash functions; 0 = auto
	Mempool     int    // buffers of all queues together; 0 = auto
	Cache       int    // of a pool and thread; 0 = auto
	RxDesc      int    // 0 = auto
	TxDesc      int    // -1 = auto; 0 = none

	CopyMode string // none, tap or ips
	CopyTo   string

	at map[string]string // where each key was set
}

// Limits of what can be asked for, and defaults.
const (
	maxThreads     = 128
	minMTU         = 68
	maxMTU         = 9728 // of a jumbo frame
	defaultMTU     = 1500
	maxCache       = 512
	maxDescriptors = 1<<16 - 1
	maxMempool     = 1 << 28
)

// errAt is an error with the place in the configuration that it is about.
func (s *Settings) errAt(key, format string, args ...any) error {
	err := fmt.Errorf("dpdk interface %s: "+format, append([]any{s.Name}, args...)...)
	if at := s.at[key]; at != "" {
		return fmt.Errorf("%s: %w", at, err)
	}
	return err
}

// Configure reads the settings of a target. The error joins all that is wrong.
func Configure(t *capture.Target) (*Settings, error) {
	s := &Settings{Name: t.Name, at: map[string]string{}}
	var errs []error
	get := func(key string) (*conf.Node, string) {
		n := t.Get(key)
		v, _ := n.Value()
		if n.Exists() {
			s.at[key] = n.Pos()
		}
		return n, v
	}
	flag := func(key string, def bool) bool {
		n, _ := get(key)
		b, err := n.StrictBool(def)
		if err != nil {
			errs = append(errs, s.errAt(key, "%s: use yes or no", key))
		}
		return b
	}
	number := func(key string, auto, def, low, high int64) int {
		_, v := get(key)
		switch v {
		case "":
			return int(def)
		case "auto":
			if auto >= -1 {
				return int(auto)
			}
		}
		c, ok := conf.ParseInt(v)
		if !ok || c < low || c > high {
			or := ""
			if auto >= -1 {
				or = " or auto"
			}
			errs = append(errs, s.errAt(key, "%s: %q is not a number between %d and %d%s", key, v, low, high, or))
			return int(def)
		}
		return int(c)
	}
	const never = -2
	s.Threads = number("threads", 0, 0, 1, maxThreads)
	if t.One {
		s.Threads = 1
	}
	s.Interrupt = flag("interrupt-mode", false)
	s.Promisc = flag("promisc", true)
	s.Multicast = flag("multicast", true)
	s.Checksums = flag("checksum-checks", true)
	s.ChecksumOffload = flag("checksum-checks-offload", true)
	s.VLANStrip = flag("vlan-strip-offload", false)
	s.MTU = number("mtu", never, defaultMTU, minMTU, maxMTU)
	s.LinkTimeout = number("linkup-timeout", never, 0, 0, 65535)
	s.Mempool = number("mempool-size", 0, 0, 1, maxMempool)
	s.Cache = number("mempool-cache-size", 0, 0, 1, maxCache)
	s.RxDesc = number("rx-descriptors", 0, 0, 1, maxDescriptors)
	s.TxDesc = number("tx-descriptors", -1, -1, 0, maxDescriptors)
	if _, v := get("rss-hash-functions"); v != "" && v != "auto" {
		rss, err := strconv.ParseUint(v, 0, 64)
		if err != nil {
			errs = append(errs, s.errAt("rss-hash-functions", "rss-hash-functions: %q is not auto or a number such as 0x1a3c", v))
		}
		s.RSS = rss
	}
	get("copy-mode")
	get("copy-iface")
	mode, to, err := t.CopyMode()
	switch {
	case err != nil:
		errs = append(errs, err)
	case mode != "none" && (to == "none" || strings.TrimSpace(to) == ""):
		errs = append(errs, s.errAt("copy-mode", "copy-mode %s needs a copy-iface", mode))
	case mode != "none" && to == t.Name:
		errs = append(errs, s.errAt("copy-iface", "copy-iface is the interface itself"))
	}
	s.CopyMode, s.CopyTo = mode, to
	if mode != "none" && s.TxDesc == 0 {
		errs = append(errs, s.errAt("tx-descriptors", "copy-mode %s needs tx-descriptors", mode))
	}
	if len(errs) == 0 && mode != "none" {
		errs = append(errs, s.fits(t)...)
	}
	return s, errors.Join(errs...)
}

// fits says what keeps the interface and the one it copies to from being the two sides of one wire.
func (s *Settings) fits(t *capture.Target) (errs []error) {
	list := t.Root.Get("dpdk.interfaces")
	own, def := list.Interface(s.CopyTo)
	if own == nil {
		return []error{s.errAt("copy-iface", "the copy-iface %s is not among dpdk.interfaces: it is read too", s.CopyTo)}
	}
	peer := capture.Target{Name: s.CopyTo, Root: t.Root, Own: own, Shared: def}
	if to := peer.Get("copy-iface").Str(""); to != s.Name {
		errs = append(errs, s.errAt("copy-iface", "the copy-iface of %s is %q and not %s", s.CopyTo, to, s.Name))
	}
	for _, key := range []string{"copy-mode", "threads", "mtu"} {
		def := map[string]string{"copy-mode": "none", "threads": "auto", "mtu": strconv.Itoa(defaultMTU)}[key]
		a, b := t.Get(key).Str(def), peer.Get(key).Str(def)
		if key == "threads" && t.One {
			continue
		}
		if a != b {
			if n := peer.Get(key); s.at[key] == "" && n.Exists() {
				s.at[key] = n.Pos()
			}
			errs = append(errs, s.errAt(key, "%s is %s here and %s at the copy-iface %s: they must be equal", key, a, b, s.CopyTo))
		}
	}
	return errs
}
