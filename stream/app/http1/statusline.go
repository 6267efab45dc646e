package http1

import (
	"sentinel/stream/app"
)

// takeLine finds the end of a status line: CR LF, LF, or a CR that no LF follows. A CR at the end waits for what follows.
func takeLine(b []byte) int {
	for i, c := range b {
		if c == '\n' {
			return i + 1
		}
		if c == '\r' {
			switch {
			case i+1 == len(b):
				return 0
			case b[i+1] == '\n':
				return i + 2
			}
			return i + 1
		}
	}
	return 0
}

func (p *Parser) responseLine(h *half, t *Tx) outcome {
	b := h.rest()
	n := takeLine(b)
	if n == 0 {
		if h.status != closed {
			return p.hold(app.ToClient)
		}
		n = len(b)
	}
	h.pos += n
	b = b[:n]
	if len(h.buf) > 0 {
		h.buf = append(h.buf, b...)
		b = h.buf
		h.buf = h.buf[:0]
	}
	if p.overLimit(app.ToClient, len(b)) {
		return fail
	}
	if len(b) == 0 {
		return wait
	}
	if p.ignorable(b) {
		if h.status == closed {
			h.state = stFinalize
		}
		return ok
	}
	m := &t.msg[app.ToClient]
	m.line, m.protocol, t.status, t.reason = ref{}, ref{}, ref{}, ref{}
	if looksLikeBody(b) {
		if rest := h.rest(); len(rest) > 1 && (rest[0] == 'H' || len(chomp(b)) <= 2) {
			return ok
		}
		m.compressed = false
		if r := p.bodyData(t, app.ToClient, b); r != ok {
			return r
		}
		if h.have() == 0 {
			m.coding = codingIdentity
			t.Progress[app.ToClient] = body
			h.left = -1
			h.state = stFinalize
		}
		return ok
	}
	p.parseStatusLine(t, b)
	h.state = stHeaders
	t.Progress[app.ToClient] = headers
	return ok
}

func (p *Parser) parseStatusLine(t *Tx, b []byte) {
	m := &t.msg[app.ToClient]
	m.line = t.keep(b)
	m.version, t.statusNumber = versionInvalid, statusInvalid
	for len(b) > 0 && (isSpace(b[0]) || b[0] == 0) {
		b = b[1:]
	}
	proto, b := word(b)
	if len(proto) > 0 {
		m.protocol = t.keep(proto)
		var extra bool
		if m.version, extra = parseVersion(proto); extra {
			p.event(evProtocolContainsExtraData)
		}
		sp, rest := spaces(b)
		code, rest := word(rest)
		if len(sp) > 0 && len(code) > 0 {
			t.status = t.keep(code)
			t.statusNumber = parseStatus(code)
			i := 0
			for i < len(rest) && isASCIISpace(rest[i]) {
				i++
			}
			if i > 0 {
				t.reason = t.keep(chomp(rest[i:]))
			}
		}
	}
	if m.version == versionInvalid {
		p.event(evResponseLineInvalidProtocol)
	}
	if t.statusNumber < 0 {
		p.event(evResponseLineInvalidResponseStatus)
	}
}
