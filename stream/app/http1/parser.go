package http1

import (
	"sentinel/stream/app"
	"sentinel/stream/app/internal/httprange"
	"sentinel/stream/flow"
)

// outcome is what a step of the state machine says.
type outcome uint8

const (
	ok       outcome = iota
	wait             // the input is used up
	yield            // the other direction must speak first
	fail             // beyond repair
	turnover         // the connection is a tunnel now
)

// status is where a direction stands as a whole.
type status uint8

const (
	open status = iota
	closed
	broken
	tunnel
	suspended // waits for the other direction
	flowing
)

// state names the step that takes the next input.
type state uint8

const (
	stNone state = iota
	stIdle
	stLine
	stProtocol
	stHeaders
	stConnectCheck
	stConnectProbe
	stConnectWait
	stBodyDetermine
	stBodyIdentity
	stBodyStreamClose
	stChunkLength
	stChunkData
	stChunkEnd
	stFinalize
	stIgnore
)

// half is one direction of the connection.
type half struct {
	status     status
	state      state
	previous   state
	index      uint64 // of the current transaction
	buf        []byte // a line that has not ended
	header     []byte // header fields that have not ended
	hasHeader  bool
	length     int64 // -1 = unknown
	left       int64 // of the body; -1 = unknown
	chunk      int64
	rawOn      bool // header bytes are recorded
	shown      int  // fields of the message that rules were told of
	closed     bool // the end was handled
	frameStart uint64
	frameOpen  bool

	// the input of this call
	data []byte
	pos  int
	gap  int
	raw  int // where recording goes on
	base uint64
}

func (h *half) rest() []byte { return h.data[min(h.pos, len(h.data)):] }

// have is how many bytes are left, or missing in a gap.
func (h *half) have() int {
	if h.gap > 0 {
		return max(h.gap-h.pos, 0)
	}
	return len(h.data) - h.pos
}

func (h *half) unconsume(n int) { h.pos = max(h.pos-n, 0) }

// Parser follows one connection.
type Parser struct {
	pool *pool
	kit  *kit
	cfg  *config
	half [2]half
	txs  []*Tx // by rising index
	scan scanner

	bombs     int
	yieldAtTx bool // the response side lets the request side go on when its transaction ends
	responses uint64
	messages  int     // events raised
	side      app.Dir // whose state machine runs
	closing   bool    // the connection is being closed: events go into late
	late      []uint8 // events of the closing, which are told with the next data, if there is any
	host      app.Host
	changing  bool // this protocol came by a change that is not over: there is not another one
	now       int64
	key       []byte // scratch
	result    app.Result
	change    bool
}

// kit is what all parsers of a worker share.
type kit struct {
	pool    pool
	configs *configs
	ranges  *httprange.Store
	h2, ws  app.ProtoID
}

// maxMessages bounds the events of a connection.
const maxMessages = 512

func setup(s app.Settings) (func() app.Parser, error) {
	cs, err := readConfigs(s)
	if err != nil {
		return nil, err
	}
	k := &kit{configs: cs, ranges: httprange.Open(s)}
	if s.ID != nil {
		k.h2, k.ws = s.ID("http2"), s.ID("websocket")
	}
	return func() app.Parser {
		p := &Parser{kit: k, pool: &k.pool}
		p.Reset()
		return p
	}, nil
}

// Reset makes the parser ready for another flow.
func (p *Parser) Reset() {
	for i, t := range p.txs {
		p.pool.giveTx(t)
		p.txs[i] = nil
	}
	h := p.half
	*p = Parser{kit: p.kit, pool: p.pool, txs: p.txs[:0], late: p.late[:0], scan: p.scan, key: p.key}
	for d := range p.half {
		p.half[d] = half{state: stIdle, length: -1, left: -1, buf: h[d].buf[:0], header: h[d].header[:0]}
		if cap(h[d].buf) > maxKept {
			p.half[d].buf = nil
		}
		if cap(h[d].header) > maxKept {
			p.half[d].header = nil
		}
	}
}

