package eve

import (
	"time"

	"sentinel/capture"
	"sentinel/decode"
	"sentinel/detect"
	"sentinel/eve/sink"
	"sentinel/internal/jsonw"
	"sentinel/stream"
	"sentinel/stream/app"
)

// flushAt is how many bytes of one sink a worker collects before it hands them over in the middle of a batch.
const flushAt = 1 << 18

// Counts are the events that a worker wrote.
type Counts struct {
	Events [TypeCount]uint64
	Tx     []uint64 // by protocol
}

// Worker builds the events of one worker. It belongs to one goroutine.
type Worker struct {
	// Dropper is the match that the next packet may have been dropped by, where none of its alerts did; nil = none.
	Dropper *detect.Alert
	// Tenant is whose rules judged the next packet, for alerts; 0 = those of no tenant.
	Tenant uint32

	o       *Output
	vars    Vars // nil = none
	b       jsonw.Builder
	clock   *jsonw.Clock // of events
	times   *jsonw.Clock // of what is in them
	last    *jsonw.Clock
	bufs    [][]byte // by lane
	sinks   []sink.Sink
	now     int64
	link    capture.LinkType // of the last frame, for pseudo packets
	logOpt  app.LogOptions
	stash   []byte   // payload of streams
	line    []byte   // of fast.log
	macs    []macSet // by flow, when some eve-log wants them
	fake    []byte   // bytes of a pseudo packet
	ip      []byte   // from X-Forwarded-For
	fastAt  fastTime
	counts  Counts
	scratch app.Scratch
}

// NewWorker returns a Worker. Ids count from 0; they tell threaded outputs apart.
func (o *Output) NewWorker(id int) *Worker {
	w := &Worker{o: o, clock: jsonw.NewClock(time.Local), times: jsonw.NewClock(time.Local), last: jsonw.NewClock(time.Local),
		bufs: make([][]byte, len(o.lanes)), sinks: make([]sink.Sink, len(o.lanes)), counts: Counts{Tx: make([]uint64, len(o.txs))}}
	o.errMu.Lock()
	defer o.errMu.Unlock()
	for i := range o.lanes {
		l := &o.lanes[i]
		if !l.threaded {
			w.sinks[i] = l.sink
			continue
		}
		if id < 0 && len(o.stats) == 0 {
			continue
		}
		c := l.conf
		*l.count++
		c.Path = sink.Threaded(c.Path, *l.count)
		s, err := sink.Open(c)
		if err != nil {
			if o.err == nil {
				o.err = err
				o.opt.Log.Error().Err(err).Msg("events are being lost")
			}
			continue
		}
		w.sinks[i] = s
		*l.own = append(*l.own, s)
	}
	o.workers = append(o.workers, w)
	return w
}

// Counts returns how many events the worker wrote. Another goroutine may read them while the worker is idle.
func (w *Worker) Counts() *Counts { return &w.counts }

// SetTime tells the worker's time where no packet does, for the timestamps of flow records.
func (w *Worker) SetTime(now int64) { w.now = max(w.now, now) }

// Packet writes everything that is due for a packet: its alerts, what is odd about it, that it was dropped, and the
// transactions and files that are ready.
func (w *Worker) Packet(u *stream.Unit, alerts []detect.Alert) {
	o, p := w.o, u.Packet
	w.now = max(w.now, u.Now)
	if p.Frame != nil {
		w.link = p.Frame.Link
	}
	if o.macs {
		w.seeMACs(u)
	}
	if len(alerts) > 0 || u.Flags&stream.Tagged != 0 {
		w.alerts(u, alerts)
	}
	if u.LayerEvents != 0 || !p.Events.Empty() {
		w.packetAnomalies(u)
	}
	if u.Action&(stream.DropPacket|stream.DropFlow) != 0 && len(o.drops) > 0 && o.opt.IPS {
		w.drops(u, alerts)
	}
	if p.Layers&decode.HasARP != 0 && len(o.arps) > 0 {
		w.arps(u)
	}
	if len(o.metadata) > 0 && w.vars != nil && w.vars.Captured() {
		w.metadata(u)
	}
	if u.App != nil {
		w.application(u, u.App)
		if len(o.frames) > 0 && u.Flow != nil {
			w.frames(u, u.App)
		}
	}
}

// emit ends the event under construction and queues it.
func (w *Worker) emit(l *logger, t Type) {
	b, o := &w.b, w.o
	for b.Depth() > 1 { // of a logger that forgot to close
		b.Close()
	}
	if l.common.sensor != "" {
		b.String("host", l.common.sensor)
	}
	if l.common.pcapFile && o.opt.File != nil {
		if name := o.opt.File(); name != "" {
			b.String("pcap_filename", name)
		}
	}
	b.Close()
	b.Newline()
	w.counts.Events[t]++
	line := b.Bytes()
	for _, i := range l.lanes {
		w.queue(i, line)
	}
	if l.event {
		o.eventMu.Lock()
		defer o.eventMu.Unlock()
		o.opt.OnEvent(line)
	}
}

// queue adds a line to what a sink gets next.
func (w *Worker) queue(i int, line []byte) {
	buf := append(w.bufs[i], w.o.lanes[i].prefix...)
	w.bufs[i] = append(buf, line...)
	if len(w.bufs[i]) >= flushAt {
		w.flush(i)
	}
}

func (w *Worker) flush(i int) error {
	if len(w.bufs[i]) == 0 {
		return nil
	}
	var err error
	if s := w.sinks[i]; s != nil {
		if err = s.Write(w.bufs[i]); err != nil {
			w.o.fail(err)
		}
	}
	w.bufs[i] = w.bufs[i][:0]
	return err
}

// Flush hands the lines to the sinks. It returns the first error; what could not be written is lost.
func (w *Worker) Flush() error {
	var first error
	for i := range w.bufs {
		if err := w.flush(i); err != nil && first == nil {
			first = err
		}
	}
	return first
}

// SetVars makes the worker's events carry the variables of flows.
func (w *Worker) SetVars(v Vars) { w.vars = v }
