package http1

import (
	"bytes"

	"sentinel/stream/app"
	"sentinel/stream/app/internal/httprange"
	"sentinel/stream/file"
)

// Bounds of a multipart body.
const (
	maxBoundary   = 255
	boundarySlack = 128     // bytes behind a boundary before its line end is not waited for any more
	maxMimeLine   = 4096    // of a part's header
	maxPending    = 1 << 17 // unparsed bytes
)

type mimeState uint8

const (
	mimeStart mimeState = iota
	mimeHeader
	mimeHeaderEnd
	mimeChunk
	mimeUntilEOL
)

// multipart splits a form into parts and finds their files (RFC 7578).
type multipart struct {
	boundary []byte // with its two hyphens
	name     []byte
	pending  []byte
	searched int // bytes at the front of pending that have no line end
	state    mimeState
	open     bool // the part has a file
	dropped  bool // the file was not wanted
}

// multipart returns a parser for a Content-Type; nil when it names no boundary.
func (p *pool) multipart(contentType []byte) *multipart {
	v, found := mimeParameter(contentType, "boundary")
	if !found || len(v) > maxBoundary {
		return nil
	}
	var m *multipart
	if n := len(p.mimes); n > 0 {
		m, p.mimes = p.mimes[n-1], p.mimes[:n-1]
	} else {
		m = new(multipart)
	}
	m.reset(v)
	return m
}

func (m *multipart) reset(boundary []byte) {
	pending := m.pending[:0]
	if cap(pending) > maxKept {
		pending = nil
	}
	*m = multipart{boundary: append(m.boundary[:0], "--"...), name: m.name[:0], pending: pending}
	m.boundary = unescape(m.boundary, boundary)
}

func unescape(dst, b []byte) []byte {
	for _, c := range b {
		if c != '\\' {
			dst = append(dst, c)
		}
	}
	return dst
}

func isMimeSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

// mimeParameter finds a parameter of a header value, in one piece or in sections (RFC 2231).
func mimeParameter(b []byte, name string) (v []byte, found bool) {
	i := bytes.IndexByte(b, ';')
	if i < 0 {
		return nil, false
	}
	b = b[i+1:]
	var sections []byte
	want := 0
	for rest := b; len(rest) > 0; {
		n, val, tail, ok := mimeToken(rest)
		if !ok {
			break
		}
		if string(n) == name {
			v, found = val, true // the last one counts
		}
		rest = tail
	}
	if found {
		return v, true
	}
	for want < 64 {
		hit := false
		for rest := b; len(rest) > 0; {
			n, val, tail, ok := mimeToken(rest)
			if !ok {
				break
			}
			if len(n) > len(name)+1 && string(n[:len(name)]) == name && n[len(name)] == '*' {
				if k, left, ok := httprange.Decimal(n[len(name)+1:]); ok && len(left) == 0 && k == int64(want) {
					v, hit = val, true
				}
			}
			rest = tail
		}
		if !hit {
			break
		}
		sections = append(sections, v...)
		want++
	}
	return sections, want > 0
}

// mimeToken takes "name=value;" from the front of b.
func mimeToken(b []byte) (name, value, rest []byte, ok bool) {
	for len(b) > 0 && isMimeSpace(b[0]) {
		b = b[1:]
	}
	i := bytes.IndexByte(b, '=')
	if i < 0 {
		return nil, nil, nil, false
	}
	name, b = b[:i], b[i+1:]
	quoted := false
	if len(b) > 0 && b[0] == '"' {
		escape := false
		for j := 1; j < len(b); j++ {
			if b[j] == '\\' {
				escape = true
				continue
			}
			if b[j] == '"' && !escape {
				value, b, quoted = b[1:j], b[j+1:], true
				break
			}
			escape = false
		}
		if !quoted {
			if j := bytes.IndexByte(b[1:], '"'); j >= 0 {
				value, b, quoted = b[1:1+j], b[j+2:], true
			}
		}
	}
	if !quoted {
		j := bytes.IndexByte(b, ';')
		if j < 0 {
			j = len(b)
		}
		value, b = b[:j], b[j:]
		for len(value) > 0 && isMimeSpace(value[len(value)-1]) {
			value = value[:len(value)-1]
		}
	}
	for len(b) > 0 && isMimeSpace(b[0]) {
		b = b[1:]
	}
	if len(b) > 0 && b[0] == ';' {
		b = b[1:]
	}
	return name, value, b, true
}

