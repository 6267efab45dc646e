package eve

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"sentinel/eve/sink"
	"sentinel/internal/conf"
	"sentinel/internal/counter"
	"sentinel/internal/jsonw"
	"sentinel/stream"
	"sentinel/stream/app"
	"sentinel/stream/file"
	"sentinel/stream/flow"
)

// Options is what an Output is made of.
type Options struct {
	Root     *conf.Node // the whole configuration; nil-safe
	Registry *app.Registry
	Dir      string // log directory
	NoFiles  bool   // nothing but OnEvent
	Version  string // suricata_version, where configured
	IPS      bool
	// Detection says that rules are run.
	Detection bool
	Counters  *counter.Registry // not used yet: a Worker's Counts are read instead
	// File returns the name of the capture file that packets come from, "" when they come from the wire; nil = the wire.
	File func() string
	// Iface returns the name of an interface, for in_iface; nil = not known.
	Iface func(i uint16) string
	// OnEvent is given every EVE line too, with its newline, one at a time; nil = none. The line is lent for the call.
	OnEvent func(line []byte)
	// Policies are the exception policies in force, by target, for flow records.
	Policies [stream.TargetCount]stream.Policy
	Log      zerolog.Logger
}

// Vars writes the variables of flows into events: members "traffic" and "metadata" of the open object.
type Vars interface {
	// Append writes what there is of the flow, and of the packet when the event is about one.
	Append(f *flow.Flow, packet bool, b *jsonw.Builder)
	// Captured reports whether rules captured something from the packet under way: a metadata event then says what.
	Captured() bool
}

// fileBit is the logger of files in Tx.Logged; the loggers of a protocol have the bits below.
const fileBit = 1 << 31

// maxLoggers bounds the differing loggers of one protocol.
const maxLoggers = 31

// Output owns all outputs. Its methods may be called from any goroutine, but SetEngines before the first worker
// is made.
type Output struct {
	opt     Options
	lanes   []lane
	engines func(b *jsonw.Builder)
	started time.Time

	alerts    []alertLogger
	anomalies []anomalyLogger
	drops     []dropLogger
	files     []fileLogger
	store     *fileStore // nil = files are not stored
	arps      []logger
	metadata  []logger
	frames    []frameLogger
	flows     []logger
	netflows  []logger
	stats     []statsLogger
	txs       [][]txLogger // by protocol
	masks     []uint32     // by protocol
	fast      []fastLogger
	tables    []tableLogger // stats.log

	hasAnomaly, hasDrop                      bool // a second one is an error, as in the reference
	anomalyDecode, anomalyStream, anomalyApp bool // some logger wants them

	layouts   []layout   // by protocol
	names     []string   // by protocol: as in app_proto
	events    [][]string // by protocol: names of anomalies
	fileFlags file.Flags
	ja3, ja4  bool
	macs      bool // some eve-log wants the Ethernet addresses of flows
	magic     bool
	interval  time.Duration

	statsMu sync.Mutex
	control *Worker // writes the events of no worker
	eventMu sync.Mutex

	errMu   sync.Mutex
	err     error
	lost    atomic.Uint64
	workers []*Worker
	closed  bool
}

// lane is one sink with its settings.
type lane struct {
	sink     sink.Sink // nil when each worker has its own
	conf     sink.Config
	threaded bool
	prefix   string
	own      *[]sink.Sink // of the workers, when threaded
	count    *int
}

// logger is where events of one type go, and what is common to them.
type logger struct {
	common common
	lanes  []int
	event  bool // OnEvent gets them
}

// Open opens every output that is enabled. The error joins all that is wrong.
func Open(o Options) (*Output, error) {
	n := 0
	if o.Registry != nil {
		n = o.Registry.Len()
	}
	out := &Output{opt: o, started: time.Now(), txs: make([][]txLogger, n), masks: make([]uint32, n), layouts: make([]layout, n), events: make([][]string, n),
		names: make([]string, max(n, int(flow.ProtoFirst)))}
	out.names[flow.ProtoUnknown], out.names[flow.ProtoFailed] = "unknown", "failed"
	for id := flow.ProtoFirst; int(id) < n; id++ {
		out.names[id] = o.Registry.EVEName(id)
		if p := o.Registry.ByID(id); p != nil {
			out.layouts[id] = layoutOf(p)
			out.events[id] = slices.Clone(p.Events)
			if out.layouts[id].caps {
				for i, e := range p.Events {
					out.events[id][i] = strings.ToUpper(e)
				}
			}
		}
	}
	if err := out.configure(); err != nil {
		return nil, errors.Join(err, out.closeSinks())
	}
	out.control = out.NewWorker(-1)
	out.workers = nil
	return out, nil
}

