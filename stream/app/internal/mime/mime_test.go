package mime

import (
	"bytes"
	"strings"
	"testing"
)

// RFC 2045, 5.1, RFC 2231, 3, and the reference's tolerance.
func TestParameters(t *testing.T) {
	tests := []struct{ name, header, parameter, want string }{
		{"plain", "attachment; filename=a.txt", "filename", "a.txt"},
		{"quoted", `attachment; filename="a b.txt"; size=3`, "filename", "a b.txt"},
		{"escaped quote", `attachment; filename="a\"b"`, "filename", `a\"b`},
		{"second", "multipart/mixed; charset=x ; boundary=abc", "boundary", "abc"},
		{"twice", "a; name=1; name=2", "name", "2"},
		{"sections", `a; filename*0="ab"; filename*1=cd; filename*2="e"`, "filename", "abcde"},
		{"sections out of order", "a; filename*1=cd; filename*0=ab", "filename", "abcd"},
		{"sections with a hole", "a; filename*0=ab; filename*2=cd", "filename", "ab"},
		{"without first section", "a; filename*1=ab", "filename", "-"},
		{"none", "a; b=c", "filename", "-"},
		{"no parameters", "filename=a", "filename", "-"},
		{"quote without end", `a; filename="abc`, "filename", `"abc`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var buf []byte
			got, ok := find([]byte(tt.header), tt.parameter, &buf)
			if want := tt.want; string(got) != want && want != "-" || ok == (want == "-") {
				t.Errorf("got %q %v, want %q", got, ok, want)
			}
		})
	}
}

func TestBase64(t *testing.T) {
	tests := []struct {
		name  string
		lines []string
		want  string
		bad   bool
	}{
		{"whole", []string{"aGVsbG8="}, "hello", false},
		{"pieces", []string{"aG", "Vsb", "G8="}, "hello", false},
		{"noise", []string{"aG-Vs\tbG8="}, "hello", false},
		{"no padding", []string{"aGVsbG8"}, "hello", false},
		{"padding at the front", []string{"=abc", "aGVsbG8="}, "", true},
		{"one byte", []string{"aA=="}, "h", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var d decoder
			var out []byte
			bad := false
			for _, l := range tt.lines {
				var ok bool
				out, ok = d.decode(out, []byte(l))
				bad = bad || !ok
			}
			if out = d.flush(out); string(out) != tt.want || bad != tt.bad {
				t.Errorf("got %q %v", out, bad)
			}
		})
	}
}

type read struct {
	files  []string // name=content
	events Event
}

// lines reads a mail whose lines end in CR LF.
func lines(m *Mail, text string) (r read) {
	open := false
	var name, content string
	for _, l := range strings.SplitAfter(text, "\r\n") {
		if l == "" {
			continue
		}
		res, ev := m.Line([]byte(strings.TrimSuffix(l, "\r\n")), []byte(l))
		r.events |= ev
		if open {
			content += string(m.Data())
		}
		switch res {
		case FileOpen:
			if open = len(m.FileName()) > 0; open {
				name, content = string(m.FileName()), ""
			}
		case FileClose:
			if open {
				r.files = append(r.files, name+"="+content)
			}
			open = false
		}
	}
	m.Complete()
	if open {
		r.files = append(r.files, name+"="+content)
	}
	return r
}

func crlf(s string) string { return strings.ReplaceAll(strings.TrimPrefix(s, "\n"), "\n", "\r\n") }