// multipart feeds more of a body to its parts.
func (p *Parser) multipart(t *Tx, m *message, b []byte) {
	mp := m.mime
	if len(mp.pending)+len(b) > maxPending {
		mp.pending, mp.searched = mp.pending[:0], 0
		mp.state = mimeUntilEOL
	}
	work := b
	if len(mp.pending) > 0 {
		mp.pending = append(mp.pending, b...)
		work = mp.pending
	}
	used := 0
	for used < len(work) {
		n := p.part(t, m, work[used:])
		if n <= 0 {
			break
		}
		used += n
	}
	if used > 0 || len(mp.pending) == 0 {
		mp.pending = append(mp.pending[:0], work[used:]...)
	}
}

// part makes one step: it returns how many bytes it used, 0 = more are needed.
func (p *Parser) part(t *Tx, m *message, b []byte) int {
	mp := m.mime
	switch mp.state {
	case mimeStart:
		from := min(mp.searched, len(b))
		mp.searched = 0
		if eol := bytes.IndexByte(b[from:], '\n'); eol >= 0 {
			eol += from
			if bytes.HasPrefix(b, mp.boundary) {
				mp.state = mimeHeader
			}
			return eol + 1
		}
		if bytes.HasPrefix(b, mp.boundary) && len(b) >= len(mp.boundary)+boundarySlack {
			mp.state = mimeUntilEOL
			return len(mp.boundary) + boundarySlack
		}
		mp.searched = len(b)
		return 0
	case mimeUntilEOL:
		eol := bytes.IndexByte(b, '\n')
		if eol < 0 {
			return len(b)
		}
		mp.state = mimeHeader
		return eol + 1
	case mimeHeader:
		i := bytes.Index(b, []byte("\r\n"))
		if i < 0 {
			if len(b) > maxMimeLine {
				mp.state = mimeUntilEOL
				return len(b)
			}
			return 0
		}
		p.partHeader(t, m, b[:i])
		if i == 0 {
			mp.state = mimeHeaderEnd
		}
		return i + 2
	case mimeHeaderEnd:
		if len(b) < len(mp.boundary) && bytes.HasPrefix(mp.boundary, b) {
			return 0
		}
		if bytes.HasPrefix(b, mp.boundary) {
			if len(mp.name) > 0 {
				t.Events.Set(evMultipartNoFiledata)
			}
			p.partEnd(m)
			mp.state = mimeStart
			return p.part(t, m, b)
		}
		mp.state = mimeChunk
		return p.part(t, m, b)
	}
	return p.partData(m, b)
}

// partData takes content up to the next boundary.
func (p *Parser) partData(m *message, b []byte) int {
	mp := m.mime
	i := bytes.IndexByte(b, '\r')
	for i >= 0 {
		rest := b[i:]
		if len(rest) == 1 || rest[1] == '\n' {
			tail := rest[min(2, len(rest)):]
			if bytes.HasPrefix(tail, mp.boundary) {
				p.partAppend(m, b[:i])
				p.partEnd(m)
				mp.state = mimeStart
				return i + 2
			}
			if len(tail) < len(mp.boundary) && bytes.HasPrefix(mp.boundary, tail) {
				// It may become the boundary: keep it back.
				p.partAppend(m, b[:i])
				return i
			}
		}
		j := bytes.IndexByte(b[i+1:], '\r')
		if j < 0 {
			break
		}
		i += 1 + j
	}
	p.partAppend(m, b)
	return len(b)
}

func (p *Parser) partHeader(t *Tx, m *message, line []byte) {
	i := bytes.IndexByte(line, ':')
	if i < 0 {
		if len(line) > 0 {
			t.Events.Set(evMultipartInvalidHeader)
		}
		return
	}
	v := line[i+1:]
	for len(v) > 0 && isMimeSpace(v[0]) {
		v = v[1:]
	}
	if len(v) == 0 {
		t.Events.Set(evMultipartInvalidHeader)
	}
	if !equalFold(line[:i], "content-disposition") {
		return
	}
	name, found := mimeParameter(v, "filename")
	if !found || len(name) == 0 {
		return
	}
	mp := m.mime
	mp.name = unescape(mp.name[:0], name)
	if len(mp.name) == 0 || p.host == nil {
		return
	}
	if m.file != nil {
		m.file.Close(file.Closed)
	}
	m.file = p.host.Open(&t.Tx, mp.name[:min(len(mp.name), 65535)])
	if m.file != nil {
		m.file.Body.SetLimits(p.limits(app.ToServer))
	}
}

func (p *Parser) partAppend(m *message, b []byte) {
	if m.file != nil {
		m.file.Append(b)
	}
}

func (p *Parser) partEnd(m *message) {
	if m.file != nil {
		m.file.Close(file.Closed)
		m.file = nil
	}
	m.mime.name = m.mime.name[:0]
}
