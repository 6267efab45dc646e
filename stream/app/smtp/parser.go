package smtp

import (
	"bytes"

	"sentinel/stream/app"
	"sentinel/stream/app/internal/mime"
	"sentinel/stream/file"
)

// command is what a reply may answer.
type command uint8

// The commands that matter. cmdBody and cmdLastChunk stand for the ends of mails, which are answered like commands.
const (
	cmdNone command = iota
	cmdSTARTTLS
	cmdDATA
	cmdBDAT
	cmdBody
	cmdOther
	cmdRSET
	cmdQUIT
	cmdLastChunk
)

const (
	maxCommand = 4096 // of a line that is no body's; what is longer is cut
	maxPiece   = 8192 // of a line of a body; longer ones are read in pieces
	maxPending = 1<<16 - 1
)

// sent is a command that waits for its reply.
type sent struct {
	cmd command
	tx  uint64 // 0 = none
}

// parser follows one session.
type parser struct {
	config *config
	pool   *pool
	live   []*Tx // by rising id
	cur    *Tx
	lastID uint64

	pending   []sent
	answered  int // of pending
	helo      []byte
	hasHelo   bool
	command   command
	chunk     uint32 // size of the BDAT chunk, and how much of it came
	got       uint32
	discard   [2]bool // the rest of a long line is left out
	dataMode  bool    // a mail, or encrypted data, follows
	greeted   bool    // the first reply was seen
	multiline bool    // within a reply of several lines
	pipelines bool    // the server said that it supports pipelining
}

func (p *parser) Next(after uint64) (app.Transaction, bool) {
	for _, t := range p.live {
		if t.ID > after {
			return t, true
		}
	}
	return nil, false
}

func (p *parser) Free(id uint64) {
	for i, t := range p.live {
		if t.ID == id {
			p.live = append(p.live[:i], p.live[i+1:]...)
			if t == p.cur {
				p.cur = nil
			}
			p.pool.put(t)
			return
		}
	}
}

// Reset makes the parser ready for another flow.
func (p *parser) Reset() {
	for _, t := range p.live {
		p.pool.put(t)
	}
	clear(p.live)
	pending := p.pending
	if cap(pending) > 64 {
		pending = nil
	}
	*p = parser{config: p.config, pool: p.pool, live: p.live[:0], pending: pending[:0], helo: small(p.helo)}
}

func (p *parser) byID(id uint64) *Tx {
	for _, t := range p.live {
		if t.ID == id {
			return t
		}
	}
	return nil
}

func (p *parser) event(e uint8) {
	if p.cur != nil {
		p.cur.Events.Set(e)
	}
}

func (p *parser) Parse(in *app.Input) app.Result {
	if in.Dir == app.ToServer {
		return p.client(in)
	}
	return p.server(in)
}

// line is a line of input.
type line struct {
	text []byte // without its end
	full []byte
	size int  // bytes of input it takes
	cut  bool // too long: text is what counts of it
	from int  // where it begins in the input, behind the rest of one that was cut
}

// begin opens the frame of a line that begins at offset at, unless it is open. The rest of a line that was cut has none. It
// returns the new frame, if somebody wants it.
func (p *parser) begin(in *app.Input, t uint8, at uint64) *app.Frame {
	if p.discard[in.Dir] || in.Host.OpenFrame(t) != nil {
		return nil
	}
	return in.Host.Frame(t, at, -1)
}

// end closes the frame of a line whose input begins at offset at.
func (p *parser) end(in *app.Input, t uint8, l *line, at uint64) *app.Frame {
	f := in.Host.OpenFrame(t)
	if f == nil {
		f = in.Host.Frame(t, at+uint64(l.from), -1)
	}
	n := l.size - l.from
	if p.discard[in.Dir] { // its end has not come
		n = len(l.full)
	}
	f.SetLen(int64(n))
	return f
}

