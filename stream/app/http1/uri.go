package http1

import "bytes"

// invalidEncoding says what becomes of a percent sign that no two hexadecimal digits follow.
type invalidEncoding uint8

const (
	preservePercent invalidEncoding = iota
	removePercent
	processInvalid
)

// decoding is how a server would read a URI.
type decoding struct {
	doublePath, doubleQuery bool
	backslash               bool // is a separator
	lowercase               bool
	compress                bool // several separators are one
	separators              bool // encoded ones are decoded
	plusSpace               bool
	nulRawEnds, nulEncEnds  bool
	unicode                 bool // %uHHHH
	bestfit                 bool // UTF-8 to Windows-1252
	includeAll              bool // the normalized URI begins with scheme and host
	invalid                 invalidEncoding
	replacement             byte
}

// uriParts are the pieces of a URI; nil is absent.
type uriParts struct {
	scheme, user, pass, host, port, path, query, fragment []byte
	number                                                uint16 // of port, once normalized
}

// splitURI cuts a URI up the way libhtp does, which takes whatever stands before the first colon for the scheme.
func splitURI(b []byte) (u uriParts) {
	if len(b) > 0 && b[0] != '/' {
		if i := bytes.IndexByte(b, ':'); i >= 0 {
			u.scheme, b = b[:i:i], b[i+1:]
			if len(b) > 2 && b[0] == '/' && b[1] == '/' && b[2] != '/' {
				if j := bytes.IndexByte(b, '@'); j >= 0 {
					u.user, b = b[2:j], b[j+1:]
					if k := bytes.IndexByte(u.user, ':'); k >= 0 {
						u.user, u.pass = u.user[:k], u.user[k+1:]
					}
				}
			}
			if host, rest, ok := splitHost(b); ok {
				u.host, b = host, rest
				if p, rest, ok := splitPort(b); ok {
					u.port, b = p, rest
				}
			}
		}
	}
	n := bytes.IndexAny(b, "#?")
	if n < 0 {
		n = len(b)
	}
	if n > 0 {
		u.path, b = b[:n], b[n:]
	}
	if len(b) > 0 && b[0] == '?' {
		n = bytes.IndexByte(b, '#')
		if n < 0 {
			n = len(b)
		}
		u.query, b = b[1:n], b[n:]
	}
	if len(b) > 0 && b[0] == '#' {
		u.fragment = b[1:]
	}
	return u
}

func isHex(b []byte) bool {
	for _, c := range b {
		if hexDigit(c) < 0 {
			return false
		}
	}
	return true
}

// x2c makes a byte of two characters, hexadecimal or not.
func x2c(a, b byte) byte {
	one := func(c byte) byte {
		if c >= 'A' {
			return c&0xdf - 'A' + 10
		}
		return c - '0'
	}
	return one(a)*16 + one(b)
}

// wide decodes the four digits of a %u escape.
func (d *decoding) wide(b []byte) byte {
	hi, lo := x2c(b[0], b[1]), x2c(b[2], b[3])
	if hi == 0 {
		return lo
	}
	return bestfit(uint32(hi)<<8|uint32(lo), d.replacement)
}

// decode appends b to dst with percent escapes resolved, as in a query.
func (d *decoding) decode(dst, b []byte) []byte {
	for i := 0; i < len(b); {
		c := b[i]
		i++
		switch {
		case c == '%':
			var put, ok bool
			var n int
			c, n, put, ok = d.escape(b[i:], false)
			if !ok {
				return dst
			}
			i += n
			if !put {
				continue
			}
		case c == '+' && d.plusSpace:
			c = ' '
		case c == 0 && d.nulRawEnds:
			return dst
		}
		dst = append(dst, c)
	}
	return dst
}

// escape resolves what follows a percent sign: c is the byte, n how many bytes it took, put whether it goes out; ok is
// false when the text ends here.
func (d *decoding) escape(b []byte, path bool) (c byte, n int, put, ok bool) {
	c, put, ok = '%', true, true
	if len(b) > 0 && (b[0] == 'u' || b[0] == 'U') {
		if !d.unicode {
			return
		}
		if len(b) < 5 {
			put = d.invalid != removePercent
			return
		}
		if isHex(b[1:5]) {
			c, n = d.wide(b[1:5]), 5
		} else {
			switch d.invalid {
			case removePercent:
				put = false
				return
			case processInvalid:
				c, n = d.wide(b[1:5]), 5
			}
			if path { // such a NUL does not end a path
				return
			}
		}
		return c, n, put, !(c == 0 && n > 0 && d.nulEncEnds)
	}
	if len(b) < 2 {
		put = d.invalid != removePercent
		return
	}
	if isHex(b[:2]) {
		c, n = x2c(b[0], b[1]), 2
		if c == 0 && d.nulEncEnds {
			return c, n, false, false
		}
		if path && !d.separators && (c == '/' || c == '\\' && d.backslash) {
			return '%', 0, true, true
		}
		return
	}
	switch d.invalid {
	case removePercent:
		put = false
	case processInvalid:
		c, n = x2c(b[0], b[1]), 2
		if c == 0 && d.nulEncEnds && !path {
			return c, n, false, false
		}
	}
	return
}

