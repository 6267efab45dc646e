package http2

import (
	"bytes"

	"sentinel/stream/app"
	"sentinel/stream/file"
)

func at(d app.Dir, sub, progress uint8) app.Point {
	return app.Point{Sub: sub, Dir: d, Progress: progress}
}

// maxBuilt bounds a buffer that is built of all fields: a byte on the wire can stand for a field of kilobytes.
const maxBuilt = 1 << 20

// value joins the values of a field: "a, b". A field that shares its name's memory with an earlier one is a repetition of a
// table entry and is left out.
func (t *Tx) value(d app.Dir, name string, s *app.Scratch) []byte {
	first := -1
	n := 0
	for i := range t.blocks[d] {
		b := &t.blocks[d][i]
		if string(b.name) != name {
			continue
		}
		if first < 0 {
			first = i
		} else if t.seen(d, i) {
			continue
		}
		n += len(b.value) + 2
	}
	if first < 0 {
		return nil
	}
	v := t.blocks[d][first].value
	if n == len(v)+2 {
		if len(v) == 0 {
			return nil
		}
		return v
	}
	out := append(s.Grab(min(n, maxBuilt))[:0], v...)
	for i := first + 1; i < len(t.blocks[d]); i++ {
		b := &t.blocks[d][i]
		if string(b.name) != name || t.seen(d, i) {
			continue
		}
		if len(out)+len(b.value)+2 > maxBuilt {
			break
		}
		out = append(append(out, ", "...), b.value...)
	}
	return out
}

// lookBack bounds how far repetitions are looked for.
const lookBack = 64

// seen reports whether an earlier field has the same name from the same place.
func (t *Tx) seen(d app.Dir, i int) bool {
	id := t.blocks[d][i].id
	for j := i - 1; j >= 0 && j >= i-lookBack; j-- {
		if t.blocks[d][j].id == id && len(t.blocks[d][j].name) > 0 {
			return true
		}
	}
	return false
}

func nonEmpty(b []byte) []byte {
	if len(b) == 0 {
		return nil
	}
	return b
}

func field(name string) func(t *Tx, d app.Dir, s *app.Scratch) []byte {
	return func(t *Tx, d app.Dir, s *app.Scratch) []byte { return t.value(d, name, s) }
}

func first(name string) func(t *Tx, d app.Dir, s *app.Scratch) []byte {
	return func(t *Tx, d app.Dir, _ *app.Scratch) []byte { return nonEmpty(t.first(d, name)) }
}

func buffers() []app.Buffer {
	const ts, tc = app.ToServer, app.ToClient
	var out []app.Buffer
	add := func(name, legacy, alias, doc string, d app.Dir, progress uint8, get func(t *Tx, d app.Dir, s *app.Scratch) []byte) {
		b := app.Bytes(name, doc, at(d, typeStream, progress), get)
		b.Legacy, b.Alias = legacy, alias
		out = append(out, b)
	}
	protocol, empty := []byte("HTTP/2"), []byte{}
	add("http.method", "http_method", "", "request method", ts, headers, first(":method"))
	add("http.uri", "http_uri", "http.uri.normalized", "request path", ts, headers, first(":path"))
	add("http.uri.raw", "http_raw_uri", "", "request path", ts, headers, first(":path"))
	add("http.request_line", "", "http_request_line", "request line as HTTP/1 would have it", ts, data, requestLine)
	add("http.response_line", "", "http_response_line", "status line as HTTP/1 would have it", tc, data, responseLine)
	add("http.host", "http_host", "", "host name, normalized", ts, headers, host)
	add("http.host.raw", "http_raw_host", "", "authority", ts, headers, field(":authority"))
	add("http.user_agent", "http_user_agent", "", "user-agent header", ts, headers, field("user-agent"))
	add("http.accept", "", "http_accept", "accept header", ts, headers, field("accept"))
	add("http.accept_enc", "", "http_accept_enc", "accept-encoding header", ts, headers, field("accept-encoding"))
	add("http.accept_lang", "", "http_accept_lang", "accept-language header", ts, headers, field("accept-language"))
	add("http.referer", "", "http_referer", "referer header", ts, headers, field("referer"))
	add("http.stat_code", "http_stat_code", "", "status code", tc, headers, first(":status"))
	add("http.stat_msg", "http_stat_msg", "", "always empty", tc, started,
		func(*Tx, app.Dir, *app.Scratch) []byte { return empty })
	add("http.server", "", "", "server header", tc, headers, field("server"))
	add("http.location", "", "", "location header", tc, headers, field("location"))
	add("http.cookie", "http_cookie", "", "cookie header", ts, headers, field("cookie"))
	add("http.cookie", "http_cookie", "", "set-cookie header", tc, headers, field("set-cookie"))
	for _, d := range []app.Dir{ts, tc} {
		add("http.protocol", "", "http_protocol", "HTTP/2", d, started,
			func(*Tx, app.Dir, *app.Scratch) []byte { return protocol })
		add("http.connection", "", "http_connection", "connection header", d, headers, field("connection"))
		add("http.content_len", "", "http_content_len", "content-length header", d, headers, field("content-length"))
		add("http.content_type", "", "http_content_type", "content-type header", d, headers, field("content-type"))
		add("http.header", "http_header", "", "header fields, without cookies", d, headers, headerBlock)
		add("http.header.raw", "http_raw_header", "", "header fields", d, headers, rawBlock)
		add("http.header_names", "", "http_header_names", "names of the header fields", d, headers, headerNames)
		out = append(out, app.Multi("http2.header_name", "one header name after the other", at(d, typeStream, headers),
			func(t *Tx, d app.Dir, i int, _ *app.Scratch) ([]byte, bool) {
				if i >= len(t.blocks[d]) {
					return nil, false
				}
				return t.blocks[d][i].name, true
			}))
		keyword := "http.request_header"
		if d == tc {
			keyword = "http.response_header"
		}
		out = append(out, app.Multi(keyword, "one header field after the other", at(d, typeStream, headers), oneHeader))
		f := app.Stream("file.data", "body", at(d, typeStream, data), stream)
		f.Alias = "file_data"
		out = append(out, f)
	}
	b := app.Stream("http.request_body", "request body, decoded", at(ts, typeStream, data), stream)
	b.Legacy = "http_client_body"
	out = append(out, b)
	b = app.Stream("http.response_body", "response body, decoded", at(tc, typeStream, data), stream)
	b.Legacy = "http_server_body"
	return append(out, b)
}

