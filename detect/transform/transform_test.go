package transform_test

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"testing"

	"sentinel/detect/transform"
)

func find(t testing.TB, name string) transform.Keyword {
	for _, k := range transform.All() {
		if k.Name == name {
			return k
		}
	}
	t.Fatalf("there is no transform %s", name)
	return transform.Keyword{}
}

func gz(s string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	w.Write([]byte(s))
	w.Close()
	return b.String()
}

func zl(s string) string {
	var b bytes.Buffer
	w := zlib.NewWriter(&b)
	w.Write([]byte(s))
	w.Close()
	return b.String()
}

// The expectations are the user guide's, and the reference's own tests'.
func TestTransforms(t *testing.T) {
	for _, c := range []struct{ name, opt, in, want string }{
		{"dotprefix", "", "hello.google.com", ".hello.google.com"},
		{"dotprefix", "", "", ""},
		{"domain", "", "webshop.oisf.net", "oisf.net"},
		{"domain", "", "a.b.maps.google.co.uk", "google.co.uk"},
		{"domain", "", "com", ""},
		{"tld", "", "webshop.oisf.net", "net"},
		{"tld", "", "maps.google.co.uk", "co.uk"},
		{"strip_whitespace", "", " a b\t\r\nc ", "abc"},
		{"compress_whitespace", "", "A  B\t\n C", "A B\tC"},
		{"to_lowercase", "", "AbC1", "abc1"},
		{"to_uppercase", "", "AbC1", "ABC1"},
		{"to_md5", "", "abc", "\x90\x01\x50\x98\x3c\xd2\x4f\xb0\xd6\x96\x3f\x7d\x28\xe1\x7f\x72"},
		{"to_sha1", "", "abc", "\xa9\x99\x3e\x36\x47\x06\x81\x6a\xba\x3e\x25\x71\x78\x50\xc2\x6c\x9c\xd0\xd8\x9d"},
		{"url_decode", "", "Suricata%20is+%27%61wesome%21%27%25%30%30%ZZ%4", "Suricata is 'awesome!'%00%ZZ%4"},
		{"xor", "0d0ac8ff", "\x0d\x0a\xc8\xff\x6c", "\x00\x00\x00\x00\x61"},
		{"xor", "offset 1,extract 1 0", "\x01abc", "\x01`cb"},
		{"xor", "offset 9,ff", "abc", "abc"},
		{"header_lowercase", "", "Host: EXAMPLE\r\nX-Y:Z\r\n", "host: EXAMPLE\r\nx-y:Z\r\n"},
		{"strip_pseudo_headers", "", ":method: GET\r\nHost: x\r\n:path: /\r\n", "Host: x\r\n"},
		{"from_base64", "", "VGhpcyBpcyBTdXJpY2F0YQ==", "This is Suricata"},
		{"from_base64", "offset 6, mode rfc4648", "/?arg=dGhpc2lzYXRlc3QK", "thisisatest\n"},
		{"from_base64", "offset 6, mode rfc2045", "/?arg=Zm 9v Ym Fy", "foobar"},
		{"from_base64", "mode strict", "VGhp!", "VGhp!"},
		{"subslice", "1", "abcdef", "bcdef"},
		{"subslice", "-2", "abcdef", "ef"},
		{"subslice", "1,2", "abcdef", "bc"},
		{"subslice", "1,-2", "abcdef", "bcd"},
		{"subslice", "9", "abcdef", ""},
		{"subslice", "3,9,truncate", "abcdef", "def"},
		{"gunzip", "", gz("hello"), "hello"},
		{"gunzip", "max-size 2", gz("hello"), "he"},
		{"gunzip", "", "no gzip", ""},
		{"zlib_deflate", "", zl("hello"), "hello"},
		{"pcrexform", `[a-zA-Z]+\s+(.*)\s+HTTP`, "GET /dropper.php HTTP/1.1", "/dropper.php"},
		{"pcrexform", `(zzz)`, "abc", "abc"},
	} {
		t.Run(c.name+" "+c.opt, func(t *testing.T) {
			x, err := find(t, c.name).Setup(c.opt)
			if err != nil {
				t.Fatal(err)
			}
			if got := x.Apply(nil, []byte(c.in)); string(got) != c.want || got == nil && c.in != "" {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestTransformsRefuse(t *testing.T) {
	for _, c := range []struct{ name, opt string }{
		{"xor", "0d0ac8f"}, {"xor", ""}, {"xor", "extract 0 0"}, {"xor", "offset 4"},
		{"from_base64", "mode unknown"}, {"from_base64", "offset 70000"}, {"from_base64", "mode strict, mode rfc2045"},
		{"subslice", "1,0"}, {"subslice", "x"}, {"subslice", "1,2,3"},
		{"gunzip", "max-size 0"}, {"gunzip", "unknown 1"}, {"gunzip", "max-size 99MiB"},
		{"pcrexform", "abc"}, {"pcrexform", "("},
	} {
		t.Run(c.name+" "+c.opt, func(t *testing.T) {
			if _, err := find(t, c.name).Setup(c.opt); err == nil {
				t.Error("it was accepted")
			}
		})
	}
}

func FuzzTransforms(f *testing.F) {
	f.Add([]byte("GET /a%20b HTTP/1.1\r\nHost: x\r\n"))
	f.Add([]byte("VGhpcyBpcyBTdXJpY2F0YQ=="))
	f.Add([]byte(gz("hello")))
	var all []transform.Transform
	for _, k := range transform.All() {
		for _, o := range []string{"", "0d0a", "1,2", "(.*)x", "offset 1,extract 1 0", "offset 3, mode rfc2045"} {
			if x, err := k.Setup(o); err == nil {
				all = append(all, x)
			}
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		in := bytes.Clone(b)
		for _, x := range all {
			x.Apply(make([]byte, 0, 64), b)
			if !bytes.Equal(in, b) {
				t.Fatal("the input was changed")
			}
		}
	})
}
