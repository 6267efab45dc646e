package mime

import (
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"hash"
)

// Config says what is done with mail bodies.
type Config struct {
	DecodeBase64   bool
	DecodeQuoted   bool
	ExtractURLs    bool
	Schemes        []string // with their "://", lower case
	LogScheme      bool     // links are kept with their scheme
	BodyMD5        bool
	MaxHeaderBytes int // of all headers of a mail; what follows is left out
}

// Event is something odd in a mail.
type Event uint16

// The events.
const (
	InvalidBase64 Event = 1 << iota
	InvalidQuoted
	LongLine
	LongEncodedLine
	LongHeaderName
	LongHeaderValue
	LongBoundary
	LongFileName
)

// Limits of RFC 2045 and of the reference.
const (
	maxLine         = 998
	maxEncodedLine  = 76
	maxHeaderName   = 75
	maxHeaderValue  = 2000
	maxBoundary     = 254
	maxDecodedLine  = 8192
	defaultHeaders  = 1 << 16
	maxHeaderCount  = 2048
	maxURLs         = 1024
	maxAttachments  = 512
	maxNestedBodies = 64
	maxMem          = 1 << 18
)

// Result is what became of a line.
type Result uint8

// The results.
const (
	More      Result = iota
	FileOpen         // an attachment begins if FileName is not empty
	FileChunk        // Data belongs to the attachment
	FileClose        // Data belongs to the attachment, which ends
)

type state uint8

const (
	start state = iota
	inHeader
	inBody
)

type encoding uint8

const (
	plain encoding = iota
	base64
	quotedPrintable
)

type span struct{ off, n int }

type header struct{ name, value span }

// Mail is a message being read. The zero value with a Config is ready; it owns its memory.
type Mail struct {
	Config *Config

	state       state
	mem         []byte // names of attachments, links
	main        []header
	mainMem     []byte   // names and values of the message's headers
	headers     []header // those being read: the message's, or a part's
	headerMem   []byte
	attachments []span
	urls        []span
	boundaries  [][]byte
	name        []byte // of the attachment
	encoding    encoding
	decoder     decoder
	text        bool   // the part is text, or the message's own body
	line        []byte // beginning of a decoded line, for links
	eol         [2]byte
	eolLen      int
	out         []byte
	sections    []byte
	sum         hash.Hash
	summing     bool
	sumDone     bool
	md5         [32]byte
}

// Reset makes the mail ready for another message and gives up memory that is unusually large.
func (m *Mail) Reset(c *Config) {
	small := func(b []byte) []byte {
		if cap(b) > 1<<13 {
			return nil
		}
		return b[:0]
	}
	if cap(m.headers) > 128 {
		m.headers = nil
	}
	if cap(m.main) > 128 {
		m.main = nil
	}
	if cap(m.urls) > 128 {
		m.urls = nil
	}
	if cap(m.boundaries) > 8 {
		m.boundaries = nil
	}
	*m = Mail{Config: c, mem: small(m.mem), main: m.main[:0], mainMem: small(m.mainMem), headers: m.headers[:0],
		headerMem: small(m.headerMem), attachments: m.attachments[:0], urls: m.urls[:0],
		boundaries: m.boundaries[:0], name: small(m.name), line: small(m.line), out: small(m.out), sections: small(m.sections),
		sum: m.sum, text: true}
}

// keep copies the name of an attachment or a link. What is too much becomes empty.
func (m *Mail) keep(b []byte) span {
	if len(m.mem)+len(b) > maxMem {
		b = nil
	}
	s := span{len(m.mem), len(b)}
	m.mem = append(m.mem, b...)
	return s
}

// at returns the bytes of a span in mem.
func at(mem []byte, s span) []byte { return mem[s.off : s.off+s.n : s.off+s.n] }

// InBody reports whether the next line belongs to a body.
func (m *Mail) InBody() bool { return m.state == inBody }

// Data returns decoded bytes of the attachment, valid until the next line.
func (m *Mail) Data() []byte { return m.out }

// FileName returns the name of the attachment that is being read.
func (m *Mail) FileName() []byte { return m.name }

// Header returns value i of the message's headers with this name, which is in lower case.
func (m *Mail) Header(name string, i int) ([]byte, bool) {
	for _, h := range m.main {
		if EqualFold(at(m.mainMem, h.name), name) {
			if i == 0 {
				return at(m.mainMem, h.value), true
			}
			i--
		}
	}
	return nil, false
}

// Attachments is the number of attachments so far.
func (m *Mail) Attachments() int { return len(m.attachments) }

// Attachment returns the name of an attachment.
func (m *Mail) Attachment(i int) []byte { return at(m.mem, m.attachments[i]) }

// URLs is the number of links so far.
func (m *Mail) URLs() int { return len(m.urls) }

// URL returns a link.
func (m *Mail) URL(i int) []byte { return at(m.mem, m.urls[i]) }

