package http1

import (
	"bytes"

	"sentinel/stream/app"
)

func (p *Parser) parseRequestLine(t *Tx, b []byte) {
	m := &t.msg[app.ToServer]
	m.line = t.keep(b)
	if p.cfg.apache {
		if i := bytes.IndexByte(b, 0); i >= 0 {
			b = b[:i]
		}
	}
	lead, rest := spaces(b)
	name, rest := word(rest)
	delim, rest := spaces(rest)
	t.method = t.keep(name)
	t.methodKind = methodOf(name)
	if len(lead) > 0 {
		p.event(evRequestLineLeadingWhitespace)
		if p.cfg.apache {
			t.method = t.keep(b[:len(lead)+len(name)])
			t.methodKind = methodOf(t.get(t.method))
		}
	}
	for _, c := range delim {
		if c != ' ' {
			p.event(evMethodDelimNonCompliant)
			break
		}
	}
	if len(rest) == 0 {
		t.flags |= tx09
		m.version = version09
		if t.methodKind == methodUnknown {
			p.event(evRequestLineUnknownMethod)
		}
		p.parseURI(t, nil)
		return
	}
	rest = trim(rest)
	// Spaces may stand in a URI: the last one ends it.
	uri, proto := splitLast(rest, false)
	for _, c := range uri {
		if isSpace(c) && c != ' ' {
			p.event(evUriDelimNonCompliant)
			if len(uri) == len(rest) {
				uri, proto = splitLast(rest, true)
			}
			break
		}
	}
	t.uri = t.keep(uri)
	if len(proto) == 0 {
		t.flags |= tx09
		m.version = version09
		if t.methodKind == methodUnknown {
			p.event(evRequestLineUnknownMethodNoProtocol)
		}
	} else {
		m.protocol = t.keep(proto)
		var extra bool
		m.version, extra = parseVersion(proto)
		if extra {
			p.event(evProtocolContainsExtraData)
		}
		if t.methodKind == methodUnknown && m.version == versionInvalid {
			p.event(evRequestLineUnknownMethodInvalidProtocol)
		}
	}
	p.parseURI(t, uri)
}

// splitLast cuts b at its last space, or white space of any kind.
func splitLast(b []byte, any bool) (first, second []byte) {
	for i := len(b) - 1; i >= 0; i-- {
		if b[i] == ' ' || any && isSpace(b[i]) {
			return trim(b[:i]), trim(b[i+1:])
		}
	}
	return trim(b), nil
}

// parseURI takes the URI apart and normalizes it. Absent parts stay absent.
func (p *Parser) parseURI(t *Tx, b []byte) {
	var u uriParts
	if t.methodKind == methodConnect {
		if b == nil {
			return
		}
		if hp, ok := parseHostPort(b); ok {
			u.host = hp.host
			if hp.hasPort {
				u.port = hp.port
			}
			if !hp.valid {
				t.flags |= txHostUInvalid
			}
		}
	} else if b != nil {
		u = splitURI(b)
	}
	c := &p.cfg.decoding
	if u.host != nil {
		n := len(t.text)
		t.text = c.decode(t.text, u.host)
		for i := n; i < len(t.text); i++ {
			t.text[i] = lower(t.text[i])
		}
		for len(t.text) > n && t.text[len(t.text)-1] == '.' {
			t.text = t.text[:len(t.text)-1]
		}
		t.uriHost = t.since(n)
		if !validHost(t.get(t.uriHost)) {
			t.flags |= txHostUInvalid
		}
	}
	if u.port != nil {
		if u.number = port(u.port); u.number == 0 {
			t.flags |= txHostUInvalid
		}
	}
	if u.number != 0 {
		t.port = int32(u.number)
	}
	if u.path != nil {
		n := len(t.text)
		t.text = c.decodePath(t.text, u.path)
		t.path = t.since(n)
	}
	if t.flags != 0 {
		p.check(t)
	}
	p.normalURI(t, &u)
}

// normalURI builds what http.uri shows.
func (p *Parser) normalURI(t *Tx, u *uriParts) {
	c := &p.cfg.decoding
	begin := len(t.text)
	if c.includeAll {
		if u.scheme != nil {
			t.text = append(t.text, u.scheme...)
			for i := begin; i < len(t.text); i++ {
				t.text[i] = lower(t.text[i])
			}
			t.text = append(t.text, "://"...)
		}
		if u.user != nil {
			t.text = c.decode(t.text, u.user)
			t.text = append(t.text, ':')
			t.text = c.decode(t.text, u.pass)
			t.text = append(t.text, '@')
		}
		t.text = append(t.text, t.get(t.uriHost)...)
	}
	n := len(t.text)
	if u.path != nil {
		if !c.includeAll && !c.doublePath && u.query == nil && u.fragment == nil {
			if t.path.n > 0 {
				t.uriNormal = t.path // the same bytes
			}
			return
		}
		if c.doublePath {
			before := int(t.path.n)
			at := len(t.text)
			t.text = c.decode(t.text, t.get(t.path))
			if len(t.text)-at < before {
				p.event(evDoubleEncodedUri)
			}
		} else {
			t.text = append(t.text, t.get(t.path)...)
		}
	}
	if u.query != nil {
		t.text = append(t.text, '?')
		at := len(t.text)
		t.text = c.decode(t.text, u.query)
		if c.doubleQuery {
			once := len(t.text)
			t.text = c.decode(t.text, t.text[at:once])
			if len(t.text)-once < once-at {
				p.event(evDoubleEncodedUri)
			}
			t.text = append(t.text[:at], t.text[once:]...)
		}
	}
	if u.fragment != nil {
		t.text = append(t.text, '#')
		t.text = c.decode(t.text, u.fragment)
	}
	if c.includeAll {
		n = begin
	}
	if len(t.text) > n {
		t.uriNormal = t.since(n)
	}
}
