package http1

import (
	"bytes"

	"sentinel/stream/app"
)

// request runs the state machine of the client's side over the input.
func (p *Parser) request() outcome {
	h := &p.half[app.ToServer]
	p.side = app.ToServer
	if h.status == broken {
		return fail
	}
	if h.status == tunnel {
		return ok
	}
	if o := &p.half[app.ToClient]; o.status == suspended {
		o.status = flowing
	}
	if h.gap > 0 {
		t := p.tx(app.ToServer)
		if t == nil {
			return fail
		}
		if t.index == 0 && t.Progress[app.ToServer] == started {
			return ok
		}
	}
	for steps := 0; ; steps++ {
		if h.gap > 0 && h.state != stBodyIdentity && h.state != stIgnore && h.state != stFinalize {
			if h.state != stIdle { // between two requests nobody would see it
				p.event(evInvalidGap)
			}
			return ok
		}
		if steps > maxSteps(h) {
			h.status = broken
			return fail
		}
		switch p.requestStep(h) {
		case ok:
			if h.status == tunnel {
				return ok
			}
			p.entered(app.ToServer)
		case wait:
			p.record(app.ToServer, false)
			h.status = flowing
			return ok
		case yield:
			if h.have() == 0 {
				h.status = flowing
			} else {
				h.status = suspended
			}
			return ok
		default:
			h.status = broken
			return fail
		}
	}
}

// maxSteps bounds the state machine: each step but a few takes at least a byte.
func maxSteps(h *half) int { return 64 + 16*len(h.data) }

func (p *Parser) requestStep(h *half) outcome {
	switch h.state {
	case stIdle:
		return p.requestIdle(h)
	case stIgnore:
		h.pos = len(h.data)
		return wait
	}
	t := p.tx(app.ToServer)
	if t == nil {
		return fail
	}
	switch h.state {
	case stLine:
		return p.requestLine(h, t)
	case stProtocol:
		return p.requestProtocol(h, t)
	case stHeaders:
		return p.requestHeaders(h, t)
	case stConnectCheck:
		// A tunnel has no body: what the client sends next depends on the answer.
		if t.methodKind == methodConnect {
			h.state = stConnectWait
			h.status = suspended
			return yield
		}
		h.state = stBodyDetermine
		return ok
	case stConnectWait:
		if t.Progress[app.ToClient] <= line {
			return yield
		}
		if t.statusNumber >= 200 && t.statusNumber <= 299 {
			h.state = stConnectProbe
		} else {
			h.state = stFinalize
		}
		return ok
	case stConnectProbe:
		return p.connectProbe(h, t)
	case stBodyDetermine:
		return p.requestBody(h, t)
	case stBodyIdentity:
		return p.bodyIdentity(h, t)
	case stChunkLength:
		return p.requestChunk(h, t)
	case stChunkData:
		return p.chunkData(h, t, app.ToServer)
	case stChunkEnd:
		i := bytes.IndexByte(h.rest(), '\n')
		if i < 0 {
			t.msg[app.ToServer].message += uint64(h.have())
			return p.hold(app.ToServer)
		}
		t.msg[app.ToServer].message += uint64(i + 1)
		h.pos += i + 1
		h.state = stChunkLength
		return ok
	case stFinalize:
		return p.requestFinalize(h, t)
	}
	return fail
}

func (p *Parser) requestIdle(h *half) outcome {
	if h.have() == 0 && (h.status != closed || len(h.buf) == 0) {
		return wait
	}
	h.length, h.left = -1, -1
	h.state = stLine
	t := p.tx(app.ToServer)
	if t == nil {
		return fail
	}
	t.Progress[app.ToServer] = line
	t.Updated[app.ToServer] = true
	p.frame(app.ToServer, t)
	return ok
}

func (p *Parser) requestLine(h *half, t *Tx) outcome {
	b := h.rest()
	i := bytes.IndexByte(b, '\n')
	if i < 0 {
		if h.status != closed {
			return p.hold(app.ToServer)
		}
		i = len(b) - 1
	}
	h.pos += i + 1
	b = b[:i+1]
	if len(h.buf) > 0 {
		h.buf = append(h.buf, b...)
		b = h.buf
		h.buf = h.buf[:0]
	}
	if p.overLimit(app.ToServer, len(b)) {
		return fail
	}
	if len(b) == 0 {
		return wait
	}
	if p.ignorable(b) {
		return ok
	}
	p.parseRequestLine(t, chomp(b))
	h.state = stProtocol
	return ok
}

