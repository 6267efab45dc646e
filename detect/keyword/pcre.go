package keyword

import (
	"sentinel/detect"
	"sentinel/detect/chain"
	"sentinel/detect/pcre"
)

// pcreBuffers are the buffers that modifiers of an expression name.
var pcreBuffers = map[byte]string{
	'U': "http.uri", 'I': "http.uri.raw", 'P': "http.request_body", 'Q': "file.data", 'H': "http.header",
	'D': "http.header.raw", 'M': "http.method", 'C': "http.cookie", 'S': "http.stat_code", 'Y': "http.stat_msg",
	'V': "http.user_agent", 'W': "http.host", 'Z': "http.host.raw",
}

// described are those buffers as messages name them.
var described = map[byte]string{
	'U': "http request uri", 'I': "raw http uri", 'P': "http request body", 'Q': "data from tracked files", 'H': "http headers",
	'D': "raw http headers", 'M': "http request method", 'C': "http cookie header", 'S': "http response status code",
	'Y': "http response status message", 'V': "http user agent", 'W': "http host", 'Z': "raw http host header",
}

func pcreKeyword(b *detect.Builder, v string) error {
	s, err := pcre.ParseSuricata(v)
	if err != nil {
		return err
	}
	re, err := s.Compile()
	if err != nil {
		return err
	}
	e := &chain.Pcre{Re: re, Negated: b.Negated || s.Negated, Relative: s.Relative, Captures: s.Captures}
	for _, c := range s.Captures {
		switch c.Scope {
		case pcre.FlowVar:
			b.Order(detect.OrderFlowvar, false, !b.Sticky())
		case pcre.PktVar:
			b.Order(detect.OrderPktvar, false, !b.Sticky())
		}
	}
	if s.Buffer == 0 {
		return b.Elem(e)
	}
	if b.Sticky() {
		if want := pcreBuffers[s.Buffer]; !b.Selected(want) && !(s.Buffer == 'Q' && b.Selected("http.response_body")) {
			return problem("Expression seen with a sticky buffer still set; either (1) reset sticky buffer with pkt_data or (2) use a sticky buffer providing \"" + described[s.Buffer] + "\".")
		}
		return b.Elem(e)
	}
	if s.Relative && !b.AnyMatchIn(pcreBuffers[s.Buffer]) {
		return problem("pcre with /R (relative) needs preceding match in the same buffer")
	}
	return b.ElemIn(pcreBuffers[s.Buffer], e)
}
