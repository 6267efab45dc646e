// Package sentinel is the Sentinel engine as a Go library: an intrusion detection and prevention engine that reads
// Suricata's rules and configuration and writes EVE JSON.
//
// An Engine is made from a configuration and rules, runs over capture sources or over packets that the program injects, and
// tells what it sees as EVE events:
//
//	e, err := sentinel.New(sentinel.Options{
//		Rules:   `alert http any any -> any any (msg:"login page"; http.uri; content:"/login"; sid:1;)`,
//		OnEvent: func(line []byte) { fmt.Printf("%s", line) },
//	})
//	...
//	err = e.Inject(frame, capture.LinkEthernet, time.Now())
//	err = e.Close()
package sentinel

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"sentinel/bypass"
	"sentinel/capture"
	"sentinel/detect"
	"sentinel/detect/dataset"
	"sentinel/etc"
	"sentinel/eve"
	"sentinel/internal/conf"
	"sentinel/stream"
	"sentinel/stream/app"
	"sentinel/stream/app/all"
)

// Version is the release of the engine; BehavesLike is the Suricata release whose behaviour it follows.
const (
	Version     = "0.1.0"
	BehavesLike = "9.0.0"
)

// Options say what an Engine is made of. The zero value is an engine with the built-in configuration and no rules, which
// writes nothing to disk.
type Options struct {
	ConfigFile string   // a suricata.yaml; empty = Config, or the built-in configuration
	Config     []byte   // the text of one; ignored with ConfigFile
	Include    []string // more files, read after it
	Set        []string // "key=value", final

	RuleFiles     []string // instead of rule-files
	MoreRuleFiles []string // besides rule-files
	Rules         string   // text of rules, besides all files
	NoDetection   bool     // no rules are run
	// Strict makes every error in rules or configuration an error of New (--init-errors-fatal).
	Strict bool
	// Test makes errors in the classification, reference and threshold files errors of New (-T); otherwise their lines
	// that are wrong are left out.
	Test bool
	// Analysis has reports written of what became of the rules, as the section engine-analysis says (--engine-analysis).
	Analysis bool
	// StrictKeywords makes errors of these keywords fatal where the rule would be refused ("all" = every keyword).
	StrictKeywords string

	LogDir    string // where output goes; empty = default-log-dir with NoLogs false
	NoLogs    bool   // write no files, only tell OnEvent
	DataDir   string // state and caches; empty = the user's cache folder
	Checksums string // "all", "none", or "" = as configured

	IPS      bool // verdicts are carried out (or would be: --simulate-ips)
	Simulate stream.Simulate
	// RejectDevice is the interface that answers to rejected packets go out of; empty = back on a wire where they came from, and
	// else as the host routes them.
	RejectDevice string
	NoRandom     bool // no random choice anywhere, for repeatable runs

	// Queue makes an engine that reads no sources itself: ServeFiles runs capture files, each with a folder for its output.
	Queue bool

	Workers int    // for RunMode autofp and workers; 0 = one a core
	RunMode string // "single", "autofp", "workers"; empty = chosen by source

	// Started is called by each Run when its workers are there, before they read.
	Started func()
	// OnEvent is told every EVE line, with its newline. It is called from workers, at any time, one line at a time; the
	// slice is lent for the call.
	OnEvent func(line []byte)
	// Log takes the engine's own messages; the zero Logger drops them.
	Log zerolog.Logger

	more  []*app.Protocol  // besides those that are built in, for tests
	stall time.Duration    // instead of stallLimit, for tests
	below bypass.Offloader // instead of what the configuration asks for, for tests
}

// Engine follows flows, matches rules and writes events. Its methods may be called from any goroutine, but Inject only from
// one at a time.
type Engine struct {
	opt       Options
	log       zerolog.Logger
	tree      *conf.Tree
	set       *settings
	threading *threading
	reg       *app.Registry
	ips       bool
	detects   bool
	seed      uint64
	judges    *judges
	shared    *detect.Shared
	names     *detect.Names
	datasets  *dataset.Sets
	expect    *stream.Expectations
	states    sync.Map // what protocols share among workers, by name
	out       *eve.Output
	counters  *counters
	loaded    atomic.Pointer[Loaded]
	reloads   sync.Mutex
	reloading atomic.Bool // by the control socket or a signal
	gen       atomic.Uint32
	started   time.Time
	parent    *Engine // whose rules this one judges by; nil = its own
	ctl       controlState
	files     fileQueue
	tenant    uint32   // of all packets; 0 = by the packet
	tenants   *tenants // nil without multi-tenancy

	mu        sync.Mutex
	workers   []*worker
	receivers []*receiver
	before    span    // of the workers of earlier runs
	inject    *worker // of Inject
	injected  [1]capture.Frame
	number    uint64
	running   atomic.Bool
	stalled   atomic.Int32 // workers that do not get on
	closed    bool
	wires     map[capture.Source]wire // of the sources that Open has opened
	apart     string                  // why the two sides of a wire cannot be one worker's; "" = they can
	unjudged  unjudged
	lost      int // workers that were given up
	rejects   *rejecter
	file      atomic.Pointer[string]
	ifaces    atomic.Pointer[[]string]
	offload   offload
	early     early
	statsStop chan struct{}
	statsDone chan struct{}
}

