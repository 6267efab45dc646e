package analysis

// buffer is what reports call a buffer.
type buffer struct {
	name string // where it differs from the keyword
	text string // in words
}

// buffers are the names of buffers in reports, by keyword. What is missing goes by its keyword.
var buffers = map[string]buffer{
	"http.uri":             {"http_uri", "http request uri"},
	"http.uri.raw":         {"http_raw_uri", "raw http uri"},
	"http.method":          {"http_method", "http request method"},
	"http.request_line":    {"http_request_line", "http request line"},
	"http.request_body":    {"http_client_body", "http request body"},
	"http.header":          {"http_header", "http headers"},
	"http.header.raw":      {"http_raw_header", "raw http headers"},
	"http.cookie":          {"http_cookie", "http cookie header"},
	"http.user_agent":      {"http_user_agent", "http user agent"},
	"http.host":            {"http_host", "http host"},
	"http.host.raw":        {"http_raw_host", "http raw host header"},
	"http.accept":          {"http_accept", "http accept header"},
	"http.accept_enc":      {"http_accept_enc", "http accept encoding header"},
	"http.accept_lang":     {"http_accept_lang", "http accept language header"},
	"http.referer":         {"http_referer", "http referer header"},
	"http.content_type":    {"http_content_type", "http content type header"},
	"http.content_len":     {"http_content_len", "http content length header"},
	"http.connection":      {"http_connection", "http connection header"},
	"http.protocol":        {"http_protocol", "http protocol"},
	"http.start":           {"http_start", "http start: request/response line + headers"},
	"http.header_names":    {"http_header_names", "http header names"},
	"http.stat_msg":        {"http_stat_msg", "http response status message"},
	"http.stat_code":       {"http_stat_code", "http response status code"},
	"http.response_line":   {"http_response_line", "http response line"},
	"http.response_body":   {"file_data", "data from tracked files"},
	"http.server":          {"", "http server header"},
	"http.location":        {"", "http location header"},
	"http.request_header":  {"http_request_header", "HTTP header name and value"},
	"http.response_header": {"http_response_header", "HTTP header name and value"},
	"http2.header_name":    {"http2_header_name", "HTTP2 header name"},
	"file.data":            {"file_data", "data from tracked files"},
	"dns.query":            {"dns_query", "dns request query"},
	"dns.query.name":       {"", "dns query name"},
	"dns.answer.name":      {"", "dns answer name"},
	"dns.response.rrname":  {"", "dns response rrname"},
	"tls.sni":              {"", "TLS Server Name Indication (SNI) extension"},
	"tls.cert_subject":     {"", "TLS certificate subject"},
	"tls.cert_issuer":      {"", "TLS certificate issuer"},
	"tls.certs":            {"", "TLS certificate"},
	"tls.subjectaltname":   {"", "TLS Subject Alternative Name"},
	"tls.alpn":             {"", "TLS APLN"},
	"tls.random":           {"", "TLS Random"},
	"tls.random_time":      {"", "TLS Random Time"},
	"tls.random_bytes":     {"", "TLS Random Bytes"},
	"ja3.hash":             {"", "TLS JA3 hash"},
	"ja3.string":           {"", "TLS JA3 string"},
	"ja3s.hash":            {"", "TLS JA3S hash"},
	"ja3s.string":          {"", "TLS JA3S string"},
	"ja4.hash":             {"", "TLS JA4 hash"},
	"smtp.helo":            {"", "SMTP helo"},
	"smtp.mail_from":       {"", "SMTP MAIL FROM"},
	"smtp.rcpt_to":         {"", "SMTP RCPT TO"},
	"email.from":           {"", "MIME EMAIL FROM"},
	"email.subject":        {"", "MIME EMAIL SUBJECT"},
	"email.to":             {"", "MIME EMAIL TO"},
	"email.cc":             {"", "MIME EMAIL CC"},
	"email.date":           {"", "MIME EMAIL DATE"},
	"email.message_id":     {"", "MIME EMAIL Message-Id"},
	"email.x_mailer":       {"", "MIME EMAIL X-Mailer"},
	"email.url":            {"", "MIME EMAIL URL"},
	"email.received":       {"", "MIME EMAIL RECEIVED"},
}

// nameOf is a buffer's name in reports; "" is the payload.
func nameOf(keyword string) string {
	if keyword == "" {
		return "payload"
	}
	if b := buffers[keyword]; b.name != "" {
		return b.name
	}
	return keyword
}

// titleOf is a buffer in words, followed by its name.
func titleOf(keyword string) string {
	if b := buffers[keyword]; b.text != "" {
		return b.text + " (" + nameOf(keyword) + ")"
	}
	return nameOf(keyword)
}

// webBuffer is a buffer of HTTP as rules_analysis.txt lists it.
type webBuffer struct {
	name, shown string
	encoded     bool // it is normalised: percent encoding in a pattern is probably a mistake
}

var webBuffers = [...]webBuffer{
	{"http_uri", "http uri", true}, {"http_raw_uri", "http raw uri", false}, {"http_method", "http method", false},
	{"http_request_line", "http request line", false}, {"http_client_body", "http client body", false},
	{"http_header", "http header", true}, {"http_raw_header", "http raw header", false}, {"http_cookie", "http cookie", true},
	{"http_user_agent", "http user agent", false}, {"http_host", "http host", false}, {"http_raw_host", "http raw host", false},
	{"http_accept_enc", "http accept enc", false}, {"http_referer", "http referer", false},
	{"http_content_type", "http content type", false}, {"http_header_names", "http header names", false},
	{"http_stat_msg", "http stat msg", false}, {"http_stat_code", "http stat code", false},
	{"file_data", "http server body", false}, {"http_accept", "http accept", false}, {"http_accept_lang", "http accept lang", false},
	{"http_connection", "http connection", false}, {"http_content_len", "http content len", false},
	{"http_protocol", "http protocol", false}, {"http_start", "http start", false}, {"http_response_line", "http response line", false},
	{"http.server", "http server", false}, {"http.location", "http location", false},
}

// webOf is the place of a buffer among webBuffers, or -1.
func webOf(keyword string) int {
	name := nameOf(keyword)
	for i := range webBuffers {
		if webBuffers[i].name == name {
			return i
		}
	}
	return -1
}
