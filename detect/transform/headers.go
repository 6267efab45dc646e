package transform

import "bytes"

// headerLowercase lower-cases the names of headers and leaves their values.
func headerLowercase() Keyword {
	return plain("header_lowercase", "modify buffer via lowercaseing header names", func(dst, src []byte) []byte {
		name := true
		for _, c := range src {
			if name {
				if c == ':' {
					name = false
				} else if 'A' <= c && c <= 'Z' {
					c += 'a' - 'A'
				}
			} else if c == '\n' {
				name = true
			}
			dst = append(dst, c)
		}
		return some(dst, src)
	}, nil)
}

// stripPseudoHeaders takes the lines out that begin with a colon.
func stripPseudoHeaders() Keyword {
	return plain("strip_pseudo_headers", "modify buffer via stripping pseudo headers", func(dst, src []byte) []byte {
		for rest := src; len(rest) > 0; {
			n := bytes.IndexByte(rest, '\n') + 1
			if n == 0 {
				n = len(rest)
			}
			if rest[0] != ':' {
				dst = append(dst, rest[:n]...)
			}
			rest = rest[n:]
		}
		return some(dst, src)
	}, nil)
}
