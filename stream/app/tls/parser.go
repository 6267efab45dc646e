package tls

import (
	"sentinel/stream/app"
)

// The types of records.
const (
	recCCS         = 20
	recAlert       = 21
	recHandshake   = 22
	recApplication = 23
	recHeartbeat   = 24
)

const (
	headerSize = 5
	maxRecord  = 1<<14 + 1024 // RFC 5246, 6.2.2
)

// Encryption handling: what becomes of a session once it is encrypted.
type handling uint8

const (
	trackOnly handling = iota // payload is not inspected any more, records are still followed
	bypass
	full
)

// The frames, by index into the descriptor's list.
const (
	framePDU uint8 = iota
	frameHeader
	frameData
	frameAlert
	frameHeartbeat
	frameSSL2Header
	frameSSL2PDU
)

// parser follows one session.
type parser struct {
	config *config
	tx     Tx
	freed  bool
	eof    [2]bool

	touched bool // a record other than application data was read
}

func (p *parser) Next(after uint64) (app.Transaction, bool) {
	if p.freed || after >= p.tx.ID {
		return nil, false
	}
	return &p.tx, true
}

func (p *parser) Free(id uint64) {
	if id == p.tx.ID {
		p.freed = true
	}
}

// Reset makes the parser ready for another flow.
func (p *parser) Reset() {
	p.tx.fresh()
	p.tx.useJA3 = p.config.wantsJA3()
	p.freed, p.eof = false, [2]bool{}
}

func (p *parser) Parse(in *app.Input) app.Result {
	var r app.Result
	t := &p.tx
	t.now = in.Time
	s := &t.side[in.Dir]
	// Rules need not look again at a session that only passes application data.
	progress, events := t.Progress, t.Events
	p.touched = false
	if s.left < 0 {
		t.current = 0
	}
	for len(in.Data) > r.Consumed && r.Status == app.OK && r.Need == 0 {
		p.record(in, &r)
	}
	if r.Status == app.OK && r.Consumed == len(in.Data) { // else a request for the client's certificate may be on its way
		need := t.side[toClient].hasCert
		if t.flags&flagNeedClientCert != 0 {
			need = t.side[toServer].hasCert
		}
		if need {
			t.raise(toServer, clientHandshakeDone)
			t.raise(toClient, serverHandshakeDone)
		}
	}
	if in.EOF {
		p.eof[in.Dir] = true
		if len(in.Data) == 0 || p.eof[in.Dir.Other()] {
			t.raise(in.Dir, [2]uint8{clientFinished, serverFinished}[in.Dir])
		}
		if p.eof[in.Dir.Other()] {
			t.raise(toServer, clientFinished)
			t.raise(toClient, serverFinished)
		}
	}
	if p.touched || in.EOF || t.Progress != progress || t.Events != events {
		t.Updated = [2]bool{true, true}
	}
	return r
}

// record reads from where the Result has come to, up to the end of a record or of the data.
func (p *parser) record(in *app.Input, r *app.Result) {
	s := &p.tx.side[in.Dir]
	b := in.Data[r.Consumed:]
	if s.left < 0 {
		if b[0]&0xc0 != 0 { // no type of TLS record has these bits
			p.ssl2(in, r)
			return
		}
		if s.version == version2 {
			s.version = 0
		}
		if len(b) < headerSize {
			r.Need = headerSize
			return
		}
		if !p.header(in, r, b) {
			return
		}
		b = b[headerSize:]
	}
	n := min(s.left, len(b))
	if n < s.left && s.contentType != recApplication {
		r.Need = s.left
		return
	}
	if n == 0 {
		return
	}
	if !p.body(in, r, b[:n]) {
		r.Status = app.Failed
		s.left = -1
		return
	}
	r.Consumed += n
	if s.left -= n; s.left == 0 {
		r.Flags |= app.TriggerRaw
		s.left = -1
	}
}