// New makes an engine. What is wrong with rules or configuration but can be passed over is logged; with Options.Strict it is
// an error. The error joins all that was found.
func New(o Options) (*Engine, error) {
	e := &Engine{opt: o, log: o.Log, ips: o.IPS, detects: !o.NoDetection, started: time.Now(), expect: stream.NewExpectations(),
		judges: newJudges()}
	e.seed = rand.Uint64() | 1
	if o.NoRandom {
		e.seed = 1
	}
	if err := e.configure(); err != nil {
		return nil, err
	}
	e.counters = newCounters(e.reg, e.set, e.ips)
	e.countEarly()
	if e.ips {
		e.unjudged.register(e.counters.reg)
	}
	if err := e.openOutput(); err != nil {
		return nil, err
	}
	if e.detects {
		e.names = detect.NewNames()
		e.shared = detect.NewShared((&reader{root: e.tree.Root()}).size("detect.thresholds.memcap", 0))
		e.shared.SetHostMemcap((&reader{root: e.tree.Root()}).size("host.memcap", 32<<20))
		for _, err := range e.openDatasets() {
			e.log.Error().Str("module", "datasets").Msg(err.Error())
		}
		if err := e.loadAll(); err != nil {
			return nil, errors.Join(err, e.out.Close())
		}
	}
	e.rejects = &rejecter{device: o.RejectDevice, inline: e.ips, warn: func(s string) { e.log.Warn().Str("module", "reject").Msg(s) }}
	if o.RejectDevice != "" && !o.Test {
		if err := e.rejects.openDevice(); err != nil {
			return nil, errors.Join(err, e.out.Close())
		}
	}
	e.startStats()
	return e, nil
}

// openOutput opens the outputs of the configuration.
func (e *Engine) openOutput() (err error) {
	e.out, err = eve.Open(eve.Options{
		Root: e.tree.Root(), Registry: e.reg, Dir: e.LogDir(), NoFiles: e.opt.NoLogs || e.opt.Queue, Version: BehavesLike, IPS: e.ips,
		Policies: e.set.policies(), Iface: e.iface, File: e.captureFile, OnEvent: e.opt.OnEvent, Log: e.log, Detection: e.detects,
	})
	if err == nil && e.detects {
		e.out.SetEngines(e.engines)
	}
	return err
}

// configure reads the configuration.
func (e *Engine) configure() error {
	o := &e.opt
	var warnings []conf.Warning
	var err error
	switch {
	case o.ConfigFile != "":
		e.tree, warnings, err = conf.Load(o.ConfigFile, conf.Options{Include: o.Include})
	case o.Config != nil:
		e.tree, warnings, err = conf.Parse(o.Config, "configuration")
	default:
		e.tree, warnings, err = conf.Parse(etc.Config, "built-in configuration")
	}
	if err != nil {
		return fmt.Errorf("cannot read the configuration: %w", err)
	}
	for _, s := range o.Set {
		if err := e.tree.Set(s); err != nil {
			return fmt.Errorf("--set %s: %w", s, err)
		}
	}
	for _, w := range warnings {
		e.log.Warn().Msg(w.String())
	}
	e.checkKeys()
	root := e.tree.Root()
	var errs []error
	if e.set, errs = readSettings(root, e.ips); len(errs) > 0 {
		return errors.Join(errs...)
	}
	if errs := e.readThreading(); len(errs) > 0 {
		return errors.Join(errs...)
	}
	switch o.Checksums {
	case "none":
		e.set.checksum = checksumsNone
	case "all":
		e.set.checksum = checksumsAll
	}
	e.reg = app.NewRegistry(append(all.Protocols(), o.more...), func(p *app.Protocol) bool {
		_, tcp := stream.ProtocolEnabled(root, p, "tcp")
		_, udp := stream.ProtocolEnabled(root, p, "udp")
		return p.Transport&app.TCP != 0 && tcp || p.Transport&app.UDP != 0 && udp
	})
	return nil
}

