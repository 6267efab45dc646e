package http1

import (
	"bytes"
	"strings"

	"sentinel/internal/conf"
	"sentinel/internal/jsonw"
	"sentinel/stream/app"
	"sentinel/stream/app/internal/httprange"
)

// Bits of LogOptions.Flags; those below are fields of the custom list.
const (
	logExtended uint64 = 1 << (61 + iota)
	logRequestHeaders
	logResponseHeaders
)

// logFields are what the custom list may name: the key, and the header. The referer is part of the extended record.
var logFields = [...][2]string{
	{"accept", "accept"}, {"accept_charset", "accept-charset"}, {"accept_encoding", "accept-encoding"},
	{"accept_language", "accept-language"}, {"accept_datetime", "accept-datetime"}, {"authorization", "authorization"},
	{"cache_control", "cache-control"}, {"cookie", "cookie"}, {"from", "from"}, {"max_forwards", "max-forwards"},
	{"origin", "origin"}, {"pragma", "pragma"}, {"proxy_authorization", "proxy-authorization"}, {"range", "range"},
	{"te", "te"}, {"via", "via"}, {"x_requested_with", "x-requested-with"}, {"dnt", "dnt"},
	{"x_forwarded_proto", "x-forwarded-proto"}, {"x_authenticated_user", "x-authenticated-user"},
	{"x_flash_version", "x-flash-version"}, {"accept_range", "accept-range"}, {"age", "age"}, {"allow", "allow"},
	{"connection", "connection"}, {"content_encoding", "content-encoding"}, {"content_language", "content-language"},
	{"content_length", "content-length"}, {"content_location", "content-location"}, {"content_md5", "content-md5"},
	{"content_range", "content-range"}, {"content_type", "content-type"}, {"date", "date"}, {"etag", "etags"},
	{"expires", "expires"}, {"last_modified", "last-modified"}, {"link", "link"}, {"location", "location"},
	{"proxy_authenticate", "proxy-authenticate"}, {"referer", "referer"}, {"refresh", "refresh"},
	{"retry_after", "retry-after"}, {"server", "server"}, {"set_cookie", "set-cookie"}, {"trailer", "trailer"},
	{"transfer_encoding", "transfer-encoding"}, {"upgrade", "upgrade"}, {"vary", "vary"}, {"warning", "warning"},
	{"www_authenticate", "www-authenticate"}, {"true_client_ip", "true-client-ip"}, {"org_src_ip", "org-src-ip"},
	{"x_bluecoat_via", "x-bluecoat-via"},
}

const customFields = 1<<len(logFields) - 1

func prepareLog(n *conf.Node, warn func(string, ...any)) uint64 {
	var f uint64
	if n.Get("extended").IsTrue() {
		f |= logExtended
	}
	switch d := n.Get("dump-all-headers").Str(""); {
	case strings.HasPrefix(d, "both"):
		f |= logRequestHeaders | logResponseHeaders
	case strings.HasPrefix(d, "request"):
		f |= logRequestHeaders
	case strings.HasPrefix(d, "response"):
		f |= logResponseHeaders
	}
	custom := n.Get("custom").Strings()
	if len(custom) > 0 && f&logRequestHeaders != 0 && f&logResponseHeaders != 0 && warn != nil {
		warn("%s: custom is not needed beside dump-all-headers: both", n.Pos())
	}
	for _, c := range custom {
		for i, l := range logFields {
			if l[0] == c || strings.EqualFold(l[1], c) {
				f |= 1 << i
				break
			}
		}
	}
	return f
}

func logTx(tx app.Transaction, w *jsonw.Builder, o *app.LogOptions) bool {
	t, ok := tx.(*Tx)
	if !ok {
		return false
	}
	var flags uint64
	if o != nil {
		flags = o.Flags
		if o.Extended {
			flags |= logExtended
		}
	}
	t.logBasic(w)
	if flags&logExtended != 0 {
		t.logExtended(w)
	}
	if flags&(logRequestHeaders|customFields) != 0 {
		t.logHeaders(w, app.ToServer, "request_headers", flags, logRequestHeaders)
	}
	if flags&(logResponseHeaders|customFields) != 0 {
		t.logHeaders(w, app.ToClient, "response_headers", flags, logResponseHeaders)
	}
	return true
}

