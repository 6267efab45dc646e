package http1

import (
	"errors"

	"sentinel/stream/app"
	"sentinel/stream/file"
)

// single makes a buffer of one direction with a legacy content modifier.
func single(name, legacy, doc string, d app.Dir, progress uint8, get func(t *Tx, d app.Dir, s *app.Scratch) []byte) app.Buffer {
	b := app.Bytes(name, doc, app.At(d, progress), get)
	b.Legacy = legacy
	return b
}

func both(name, legacy, doc string, progress uint8, get func(t *Tx, d app.Dir, s *app.Scratch) []byte) []app.Buffer {
	return []app.Buffer{
		single(name, legacy, doc, app.ToServer, progress, get),
		single(name, legacy, doc, app.ToClient, progress, get),
	}
}

func alias(bs []app.Buffer, name string) []app.Buffer {
	for i := range bs {
		bs[i].Alias = name
	}
	return bs
}

func check(bs []app.Buffer, f func([]byte, bool) error) []app.Buffer {
	for i := range bs {
		bs[i].Check = f
	}
	return bs
}

func value(name string) func(t *Tx, d app.Dir, s *app.Scratch) []byte {
	return func(t *Tx, d app.Dir, _ *app.Scratch) []byte { return t.value(d, name) }
}

// nonEmpty hides an empty value: such a buffer is not there.
func nonEmpty(b []byte) []byte {
	if len(b) == 0 {
		return nil
	}
	return b
}

func buffers() []app.Buffer {
	const ts, tc = app.ToServer, app.ToClient
	one := func(b app.Buffer) []app.Buffer { return []app.Buffer{b} }
	var out []app.Buffer
	add := func(bs []app.Buffer) { out = append(out, bs...) }

	add(check(one(single("http.method", "http_method", "request method", ts, line,
		func(t *Tx, _ app.Dir, _ *app.Scratch) []byte { return t.get(t.method) })), checkMethod))
	add(alias(one(single("http.uri", "http_uri", "normalized request URI", ts, line,
		func(t *Tx, _ app.Dir, _ *app.Scratch) []byte { return t.get(t.uriNormal) })), "http.uri.normalized"))
	add(one(single("http.uri.raw", "http_raw_uri", "request URI as it was sent", ts, line,
		func(t *Tx, _ app.Dir, _ *app.Scratch) []byte { return t.get(t.uri) })))
	add(alias(one(single("http.request_line", "", "request line", ts, line,
		func(t *Tx, d app.Dir, _ *app.Scratch) []byte { return t.get(t.msg[d].line) })), "http_request_line"))
	add(check(alias(both("http.protocol", "", "protocol version", line,
		func(t *Tx, d app.Dir, _ *app.Scratch) []byte { return nonEmpty(t.get(t.msg[d].protocol)) }), "http_protocol"), checkProtocol))
	add(alias(one(single("http.response_line", "", "status line", tc, line,
		func(t *Tx, d app.Dir, _ *app.Scratch) []byte { return t.get(t.msg[d].line) })), "http_response_line"))
	add(one(single("http.stat_code", "http_stat_code", "status code", tc, line,
		func(t *Tx, _ app.Dir, _ *app.Scratch) []byte { return t.get(t.status) })))
	add(one(single("http.stat_msg", "http_stat_msg", "reason phrase", tc, line,
		func(t *Tx, _ app.Dir, _ *app.Scratch) []byte { return t.get(t.reason) })))

	add(check(one(single("http.host", "http_host", "host name, normalized", ts, headers,
		func(t *Tx, _ app.Dir, _ *app.Scratch) []byte { return t.get(t.host) })), checkHost))
	add(one(single("http.host.raw", "http_raw_host", "host name as it was sent", ts, headers,
		func(t *Tx, d app.Dir, _ *app.Scratch) []byte {
			if t.uriHost.at != 0 {
				return t.get(t.uriHost)
			}
			return t.value(d, "host")
		})))
	add(one(single("http.user_agent", "http_user_agent", "User-Agent header", ts, headers, value("user-agent"))))
	add(one(single("http.cookie", "http_cookie", "Cookie header", ts, headers, value("cookie"))))
	add(one(single("http.cookie", "http_cookie", "Set-Cookie header", tc, headers, value("set-cookie"))))
	for _, h := range []struct{ keyword, old, header string }{
		{"http.accept", "http_accept", "accept"},
		{"http.accept_enc", "http_accept_enc", "accept-encoding"},
		{"http.accept_lang", "http_accept_lang", "accept-language"},
		{"http.referer", "http_referer", "referer"},
	} {
		add(alias(one(single(h.keyword, "", h.header+" header", ts, headers, value(h.header))), h.old))
	}
	for _, h := range []struct{ keyword, old, header string }{
		{"http.connection", "http_connection", "connection"},
		{"http.content_len", "http_content_len", "content-length"},
		{"http.content_type", "http_content_type", "content-type"},
	} {
		add(alias(both(h.keyword, "", h.header+" header", headers, value(h.header)), h.old))
	}
	add(one(single("http.server", "", "server header", tc, headers, value("server"))))
	add(one(single("http.location", "", "location header", tc, headers, value("location"))))

	add(both("http.header", "http_header", "header fields, normalized, without cookies", headers, headerBlock))
	add(one(single("http.header.raw", "http_raw_header", "header block as it was sent", ts, headers+1, rawHeader)))
	add(one(single("http.header.raw", "http_raw_header", "header block as it was sent", tc, headers+1, rawHeader)))
	add(alias(both("http.header_names", "", "names of the header fields", headers, headerNames), "http_header_names"))
	add(alias(both("http.start", "", "first line and header fields", headers, start), "http_start"))
	out = append(out,
		app.Multi("http.request_header", "one header field after the other", app.At(ts, headers), oneHeader),
		app.Multi("http.response_header", "one header field after the other", app.At(tc, headers), oneHeader))

	b := app.Stream("http.request_body", "request body, decoded", app.At(ts, body), stream)
	b.Legacy = "http_client_body"
	out = append(out, b)
	b = app.Stream("http.response_body", "response body, decoded", app.At(tc, body), stream)
	b.Legacy = "http_server_body"
	out = append(out, b)
	for _, d := range []app.Dir{ts, tc} {
		b = app.Stream("file.data", "body or uploaded file", app.At(d, body), fileData)
		b.Alias = "file_data"
		out = append(out, b)
	}
	return out
}

