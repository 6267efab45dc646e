package eve

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"sentinel/eve/sink"
	"sentinel/internal/conf"
	"sentinel/stream/flow"
)

func (o *Output) warn(format string, args ...any) { o.opt.Log.Warn().Msgf(format, args...) }

// configure reads the outputs section.
func (o *Output) configure() error {
	var errs []error
	some := false
	for name, n := range o.opt.Root.Get("outputs").Entries() {
		if !n.Get("enabled").IsTrue() {
			continue
		}
		var err error
		switch name {
		case "eve-log":
			some = true
			err = o.addEVE(n)
		case "file-store":
			if !o.opt.NoFiles {
				err = o.addFileStore(n)
			}
		case "fast":
			if !o.opt.NoFiles {
				err = o.addFast(n)
			}
		case "stats":
			if !o.opt.NoFiles {
				err = o.addTable(n)
			}
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("output %s: %w", name, err))
		}
	}
	if !some && o.opt.NoFiles && o.opt.OnEvent != nil {
		if err := o.addDefaults(); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// addLane opens the sink of an output.
func (o *Output) addLane(n *conf.Node, file string) (int, error) {
	c := sink.Config{
		Type:     n.Get("filetype").Str(n.Get("type").Str("regular")),
		Path:     n.Get("filename").Str(file),
		Truncate: !n.Get("append").Bool(true),
		Rotate:   n.Get("rotate-interval").Str(""),
		Facility: n.Get("facility").Str(""),
		Level:    n.Get("level").Str(""),
		Identity: n.Get("identity").Str(""),
		Warn:     o.warn,
		Live:     func() bool { return o.opt.File == nil || o.opt.File() == "" },
	}
	if c.Path != "-" && !filepath.IsAbs(c.Path) {
		c.Path = filepath.Join(o.opt.Dir, c.Path)
	}
	if m := n.Get("filemode").Str(""); m != "" {
		mode, err := strconv.ParseUint(m, 8, 12)
		if err != nil {
			return 0, fmt.Errorf("filemode %q is not an octal mode", m)
		}
		c.Mode = os.FileMode(mode)
	}
	l := lane{conf: c, prefix: n.Get("prefix").Str(""), own: new([]sink.Sink), count: new(int)}
	if n.Get("threaded").IsTrue() {
		if l.threaded = sink.IsFile(c.Type); !l.threaded && strings.HasPrefix(strings.ToLower(c.Type), "unix") {
			return 0, fmt.Errorf("filetype %s cannot be threaded", c.Type)
		}
	}
	if !l.threaded {
		var err error
		if l.sink, err = sink.Open(c); err != nil {
			return 0, err
		}
	}
	o.lanes = append(o.lanes, l)
	return len(o.lanes) - 1, nil
}

// addEVE adds one eve-log with all its types.
func (o *Output) addEVE(n *conf.Node) error {
	c, err := newCommon(n, o.opt.Root, o.warn)
	if err != nil {
		return err
	}
	o.macs = o.macs || c.ether
	var lanes []int
	if !o.opt.NoFiles {
		i, err := o.addLane(n, "eve.json")
		if err != nil {
			return err
		}
		lanes = []int{i}
	}
	types := n.Get("types")
	if types.Exists() && len(types.Children()) > 0 && !types.IsList() {
		return errors.New("types should be a list")
	}
	var errs []error
	var later []string
	for name, t := range types.Entries() {
		if e := t.Get("enabled"); e.Exists() && !e.IsTrue() {
			continue
		}
		known, err := o.addType(name, t, logger{common: c, lanes: lanes})
		switch {
		case err != nil:
			errs = append(errs, fmt.Errorf("type %s: %w", name, err))
		case known:
		case slices.Contains(protocolTypes, name), slices.Contains(otherTypes, name):
			later = append(later, name)
		default:
			o.warn("eve-log: there is no event type %q", name)
		}
	}
	if len(later) > 0 {
		o.opt.Log.Info().Msgf("eve-log: these event types are not written yet: %s", strings.Join(later, ", "))
	}
	return errors.Join(errs...)
}

// addDefaults writes all there is to OnEvent, for a library user without configuration.
func (o *Output) addDefaults() error {
	c, err := newCommon(nil, o.opt.Root, o.warn)
	if err != nil {
		return err
	}
	types := []string{"alert", "anomaly", "drop", "files", "flow"}
	if o.opt.Registry != nil {
		for id := flow.ProtoFirst; int(id) < o.opt.Registry.Len(); id++ {
			if p := o.opt.Registry.ByID(id); p != nil && p.Log != nil && !slices.Contains(types, o.layouts[id].typ) {
				types = append(types, o.layouts[id].typ)
			}
		}
	}
	for _, name := range types {
		if _, err := o.addType(name, nil, logger{common: c}); err != nil {
			return err
		}
	}
	return nil
}

// addType adds the loggers of one event type. It reports whether there is such a type here.
func (o *Output) addType(name string, n *conf.Node, l logger) (bool, error) {
	switch name {
	case "alert":
		return true, o.addAlert(n, l)
	case "anomaly":
		if o.hasAnomaly {
			return true, errors.New("only one 'anomaly' logger can be enabled")
		}
		o.hasAnomaly = true
		return true, o.addAnomaly(n, l)
	case "drop":
		if o.hasDrop {
			return true, errors.New("only one 'drop' logger can be enabled")
		}
		o.hasDrop = true
		return true, o.addDrop(n, l)
	case "files":
		return true, o.addFiles(n, l)
	case "arp":
		o.arps = o.join(o.arps, l)
		return true, nil
	case "metadata", "vars":
		o.metadata = o.join(o.metadata, l)
		return true, nil
	case "frame":
		return true, o.addFrames(n, l)
	case "flow":
		o.flows = o.join(o.flows, l)
		return true, nil
	case "netflow":
		o.netflows = o.join(o.netflows, l)
		return true, nil
	case "stats":
		return true, o.addStats(n, l)
	case "ikev2":
		name = "ike"
	}
	return o.addTx(name, n, l)
}

// merge adds l to the loggers, or its lanes to the one that writes the same.
func merge[T any](o *Output, list []T, l T, of func(*T) *logger, same func(a, b *T) bool) []T {
	own := of(&l)
	for i := range list {
		if x := &list[i]; of(x).common == own.common && same(x, &l) {
			of(x).lanes = append(slices.Clip(of(x).lanes), own.lanes...)
			return list
		}
	}
	own.event = len(list) == 0 && o.opt.OnEvent != nil
	return append(list, l)
}

func (o *Output) join(list []logger, l logger) []logger {
	return merge(o, list, l, func(l *logger) *logger { return l }, func(*logger, *logger) bool { return true })
}

// equalNodes reports whether two parts of the configuration say the same.
func equalNodes(a, b *conf.Node) bool {
	av, aok := a.Value()
	bv, bok := b.Value()
	ac, bc := a.Children(), b.Children()
	if av != bv || aok != bok || len(ac) != len(bc) {
		return false
	}
	for i := range ac {
		if ac[i].Name() != bc[i].Name() || !equalNodes(ac[i], bc[i]) {
			return false
		}
	}
	return true
}

// addTx adds the loggers of the protocols of a type.
func (o *Output) addTx(name string, n *conf.Node, l logger) (bool, error) {
	known := false
	for id := flow.ProtoFirst; int(id) < len(o.layouts); id++ {
		p := o.opt.Registry.ByID(id)
		if p == nil || p.Log == nil || strings.ReplaceAll(o.layouts[id].typ, "_", "-") != name {
			continue
		}
		known = true
		x := txLogger{logger: l, node: n, extended: n.Get("extended").IsTrue()}
		if t := newXFF(n.Get("xff"), o.warn); t.set {
			x.common.xff = t
		}
		if p.PrepareLog != nil {
			x.flags = p.PrepareLog(n, o.warn)
		}
		o.txs[id] = merge(o, o.txs[id], x, func(x *txLogger) *logger { return &x.logger },
			func(a, b *txLogger) bool { return a.flags == b.flags && equalNodes(a.node, b.node) })
		if len(o.txs[id]) > maxLoggers {
			return true, fmt.Errorf("more than %d eve-logs with differing options", maxLoggers)
		}
		for i := range o.txs[id] {
			o.txs[id][i].bit = 1 << i
			o.masks[id] |= 1 << i
		}
	}
	if name == "tls" || name == "quic" {
		for _, s := range n.Get("custom").Strings() {
			switch strings.ToLower(s) {
			case "ja3", "ja3s":
				o.ja3 = true
			case "ja4":
				o.ja4 = true
			}
		}
	}
	return known, nil
}

// statsDue says that some output wants statistics.
func (o *Output) statsDue() error {
	n := o.opt.Root.Get("stats")
	if !n.Get("enabled").Bool(true) {
		return errors.New("statistics are switched off: set stats.enabled")
	}
	secs, err := n.Get("interval").IntIn(8, 1, 1<<31)
	if err != nil {
		return err
	}
	o.interval = time.Duration(secs) * time.Second
	return nil
}
