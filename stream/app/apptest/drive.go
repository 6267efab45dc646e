package apptest

import (
	"fmt"
	"strings"
	"testing"

	"sentinel/internal/conf"
	"sentinel/internal/jsonw"
	"sentinel/stream/app"
	"sentinel/stream/file"
	"sentinel/stream/flow"
)

// step is one thing that happens in a conversation.
type step struct {
	dir  app.Dir
	data []byte
	gap  int
	eof  bool
}

// driver plays the part of the stream engine for one flow.
type driver struct {
	t       testing.TB
	proto   *app.Protocol
	make    func() app.Parser
	parser  app.Parser
	flow    flow.Flow
	scratch app.Scratch
	pending [2][]byte
	need    [2]int
	offset  [2]uint64
	eof     [2]bool
	stop    [2]bool
	failed  bool
	next    string
	events  app.EventSet
	files   uint32
	frames  [2][]app.Frame
	names   map[app.ProtoID]string
	now     int64
}

var _ app.Host = (*driver)(nil)

func (d *driver) Event(e uint8) { d.events.Set(e) }

func (d *driver) Open(tx *app.Tx, name []byte) *file.File {
	f := new(file.File)
	f.Begin(name, file.WantMD5|file.WantSHA1|file.WantSHA256, file.Limits{})
	f.ID, f.TxID = d.files, tx.ID
	d.files++
	tx.Files[d.dir()].Add(f)
	return f
}

var current app.Dir

// maxFrames bounds the frames that are recorded.
const maxFrames = 1 << 12

// Frame records a frame as the engine would.
func (d *driver) Frame(t uint8, off uint64, length int64) *app.Frame {
	l := &d.frames[current]
	if int(t) >= len(d.proto.Frames) {
		d.t.Fatalf("frame of type %d, which the protocol does not have", t)
	}
	if len(*l) >= maxFrames {
		return nil
	}
	*l = append(*l, app.Frame{Type: t, Off: off, Len: length})
	return &(*l)[len(*l)-1]
}

// OpenFrame finds the newest frame of a type that is not closed.
func (d *driver) OpenFrame(t uint8) *app.Frame {
	l := d.frames[current]
	for i := len(l) - 1; i >= 0; i-- {
		if l[i].Type == t && l[i].Len < 0 {
			return &l[i]
		}
	}
	return nil
}

func (d *driver) dir() app.Dir           { return current }
func (d *driver) Expect(app.Expectation) {}
func (d *driver) Scratch() *app.Scratch  { return &d.scratch }

// maxCalls bounds the calls for one piece of input: a parser that neither consumes nor asks for more would loop.
const maxCalls = 1 << 16

func newDriver(t testing.TB, p *app.Protocol, config string) *driver {
	t.Helper()
	d := &driver{t: t, proto: p, names: map[app.ProtoID]string{}, now: 1700000000e9}
	tree, _, err := conf.Parse([]byte("section:\n"+config), "section")
	if err != nil {
		t.Fatalf("config: %v", err)
	}
	ids := map[string]app.ProtoID{}
	make, err := p.Setup(app.Settings{
		Section: tree.Get("section"), Root: tree.Root(),
		ID: func(name string) app.ProtoID {
			if _, ok := ids[name]; !ok {
				ids[name] = app.ProtoID(100 + len(ids))
				d.names[ids[name]] = name
			}
			return ids[name]
		},
		Wants: func(string) bool { return true },
		Warn:  t.Logf,
	})
	if err != nil {
		t.Fatalf("setup: %v", err)
	}
	d.make, d.parser = make, make()
	d.flow.IPVersion, d.flow.Proto = 4, 6
	if p.Transport == app.UDP {
		d.flow.Proto = 17
	}
	d.flow.Src = [16]byte{192, 0, 2, 1}
	d.flow.Dst = [16]byte{198, 51, 100, 2}
	d.flow.SrcPort, d.flow.DstPort = 40000, 80
	return d
}

// feed hands one step to the parser, and overwrites afterwards what it was lent.
func (d *driver) feed(s step) {
	d.t.Helper()
	if d.failed || d.next != "" || d.stop[s.dir] {
		return
	}
	i := s.dir
	if s.gap > 0 {
		if !d.proto.GapOK {
			d.stop[i] = true
			return
		}
		// What the parser still waited for cannot be completed.
		d.offset[i] += uint64(len(d.pending[i]))
		d.pending[i], d.need[i] = nil, 0
		d.call(i, nil, uint32(s.gap), false)
		d.offset[i] += uint64(s.gap)
		return
	}
	if d.flow.Proto == 17 {
		d.call(i, s.data, 0, s.eof)
		return
	}
	d.pending[i] = append(d.pending[i], s.data...)
	for n := 0; ; n++ {
		if n == maxCalls {
			d.t.Fatalf("the parser neither consumes nor waits at offset %d", d.offset[i])
		}
		have := len(d.pending[i])
		if !s.eof && (have == 0 || have < d.need[i]) {
			return
		}
		r := d.call(i, d.pending[i], 0, s.eof)
		if r.Consumed < 0 || r.Consumed > have {
			d.t.Fatalf("consumed %d of %d bytes", r.Consumed, have)
		}
		if r.Flags&app.NoReassembly != 0 {
			d.stop[0], d.stop[1] = true, true
			return
		}
		d.pending[i] = d.pending[i][r.Consumed:]
		d.offset[i] += uint64(r.Consumed)
		d.need[i] = r.Need
		if d.failed || d.next != "" || s.eof {
			return
		}
		if r.Consumed == 0 || len(d.pending[i]) == 0 {
			if r.Consumed == 0 && d.need[i] <= have {
				d.need[i] = have + 1
			}
			return
		}
	}
}