func stream(t *Tx, d app.Dir) *file.Stream { return t.half[d].stream }

func requestLine(t *Tx, d app.Dir, s *app.Scratch) []byte {
	m, p := t.first(d, ":method"), t.first(d, ":path")
	b := append(s.Grab(len(m) + len(p) + 10)[:0], m...)
	b = append(append(b, ' '), p...)
	return append(b, " HTTP/2\r\n"...)
}

func responseLine(t *Tx, d app.Dir, s *app.Scratch) []byte {
	c := t.first(d, ":status")
	b := append(s.Grab(len(c) + 9)[:0], "HTTP/2 "...)
	return append(append(b, c...), "\r\n"...)
}

// host is the authority without user and port, in lower case.
func host(t *Tx, d app.Dir, s *app.Scratch) []byte {
	v := t.value(d, ":authority", s)
	if i := bytes.IndexByte(v, '@'); i >= 0 {
		v = v[i+1:]
	}
	if i := bytes.IndexByte(v, ':'); i >= 0 {
		v = v[:i]
	}
	for i, c := range v {
		if c >= 'A' && c <= 'Z' {
			low := append(s.Grab(len(v))[:0], v...)
			for ; i < len(low); i++ {
				if c := low[i]; c >= 'A' && c <= 'Z' {
					low[i] = c + 'a' - 'A'
				}
			}
			return low
		}
	}
	return nonEmpty(v)
}

// build joins all fields that keep wants.
func (t *Tx) build(d app.Dir, s *app.Scratch, keep func(b *block) bool, trim bool) []byte {
	n := 0
	for i := range t.blocks[d] {
		n += len(t.blocks[d][i].name) + len(t.blocks[d][i].value) + 4
	}
	out := s.Grab(min(n, maxBuilt))[:0]
	for i := range t.blocks[d] {
		b := &t.blocks[d][i]
		if !keep(b) {
			continue
		}
		v := b.value
		if trim {
			v = bytes.Trim(v, " \t")
		}
		if len(out)+len(b.name)+len(v)+4 > maxBuilt {
			break
		}
		out = append(append(out, b.name...), ": "...)
		out = append(append(out, v...), "\r\n"...)
	}
	return nonEmpty(out)
}

func notCookie(b *block) bool    { return !equalFold(b.name, "cookie") }
func notSetCookie(b *block) bool { return !equalFold(b.name, "set-cookie") }
func any(*block) bool            { return true }

func headerBlock(t *Tx, d app.Dir, s *app.Scratch) []byte {
	if d == app.ToClient {
		return t.build(d, s, notSetCookie, true)
	}
	return t.build(d, s, notCookie, true)
}

func rawBlock(t *Tx, d app.Dir, s *app.Scratch) []byte { return t.build(d, s, any, false) }

func headerNames(t *Tx, d app.Dir, s *app.Scratch) []byte {
	n := 4
	for i := range t.blocks[d] {
		n += len(t.blocks[d][i].name) + 2
	}
	out := append(s.Grab(min(n, maxBuilt))[:0], "\r\n"...)
	for i := range t.blocks[d] {
		if len(out)+len(t.blocks[d][i].name)+4 > maxBuilt {
			break
		}
		out = append(append(out, t.blocks[d][i].name...), "\r\n"...)
	}
	if len(out) == 2 {
		return nil
	}
	return append(out, "\r\n"...)
}

func oneHeader(t *Tx, d app.Dir, i int, s *app.Scratch) ([]byte, bool) {
	if i >= t.within[d] {
		return nil, false
	}
	b := &t.blocks[d][i]
	out := append(s.Grab(len(b.name) + len(b.value) + 2)[:0], b.name...)
	return append(append(out, ": "...), b.value...), true
}
