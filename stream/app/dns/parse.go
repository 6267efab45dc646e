package dns

import (
	"bytes"
	"encoding/binary"

	"sentinel/internal/cursor"
)

// HeaderSize is the size of a message's header (RFC 1035, 4.1.1).
const HeaderSize = 12

const (
	maxName   = 1025    // longest name in dotted form; what is longer is cut and flagged
	maxLabels = 255     // labels and pointers followed for one name: the guard against loops
	maxNames  = 1 << 20 // bytes of all names of one message, against names that expand from pointers
)

// NameFlags say what was wrong with a name that could be read nevertheless.
type NameFlags uint8

// The flags of a name.
const (
	Loop       NameFlags = 1 << iota // a pointer points to itself
	Cut                              // too long, or too many labels: what follows is missing
	LabelLimit                       // more labels than allowed
)

// Name is a name of a Message, without the final dot: see Message.Bytes.
type Name struct {
	off   uint32
	n     uint16
	Flags NameFlags
}

type span struct{ off, n uint32 }

// Query is an entry of the question section.
type Query struct {
	Name        Name
	Type, Class uint16
}

// Kind is the form of a record's data.
type Kind uint8

// The forms of record data.
const (
	KindOther Kind = iota
	KindAddr       // A, AAAA: Data
	KindName       // CNAME, PTR, MX, NS: Target
	KindTXT        // Data: strings with a length octet each
	KindNull       // Data
	KindSOA        // Target, Mailbox, Data: five numbers
	KindSRV        // Data: three numbers; Target
	KindSSHFP      // Data: algorithm, type, fingerprint
	KindOPT        // Data: options with code and length
)

// Record is an entry of the answer, authority or additional section.
type Record struct {
	Name            Name
	Type, Class     uint16
	TTL             uint32
	Kind            Kind
	Target, Mailbox Name
	data            span
}

// Header is a message's header.
type Header struct {
	ID, Flags                                  uint16
	Questions, Answers, Authorities, Additions uint16
}

// QR reports whether the message says that it is a response.
func (h *Header) QR() bool { return h.Flags&0x8000 != 0 }

// Opcode is the kind of query.
func (h *Header) Opcode() uint8 { return uint8(h.Flags >> 11 & 0xf) }

// Rcode is the response code without its extension in OPT.
func (h *Header) Rcode() uint16 { return h.Flags & 0xf }

// Message is a parsed message. It owns its memory and can be parsed into again.
type Message struct {
	Header             Header
	Queries            []Query
	Answers            []Record
	Authorities        []Record
	Additionals        []Record
	InvalidAuthorities bool // the section is broken, and what follows it is not read
	InvalidAdditionals bool
	Flags              NameFlags // of all names

	raw   []byte // copy of the message, for Data
	names []byte
	seen  [8]known // names that pointers are likely to point to
	nseen int
}

type known struct {
	at   int // offset of the name in the message
	name Name
}

// Outcome is how reading a message went.
type Outcome uint8

// The outcomes of reading.
const (
	Good    Outcome = iota
	Invalid         // a field has a value that it cannot have
	Short           // the message ends too early
)

// Bytes returns the name, valid until the message is parsed into again.
func (m *Message) Bytes(n Name) []byte {
	e := int(n.off) + int(n.n)
	return m.names[n.off:e:e]
}

// Data returns a record's data, valid until the message is parsed into again.
func (m *Message) Data(r *Record) []byte {
	e := r.data.off + r.data.n
	return m.raw[r.data.off:e:e]
}

// Reset empties the message and gives up memory that is unusually large.
func (m *Message) Reset() {
	const keepRecords, keepBytes = 64, 1 << 13
	if cap(m.raw) > keepBytes {
		m.raw = nil
	}
	if cap(m.names) > keepBytes {
		m.names = nil
	}
	if cap(m.Queries) > keepRecords {
		m.Queries = nil
	}
	if cap(m.Answers) > keepRecords {
		m.Answers = nil
	}
	if cap(m.Authorities) > keepRecords {
		m.Authorities = nil
	}
	if cap(m.Additionals) > keepRecords {
		m.Additionals = nil
	}
	m.clear()
}