// LogDir is where output goes.
func (e *Engine) LogDir() string {
	switch {
	case e.opt.LogDir != "":
		return e.opt.LogDir
	case e.opt.ConfigFile != "" && e.set.logDir != "":
		return e.set.logDir
	}
	return "."
}

// Config returns the configuration as read, for --dump-config.
func (e *Engine) Config() *conf.Tree { return e.tree }

// iface is the name of an interface by its index in Frame.Iface; "" when reading files.
func (e *Engine) iface(i uint16) string {
	if names := e.ifaces.Load(); names != nil && int(i) < len(*names) {
		return (*names)[i]
	}
	return ""
}

// SetInterfaces names the interfaces that frames come from, by Frame.Iface, for events.
func (e *Engine) SetInterfaces(names []string) { e.ifaces.Store(&names) }

func (e *Engine) captureFile() string {
	if s := e.file.Load(); s != nil {
		return *s
	}
	return ""
}

// streamConfig is the configuration of a worker's stream engine.
func (e *Engine) streamConfig() stream.Config {
	s := e.set
	c := stream.Config{
		Registry: e.reg, Root: e.tree.Root(), Flow: s.flow, TCP: s.tcp, Defrag: s.defrag,
		Detection: e.detects, IPS: e.ips, Files: e.out.FileFlags(),
		Wants:              e.wants,
		Shared:             e.sharedState,
		Warn:               func(f string, a ...any) { e.log.Warn().Msgf(f, a...) },
		FlowMemcapPolicy:   s.flowMemcap,
		DefragMemcapPolicy: s.defragMemcap,
		AppErrorPolicy:     s.appError,
		MidstreamPolicy:    s.midstream, SessionMemcapPolicy: s.sessionMemcap, ReassemblyMemcapPolicy: s.reassembly,
		Simulate:       e.opt.Simulate,
		Expect:         e.expect,
		ElephantBypass: s.offload.elephants, ElephantBytes: s.offload.elephantBytes,
		Checksums: stream.Checksums(s.checksum),
	}
	if _, depth, own, err := eve.FileStoreConfig(e.tree.Root(), uint64(s.tcp.Depth)); err == nil && own {
		c.StoreDepth = depth
	}
	c.Flow.Seed = e.seed
	c.TCP.DetectOff = !e.detects
	c.TCP.NoRaw = c.TCP.NoRaw || !e.detects // nobody looks at it
	if !e.opt.NoRandom {
		c.Random = e.seed
	}
	return c
}

// sharedState returns what the workers share under a name.
func (e *Engine) sharedState(name string, make func() any) any {
	if v, ok := e.states.Load(name); ok {
		return v
	}
	v, _ := e.states.LoadOrStore(name, make())
	return v
}

// wants says what rules or outputs need that protocols compute only on demand.
func (e *Engine) wants(what string) bool {
	return e.judges.wants(what) || e.out.Wants(what)
}

// Inject takes one packet all the way: it is judged, and events go out, before Inject returns. The bytes are not kept. It
// reports whether the packet would pass (always true without Options.IPS).
func (e *Engine) Inject(b []byte, link capture.LinkType, at time.Time) (pass bool, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return false, errors.New("the engine is closed")
	}
	if e.inject == nil {
		if e.inject, err = e.newWorker(len(e.workers)); err != nil {
			return false, err
		}
		e.workers = append(e.workers, e.inject)
	}
	e.number++
	e.injected[0] = capture.Frame{Data: b[:len(b):len(b)], Time: at.UnixNano(), WireLen: uint32(len(b)), Link: link}
	e.inject.batch(e.injected[:], e.number)
	pass = e.injected[0].Verdict != capture.Drop
	e.injected[0].Data = nil
	return pass, e.out.Err()
}