// header reads a record's header. It returns false if reading the record makes no sense.
func (p *parser) header(in *app.Input, r *app.Result, b []byte) bool {
	t := &p.tx
	s := &t.side[in.Dir]
	at := in.Offset + uint64(r.Consumed)
	in.Host.Frame(frameHeader, at, headerSize)
	before := s.version
	s.contentType = b[0]
	s.size = int(b[3])<<8 | int(b[4])
	hello := flagClientHello
	if in.Dir == toClient {
		hello = flagServerHello
	}
	if t.flags&hello == 0 || before == 0 { // a hello knows better
		s.version = uint16(b[1])<<8 | uint16(b[2])
	}
	in.Host.Frame(framePDU, at, int64(headerSize+s.size))
	fail := func(e uint8) bool {
		t.Events.Set(e)
		r.Status = app.Failed
		return false
	}
	if s.contentType < recCCS || s.contentType > recHeartbeat {
		if before == version10 || before == version11 {
			t.Events.Set(evRecordType)
			s.version = before
			r.Consumed = len(in.Data)
			return false
		}
		return fail(evRecordType)
	}
	switch {
	case s.size == 0:
		return fail(evRecordLength)
	case !validVersion(s.version):
		return fail(evRecordVersion)
	case s.size > maxRecord:
		return fail(evRecordLength)
	}
	s.left = s.size
	r.Consumed += headerSize
	return true
}

// body reads a record's body, which is whole unless it is application data.
func (p *parser) body(in *app.Input, r *app.Result, b []byte) bool {
	t := &p.tx
	s := &t.side[in.Dir]
	at := in.Offset + uint64(r.Consumed)
	p.touched = p.touched || s.contentType != recApplication
	if s.left == s.size {
		in.Host.Frame(frameData, at, int64(s.size))
	}
	switch s.contentType {
	case recCCS:
		t.flags |= flagCCS
		if in.Dir == toClient {
			t.flags |= flagServerCCS
		} else {
			t.flags |= flagClientCCS
			t.raise(toServer, clientHandshakeDone)
		}
	case recAlert:
		in.Host.Frame(frameAlert, at, int64(s.size))
		if len(b) < 2 {
			t.Events.Set(evAlert)
			return false
		}
		if len(b) == 2 && b[0] == 2 { // fatal; a longer one is encrypted
			t.raise(toServer, clientFinished)
			t.raise(toClient, serverFinished)
		}
	case recApplication:
		// Early data (RFC 8446, 2.3) says nothing of the handshake.
		if t.flags&flagEarlyData != 0 && t.flags&flagServerHello == 0 {
			return true
		}
		if in.Dir == toServer {
			t.raise(toServer, clientHandshakeDone)
		} else {
			t.raise(toClient, serverHandshakeDone)
		}
		if p.config.mode != full {
			r.Flags |= app.NoPayload
		}
		if p.config.mode == bypass {
			r.Flags |= app.NoInspect | app.NoReassembly | app.BypassFlow
		}
	case recHandshake:
		if t.flags&flagCCS != 0 {
			// In TLS 1.3 this record is there for middleboxes only (RFC 8446, D.4), and the client may send another hello.
			if t.flags&flagClientHello == 0 || t.side[toServer].version <= version12 || t.flags&flagServerHello != 0 {
				return true // encrypted
			}
		}
		if len(b) < 4 {
			t.Events.Set(evRecord)
			return false
		}
		if !t.handshake(in.Dir, b) {
			t.Events.Set(evHandshakeMessage)
			return false
		}
	case recHeartbeat:
		in.Host.Frame(frameHeartbeat, at, int64(s.size))
		return t.heartbeat(in.Dir, b)
	}
	return true
}

// heartbeat follows requests and responses (RFC 6520), for the attempt to read beyond a request (CVE-2014-0160).
func (t *Tx) heartbeat(d app.Dir, b []byte) bool {
	if len(b) < 3 {
		return true
	}
	encrypted := t.flags&flagCCS != 0
	if !encrypted && b[0] != 1 && b[0] != 2 {
		t.Events.Set(evInvalidHeartbeat)
		return false
	}
	mine := flagHeartbeatClient
	if d == toClient {
		mine = flagHeartbeatServer
	}
	switch {
	case t.flags&flagHeartbeat == 0:
		t.flags |= flagHeartbeat | mine
		if encrypted {
			t.hbSize = len(b)
			return true
		}
		size := int(b[1])<<8 | int(b[2])
		if size+3 > len(b) {
			t.Events.Set(evOverflowHeartbeat)
			return false
		}
		if len(b)-3-size < 16 { // padding
			t.Events.Set(evInvalidHeartbeat)
			return false
		}
	case t.flags&mine != 0: // a second request on top of the first
		t.Events.Set(evInvalidHeartbeat)
		return false
	default:
		t.flags &^= flagHeartbeat | flagHeartbeatClient | flagHeartbeatServer
		leak := encrypted && t.hbSize > 0 && t.hbSize < len(b)
		t.hbSize = 0
		if leak {
			t.Events.Set(evHeartbeatLeak)
			return false
		}
	}
	return true
}