func (d *driver) call(i app.Dir, data []byte, lost uint32, eof bool) app.Result {
	lent := append([]byte(nil), data...)
	current = i
	d.now += 1e6
	r := d.parser.Parse(&app.Input{Flow: &d.flow, Data: lent[:len(lent):len(lent)], Dir: i, Offset: d.offset[i], Lost: lost,
		EOF: eof, Time: d.now, Host: d})
	for j := range lent {
		lent[j] = 0xCC
	}
	d.scratch.Reset()
	if r.Status == app.Failed {
		d.failed = true
	}
	if r.NextAny {
		d.next = "any"
	} else if r.Next != 0 {
		d.next = d.names[r.Next]
	}
	return r
}

func (d *driver) run(steps []step) {
	for _, s := range steps {
		d.feed(s)
		d.eof[s.dir] = d.eof[s.dir] || s.eof
	}
	for _, i := range []app.Dir{app.ToServer, app.ToClient} {
		if !d.eof[i] {
			d.feed(step{dir: i, eof: true})
		}
	}
}

// transactions returns the live ones, and checks the order of ids.
func (d *driver) transactions() []app.Transaction {
	var list []app.Transaction
	after := uint64(0)
	for {
		tx, ok := d.parser.Next(after)
		if !ok {
			return list
		}
		if id := tx.Base().ID; id <= after {
			d.t.Fatalf("Next(%d) returned transaction %d", after, id)
		}
		after = tx.Base().ID
		list = append(list, tx)
		if len(list) > 1<<20 {
			d.t.Fatal("transactions without end")
		}
	}
}

// report is all that came of a conversation, by kind of line.
func (d *driver) report() map[string][]string {
	out := map[string][]string{}
	add := func(kind, format string, args ...any) { out[kind] = append(out[kind], fmt.Sprintf(format, args...)) }
	for e, name := range d.proto.Events {
		if d.events.Has(uint8(e)) {
			add("event", "0 %s", name)
		}
	}
	for _, tx := range d.transactions() {
		b := tx.Base()
		add("progress", "%d %d %d", b.ID, b.Progress[0], b.Progress[1])
		for e, name := range d.proto.Events {
			if b.Events.Has(uint8(e)) {
				add("event", "%d %s", b.ID, name)
			}
		}
		if d.proto.Log != nil {
			var w jsonw.Builder
			w.Reset()
			w.StartObject()
			if d.proto.Log(tx, &w, &app.LogOptions{Flow: &d.flow}) {
				w.Close()
				add("log", "%s", w.Bytes())
			}
		}
		for i, arrow := range []string{">", "<"} {
			for n := 0; n < b.Files[i].Len(); n++ {
				f := b.Files[i].At(n)
				add("file", "%d %s %s %d %s", b.ID, arrow, f.Name, f.Size(), f.State)
			}
		}
		for _, buf := range d.proto.Buffers {
			arrow := []string{">", "<"}[buf.At.Dir]
			switch buf.Kind {
			case app.Single:
				if v := buf.Single(tx, buf.At.Dir, &d.scratch); v != nil {
					add("buffer", "%d %s %s %q", b.ID, arrow, buf.Name, v)
				}
			case app.Multiple:
				for n := 0; n < 1<<16; n++ {
					v, ok := buf.Multi(tx, buf.At.Dir, n, &d.scratch)
					if !ok {
						break
					}
					add("buffer", "%d %s %s %q", b.ID, arrow, buf.Name, v)
				}
			case app.Streamed:
				if s := buf.Stream(tx, buf.At.Dir); s != nil {
					v, off := s.All()
					add("buffer", "%d %s %s %q", b.ID, arrow, buf.Name, strings.Repeat("\x00", int(min(off, 1<<16)))+string(v))
				}
			}
		}
		d.scratch.Reset()
	}
	for i, arrow := range []string{">", "<"} {
		for _, f := range d.frames[i] {
			add("frame", "%s %s %d %d tx %d", arrow, d.proto.Frames[f.Type], f.Off, f.Len, f.Tx)
		}
	}
	if d.next != "" {
		add("next", "%s", d.next)
	}
	if d.failed {
		add("failed", "")
	}
	return out
}
