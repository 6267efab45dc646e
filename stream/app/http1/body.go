package http1

import (
	"bytes"
	"time"

	"sentinel/stream/app"
	"sentinel/stream/app/internal/httprange"
	"sentinel/stream/app/internal/inflate"
	"sentinel/stream/file"
)

// maxFileName bounds the name of a file, which may come from a URI of any length.
const maxFileName = 4096

// encodings prepares to undo the content encodings that the header names.
func (p *Parser) encodings(t *Tx, d app.Dir) outcome {
	m := &t.msg[d]
	m.compressed = false
	v := t.value(d, "content-encoding")
	if v == nil {
		return ok
	}
	if k, known, none := encodingOf(v); known {
		if !none {
			m.compressed = true
			p.addLayer(t, d, k)
		}
		return ok
	}
	layers, lzma := 0, 0
	for len(v) > 0 {
		i := bytes.IndexAny(v, ", ")
		if i < 0 {
			i = len(v)
		}
		e := v[:i]
		v = v[min(i+1, len(v)):]
		if len(e) == 0 {
			continue
		}
		layers++
		if p.cfg.layers > 0 && layers > p.cfg.layers || layers > maxLayers {
			p.event(evTooManyEncodingLayers)
			break
		}
		var k inflate.Kind
		switch {
		case indexFold(e, "gzip") >= 0:
			k = inflate.Gzip
			if s := string(e); s != "gzip" && s != "x-gzip" {
				p.event(evAbnormalCeHeader)
			}
		case indexFold(e, "deflate") >= 0:
			k = inflate.Deflate
			if s := string(e); s != "deflate" && s != "x-deflate" {
				p.event(evAbnormalCeHeader)
			}
		case string(e) == "lzma":
			k = inflate.LZMA
			lzma++
			n := lzma
			if d == app.ToServer {
				n = layers
			}
			if p.cfg.lzmaLayers > 0 && n > p.cfg.lzmaLayers {
				if d == app.ToServer {
					p.event(evRequestTooManyLzmaLayers)
				} else {
					p.event(evResponseTooManyLzmaLayers)
				}
				return ok
			}
		case string(e) == "inflate", string(e) == "none", d == app.ToClient && string(e) == "identity":
			continue
		default:
			p.event(evAbnormalCeHeader)
			continue
		}
		m.compressed = true
		p.addLayer(t, d, k)
	}
	return ok
}

// encodingOf knows the values that name exactly one encoding.
func encodingOf(v []byte) (k inflate.Kind, known, none bool) {
	switch {
	case equalNoZero(v, "gzip"), equalNoZero(v, "x-gzip"):
		return inflate.Gzip, true, false
	case equalNoZero(v, "deflate"), equalNoZero(v, "x-deflate"):
		return inflate.Deflate, true, false
	case equalNoZero(v, "br"):
		return inflate.Brotli, true, false
	case equalNoZero(v, "lzma"):
		return inflate.LZMA, true, false
	case equalNoZero(v, "inflate"), equalNoZero(v, "none"):
		return 0, true, true
	}
	return 0, false, false
}

func (p *Parser) addLayer(t *Tx, d app.Dir, k inflate.Kind) {
	m := &t.msg[d]
	if p.bombs >= p.cfg.bombs {
		m.compressed = false
		return
	}
	if m.decoder == nil {
		m.decoder = p.pool.decoder()
	}
	m.decoder.add(k, p.cfg.lzmaMem)
}

// bodyData takes bytes of a body as they came.
func (p *Parser) bodyData(t *Tx, d app.Dir, b []byte) outcome {
	m := &t.msg[d]
	m.message += uint64(len(b))
	if !m.compressed {
		m.entity += uint64(len(b))
		p.bodyBytes(t, d, b)
		return ok
	}
	if m.decoder == nil {
		return fail // more after the end of a compressed body
	}
	if m.cut && m.decoder.harmless() {
		return ok // nobody sees what comes now
	}
	m.decoder.total, m.decoder.timed = 0, false
	p.decode(t, d, m.decoder, m.decoder.n-1, b)
	return ok
}

// bodyEnd ends decoding. More than once does no harm.
func (p *Parser) bodyEnd(t *Tx, d app.Dir) outcome {
	m := &t.msg[d]
	if m.compressed && m.decoder != nil {
		p.finishDecode(t, d, m.decoder)
		p.pool.giveDecoder(m.decoder)
		m.decoder = nil
	}
	return ok
}

