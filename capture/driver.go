package capture

import (
	"fmt"

	"sentinel/internal/conf"
)

// A Driver is a way of getting frames, as the user knows it. The root package has the ordered list of them.
type Driver struct {
	Name    string // on the command line, in events and listings, such as af-packet
	Section string // of the configuration: a list whose elements have the key interface
	Doc     string // one sentence for listings
	Unnamed bool   // a target is no interface: events do not name it
	// Open opens the sources of one target: one for each queue that a worker is to read. Source number i of a target that
	// forwards to another one gets the same flows as source number i of that one; both are read by one worker.
	Open func(*Target) ([]Source, error)
	// Inline reports whether the target's frames are forwarded as the engine's verdicts say. It opens nothing.
	Inline func(*Target) bool
	// Checksums reports whether all checksums of the target's frames count but those that frames are marked with, so that the engine
	// does not find out by itself whether a card is still to compute them. nil = it does.
	Checksums func(*Target) bool
}

// A Target is what the user wants to capture from, and how.
type Target struct {
	Name   string     // an interface, a device or a queue, as the driver understands it
	Index  uint16     // of this target among all; goes into Frame.Iface
	Root   *conf.Node // the whole configuration
	Own    *conf.Node // the target's element of the driver's section; nil without one
	Shared *conf.Node // the element "default" of that section; nil without one
	// Auto is how many sources "threads: auto" stands for where the driver has no better reason, at least 1.
	Auto int
	// One limits the target to a single source (runmode single).
	One bool
	// Filter is the capture filter of the command line, in the language of tcpdump; empty = the configuration's.
	Filter string
	// Log takes what the user should know of how the target was opened.
	Log Log
}

// Log takes a driver's messages. Its methods may be called from any goroutine.
type Log interface {
	Infof(format string, args ...any)
	Warnf(format string, args ...any)
}

// Get returns the value of a key: of the target's own element, else of the one with the defaults. It is nil without either.
func (t *Target) Get(key string) *conf.Node { return conf.First(key, t.Own, t.Shared) }

// Int reads a number between low and high.
func (t *Target) Int(key string, def, low, high int64) (int64, error) {
	n := t.Get(key)
	if v, _ := n.Value(); v == "" {
		return def, nil
	}
	return n.IntIn(def, low, high)
}

// Threads returns how many sources the configuration asks for. "auto", or nothing, is Auto.
func (t *Target) Threads(limit int) (int, error) {
	n := t.Get("threads")
	v := n.Str("auto")
	switch {
	case t.One:
		return 1, nil
	case v == "auto" || v == "":
		return max(t.Auto, 1), nil
	}
	c, err := n.IntIn(1, 1, int64(limit))
	return int(c), err
}

// FilterText returns the capture filter for the target: the command line's, its own, or that of the whole configuration.
func (t *Target) FilterText() string {
	if t.Filter != "" {
		return t.Filter
	}
	if s := t.Get("bpf-filter").Str(""); s != "" {
		return s
	}
	return t.Root.Get("bpf-filter").Str("")
}

// CopyMode reads copy-mode and copy-iface. The mode is none, tap (all is forwarded) or ips (verdicts decide).
func (t *Target) CopyMode() (mode, to string, err error) {
	n := t.Get("copy-mode")
	switch mode = n.Str("none"); mode {
	case "none", "":
		return "none", "", nil
	case "ips", "tap":
		if to = t.Get("copy-iface").Str(""); to == "" {
			return mode, "", fmt.Errorf("%s: copy-mode %s of %s needs copy-iface", n.Pos(), mode, t.Name)
		}
		return mode, to, nil
	}
	return "none", "", fmt.Errorf("%s: unknown copy-mode %q: use ips, tap or none", n.Pos(), mode)
}

// CopiesInline reports copy-mode ips. It is the Inline of drivers that forward so.
func CopiesInline(t *Target) bool { return t.Get("copy-mode").Str("") == "ips" }
