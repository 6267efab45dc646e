package sentinel

import (
	"errors"
	"sync/atomic"
	"time"

	"sentinel/bypass"
	"sentinel/bypass/rteflow"
	"sentinel/bypass/xdp"
	"sentinel/capture"
	"sentinel/decode"
	"sentinel/stream"
	"sentinel/stream/flow"
)

// offloader is a way of carrying flows below the engine, as a driver of capture has it.
type offloader struct {
	driver string // by its name
	// open opens the way for all targets of a run together, as two of them may be the sides of a wire. It returns nil when no
	// target asks for it.
	open func([]capture.Target) (bypass.Offloader, error)
}

// offloaders are the ways of carrying flows below the engine.
var offloaders = []offloader{
	{"af-packet", xdp.Open},
	{"af-xdp", xdp.OpenShared},
	{"dpdk", rteflow.Open},
}

// offload is the engine's part in carrying flows below it.
type offload struct {
	below   bypass.Offloader               // opened for the next run; nil = none
	manager atomic.Pointer[bypass.Manager] // of the run; nil = none
}

// offloadSettings is what the configuration says of bypass besides what drivers read.
type offloadSettings struct {
	elephants     bool
	elephantBytes uint64
	sweep         time.Duration
}

func (s *settings) readOffload(r *reader) {
	o := &s.offload
	o.elephants = r.bool("flow.elephant.bypass", false)
	o.elephantBytes = r.size("flow.elephant.bytes", 0)
	if n := r.root.Get("flow.elephant"); o.elephants && o.elephantBytes == 0 && s.flow.RateBytes == 0 {
		r.errs = append(r.errs, errors.New(n.Pos()+": flow.elephant.bypass needs flow.elephant.bytes, flow.rate-tracking or both"))
	}
	o.sweep = time.Duration(r.int("bypass.sweep-interval", 1, 1, 60)) * time.Second
}

// bypassNames are the counters of bypassed flows, and bypassCounts where they come from.
var bypassNames = [...]string{"flow_bypassed.local_pkts", "flow_bypassed.local_bytes", "flow_bypassed.local_capture_pkts",
	"flow_bypassed.local_capture_bytes", "flow_bypassed.closed", "flow_bypassed.pkts", "flow_bypassed.bytes", "sentinel.offload_busy"}

var bypassCounts = [len(bypassNames)]stream.Count{stream.CountBypassed, stream.CountBypassedBytes, stream.CountCaptureBypassed,
	stream.CountCaptureBypassedBytes, stream.CountOffloadClosed, stream.CountOffloaded, stream.CountOffloadedBytes,
	stream.CountOffloadBusy}

// openOffload opens what carries flows below the engine, where the targets of a driver ask for it. Without it flows are bypassed
// in the engine.
func (e *Engine) openOffload(driver string, targets []capture.Target) {
	for i := range offloaders {
		if offloaders[i].driver != driver {
			continue
		}
		o, err := offloaders[i].open(targets)
		if err != nil {
			e.log.Warn().Err(err).Msg("flows are bypassed in the engine only")
		}
		if o != nil {
			e.offload.below = o
		}
		return
	}
}

// startOffload starts what stands between workers and the offloader of a run.
func (e *Engine) startOffload() {
	e.startEarly()
	o := e.offload.below
	if e.opt.below != nil {
		o = e.opt.below
	}
	if o == nil {
		return
	}
	var names []string
	if list := e.ifaces.Load(); list != nil {
		names = *list
	}
	m := bypass.NewManager(o, bypass.Options{Interfaces: names, Sweep: e.set.offload.sweep,
		Warn: func(f string, a ...any) { e.log.Warn().Str("module", "bypass").Msgf(f, a...) }})
	e.offload.below = nil
	e.offload.manager.Store(m)
	m.Start()
}

func (e *Engine) stopOffload() {
	e.stopEarly()
	m := e.offload.manager.Swap(nil)
	if m == nil {
		return
	}
	if err := m.Close(); err != nil {
		e.log.Warn().Err(err).Str("module", "bypass").Msg("cannot let go of bypassed flows")
	}
}