func TestMails(t *testing.T) {
	tests := []struct {
		name, mail string
		files      string
		urls       string
		subject    string
		events     Event
	}{
		{"text", `
Subject: one
 two
From: a@example.com

see HTTP://example.com/a and <http://example.com/b>
`, "", "example.com/a example.com/b", "onetwo", 0},
		{"parts", `
Content-Type: multipart/mixed; boundary="xyz"

--xyz
Content-Type: text/plain

hi
--xyz
Content-Disposition: attachment; filename=a.txt

line 1
line 2
--xyz
Content-Type: application/octet-stream; name="b.bin"
Content-Transfer-Encoding: base64

aGVs
bG8=
--xyz--
`, "a.txt=line 1\r\nline 2|b.bin=hello", "", "", 0},
		{"base64 without padding", `
Content-Type: multipart/mixed; boundary=q

--q
Content-Disposition: attachment; filename=c
Content-Transfer-Encoding: base64

aGVsbG8
--q--
`, "c=hello", "", "", 0},
		{"quoted-printable", `
Content-Disposition: attachment; filename=d
Content-Transfer-Encoding: quoted-printable

a=3Db=
c=20=ZZ
`, "d=a=bc \r\n", "", "", InvalidQuoted},
		{"nested message", `
Content-Type: message/rfc822

Subject: inner
Content-Disposition: attachment; filename=e

x
`, "e=x", "", "", 0},
		{"nested parts", `
Content-Type: multipart/mixed; boundary=o

--o
Content-Type: multipart/alternative; boundary=i

--i
Content-Disposition: attachment; filename=f

1
--i--
--o
Content-Disposition: attachment; filename=g

2
--o--
`, "f=1|g=2", "", "", 0},
		{"links in base64 text", `
Content-Type: text/html
Content-Transfer-Encoding: base64

aHR0cDovL2V4YW1w
bGUuY29tL3g=
`, "", "example.com/x\n", "", 0},
		{"long file name", "\nContent-Disposition: a; filename=" + strings.Repeat("n", 300) + "\n\nx\n",
			strings.Repeat("n", 255) + "=x", "", "", LongFileName},
		{"long header", "\nX: " + strings.Repeat("v", 2001) + "\n\n", "", "", "", LongHeaderValue | LongLine},
		{"not base64", `
Content-Disposition: attachment; filename=h
Content-Transfer-Encoding: base64

====
`, "h=", "", "", InvalidBase64},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var m Mail
			m.Reset(&Config{DecodeBase64: true, DecodeQuoted: true, ExtractURLs: true, Schemes: []string{"http://"}})
			r := lines(&m, crlf(tt.mail))
			if got := strings.Join(r.files, "|"); got != tt.files {
				t.Errorf("files %q, want %q", got, tt.files)
			}
			var urls []string
			for i := range m.URLs() {
				urls = append(urls, string(m.URL(i)))
			}
			if got := strings.Join(urls, " "); got != tt.urls {
				t.Errorf("links %q, want %q", got, tt.urls)
			}
			if b, _ := m.Header("subject", 0); string(b) != tt.subject {
				t.Errorf("subject %q, want %q", b, tt.subject)
			}
			if r.events != tt.events {
				t.Errorf("events %b, want %b", r.events, tt.events)
			}
		})
	}
}

// RFC 1321: the MD5 of "abc".
func TestBodyMD5(t *testing.T) {
	var m Mail
	m.Reset(&Config{BodyMD5: true})
	m.Line(nil, []byte("\r\n"))
	m.Line([]byte("abc"), []byte("abc"))
	if m.BodyMD5() != nil {
		t.Error("there is a sum before the end")
	}
	m.Complete()
	if want := "900150983cd24fb0d6963f7d28e17f72"; string(m.BodyMD5()) != want {
		t.Errorf("got %s, want %s", m.BodyMD5(), want)
	}
}

// What a mail makes us keep is bounded, whatever its size.
func TestBounds(t *testing.T) {
	var m Mail
	m.Reset(&Config{ExtractURLs: true, Schemes: []string{"http://"}})
	for range 100000 {
		m.Line([]byte("a: b"), []byte("a: b\r\n"))
		m.Line([]byte(" c"), []byte(" c\r\n"))
	}
	m.Line(nil, []byte("\r\n"))
	url := []byte("http://" + strings.Repeat("x", 900) + "\r\n")
	for range 100000 {
		m.Line(url[:len(url)-2], url)
	}
	if n := len(m.mem) + len(m.mainMem) + len(m.headerMem); n > maxMem+2*defaultHeaders {
		t.Errorf("%d bytes", n)
	}
	if len(m.urls) > maxURLs || len(m.main) > maxHeaderCount {
		t.Errorf("%d links, %d headers", len(m.urls), len(m.main))
	}
}

func FuzzMail(f *testing.F) {
	f.Add([]byte(crlf("\nContent-Type: multipart/mixed; boundary=q\n\n--q\nContent-Disposition: attachment; filename=c\n" +
		"Content-Transfer-Encoding: base64\n\naGVsbG8\n--q--\n")))
	f.Add([]byte(crlf("\nContent-Transfer-Encoding: quoted-printable\nContent-Disposition: a; filename*0=d\n\na=3D=\nb=\n")))
	f.Fuzz(func(t *testing.T, b []byte) {
		var m Mail
		m.Reset(&Config{DecodeBase64: true, DecodeQuoted: true, ExtractURLs: true, BodyMD5: true, Schemes: []string{"http://"}})
		for len(b) > 0 {
			n := bytes.IndexByte(b, '\n') + 1
			if n == 0 {
				n = len(b)
			}
			m.Line(bytes.TrimRight(b[:n], "\r\n"), b[:n])
			b = b[n:]
		}
		m.Complete()
		for i := range m.URLs() {
			m.URL(i)
		}
		for i := range m.Attachments() {
			m.Attachment(i)
		}
	})
}