func (m *Message) clear() {
	m.Header = Header{}
	m.Queries, m.Answers = m.Queries[:0], m.Answers[:0]
	m.Authorities, m.Additionals = m.Authorities[:0], m.Additionals[:0]
	m.InvalidAuthorities, m.InvalidAdditionals, m.Flags = false, false, 0
	m.raw, m.names, m.nseen = m.raw[:0], m.names[:0], 0
}

// parse reads the header.
func (h *Header) parse(b []byte) bool {
	if len(b) < HeaderSize {
		return false
	}
	h.ID = binary.BigEndian.Uint16(b)
	h.Flags = binary.BigEndian.Uint16(b[2:])
	h.Questions = binary.BigEndian.Uint16(b[4:])
	h.Answers = binary.BigEndian.Uint16(b[6:])
	h.Authorities = binary.BigEndian.Uint16(b[8:])
	h.Additions = binary.BigEndian.Uint16(b[10:])
	return true
}

// plausible reports whether a message of n bytes can have this header.
func (h *Header) plausible(n int) bool {
	records := int(h.Questions) + int(h.Answers) + int(h.Authorities) + int(h.Additions)
	if 2*records > n {
		return false
	}
	if records == 0 && n > HeaderSize {
		return false // a lone header is how servers report format errors
	}
	return h.QR() || h.Questions > 0
}

// Validate reports whether b begins with a header that a message of this length can have.
func Validate(b []byte) bool {
	var h Header
	return h.parse(b) && h.plausible(len(b))
}

// Parse reads a whole message. Trailing bytes are ignored. b is copied.
func (m *Message) Parse(b []byte) Outcome {
	m.clear()
	if !m.Header.parse(b) {
		return Short
	}
	m.raw = append(m.raw, b...)
	pos := HeaderSize
	for range m.Header.Questions {
		var q Query
		next, out := m.name(&q.Name, pos, len(b))
		if out != Good {
			return out
		}
		c := cursor.Cursor(m.raw[next:])
		if !c.U16(&q.Type) || !c.U16(&q.Class) {
			return Short
		}
		m.Queries = append(m.Queries, q)
		pos = next + 4
	}
	var out Outcome
	if m.Answers, pos, out = m.records(m.Answers, pos, int(m.Header.Answers)); out != Good {
		return out
	}
	// Damage further down does not make the answers worthless.
	if m.Authorities, pos, out = m.records(m.Authorities, pos, int(m.Header.Authorities)); out != Good {
		m.InvalidAuthorities = true
		m.Authorities = m.Authorities[:0]
		return Good
	}
	if m.Additionals, _, out = m.records(m.Additionals, pos, int(m.Header.Additions)); out != Good {
		m.InvalidAdditionals = true
		m.Additionals = m.Additionals[:0]
	}
	return Good
}

// records reads n records at pos. Each takes at least 11 bytes, so that the message's length bounds the loop.
func (m *Message) records(rs []Record, pos, n int) ([]Record, int, Outcome) {
	for range n {
		var r Record
		next, out := m.name(&r.Name, pos, len(m.raw))
		if out != Good {
			return rs, pos, out
		}
		c := cursor.Cursor(m.raw[next:])
		var size uint16
		if !c.U16(&r.Type) || !c.U16(&r.Class) || !c.U32(&r.TTL) || !c.U16(&size) || len(c) < int(size) {
			return rs, pos, Short
		}
		r.data = span{uint32(next + 10), uint32(size)}
		if out := m.rdata(&r, next+10, next+10+int(size)); out != Good {
			return rs, pos, out
		}
		rs = append(rs, r)
		pos = next + 10 + int(size)
	}
	return rs, pos, Good
}