// BodyMD5 returns the MD5 of the body in hex, or nil.
func (m *Mail) BodyMD5() []byte {
	if !m.sumDone {
		return nil
	}
	return m.md5[:]
}

// restart begins another part.
func (m *Mail) restart() {
	m.state = start
	m.headers, m.headerMem = m.headers[:0], m.headerMem[:0]
	m.encoding, m.decoder = plain, decoder{}
	m.name, m.eolLen, m.text, m.line = m.name[:0], 0, true, m.line[:0]
}

// Line reads a line, or a piece of one that is very long; full is the line with its end.
func (m *Mail) Line(line, full []byte) (Result, Event) {
	var ev Event
	if len(line) > maxLine {
		ev = LongLine
	}
	m.out = m.out[:0]
	if m.summing {
		m.sum.Write(full)
	}
	switch m.state {
	case inBody:
		if m.Config.BodyMD5 && !m.summing && !m.sumDone {
			m.summing = true
			if m.sum == nil {
				m.sum = md5.New()
			}
			m.sum.Reset()
			m.sum.Write(full)
		}
		r, e := m.body(line, full)
		return r, ev | e
	case inHeader, start:
		switch {
		case len(line) == 0:
			e, nested := m.endHeaders()
			if nested {
				m.restart()
				return More, ev | e
			}
			m.state = inBody
			return FileOpen, ev | e
		case m.state == inHeader && (line[0] == ' ' || line[0] == '\t'):
			m.fold(line[1:])
		default:
			name, value, ok := headerLine(line)
			if !ok {
				break
			}
			m.state = inHeader
			if len(name) > maxHeaderName {
				ev |= LongHeaderName
			}
			if len(value) > maxHeaderValue {
				ev |= LongHeaderValue
			}
			if m.room(len(name)+len(value)) && len(m.headers) < maxHeaderCount {
				n := len(m.headerMem)
				m.headers = append(m.headers, header{span{n, len(name)}, span{n + len(name), len(value)}})
				m.headerMem = append(append(m.headerMem, name...), value...)
			}
		}
	}
	return More, ev
}

// room reports whether n more bytes of headers are kept.
func (m *Mail) room(n int) bool {
	limit := m.Config.MaxHeaderBytes
	if limit == 0 {
		limit = defaultHeaders
	}
	return len(m.headerMem)+n <= limit
}

// fold continues the newest header.
func (m *Mail) fold(b []byte) {
	if len(m.headers) == 0 || !m.room(len(b)) {
		return
	}
	m.headerMem = append(m.headerMem, b...)
	m.headers[len(m.headers)-1].value.n += len(b)
}

// endHeaders looks at the headers of the message or part. nested says that another message begins.
func (m *Mail) endHeaders() (ev Event, nested bool) {
	for _, h := range m.headers {
		name, value := at(m.headerMem, h.name), at(m.headerMem, h.value)
		switch {
		case EqualFold(name, "content-disposition"):
			ev |= m.fileName(value, "filename")
		case EqualFold(name, "content-transfer-encoding"):
			switch {
			case EqualFold(value, "base64"):
				m.encoding, m.decoder = base64, decoder{}
			case EqualFold(value, "quoted-printable"):
				m.encoding = quotedPrintable
			}
		case EqualFold(name, "content-type"):
			ev |= m.fileName(value, "name")
			if b, ok := find(value, "boundary", &m.sections); ok && len(m.boundaries) < maxNestedBodies {
				m.boundaries = append(m.boundaries, append([]byte("--"), b...))
				if len(b) > maxBoundary {
					ev |= LongBoundary
				}
			}
			typ := value
			if i := bytes.IndexByte(typ, ';'); i >= 0 {
				typ = typ[:i]
			}
			switch {
			case string(typ) == "text/plain", string(typ) == "text/html":
				m.text = true
			default:
				nested = nested || bytes.HasPrefix(typ, []byte("message/"))
				m.text = false
			}
		}
	}
	if len(m.main) == 0 {
		m.main, m.headers = m.headers, m.main
		m.mainMem, m.headerMem = m.headerMem, m.mainMem
	}
	return ev, nested
}

func (m *Mail) fileName(value []byte, parameter string) (ev Event) {
	if len(m.name) > 0 {
		return 0
	}
	b, ok := find(value, parameter, &m.sections)
	if !ok {
		return 0
	}
	if len(b) > maxToken {
		ev = LongFileName
		b = b[:maxToken]
	}
	m.name = append(m.name, b...)
	if len(m.attachments) < maxAttachments {
		m.attachments = append(m.attachments, m.keep(m.name))
	}
	return ev
}

// Complete ends the message.
func (m *Mail) Complete() {
	if m.summing {
		m.summing, m.sumDone = false, true
		var sum [md5.Size]byte
		hex.Encode(m.md5[:], m.sum.Sum(sum[:0]))
	}
	m.findURLs([]byte("\n"))
}