// closeOffload lets go of what was opened for a run that never came.
func (e *Engine) closeOffload() error {
	var errs []error
	if o := e.offload.below; o != nil {
		errs = append(errs, o.Close())
	}
	if d := e.early.dropper; d != nil {
		errs = append(errs, d.Close())
	}
	e.offload.below, e.early.dropper = nil, nil
	return errors.Join(errs...)
}

// UsesMaps reports whether the engine changes maps of the kernel while it runs, for which a process needs CAP_BPF.
func (e *Engine) UsesMaps() bool {
	_, kernel := e.offload.below.(*xdp.Offloader)
	return kernel || e.early.dropper != nil
}

// BypassStats are the flows that are carried below the engine, by interface. It is nil where nothing carries flows.
func (e *Engine) BypassStats() []bypass.InterfaceStats {
	m := e.offload.manager.Load()
	if m == nil {
		return nil
	}
	return m.Interfaces()
}

// desk is a worker's way to the offloader. It implements stream.Offload.
type desk struct {
	*bypass.Desk
	w     *worker
	entry bypass.Entry
	fn    func(*bypass.Report) // mailed, made once
}

// openDesk connects a worker of a run with the offloader, if there is one.
func (w *worker) openDesk() {
	m := w.e.offload.manager.Load()
	if m == nil {
		return
	}
	w.desk = &desk{Desk: m.Desk(), w: w}
	w.desk.fn = w.desk.mailed
	w.stream.SetOffload(w.desk)
}

// Ask implements stream.Offload.
func (d *desk) Ask(f *flow.Flow, p *decode.Packet, drop bool) bool {
	e := &d.entry
	e.Key = f.Key
	e.VLAN, e.Iface, e.Depth, e.Drop, e.Strip = p.VLAN, p.Frame.Iface, 0, drop, 0
	for _, tag := range p.Frame.VLAN {
		if tag != 0 {
			e.Strip++
		}
	}
	return d.Desk.Ask(e, bypass.Flow{Index: f.Index, ID: f.ID})
}

// Leave implements stream.Offload.
func (d *desk) Leave(f *flow.Flow) { d.Desk.Leave(bypass.Flow{Index: f.Index, ID: f.ID}) }

// mailed takes one report over into the flow.
func (d *desk) mailed(r *bypass.Report) {
	s, c := d.w.stream, &r.Counters
	switch r.Event {
	case bypass.Taken:
		s.OffloadTaken(r.Index, r.ID)
	case bypass.Refused:
		s.OffloadRefused(r.Index, r.ID, false)
	case bypass.Full, bypass.Failed:
		s.OffloadRefused(r.Index, r.ID, true)
	case bypass.Counted, bypass.Done:
		if !c.Zero() {
			s.OffloadCounted(r.Index, r.ID, c.Pkts, c.Bytes, c.Last)
		}
		if r.Event == bypass.Done {
			s.OffloadDone(r.Index, r.ID, d.w.now)
		}
	}
}

// readMail takes over what has been counted below since the last batch. Without mail it is one atomic load.
func (w *worker) readMail() {
	if w.desk != nil && w.desk.Mail() {
		w.desk.Collect(w.desk.fn)
	}
}

// reclaimLimit bounds the wait for the last counts at the end of a run, from when the last of them came.
const reclaimLimit = 20 * time.Second

// reclaim takes all flows back that are carried below, with their last counts.
func (w *worker) reclaim() {
	if w.desk == nil {
		return
	}
	last := -1
	for end := time.Now().Add(reclaimLimit); ; time.Sleep(time.Millisecond) {
		w.readMail()
		left := 0
		w.stream.Table().Find(func(f *flow.Flow) bool {
			if f.Offload.Below() {
				left++
				w.stream.Reclaim(f)
			}
			return true
		})
		if left == 0 {
			break
		}
		if left != last {
			last, end = left, time.Now().Add(reclaimLimit)
		}
		if time.Now().After(end) {
			w.e.log.Warn().Str("module", "bypass").Int("flows", left).Msg("the last counts of bypassed flows have not come")
			break
		}
	}
	w.stream.ForgetOffload()
	w.desk = nil
}
