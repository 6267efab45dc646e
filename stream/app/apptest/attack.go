package apptest

import (
	"fmt"
	"testing"
	"time"

	"sentinel/internal/growth"
	"sentinel/internal/jsonw"
	"sentinel/stream/app"
	"sentinel/stream/file"
	"sentinel/stream/flow"
)

// Chunk is what one packet brings.
type Chunk struct {
	Dir  app.Dir
	Data []byte
}

// Attack is what a hostile peer sends, to make a parser work more than the bytes are worth. When the parser gives up, the peer opens
// another connection and goes on.
type Attack struct {
	Name   string
	Config string             // a line of the protocol's section
	From   int                // the fewest units to measure, where the protocol has a limit that is to be passed; 0 = any
	Head   []any              // opens each connection: strings, and the directions in which they go
	Dir    app.Dir            // of the units
	Unit   func(i int) string // unit i
	Answer func(i int) string // what the other side says to unit i; nil = nothing
}

// head returns the chunks that open a connection.
func (a *Attack) head() (out []Chunk) {
	dir := app.ToServer
	for _, p := range a.Head {
		switch v := p.(type) {
		case app.Dir:
			dir = v
		case string:
			out = append(out, Chunk{dir, []byte(v)})
		default:
			panic(fmt.Sprintf("apptest.Attack: %T", p))
		}
	}
	return out
}

// units returns n units.
func (a *Attack) units(n int) []Chunk {
	out := make([]Chunk, 0, n)
	for i := range n {
		out = append(out, Chunk{a.Dir, []byte(a.Unit(i))})
		if a.Answer != nil {
			out = append(out, Chunk{a.Dir.Other(), []byte(a.Answer(i))})
		}
	}
	return out
}

const (
	// maxJoined is the most that is handed over at a time: what a window of TCP holds.
	maxJoined = 256 << 10
	// maxBytes and maxCallsByte bound the input of a measurement: in pieces, and where each byte comes by itself.
	maxBytes, maxCallsByte = 1 << 20, 1 << 16
	// The most that a byte may cost when it comes with others, and by itself, with rules on every buffer. A packet costs the
	// sender 40 bytes at least.
	byteCost, packetCost = 4 * time.Microsecond, 60 * time.Microsecond
)

// Linear holds a protocol to work that grows in proportion to the input, whatever that is. Each attack comes as it is, in pieces as
// large as possible, and byte by byte. The part of the engine is played as well: transactions are walked after each piece, every
// buffer is looked at as if rules were on it, and what is complete is logged and freed.
func Linear(t *testing.T, p *app.Protocol, attacks []Attack) {
	growth.Need(t)
	for _, a := range attacks {
		t.Run(a.Name, func(t *testing.T) {
			unit := max(size(a.units(64))/64, 1)
			for _, mode := range []struct {
				name string
				cut  func([]Chunk) []Chunk
				most int
			}{
				{"as it is", func(c []Chunk) []Chunk { return c }, maxBytes},
				{"in one piece", join, maxBytes},
				{"byte by byte", split, maxCallsByte},
			} {
				if p.Transport&app.TCP == 0 && mode.name != "as it is" {
					continue // datagrams
				}
				t.Run(mode.name, func(t *testing.T) {
					var bytes, calls int
					c := growth.Linear(t, a.From, max(mode.most/unit, 4*a.From), func(n int) func() {
						chunks := a.units(n)
						bytes = size(chunks)
						chunks = mode.cut(chunks)
						calls = len(chunks)
						e := newEngine(t, p, a.Config)
						e.head = a.head()
						return func() { e.run(chunks) }
					})
					t.Logf("%d bytes in %d pieces: %v, %v a byte", bytes, calls, c.Work, c.Per(bytes))
					if c.Per(bytes) > byteCost && c.Per(calls) > packetCost {
						t.Errorf("%v a byte and %v a piece are too much", c.Per(bytes), c.Per(calls))
					}
				})
			}
		})
	}
}

