package smtp

import (
	"fmt"
	"strings"
	"testing"

	"sentinel/internal/conf"
	"sentinel/stream/app"
	"sentinel/stream/app/apptest"
)

func always(s string) func(int) string { return func(int) string { return s } }

// TestAttacks holds the parser to linear work, beyond its limits of transactions and of bytes of a line.
func TestAttacks(t *testing.T) {
	hello := []any{app.ToClient, "220 a\r\n", app.ToServer, "EHLO b\r\n", app.ToClient, "250-PIPELINING\r\n250 c\r\n", app.ToServer}
	mail := func(head string) []any {
		return append(hello[:len(hello):len(hello)], "MAIL FROM:<a>\r\n", app.ToClient, "250 ok\r\n", app.ToServer, "DATA\r\n",
			app.ToClient, "354 go\r\n", app.ToServer, head)
	}
	var nested strings.Builder
	for i := range 64 {
		fmt.Fprintf(&nested, "Content-Type: multipart/mixed; boundary=\"b%d\"\r\n\r\n--b%d\r\n", i, i)
	}
	p := whole()
	p.Setup = func(s app.Settings) (func() app.Parser, error) {
		tree, _, err := conf.Parse([]byte("smtp: {max-tx: 16, mime: {decode-mime: yes}}\n"), "x")
		if err != nil {
			return nil, err
		}
		s.Section = tree.Get("smtp")
		return setup(s)
	}
	apptest.Linear(t, p, []apptest.Attack{
		{Name: "commands", Head: hello, Unit: always("NOOP\r\n")},
		{Name: "commands and replies", Head: hello, Unit: always("NOOP\r\n"), Answer: always("250 ok\r\n")},
		{Name: "replies", Head: hello, Dir: app.ToClient, Unit: always("250 ok\r\n")},
		{Name: "replies of many lines", Head: hello, Dir: app.ToClient, Unit: always("250-ok\r\n")},
		{Name: "command without end", Head: hello, From: 1 << 13, Unit: always("a")},
		{Name: "reply without end", Head: hello, From: 1 << 13, Dir: app.ToClient, Unit: always("2")},
		{Name: "recipients", From: maxRecipients + 1000, Head: append(hello[:len(hello):len(hello)], "MAIL FROM:<a>\r\n"), Unit: always("RCPT TO:<a>\r\n")},
		{Name: "mails without replies", Head: hello, From: 128, Unit: always("MAIL FROM:<a>\r\nDATA\r\n\r\n.\r\n")},
		{Name: "mails", Head: hello, Unit: always("MAIL FROM:<a>\r\nDATA\r\n\r\nx\r\n.\r\n"), Answer: always("250 ok\r\n354 go\r\n250 ok\r\n")},
		{Name: "empty chunks", Head: hello, Unit: always("BDAT 0\r\n")},
		{Name: "chunks of a byte", Head: hello, Unit: always("BDAT 1\r\na")},
		{Name: "headers", Head: mail(""), From: 4096, Unit: func(i int) string { return fmt.Sprintf("H%d: a\r\n", i) }},
		{Name: "header without end", Head: mail(""), From: 1 << 13, Unit: always("a")},
		{Name: "folded header", Head: mail("Subject: a\r\n"), From: 1 << 14, Unit: always(" b\r\n")},
		{Name: "body", Head: mail("\r\n"), Unit: always("a\r\n")},
		{Name: "body without line ends", Head: mail("\r\n"), From: 1 << 14, Unit: always("a")},
		{Name: "body of hyphens", Head: mail("\r\n"), From: 1 << 13, Unit: always("-")},
		{Name: "links", Head: mail("\r\n"), Unit: always("http://a http://b http://c\r\n")},
		{Name: "nearly links", Head: mail("\r\n"), Unit: always("hhthtthttphttp:http:/")},
		{Name: "nested parts", Head: mail(nested.String()), Unit: always("--b6\r\n\r\n")},
		{Name: "parts", From: 256, Head: mail("Content-Type: multipart/mixed; boundary=b\r\n\r\n"),
			Unit: always("--b\r\nContent-Disposition: attachment; filename=a\r\n\r\nx\r\n")},
		{Name: "sections of names", Head: mail("Content-Type: multipart/mixed; boundary=b\r\n\r\n"), Unit: func(int) string {
			var b strings.Builder
			for i := range 100 {
				fmt.Fprintf(&b, ";\r\n filename*%d=abcdefghij", i)
			}
			return "--b\r\nContent-Disposition: attachment" + b.String() + "\r\n\r\nx\r\n"
		}},
		{Name: "base64", Head: mail("Content-Disposition: attachment; filename=a\r\nContent-Transfer-Encoding: base64\r\n\r\n"),
			Unit: always("aGVsbG8gaGVsbG8gaGVsbG8gaGVsbG8gaGVsbG8gaGVs\r\n")},
		{Name: "base64 in lines of a byte", Head: mail("Content-Disposition: attachment; filename=a\r\nContent-Transfer-Encoding: base64\r\n\r\n"),
			Unit: always("a\r\n")},
		{Name: "base64 without line ends", Head: mail("Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\n"), From: 1 << 14,
			Unit: always("aaaa")},
		{Name: "quoted-printable", Head: mail("Content-Disposition: attachment; filename=a\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"),
			Unit: always("=41=\r\n")},
		{Name: "STARTTLS", Head: hello, Unit: always("STARTTLS\r\n"), Answer: always("454 no\r\n")},
	})
}
