package sentinel

import (
	"fmt"
	"runtime"
	"slices"
	"sync"

	"sentinel/capture"
	"sentinel/internal/affinity"
	"sentinel/internal/conf"
)

// threading is the section of this name: how many threads there are, and on which processors.
type threading struct {
	on      bool // set-cpu-affinity
	ratio   float64
	manage  affinity.Family // all threads that are none of the others
	receive affinity.Family
	work    affinity.Family
	planner affinity.Planner
	once    sync.Once
}

// Sets that older configurations have and that ask for nothing any more.
var oldSets = []string{"decode-cpu-set", "stream-cpu-set", "reject-cpu-set", "output-cpu-set", "verdict-cpu-set"}

// readThreading reads the section. Processors that this machine does not have are warned of and left out.
func readThreading(root *conf.Node, m affinity.Machine, warn func(format string, args ...any)) (*threading, []error) {
	t := &threading{ratio: 1}
	t.planner.Machine = m
	all := affinity.Family{CPUs: m.Allowed}
	t.manage, t.receive, t.work = all, all, all
	t.manage.Balanced = true
	n := root.Get("threading")
	var errs []error
	fail := func(err error) {
		if err != nil {
			errs = append(errs, err)
		}
	}
	var err error
	t.on, err = n.Get("set-cpu-affinity").StrictBool(false)
	fail(err)
	t.planner.AutoPin, err = n.Get("autopin").StrictBool(false)
	fail(err)
	if x := n.Get("detect-thread-ratio"); x.Exists() {
		if t.ratio, err = x.Float(1); err == nil && (t.ratio <= 0 || t.ratio > 1024) {
			err = fmt.Errorf("%s: threading.detect-thread-ratio: %v is not between 0 and 1024", x.Pos(), t.ratio)
		}
		fail(err)
	}
	if !t.on {
		return t, errs
	}
	r := setReader{m: m, warn: warn}
	sets := n.Get("cpu-affinity")
	for _, c := range sets.Children() {
		name, set := c.Name(), c
		if sets.IsList() { // as up to Suricata 7
			name = c.Str("")
			set = c.Get(name)
		}
		switch name {
		case "management-cpu-set":
			r.family(&t.manage, set, true)
			t.manage.Balanced = true
		case "receive-cpu-set":
			r.family(&t.receive, set, true)
		case "worker-cpu-set", "detect-cpu-set":
			r.family(&t.work, set, true)
		default:
			if !slices.Contains(oldSets, name) {
				warn("%s: threading.cpu-affinity has no set %s", c.Pos(), name)
			}
		}
	}
	return t, append(errs, r.errs...)
}

// setReader reads sets of processors and gathers what is wrong with them.
type setReader struct {
	m    affinity.Machine
	warn func(format string, args ...any)
	errs []error
}

func (r *setReader) fail(n *conf.Node, err error) {
	if err != nil {
		r.errs = append(r.errs, fmt.Errorf("%s: %s: %w", n.Pos(), n.Path(), err))
	}
}

// cpus reads a list of processors. said makes missing ones a warning.
func (r *setReader) cpus(n *conf.Node, said bool) affinity.Set {
	s, missing, err := affinity.Parse(n.Strings(), r.m.Allowed, r.m.Online)
	r.fail(n, err)
	if said && missing.Len() > 0 {
		r.warn("%s: %s: there is no processor %s: this machine has %s", n.Pos(), n.Path(), missing, r.m.Online)
	}
	return s
}

