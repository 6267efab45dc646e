package mime

import "bytes"

// body reads a line of a body.
func (m *Mail) body(line, full []byte) (Result, Event) {
	if n := len(m.boundaries); n > 0 && bytes.HasPrefix(line, m.boundaries[n-1]) {
		return m.boundary(line, m.boundaries[n-1]), 0
	}
	var ev Event
	if len(m.name) == 0 {
		if !m.text {
			return More, 0
		}
		switch {
		case m.encoding != base64:
			m.findURLs(full)
		case m.Config.DecodeBase64:
			ev = m.decode64(line)
			m.findURLs(m.out)
			m.out = m.out[:0]
		}
		return More, ev
	}
	switch m.encoding {
	case plain:
		m.findURLs(full)
		// The end of a line belongs to the next boundary if there is one.
		m.out = append(append(m.out, m.eol[:m.eolLen]...), line...)
		m.eolLen = copy(m.eol[:], full[len(line):])
	case base64:
		if m.Config.DecodeBase64 {
			ev = m.decode64(line)
			m.findURLs(m.out)
		}
	case quotedPrintable:
		if m.Config.DecodeQuoted {
			ev = m.unquote(line, full)
			m.findURLs(m.out)
		}
	}
	return FileChunk, ev
}

func (m *Mail) boundary(line, b []byte) Result {
	if m.encoding == base64 && m.Config.DecodeBase64 && len(m.name) > 0 {
		m.out = m.decoder.flush(m.out)
	}
	file := len(m.name) > 0
	if len(line) >= len(b)+2 && line[len(b)] == '-' && line[len(b)+1] == '-' {
		m.boundaries = m.boundaries[:len(m.boundaries)-1]
	}
	m.restart()
	if file {
		return FileClose
	}
	return More
}

func (m *Mail) decode64(line []byte) (ev Event) {
	if len(line) > maxEncodedLine {
		ev = LongEncodedLine
	}
	var ok bool
	if m.out, ok = m.decoder.decode(m.out, line); !ok {
		ev |= InvalidBase64
	}
	return ev
}

// nibble returns the value of a hex digit, which must be upper case (RFC 2045, 6.7).
func nibble(c byte) (byte, bool) {
	switch {
	case '0' <= c && c <= '9':
		return c - '0', true
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}

// unquote decodes a line of quoted-printable. A line without end continues in the next one, and so may an escape.
func (m *Mail) unquote(line, full []byte) (ev Event) {
	if len(line) > maxEncodedLine {
		ev = LongEncodedLine
	}
	ends := len(full) > len(line)
	i := 0
	if m.eolLen > 0 && m.eol[0] == '=' { // an escape began in the piece before
		esc := append(append(make([]byte, 0, 4), m.eol[:m.eolLen]...), line[:min(len(line), 3-m.eolLen)]...)
		i = min(len(line), 3-m.eolLen)
		m.eolLen = 0
		ok := len(esc) == 3
		if ok {
			ok = m.escape(esc[1], esc[2])
		}
		if !ok {
			ev |= InvalidQuoted
		}
	} else {
		m.out = append(m.out, m.eol[:m.eolLen]...)
		m.eolLen = 0
	}
	soft := false
	for i < len(line) {
		c := line[i]
		if c != '=' {
			m.out = append(m.out, c)
			i++
			continue
		}
		if i == len(line)-1 && ends {
			soft = true
			break
		}
		if i+2 >= len(line) {
			if ends {
				ev |= InvalidQuoted
			} else {
				m.eolLen = copy(m.eol[:], line[i:])
			}
			break
		}
		if !m.escape(line[i+1], line[i+2]) {
			ev |= InvalidQuoted
		}
		i += 3
	}
	switch {
	case len(line) == 0:
		m.eolLen = copy(m.eol[:], full)
	case !soft:
		m.out = append(m.out, full[len(line):]...)
	}
	return ev
}

func (m *Mail) escape(hi, lo byte) bool {
	a, ok1 := nibble(hi)
	b, ok2 := nibble(lo)
	if !ok1 || !ok2 {
		return false
	}
	m.out = append(m.out, a<<4|b)
	return true
}

// findURLs looks for links in decoded text. A line without end is kept until its end comes.
func (m *Mail) findURLs(b []byte) {
	if !m.Config.ExtractURLs || len(m.Config.Schemes) == 0 {
		return
	}
	text, fresh := b, len(b)
	if len(m.line) > 0 {
		m.line = append(m.line, b...)
		text = m.line
	}
	if len(text) == 0 {
		return
	}
	if text[len(text)-1] == '\n' || len(text) > maxDecodedLine {
		m.extract(text)
		m.line = m.line[:0]
		return
	}
	if i := bytes.LastIndexByte(text[len(text)-fresh:], '\n'); i >= 0 {
		i += len(text) - fresh
		m.extract(text[:i])
		m.line = append(m.line[:0], text[i:]...)
		return
	}
	if len(m.line) == 0 {
		m.line = append(m.line, b...)
	}
}

// extract keeps the links of a text, by scheme.
func (m *Mail) extract(b []byte) {
	for _, s := range m.Config.Schemes {
		rest := b
		for len(m.urls) < maxURLs {
			i := indexFold(rest, s)
			if i < 0 {
				break
			}
			url := rest[i:]
			if end := bytes.IndexAny(url, " \"'<>]\t"); end >= 0 {
				url = url[:end]
			}
			rest = rest[i+len(url):]
			if !m.Config.LogScheme {
				url = url[min(len(s), len(url)):]
			}
			m.urls = append(m.urls, m.keep(url))
		}
	}
}

// indexFold finds a word in lower case, whatever the case of the text.
func indexFold(b []byte, word string) int {
	if word == "" {
		return -1
	}
	lo, up := word[0], word[0]
	if 'a' <= lo && lo <= 'z' {
		up = lo - 'a' + 'A'
	}
	for i := 0; i+len(word) <= len(b); i++ {
		if (b[i] == lo || b[i] == up) && EqualFold(b[i:i+len(word)], word) {
			return i
		}
	}
	return -1
}