// rdata checks a record's data, which lies from pos to end.
func (m *Message) rdata(r *Record, pos, end int) (out Outcome) {
	switch r.Type {
	case typeA, typeAAAA:
		r.Kind = KindAddr
	case typeCNAME, typePTR, typeNS:
		r.Kind = KindName
		_, out = m.name(&r.Target, pos, end)
	case typeMX:
		r.Kind = KindName
		if end-pos < 2 {
			return Short
		}
		_, out = m.name(&r.Target, pos+2, end)
	case typeSOA:
		r.Kind = KindSOA
		if pos, out = m.name(&r.Target, pos, end); out != Good {
			return out
		}
		if pos, out = m.name(&r.Mailbox, pos, end); out != Good {
			return out
		}
		if end-pos < 20 {
			return Short
		}
		r.data = span{uint32(pos), 20}
	case typeSRV:
		r.Kind = KindSRV
		if end-pos < 6 {
			return Short
		}
		_, out = m.name(&r.Target, pos+6, end)
	case typeTXT:
		r.Kind = KindTXT
		c := cursor.Cursor(m.raw[pos:end])
		var s cursor.Cursor
		for !c.Empty() {
			if !c.Vec8(&s) {
				return Short
			}
		}
	case typeNULL:
		r.Kind = KindNull
	case typeSSHFP:
		r.Kind = KindSSHFP
		if end-pos < 2 {
			return Short
		}
	case typeOPT:
		r.Kind = KindOPT
		c := cursor.Cursor(m.raw[pos:end])
		var s cursor.Cursor
		for !c.Empty() {
			if !c.Skip(2) || !c.Vec16(&s) {
				return Short
			}
		}
	}
	return out
}

// name reads the name at pos, of which the part before the first pointer must lie before end, and returns where reading
// goes on.
func (m *Message) name(n *Name, pos, end int) (next int, out Outcome) {
	b := m.raw
	if end-pos >= 2 && b[pos]&0xc0 == 0xc0 {
		// Most names of answers are one pointer to a name that was read before.
		to := int(binary.BigEndian.Uint16(b[pos:])) & 0x3fff
		for i := range m.nseen {
			if m.seen[i].at == to && to != pos {
				*n = m.seen[i].name
				return pos + 2, Good
			}
		}
	}
	start, jumped, count := len(m.names), false, 0
	at, full := pos, start >= maxNames
	if full {
		n.Flags |= Cut
	}
	for pos < end {
		l := int(b[pos])
		if l == 0 {
			pos++
			break
		}
		switch {
		case l < 0x40:
			if end-pos < 1+l {
				return 0, Short
			}
			if n.Flags&Cut == 0 {
				if len(m.names) > start {
					m.names = append(m.names, '.')
				}
				m.names = append(m.names, b[pos+1:pos+1+l]...)
			}
			pos += 1 + l
		case l >= 0xc0:
			if end-pos < 2 {
				return 0, Short
			}
			to := int(binary.BigEndian.Uint16(b[pos:])) & 0x3fff
			if to > len(b) {
				return 0, Invalid
			}
			if bytes.Equal(b[to:], b[pos:end]) { // points to itself
				if !jumped {
					return 0, Invalid
				}
				n.Flags |= Loop
				return m.done(n, start, next), Good
			}
			if !jumped {
				jumped, next = true, pos+2
			}
			pos, end = to, len(b)
		default: // 01 and 10 are reserved
			return 0, Invalid
		}
		if count++; count > maxLabels {
			if !jumped {
				return 0, Invalid
			}
			n.Flags |= LabelLimit | Cut
			return m.done(n, start, next), Good
		}
		if len(m.names)-start > maxName {
			m.names = m.names[:start+maxName]
			n.Flags |= Cut
			if jumped {
				return m.done(n, start, next), Good
			}
		}
	}
	if !jumped {
		next = pos
	}
	m.done(n, start, next)
	if n.Flags == 0 && count < maxLabels && m.nseen < len(m.seen) && end == len(b) {
		m.seen[m.nseen] = known{at, *n}
		m.nseen++
	}
	return next, Good
}

func (m *Message) done(n *Name, start, next int) int {
	n.off, n.n = uint32(start), uint16(len(m.names)-start)
	m.Flags |= n.Flags
	return next
}
