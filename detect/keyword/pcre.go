package keyword

import (
	"sentinel/detect"
	"sentinel/detect/chain"
	"sentinel/detect/pcre"
)

// pcreBuffers are the buffers that modifiers of an expression name.
var pcreBuffers = map[byte]string{
	'U': "http.uri", 'I': "http.uri.raw", 'P': "http.request_body", 'Q': "http.response_body", 'H': "http.header",
	'D': "http.header.raw", 'M': "http.method", 'C': "http.cookie", 'S': "http.stat_code", 'Y': "http.stat_msg",
	'V': "http.user_agent", 'W': "http.host", 'Z': "http.host.raw",
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
	if s.Buffer == 0 || b.Sticky() { // a sticky buffer goes before the modifier
		return b.Elem(e)
	}
	return b.ElemIn(pcreBuffers[s.Buffer], e)
}
