package smtp

import (
	"bytes"
	"crypto/md5"
	"strings"
	"unicode/utf8"

	"sentinel/internal/conf"
	"sentinel/internal/jsonw"
	"sentinel/stream/app"
)

// shape is how a header is written into events.
type shape uint8

const (
	single shape = iota
	list         // each occurrence
	commas       // the first occurrence, split at commas
)

// fields are the headers that events may have on request, with the bits of LogOptions.Flags by index.
var fields = []struct {
	name, header string
	shape        shape
}{
	{"reply_to", "reply-to", single}, {"bcc", "bcc", commas}, {"message_id", "message-id", single}, {"subject", "subject", single},
	{"x_mailer", "x-mailer", single}, {"user_agent", "user-agent", single}, {"received", "received", list},
	{"x_originating_ip", "x-originating-ip", single}, {"in_reply_to", "in-reply-to", single}, {"references", "references", single},
	{"importance", "importance", single}, {"priority", "priority", single}, {"sensitivity", "sensitivity", single},
	{"organization", "organization", single}, {"content_md5", "content-md5", single}, {"date", "date", single},
}

const (
	logBodyMD5 = 1 << 32 << iota
	logSubjectMD5
	prepared
)

// prepareLog reads the options of the smtp event type: custom, md5. The option extended has no effect in the reference, which
// forgets it, and so it has none here.
func prepareLog(n *conf.Node, _ func(string, ...any)) uint64 {
	flags := uint64(prepared)
	for _, s := range n.Child("custom").Strings() {
		for i, f := range fields {
			if f.name == s || strings.EqualFold(f.header, s) {
				flags |= 1 << i
			}
		}
	}
	for _, s := range n.Child("md5").Strings() {
		switch s {
		case "body":
			flags |= logBodyMD5
		case "subject":
			flags |= logSubjectMD5
		}
	}
	return flags
}

// logTx writes the envelope.
func logTx(tx app.Transaction, w *jsonw.Builder, _ *app.LogOptions) bool {
	t, ok := tx.(*Tx)
	if !ok {
		return false
	}
	if t.session.hasHelo {
		text(w, "helo", t.session.helo)
	}
	if t.hasFrom {
		text(w, "mail_from", t.from)
	}
	if len(t.ends) > 0 {
		w.OpenArray("rcpt_to")
		for i := 0; ; i++ {
			b, ok := t.Recipient(i)
			if !ok {
				break
			}
			if b, ok = word(b); ok {
				w.ElemStr(b)
			}
		}
		w.Close()
	}
	return true
}

// word cuts at a NUL, and refuses what is not text.
func word(b []byte) ([]byte, bool) {
	if i := bytes.IndexByte(b, 0); i >= 0 {
		b = b[:i]
	}
	return b, utf8.Valid(b)
}

func text(w *jsonw.Builder, key string, b []byte) {
	if b, ok := word(b); ok {
		w.Str(key, b)
	}
}

// logMail writes the mail beside the envelope.
func logMail(tx app.Transaction, w *jsonw.Builder, o *app.LogOptions) {
	t, ok := tx.(*Tx)
	if !ok || !t.hasMail {
		return
	}
	w.OpenObject("email")
	t.logHeader(w, "from", "from", single)
	t.logHeader(w, "to", "to", commas)
	t.logHeader(w, "cc", "cc", commas)
	w.String("status", "PARSE_DONE")
	if n := t.mail.Attachments(); n > 0 {
		w.OpenArray("attachment")
		for i := range n {
			lossyElem(w, t.mail.Attachment(i))
		}
		w.Close()
	}
	if n := t.mail.URLs(); n > 0 {
		w.OpenArray("url")
		for i := n - 1; i >= 0; i-- {
			lossyElem(w, t.mail.URL(i))
		}
		w.Close()
	}
	if !o.Alert {
		for i, f := range fields {
			if o.Flags>>i&1 != 0 {
				t.logHeader(w, f.name, f.header, f.shape)
			}
		}
		if o.Flags&logSubjectMD5 != 0 {
			if b, ok := t.mail.Header("subject", 0); ok {
				sum := md5.Sum(b)
				w.Hex("subject_md5", sum[:])
			}
		}
		if o.Flags&logBodyMD5 != 0 {
			if b := t.mail.BodyMD5(); b != nil {
				w.Str("body_md5", b)
			}
		}
	}
	w.Close()
}

func (t *Tx) logHeader(w *jsonw.Builder, key, header string, s shape) {
	b, ok := t.mail.Header(header, 0)
	if !ok {
		return
	}
	switch s {
	case single:
		w.Str(key, lossy(b))
	case list:
		w.OpenArray(key)
		for i := 0; ok; i++ {
			if b, ok = t.mail.Header(header, i); ok {
				lossyElem(w, b)
			}
		}
		w.Close()
	case commas:
		mark := w.Mark()
		w.OpenArray(key)
		some := false
		for len(b) > 0 {
			var item []byte
			if item, b = cutComma(b); len(item) > 0 {
				lossyElem(w, item)
				some = true
			}
		}
		if !some {
			w.Rollback(mark)
			return
		}
		w.Close()
	}
}

// cutComma takes a member of a list off the front of b: without the blanks before it, and with commas in quotes.
func cutComma(b []byte) (item, rest []byte) {
	b = bytes.TrimLeft(b, " \t")
	quoted := false
	for i, c := range b {
		switch {
		case c == '"':
			quoted = !quoted
		case c == ',' && !quoted && i > 0: // one at the very beginning belongs to the member
			return b[:i], b[i+1:]
		}
	}
	return b, nil
}

func lossyElem(w *jsonw.Builder, b []byte) { w.ElemStr(lossy(b)) }

// lossy replaces what is no UTF-8 by U+FFFD, once for each beginning of a character.
func lossy(b []byte) []byte {
	if utf8.Valid(b) {
		return b
	}
	out := make([]byte, 0, len(b)+16)
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		if r == utf8.RuneError && n == 1 {
			n = broken(b)
			out = append(out, "\uFFFD"...)
		} else {
			out = append(out, b[:n]...)
		}
		b = b[n:]
	}
	return out
}

// broken is how many bytes at the front of b begin one character that does not end (Unicode, 3.9, maximal subpart).
func broken(b []byte) int {
	need, low, high := 0, byte(0x80), byte(0xbf)
	switch c := b[0]; {
	case c >= 0xc2 && c <= 0xdf:
		need = 1
	case c >= 0xe0 && c <= 0xef:
		need = 2
		if c == 0xe0 {
			low = 0xa0
		} else if c == 0xed {
			high = 0x9f
		}
	case c >= 0xf0 && c <= 0xf4:
		need = 3
		if c == 0xf0 {
			low = 0x90
		} else if c == 0xf4 {
			high = 0x8f
		}
	}
	n := 1
	for n <= need && n < len(b) && b[n] >= low && b[n] <= high {
		low, high = 0x80, 0xbf
		n++
	}
	return min(n, max(need, 1))
}