// clockFrom is the output of one call from which on its time is taken.
const clockFrom = 256 << 10

// decoded takes what came out of the last layer. It reports false for a bomb, which ends decoding.
func (p *Parser) decoded(t *Tx, d app.Dir, dec *decoder, b []byte) bool {
	m := &t.msg[d]
	m.entity += uint64(len(b))
	p.bodyBytes(t, d, b)
	if dec.total += uint64(len(b)); dec.total > clockFrom {
		now := time.Now()
		if dec.timed {
			dec.spent += now.Sub(dec.begin).Nanoseconds()
			if dec.spent > p.cfg.timeLimit {
				p.event(evCompressionBomb)
				dec.passthrough(dec.n - 1)
				dec.spent = 0
			}
		}
		dec.begin, dec.timed = now, true
	}
	if m.entity > p.cfg.bombLimit && (m.message > 1<<48 || m.entity > bombRatio*m.message) {
		p.event(evCompressionBomb)
		if p.bombs++; p.bombs == p.cfg.bombs {
			p.event(evCompressionBombLimitReached)
		}
		return false
	}
	return true
}

func (p *Parser) limits(d app.Dir) file.Limits {
	l := p.cfg.body[d]
	return file.Limits{Body: uint64(l.limit), MinSize: l.minSize, Window: l.window}
}

// bodyLimit is how much of a body is kept. A file that is stored is followed as far as file-store says.
func (p *Parser) bodyLimit(m *message, d app.Dir) uint64 {
	if m.file == nil || m.file.Flags&file.Store == 0 {
		return uint64(p.cfg.body[d].limit)
	}
	if !m.stored {
		m.stored = true
		l := p.limits(d)
		l.Body = p.kit.configs.depth
		m.file.Body.SetLimits(l)
	}
	return p.kit.configs.depth
}

// stream begins the body that rules see, when no file carries it.
func (p *Parser) stream(m *message, d app.Dir) {
	m.own.Reset(p.limits(d))
	m.stream = &m.own
}

// bodyBytes takes bytes of a body as the peer meant them.
func (p *Parser) bodyBytes(t *Tx, d app.Dir, b []byte) {
	m := &t.msg[d]
	if len(b) == 0 {
		return
	}
	t.Updated[d] = true
	if d == app.ToServer && m.kind == bodyUnset {
		p.bodyKind(t, m)
	}
	limit := p.bodyLimit(m, d)
	if limit > 0 && m.seen >= limit {
		p.cutBody(m)
		return
	}
	if limit > 0 && uint64(len(b)) > limit-m.seen {
		b = b[:limit-m.seen] // a file is cut by what comes next
	}
	m.seen += uint64(len(b))
	if d == app.ToClient || m.kind == bodyFile {
		p.openFile(t, d)
	}
	if m.stream == nil {
		p.stream(m, d)
	}
	if m.file != nil && m.kind != bodyMultipart {
		m.file.Append(b)
		m.keepPart(b)
	} else {
		m.own.Append(b)
		if m.kind == bodyMultipart {
			p.multipart(t, m, b)
		}
	}
	if !m.trigger && m.seen >= uint64(p.cfg.body[d].minSize) {
		m.trigger = true
		p.result.Flags |= app.TriggerRaw
	}
}

// cutBody ends a file whose body is over the limit.
func (p *Parser) cutBody(m *message) {
	m.cut = true
	if m.file != nil {
		m.file.Close(file.Truncated)
		m.file = nil
	}
}

// keepPart keeps bytes of a part for the whole.
func (m *message) keepPart(b []byte) {
	if !m.ranged {
		return
	}
	if len(m.block)+len(b) > httprange.MaxPart {
		m.ranged, m.block = false, nil
		return
	}
	m.block = append(m.block, b...)
}

// endPart hands a finished part in. The last one brings the whole, which becomes another file of the transaction.
func (p *Parser) endPart(t *Tx, m *message, f *file.File) {
	if !m.ranged {
		return
	}
	m.ranged = false
	key := append(append(p.key[:0], t.get(t.host)...), f.Name...)
	p.key = key
	pieces := p.kit.ranges.Add(key, m.total, f.Start, m.block, p.now)
	m.block = nil
	if pieces == nil || p.host == nil {
		return
	}
	whole := p.host.Open(&t.Tx, f.Name)
	if whole == nil {
		return
	}
	whole.Body.SetLimits(p.limits(app.ToClient))
	for _, b := range pieces {
		whole.Append(b)
	}
	whole.Close(file.Closed)
}

