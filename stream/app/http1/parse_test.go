package http1

import "testing"

func TestChunkLength(t *testing.T) {
	for _, c := range []struct {
		in             string
		n              int64
		none, ext, bad bool
	}{
		{"12a5\r\n", 0x12a5, false, false, false},
		{"1;name=value\r\n", 1, false, true, false},
		{"    \t12a5    \r\n", 0x12a5, false, false, false},
		{"0\r\n", 0, false, false, false},
		{"00000000000000000005\r\n", 5, false, false, false},
		{"7fffffff\r\n", 0x7fffffff, false, false, false},
		{"80000000\r\n", 0, true, false, false}, // more than a chunk may have
		{"fffffffffffffffff\r\n", 0, false, false, true},
		{"xyz\r\n", 0, false, false, true},
		{"\r\n", 0, true, false, false},
	} {
		n, none, ext, bad := chunkLength([]byte(c.in))
		if n != c.n || none != c.none || ext != c.ext || bad != c.bad {
			t.Errorf("%q: %d none %v ext %v bad %v", c.in, n, none, ext, bad)
		}
	}
}

func TestContentLength(t *testing.T) {
	for _, c := range []struct {
		in            string
		n             uint64
		before, after bool
		ok            bool
	}{
		{"134", 134, false, false, true},
		{"  \t134  \t", 134, false, false, true},
		{"abcd1000", 1000, true, false, true},
		{"18446744073709551615", 1<<64 - 1, false, false, true},
		{"18446744073709551616", 0, false, false, false},
		{"5, 5", 5, false, true, true},
		{"abc", 0, false, false, false},
		{"", 0, false, false, false},
	} {
		n, before, after, ok := contentLength([]byte(c.in))
		if n != c.n || before != c.before || after != c.after || ok != c.ok {
			t.Errorf("%q: %d %v %v %v", c.in, n, before, after, ok)
		}
	}
}

func TestVersion(t *testing.T) {
	for _, c := range []struct {
		in    string
		v     version
		extra bool
	}{
		{"HTTP/1.1", version11, false}, {"http/1.0", version10, false}, {"HTTP/0.9", version09, true},
		{"HTTP/.9", version09, false}, {"HTTP / 01.1", version11, true}, {"HTTP/1.2", versionInvalid, false},
		{"HTTP/1.1x", versionInvalid, false}, {"ICY", versionInvalid, false}, {"", versionInvalid, false},
	} {
		if v, extra := parseVersion([]byte(c.in)); v != c.v || extra != c.extra {
			t.Errorf("%q: %d %v", c.in, v, extra)
		}
	}
}

func TestHost(t *testing.T) {
	for _, c := range []struct {
		in, host string
		number   uint16
		valid    bool
	}{
		{"www.example.com", "www.example.com", 0, true},
		{"www.example.com:80", "www.example.com", 80, true},
		{"www.example.com:99999", "www.example.com", 0, false},
		{"www.example.com:ab", "www.example.com", 0, false},
		{"[::1]:8080", "[::1]", 8080, true},
		{"[::1]x", "[::1]", 0, false},
		{"[::1", "[::1", 0, false},
		{"a..b", "a..b", 0, false},
		{".a", ".a", 0, false},
		{"under_score", "under_score", 0, true},
		{"a b", "a b", 0, false},
	} {
		h, ok := parseHostPort([]byte(c.in))
		if !ok || string(h.host) != c.host || h.number != c.number || h.valid != c.valid {
			t.Errorf("%q: %v %q %d %v", c.in, ok, h.host, h.number, h.valid)
		}
	}
	if _, ok := parseHostPort([]byte("/path")); ok {
		t.Error("a path is no host")
	}
}

func TestPath(t *testing.T) {
	ids := defaults()
	ids.personality("IDS")
	apache := defaults()
	apache.personality("Apache_2")
	remove := defaults()
	remove.invalid = removePercent
	for _, c := range []struct {
		name     string
		d        *config
		in, want string
	}{
		{"dots", ids, "/a/b/../c/./d", "/a/c/d"},
		{"dots above the root", ids, "/../../etc", "/etc"},
		{"encoded dots", ids, "/a/%2e%2E/b", "/b"},
		{"backslash", ids, `\a\b`, "/a/b"},
		{"separators", ids, "///a//b", "/a/b"},
		{"encoded separator", ids, "/a%2fb", "/a/b"},
		{"encoded separator stays", apache, "/a%2fb", "/a%2fb"},
		{"unicode", ids, "/%u0061%uFF21", "/aA"},
		{"unicode without decoding", apache, "/%u0061", "/%u0061"},
		{"short escape", ids, "/%", "/%"},
		{"bad escape kept", ids, "/%xx", "/%xx"},
		{"bad escape removed", remove, "/%xx", "/xx"},
		{"overlong UTF-8", ids, "/a\xc0\xafb", "/a/b"},
		{"full width", ids, "/\xef\xbd\x9d", "/}"},
		{"broken UTF-8", ids, "/\xf1.\xf1\xef\xbd\x9dabcd", "/?.?}abcd"},
		{"case", ids, "/ABC", "/ABC"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := string(c.d.decodePath(nil, []byte(c.in))); got != c.want {
				t.Errorf("%q: %q, want %q", c.in, got, c.want)
			}
		})
	}
}

func TestURI(t *testing.T) {
	u := splitURI([]byte("http://user:pass@host.com:8080/path?q=1#frag"))
	for _, c := range [][2]string{
		{string(u.scheme), "http"}, {string(u.user), "user"}, {string(u.pass), "pass"}, {string(u.host), "host.com"},
		{string(u.port), "8080"}, {string(u.path), "/path"}, {string(u.query), "q=1"}, {string(u.fragment), "frag"},
	} {
		if c[0] != c[1] {
			t.Errorf("%q, want %q", c[0], c[1])
		}
	}
	if u = splitURI([]byte("/a?b#c")); u.host != nil || string(u.path) != "/a" || string(u.query) != "b" || string(u.fragment) != "c" {
		t.Errorf("%+v", u)
	}
}

func TestDisposition(t *testing.T) {
	for in, want := range map[string]string{
		`attachment; filename="a.txt"`:           "a.txt",
		`attachment; filename=a.txt; size=5`:     "a.txt",
		`attachment; name="x;y"; FileName="b.c"`: "b.c",
		`attachment`:                             "",
	} {
		if got := string(dispositionName([]byte(in))); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}