// SetEngines makes stats events say what rules are loaded: f writes the array detect.engines, or nothing
// where there are no rules.
func (o *Output) SetEngines(f func(b *jsonw.Builder)) { o.engines = f }

// Mask returns the loggers, as bits of Tx.Logged, that must see a protocol's transactions before they are freed.
func (o *Output) Mask(id app.ProtoID) uint32 {
	if int(id) < len(o.masks) {
		return o.masks[id]
	}
	return 0
}

// FileFlags returns what the configuration wants to know of every file.
func (o *Output) FileFlags() file.Flags { return o.fileFlags }

// Wants reports whether events need something that protocols compute on demand: "ja3", "ja4", "file.magic".
func (o *Output) Wants(what string) bool {
	switch what {
	case "ja3":
		return o.ja3
	case "ja4":
		return o.ja4
	case "file.magic":
		return o.magic
	}
	return false
}

// StatsInterval returns how often statistics are due; 0 = never.
func (o *Output) StatsInterval() time.Duration { return o.interval }

// name is the name of a protocol in app_proto.
func (o *Output) name(id app.ProtoID) string {
	if int(id) < len(o.names) {
		return o.names[id]
	}
	return "unknown"
}

// sinks calls f for every open sink.
func (o *Output) sinks(f func(sink.Sink)) {
	for i := range o.lanes {
		l := &o.lanes[i]
		if l.sink != nil {
			f(l.sink)
		}
		for _, s := range *l.own {
			f(s)
		}
	}
}

// Reopen opens all files anew, for log rotation.
func (o *Output) Reopen() error {
	o.errMu.Lock()
	defer o.errMu.Unlock()
	var errs []error
	o.sinks(func(s sink.Sink) {
		if err := s.Reopen(); err != nil {
			errs = append(errs, err)
		}
	})
	return errors.Join(errs...)
}

// fail remembers the first write error and tells of it once.
func (o *Output) fail(err error) {
	o.errMu.Lock()
	first := o.err == nil
	if first {
		o.err = err
	}
	o.errMu.Unlock()
	if first {
		o.opt.Log.Error().Err(err).Msg("events are being lost")
	}
}

// Err returns the first error of writing so far.
func (o *Output) Err() error {
	o.errMu.Lock()
	defer o.errMu.Unlock()
	return o.err
}

// Lost returns how many lines could not be written so far.
func (o *Output) Lost() uint64 {
	o.errMu.Lock()
	defer o.errMu.Unlock()
	var n uint64
	o.sinks(func(s sink.Sink) { n += s.Lost() })
	return n
}

// Close hands everything over and closes the sinks. It returns the first error of writing. The workers must be idle for good.
func (o *Output) Close() error {
	o.statsMu.Lock()
	defer o.statsMu.Unlock()
	if o.closed {
		return o.Err()
	}
	o.closed = true
	for _, w := range o.workers {
		_ = w.Flush()
	}
	_ = o.control.Flush()
	if n := o.Lost(); n > 0 {
		o.opt.Log.Warn().Uint64("lines", n).Msg("events were lost")
	}
	cerr := o.closeSinks()
	if err := o.Err(); err != nil {
		return fmt.Errorf("%w (%d lines lost)", err, o.Lost())
	}
	return cerr
}

// Release hands over what a worker has written, and forgets it: it has ended. Files of its own are closed.
func (o *Output) Release(w *Worker) {
	_ = w.Flush()
	o.errMu.Lock()
	defer o.errMu.Unlock()
	if i := slices.Index(o.workers, w); i >= 0 {
		o.workers = slices.Delete(o.workers, i, i+1)
	}
	for i, s := range w.sinks {
		if l := &o.lanes[i]; s != nil && l.threaded {
			if err := s.Close(); err != nil && o.err == nil {
				o.err = err
			}
			if k := slices.Index(*l.own, s); k >= 0 {
				*l.own = slices.Delete(*l.own, k, k+1)
			}
		}
		w.sinks[i] = nil
	}
}

func (o *Output) closeSinks() error {
	o.errMu.Lock()
	defer o.errMu.Unlock()
	var errs []error
	o.sinks(func(s sink.Sink) {
		if err := s.Close(); err != nil {
			errs = append(errs, err)
		}
	})
	return errors.Join(errs...)
}