func stream(t *Tx, d app.Dir) *file.Stream { return t.msg[d].stream }

// fileData is the body of a response, or the file that a request carries.
func fileData(t *Tx, d app.Dir) *file.Stream {
	if d == app.ToServer {
		if f := t.Files[d].Last(); f != nil {
			return &f.Body
		}
		return nil
	}
	return t.msg[d].stream
}

func rawHeader(t *Tx, d app.Dir, _ *app.Scratch) []byte { return nonEmpty(t.msg[d].raw) }

func (t *Tx) appendField(b []byte, f *field) []byte {
	b = append(b, t.get(f.name)...)
	b = append(b, ": "...)
	b = append(b, t.get(f.value)...)
	return b
}

// headerBlock is every field as "Name: value" lines. Cookies have a keyword of their own.
func headerBlock(t *Tx, d app.Dir, s *app.Scratch) []byte {
	if t.Progress[d] <= headers {
		return nil
	}
	cookie := "cookie"
	if d == app.ToClient {
		cookie = "set-cookie"
	}
	m := &t.msg[d]
	b := room(s, t, m)
	for i := range m.fields {
		f := &m.fields[i]
		if int(f.name.n) == len(cookie) && equalFold(t.get(f.name), cookie) {
			continue
		}
		b = append(t.appendField(b, f), "\r\n"...)
	}
	return nonEmpty(b)
}

// room grabs memory for all fields of a message and its first line.
func room(s *app.Scratch, t *Tx, m *message) []byte {
	n := 8 + int(m.line.n)
	for i := range m.fields {
		n += int(m.fields[i].name.n+m.fields[i].value.n) + 4
	}
	return s.Grab(n)[:0]
}

func headerNames(t *Tx, d app.Dir, s *app.Scratch) []byte {
	m := &t.msg[d]
	if t.Progress[d] <= headers || len(m.fields) == 0 {
		return nil
	}
	b := append(room(s, t, m), "\r\n"...)
	for i := range m.fields {
		b = append(append(b, t.get(m.fields[i].name)...), "\r\n"...)
	}
	return append(b, "\r\n"...)
}

func start(t *Tx, d app.Dir, s *app.Scratch) []byte {
	m := &t.msg[d]
	if t.Progress[d] <= headers || m.line.at == 0 {
		return nil
	}
	b := append(append(room(s, t, m), t.get(m.line)...), "\r\n"...)
	for i := range m.fields {
		b = append(t.appendField(b, &m.fields[i]), "\r\n"...)
	}
	if len(m.fields) > 0 {
		b = append(b, "\r\n"...)
	}
	return b
}

func oneHeader(t *Tx, d app.Dir, i int, s *app.Scratch) ([]byte, bool) {
	m := &t.msg[d]
	if i >= len(m.fields) {
		return nil, false
	}
	f := &m.fields[i]
	return t.appendField(s.Grab(int(f.name.n+f.value.n) + 2)[:0], f), true
}

func checkMethod(b []byte, _ bool) error {
	if len(b) > 0 && (isBlank(b[0]) || isBlank(b[len(b)-1])) {
		return errors.New("http.method pattern with trailing space or tab can never match")
	}
	return nil
}

func checkProtocol(b []byte, _ bool) error {
	for _, c := range b {
		if c == ' ' {
			return errors.New("http.protocol pattern with a space can never match")
		}
	}
	return nil
}

func checkHost(b []byte, nocase bool) error {
	if nocase {
		return nil
	}
	for _, c := range b {
		if c >= 'A' && c <= 'Z' {
			return errors.New("A pattern with uppercase characters detected for http.host. The hostname buffer is normalized to lowercase, please specify a lowercase pattern.")
		}
	}
	return nil
}
