package http1

import "sentinel/stream/app"

// Protocol describes HTTP/1.
func Protocol() *app.Protocol {
	return &app.Protocol{
		Name:      "http1",
		Aliases:   []string{"http"},
		EVE:       "http",
		Section:   "http",
		Transport: app.TCP,
		Patterns:  patterns(),
		Setup:     setup,
		GapOK:     true,
		States: [2][]string{
			{"request_started", "request_line", "request_headers", "request_body", "request_trailer", "request_complete"},
			{"response_started", "response_line", "response_headers", "response_body", "response_trailer", "response_complete"},
		},
		Events:     events,
		Frames:     []string{"request", "response"},
		Buffers:    buffers(),
		Log:        logTx,
		PrepareLog: prepareLog,
		Meta:       meta,
	}
}

func patterns() []app.Pattern {
	var ps []app.Pattern
	for _, m := range []string{"GET", "PUT", "POST", "HEAD", "TRACE", "OPTIONS", "CONNECT", "DELETE", "PATCH", "PROPFIND",
		"PROPPATCH", "MKCOL", "COPY", "MOVE", "LOCK", "UNLOCK", "CHECKOUT", "UNCHECKOUT", "CHECKIN", "UPDATE", "LABEL",
		"REPORT", "MKWORKSPACE", "MKACTIVITY", "MERGE", "INVALID", "VERSION-CONTROL", "BASELINE-CONTROL"} {
		for _, sp := range []string{" ", "\t"} {
			ps = append(ps, app.Pattern{Transport: app.TCP, Dir: app.ToServer, Data: m + sp, Nocase: true})
		}
	}
	for _, v := range []string{"HTTP/0.9", "HTTP/1.0", "HTTP/1.1"} {
		ps = append(ps, app.Pattern{Transport: app.TCP, Dir: app.ToClient, Data: v, Nocase: true})
	}
	return ps
}

// Upgraded hands the newest request over as the fields of HTTP/2's stream 1, for the protocol that follows an upgrade. It
// reports false when no request was seen.
func (p *Parser) Upgraded(field func(name, value []byte)) bool {
	if len(p.txs) == 0 {
		return false
	}
	t := p.txs[len(p.txs)-1]
	if t.method.at == 0 {
		return false
	}
	field([]byte(":method"), t.get(t.method))
	if t.uri.at != 0 {
		field([]byte(":path"), t.get(t.uri))
	}
	for i := range t.msg[app.ToServer].fields {
		f := &t.msg[app.ToServer].fields[i]
		field(t.get(f.name), t.get(f.value))
	}
	return true
}
