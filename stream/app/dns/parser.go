package dns

import (
	"sentinel/stream/app"
)

// Events, by index into the descriptor's list.
const (
	evMalformed uint8 = iota
	evNotRequest
	evNotResponse
	evZFlag
	evOpcode
	evNameTooLong
	evLoop
	evLabels
	evAdditionals
	evAuthorities
)

// maxLive bounds the transactions of one flow that wait for their turn. Each is complete at once, so that one packet's
// worth of the smallest messages is the most that can pile up.
const maxLive = 4096

// Tx is one message.
type Tx struct {
	app.Tx
	Msg      Message
	Response bool // in the direction of responses, whatever the message says
	walk     walk
	answered bool // the response took over what was asked for
}

// pool keeps transactions of one worker for reuse.
type pool struct{ free []*Tx }

const maxPool = 512

func (p *pool) get() *Tx {
	if n := len(p.free); n > 0 {
		t := p.free[n-1]
		p.free = p.free[:n-1]
		return t
	}
	return &Tx{}
}

func (p *pool) put(t *Tx) {
	if len(p.free) >= maxPool {
		return
	}
	t.Msg.Reset()
	t.Tx = app.Tx{Files: t.Files, Bits: t.Bits[:0]}
	t.walk, t.answered = walk{}, false
	p.free = append(p.free, t)
}

// parser follows one flow.
type parser struct {
	pool   *pool
	spare  *Tx   // parsed into next
	live   []*Tx // by rising id
	head   int   // first of live
	asked  int   // requests among live
	walk   int   // index behind the transaction that Next returned last
	lastID uint64
	gap    bool
	marks  []mark // of requests whose responses are to come, oldest first
}

// maxMarks bounds the requests that are remembered for the sake of their responses.
const maxMarks = 500

// mark is what the config keyword asked for on a request: it counts for the response, too, which is another transaction.
type mark struct {
	id    uint16
	flags uint32
}

func (p *parser) remember(t *Tx) {
	if len(p.marks) == maxMarks {
		p.marks = p.marks[:copy(p.marks, p.marks[1:])]
	}
	p.marks = append(p.marks, mark{t.Msg.Header.ID, t.LogFlags})
}

// recall gives a response what was asked for on its request.
func (p *parser) recall(t *Tx) {
	if p.asked > 0 {
		for _, q := range p.live[p.head:] {
			if !q.Response && q.LogFlags != 0 && q.Msg.Header.ID == t.Msg.Header.ID {
				t.LogFlags = q.LogFlags
				q.answered = true
				return
			}
		}
	}
	for i, m := range p.marks {
		if m.id == t.Msg.Header.ID {
			t.LogFlags = m.flags
			p.marks = append(p.marks[:i], p.marks[i+1:]...)
			return
		}
	}
}

// above finds the first live transaction with an id above after.
func (p *parser) above(after uint64) int {
	low, high := p.head, len(p.live)
	for low < high {
		if mid := int(uint(low+high) >> 1); p.live[mid].ID > after {
			high = mid
		} else {
			low = mid + 1
		}
	}
	return low
}

func (p *parser) Next(after uint64) (app.Transaction, bool) {
	// Who walks the transactions asks for the one behind that which was returned last.
	i := p.walk
	if i <= p.head || i >= len(p.live) || p.live[i-1].ID != after {
		i = p.above(after)
	}
	if i < len(p.live) {
		p.walk = i + 1
		return p.live[i], true
	}
	return nil, false
}

func (p *parser) Free(id uint64) {
	i := p.above(id - 1)
	if id == 0 || i == len(p.live) || p.live[i].ID != id {
		return
	}
	t := p.live[i]
	if !t.Response {
		p.asked--
		if t.LogFlags != 0 && !t.answered {
			p.remember(t)
		}
	}
	p.pool.put(t)
	if i == p.head {
		p.live[i] = nil
		p.head++
	} else {
		copy(p.live[i:], p.live[i+1:])
		p.live[len(p.live)-1] = nil
		p.live = p.live[:len(p.live)-1]
	}
	if p.head == len(p.live) {
		p.live, p.head = p.live[:0], 0
	}
}

// Reset makes the parser ready for another flow.
func (p *parser) Reset() {
	for _, t := range p.live[p.head:] {
		p.pool.put(t)
	}
	clear(p.live)
	p.live, p.head, p.asked, p.lastID, p.gap = p.live[:0], 0, 0, 0, false
	if cap(p.live) > 64 {
		p.live = nil
	}
	p.marks = p.marks[:0]
}