// at finds the first transaction whose index is not below another.
func (p *Parser) at(index uint64) int {
	low, high := 0, len(p.txs)
	for low < high {
		if mid := int(uint(low+high) >> 1); p.txs[mid].index >= index {
			high = mid
		} else {
			low = mid + 1
		}
	}
	return low
}

// Next implements app.Parser.
func (p *Parser) Next(after uint64) (app.Transaction, bool) {
	for _, t := range p.txs[p.at(after):] {
		if t.Progress[0] != started || t.Progress[1] != started {
			return t, true
		}
	}
	return nil, false
}

// Free implements app.Parser.
func (p *Parser) Free(id uint64) {
	i := p.at(id - 1) // ids are indices, plus 1
	if id == 0 || i == len(p.txs) || p.txs[i].ID != id {
		return
	}
	t := p.txs[i]
	p.txs = append(p.txs[:i], p.txs[i+1:]...)
	p.txs[:len(p.txs)+1][len(p.txs)] = nil
	p.pool.giveTx(t)
}

// Parse implements app.Parser.
func (p *Parser) Parse(in *app.Input) app.Result {
	if p.cfg == nil {
		p.cfg = p.kit.configs.of(in.Flow)
	}
	p.host, p.now = in.Host, in.Time
	p.changing = in.Flow != nil && in.Flow.Has(flow.ProtoChange)
	p.result, p.change = app.Result{Consumed: len(in.Data)}, false
	h := &p.half[in.Dir]
	h.data, h.pos, h.gap, h.raw, h.base = in.Data, 0, 0, 0, in.Offset
	var r outcome
	if in.Lost > 0 {
		h.data, h.gap = nil, int(min(in.Lost, 1<<31-1))
	}
	if h.have() > 0 {
		if in.Dir == app.ToServer {
			r = p.request()
		} else {
			r = p.response()
		}
		for _, e := range p.late {
			p.event(e)
		}
		p.late = p.late[:0]
	}
	if in.EOF && !h.closed && r != turnover {
		h.closed = true
		p.end(in.Dir)
	}
	h.base += uint64(len(h.data))
	h.data, h.gap, h.pos = nil, 0, 0
	if r == fail {
		p.result.Status = app.Failed
	}
	p.host = nil
	return p.result
}

// end tells the state machines that nothing follows. The end of the server's side ends both.
func (p *Parser) end(d app.Dir) {
	for i := range p.half {
		if i == int(app.ToServer) || d == app.ToClient {
			h := &p.half[i]
			if h.status != broken {
				h.status = closed
			}
			h.base += uint64(len(h.data))
			h.data, h.pos, h.gap, h.raw = nil, 0, 0, 0
		}
	}
	p.closing = true
	p.request()
	if d == app.ToClient {
		p.response()
	}
	p.closing = false
}

// event puts an event on the transaction that a direction is at.
func (p *Parser) event(e uint8) {
	if p.messages >= maxMessages {
		return
	}
	if p.closing {
		if len(p.late) < maxMessages {
			p.late = append(p.late, e)
		}
		return
	}
	t := p.find(p.half[p.side].index)
	if t == nil {
		if t = p.find(p.half[p.side].index - 1); t == nil {
			return
		}
	}
	t.Raise(e)
	t.Updated[p.side] = true
	if p.messages++; p.messages == maxMessages {
		t.Events.Set(evTooManyWarnings)
	}
}

func (p *Parser) find(index uint64) *Tx {
	if i := p.at(index); i < len(p.txs) && p.txs[i].index == index {
		return p.txs[i]
	}
	return nil
}

// tx returns the current transaction of a direction and makes it when needed; nil when there are too many.
func (p *Parser) tx(d app.Dir) *Tx {
	index := p.half[d].index
	if t := p.find(index); t != nil {
		return t
	}
	if p.cfg.maxTx > 0 && len(p.txs) >= p.cfg.maxTx || len(p.txs) >= 1<<16 {
		return nil
	}
	t := p.pool.tx()
	t.index, t.ID, t.cfg = index, index+1, p.cfg
	i := p.at(index)
	p.txs = append(p.txs, nil)
	copy(p.txs[i+1:], p.txs[i:])
	p.txs[i] = t
	return t
}