// ignorable says that a line between messages is empty.
func (p *Parser) ignorable(b []byte) bool {
	if p.cfg.iis5 && len(trim(b)) == 0 {
		return true
	}
	return len(b) == 1 && (b[0] == '\r' || b[0] == '\n') || string(b) == "\r\n"
}

// max09Junk is how much white space may follow a request line without protocol, for it to be HTTP/0.9.
const max09Junk = 16

func (p *Parser) requestProtocol(h *half, t *Tx) outcome {
	if t.flags&tx09 != 0 {
		sp, rest := spaces(h.rest())
		if len(rest) == 0 && len(sp) <= max09Junk {
			h.state = stFinalize
			return ok
		}
		t.flags &^= tx09
		p.event(evRequestLineMissingProtocol)
	}
	t.Progress[app.ToServer] = headers
	h.state = stHeaders
	return ok
}

func (p *Parser) requestHeaders(h *half, t *Tx) outcome {
	if h.status == closed {
		t.Progress[app.ToServer] = trailer
		if h.hasHeader {
			h.hasHeader = false
			p.scan.closing = true
			_, _, r := p.scanHeaders(t, app.ToServer, h.header)
			p.scan.closing = false
			if r != ok {
				return r
			}
		}
		h.buf = h.buf[:0]
		return p.requestHeadersDone(h, t)
	}
	b := h.rest()
	i := bytes.IndexByte(b, '\n')
	if i < 0 {
		h.pos += len(b)
		if p.overLimit(app.ToServer, len(b)) {
			return fail
		}
		if !h.hasHeader {
			h.header = h.header[:0]
		}
		h.header, h.hasHeader = append(h.header, b...), true
		return wait
	}
	if h.hasHeader {
		if p.overLimit(app.ToServer, i+1) {
			return fail
		}
		h.header, h.hasHeader = append(h.header, b...), false
		b = h.header
	}
	used, end, r := p.scanHeaders(t, app.ToServer, b)
	if r != ok {
		return r
	}
	rest := b[used:]
	eol := used == 0 && startsEOL(rest)
	if end || eol {
		have := h.have()
		if len(rest) < have {
			h.pos += have - len(rest)
		} else if eol {
			n := 1
			if rest[0] == '\r' {
				n = 2
			}
			h.pos += min(have, n)
		}
		return p.requestHeadersDone(h, t)
	}
	h.pos = len(h.data)
	if p.overLimit(app.ToServer, len(rest)) {
		return fail
	}
	p.holdHeader(h, rest)
	return wait
}

// holdHeader keeps fields that have not ended. rest may lie in h.header.
func (p *Parser) holdHeader(h *half, rest []byte) {
	h.header = append(h.header[:0], rest...)
	h.hasHeader = true
}

func (p *Parser) requestHeadersDone(h *half, t *Tx) outcome {
	p.record(app.ToServer, true)
	if t.Progress[app.ToServer] > headers {
		t.flags |= txRequestTrailer
		t.Updated[app.ToServer] = true
		h.state = stFinalize
		return ok
	}
	p.judgeRequest(t)
	if r := p.encodings(t, app.ToServer); r != ok {
		return r
	}
	h.state = stConnectCheck
	return ok
}

// connectProbe looks whether the client speaks HTTP in the tunnel.
func (p *Parser) connectProbe(h *half, t *Tx) outcome {
	b := h.rest()
	i := bytes.IndexAny(b, "\n\x00")
	if i < 0 {
		return p.hold(app.ToServer)
	}
	if len(h.buf) > 0 && p.overLimit(app.ToServer, i+1) {
		return fail
	}
	var name []byte
	if len(h.buf) > 0 {
		n := len(h.buf)
		h.buf = append(h.buf, b[:i+1]...)
		_, rest := spaces(h.buf)
		name, _ = word(rest)
		h.buf = h.buf[:n]
	} else {
		_, rest := spaces(b[:i+1])
		name, _ = word(rest)
	}
	if methodOf(name) == methodUnknown {
		h.status, p.half[app.ToClient].status = tunnel, tunnel
		return ok
	}
	return p.requestComplete(h, t)
}

func (p *Parser) requestBody(h *half, t *Tx) outcome {
	m := &t.msg[app.ToServer]
	switch m.coding {
	case codingChunked:
		t.Progress[app.ToServer] = body
		h.state = stChunkLength
	case codingIdentity:
		h.length, h.left = m.length, m.length
		h.state = stFinalize
		if m.length > 0 {
			t.Progress[app.ToServer] = body
			h.state = stBodyIdentity
		}
	case codingNone:
		h.state = stFinalize
	default:
		return fail
	}
	return ok
}