// read takes a line that ends in LF off the front of b. It returns false if the line is not complete.
func (p *parser) read(b []byte, d app.Dir) (l line, ok bool) {
	for {
		i := bytes.IndexByte(b[l.size:], '\n')
		if p.discard[d] { // what is left of a line that was cut
			if i < 0 {
				l.size = len(b)
				return l, false
			}
			p.discard[d] = false
			l.size += i + 1
			continue
		}
		at := l.size
		l.from = at
		if i < 0 {
			if len(b)-at < maxCommand {
				return l, false
			}
			p.discard[d] = true
			l.text = b[at : at+maxCommand]
			l.full, l.size, l.cut = l.text, len(b), true
			return l, true
		}
		l.size += i + 1
		l.full = b[at:l.size]
		l.text = l.full[:i]
		if i+1 >= maxCommand {
			l.text = l.full[:maxCommand]
			l.full, l.cut = l.text, true
			return l, true
		}
		if i > 0 && l.text[i-1] == '\r' {
			l.text = l.text[:i-1]
		}
		return l, true
	}
}

// readBody takes a line of a mail's body off the front of b: it ends in LF, CR LF or CR, or is a piece of a very long one. Lines
// that may be a boundary end in LF only.
func (p *parser) readBody(b []byte, eof bool) (l line, ok bool) {
	if b[0] == '-' {
		return p.read(b, app.ToServer)
	}
	look := b[:min(len(b), maxPiece)]
	i := bytes.IndexByte(look, '\n')
	if i >= 0 {
		look = look[:i]
	}
	if j := bytes.IndexByte(look, '\r'); j >= 0 {
		switch {
		case j+1 < len(b) && b[j+1] == '\n':
			return line{text: b[:j], full: b[:j+2], size: j + 2}, true
		case j+1 < len(b) || eof:
			return line{text: b[:j], full: b[:j+1], size: j + 1}, true
		}
		return l, false
	}
	switch {
	case i >= 0:
		return line{text: b[:i], full: b[:i+1], size: i + 1}, true
	case len(look) == maxPiece || eof:
		return line{text: look, full: look, size: len(look)}, true
	}
	return l, false
}

// client reads commands and mails.
func (p *parser) client(in *app.Input) (r app.Result) {
	for r.Consumed < len(in.Data) {
		b := in.Data[r.Consumed:]
		if p.dataMode && (p.command == cmdBDAT || p.command == cmdLastChunk) {
			if p.got >= p.chunk {
				p.dataMode = false
				continue
			}
			n := int(min(uint64(len(b)), uint64(p.chunk-p.got)))
			p.chunkData(n)
			r.Consumed += n
			continue
		}
		var l line
		var ok bool
		at := in.Offset + uint64(r.Consumed)
		if !p.dataMode {
			p.begin(in, frameCommand, at)
		}
		body := p.dataMode && p.command == cmdDATA && !p.discard[app.ToServer] &&
			(p.cur == nil || !p.config.decode || !p.cur.hasMail || p.cur.mail.InBody())
		if body {
			l, ok = p.readBody(b, in.EOF)
		} else {
			l, ok = p.read(b, app.ToServer)
		}
		if !ok {
			r.Consumed += l.size
			return r
		}
		mail := p.dataMode
		if !p.request(in, &r, &l, at) {
			r.Status = app.Failed
			return r
		}
		if mail && !p.dataMode {
			if f := in.Host.OpenFrame(frameData); f != nil {
				f.SetLen(int64(at + uint64(l.size) - f.Off))
			}
		}
		if l.cut {
			p.event(evTruncated)
		}
		r.Consumed += l.size
	}
	return r
}

// fold compares the front of a line with a word in lower case.
func fold(b []byte, word string) bool {
	return len(b) >= len(word) && mime.EqualFold(b[:len(word)], word)
}

// stays reports whether a command belongs to the mail before it.
func (p *parser) stays(b []byte) bool { return !p.dataMode && (fold(b, "rset") || fold(b, "quit")) }