// family reads one set. said is false for interfaces, of which the configuration may name those of other machines.
func (r *setReader) family(f *affinity.Family, n *conf.Node, said bool) {
	if cpu := n.Get("cpu"); cpu.Exists() {
		f.CPUs = r.cpus(cpu, said)
	}
	switch m := n.Get("mode"); m.Str("exclusive") {
	case "exclusive":
		f.Balanced = false
	case "balanced":
		f.Balanced = true
	default:
		r.fail(m, fmt.Errorf("%q is not a mode: use exclusive or balanced", m.Str("")))
	}
	if x := n.Get("threads"); x.Exists() && x.Str("") != "auto" {
		v, err := x.IntIn(0, 1, 1024)
		if err != nil {
			r.errs = append(r.errs, err)
		}
		f.Threads = int(v)
	}
	prio := n.Get("prio")
	f.Low, f.Medium, f.High = r.cpus(prio.Get("low"), false), r.cpus(prio.Get("medium"), false), r.cpus(prio.Get("high"), false)
	f.Default = affinity.Medium
	switch d := prio.Get("default"); d.Str("medium") {
	case "low":
		f.Default = affinity.Low
	case "medium":
	case "high":
		f.Default = affinity.High
	default:
		r.fail(d, fmt.Errorf("%q is not a priority: use low, medium or high", d.Str("")))
	}
	for _, c := range n.Get("interface-specific-cpu-set").Children() {
		name := c.Get("interface").Str("")
		if name == "" {
			r.fail(c, fmt.Errorf("which interface is it for? name it with the key interface"))
			continue
		}
		own := &affinity.Family{CPUs: f.CPUs}
		r.family(own, c, false)
		if f.Of == nil {
			f.Of = map[string]*affinity.Family{}
		}
		f.Of[name] = own
	}
}

// threads is how many workers an interface is to have where nothing else says it; "" = all of them together.
func (t *threading) threads(iface string) int {
	if !t.on {
		return runtime.GOMAXPROCS(0)
	}
	f := t.work.For(iface)
	if f.Threads > 0 {
		return f.Threads
	}
	return max(f.CPUs.And(t.planner.Machine.Allowed).Len(), 1)
}

// sharing is how many workers packets are shared out to where nothing else says it.
func (t *threading) sharing() int {
	n := t.threads("")
	if t.on && t.work.Threads > 0 {
		return n
	}
	return min(max(int(float64(n)*t.ratio), 1), 1024)
}

// readThreading reads the section threading for the machine that this is.
func (e *Engine) readThreading() []error {
	var errs []error
	e.threading, errs = readThreading(e.tree.Root(), affinity.Here(), func(f string, a ...any) {
		e.log.Warn().Str("module", "affinity").Msgf(f, a...)
	})
	if n := e.tree.Get("threading.stack-size"); n.Exists() && n.Str("") != "" {
		e.log.Info().Str("module", "threads").Msg("threading.stack-size needs nothing: stacks grow as they must")
	}
	return errs
}

// placeProcess keeps all threads but those that pin moves to the management set. It is called before workers start, as new threads are
// where the ones that start them are.
func (e *Engine) placeProcess(workers int) {
	t := e.threading
	if !t.on {
		return
	}
	// The runtime follows the processors of its own threads: it would let no more goroutines run at a time than fit the management set.
	// To say how many stops that. Each worker may be at work with one goroutine more for the rest.
	runtime.GOMAXPROCS(max(runtime.GOMAXPROCS(0), workers+1))
	p := t.planner.Place(&t.manage, "")
	if err := affinity.PinProcess(p.CPUs); err != nil {
		e.log.Warn().Str("module", "affinity").Msgf("management threads: %v", err)
		return
	}
	t.once.Do(func() {
		e.log.Info().Str("module", "affinity").Msgf("management threads: processors %s (%s)", p.CPUs, p.Why)
	})
}

// pin puts a worker, whose goroutine calls it and is locked to its thread, on its processor. The source is the one that it reads itself,
// or the first of them; nil without.
func (e *Engine) pin(w *worker, s capture.Source) {
	e.place(&e.threading.work, threadName(w.id), e.counters.live.name(s))
}

// pinReceiver is pin for a receiver.
func (e *Engine) pinReceiver(r *receiver) {
	e.place(&e.threading.receive, "RX", e.counters.live.name(r.source))
}

func (e *Engine) place(f *affinity.Family, name, iface string) {
	t := e.threading
	if !t.on {
		return
	}
	p := t.planner.Place(f, iface)
	if iface != "" {
		name += "-" + iface
	}
	if err := affinity.Pin(p); err != nil {
		e.log.Warn().Str("module", "affinity").Msgf("%s: %v", name, err)
	}
	e.log.Info().Str("module", "affinity").Msgf("%s: processors %s, priority %s (%s)", name, p.CPUs, p.Priority, p.Why)
}