func size(chunks []Chunk) (n int) {
	for _, c := range chunks {
		n += len(c.Data)
	}
	return n
}

// join makes as few chunks as possible, in the same order.
func join(in []Chunk) (out []Chunk) {
	for _, c := range in {
		if n := len(out); n > 0 && out[n-1].Dir == c.Dir && len(out[n-1].Data)+len(c.Data) <= maxJoined {
			out[n-1].Data = append(out[n-1].Data, c.Data...)
			continue
		}
		out = append(out, Chunk{c.Dir, append([]byte(nil), c.Data...)})
	}
	return out
}

// split makes a chunk of each byte.
func split(in []Chunk) (out []Chunk) {
	for _, c := range in {
		for i := range c.Data {
			out = append(out, Chunk{c.Dir, c.Data[i : i+1]})
		}
	}
	return out
}

// engine plays the part of stream, detection and output, without work of its own that grows with what is pending.
type engine struct {
	proto   *app.Protocol
	make    func() app.Parser
	head    []Chunk // opens each connection
	parser  app.Parser
	flow    flow.Flow
	scratch app.Scratch
	pending [2][]byte
	taken   [2]int // of pending
	need    [2]int
	offset  [2]uint64
	over    bool
	minTx   uint64
	events  app.EventSet
	frames  [2][]app.Frame
	dir     app.Dir
	files   uint32
	now     int64
	log     jsonw.Builder
	sink    int
}

// engineFrames is the number of frames of a direction that the engine keeps.
const engineFrames = 259

func newEngine(t testing.TB, p *app.Protocol, config string) *engine {
	if config != "" {
		config = "  " + config + "\n"
	}
	d := newDriver(t, p, config)
	return &engine{proto: p, make: d.make, flow: d.flow}
}

// begin opens another connection.
func (e *engine) begin() {
	e.parser = e.make()
	e.over, e.minTx = false, 0
	for d := range e.pending {
		e.pending[d], e.taken[d], e.need[d], e.offset[d] = e.pending[d][:0], 0, 0, 0
		e.frames[d] = e.frames[d][:0]
	}
	for _, c := range e.head {
		e.chunk(c)
	}
}

func (e *engine) run(chunks []Chunk) {
	e.begin()
	for _, c := range chunks {
		if e.over {
			e.begin()
		}
		e.chunk(c)
	}
	for _, d := range []app.Dir{app.ToServer, app.ToClient} {
		if !e.over {
			e.call(d, e.pending[d][e.taken[d]:], true)
			e.look()
		}
	}
}

func (e *engine) chunk(c Chunk) {
	d := c.Dir
	if e.flow.Proto == 17 {
		e.call(d, c.Data, false)
		e.look()
		return
	}
	e.pending[d] = append(e.pending[d], c.Data...)
	for n := 0; !e.over && n < maxCalls; n++ {
		b := e.pending[d][e.taken[d]:]
		if len(b) == 0 || len(b) < e.need[d] {
			break
		}
		r := e.call(d, b, false)
		e.taken[d] += r.Consumed
		e.offset[d] += uint64(r.Consumed)
		e.need[d] = r.Need
		if r.Consumed == 0 {
			break
		}
	}
	switch left := e.pending[d][e.taken[d]:]; {
	case len(left) == 0:
		e.pending[d], e.taken[d] = e.pending[d][:0], 0
	case e.taken[d] > 1<<16 && e.taken[d] > len(left):
		e.pending[d], e.taken[d] = e.pending[d][:copy(e.pending[d], left)], 0
	}
	e.look()
}

