package http1

import (
	"sentinel/stream/app"
	"sentinel/stream/file"
)

// The states of a direction of a transaction; the index is the progress.
const (
	started = iota
	line
	headers
	body
	trailer
	complete
)

// ref is a piece of a transaction's text. The zero ref is absent, which differs from empty.
type ref struct{ at, n uint32 } // at counts from 1

// field is a header field.
type field struct {
	name, value ref
	room        uint32 // capacity behind value, when it was merged from several
	hash        uint32
	flags       uint8
}

// coding is how the length of a message's body is known.
type coding uint8

const (
	codingUnknown coding = iota
	codingNone
	codingIdentity
	codingChunked
	codingInvalid
)

// Marks of a transaction.
const (
	txFieldInvalid uint32 = 1 << iota
	txFieldUnparseable
	txInvalidFolding
	txTooManyHeaders
	txInvalidTE
	txInvalidCL
	txHostMissing
	txHostAmbiguous
	txHostUInvalid
	txHostHInvalid
	txSmuggling
	txAuthUnknown
	txRequestTrailer
	txResponseTrailer
	tx09
	txSeenContinue
	txH2     // the server agreed to HTTP/2
	txUnseen // the response came without a request
)

// method is a method that libhtp knows; those it treats alike are one.
type method uint8

const (
	methodUnknown method = iota
	methodOther          // known, nothing special
	methodHead
	methodPut
	methodPost
	methodConnect
)

func methodOf(b []byte) method {
	switch string(b) {
	case "HEAD":
		return methodHead
	case "PUT":
		return methodPut
	case "POST":
		return methodPost
	case "CONNECT":
		return methodConnect
	case "GET", "DELETE", "OPTIONS", "TRACE", "PATCH", "PROPFIND", "PROPPATCH", "MKCOL", "COPY", "MOVE", "LOCK", "UNLOCK",
		"VERSION-CONTROL", "CHECKOUT", "UNCHECKOUT", "CHECKIN", "UPDATE", "LABEL", "REPORT", "MKWORKSPACE", "MKACTIVITY",
		"BASELINE-CONTROL", "MERGE", "INVALID":
		return methodOther
	}
	return methodUnknown
}

// Tx is a request and its response. Its text lies in one piece of memory, which a later transaction uses again.
type Tx struct {
	app.Tx
	text  []byte
	index uint64 // from 0
	flags uint32
	cfg   *config

	msg [2]message

	// of the request
	method         ref
	methodKind     method
	uri, uriNormal ref // raw; normalized
	uriHost, path  ref
	host           ref
	port           int32 // -1 = none

	// of the response
	status, reason ref
	statusNumber   int
}

// message is what request and response have in common.
type message struct {
	line     ref
	protocol ref
	version  version
	fields   []field
	repeats  int
	raw      []byte // header block and trailer as they came

	coding     coding
	length     int64 // of Content-Length; -1 = none
	compressed bool  // a content encoding is undone
	decoder    *decoder
	message    uint64 // bytes of the body on the wire
	entity     uint64 // after decoding

	bodyState
}

// bodyState follows a body on its way to rules and files.
type bodyState struct {
	own     file.Stream
	stream  *file.Stream // own, or that of the file; nil = no body yet
	file    *file.File
	seen    uint64 // bytes kept, as the body limit counts
	kind    bodyKind
	opened  bool // whether a file is to be opened was decided
	cut     bool // the limit is reached
	trigger bool // rules were asked to look at the raw stream
	stored  bool // the file is stored, which has a limit of its own
	mime    *multipart
	ranged  bool // the file is a part of a whole of total bytes
	total   uint64
	block   []byte // the part, until it ends
}

type bodyKind uint8

const (
	bodyUnset bodyKind = iota
	bodyPlain          // only rules see it
	bodyFile
	bodyMultipart
)

// get returns a piece of text; nil when it is absent.
func (t *Tx) get(r ref) []byte {
	if r.at == 0 {
		return nil
	}
	i, j := r.at-1, r.at-1+r.n
	return t.text[i:j:j]
}

// keep copies b into the transaction.
func (t *Tx) keep(b []byte) ref {
	r := ref{uint32(len(t.text)) + 1, uint32(len(b))}
	t.text = append(t.text, b...)
	return r
}

// since makes a ref of what was appended to text since it was n bytes long.
func (t *Tx) since(n int) ref { return ref{uint32(n) + 1, uint32(len(t.text) - n)} }

func hashName(b []byte) uint32 {
	h := uint32(2166136261)
	for _, c := range b {
		h = (h ^ uint32(lower(c))) * 16777619
	}
	return h
}

// header finds a header field of a direction by its name in lower case, NULs in the sender's name ignored.
func (t *Tx) header(d app.Dir, name string) *field {
	m := &t.msg[d]
	for i := range m.fields {
		f := &m.fields[i]
		if f.flags&hdrNulInName != 0 {
			if equalNoZero(t.get(f.name), name) {
				return f
			}
			continue
		}
		if int(f.name.n) == len(name) && equalFold(t.get(f.name), name) {
			return f
		}
	}
	return nil
}

// value returns a header's value, or nil.
func (t *Tx) value(d app.Dir, name string) []byte {
	if f := t.header(d, name); f != nil {
		return t.get(f.value)
	}
	return nil
}

// merge appends another value of the same name: "a, b". Values that grow get room behind them, so that many repetitions
// cost linear time.
func (t *Tx) merge(f *field, v []byte) {
	need := f.value.n + 2 + uint32(len(v))
	if need > f.room {
		room := 2 * need
		at := uint32(len(t.text)) + 1
		t.text = append(t.text, t.get(f.value)...)
		t.text = append(t.text, make([]byte, room-f.value.n)...)
		f.value.at, f.room = at, room
	}
	b := t.text[f.value.at-1+f.value.n:]
	b[0], b[1] = ',', ' '
	copy(b[2:], v)
	f.value.n = need
}

// maxKept bounds the memory that a transaction keeps for its successor.
const maxKept = 1 << 16

func (t *Tx) reset() {
	text, m := t.text[:0], t.msg
	if cap(text) > maxKept {
		text = nil
	}
	files, bits := t.Files, t.Bits[:0]
	*t = Tx{text: text, port: -1}
	t.Files, t.Bits = files, bits
	for d := range m {
		o, n := &m[d], &t.msg[d]
		n.fields, n.raw, n.own = o.fields[:0], o.raw[:0], o.own
		n.length, n.version = -1, versionUnknown
		if cap(n.raw) > maxKept {
			n.raw = nil
		}
		if cap(n.fields) > 256 {
			n.fields = nil
		}
	}
}

// pool holds what one worker's parsers reuse.
type pool struct {
	txs      []*Tx
	decoders []*decoder
	mimes    []*multipart
}

// maxPooled bounds each of the pool's lists.
const maxPooled = 1024

func (p *pool) tx() *Tx {
	if n := len(p.txs); n > 0 {
		t := p.txs[n-1]
		p.txs = p.txs[:n-1]
		return t
	}
	t := new(Tx)
	t.reset()
	return t
}

func (p *pool) giveTx(t *Tx) {
	for d := range t.msg {
		m := &t.msg[d]
		if m.decoder != nil {
			p.giveDecoder(m.decoder)
		}
		if m.mime != nil {
			m.mime.reset(nil)
			if len(p.mimes) < 64 {
				p.mimes = append(p.mimes, m.mime)
			}
		}
		t.Files[d].Clear(nil)
	}
	t.reset()
	if len(p.txs) < maxPooled {
		p.txs = append(p.txs, t)
	}
}

var _ app.Transaction = (*Tx)(nil)
