package mime

import "bytes"

// maxToken is the longest file name that is kept.
const maxToken = 255

// maxSections bounds the parts that a parameter may be split into (RFC 2231, 3).
const maxSections = 64

func space(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

// headerLine splits a line into name and value.
func headerLine(b []byte) (name, value []byte, ok bool) {
	i := bytes.IndexByte(b, ':')
	if i < 0 {
		return nil, nil, false
	}
	name, value = b[:i], b[i+1:]
	for len(value) > 0 && space(value[0]) {
		value = value[1:]
	}
	return name, value, true
}

// token takes a parameter, name=value with an optional semicolon, off the front of b.
func token(b []byte) (name, value, rest []byte, ok bool) {
	for len(b) > 0 && space(b[0]) {
		b = b[1:]
	}
	i := bytes.IndexByte(b, '=')
	if i < 0 {
		return nil, nil, nil, false
	}
	name, b = b[:i], b[i+1:]
	if value, rest, ok = quoted(b); !ok {
		end := bytes.IndexByte(b, ';')
		if end < 0 {
			end = len(b)
		}
		value, rest = b[:end], b[end:]
		if trimmed := bytes.TrimRight(value, " \t\r\n"); len(trimmed) > 0 {
			value = trimmed
		}
	}
	for len(rest) > 0 && space(rest[0]) {
		rest = rest[1:]
	}
	if len(rest) > 0 && rest[0] == ';' {
		rest = rest[1:]
	}
	return name, value, rest, true
}

// quoted takes a quoted string off the front of b, and leaves its escapes.
func quoted(b []byte) (value, rest []byte, ok bool) {
	if len(b) == 0 || b[0] != '"' {
		return nil, nil, false
	}
	b = b[1:]
	escaped := false
	for i, c := range b {
		switch {
		case c == '\\':
			escaped = true
		case c == '"' && !escaped:
			return b[:i], b[i+1:], true
		default:
			escaped = false
		}
	}
	i := bytes.IndexByte(b, '"')
	if i < 0 {
		return nil, nil, false
	}
	return b[:i], b[i+1:], true
}

// parameter finds a parameter of a header's value. If it occurs twice, the last one counts.
func parameter(header []byte, name []byte) (found []byte, ok bool) {
	i := bytes.IndexByte(header, ';')
	if i < 0 {
		return nil, false
	}
	for b := header[i+1:]; len(b) > 0; {
		n, v, rest, more := token(b)
		if !more {
			break
		}
		if bytes.Equal(n, name) {
			found, ok = v, true
		}
		b = rest
	}
	return found, ok
}

// find finds a parameter, be it in one piece or in sections (RFC 2231). What it returns lies in the header or in buf.
func find(header []byte, name string, buf *[]byte) ([]byte, bool) {
	var key [32]byte
	k := append(key[:0], name...)
	if v, ok := parameter(header, k); ok {
		return v, true
	}
	*buf = (*buf)[:0]
	for n := range maxSections {
		k = append(k[:len(name)], '*')
		if n >= 10 {
			k = append(k, byte('0'+n/10))
		}
		k = append(k, byte('0'+n%10))
		v, ok := parameter(header, k)
		if !ok {
			return *buf, n > 0
		}
		*buf = append(*buf, v...)
	}
	return *buf, true
}

// EqualFold reports whether b is the word, which is in lower case.
func EqualFold(b []byte, word string) bool {
	if len(b) != len(word) {
		return false
	}
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != word[i] {
			return false
		}
	}
	return true
}