// Run reads the sources to their end, or until ctx is done and what a network had brought by then is through, and ends all flows. Sources of one call belong together: the
// queues of an interface, or one file. It returns the first error of a source; what was read before it is kept. When it has
// returned it may be called again: rules, thresholds and outputs stay, and flows begin anew.
func (e *Engine) Run(ctx context.Context, sources ...capture.Source) error {
	if len(sources) == 0 {
		return errors.New("nothing to read from")
	}
	if !e.running.CompareAndSwap(false, true) {
		return errors.New("the engine is running already")
	}
	defer e.running.Store(false)
	e.mu.Lock()
	closed := e.closed
	e.mu.Unlock()
	if closed {
		return errors.New("the engine is closed")
	}
	n := e.opt.Workers
	if n <= 0 {
		n = e.threading.sharing()
	}
	mode := e.opt.RunMode
	if mode == "" {
		mode = e.set.runmode
	}
	_, finite := sources[0].(capture.Clock)
	switch {
	case mode == "":
		mode = "autofp"
		if !finite {
			mode = "workers"
		}
	case mode != "single" && mode != "autofp" && mode != "workers":
		return fmt.Errorf("unknown run mode %q: use single, autofp or workers", mode)
	}
	e.retire()
	e.ctl.running(mode, finite)
	e.placeProcess(max(n, len(sources)))
	e.startOffload()
	defer e.stopOffload()
	if !finite {
		e.counters.countCapture()
	}
	var err error
	var bundles [][]*tap
	if mode == "workers" && !finite || len(sources) > 1 && mode != "autofp" {
		if mode == "single" {
			bundles = e.bundles(sources, 1)
		} else {
			bundles = e.bundles(sources, e.opt.Workers)
		}
		if why := e.whyApart(bundles, len(sources)); why != "" {
			e.log.Warn().Msg(why + ": frames are handed over to their flows' workers, which costs some latency")
			bundles = nil
		}
	} else if mode == "single" || n == 1 {
		bundles = e.bundles(sources[:1], 1)
	}
	if bundles != nil {
		err = e.runWorkers(ctx, bundles)
	} else {
		err = e.runHandoff(ctx, sources, n, finite)
	}
	if werr := e.out.Err(); werr != nil && err == nil {
		err = werr
	}
	return err
}

// whyApart says why workers cannot read the sources themselves; "" = they can.
func (e *Engine) whyApart(bundles [][]*tap, sources int) string {
	switch {
	case e.apart != "":
		return e.apart
	case bundles == nil:
		return "the two sides of a wire cannot be waited for together"
	}
	return ""
}

// runWorkers gives each bundle of sources a worker that reads it itself.
func (e *Engine) runWorkers(ctx context.Context, bundles [][]*tap) error {
	workers := make([]*worker, len(bundles))
	for i := range bundles {
		w, err := e.newWorker(i)
		if err != nil {
			return err
		}
		workers[i] = w
	}
	e.attach(workers, nil)
	errs := make([]error, len(bundles))
	ended := make([]chan struct{}, len(bundles))
	for i, w := range workers {
		ended[i] = make(chan struct{})
		for _, t := range bundles[i] {
			w.pub.sources = append(w.pub.sources, t.Source)
		}
		go func() {
			defer close(ended[i])
			if len(bundles[i]) == 1 {
				errs[i] = w.read(ctx, bundles[i][0])
			} else {
				errs[i] = w.poll(ctx, bundles[i])
			}
		}()
	}
	e.watched(workers, func() {
		for i, w := range workers {
			select {
			case <-ended[i]:
				if w.gone {
					e.lose(w)
				}
			case <-w.lost:
				e.lose(w)
			}
		}
	})
	return errors.Join(errs...)
}

// lose gives up a worker that does not come back: nothing of it may be freed.
func (e *Engine) lose(w *worker) {
	e.log.Error().Int("worker", w.id).Msg("the worker is given up: what it knew of its flows is lost")
	e.mu.Lock()
	defer e.mu.Unlock()
	e.lost++
	e.workers = slices.DeleteFunc(e.workers, func(x *worker) bool { return x == w })
}

// read is a worker's loop over a source of its own.
func (w *worker) read(ctx context.Context, t *tap) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	setPanicOnFault()
	w.e.pin(w, t.Source)
	d := drain{ctx: ctx, live: t.clock == nil}
	defer w.attend(ctx, []*tap{t})()
	frames := w.lent
	if w.custody != nil {
		frames = frames[:inlineFrames]
	}
	for {
		n, more, err := d.read(t.Source, frames)
		if n > 0 {
			if rerr := w.take(t, n); rerr != nil && err == nil {
				more, err = false, rerr
			}
		} else if more {
			now := time.Now().UnixNano()
			if t.clock != nil {
				now = t.clock.Now()
			}
			w.rest(now)
		}
		if !more {
			w.close()
			w.done = true
			return err
		}
	}
}

