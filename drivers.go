package sentinel

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/rs/zerolog"

	"sentinel/capture"
	"sentinel/capture/afpacket"
	"sentinel/capture/afxdp"
	"sentinel/capture/dpdk"
	"sentinel/capture/nfqueue"
	"sentinel/capture/pcaplive"
	"sentinel/internal/conf"
)

// drivers are the ways of capturing, in the order of listings.
var drivers = []capture.Driver{
	afpacket.Driver,
	pcaplive.Driver,
	afxdp.Driver,
	dpdk.Driver,
	nfqueue.Driver,
}

// Drivers lists the ways of capturing from a network.
func Drivers() []capture.Driver { return slices.Clone(drivers) }

// Selection says what to capture from.
type Selection struct {
	Driver string   // by its name
	Names  []string // interfaces or queues; empty = those that the driver's section of the configuration lists
	Filter string   // in the language of tcpdump, instead of the configuration's; empty = that one
}

func (s *Selection) driver() (*capture.Driver, error) {
	var names []string
	for i := range drivers {
		if drivers[i].Name == s.Driver {
			return &drivers[i], nil
		}
		names = append(names, drivers[i].Name)
	}
	return nil, fmt.Errorf("no way of capturing is called %q: there are %s", s.Driver, strings.Join(names, ", "))
}

// targets finds out what is to be captured from, and with which elements of the configuration.
func (s *Selection) targets(root *conf.Node) (*capture.Driver, []capture.Target, error) {
	d, err := s.driver()
	if err != nil {
		return nil, nil, err
	}
	section := root.Get(d.Section)
	names := s.Names
	if len(names) == 0 {
		for _, n := range section.Children() {
			if name := n.Get("interface").Str(""); name != "" && name != "default" && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	if len(names) == 0 {
		return nil, nil, fmt.Errorf("the configuration has no interface in its section %s: name one, as in --%s=eth0", d.Section, d.Name)
	}
	list := make([]capture.Target, len(names))
	for i, name := range names {
		t := capture.Target{Name: name, Index: uint16(i), Root: root, Filter: s.Filter, Auto: 1}
		t.Own, t.Shared = section.Interface(name)
		list[i] = t
	}
	return d, list, nil
}

// Inline reports whether frames of the selection are forwarded as verdicts say, so that the engine must run with Options.IPS.
func Inline(root *conf.Node, s Selection) bool {
	d, list, err := s.targets(root)
	if err != nil || d.Inline == nil {
		return false
	}
	for i := range list {
		if d.Inline(&list[i]) {
			return true
		}
	}
	return false
}

// Forwards reports whether frames of the selection go on to another interface, judged or not: then both directions of a flow come in
// on two interfaces, and must be one flow.
func Forwards(root *conf.Node, s Selection) bool {
	d, list, err := s.targets(root)
	if err != nil || d.Inline == nil {
		return false
	}
	for i := range list {
		if mode, _, err := list[i].CopyMode(); err == nil && mode != "none" {
			return true
		}
	}
	return false
}

// Open opens the sources of a selection, to Run them, and names their interfaces for events.
func (e *Engine) Open(s Selection) ([]capture.Source, error) {
	d, list, err := s.targets(e.tree.Root())
	if err != nil {
		return nil, err
	}
	var names []string
	var all []capture.Source
	var sides []side
	strict := e.set.checksum == checksumsAuto && d.Checksums != nil
	e.counters.live.reset()
	for i := range list {
		t := &list[i]
		strict = strict && d.Checksums(t)
		if t.Auto = e.opt.Workers; t.Auto <= 0 {
			t.Auto = e.threading.threads(t.Name)
		}
		t.Log = driverLog{e.log, d.Name}
		t.One = e.opt.RunMode == "single" || e.opt.RunMode == "" && e.set.runmode == "single"
		if names = append(names, t.Name); d.Unnamed {
			names[i] = ""
		}
		opened, err := d.Open(t)
		if err != nil {
			for _, s := range all {
				err = errors.Join(err, s.Close())
			}
			return nil, err
		}
		e.counters.opened(t.Name, opened)
		all = append(all, opened...)
		_, to, _ := t.CopyMode()
		sides = append(sides, side{t.Name, to, opened})
	}
	e.wires, e.apart = join(sides)
	e.rejects.prepare()
	e.SetInterfaces(names)
	e.ctl.capturing(d.Name)
	if strict {
		e.set.checksum = checksumsAll
	}
	e.openOffload(d.Name, list)
	e.openEarly(names)
	return all, nil
}

// driverLog is the engine's log for a driver.
type driverLog struct {
	log  zerolog.Logger
	name string
}

func (l driverLog) Infof(format string, args ...any) {
	l.log.Info().Str("module", l.name).Msgf(format, args...)
}

func (l driverLog) Warnf(format string, args ...any) {
	l.log.Warn().Str("module", l.name).Msgf(format, args...)
}