// bodyGap tells of n bytes of a body that were lost.
func (p *Parser) bodyGap(t *Tx, d app.Dir, n int) {
	m := &t.msg[d]
	t.Updated[d] = true
	if d == app.ToServer && m.kind == bodyUnset {
		p.bodyKind(t, m)
	}
	if limit := p.bodyLimit(m, d); limit > 0 && m.seen >= limit {
		p.cutBody(m)
		return
	}
	if d == app.ToClient || m.kind == bodyFile {
		p.openFile(t, d)
	}
	if m.stream == nil {
		p.stream(m, d)
	}
	m.ranged, m.block = false, nil
	if m.file != nil && m.kind != bodyMultipart {
		m.file.Gap(uint64(n))
	} else {
		m.own.Skip(uint64(n))
	}
}

// bodyKind decides what a request's body is: POST and PUT carry files, forms may carry several.
func (p *Parser) bodyKind(t *Tx, m *message) {
	m.kind = bodyPlain
	switch t.methodKind {
	case methodPost:
		m.kind = bodyFile
		if v := t.value(app.ToServer, "content-type"); len(v) > 0 {
			if mp := p.pool.multipart(v); mp != nil {
				m.kind, m.mime = bodyMultipart, mp
			}
		}
	case methodPut:
		m.kind = bodyFile
	}
}

// openFile opens the file that a body is, once. Its name comes from the header or the URI.
func (p *Parser) openFile(t *Tx, d app.Dir) {
	m := &t.msg[d]
	if m.opened {
		return
	}
	m.opened = true
	var name []byte
	if d == app.ToClient {
		name = dispositionName(t.value(d, "content-disposition"))
	}
	if name == nil {
		name = t.get(t.path)
	}
	if name == nil || p.host == nil {
		return
	}
	if len(name) > maxFileName {
		name = name[:maxFileName]
		t.Events.Set(evFileNameTooLong)
	}
	f := p.host.Open(&t.Tx, name)
	if f == nil {
		return
	}
	f.Body.SetLimits(p.limits(d))
	m.file, m.stream = f, &f.Body
	if d == app.ToClient {
		if v := t.value(d, "content-range"); v != nil {
			r, found := httprange.Parse(v)
			switch {
			case !found:
				t.Events.Set(evRangeInvalid)
			case r.End <= 0 || r.Size <= 0, r.End == r.Size-1 && r.Start == 0:
				// not a part of something larger
			case r.Start > r.End || r.End > r.Size-1:
				t.Events.Set(evRangeInvalid)
			default:
				f.Flags |= file.HasRange
				f.Start, f.End = uint64(r.Start), uint64(r.End)
				m.ranged, m.total = t.host.at != 0, uint64(r.Size)
			}
		}
	}
}

// closeBody ends a message's body and file.
func (p *Parser) closeBody(t *Tx, d app.Dir) {
	m := &t.msg[d]
	if f := m.file; f != nil {
		f.Close(file.Closed)
		m.file = nil
		p.endPart(t, m, f)
	}
	if m.stream == &m.own {
		m.own.Finish()
	}
}

// dispositionName finds filename= in a Content-Disposition; nil = none.
func dispositionName(b []byte) []byte {
	b = trimLeft(b)
	quotes, from := 0, 0
	for x := 1; x < len(b); x++ {
		if b[x-1] != '\\' && b[x] == '"' {
			quotes++
		}
		last := x+1 == len(b)
		if !(b[x-1] != '\\' && b[x] == ';' || last) || quotes%2 != 0 {
			continue
		}
		token := b[from:x]
		if last {
			token = b[from:]
		}
		from = x + 1
		for from < len(b) && isSpace(b[from]) {
			x++
			from++
		}
		const key = "filename="
		if len(token) > len(key) && equalFold(token[:len(key)], key) {
			v := token[len(key):]
			if v[0] == '"' {
				v = v[1:]
			}
			if len(v) > 0 && v[len(v)-1] == '"' {
				v = v[:len(v)-1]
			}
			return v
		}
	}
	return nil
}