// request handles a line of the client. It returns false for what ends parsing.
func (p *parser) request(in *app.Input, r *app.Result, l *line, at uint64) bool {
	stays := p.stays(l.text)
	if p.cur == nil && (p.lastID == 0 || !stays) || p.cur != nil && p.cur.Progress[app.ToServer] == complete && !stays {
		if len(p.live) > p.config.maxTx {
			return false
		}
		p.lastID++
		p.cur = p.pool.get(p)
		p.cur.ID = p.lastID
		p.live = append(p.live, p.cur)
	}
	if p.cur != nil {
		p.cur.Updated[app.ToServer] = true
	}
	if !p.greeted {
		p.event(evNoWelcome)
	}
	if !p.dataMode {
		r.Flags |= app.TriggerRaw
		if f := p.end(in, frameCommand, l, at); f != nil && p.cur != nil {
			f.SetTx(p.cur.ID)
		}
		return p.verb(in, l, at)
	}
	if p.command == cmdDATA && p.cur != nil {
		p.body(in, r, l)
	}
	return true
}

// verb handles a command.
func (p *parser) verb(in *app.Input, l *line, at uint64) bool {
	b, t := l.text, p.cur
	switch {
	case t == nil: // RSET or QUIT after the mail that they belong to is gone
		p.command = cmdQUIT
		if fold(b, "rset") {
			p.got = 0
			p.command = cmdRSET
		}
	case fold(b, "starttls"):
		p.command = cmdSTARTTLS
	case fold(b, "data"):
		p.command = cmdDATA
		t.raise(app.ToServer, data)
		if t.data { // the first one was not answered yet
			p.event(evUnparsable)
			return true
		}
		switch {
		case p.config.raw:
			p.open(in, t, []byte("rawmsg"))
		case p.config.decode:
			t.mail.Reset(&p.config.mime)
			t.hasMail = true
		}
		t.data = true
		in.Host.Frame(frameData, at+uint64(l.size), -1).SetTx(t.ID)
		if p.pipelines { // without waiting for the reply
			p.dataMode = true
		}
	case fold(b, "bdat"):
		last, ok := p.bdat(b)
		if !ok { // the server refuses it, and the session goes on
			p.event(evInvalidBDAT)
			p.command = cmdOther
			break
		}
		p.command = cmdBDAT
		if last {
			p.command = cmdLastChunk
		}
		t.raise(app.ToServer, data)
		if p.chunk > 0 {
			p.dataMode = true
		} else if last {
			t.raise(app.ToServer, complete)
		}
	case fold(b, "helo"), fold(b, "ehlo"):
		if p.hasHelo {
			p.event(evDuplicate)
		} else {
			p.hasHelo = true
			p.helo = append(p.helo[:0], argument(b, 4)...)
		}
		p.command = cmdOther
		if t.hasFrom || len(t.ends) > 0 || t.Progress[app.ToServer] != started {
			// It resets the session (RFC 5321, 4.1.4).
			p.got = 0
			p.command = cmdRSET
		}
	case fold(b, "mail from"):
		if t.hasFrom {
			p.event(evDuplicate)
		} else {
			t.hasFrom = true
			t.from = append(t.from[:0], argument(b, 9)...)
		}
		p.command = cmdOther
	case fold(b, "rcpt to"):
		if len(t.ends) < maxRecipients {
			t.rcpt = append(t.rcpt, argument(b, 7)...)
			t.ends = append(t.ends, len(t.rcpt))
		}
		p.command = cmdOther
	case fold(b, "rset"):
		p.got = 0
		p.command = cmdRSET
	case fold(b, "quit"):
		p.command = cmdQUIT
	default:
		p.command = cmdOther
	}
	return p.expect(p.command, t)
}

