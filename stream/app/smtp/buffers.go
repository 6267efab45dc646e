package smtp

import (
	"sentinel/stream/app"
	"sentinel/stream/file"
)

// field makes a buffer of a header of the mail.
func field(name, header, doc string) app.Buffer {
	return app.Bytes(name, doc, app.At(app.ToServer, data), func(t *Tx, _ app.Dir, _ *app.Scratch) []byte {
		if !t.hasMail {
			return nil
		}
		b, ok := t.mail.Header(header, 0)
		if !ok {
			return nil
		}
		return b
	})
}

func buffers() []app.Buffer {
	toServer := app.At(app.ToServer, started)
	inData := app.At(app.ToServer, data)
	return []app.Buffer{
		app.Bytes("smtp.helo", "name in the client's greeting", toServer, func(t *Tx, _ app.Dir, _ *app.Scratch) []byte {
			if len(t.session.helo) == 0 {
				return nil
			}
			return t.session.helo
		}),
		app.Bytes("smtp.mail_from", "sender in the envelope", toServer, func(t *Tx, _ app.Dir, _ *app.Scratch) []byte {
			if !t.hasFrom {
				return nil
			}
			return t.from
		}),
		app.Multi("smtp.rcpt_to", "recipients in the envelope", toServer,
			func(t *Tx, _ app.Dir, i int, _ *app.Scratch) ([]byte, bool) { return t.Recipient(i) }),
		field("email.from", "from", "From of the mail"),
		field("email.subject", "subject", "Subject of the mail"),
		field("email.to", "to", "To of the mail"),
		field("email.cc", "cc", "Cc of the mail"),
		field("email.date", "date", "Date of the mail"),
		field("email.message_id", "message-id", "Message-Id of the mail"),
		field("email.x_mailer", "x-mailer", "X-Mailer of the mail"),
		app.Multi("email.url", "links in the mail", inData, func(t *Tx, _ app.Dir, i int, _ *app.Scratch) ([]byte, bool) {
			if !t.hasMail || i >= t.mail.URLs() {
				return nil, false
			}
			return t.mail.URL(i), true
		}),
		app.Multi("email.received", "Received of the mail", inData, func(t *Tx, _ app.Dir, i int, _ *app.Scratch) ([]byte, bool) {
			if !t.hasMail {
				return nil, false
			}
			return t.mail.Header("received", i)
		}),
		app.Bytes("email.body_md5", "MD5 of the mail's body", inData, func(t *Tx, _ app.Dir, _ *app.Scratch) []byte {
			if !t.hasMail {
				return nil
			}
			return t.mail.BodyMD5()
		}),
		app.Stream("file.data", "attachments", inData, func(t *Tx, _ app.Dir) *file.Stream {
			// The first one that rules have not seen to its end.
			files := &t.Files[app.ToServer]
			for i := t.front; i < files.Len(); i++ {
				f := files.At(i)
				if f.Body.Pending() {
					return &f.Body
				}
				if i == t.front && f.State != file.Open {
					t.front++ // a mail may have very many
				}
			}
			if f := files.Last(); f != nil {
				return &f.Body
			}
			return nil
		}),
	}
}
