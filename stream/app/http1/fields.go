package http1

import "sentinel/stream/app"

// maxRepeats bounds how many repeated fields of a message are merged.
const maxRepeats = 64

// scanHeaders reads header fields from the front of b. It returns how much of b was used, and whether the header block ended.
func (p *Parser) scanHeaders(t *Tx, d app.Dir, b []byte) (used int, end bool, r outcome) {
	s := &p.scan
	s.response = d == app.ToClient
	m := &t.msg[d]
	mark := len(m.fields)
	// A bare LF where a field should begin ends the block, whatever the first line ended in.
	if len(b) > 0 && b[0] == '\n' && (len(b) == 1 || b[1] != '\r') {
		return 1, true, ok
	}
	for {
		n, st := s.field(b[used:])
		switch st {
		case scanned:
		case incomplete:
			return used, false, ok
		default:
			if used == 0 {
				if n, _, st := s.anyEOL(b); st == scanned {
					return n, true, ok
				}
			}
			// What does not parse stays until more is there, together with the fields before it.
			if len(m.fields) > mark {
				m.fields = m.fields[:mark]
			}
			return 0, false, ok
		}
		used += n
		if r := p.addField(t, d); r != ok {
			return used, false, r
		}
		if n := s.eol(b[used:]); n > 0 {
			return used + n, true, ok
		}
	}
}

// once raises an event that a transaction raises once a kind.
func (p *Parser) once(t *Tx, flag uint32, e uint8) {
	if t.flags&flag == 0 {
		p.event(e)
	}
	t.flags |= flag
}

// fieldEvents are the events of a direction's fields.
type fieldEvents struct{ spaceAfter, folding, notToken, noColon, empty, repetition, length, many uint8 }

var fieldEventsOf = [2]fieldEvents{
	app.ToServer: {evRequestInvalidLwsAfterName, evInvalidRequestFieldFolding, evRequestHeaderInvalid,
		evRequestFieldMissingColon, evRequestInvalidEmptyName, evRequestHeaderRepetition,
		evDuplicateContentLengthFieldInRequest, evRequestTooManyHeaders},
	app.ToClient: {evResponseInvalidLwsAfterName, evInvalidResponseFieldFolding, evResponseHeaderNameNotToken,
		evResponseFieldMissingColon, evResponseInvalidEmptyName, evResponseHeaderRepetition,
		evDuplicateContentLengthFieldInResponse, evResponseTooManyHeaders},
}

// addField takes the field that was scanned last: a new one, or another value of one there is.
func (p *Parser) addField(t *Tx, d app.Dir) outcome {
	s, m, ev := &p.scan, &t.msg[d], &fieldEventsOf[d]
	if s.flags != 0 {
		if s.flags&hdrDeformed != 0 && d == app.ToClient {
			p.event(evDeformedEol)
		}
		if s.flags&hdrSpaceAfter != 0 {
			p.once(t, txFieldInvalid, ev.spaceAfter)
		}
		if s.flags&hdrSpaceBefore != 0 {
			p.once(t, txInvalidFolding, ev.folding)
		}
		if s.flags&hdrNotToken != 0 {
			p.once(t, txFieldInvalid, ev.notToken)
		}
		if s.flags&hdrNoColon != 0 {
			p.once(t, txFieldUnparseable, ev.noColon)
		}
	}
	hash := hashName(s.name)
	for i := range m.fields {
		f := &m.fields[i]
		if f.hash != hash || int(f.name.n) != len(s.name) || !sameFold(t.get(f.name), s.name) {
			continue
		}
		if f.flags&hdrRepeated == 0 {
			f.flags |= hdrRepeated
			p.event(ev.repetition)
		} else if m.repeats < maxRepeats {
			m.repeats++
		} else {
			return ok
		}
		if equalFold(s.name, "content-length") {
			a, _, _, okA := contentLength(t.get(f.value))
			b, _, _, okB := contentLength(s.value)
			if !okA || !okB || a != b {
				p.event(ev.length)
			}
			return ok
		}
		t.merge(f, s.value)
		return ok
	}
	if len(m.fields) > p.cfg.headers {
		if t.flags&txTooManyHeaders == 0 {
			p.event(ev.many)
		}
		t.flags |= txTooManyHeaders
		return fail
	}
	var flags uint8
	for _, c := range s.name {
		if c == 0 {
			flags = hdrNulInName
			break
		}
	}
	m.fields = append(m.fields, field{name: t.keep(s.name), value: t.keep(s.value), hash: hash, flags: flags})
	return ok
}

func sameFold(a, b []byte) bool {
	for i := range a {
		if lower(a[i]) != lower(b[i]) {
			return false
		}
	}
	return true
}
