package ja

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strconv"
)

// Grease reports whether v is one of the values that clients throw in to keep servers tolerant (RFC 8701).
func Grease(v uint16) bool { return v&0x0f0f == 0x0a0a && v>>8 == v&0xff }

// Hello is what the fingerprints are made of. Values of RFC 8701 must have been left out.
type Hello struct {
	QUIC       bool
	Version    uint16 // highest version offered
	Ciphers    []uint16
	Extensions []uint16
	SigAlgs    []uint16
	ALPN       []byte // first protocol offered

	sorted []uint16
	text   []byte
}

// Size is the length of a JA4 fingerprint.
const Size = 36

const serverName, alpn = 0, 16

// AppendJA4 appends the fingerprint of a client hello (FoxIO, JA4). h keeps memory for the next call.
func (h *Hello) AppendJA4(dst []byte) []byte {
	kind, sni := byte('t'), byte('i')
	if h.QUIC {
		kind = 'q'
	}
	for _, e := range h.Extensions {
		if e == serverName {
			sni = 'd'
			break
		}
	}
	dst = append(dst, kind)
	switch h.Version {
	case 0x0304:
		dst = append(dst, "13"...)
	case 0x0303:
		dst = append(dst, "12"...)
	case 0x0302:
		dst = append(dst, "11"...)
	case 0x0301:
		dst = append(dst, "10"...)
	case 0x0300:
		dst = append(dst, "s3"...)
	default:
		dst = append(dst, "00"...)
	}
	dst = append(dst, sni)
	dst = appendCount(appendCount(dst, len(h.Ciphers)), len(h.Extensions))
	a, z := alpnLetters(h.ALPN)
	dst = append(dst, a, z, '_')

	h.sorted = append(h.sorted[:0], h.Ciphers...)
	slices.Sort(h.sorted)
	h.text = appendList(h.text[:0], h.sorted)
	dst = append(appendSum(dst, h.text), '_')

	h.sorted = h.sorted[:0]
	for _, e := range h.Extensions {
		if e != serverName && e != alpn {
			h.sorted = append(h.sorted, e)
		}
	}
	slices.Sort(h.sorted)
	h.text = append(appendList(h.text[:0], h.sorted), '_')
	h.text = appendList(h.text, h.SigAlgs)
	return appendSum(dst, h.text)
}

// Reset empties the hello and gives up memory that is unusually large.
func (h *Hello) Reset() {
	const keep = 256
	if cap(h.Ciphers) > keep {
		h.Ciphers = nil
	}
	if cap(h.Extensions) > keep {
		h.Extensions = nil
	}
	if cap(h.SigAlgs) > keep {
		h.SigAlgs = nil
	}
	if cap(h.sorted) > keep {
		h.sorted = nil
	}
	if cap(h.text) > 8*keep {
		h.text = nil
	}
	*h = Hello{Ciphers: h.Ciphers[:0], Extensions: h.Extensions[:0], SigAlgs: h.SigAlgs[:0], sorted: h.sorted[:0], text: h.text[:0]}
}

func appendCount(dst []byte, n int) []byte {
	n = min(n, 99)
	return append(dst, byte('0'+n/10), byte('0'+n%10))
}

func alnum(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

const hexDigits = "0123456789abcdef"

func alpnLetters(p []byte) (a, z byte) {
	n := len(p)
	switch {
	case n == 0, n == 2 && Grease(uint16(p[0])<<8|uint16(p[1])):
		return '0', '0'
	case !alnum(p[0]) || !alnum(p[n-1]):
		return hexDigits[p[0]>>4], hexDigits[p[n-1]&15]
	}
	return p[0], p[n-1]
}

func appendList(dst []byte, list []uint16) []byte {
	for i, v := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, hexDigits[v>>12], hexDigits[v>>8&15], hexDigits[v>>4&15], hexDigits[v&15])
	}
	return dst
}

func appendSum(dst, text []byte) []byte {
	sum := sha256.Sum256(text)
	return hex.AppendEncode(dst, sum[:6])
}

// Hash returns the MD5 of a JA3 string in hex.
func Hash(text []byte) (h [32]byte) {
	sum := md5.Sum(text)
	hex.Encode(h[:], sum[:])
	return h
}

// AppendValue appends one number of a list of a JA3 string that begins at start.
func AppendValue(dst []byte, start int, v uint16) []byte {
	if len(dst) > start {
		dst = append(dst, '-')
	}
	return strconv.AppendUint(dst, uint64(v), 10)
}