// runHandoff shares the packets of all sources out to n workers by flow.
func (e *Engine) runHandoff(ctx context.Context, sources []capture.Source, n int, finite bool) error {
	workers := make([]*worker, n)
	rings := make([]*ring, n)
	for i := range workers {
		w, err := e.newWorker(i)
		if err != nil {
			return err
		}
		w.pub.handedOff, w.live = true, !finite
		workers[i] = w
		rings[i] = &ring{worker: w, shares: make(chan *share, ringSlots)}
	}
	taps := e.taps(sources)
	var receivers []*receiver
	of := map[capture.Source]*receiver{}
	for _, t := range taps {
		t.receiver = e.newReceiver(t, rings)
		receivers = append(receivers, t.receiver)
		of[t.Source] = t.receiver
	}
	for _, t := range taps {
		t.onward = of[e.wires[t.Source].peer]
	}
	e.attach(workers, receivers)
	var read sync.WaitGroup
	ended := make([]chan struct{}, n)
	for i, w := range workers {
		ended[i] = make(chan struct{})
		go func() {
			defer close(ended[i])
			w.work(rings[i])
		}()
	}
	errs := make([]error, len(receivers))
	for i, r := range receivers {
		read.Add(1)
		go func() {
			defer read.Done()
			errs[i] = r.run(ctx)
		}()
	}
	e.watched(workers, func() {
		read.Wait()
		for _, r := range rings {
			close(r.shares)
		}
		for i, w := range workers {
			if !w.outlast(ended[i]) {
				e.lose(w)
			}
		}
	})
	return errors.Join(errs...)
}

// outlast waits until a worker has ended. It is false for one that has died, or that is stuck and does not come back soon.
func (w *worker) outlast(ended <-chan struct{}) bool {
	var since time.Time
	for {
		select {
		case <-ended:
			return !w.gone
		case <-time.After(idlePeriod):
		}
		switch {
		case !w.stalled.Load():
			since = time.Time{}
		case since.IsZero():
			since = time.Now()
		case time.Since(since) > giveUp:
			return false
		}
	}
}

// attach makes workers and receivers known to counters.
func (e *Engine) attach(w []*worker, r []*receiver) {
	for _, x := range w {
		x.openDesk()
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.workers = append(e.workers, w...)
	e.receivers = append(e.receivers, r...)
	if e.opt.Started != nil {
		e.opt.Started()
	}
}

// retire lets go of the workers of an earlier run; what they counted stays.
func (e *Engine) retire() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, w := range e.workers {
		if w == e.inject {
			continue
		}
		e.before.add(w.span)
		e.counters.reg.Retire(w.pub.set)
		e.out.Release(w.out)
		w.free()
	}
	for _, r := range e.receivers {
		e.counters.reg.Retire(r.pub.set)
	}
	e.workers, e.receivers = e.workers[:0], nil
	if e.inject != nil {
		e.workers = append(e.workers, e.inject)
	}
}

func (e *Engine) setFile(name string) {
	if p := e.file.Load(); p == nil || *p != name {
		e.file.Store(&name)
	}
}

// Reopen closes and opens the log files again, after they were renamed.
func (e *Engine) Reopen() error { return e.out.Reopen() }

// Close ends the flows of injected packets, writes the last statistics, and closes the outputs. It returns the first
// error of an output. Run must have returned.
func (e *Engine) Close() error {
	if e.running.Load() {
		return errors.New("the engine is running: end Run first")
	}
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		return nil
	}
	e.closed = true
	if e.inject != nil {
		e.inject.close()
	}
	e.mu.Unlock()
	e.ctl.soon.Wait()
	e.stopStats()
	if e.parent == nil {
		e.rejects.close()
	}
	err := errors.Join(e.out.Close(), e.closeOffload())
	if e.datasets != nil && e.parent == nil {
		err = errors.Join(err, e.datasets.Save())
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, w := range e.workers {
		w.free()
	}
	if e.parent == nil && e.lost == 0 {
		e.judges.close()
	}
	return err
}

// setPanicOnFault turns a fault at an off-heap address into a panic of this goroutine, which is caught with its flow.
func setPanicOnFault() { debug.SetPanicOnFault(true) }

// idlePeriod is how long a worker waits for packets before it looks after time-outs and reloads.
const idlePeriod = 10 * time.Millisecond

func newTicker() *time.Ticker { return time.NewTicker(idlePeriod) }

// cacheDir is where compiled rules are kept.
func (e *Engine) cacheDir() string {
	if e.opt.DataDir != "" {
		return filepath.Join(e.opt.DataDir, "cache")
	}
	d, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	return filepath.Join(d, "sentinel")
}
