package afxdp

import (
	"errors"
	"fmt"
	"time"

	"sentinel/capture"
	"sentinel/capture/filter"
)

// Driver is the way of capturing that the command line and the configuration call af-xdp.
var Driver = capture.Driver{
	Name: "af-xdp", Section: "af-xdp", Doc: "Linux interfaces, through XDP sockets that the driver feeds", Inline: capture.CopiesInline,
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
	number := func(key string, def, high int64) int64 {
		v, err := t.Int(key, def, 0, high)
		fail(err)
		return v
	}
	o := Options{
		Interface: t.Name, Index: t.Index, Log: t.Log, Promisc: !t.Get("disable-promisc").Bool(false),
		Unaligned: t.Get("mem-unaligned").Bool(false), BusyPoll: t.Get("enable-busy-poll").Bool(true),
	}
	var err error
	o.Threads, err = t.Threads(maxThreads)
	fail(err)
	if n := t.Get("force-xdp-mode"); n.Exists() {
		if o.XDP, err = ParseXDPMode(n.Str("")); err != nil {
			fail(fmt.Errorf("%s: %w", n.Pos(), err))
		}
	}
	if n := t.Get("force-bind-mode"); n.Exists() {
		if o.Bind, err = ParseBindMode(n.Str("")); err != nil {
			fail(fmt.Errorf("%s: %w", n.Pos(), err))
		}
	}
	o.BusyPollTime = time.Duration(number("busy-poll-time", int64(defaultBusyPollTime/time.Microsecond), 1e6)) * time.Microsecond
	o.BusyPollBudget = int(number("busy-poll-budget", defaultBusyPollBudget, 65535))
	o.FlushTimeout = time.Duration(number("gro-flush-timeout", int64(defaultFlushTimeout), 10e9))
	o.DeferHardIRQ = int(number("napi-defer-hard-irq", defaultDeferHardIRQ, 1<<20))
	n := t.Get("checksum-checks")
	switch v := n.Str("auto"); v {
	case "", "auto", "yes", "true", "kernel":
	case "no", "false":
		o.NoChecksum = true
	default:
		fail(fmt.Errorf("%s: unknown checksum-checks %q: use auto, yes or no", n.Pos(), v))
	}
	_, o.CopyTo, err = t.CopyMode()
	fail(err)
	if o.Filter = t.FilterText(); o.Filter != "" {
		if _, err := filter.Parse(o.Filter); err != nil {
			fail(fmt.Errorf("bpf-filter of %s: %w", t.Name, err))
		}
	}
	return o, errors.Join(errs...)
}