// expect notes that a command waits for its reply.
func (p *parser) expect(c command, t *Tx) bool {
	if n := len(p.pending); n > 0 && (p.pending[n-1].cmd == cmdSTARTTLS || p.pending[n-1].cmd == cmdDATA) {
		p.event(evPipelining) // these must be the last of a group (RFC 2920, 3.1)
	}
	if len(p.pending) >= maxPending {
		return false
	}
	s := sent{cmd: c}
	if t != nil {
		s.tx = t.ID
	}
	p.pending = append(p.pending, s)
	return true
}

// argument is the word behind a command of n letters and a separator. Options after it are left out (RFC 1870).
func argument(b []byte, n int) []byte {
	if len(b) <= n+1 {
		return nil
	}
	b = b[n+1:]
	for len(b) > 0 && b[0] == ' ' {
		b = b[1:]
	}
	if i := bytes.IndexByte(b, ' '); i >= 0 {
		b = b[:i]
	}
	return b
}

// bdat reads the argument of BDAT: a size, and whether the chunk is the last one (RFC 3030).
func (p *parser) bdat(b []byte) (last, ok bool) {
	b = b[4:]
	trim := bytes.TrimLeft(b, " ")
	if len(trim) == len(b) || len(trim) == 0 {
		return false, false
	}
	var size uint64
	n := 0
	for n < len(trim) && n < 23 && trim[n] >= '0' && trim[n] <= '9' {
		size = size*10 + uint64(trim[n]-'0')
		if size > 1<<32-1 {
			return false, false
		}
		n++
	}
	rest := trim[n:]
	if n == 0 || len(rest) > 0 && rest[0] != ' ' {
		return false, false
	}
	rest = bytes.TrimLeft(rest, " ")
	last = mime.EqualFold(rest, "last")
	if !last && len(rest) > 0 {
		return false, false
	}
	p.chunk, p.got = uint32(size), 0
	return last, true
}

// chunkData passes n bytes of a chunk.
func (p *parser) chunkData(n int) {
	p.got += uint32(n)
	if p.got < p.chunk {
		return
	}
	p.dataMode = false
	if p.command == cmdLastChunk && p.cur != nil {
		p.cur.raise(app.ToServer, complete)
	}
}

// open begins a file.
func (p *parser) open(in *app.Input, t *Tx, name []byte) {
	if f := in.Host.Open(&t.Tx, name); f != nil {
		f.Body.SetLimits(p.config.limits)
	}
}

// current returns the file that is open, or nil.
func (t *Tx) current() *file.File {
	if f := t.Files[app.ToServer].Last(); f != nil && f.State == file.Open {
		return f
	}
	return nil
}

// body handles a line of a mail.
func (p *parser) body(in *app.Input, r *app.Result, l *line) {
	t := p.cur
	if len(l.text) == 1 && l.text[0] == '.' {
		p.dataMode = false
		p.expect(cmdBody, t)
		if t.hasMail {
			t.mail.Complete()
		}
		if f := t.current(); f != nil {
			f.Close(file.Closed)
		}
		t.raise(app.ToServer, complete)
		return
	}
	if p.config.raw {
		if f := t.current(); f != nil {
			f.Append(l.full)
		}
		return
	}
	if !t.hasMail {
		return
	}
	res, ev := t.mail.Line(l.text, l.full)
	p.mailEvents(ev)
	f := t.current()
	if f != nil {
		f.Append(t.mail.Data())
	}
	switch res {
	case mime.FileOpen:
		if name := t.mail.FileName(); len(name) > 0 {
			p.open(in, t, name)
		}
	case mime.FileClose:
		if f != nil {
			f.Close(file.Closed)
		}
		r.Flags |= app.TriggerRaw
	}
}

var mailEvents = [...]uint8{evInvalidBase64, evInvalidQuoted, evLongLine, evLongEncodedLine, evLongHeaderName, evLongHeaderValue,
	evLongBoundary, evLongFileName}

func (p *parser) mailEvents(ev mime.Event) {
	for i := 0; ev != 0; i++ {
		if ev&1 != 0 {
			p.event(mailEvents[i])
		}
		ev >>= 1
	}
}
