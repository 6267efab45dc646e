package mime

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"sentinel/internal/growth"
)

// byteCost is the most that a byte of a mail may cost.
const byteCost = 4 * time.Microsecond

// TestAttacks holds the reader of mails to linear work.
func TestAttacks(t *testing.T) {
	const parts = "Content-Type: multipart/mixed; boundary=b\r\n\r\n"
	var sections strings.Builder
	for i := range 200 {
		fmt.Fprintf(&sections, "; filename*%d=abc", i)
	}
	always := func(s string) func(int) string { return func(int) string { return s } }
	tests := []struct {
		name, head string
		unit       func(i int) string
	}{
		{"headers", "", func(i int) string { return fmt.Sprintf("H%d: v\r\n", i) }},
		{"headers of one name", "", always("Content-Type: multipart/mixed; boundary=b\r\n")},
		{"folds", "Subject: a\r\n", always(" b\r\n")},
		{"parts", parts, always("--b\r\nContent-Disposition: attachment; filename=a\r\n\r\nx\r\n")},
		{"nested parts", "", func(i int) string {
			return fmt.Sprintf("Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n", i, i)
		}},
		{"nested messages", "", always("Content-Type: message/rfc822\r\n\r\n")},
		{"sections", parts, always("--b\r\nContent-Disposition: a" + sections.String() + "\r\n\r\n")},
		{"quotes", parts, always("--b\r\nContent-Disposition: a; b=\"" + strings.Repeat(`\"`, 400) + "\r\n\r\n")},
		{"semicolons", parts, always("--b\r\nContent-Disposition: a" + strings.Repeat(";=", 400) + "\r\n\r\n")},
		{"links", "\r\n", always("http://a http://b\r\n")},
		{"link without end", "\r\n", always("http://aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")},
		{"base64", "Content-Disposition: a; filename=b\r\nContent-Transfer-Encoding: base64\r\n\r\n", always("aGVs\r\n")},
		{"text in base64 without lines", "Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\n", always("aGVs\r\n")},
		{"quoted-printable", "Content-Disposition: a; filename=b\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n", always("=\r\n")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			config := &Config{DecodeBase64: true, DecodeQuoted: true, ExtractURLs: true, BodyMD5: true,
				Schemes: []string{"http://", "https://", "ftp://"}}
			var m Mail
			bytes := 0
			c := growth.Linear(t, 64, 1<<20/len(tt.unit(0)), func(n int) func() {
				text := []string{tt.head}
				for i := range n {
					text = append(text, tt.unit(i))
				}
				var lines []string
				bytes = 0
				for _, s := range text {
					bytes += len(s)
					lines = append(lines, strings.SplitAfter(s, "\r\n")...)
				}
				return func() {
					m.Reset(config)
					for _, l := range lines {
						if l != "" {
							m.Line([]byte(strings.TrimSuffix(l, "\r\n")), []byte(l))
						}
					}
					m.Complete()
				}
			})
			if c.Per(bytes) > byteCost {
				t.Errorf("%v a byte", c.Per(bytes))
			}
		})
	}
}
