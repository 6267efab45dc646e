// Package httprange reads the Content-Range header for the versions of HTTP.
package httprange

import (
	"bytes"
	"math"
)

// Range is a Content-Range header; parts that are missing are -1.
type Range struct{ Start, End, Size int64 }

// Parse reads a header value (RFC 9110, 14.4).
func Parse(b []byte) (r Range, ok bool) {
	for len(b) > 0 && b[0] == ' ' {
		b = b[1:]
	}
	i := bytes.IndexByte(b, ' ')
	if i < 0 {
		return r, false
	}
	for b = b[i:]; len(b) > 0 && b[0] == ' '; {
		b = b[1:]
	}
	if bytes.HasPrefix(b, []byte("*/")) {
		n, _, ok := Decimal(b[2:])
		return Range{-1, -1, n}, ok
	}
	if r.Start, b, ok = Decimal(b); !ok || len(b) == 0 || b[0] != '-' {
		return r, false
	}
	if r.End, b, ok = Decimal(b[1:]); !ok || len(b) < 2 || b[0] != '/' {
		return r, false
	}
	if b[1] == '*' {
		r.Size = -1
		return r, true
	}
	r.Size, _, ok = Decimal(b[1:])
	return r, ok
}

// Decimal takes a number from the front of b.
func Decimal(b []byte) (n int64, rest []byte, ok bool) {
	i := 0
	for i < len(b) && b[i] >= '0' && b[i] <= '9' {
		d := int64(b[i] - '0')
		if n > (math.MaxInt64-d)/10 {
			return 0, nil, false
		}
		n = n*10 + d
		i++
	}
	return n, b[i:], i > 0
}
