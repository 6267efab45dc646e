package sentinel

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"time"

	"golang.org/x/net/bpf"

	"sentinel/capture"
	"sentinel/capture/afpacket"
	"sentinel/capture/filter"
	"sentinel/internal/conf"
)

// Interfaces returns the names of the interfaces to capture from: arg, or with arg == all those that a section of the
// configuration such as af-packet lists. The element "default" only holds what others leave out.
func (e *Engine) Interfaces(section, arg, all string) ([]string, error) {
	if arg != all {
		return []string{arg}, nil
	}
	var names []string
	seen := map[string]bool{}
	for _, n := range e.tree.Get(section).Children() {
		name := n.Get("interface").Str("")
		if name == "" || name == "default" || seen[name] {
			continue
		}
		seen[name] = true
		names = append(names, name)
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("the configuration has no interface in its section %s: name one, as in --%s=eth0", section, section)
	}
	return names, nil
}

// AFPacketOptions reads how an interface is to be captured from through AF_PACKET: its own element of the section
// af-packet, then the element "default". An interface without an element is captured from with defaults.
func (e *Engine) AFPacketOptions(name string) (afpacket.Options, error) {
	own, def := e.tree.Get("af-packet").Interface(name)
	s := section{own: own, def: def}
	o := afpacket.Options{Interface: name, Promisc: !s.bool("disable-promisc", false), NoDefrag: !s.bool("defrag", true)}
	var err error
	if v := s.get("threads").Str("auto"); v != "auto" {
		o.Threads = int(s.int("threads", 1, 1, 1024))
	} else if o.Threads = e.opt.Workers; o.Threads <= 0 {
		o.Threads = runtime.GOMAXPROCS(0)
	}
	if e.opt.RunMode == "single" || e.opt.RunMode == "" && e.set.runmode == "single" {
		o.Threads = 1
	}
	o.ClusterID = uint16(s.int("cluster-id", 0, 0, 65535))
	if v := s.get("cluster-type").Str(""); v != "" {
		if o.Cluster, err = afpacket.ParseCluster(v); err != nil {
			s.errs = append(s.errs, fmt.Errorf("%s: %w", s.get("cluster-type").Pos(), err))
		}
	}
	if n := s.get("block-size"); n.Exists() {
		size, err := n.SizeMax(0, 1<<30)
		s.fail(err)
		o.BlockSize = int(size)
		if page := os.Getpagesize(); o.BlockSize != 0 && (o.BlockSize < page || o.BlockSize&(o.BlockSize-1) != 0) {
			s.fail(fmt.Errorf("%s: block-size must be a power of two of at least %d bytes", n.Pos(), page))
		}
	}
	// ring-size is in packets, of which a default block of 32 KiB holds 20 of full length.
	if ring := s.int("ring-size", 0, 0, 1<<24); ring > 0 {
		size := o.BlockSize
		if size == 0 {
			size = 256 << 10
		}
		o.Blocks = max(int(ring)*1600/size, 4)
	}
	o.BlockTimeout = time.Duration(s.int("block-timeout", 0, 0, 60000)) * time.Millisecond
	switch mode := s.get("copy-mode").Str("none"); mode {
	case "none":
	case "ips", "tap":
		if o.CopyTo = s.get("copy-iface").Str(""); o.CopyTo == "" {
			s.fail(fmt.Errorf("%s: copy-mode %s of %s needs copy-iface", s.get("copy-mode").Pos(), mode, name))
		}
	default:
		s.fail(fmt.Errorf("%s: unknown copy-mode %q: use ips, tap or none", s.get("copy-mode").Pos(), mode))
	}
	text := s.get("bpf-filter").Str("")
	if text == "" {
		text = e.tree.Get("bpf-filter").Str("")
	}
	if text != "" {
		if o.BPF, err = KernelFilter(text); err != nil {
			s.fail(fmt.Errorf("bpf-filter of %s: %w", name, err))
		}
	}
	return o, errors.Join(s.errs...)
}

// KernelFilter compiles a capture filter, in the language of tcpdump, for an Ethernet interface.
func KernelFilter(text string) ([]bpf.RawInstruction, error) {
	p, err := filter.Parse(text)
	if err != nil {
		return nil, err
	}
	if p.UsesVLAN() {
		return nil, errors.New("vlan cannot be used on an interface, where the kernel takes the tags out of the frames")
	}
	return p.Compile(capture.LinkEthernet)
}

// section is one interface's element of a list and the element for defaults.
type section struct {
	own, def *conf.Node
	errs     []error
}

func (s *section) get(key string) *conf.Node { return conf.First(key, s.own, s.def) }

func (s *section) bool(key string, def bool) bool { return s.get(key).Bool(def) }

func (s *section) int(key string, def, low, high int64) int64 {
	v, err := s.get(key).IntIn(def, low, high)
	s.fail(err)
	return v
}

func (s *section) fail(err error) {
	if err != nil {
		s.errs = append(s.errs, err)
	}
}