func (p *Parser) bodyIdentity(h *half, t *Tx) outcome {
	n := int(min(int64(h.have()), h.left))
	if n <= 0 {
		return wait
	}
	if h.gap > 0 {
		t.msg[app.ToServer].message += uint64(n)
		p.bodyGap(t, app.ToServer, n)
	} else if r := p.bodyData(t, app.ToServer, h.rest()[:n]); r != ok {
		return r
	}
	h.pos += n
	if h.left -= int64(n); h.left > 0 {
		return wait
	}
	h.state = stFinalize
	return p.bodyEnd(t, app.ToServer)
}

func (p *Parser) requestChunk(h *half, t *Tx) outcome {
	m := &t.msg[app.ToServer]
	for {
		b := h.rest()
		i := bytes.IndexByte(b, '\n')
		if i < 0 {
			if !plausibleChunkLength(b) {
				p.event(evInvalidRequestChunkLen)
				return fail
			}
			return p.hold(app.ToServer)
		}
		b = b[:i+1]
		h.pos += i + 1
		if len(h.buf) > 0 {
			if p.overLimit(app.ToServer, i+1) {
				return fail
			}
			h.buf = append(h.buf, b...)
			b = h.buf
			h.buf = h.buf[:0]
		}
		m.message += uint64(len(b))
		if chunkControlLine(b) {
			continue
		}
		n, none, ext, bad := chunkLength(b)
		if bad {
			return fail
		}
		if ext {
			p.event(evRequestChunkExtension)
		}
		if none {
			p.event(evInvalidRequestChunkLen)
			return fail
		}
		h.chunk = n
		if n == 0 {
			h.state = stHeaders
			t.Progress[app.ToServer] = trailer
		} else {
			h.state = stChunkData
		}
		return ok
	}
}

func (p *Parser) chunkData(h *half, t *Tx, d app.Dir) outcome {
	n := int(min(int64(h.have()), h.chunk))
	if n <= 0 {
		return wait
	}
	if r := p.bodyData(t, d, h.rest()[:n]); r != ok {
		return r
	}
	h.pos += n
	if h.chunk -= int64(n); h.chunk > 0 {
		return wait
	}
	h.state = stChunkEnd
	return ok
}

// requestFinalize decides whether what follows a request is another one, or belongs to its body after all.
func (p *Parser) requestFinalize(h *half, t *Tx) outcome {
	if h.gap > 0 {
		return p.requestComplete(h, t)
	}
	b := h.rest()
	lf := false
	if h.status != closed {
		if len(b) == 0 {
			return p.requestComplete(h, t)
		}
		i := bytes.IndexByte(b, '\n')
		if i < 0 {
			return p.hold(app.ToServer)
		}
		b, lf = b[:i], true
		h.pos += i
	}
	if len(h.buf) > 0 && p.overLimit(app.ToServer, len(b)) {
		return fail
	}
	kept := len(h.buf)
	data := b
	if kept > 0 {
		h.buf = append(h.buf, b...)
		data = h.buf
	}
	if len(data) == 0 {
		return p.requestComplete(h, t)
	}
	_, rest := spaces(data)
	name, _ := word(rest)
	if len(name) == 0 || methodOf(name) == methodUnknown {
		if len(name) > 0 {
			if h.left <= 0 {
				p.event(evRequestBodyUnexpected)
			} else {
				h.left = 1
			}
		}
		if lf {
			h.pos++
			if kept > 0 {
				h.buf = append(h.buf, '\n')
				data = h.buf
			} else {
				data = data[: len(data)+1 : len(data)+1]
			}
		}
		r := p.bodyData(t, app.ToServer, data)
		h.buf = h.buf[:0]
		return r
	}
	h.left = -1
	h.buf = h.buf[:kept]
	h.unconsume(len(data))
	return p.requestComplete(h, t)
}

func (p *Parser) requestComplete(h *half, t *Tx) outcome {
	if t.Progress[app.ToServer] != complete {
		m := &t.msg[app.ToServer]
		if m.coding == codingIdentity || m.coding == codingChunked {
			if r := p.bodyEnd(t, app.ToServer); r != ok {
				return r
			}
		}
		t.Progress[app.ToServer] = complete
		p.endFrame(app.ToServer)
		p.check(t)
		t.Updated[app.ToServer] = true
		p.closeBody(t, app.ToServer)
		p.result.Flags |= app.TriggerRaw
		p.record(app.ToServer, true)
	}
	if t.flags&tx09 != 0 {
		h.state = stIgnore
	} else {
		h.state = stIdle
	}
	h.index++
	return ok
}
