package http2

import (
	"bytes"

	"sentinel/stream/app"
	"sentinel/stream/app/internal/httprange"
	"sentinel/stream/app/internal/inflate"
	"sentinel/stream/file"
)

// encoding takes the first content encoding of a direction.
func (p *Parser) encoding(b *body, v []byte) {
	if b.known {
		return
	}
	b.known = true
	switch {
	case equalFold(v, "gzip"):
		b.codec = p.kit.codec(inflate.Gzip)
	case equalFold(v, "deflate"):
		b.codec = p.kit.codec(inflate.Deflate)
	case equalFold(v, "br"):
		b.codec = p.kit.codec(inflate.Brotli)
	}
}

const bombRatio = 2048

// data takes the content of a DATA frame.
func (p *Parser) data(t *Tx, d app.Dir, h frameHeader, b []byte) bool {
	over := h.flags&flagEndStream != 0
	if h.flags&flagPadded != 0 && len(b) > 0 && int(b[0]) < len(b) {
		b = b[1:max(1, len(b)-int(b[0]))]
	}
	m := &t.half[d]
	if m.codec != nil {
		out, ok := p.decompress(t, m, b)
		if !ok {
			return p.bomb(t, m, over)
		}
		b = out
	}
	p.content(t, d, m, b, over)
	if m.isDNS {
		if len(m.dnsBuf)+len(b) <= 0xffff {
			m.dnsBuf = append(m.dnsBuf, b...)
		} else {
			m.isDNS = false
			if d == app.ToClient {
				t.Events.Set(evDnsResponseTooLong)
			} else {
				t.Events.Set(evDnsRequestTooLong)
			}
		}
	}
	if over && len(m.dnsBuf) > 0 {
		m.dns, m.dnsBuf = m.dnsBuf, nil
	}
	return p.bomb(t, m, over)
}

// bomb weighs output against input. It reports false when the connection must not go on.
func (p *Parser) bomb(t *Tx, m *body, over bool) bool {
	in, out := m.in+p.in, m.out+p.out
	if out <= bombRatio*in {
		return true
	}
	if out > p.kit.conf.bomb {
		t.Events.Set(evCompressionBomb)
		return false
	}
	if over {
		p.in += in
		p.out += out
	}
	return true
}

// decompress undoes the content encoding of one frame. What it returns is valid until the next call.
func (p *Parser) decompress(t *Tx, m *body, b []byte) ([]byte, bool) {
	out := p.kit.out[:0]
	defer func() {
		if cap(out) <= 1<<20 {
			p.kit.out = out[:0]
		}
	}()
	m.in += uint64(len(b))
	for {
		part, n, st := m.codec.Decode(b)
		out = append(out, part...)
		b = b[n:]
		switch {
		case st == inflate.Corrupt:
			t.Events.Set(evFailedDecompression)
			p.kit.giveCodec(m)
			return nil, false
		case uint64(len(out)) > p.kit.conf.bomb:
			t.Events.Set(evCompressionBomb)
			p.kit.giveCodec(m)
			return nil, false
		case st != inflate.Full:
			m.out += uint64(len(out))
			return out, true
		}
	}
}

// fileLimits are those of bodies whose protocol has no settings for them: rules wait for 32 KiB or the end.
var fileLimits = file.Limits{MinSize: 32768, Window: 4096}

// content hands decoded bytes to the file and to rules.
func (p *Parser) content(t *Tx, d app.Dir, m *body, b []byte, over bool) {
	if !m.opened {
		m.opened = true
		if p.host != nil {
			m.file = p.host.Open(&t.Tx, nil)
		}
		if m.file != nil {
			m.stream = &m.file.Body
			m.stream.SetLimits(fileLimits)
			if d == app.ToClient {
				p.ranges(t, m.file)
			}
		} else {
			m.own.Reset(fileLimits)
			m.stream = &m.own
		}
	}
	if m.file != nil {
		m.file.Append(b)
		if m.ranged && len(m.block)+len(b) <= httprange.MaxPart {
			m.block = append(m.block, b...)
		} else {
			m.ranged, m.block = false, nil
		}
		if over {
			m.file.Close(file.Closed)
			p.endPart(t, m)
		}
	} else {
		m.own.Append(b)
		if over {
			m.own.Finish()
		}
	}
}

// ranges notes which part of a resource a response is.
func (p *Parser) ranges(t *Tx, f *file.File) {
	v := t.first(app.ToClient, "content-range")
	if v == nil {
		return
	}
	r, ok := httprange.Parse(v)
	switch {
	case !ok || r.Start > r.End || r.End > 0 && r.Size > 0 && r.End > r.Size-1:
		t.Events.Set(evInvalidRange)
	case r.End <= 0 || r.Size <= 0, r.End == r.Size-1 && r.Start == 0:
	default:
		f.Flags |= file.HasRange
		f.Start, f.End = uint64(r.Start), uint64(r.End)
		m := &t.half[app.ToClient]
		m.ranged, m.total = t.first(app.ToServer, ":authority") != nil && t.first(app.ToServer, ":path") != nil, uint64(r.Size)
	}
}

// endPart hands a finished part in. The last one brings the whole, which becomes another file of the transaction.
func (p *Parser) endPart(t *Tx, m *body) {
	if !m.ranged {
		return
	}
	m.ranged = false
	host, path := t.first(app.ToServer, ":authority"), t.first(app.ToServer, ":path")
	if i := bytes.IndexByte(host, ':'); i >= 0 {
		host = host[:i]
	}
	if i := bytes.IndexByte(path, '?'); i >= 0 {
		path = path[:i]
	}
	if i := bytes.LastIndexByte(path, '/'); i >= 0 {
		path = path[i:]
	}
	p.kit.key = append(append(p.kit.key[:0], host...), path...)
	pieces := p.kit.ranges.Add(p.kit.key, m.total, m.file.Start, m.block, p.now)
	m.block = nil
	if pieces == nil || p.host == nil {
		return
	}
	whole := p.host.Open(&t.Tx, path)
	if whole == nil {
		return
	}
	whole.Body.SetLimits(fileLimits)
	for _, b := range pieces {
		whole.Append(b)
	}
	whole.Close(file.Closed)
}
