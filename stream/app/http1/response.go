package http1

import (
	"bytes"

	"sentinel/stream/app"
)

// response runs the state machine of the server's side over the input.
func (p *Parser) response() outcome {
	h := &p.half[app.ToClient]
	p.side = app.ToClient
	if h.status == broken {
		return fail
	}
	if h.status == tunnel {
		return ok
	}
	if h.gap > 0 {
		t := p.tx(app.ToClient)
		if t == nil {
			return fail
		}
		if p.half[app.ToServer].index == 0 && t.Progress[app.ToClient] == started {
			return ok
		}
	}
	for steps := 0; ; steps++ {
		if h.gap > 0 && h.state != stBodyIdentity && h.state != stBodyStreamClose && h.state != stFinalize {
			p.event(evInvalidGap)
			return ok
		}
		if steps > maxSteps(h) {
			h.status = broken
			return fail
		}
		switch p.responseStep(h) {
		case ok:
			if h.status == tunnel {
				p.upgrade(h)
				return ok
			}
			p.entered(app.ToClient)
			if p.change {
				return turnover
			}
		case wait:
			p.record(app.ToClient, false)
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

// upgrade hands the connection over to the protocol that both sides agreed on.
func (p *Parser) upgrade(h *half) {
	t := p.tx(app.ToClient)
	if t == nil || t.statusNumber != 101 {
		return
	}
	v := t.value(app.ToClient, "upgrade")
	switch {
	case v == nil:
		return
	case string(v) == "h2c" && p.kit.h2 != 0:
		p.result.Next = p.kit.h2
	case equalFold(v, "websocket") && p.kit.ws != 0:
		p.result.Next = p.kit.ws
	default:
		return
	}
	if p.changing {
		p.host.Event(evFailedProtocolChange)
		p.result.Next = 0
		return
	}
	p.change = true
	p.result.Consumed = h.pos
	if t.port > 0 {
		p.result.NextPort = uint16(t.port)
	}
}

// tunnel hands the connection over to whatever comes after a CONNECT.
func (p *Parser) tunnel(h *half, t *Tx) {
	if p.changing {
		t.Events.Set(evFailedProtocolChange)
		return
	}
	p.result.NextAny, p.change = true, true
	p.result.Consumed = h.pos
	if t.port > 0 {
		p.result.NextPort = uint16(t.port)
	}
}

func (p *Parser) responseStep(h *half) outcome {
	t := p.tx(app.ToClient)
	if t == nil {
		if h.state == stIdle && h.have() == 0 {
			return wait
		}
		return fail
	}
	switch h.state {
	case stIdle:
		return p.responseIdle(h, t)
	case stLine:
		return p.responseLine(h, t)
	case stHeaders:
		return p.responseHeaders(h, t)
	case stBodyDetermine:
		return p.responseBody(h, t)
	case stBodyIdentity:
		return p.responseIdentity(h, t)
	case stBodyStreamClose:
		return p.untilClose(h, t)
	case stChunkLength:
		return p.responseChunk(h, t)
	case stChunkData:
		if h.status == closed {
			h.state = stFinalize
			return p.bodyEnd(t, app.ToClient)
		}
		return p.chunkData(h, t, app.ToClient)
	case stChunkEnd:
		m := &t.msg[app.ToClient]
		i := bytes.IndexByte(h.rest(), '\n')
		if i < 0 {
			m.message += uint64(h.have())
			h.pos = len(h.data)
			return wait
		}
		h.pos += i + 1
		m.message += uint64(i + 1)
		h.state = stChunkLength
		return ok
	case stFinalize:
		return p.responseFinalize(h, t)
	}
	return fail
}

const unseenURI = "/libhtp::request_uri_not_seen"

func (p *Parser) responseIdle(h *half, t *Tx) outcome {
	if h.have() == 0 {
		return wait
	}
	if t.Progress[app.ToServer] == started {
		p.event(evUnableToMatchResponseToRequest)
		if q := &p.half[app.ToServer]; q.state == stFinalize {
			if r := p.tx(app.ToServer); r != nil {
				p.requestComplete(q, r)
			}
		}
		t.uri = t.keep([]byte(unseenURI))
		t.path = t.uri
		t.flags |= txUnseen
		t.Progress[app.ToServer] = complete
		p.half[app.ToServer].index++
	}
	h.length, h.left = -1, -1
	m := &t.msg[app.ToClient]
	if t.flags&tx09 != 0 {
		m.coding = codingIdentity
		m.compressed = false
		t.Progress[app.ToClient] = body
		h.state = stBodyStreamClose
	} else {
		t.Progress[app.ToClient] = line
		h.state = stLine
	}
	t.Updated[app.ToClient] = true
	p.frame(app.ToClient, t)
	if t.method.at == 0 && t.uri.at == 0 && p.half[app.ToServer].state == stLine {
		p.event(evRequestLineIncomplete)
	}
	return ok
}

func (p *Parser) responseHeaders(h *half, t *Tx) outcome {
	if h.status == closed {
		if h.hasHeader {
			h.hasHeader = false
			p.scan.closing = true
			_, _, r := p.scanHeaders(t, app.ToClient, h.header)
			p.scan.closing = false
			if r != ok {
				return r
			}
		}
		p.record(app.ToClient, true)
		t.flags |= txResponseTrailer
		h.state = stFinalize
		return ok
	}
	b := h.rest()
	i := bytes.IndexByte(b, '\n')
	if i < 0 {
		h.pos += len(b)
		if p.overLimit(app.ToClient, len(b)) {
			return fail
		}
		if !h.hasHeader {
			h.header = h.header[:0]
		}
		h.header, h.hasHeader = append(h.header, b...), true
		return wait
	}
	if h.hasHeader {
		if p.overLimit(app.ToClient, i+1) {
			return fail
		}
		h.header, h.hasHeader = append(h.header, b...), false
		b = h.header
	}
	used, end, r := p.scanHeaders(t, app.ToClient, b)
	if r != ok {
		return r
	}
	rest := b[used:]
	eol := used == 0 && (string(rest) == "\r\n" || string(rest) == "\n")
	if end || eol {
		if eol {
			h.pos = len(h.data)
		} else if have := h.have(); len(rest) <= have {
			h.pos += have - len(rest)
		}
		if t.Progress[app.ToClient] == headers {
			h.state = stBodyDetermine
			return ok
		}
		p.record(app.ToClient, true)
		t.flags |= txResponseTrailer
		t.Updated[app.ToClient] = true
		h.state = stFinalize
		return ok
	}
	h.pos = len(h.data)
	if p.overLimit(app.ToClient, len(rest)) {
		return fail
	}
	p.holdHeader(h, rest)
	return wait
}

func (t *Tx) statusIn(low, high int) bool { return t.statusNumber >= low && t.statusNumber <= high }

// responseBody decides how long the body is (RFC 9112, 6.3), with the exceptions that browsers make.
func (p *Parser) responseBody(h *half, t *Tx) outcome {
	q, m := &p.half[app.ToServer], &t.msg[app.ToClient]
	if t.methodKind == methodConnect {
		switch {
		case t.statusIn(200, 299):
			h.state = stFinalize
			return p.responseHeadersDone(t)
		case t.statusNumber == 407:
			if q.status != broken {
				q.status = flowing
			}
		default:
			if q.status != broken {
				q.status = flowing
			}
			p.yieldAtTx = true
		}
	}
	cl, te := t.header(app.ToClient, "content-length"), t.header(app.ToClient, "transfer-encoding")
	switch {
	case t.statusNumber == 101:
		if containsNoZero(t.value(app.ToClient, "upgrade"), "h2c") {
			t.flags |= txH2
		}
		if te == nil && cl == nil {
			h.state = stFinalize
			if q.status != broken {
				q.status = tunnel
			}
			h.status = tunnel
			return p.responseHeadersDone(t)
		}
		p.event(evSwitchingProtoWithContentLength)
	case t.statusNumber == 100 && te == nil:
		var n uint64
		if cl != nil {
			var before, after bool
			n, before, after, _ = contentLength(t.get(cl.value))
			p.lengthEvents(before, after)
		}
		if n == 0 {
			if t.flags&txSeenContinue != 0 {
				p.event(ev100ContinueAlreadySeen)
			}
			t.flags |= txSeenContinue
			p.record(app.ToClient, true)
			h.state = stLine
			m.fields = m.fields[:0]
			t.Progress[app.ToClient] = line
			return ok
		}
	case t.statusIn(400, 499) && q.length > 0 && q.left == q.length:
		if v := t.value(app.ToServer, "expect"); string(v) == "100-continue" {
			q.state = stFinalize
		}
	}
	if t.methodKind == methodHead {
		m.coding = codingNone
		h.state = stFinalize
	} else if t.statusIn(100, 199) || t.statusNumber == 204 || t.statusNumber == 304 {
		if te == nil && cl == nil {
			m.coding = codingNone
			h.state = stFinalize
		} else {
			p.event(evResponseBodyUnexpected)
		}
	}
	if h.state == stFinalize {
		return p.responseHeadersDone(t)
	}
	switch {
	case te != nil && containsNoZero(t.get(te.value), "chunked"):
		if !equalFold(t.get(te.value), "chunked") {
			p.event(evResponseAbnormalTransferEncoding)
		}
		if m.version < version11 {
			p.event(evResponseChunkedOldProto)
		}
		m.coding = codingChunked
		if cl != nil {
			t.flags |= txSmuggling
		}
		t.Progress[app.ToClient] = body
		h.state = stChunkLength
	case cl != nil:
		m.coding = codingIdentity
		if cl.flags&hdrRepeated != 0 {
			t.flags |= txSmuggling
		}
		n, before, after, found := contentLength(t.get(cl.value))
		p.lengthEvents(before, after)
		if !found || n > 1<<62 {
			p.event(evInvalidContentLengthFieldInResponse)
			return fail
		}
		m.length = int64(n)
		h.length, h.left = m.length, m.length
		h.state = stFinalize
		if n > 0 {
			h.state = stBodyIdentity
			t.Progress[app.ToClient] = body
		}
	default:
		if indexFold(mediaType(t.value(app.ToClient, "content-type")), "multipart/byteranges") >= 0 {
			p.event(evResponseMultipartByteranges)
			return fail
		}
		m.coding = codingIdentity
		t.Progress[app.ToClient] = body
		h.state = stBodyStreamClose
		h.left = -1
	}
	return p.responseHeadersDone(t)
}

// mediaType cuts the parameters off.
func mediaType(b []byte) []byte {
	for i, c := range b {
		if c == ';' || isSpace(c) {
			return b[:i]
		}
	}
	return b
}

func (p *Parser) responseHeadersDone(t *Tx) outcome {
	p.record(app.ToClient, true)
	return p.encodings(t, app.ToClient)
}

func (p *Parser) responseIdentity(h *half, t *Tx) outcome {
	m := &t.msg[app.ToClient]
	if h.status == closed {
		h.state = stFinalize
		return p.bodyEnd(t, app.ToClient)
	}
	n := int(min(int64(h.have()), h.left))
	if n <= 0 {
		return wait
	}
	if h.gap > 0 {
		if m.compressed {
			if r := p.bodyEnd(t, app.ToClient); r != ok { // what follows a hole cannot be decoded
				return r
			}
		} else {
			m.message += uint64(n)
			p.bodyGap(t, app.ToClient, n)
		}
	} else if r := p.bodyData(t, app.ToClient, h.rest()[:n]); r != ok {
		return r
	}
	h.pos += n
	if h.left -= int64(n); h.left > 0 {
		return wait
	}
	h.state = stFinalize
	return p.bodyEnd(t, app.ToClient)
}

func (p *Parser) untilClose(h *half, t *Tx) outcome {
	if n := h.have(); n > 0 {
		if h.gap > 0 {
			if r := p.bodyEnd(t, app.ToClient); r != ok { // what follows a hole cannot be decoded
				return r
			}
		} else if r := p.bodyData(t, app.ToClient, h.rest()); r != ok {
			return r
		}
		h.pos += n
	}
	if h.status == closed {
		h.state = stFinalize
		return ok
	}
	return wait
}

func (p *Parser) responseChunk(h *half, t *Tx) outcome {
	m := &t.msg[app.ToClient]
	broken := func() {
		m.coding = codingIdentity
		h.state = stBodyStreamClose
		p.event(evInvalidResponseChunkLen)
	}
	for {
		b := h.rest()
		i := bytes.IndexByte(b, '\n')
		if i < 0 {
			if len(h.buf) == 0 && !plausibleChunkLength(b) {
				broken()
				return ok
			}
			return p.hold(app.ToClient)
		}
		b = b[:i+1]
		h.pos += i + 1
		if len(h.buf) > 0 {
			if p.overLimit(app.ToClient, i+1) {
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
			h.unconsume(i + 1) // the line is body, then
			broken()
			return ok
		}
		if ext {
			p.event(evResponseChunkExtension)
		}
		if none {
			return ok
		}
		h.chunk = n
		if n == 0 {
			h.state = stHeaders
			t.Progress[app.ToClient] = trailer
		} else {
			h.state = stChunkData
		}
		return ok
	}
}

// responseFinalize decides whether what follows a response is another one, or more of its body.
func (p *Parser) responseFinalize(h *half, t *Tx) outcome {
	if h.gap > 0 {
		return p.responseComplete(h, t)
	}
	b := h.rest()
	if h.status != closed {
		if len(b) == 0 {
			return p.responseComplete(h, t)
		}
		if b[0] != '\n' {
			i := bytes.IndexByte(b, '\n')
			if i < 0 {
				return p.hold(app.ToClient)
			}
			b = b[:i+1]
		}
		h.pos += len(b)
	}
	if len(h.buf) > 0 && p.overLimit(app.ToClient, len(b)) {
		return fail
	}
	kept := len(h.buf)
	data := b
	if kept > 0 {
		h.buf = append(h.buf, b...)
		data = h.buf
	}
	if len(data) == 0 {
		return p.responseComplete(h, t)
	}
	if looksLikeBody(data) {
		p.event(evResponseBodyUnexpected)
		h.buf = h.buf[:0]
		return p.bodyData(t, app.ToClient, data)
	}
	h.buf = h.buf[:kept]
	h.unconsume(len(data))
	return p.responseComplete(h, t)
}

func (p *Parser) responseComplete(h *half, t *Tx) outcome {
	if t.Progress[app.ToClient] != complete {
		t.Progress[app.ToClient] = complete
		if t.msg[app.ToClient].coding != codingNone {
			p.bodyEnd(t, app.ToClient)
		}
		p.responses++
		p.endFrame(app.ToClient)
		t.Updated[app.ToClient] = true
		p.closeBody(t, app.ToClient)
		p.result.Flags |= app.TriggerRaw
		if t.methodKind == methodConnect && t.statusIn(200, 299) && p.responses == 1 {
			p.tunnel(h, t)
		}
		p.record(app.ToClient, true)
	}
	q := &p.half[app.ToServer]
	if h.status == suspended && h.index == q.index {
		return yield
	}
	if p.yieldAtTx {
		p.yieldAtTx = false
		if h.index == q.index {
			return yield
		}
	}
	h.index++
	h.state = stIdle
	return ok
}
