package smtp

import (
	"sentinel/stream/app"
	"sentinel/stream/app/internal/mime"
)

// maxRecipients bounds those that are kept of a mail.
const maxRecipients = 4096

// Tx is a mail with its envelope, or what was said without one.
type Tx struct {
	app.Tx
	session *parser // for the name in the greeting, which all mails share

	hasFrom bool
	hasMail bool // a body is or was read
	data    bool // DATA was sent
	from    []byte
	rcpt    []byte // recipients, one after the other
	ends    []int
	mail    mime.Mail
	front   int // files at the front that rules have seen to their end
}

// pool keeps transactions of one worker for reuse.
type pool struct {
	config *config
	free   []*Tx
}

const maxPool = 128

func (p *pool) get(s *parser) *Tx {
	n := len(p.free)
	if n == 0 {
		return &Tx{session: s}
	}
	t := p.free[n-1]
	p.free = p.free[:n-1]
	t.session = s
	return t
}

func small(b []byte) []byte {
	if cap(b) > 4096 {
		return nil
	}
	return b[:0]
}

func (p *pool) put(t *Tx) {
	if len(p.free) >= maxPool {
		return
	}
	t.mail.Reset(&p.config.mime)
	t.Files[0].Clear(nil)
	t.Files[1].Clear(nil)
	ends := t.ends
	if cap(ends) > 64 {
		ends = nil
	}
	*t = Tx{Tx: app.Tx{Files: t.Files, Bits: t.Bits[:0]}, from: small(t.from), rcpt: small(t.rcpt), ends: ends[:0], mail: t.mail}
	p.free = append(p.free, t)
}

// Recipient returns recipient i of the envelope.
func (t *Tx) Recipient(i int) ([]byte, bool) {
	if i >= len(t.ends) {
		return nil, false
	}
	from := 0
	if i > 0 {
		from = t.ends[i-1]
	}
	to := t.ends[i]
	return t.rcpt[from:to:to], true
}

func (t *Tx) raise(d app.Dir, p uint8) {
	if p > t.Progress[d] {
		t.Progress[d] = p
		t.Updated[d] = true
	}
}

func (t *Tx) finish() {
	t.raise(app.ToServer, complete)
	t.raise(app.ToClient, complete)
}