func (e *engine) call(d app.Dir, b []byte, eof bool) app.Result {
	e.dir = d
	e.now += 1e6
	r := e.parser.Parse(&app.Input{Flow: &e.flow, Data: b[:len(b):len(b)], Dir: d, Offset: e.offset[d], EOF: eof, Time: e.now, Host: e})
	if r.Status == app.Failed || r.Next != 0 || r.NextAny || r.Flags&(app.NoInspect|app.NoReassembly) != 0 {
		e.over = true
	}
	// Frames that have an end are over with the packet.
	l := e.frames[d][:0]
	for _, f := range e.frames[d] {
		if f.Len < 0 {
			l = append(l, f)
		}
	}
	e.frames[d] = l
	return r
}

// look does what a packet's rules and events do: it walks the live transactions.
func (e *engine) look() {
	solid := true
	for t, ok := e.parser.Next(e.minTx); ok; {
		b := t.Base()
		id, ended := b.ID, true
		for d := app.ToServer; d <= app.ToClient; d++ {
			p, end := b.Progress[d], uint8(max(len(e.proto.States[d]), 2)-1)
			if b.OneWay && b.Way != d {
				continue
			}
			if b.Updated[d] && !b.InspectEnd[d] {
				b.Updated[d] = false
				e.buffers(t, d, p)
				b.Inspected[d] = max(b.Inspected[d], p)
				b.InspectEnd[d] = p >= end
			}
			ended = ended && p >= end
		}
		if ended {
			if e.proto.Log != nil {
				e.log.Reset()
				e.log.StartObject()
				e.proto.Log(t, &e.log, &app.LogOptions{Flow: &e.flow, Extended: true})
			}
			for d := range b.Files {
				b.Files[d].Clear(nil)
			}
			e.parser.Free(id)
		} else if solid {
			solid = false
			e.minTx = id - 1
		}
		t, ok = e.parser.Next(max(id, e.minTx))
		if solid {
			e.minTx = id
		}
	}
	e.scratch.Reset()
}

// buffers looks at all buffers that are due.
func (e *engine) buffers(t app.Transaction, d app.Dir, progress uint8) {
	b := t.Base()
	for i := range e.proto.Buffers {
		x := &e.proto.Buffers[i]
		if x.At.Dir != d || x.At.Sub != b.Type || x.At.Progress > progress || progress > x.At.Progress && b.Inspected[d] > x.At.Progress {
			continue
		}
		switch x.Kind {
		case app.Single:
			e.sink += len(x.Single(t, d, &e.scratch))
		case app.Multiple:
			for n := 0; n < 4096; n++ {
				v, ok := x.Multi(t, d, n, &e.scratch)
				if !ok {
					break
				}
				e.sink += len(v)
			}
		case app.Streamed:
			if s := x.Stream(t, d); s != nil {
				w, _, _, _ := s.Window(progress > x.At.Progress)
				e.sink += len(w)
				defer s.Advance()
			}
		}
	}
	e.scratch.Reset()
}

// Event implements app.Host.
func (e *engine) Event(n uint8) { e.events.Set(n) }

// Open implements app.Host.
func (e *engine) Open(tx *app.Tx, name []byte) *file.File {
	f := new(file.File)
	f.Begin(name, 0, file.Limits{})
	f.ID, f.TxID = e.files, tx.ID
	e.files++
	tx.Files[e.dir].Add(f)
	return f
}

// Frame implements app.Host.
func (e *engine) Frame(t uint8, off uint64, length int64) *app.Frame {
	l := &e.frames[e.dir]
	if len(*l) >= engineFrames {
		return nil
	}
	*l = append(*l, app.Frame{Type: t, Off: off, Len: length})
	return &(*l)[len(*l)-1]
}

// OpenFrame implements app.Host.
func (e *engine) OpenFrame(t uint8) *app.Frame {
	l := e.frames[e.dir]
	for i := len(l) - 1; i >= 0; i-- {
		if l[i].Type == t && l[i].Len < 0 {
			return &l[i]
		}
	}
	return nil
}

// Expect implements app.Host.
func (e *engine) Expect(app.Expectation) {}

// Scratch implements app.Host.
func (e *engine) Scratch() *app.Scratch { return &e.scratch }

var _ app.Host = (*engine)(nil)
