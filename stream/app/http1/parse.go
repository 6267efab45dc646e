package http1

import (
	"bytes"
	"math"
	"net/netip"
)

// isSpace is C's isspace.
func isSpace(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' }

// isBlank says space or tab.
func isBlank(c byte) bool { return c == ' ' || c == '\t' }

// isASCIISpace leaves out the vertical tab.
func isASCIISpace(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' && c != '\v' }

var tokenChars = func() (t [256]bool) {
	for c := 33; c < 127; c++ {
		t[c] = !bytes.ContainsRune([]byte(`()<>@,;:\"/[]?={}`), rune(c))
	}
	return
}()

func lower(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

// equalFold compares b with s, which is in lower case.
func equalFold(b []byte, s string) bool {
	if len(b) != len(s) {
		return false
	}
	for i := 0; i < len(b); i++ {
		if lower(b[i]) != s[i] {
			return false
		}
	}
	return true
}

// equalNoZero is equalFold that passes over NUL bytes of b: servers that treat names as C strings differ from those that
// drop NULs, and the engine must see what either sees.
func equalNoZero(b []byte, s string) bool {
	j := 0
	for _, c := range b {
		if c == 0 {
			continue
		}
		if j == len(s) || lower(c) != s[j] {
			return false
		}
		j++
	}
	return j == len(s)
}

// indexFold finds s, which is in lower case.
func indexFold(b []byte, s string) int {
	for i := 0; i+len(s) <= len(b); i++ {
		if equalFold(b[i:i+len(s)], s) {
			return i
		}
	}
	return -1
}

// containsNoZero looks for s, in lower case, passing over NULs of b.
func containsNoZero(b []byte, s string) bool {
	if bytes.IndexByte(b, 0) < 0 {
		return indexFold(b, s) >= 0
	}
	for i := range b {
		j := 0
		for k := i; k < len(b) && j < len(s); k++ {
			if b[k] == 0 {
				continue
			}
			if lower(b[k]) != s[j] {
				break
			}
			j++
		}
		if j == len(s) {
			return true
		}
	}
	return false
}

func trimLeft(b []byte) []byte {
	for len(b) > 0 && isSpace(b[0]) {
		b = b[1:]
	}
	return b
}

func trim(b []byte) []byte {
	b = trimLeft(b)
	for len(b) > 0 && isSpace(b[len(b)-1]) {
		b = b[:len(b)-1]
	}
	return b
}

// chomp removes line ends.
func chomp(b []byte) []byte {
	for len(b) > 0 && (b[len(b)-1] == '\n' || b[len(b)-1] == '\r') {
		b = b[:len(b)-1]
	}
	return b
}

// span splits b behind its longest prefix of white space, or of anything else.
func spaces(b []byte) (sp, rest []byte) {
	i := 0
	for i < len(b) && isSpace(b[i]) {
		i++
	}
	return b[:i], b[i:]
}

func word(b []byte) (w, rest []byte) {
	i := 0
	for i < len(b) && !isSpace(b[i]) {
		i++
	}
	return b[:i], b[i:]
}

// contentLength reads a Content-Length leniently: digits may have junk on both sides. ok is false without digits, or
// beyond 64 bits.
func contentLength(b []byte) (n uint64, junkBefore, junkAfter, ok bool) {
	for len(b) > 0 && isBlank(b[0]) {
		b = b[1:]
	}
	i := 0
	for i < len(b) && (b[i] < '0' || b[i] > '9') {
		i++
	}
	junkBefore = i > 0
	b = b[i:]
	i = 0
	for i < len(b) && b[i] >= '0' && b[i] <= '9' {
		d := uint64(b[i] - '0')
		if n > (math.MaxUint64-d)/10 {
			return 0, false, false, false
		}
		n = n*10 + d
		i++
	}
	if i == 0 {
		return 0, false, false, false
	}
	b = b[i:]
	for len(b) > 0 && isBlank(b[0]) {
		b = b[1:]
	}
	return n, junkBefore, len(b) > 0, true
}

func isChunkControl(c byte) bool { return isSpace(c) }

// chunkControlLine says that a line holds no chunk length at all.
func chunkControlLine(b []byte) bool {
	for _, c := range b {
		if !isChunkControl(c) {
			return false
		}
	}
	return true
}

func hexDigit(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// plausibleChunkLength says whether the beginning of a line may become a chunk length.
func plausibleChunkLength(b []byte) bool {
	i := 0
	for i < len(b) && isChunkControl(b[i]) {
		i++
	}
	return i == len(b) || hexDigit(b[i]) >= 0
}

// chunkLength reads the line of a chunk's length. none is true for a line that says nothing, or too much; bad for one that
// cannot be a length.
func chunkLength(b []byte) (n int64, none, ext, bad bool) {
	for len(b) > 0 && isChunkControl(b[0]) {
		b = b[1:]
	}
	for len(b) > 0 && isBlank(b[0]) {
		b = b[1:]
	}
	i := 0
	var v uint64
	for i < len(b) && hexDigit(b[i]) >= 0 {
		if v>>60 != 0 {
			return 0, false, false, true
		}
		v = v<<4 | uint64(hexDigit(b[i]))
		i++
	}
	rest := b[i:]
	for len(rest) > 0 && isBlank(rest[0]) {
		rest = rest[1:]
	}
	if i == 0 {
		return 0, len(rest) == 0, false, len(rest) > 0
	}
	if v > math.MaxInt32 {
		return 0, true, false, false
	}
	return int64(v), false, bytes.IndexByte(rest, ';') >= 0, false
}

// version is a protocol version as libhtp orders it.
type version int8

const (
	versionUnknown version = -2
	versionInvalid version = -1
	version09      version = 9
	version10      version = 100
	version11      version = 101
)

// parseVersion reads "HTTP/1.1" leniently. extra says that there were blanks or leading zeros.
func parseVersion(b []byte) (v version, extra bool) {
	skip := func() bool {
		n := 0
		for n < len(b) && isASCIISpace(b[n]) {
			n++
		}
		b = b[n:]
		return n > 0
	}
	skip()
	if len(b) < 4 || !equalFold(b[:4], "http") {
		return versionInvalid, false
	}
	b = b[4:]
	extra = skip()
	if len(b) == 0 || b[0] != '/' {
		return versionInvalid, false
	}
	b = b[1:]
	for len(b) > 0 && (isASCIISpace(b[0]) || b[0] == '0') {
		b = b[1:]
		extra = true
	}
	switch {
	case bytes.HasPrefix(b, []byte("1.1")):
		v, b = version11, b[3:]
	case bytes.HasPrefix(b, []byte("1.0")):
		v, b = version10, b[3:]
	case bytes.HasPrefix(b, []byte(".9")):
		v, b = version09, b[2:]
	default:
		return versionInvalid, false
	}
	skip()
	if len(b) > 0 {
		return versionInvalid, false
	}
	return v, extra
}

// Status numbers that are none.
const (
	statusUnknown = 0
	statusInvalid = -1
)

func parseStatus(b []byte) int {
	for len(b) > 0 && isBlank(b[0]) {
		b = b[1:]
	}
	n, i := 0, 0
	for i < len(b) && b[i] >= '0' && b[i] <= '9' {
		if n = n*10 + int(b[i]-'0'); n > 999 {
			return statusInvalid
		}
		i++
	}
	rest := b[i:]
	for len(rest) > 0 && isBlank(rest[0]) {
		rest = rest[1:]
	}
	if i == 0 || len(rest) > 0 || n < 100 {
		return statusInvalid
	}
	return n
}

// port converts a port number; 0 = none.
func port(b []byte) uint16 {
	n := 0
	if len(b) > 0 && b[0] == '+' {
		b = b[1:]
	}
	if len(b) == 0 {
		return 0
	}
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0
		}
		if n = n*10 + int(c-'0'); n > 65535 {
			return 0
		}
	}
	return uint16(n)
}

// splitHost takes a host name, or an address in brackets, from the front of b.
func splitHost(b []byte) (host, rest []byte, ok bool) {
	if bytes.HasPrefix(b, []byte("//")) {
		b = b[2:]
	}
	if len(b) > 0 && b[0] == '/' {
		return nil, nil, false
	}
	for len(b) > 0 && b[0] == ' ' {
		b = b[1:]
	}
	n := 0
	if len(b) > 1 && b[0] == '[' && bytes.IndexByte([]byte("/?#]"), b[1]) < 0 {
		n = 2
		for n < len(b) && bytes.IndexByte([]byte("/?#]"), b[n]) < 0 {
			n++
		}
		if n < len(b) && b[n] == ']' {
			n++
		}
	} else {
		for n < len(b) && b[n] != '/' && b[n] != '?' && b[n] != '#' && b[n] != ':' {
			n++
		}
	}
	if n == 0 {
		return nil, nil, false
	}
	host, rest = b[:n], b[n:]
	for len(host) > 0 && host[len(host)-1] == ' ' {
		host = host[:len(host)-1]
	}
	return host, rest, true
}

// splitPort takes ":port" from the front of b.
func splitPort(b []byte) (p, rest []byte, ok bool) {
	if len(b) == 0 || b[0] != ':' {
		return nil, b, false
	}
	i := 1
	for i < len(b) && b[i] == ' ' {
		i++
	}
	n := i
	for n < len(b) && b[n] != '/' && b[n] != '?' && b[n] != '#' {
		n++
	}
	if n == i {
		return nil, b, false
	}
	p, rest = b[i:n], b[n:]
	if j := bytes.IndexByte(p, ' '); j == 0 {
		return nil, b, false
	} else if j > 0 {
		p = p[:j]
	}
	return p, rest, true
}

// hostPort is an authority without credentials.
type hostPort struct {
	host, port []byte
	hasPort    bool
	number     uint16 // 0 = none, or not a number
	valid      bool
}

func parseHostPort(b []byte) (h hostPort, ok bool) {
	host, rest, ok := splitHost(b)
	if !ok {
		return h, false
	}
	h.host, h.valid = host, validHost(host)
	if p, _, ok := splitPort(rest); ok {
		h.port, h.hasPort, h.number = p, true, port(p)
		if h.number == 0 {
			h.valid = false
		}
	} else if len(rest) > 0 {
		h.valid = false
	}
	return h, true
}

func validHost(b []byte) bool {
	if len(b) == 0 || len(b) > 255 {
		return false
	}
	if b[0] == '[' {
		if i := bytes.IndexByte(b, ']'); i > 1 && bytes.IndexAny(b[1:i], "#?/") < 0 {
			a, err := netip.ParseAddr(string(b[1:i]))
			return err == nil && a.Is6() && a.Zone() == ""
		}
	}
	if b[0] == '.' || bytes.Contains(b, []byte("..")) {
		return false
	}
	label := 0
	for _, c := range b {
		if c == '.' {
			label = 0
			continue
		}
		// Bytes above 0x7f count as letters of Latin-1, with few exceptions.
		alnum := c >= '0' && c <= '9' || lower(c) >= 'a' && lower(c) <= 'z' || c == '-' || c == '_' || latin1Alnum(c)
		if !alnum {
			return false
		}
		if label++; label > 63 {
			return false
		}
	}
	return true
}

func latin1Alnum(c byte) bool {
	switch c {
	case 0xaa, 0xb2, 0xb3, 0xb5, 0xb9, 0xba, 0xbc, 0xbd, 0xbe:
		return true
	case 0xd7, 0xf7:
		return false
	}
	return c >= 0xc0
}

// looksLikeBody says that a line where a status line belongs is none, as browsers see it.
func looksLikeBody(b []byte) bool {
	for len(b) > 0 && (isSpace(b[0]) || b[0] == 0) {
		b = b[1:]
	}
	return len(b) < 4 || !equalFold(b[:4], "http")
}