// decodePath appends the path b to dst as the server would see it: escapes resolved, separators unified, UTF-8 converted,
// and dot segments removed.
func (d *decoding) decodePath(dst, b []byte) []byte {
	start := len(dst)
	for i := 0; i < len(b); {
		c := b[i]
		i++
		if c == '%' {
			var put, ok bool
			var n int
			c, n, put, ok = d.escape(b[i:], true)
			if !ok {
				break
			}
			i += n
			if !put {
				continue
			}
		} else if c == 0 && d.nulRawEnds {
			break
		}
		if c == '\\' && d.backslash {
			c = '/'
		}
		if d.lowercase {
			c = lower(c)
		}
		if c == '/' && d.compress && len(dst) > start && dst[len(dst)-1] == '/' {
			continue
		}
		dst = append(dst, c)
	}
	p := dst[start:]
	if d.bestfit {
		p = d.convert(p)
	}
	p = removeDots(p)
	return dst[:start+len(p)]
}

// convert turns UTF-8 into one byte a character, in place. Overlong forms are accepted, which is what they are meant to
// evade; broken ones become the replacement.
func (d *decoding) convert(b []byte) []byte {
	i := 0
	for i < len(b) && b[i] < 0x80 {
		i++
	}
	w := i
	var cp uint32
	need, seq := 0, 0
	low, high := byte(0x80), byte(0xbf)
	for ; i < len(b); i++ {
		c := b[i]
	again:
		seq++
		if need == 0 {
			low, high = 0x80, 0xbf
			switch {
			case c < 0x80:
				b[w] = c
				w++
				seq = 0
			case c >= 0xc0 && c < 0xe0:
				cp, need = uint32(c&0x3f), 1
			case c >= 0xe0 && c < 0xf0:
				cp, need = uint32(c&0x1f), 2
				if c == 0xed {
					high = 0x9f
				}
			case c >= 0xf0 && c <= 0xf4:
				cp, need = uint32(c&7), 3
				if c == 0xf4 {
					high = 0x8f
				}
			default:
				b[w] = d.replacement
				w++
				seq = 0
			}
		} else if c >= low && c <= high {
			low, high = 0x80, 0xbf
			cp = cp<<6 | uint32(c&0x3f)
			if need--; need == 0 {
				if cp < 0x100 {
					b[w] = byte(cp)
				} else {
					b[w] = bestfit(cp, d.replacement)
				}
				w++
				seq = 0
			}
		} else {
			b[w] = d.replacement
			w++
			need, seq = 0, 0
			goto again
		}
	}
	if need > 0 {
		for ; seq > 1; seq-- {
			b[w] = d.replacement
			w++
		}
	}
	return b[:w]
}

// removeDots removes dot segments in place (RFC 3986, 5.2.4).
func removeDots(s []byte) []byte {
	const (
		start = iota
		dot
		dotDot
		slash
		slashDot
		slashDotDot
		regular
	)
	state, w, again := start, 0, false
	up := func() {
		for w > 0 && s[w-1] != '/' {
			w--
		}
		if w > 0 {
			w--
		}
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch state {
		case start:
			switch c {
			case '.':
				state = dot
			case '/':
				state, again = slash, false
			default:
				s[w] = c
				w++
				state = regular
			}
		case dot:
			switch c {
			case '.':
				state = dotDot
			case '/':
				state = start
			default:
				s[w], s[w+1] = '.', c
				w += 2
				state = regular
			}
		case dotDot:
			if c == '/' {
				state = start
			} else {
				s[w], s[w+1], s[w+2] = '.', '.', c
				w += 3
				state = regular
			}
		case slash:
			if c == '.' {
				state = slashDot
			} else {
				s[w], s[w+1] = '/', c
				w += 2
				state = regular
			}
		case slashDot:
			switch c {
			case '/':
				state, again = slash, true
			case '.':
				state = slashDotDot
			default:
				s[w], s[w+1], s[w+2] = '/', '.', c
				w += 3
				state = regular
			}
		case slashDotDot:
			if c == '/' {
				up()
				state, again = slash, true
			} else {
				s[w], s[w+1], s[w+2], s[w+3] = '/', '.', '.', c
				w += 4
				state = regular
			}
		case regular:
			if c == '/' {
				state, again = slash, false
			} else {
				s[w] = c
				w++
			}
		}
	}
	switch state {
	case slash:
		if !again { // what was erased has no slash behind it
			s[w] = '/'
			w++
		}
	case slashDotDot:
		up()
	}
	return s[:w]
}