func (p *parser) Parse(in *app.Input) app.Result {
	if in.Flow != nil && in.Flow.Proto == protoTCP {
		return p.stream(in)
	}
	if len(in.Data) > 0 {
		f, last := in.Host.Frame(0, 0, int64(len(in.Data))), p.lastID
		p.message(in.Data, in.Dir, false)
		if p.lastID != last {
			f.SetTx(p.lastID)
		}
	}
	return app.Result{Consumed: len(in.Data)}
}

// stream reads messages behind their two-byte lengths (RFC 1035, 4.2.2).
func (p *parser) stream(in *app.Input) (r app.Result) {
	if in.Lost > 0 {
		p.gap = true
		return r
	}
	b := in.Data
	if len(b) == 0 {
		return r
	}
	if p.gap {
		if v, _ := probeTCP(b); v != app.No {
			p.gap = false
		} else if in.Dir == app.ToClient {
			r.Consumed = len(b)
			return r
		}
	}
	for {
		rest := b[r.Consumed:]
		switch len(rest) {
		case 0:
			return r
		case 1:
			r.Need = 2
			return r
		}
		size := int(rest[0])<<8 | int(rest[1])
		if len(rest) < 2+size {
			r.Need = 2 + size
			return r
		}
		if size > 0 {
			r.Flags |= app.TriggerRaw
			f, last := in.Host.Frame(0, in.Offset+uint64(r.Consumed)+2, int64(size)), p.lastID
			if !p.message(rest[2:2+size], in.Dir, true) {
				r.Status = app.Failed
				return r
			}
			if p.lastID != last {
				f.SetTx(p.lastID)
			}
		}
		r.Consumed += 2 + size
	}
}

// message makes a transaction of one message. It returns false for what is not DNS, which ends a TCP flow's parsing.
func (p *parser) message(b []byte, d app.Dir, tcp bool) bool {
	if !Validate(b) {
		return !tcp
	}
	t := p.spare
	if t == nil {
		t = p.pool.get()
		p.spare = t
	}
	if t.Msg.Parse(b) != Good {
		p.event(evMalformed)
		return false
	}
	if d == app.ToServer && t.Msg.Header.QR() {
		p.event(evNotRequest)
		return false
	}
	if len(p.live)-p.head >= maxLive {
		return true
	}
	p.spare = nil
	p.lastID++
	t.ID = p.lastID
	t.complete(d)
	if t.Response {
		p.recall(t)
	} else {
		p.asked++
	}
	p.live = append(p.live, t)
	return true
}

// complete makes a transaction of a parsed message.
func (t *Tx) complete(d app.Dir) {
	t.OneWay, t.Way, t.Response = true, d, d == app.ToClient
	t.Progress = [2]uint8{done, done}
	t.Updated = [2]bool{d == app.ToServer, d == app.ToClient}
	t.judge()
}

// Read makes a transaction of a message that another protocol carries. It returns false for what is no message of direction d.
// The events are those of DNS; the number is the caller's to give.
func (t *Tx) Read(b []byte, d app.Dir) bool {
	if !Validate(b) || t.Msg.Parse(b) != Good || d == app.ToServer && t.Msg.Header.QR() {
		return false
	}
	t.walk = walk{}
	t.complete(d)
	return true
}

// judge sets the events of a parsed message.
func (t *Tx) judge() {
	m := &t.Msg
	h := &m.Header
	if m.InvalidAdditionals {
		t.Events.Set(evAdditionals)
	}
	if m.InvalidAuthorities {
		t.Events.Set(evAuthorities)
	}
	if t.Response && !h.QR() {
		t.Events.Set(evNotResponse)
	}
	if h.Flags&0x40 != 0 {
		t.Events.Set(evZFlag)
	}
	if h.Opcode() >= 7 {
		t.Events.Set(evOpcode)
	}
	if m.Flags&Cut != 0 {
		t.Events.Set(evNameTooLong)
	}
	if m.Flags&Loop != 0 {
		t.Events.Set(evLoop)
	}
	if m.Flags&LabelLimit != 0 {
		t.Events.Set(evLabels)
	}
}

// event sets an event on the newest transaction, if there is one.
func (p *parser) event(e uint8) {
	if n := len(p.live); n > p.head {
		p.live[n-1].Events.Set(e)
		p.live[n-1].Updated[p.live[n-1].Way] = true
	}
}