// meta is the object in alerts and file records: always extended, never with headers.
func meta(tx app.Transaction, w *jsonw.Builder, _ *app.LogOptions) bool {
	t, ok := tx.(*Tx)
	if !ok {
		return false
	}
	t.logBasic(w)
	t.logExtended(w)
	return true
}

func (t *Tx) logBasic(w *jsonw.Builder) {
	if t.host.at != 0 {
		w.Str("hostname", t.get(t.host))
	}
	if t.port >= 0 {
		w.Uint("http_port", uint64(t.port))
	}
	if t.uri.at != 0 {
		w.Str("url", t.get(t.uri))
	}
	if v := t.value(app.ToServer, "user-agent"); v != nil {
		w.Str("http_user_agent", v)
	}
	if v := t.value(app.ToServer, "x-forwarded-for"); v != nil {
		w.Str("xff", v)
	}
	if v := t.value(app.ToClient, "content-type"); v != nil {
		if i := bytes.IndexByte(v, ';'); i >= 0 {
			v = v[:i]
		}
		w.Str("http_content_type", v)
	}
	if v := t.value(app.ToClient, "content-range"); v != nil {
		w.OpenObject("content_range")
		w.Str("raw", v)
		if r, ok := httprange.Parse(v); ok {
			for _, n := range [...]struct {
				key string
				n   int64
			}{{"start", r.Start}, {"end", r.End}, {"size", r.Size}} {
				if n.n >= 0 {
					w.Uint(n.key, uint64(n.n))
				}
			}
		}
		w.Close()
	}
}

func (t *Tx) logExtended(w *jsonw.Builder) {
	if v := t.value(app.ToServer, "referer"); v != nil {
		w.Str("http_refer", v)
	}
	if t.method.at != 0 {
		w.Str("http_method", t.get(t.method))
	}
	if r := t.msg[app.ToServer].protocol; r.at != 0 {
		w.Str("protocol", t.get(r))
	}
	if t.statusNumber > 0 {
		w.Uint("status", uint64(t.statusNumber))
	} else if t.status.at != 0 {
		w.Str("status_string", t.get(t.status))
	}
	if v := t.value(app.ToClient, "location"); v != nil {
		w.Str("redirect", v)
	}
	w.Uint("length", t.msg[app.ToClient].message)
}

// Lengths at which header fields are cut in EVE.
const (
	maxLogName  = 255
	maxLogValue = 2047
)

func (t *Tx) logHeaders(w *jsonw.Builder, d app.Dir, key string, flags, all uint64) {
	mark := w.Mark()
	w.OpenArray(key)
	empty := true
	m := &t.msg[d]
	for i := range m.fields {
		name := t.get(m.fields[i].name)
		if flags&all == 0 && !wanted(name, flags) {
			continue
		}
		empty = false
		w.StartObject()
		w.Str("name", cString(name, maxLogName))
		w.Str("value", cString(t.get(m.fields[i].value), maxLogValue))
		w.Close()
	}
	if empty {
		w.Rollback(mark)
		return
	}
	w.Close()
}

// cString cuts b at its first NUL, or at max bytes.
func cString(b []byte, max int) []byte {
	if len(b) > max {
		b = b[:max]
	}
	if i := bytes.IndexByte(b, 0); i >= 0 {
		b = b[:i]
	}
	return b
}

func wanted(name []byte, flags uint64) bool {
	for i, l := range logFields {
		if flags&(1<<i) != 0 && equalFold(name, l[1]) {
			return l[1] != "referer" || flags&logExtended == 0
		}
	}
	return false
}