// overLimit checks the memory for a line or header that n more bytes would need.
func (p *Parser) overLimit(d app.Dir, n int) bool {
	if n == 0 {
		return false
	}
	h := &p.half[d]
	n += len(h.buf)
	if h.hasHeader {
		n += len(h.header)
	}
	if n <= p.cfg.fieldLimit {
		return false
	}
	if d == app.ToServer {
		p.event(evRequestFieldTooLong)
	} else {
		p.event(evResponseFieldTooLong)
	}
	return true
}

// hold keeps the rest of the input until its line ends.
func (p *Parser) hold(d app.Dir) outcome {
	h := &p.half[d]
	b := h.rest()
	if p.overLimit(d, len(b)) {
		return fail
	}
	h.buf = append(h.buf, b...)
	h.pos += len(b)
	return wait
}

// record adds the header bytes that were used since the last time to the raw header block.
func (p *Parser) record(d app.Dir, stop bool) {
	h := &p.half[d]
	if !h.rawOn {
		return
	}
	t := p.tx(d)
	if t != nil && h.gap == 0 && h.raw < h.pos && h.pos <= len(h.data) {
		m := &t.msg[d]
		if room := maxRaw - len(m.raw); room > 0 {
			b := h.data[h.raw:h.pos]
			m.raw = append(m.raw, b[:min(len(b), room)]...)
		}
		// A part of a line is nothing new to rules.
		if n := len(m.fields) + m.repeats; n != h.shown || stop {
			h.shown = n
			t.Updated[d] = true
		}
		if d == app.ToServer {
			p.check(t)
		}
	}
	h.raw = h.pos
	if stop {
		h.rawOn = false
	}
}

// maxRaw bounds the raw header block of a message.
const maxRaw = 4 << 20

// entered notices that header fields begin, and starts recording.
func (p *Parser) entered(d app.Dir) {
	h := &p.half[d]
	if h.previous == h.state {
		return
	}
	if h.state == stHeaders {
		h.raw = h.pos
		if t := p.tx(d); t != nil && (t.Progress[d] == headers || t.Progress[d] == trailer) {
			h.rawOn = true
		}
	}
	h.previous = h.state
}

// check turns what is wrong with a request into events.
func (p *Parser) check(t *Tx) {
	const any = txInvalidTE | txInvalidCL | txHostMissing | txHostAmbiguous | txHostUInvalid | txHostHInvalid | txAuthUnknown
	if t.flags&any == 0 {
		return
	}
	for _, e := range [...]struct {
		flag uint32
		ev   uint8
	}{
		{txInvalidTE, evInvalidTransferEncodingValueInRequest}, {txInvalidCL, evInvalidContentLengthFieldInRequest},
		{txHostMissing, evMissingHostHeader}, {txHostAmbiguous, evHostHeaderAmbiguous},
		{txHostUInvalid, evRequestUriHostInvalid}, {txHostHInvalid, evRequestHeaderHostInvalid},
		{txAuthUnknown, evRequestAuthUnrecognized},
	} {
		if t.flags&e.flag != 0 {
			t.Raise(e.ev)
		}
	}
}

func (p *Parser) frame(d app.Dir, t *Tx) {
	h := &p.half[d]
	h.frameStart, h.frameOpen = h.base+uint64(h.pos), true
	if p.host != nil {
		f := p.host.Frame(uint8(d), h.frameStart, -1)
		if f != nil && t != nil {
			f.SetTx(t.ID)
		}
	}
}

func (p *Parser) endFrame(d app.Dir) {
	h := &p.half[d]
	if h.frameOpen && p.host != nil {
		if end := h.base + uint64(h.pos); end > h.frameStart {
			p.host.OpenFrame(uint8(d)).SetLen(int64(end - h.frameStart))
		}
	}
	h.frameOpen = false
}

var (
	_ app.Parser   = (*Parser)(nil)
	_ app.Resetter = (*Parser)(nil)
)
